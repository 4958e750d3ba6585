# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other places that somebody else may write in: textfiles, crt-lists, files of members, and all that is only read."""

from __future__ import annotations

import os
import pathlib
import stat
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import secrets_scan
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.hostile import NOBODY, PLANTS, Victim, as_root
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response

SECONDS = 30  # each run takes less than one


@pytest.fixture
def victim(tmp_path: pathlib.Path) -> t.Iterator[Victim]:
    made = Victim(tmp_path / "victim")
    yield made
    made.assert_untouched()


def bounded(modules: ModuleServer, module: str, args: dict[str, t.Any], *, check: bool = False) -> ModuleRun:
    started = time.monotonic()
    run = modules.run(module, args, check=check)
    assert time.monotonic() - started < SECONDS
    return run


# -- textfiles of node_exporter ------------------------------------------------------------------------------------


@pytest.fixture
def textfiles(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory of node_exporter's own, as distributions have it."""
    path = tmp_path / "textfiles"
    path.mkdir()
    as_root("chown", str(NOBODY), str(path))
    as_root("chmod", "777", str(path))
    return path


def metrics(tmp_path: pathlib.Path, textfile: pathlib.Path) -> dict[str, t.Any]:
    return {"path": str(tmp_path / "certs"), "textfile": str(textfile), "succeeded": True}


@pytest.mark.parametrize("plant", PLANTS)
def test_metrics_replace_a_file_of_their_name_and_touch_nothing_else(
    modules: ModuleServer, tmp_path: pathlib.Path, textfiles: pathlib.Path, victim: Victim, plant: str
) -> None:
    textfile = textfiles / "rotation.prom"
    PLANTS[plant](textfile, victim.path)
    planted = textfile.lstat()
    for check in (True, False):
        run = bounded(modules, "rotation_metrics", metrics(tmp_path, textfile), check=check)
        assert "victim" not in run.result.get("diff", {}).get("before", ""), "a file of others is shown"
        victim.assert_untouched()
        assert run.failed != stat.S_ISREG(planted.st_mode), "check mode tells it, too"
    if stat.S_ISREG(planted.st_mode):
        assert not run.failed, run.result
        assert textfile.lstat().st_mode == 0o100644
        assert "certops_" in textfile.read_text()
    else:
        assert run.failed
        assert str(textfile) in run.result["msg"]
        assert (textfile.lstat().st_mode, textfile.lstat().st_ino) == (planted.st_mode, planted.st_ino)
    assert [path.name for path in textfiles.iterdir()] == ["rotation.prom"]


def test_metrics_are_led_nowhere_by_who_owns_the_directory(
    modules: ModuleServer, tmp_path: pathlib.Path, textfiles: pathlib.Path, victim: Victim
) -> None:
    (textfiles / "below").symlink_to(victim.path)
    for check in (True, False):
        run = bounded(modules, "rotation_metrics", metrics(tmp_path, textfiles / "below" / "x.prom"), check=check)
        assert run.failed
        assert f"{textfiles / 'below'} is a symbolic link in a directory in which others" in run.result["msg"]
    (tmp_path / "link").symlink_to(textfiles)
    assert not bounded(modules, "rotation_metrics", metrics(tmp_path, tmp_path / "link" / "x.prom")).failed
    assert (textfiles / "x.prom").exists()


def test_a_refused_directory_is_told_by_the_metrics_and_nothing_is_kept_in_it(
    modules: ModuleServer, tmp_path: pathlib.Path, intermediate: CertificateAuthority
) -> None:
    certs, textfile = tmp_path / "certs", tmp_path / "rotation.prom"
    pem = intermediate.issue(["www.example.com"]).combined_pem
    assert not modules.run("pem_bundle", {"path": str(certs), "name": "www", "certificate": pem}).failed
    certs.chmod(0o777)
    run = bounded(modules, "rotation_metrics", {**metrics(tmp_path, textfile), "succeeded": False})
    assert not run.failed, run.result
    assert "every user of this host" in str(run.result["warnings"])
    assert not (certs / ".certops" / "metrics.json").exists()
    assert "certops_" in textfile.read_text()


# -- files of members --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plant", ["link to a file", "link to nothing", "another name of a file", "FIFO"])
def test_files_of_a_member_that_are_planted(
    modules: ModuleServer, tmp_path: pathlib.Path, victim: Victim, plant: str
) -> None:
    certs, config = tmp_path / "certs", tmp_path / "config"
    config.mkdir()
    args = {
        "path": str(certs),
        "use_secrets_manager": "false",
        "server_names": ["x"],
        "key_type": "ec",
        "configurations": [{"content": "@server_key@\n", "dest": str(config / "x.yml")}],
    }
    assert not bounded(modules, "shared_ca_member", args).failed
    for path in (certs / "server-key.pem", config / "x.yml"):
        path.unlink()
        PLANTS[plant](path, victim.path)
    run = bounded(modules, "shared_ca_member", args)
    victim.assert_untouched()
    if not stat.S_ISREG((config / "x.yml").lstat().st_mode):  # of a name that a person has chosen
        assert run.failed
        assert f"({config / 'x.yml'}). Something else is in its place" in run.result["msg"], run.result
        (config / "x.yml").unlink()
        run = bounded(modules, "shared_ca_member", args)
    assert not run.failed, run.result
    assert all(stat_of(path) == (0o600, False) for path in (certs / "server-key.pem", config / "x.yml"))
    (certs / "ca.pem").unlink()
    PLANTS[plant](certs / "ca.pem", victim.path)
    run = bounded(modules, "shared_ca_member", args)
    assert not run.failed or str(certs / "ca.pem") in run.result["msg"]
    assert not bounded(modules, "shared_ca_member_info", {"path": str(certs)}).result.get("exception")


def stat_of(path: pathlib.Path) -> tuple[int, bool]:
    return path.lstat().st_mode & 0o7777, path.is_symlink()


def test_keys_go_into_no_directory_that_others_may_write_in(
    modules: ModuleServer, tmp_path: pathlib.Path, victim: Victim
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    config.chmod(0o777)
    args = {"path": str(tmp_path / "certs"), "use_secrets_manager": "false", "server_names": ["x"], "key_type": "ec"}
    for dest in (config / "x.yml", config / "below" / "x.yml"):
        for check in (True, False):
            configurations = [{"content": "@server_key@\n", "dest": str(dest)}]
            run = bounded(modules, "shared_ca_member", {**args, "configurations": configurations}, check=check)
            assert run.failed
            assert f"{config} belongs to" in run.result["msg"]
    assert list(config.iterdir()) == []
    assert not bounded(modules, "shared_ca_member", args).failed
    embedded = tmp_path / "certs" / "embedded"
    embedded.rename(tmp_path / "aside")
    embedded.symlink_to(victim.path)
    run = bounded(modules, "shared_ca_member", args)
    victim.assert_untouched()
    assert str(embedded) in run.result["msg"]
    embedded.unlink()
    embedded.mkdir()
    embedded.chmod(0o777)
    assert f"{embedded} belongs to" in bounded(modules, "shared_ca_member", args).result["msg"]


# -- HAProxy's files -----------------------------------------------------------------------------------------------


def test_crt_lists_and_responses_of_others(
    modules: ModuleServer, intermediate: CertificateAuthority, victim: Victim, tmp_path: pathlib.Path
) -> None:
    """A crt-list in a directory of somebody else is written there, and nowhere else; so with what is removed."""
    first, new = (intermediate.issue([f"{name}.example.com"]) for name in ("a", "new"))
    with HaproxyInstance(
        {"a.pem": first.combined_pem}, tls=["crt {certs}", "crt-list {crt_list}"], crt_list=["{certs}/a.pem"]
    ) as haproxy:
        wanted = pathlib.Path(haproxy.write_certificate("new.pem", new.combined_pem))
        call = {
            "socket": haproxy.socket,
            "certificates": [{"src": str(wanted), "crt_list": str(haproxy.crt_list_path)}],
        }
        (victim.path / "list").write_text(haproxy.crt_list_path.read_text())
        victim.look_again()
        haproxy.crt_list_path.unlink()
        haproxy.crt_list_path.symlink_to(victim.path / "list")
        haproxy.directory.chmod(0o777)
        run = bounded(modules, "haproxy_certificate", call)
        victim.assert_untouched()
        assert "is a symbolic link in a directory in which others" in str(run.result["certificates"]), run.result
        haproxy.crt_list_path.unlink()
        haproxy.crt_list_path.write_text(f"{haproxy.certificate_name('a.pem')}\n")
        haproxy.crt_list_path.chmod(0o4644)
        run = bounded(modules, "haproxy_certificate", call)
        assert not run.failed, run.result
        assert haproxy.crt_list_path.read_text().splitlines()[-1] == str(wanted)
        assert haproxy.crt_list_path.stat().st_mode & 0o7777 == 0o644

        (victim.path / "a.pem.ocsp").write_bytes(ocsp_response(intermediate, new))
        victim.look_again()
        elsewhere = haproxy.directory / "elsewhere"
        elsewhere.symlink_to(victim.path)
        from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
        from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.ocsp_file import StaleResponse

        with pytest.raises(StoreError, match="symbolic link in a directory"):
            StaleResponse(str(elsewhere / "a.pem.ocsp"), ()).remove()


READ: dict[str, tuple[str, t.Callable[[str, str], dict[str, t.Any]]]] = {
    "certificate_src": ("pem_bundle", lambda path, certs: {"path": certs, "name": "x", "certificate_src": path}),
    "private_key_src": (
        "pem_bundle",
        lambda path, certs: {"path": certs, "name": "x", "certificate": "x", "private_key_src": path},
    ),
    "configuration": (
        "certificate_proof_info",
        lambda path, certs: {
            "config": [path],
            "certificates": [
                {
                    "path": f"{certs}/x.pem",
                    "fingerprint_sha256": "00",
                    "subject_alternative_names": ["x"],
                    "key_type": "rsa",
                }
            ],
        },
    ),
    "deployed file": (
        "certificate_proof_info",
        lambda path, _certs: {"binds": ["127.0.0.1:1"], "certificates": [{"path": path, "fingerprint_sha256": "00"}]},
    ),
    "pid file": (
        "haproxy_reload",
        lambda path, _certs: {"method": "signal", "pid_file": path, "check_config": False},
    ),
    "member": ("shared_ca_member_info", lambda path, _certs: {"path": path.rpartition("/")[0]}),
}


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("plant", ["FIFO", "device", "hole"])
def test_what_is_read_neither_hangs_nor_fills_the_memory(
    modules: ModuleServer, tmp_path: pathlib.Path, read: str, plant: str
) -> None:
    path = tmp_path / "read" / "ca.pem"
    path.parent.mkdir()
    if plant == "FIFO":
        os.mkfifo(path)
    elif plant == "device":
        path.symlink_to("/dev/null")  # one without an end would take the machine along when this breaks
    else:
        with path.open("wb") as file:
            file.truncate(1 << 30)
    module, args = READ[read]
    run = bounded(modules, module, args(str(path), str(tmp_path / "certs")))
    assert run.failed
    assert str(path) in run.result["msg"]
    assert "Unexpected" not in run.result["msg"]


def test_sources_of_haproxys_modules(
    modules: ModuleServer, tmp_path: pathlib.Path, intermediate: CertificateAuthority
) -> None:
    """One that cannot be read is its own failure, and the others are brought."""
    os.mkfifo(tmp_path / "fifo")
    first = intermediate.issue(["a.example.com"])
    tls = ["crt {certs} ca-file {dir}/ca.pem verify optional"]
    haproxy = HaproxyInstance({"a.pem": first.combined_pem}, tls=tls)
    trusted = haproxy.directory / "ca.pem"
    trusted.write_text(intermediate.root_pem)
    with haproxy:
        renewed = intermediate.issue(["a.example.com"])
        name = haproxy.write_certificate("a.pem", renewed.combined_pem)
        certificates = [{"name": "/x.pem", "src": str(tmp_path / "fifo")}, {"src": name}]
        run = bounded(modules, "haproxy_certificate", {"socket": haproxy.socket, "certificates": certificates})
        assert [each["action"] for each in run.result["certificates"]] == ["failed", "updated"], run.result
        assert "no regular file" in run.result["certificates"][0]["message"]
        files = [{"name": str(trusted), "kind": "ca", "src": str(tmp_path / "fifo")}]
        run = bounded(modules, "haproxy_ca_file", {"socket": haproxy.socket, "files": files})
        assert "no regular file" in run.result["msg"], run.result
        secrets_scan.assert_no_private_key(run.output)
