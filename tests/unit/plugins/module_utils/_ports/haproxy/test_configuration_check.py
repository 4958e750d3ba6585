# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`haproxy -c`: what is HAProxy's refusal, and what is our own lack? The program is one of the test."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import ReloadError
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.configuration_check import (
    CheckImpossible,
    check_configuration,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.surroundings import Surroundings

_NOBODY = 65534
_REFUSES = "echo \"[ALERT] (1) : config : parsing [x:1] : unknown keyword 'x'\"; exit 1"


class Place:
    """A directory that everybody may look into, with a configuration and a program that plays HAProxy."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        path.chmod(0o755)
        self.config = self.write("haproxy.cfg", "global\n")
        self.program = str(path / "haproxy")

    def write(self, name: str, text: str, mode: int = 0o644) -> str:
        path = self.path / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def check(
        self,
        script: str,
        known: Surroundings | None = None,
        config: str | None = None,
        environment: t.Mapping[str, str] | None = None,
        timeout: float = 20,
    ) -> str:
        self.write("haproxy", f"#!/bin/sh\n{script}\n", 0o755)
        given = known or Surroundings(os.environ)
        return check_configuration(self.program, [config or self.config], timeout, environment or {}, lambda: given)

    def refusal(self, *args: t.Any, **options: t.Any) -> ReloadError:
        with pytest.raises(ReloadError) as caught:
            self.check(*args, **options)
        assert not isinstance(caught.value, CheckImpossible)
        return caught.value

    def lack(self, *args: t.Any, **options: t.Any) -> str:
        """What cannot be told keeps nothing as a log, for a log is a verdict."""
        with pytest.raises(CheckImpossible) as caught:
            self.check(*args, **options)
        assert "log" not in caught.value.details
        assert "could not be told beforehand" in caught.value.message
        return caught.value.message


@pytest.fixture
def place() -> t.Iterator[Place]:
    path = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    yield Place(path)
    shutil.rmtree(path)


@contextlib.contextmanager
def unprivileged() -> t.Iterator[None]:
    """As nobody where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(_NOBODY, _NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_verdict_is_haproxys(place: Place) -> None:
    assert place.check('echo "$@"') == f"-c -f {place.config}"
    refused = place.refusal(_REFUSES)
    assert "is not valid" in refused.message
    assert "unknown keyword" in refused.details["log"]
    missing = place.refusal(_REFUSES, config="/nowhere.cfg")
    assert "/nowhere.cfg does not exist" in missing.message
    assert missing.details == {}, "nobody looked at a configuration"


def test_it_is_asked_again_with_what_haproxy_itself_has(place: Place) -> None:
    script = f'test "$PWD $ADDR $GIVEN" = "{place.path.resolve()} :: yes" || {{ {_REFUSES}; }}'
    known = Surroundings({"ADDR": "::", "GIVEN": "yes"}, is_known=True, directory=str(place.path))
    assert place.check(script, known) == ""
    assert place.check('test "$GIVEN $PWD" = "yes /"', environment={"GIVEN": "yes"}) == ""


@pytest.mark.parametrize("end", ["exit 127", "exit 126", "kill -9 $$"])
def test_a_program_that_does_not_run_judges_nothing(place: Place, end: str) -> None:
    assert "which is no verdict" in place.lack(end)


def test_nor_does_one_that_cannot_be_started_or_does_not_end(place: Place) -> None:
    assert "took more than 0.2 seconds" in place.lack("sleep 30", timeout=0.2)
    strange = place.write("strange", "\0\0 no program of this machine\n", 0o755)
    with pytest.raises(CheckImpossible, match="no program of this machine"):
        check_configuration(strange, [place.config], 20, {}, lambda: Surroundings(os.environ))
    with pytest.raises(ReloadError, match="Install it") as missing:
        check_configuration(f"{strange}-not", [place.config], 20, {}, lambda: Surroundings(os.environ))
    assert not isinstance(missing.value, CheckImpossible)


def test_root_is_not_told_to_become_root(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'echo "[ALERT] (1) : cannot open /x: Permission denied"; exit 1'
    for uid, said in ((1000, "Run as root (become: true), and not confined."), (0, "see SELinux or AppArmor")):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        told = place.lack(script)
        assert said in told
        assert ("become" in told) == (uid != 0)


def test_another_program_and_other_files(place: Place) -> None:
    other = place.lack(_REFUSES, Surroundings({}, is_known=True, program="/opt/haproxy/bin/haproxy"))
    assert "what runs is /opt/haproxy/bin/haproxy" in other
    assert "option binary" in other
    more = place.lack(_REFUSES, Surroundings({}, is_known=True, files=[place.config, "/etc/haproxy/conf.d"]))
    assert "/etc/haproxy/conf.d" in more
    link = place.path / "link.cfg"
    link.symlink_to(place.config)
    same = Surroundings({}, is_known=True, program=place.program, files=[str(link)])
    assert "is not valid" in place.refusal(_REFUSES, same).message


def test_a_file_that_this_user_may_not_read(place: Place) -> None:
    """Not each message of HAProxy says why a file could not be opened."""
    key = place.write("a b.pem", "", 0o000)
    script = f"echo \"[ALERT] (1) : config : parsing [x:1] : cannot open the file '{key}'.\"; exit 1"
    place.write("haproxy", f"#!/bin/sh\n{script}\n", 0o755)
    known = Surroundings({}, is_known=True)
    with unprivileged(), pytest.raises(CheckImpossible, match="this user may not read") as caught:
        check_configuration(place.program, [place.config], 20, {}, lambda: known)
    assert key in caught.value.message
    missing = f"echo \"[ALERT] (1) : config : cannot open the file '{place.path}/none.pem'.\"; exit 1"
    assert "none.pem" in place.refusal(missing, known).details["log"]


def test_a_configuration_that_this_user_may_not_read(place: Place) -> None:
    place.write(
        "haproxy", f"#!/bin/sh\necho '[ALERT] Could not open {place.config} : Permission denied'; exit 1\n", 0o755
    )
    (place.path / "haproxy.cfg").chmod(0)
    with unprivileged(), pytest.raises(CheckImpossible, match="this user may not read"):
        check_configuration(place.program, [place.config], 20, {}, lambda: Surroundings({}))


def test_what_root_may_not_do_either(place: Place) -> None:
    denied = "echo '[ALERT] (1) : config : cannot open the namespace : Operation not permitted'; exit 1"
    assert "confined" in place.lack(denied)


def test_a_variable_that_is_not_known(place: Place) -> None:
    place.write("haproxy.cfg", 'frontend a\n bind "${ADDR}" ssl crt a.pem\n')
    assert "environment variable ADDR" in place.lack(_REFUSES, Surroundings({}))
    assert place.refusal(_REFUSES, Surroundings({}, is_known=True)).details["log"], "HAProxy has none either"
    assert place.refusal(_REFUSES, Surroundings({"ADDR": ":443"})).details["log"]
