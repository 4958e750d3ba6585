# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scripts: where they are looked for, and what may be wrong with them."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import ServiceError
from ansible_collections.certops.rotation.plugins.module_utils._ports.services.missing import ServiceMissing
from ansible_collections.certops.rotation.plugins.module_utils._ports.services.script import (
    InitScript,
    ScriptService,
    find_script,
)


def executable(path: pathlib.Path, body: str = "true") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def places(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_an_absolute_path_is_itself(tmp_path: pathlib.Path) -> None:
    path = executable(tmp_path / "a b" / "x")
    assert find_script(path) == path


def test_path_comes_before_the_current_directory(tmp_path: pathlib.Path) -> None:
    here = executable(tmp_path / "here" / "x")
    assert find_script("x") == here
    on_path = executable(tmp_path / "path" / "x")
    assert find_script("x") == on_path
    assert find_script("./x") == here, "this one is relative"
    assert find_script("../path/x") == on_path


@pytest.mark.parametrize("name", ["absent", "/no/such/script", "sub/absent"])
def test_one_that_is_not_there(name: str) -> None:
    with pytest.raises(ServiceMissing, match=f"There is no {name}.*absolute path"):
        find_script(name)


def test_one_that_cannot_be_run(tmp_path: pathlib.Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    plain.chmod(0o644)
    with pytest.raises(ServiceError, match=r"plain is not executable\. Run 'chmod"):
        find_script(str(plain))
    with pytest.raises(ServiceError, match="is no file that can be run"):
        find_script(str(tmp_path))
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ServiceError, match="is no file that can be run"):
        find_script(str(dangling))


def test_a_script_learns_of_what_has_changed(tmp_path: pathlib.Path) -> None:
    path = executable(tmp_path / "x", 'echo "$1 $CERTOPS_LINEAGES"')
    service = ScriptService(path, ["--flag"], 20, {"CERTOPS_LINEAGES": "a b"})
    assert service.activate().output == "--flag a b"


def test_a_script_that_fails_is_an_error_with_its_output(tmp_path: pathlib.Path) -> None:
    path = executable(tmp_path / "x", "echo why; exit 7")
    with pytest.raises(ServiceError, match="failed with exit code 7") as raised:
        ScriptService(path, [], 20, {}).activate()
    assert raised.value.details["log"] == "why"
    executable(tmp_path / "x", "kill -TERM $$")
    with pytest.raises(ServiceError, match="was ended by signal 15"):
        ScriptService(path, [], 20, {}).activate()


def init_script(tmp_path: pathlib.Path, name: str, *, systemd: bool = False) -> InitScript:
    directories = [str(tmp_path / "init.d"), str(tmp_path / "rc.d")]
    return InitScript(name, "reload", 20, directories=directories, systemd=str(tmp_path) if systemd else "/no/systemd")


def test_an_init_script_is_run_by_the_host_s_own_program(tmp_path: pathlib.Path) -> None:
    executable(tmp_path / "path" / "service", 'echo "service: $*"')
    executable(tmp_path / "rc.d" / "web")
    assert init_script(tmp_path, "web").activate().output == "service: web reload"
    with pytest.raises(ServiceMissing, match=r"There is no init script absent in .*init\.d or .*rc\.d"):
        init_script(tmp_path, "absent").activate()


def test_an_init_script_that_fails(tmp_path: pathlib.Path) -> None:
    executable(tmp_path / "path" / "service", "echo no; exit 5")
    executable(tmp_path / "init.d" / "web")
    with pytest.raises(ServiceError, match="service web reload failed with exit code 5") as raised:
        init_script(tmp_path, "web", systemd=True).activate()
    assert (raised.value.details["log"], isinstance(raised.value, ServiceMissing)) == ("no", False)


def test_where_systemd_is_a_unit_will_do_as_well(tmp_path: pathlib.Path) -> None:
    executable(tmp_path / "path" / "service", '[ "$1" = unit ] || exit 5')
    assert init_script(tmp_path, "unit", systemd=True).activate().output == ""
    with pytest.raises(ServiceMissing, match="There is no init script other"):
        init_script(tmp_path, "other", systemd=True).activate()
