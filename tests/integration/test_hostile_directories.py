# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate directories that others may write in, or could write in before: nobody but their owner is obeyed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.hostile import (
    NOBODY,
    PLANTS,
    RootPlace,
    Victim,
    as_nobody,
    as_root,
    run_module_as_root,
)
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, warnings
from ansible_collections.certops.rotation.tests.support.systemd_host import become

NAMES = ["a", "b"]
SECONDS = 30  # each run takes less than one


@pytest.fixture
def victim(tmp_path: pathlib.Path) -> t.Iterator[Victim]:
    made = Victim(tmp_path / "victim")
    yield made
    made.assert_untouched()


@pytest.fixture
def stored(aws: MotoServer, intermediate: CertificateAuthority) -> None:
    for name in NAMES:
        aws.put_secret(name, intermediate.issue([f"{name}.example.com"]).secret_document())


def writers(target: SyncTarget, certificate: IssuedCertificate) -> dict[str, dict[str, t.Any]]:
    """Every module that writes in a certificate directory, with arguments that make it do so."""
    path = str(target.path)
    return {
        "certificate_sync": {"path": path, "names": NAMES},
        "pem_bundle": {"path": path, "name": "x", "certificate": certificate.combined_pem},
        "certificate_rollback": {"path": path, "names": NAMES},
        "rotation_record": {"path": path, "outcome": "proven"},
        "shared_ca_member": {"path": path, "use_secrets_manager": "false", "server_names": ["x"], "key_type": "ec"},
    }


def bounded(run: t.Callable[[], ModuleRun]) -> ModuleRun:
    started = time.monotonic()
    result = run()
    assert time.monotonic() - started < SECONDS
    return result


# -- who may write -----------------------------------------------------------------------------------------------

# What is wrong, and with which directory: of the certificates, or the one above it.
OPEN = {
    "everybody's": ("certs", ["chmod", "777"]),
    "sticky, but everybody's": ("certs", ["chmod", "1777"]),
    "a group's": ("certs", ["sh", "-c", 'chgrp nogroup "$1" && chmod 770 "$1"', "sh"]),
    "somebody else's": ("certs", ["chown", str(NOBODY)]),
    "below everybody's": ("", ["chmod", "777"]),
    "below somebody else's": ("", ["chown", str(NOBODY)]),
}


@pytest.mark.parametrize("case", OPEN)
def test_where_others_may_write_nothing_is_written(
    modules: ModuleServer,
    faults: AwsFaults,
    stored: None,
    tmp_path: pathlib.Path,
    intermediate: CertificateAuthority,
    case: str,
) -> None:
    """By any module, also in check mode; the message names the directory, its owner, and the command that mends it."""
    place = tmp_path / "place"
    place.mkdir(mode=0o755)
    target = SyncTarget(modules, faults.env, place / "certs")
    assert not target.sync(names=NAMES).failed
    good = target.live_files()
    which, command = OPEN[case]
    opened = place / which
    as_root(*command, str(opened))
    status = opened.stat()
    calls = writers(target, intermediate.issue(["x.example.com"]))
    for check in (True, False):
        for module in calls if check else ("certificate_sync", "certificate_rollback"):
            run = modules.run(module, calls[module], check=check, env=faults.env)
            message = run.result["msg"]
            assert run.failed, (module, run.result)
            assert f"{opened} belongs to " in message
            assert f"mode {status.st_mode & 0o7777:04o}" in message
            assert "use another directory" in message
    commands = re.search(r"As root run (.*) or use", message)
    assert commands
    as_root("sh", "-c", commands[1])
    assert target.live_files() == good
    assert not target.sync(names=NAMES).failed
    assert target.live_files() == good


@pytest.mark.parametrize("above", [0o777, 0o1777])
def test_a_link_to_the_directory_counts_where_it_is(
    target: SyncTarget, stored: None, tmp_path: pathlib.Path, above: int
) -> None:
    """Somebody else could make it lead elsewhere, unless the directory that it is in is sticky and the link root's."""
    (tmp_path / "real").mkdir()
    links = tmp_path / "links"
    links.mkdir()
    links.chmod(above)
    (links / "certs").symlink_to(tmp_path / "real")
    linked = SyncTarget(target.modules, target.env, links / "certs")
    assert linked.sync(names=NAMES).failed is (above == 0o777)
    assert ((tmp_path / "real" / "a.pem").exists()) is (above == 0o1777)


def test_a_mode_that_opens_the_directory_is_refused(target: SyncTarget, stored: None) -> None:
    for mode in ("0770", "0707", "0777", "1777"):
        run = target.sync(names=NAMES, directory_mode=mode)
        assert run.failed
        assert "would let others put something else in place" in run.result["msg"]
    assert not target.path.exists()


# -- what is found in the store ----------------------------------------------------------------------------------

REPLACED = [".certops/lock", ".certops/manifest.json", ".certops/state.json", ".certops/metrics.json", "a.pem"]


@pytest.mark.parametrize("plant", PLANTS)
def test_no_name_that_is_planted_is_followed(
    target: SyncTarget,
    aws: MotoServer,
    intermediate: CertificateAuthority,
    stored: None,
    victim: Victim,
    tmp_path: pathlib.Path,
    plant: str,
) -> None:
    """By any module, within seconds; the other certificates are renewed all the same. What is no link and no file stays
    where a certificate belongs, and is replaced where nobody but us has any business."""
    metrics = {"textfile": str(tmp_path / "rotation.prom"), "succeeded": True}
    target.sync(names=NAMES)
    for name in REPLACED:
        path = target.path / name
        if path.exists():
            path.unlink()
        PLANTS[plant](path, victim.path)
    renewed = intermediate.issue(["b.example.com"])
    aws.put_secret("b", renewed.secret_document())
    run = bounded(lambda: target.sync(names=NAMES, check=True))
    assert actions(run)["b"] == "updated"
    assert not bounded(lambda: target.module("rotation_status_info")).failed
    run = bounded(lambda: target.sync(names=NAMES, mode="0400"))
    victim.assert_untouched()
    assert actions(run)["b"] == "updated", run.result
    assert target.fingerprints()["b.pem"] == renewed.fingerprint_sha256
    record = bounded(lambda: target.module("rotation_record", outcome="failed", reason="x"))
    counted = bounded(lambda: target.module("rotation_metrics", **metrics))
    if plant == "directory":  # nobody but root or this user could make one, and it may hold anything
        assert actions(run)["a"] == "failed"
        for each, name in ((run, "manifest.json"), (record, "state.json"), (counted, "metrics.json")):
            assert str(target.path / ".certops" / name) in each.result["msg"]
        return
    stays = plant in ("device", "FIFO", "socket")
    assert (actions(run)["a"] == "failed") is run.failed is stays, run.result
    assert not any(each.failed for each in (record, counted))
    assert not bounded(lambda: target.module("certificate_rollback", names=["b"])).failed
    replaced = [name for name in REPLACED if (target.path / name).is_file() and not (target.path / name).is_symlink()]
    assert replaced == (REPLACED[:-1] if stays else REPLACED)
    if stays:
        assert "a device, a FIFO or a socket. Move it away" in run.result["msg"]
        assert bounded(lambda: target.module("certificate_rollback", names=["a"])).failed
        assert not (target.path / "a.pem").is_file()


@pytest.mark.parametrize("name", [".certops", ".certops/versions"])
@pytest.mark.parametrize("plant", ["link to a directory", "link to nothing", "FIFO"])
def test_no_directory_that_is_planted_is_entered(
    target: SyncTarget, stored: None, victim: Victim, name: str, plant: str
) -> None:
    target.sync(names=NAMES)
    good = target.live_files()
    path = target.path / name
    shutil.rmtree(path)
    PLANTS[plant](path, victim.path)
    for check in (True, False):
        run = bounded(lambda: target.sync(names=NAMES, check=check, mode="0400"))  # noqa: B023
        assert run.failed
        assert str(path) in run.result["msg"]
        assert "move it away" in run.result["msg"]
    assert bounded(lambda: target.module("certificate_rollback", names=["b"])).failed
    assert target.live_files() == good
    path.unlink()
    assert not target.sync(names=NAMES).failed


@pytest.mark.parametrize("layout", ["haproxy", "lineage"])
def test_versions_that_are_planted_are_not_restored(
    target: SyncTarget, aws: MotoServer, intermediate: CertificateAuthority, stored: None, victim: Victim, layout: str
) -> None:
    target.sync(names=NAMES, layout=layout)
    aws.put_secret("a", intermediate.issue(["a.example.com"]).secret_document())
    target.sync(names=NAMES, layout=layout)
    live = target.live_files()
    kept = [path for path in (target.path / ".certops" / "versions").rglob("a~*") if not path.name.endswith("/")]
    current = os.path.realpath(target.path / "a") if layout == "lineage" else None
    for path in kept:
        previous = not path.samefile(target.path / "a.pem") if layout == "haproxy" else str(path) != current
        if previous:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            path.symlink_to(victim.path / ("file" if layout == "haproxy" else ""))
    run = target.module("certificate_rollback", names=["a"])
    assert run.failed
    assert "missing or damaged" in run.result["msg"]
    assert target.live_files() == live


def test_a_manifest_cannot_lead_out_of_the_directory(target: SyncTarget, stored: None, victim: Victim) -> None:
    target.sync(names=NAMES)
    manifest = target.path / ".certops" / "manifest.json"
    good = manifest.read_text()
    digest = re.search(r'"digest": "([0-9a-f]+)"', good)
    assert digest
    (target.path / ".certops" / "versions" / "a~").mkdir()
    for forged in (good.replace(digest[1], "/../../../victim"), good.replace('"pem": "', '"../x": "')):
        manifest.write_text(forged)
        assert target.module("certificate_rollback").failed
        run = target.sync(names=NAMES)
        assert not run.failed
        assert "is damaged" in warnings(run)


def test_a_users_own_link_is_replaced_and_can_be_gone_back_to(
    target: SyncTarget, stored: None, tmp_path: pathlib.Path, intermediate: CertificateAuthority
) -> None:
    target.path.mkdir()
    own = intermediate.issue("own.example.com").combined_pem
    (tmp_path / "own.pem").write_text(own)
    (target.path / "a.pem").symlink_to(tmp_path / "own.pem")
    target.sync(names=NAMES)
    assert not (target.path / "a.pem").is_symlink()
    assert not target.module("certificate_rollback", names=["a"]).failed
    assert target.live_files()["a.pem"] == (tmp_path / "own.pem").read_bytes() == own.encode()


# -- files for somebody else ---------------------------------------------------------------------------------------


def given(certificate: IssuedCertificate, path: pathlib.Path, **options: t.Any) -> dict[str, t.Any]:
    return {"path": str(path), "name": "www", "certificate": certificate.combined_pem, **options}


def owners(path: pathlib.Path) -> dict[str, int]:
    lines = as_root("find", str(path), "-printf", "%U %P\\n").splitlines()
    return {name: int(uid) for uid, name in (line.split(" ", 1) for line in lines)}


@pytest.mark.parametrize(
    ("layout", "options"),
    [
        ("haproxy", {}),
        ("split", {"group": "root"}),
        ("lineage", {}),
        ("lineage", {"group": "nogroup", "directory_mode": "0750"}),
    ],
)
def test_who_owns_the_files_reads_them_and_writes_nowhere(
    modules: ModuleServer, intermediate: CertificateAuthority, layout: str, options: dict[str, str]
) -> None:
    with RootPlace() as place:
        certs = place / "certs"
        args = given(intermediate.issue(["www.example.com"]), certs, layout=layout, owner=str(NOBODY), **options)
        for check, changed in ((True, True), (False, True), (True, False), (False, False)):
            run = run_module_as_root(modules, "pem_bundle", args, check=check)
            assert (run.failed, run.result["changed"]) == (False, changed), run.result
        for path in run.result["files"].values():
            assert as_nobody("cat", path), "HAProxy's user cannot read it"
        assert as_nobody("ls", str(certs))
        assert not as_nobody("ls", str(certs / ".certops"))
        for directory in (certs, certs / ".certops", certs / ".certops" / "versions"):
            assert not as_nobody("touch", str(directory / "x"))
            assert not as_nobody("mv", str(directory), f"{directory}.away")
        for name, uid in owners(certs).items():
            is_key_file = name.endswith((".pem", ".key"))
            assert uid == (NOBODY if is_key_file else 0), name
        if layout != "lineage":
            assert as_root("stat", "-c", "%u:%g %a", str(certs / ".certops")).strip() == "0:0 700"


@pytest.mark.parametrize("layout", ["haproxy", "lineage"])
def test_what_earlier_versions_gave_away_is_taken_back(
    modules: ModuleServer, intermediate: CertificateAuthority, layout: str
) -> None:
    """They gave the directories to the owner of the files."""
    with RootPlace() as place:
        certs = place / "certs"
        args = given(intermediate.issue(["www.example.com"]), certs, layout=layout, owner=str(NOBODY))
        files = run_module_as_root(modules, "pem_bundle", args).result["files"].values()
        as_root("sh", "-c", f"find {certs} -type d | xargs chmod 700 && chown -R {NOBODY} {certs}")
        before = owners(certs)
        for check in (True, False):
            refused = run_module_as_root(modules, "pem_bundle", {**args, "owner": ""}, check=check)
            assert f"chown root {certs} && chmod go-w {certs}" in refused.result["msg"]
            refused = run_module_as_root(modules, "certificate_rollback", {"path": str(certs)}, check=check)
            assert f"chown root {certs}" in refused.result["msg"]
        assert not run_module_as_root(modules, "pem_bundle", args, check=True).failed
        assert owners(certs) == before
        assert not run_module_as_root(modules, "pem_bundle", args).failed
        assert run_module_as_root(modules, "pem_bundle", args).result["changed"] is False
        assert {name for name, uid in owners(certs).items() if uid == NOBODY} == {
            os.path.relpath(os.path.realpath(path), certs) if layout == "lineage" else os.path.relpath(path, certs)
            for path in files
        } | {name for name in before if name.endswith(".pem") and layout == "haproxy"}
        assert all(as_nobody("cat", path) for path in files)
        assert not as_nobody("touch", str(certs / "x"))


def test_files_with_names_elsewhere_are_never_given_away(
    modules: ModuleServer, intermediate: CertificateAuthority
) -> None:
    """Whoever had the directory could make a live file another name of any file, and remember it as deployed."""
    with RootPlace() as place:
        certs, victim = place / "certs", place / "victim"
        args = given(intermediate.issue(["www.example.com"]), certs)
        assert not run_module_as_root(modules, "pem_bundle", args).failed
        as_root("ln", str(certs / "www.pem"), str(victim))
        assert not run_module_as_root(modules, "pem_bundle", {**args, "owner": str(NOBODY), "mode": "0400"}).failed
        assert as_root("stat", "-c", "%u %a", str(certs / "www.pem"), str(victim)).split("\n") == [
            f"{NOBODY} 400", "0 600", "",
        ]  # fmt: skip


# -- while it runs -----------------------------------------------------------------------------------------------


class Swapper(threading.Thread):
    """Puts links to the victim in place of names for a moment, then the names back, again and again."""

    def __init__(self, directory: pathlib.Path, names: t.Sequence[str], victim: pathlib.Path) -> None:
        super().__init__()
        self._directory, self._names, self._victim = directory, names, victim
        self._stop_now = threading.Event()
        self.swaps = 0

    def run(self) -> None:
        links = self._directory.parent / "links"
        links.mkdir()
        while not self._stop_now.is_set():
            for name in self._names:
                path, link, aside = self._directory / name, links / "link", links / "aside"
                with contextlib.suppress(OSError):
                    link.symlink_to(self._victim)
                with contextlib.suppress(OSError):
                    path.rename(aside)
                    link.rename(path)
                    self.swaps += 1
                    time.sleep(random.random() * 0.02)
                with contextlib.suppress(OSError):
                    path.unlink()
                with contextlib.suppress(OSError):
                    aside.rename(path)
                if aside.is_dir() and not aside.is_symlink():
                    shutil.rmtree(aside, ignore_errors=True)  # a run has made a new one meanwhile
                time.sleep(random.random() * 0.02)

    def __enter__(self) -> Swapper:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop_now.set()
        self.join()


@pytest.mark.parametrize("layout", ["haproxy", "lineage"])
def test_names_that_change_while_it_runs_lead_nowhere(
    target: SyncTarget, aws: MotoServer, intermediate: CertificateAuthority, victim: Victim, stored: None, layout: str
) -> None:
    """Here by the same user, who is not refused. Runs may fail; what they do is done in the directories they opened."""
    target.sync(names=NAMES, layout=layout)
    live = ["a.pem", "b.pem"] if layout == "haproxy" else ["a", "b"]
    swapped = [".certops", ".certops/versions", ".certops/lock", ".certops/manifest.json", *live]
    with Swapper(target.path, swapped, victim.path) as swapper:
        for number in range(6):
            aws.put_secret(NAMES[number % 2], intermediate.issue([f"{number}.example.com"]).secret_document())
            bounded(lambda: target.sync(names=NAMES, layout=layout, mode="0400" if number % 3 else "0600"))  # noqa: B023
            bounded(lambda: target.module("certificate_rollback"))
            victim.assert_untouched()
    assert swapper.swaps > 10
    for name in (*live, ".certops"):
        as_root("rm", "-rf", str(target.path / name))
    assert actions(target.sync(names=NAMES, layout=layout)) == dict.fromkeys(NAMES, "created")


def test_a_lock_that_others_hold_is_waited_for_no_longer_than_is_said(target: SyncTarget, stored: None) -> None:
    """Whatever is in its place: a FIFO would be waited for without an end."""
    target.sync(names=NAMES)
    lock = target.path / ".certops" / "lock"
    with subprocess.Popen([*become(), "flock", str(lock), "sleep", "20"]) as holder:
        while as_root("sh", "-c", f"flock --nonblock {lock} true && echo free || :"):
            time.sleep(0.05)
        run = bounded(lambda: target.sync(names=NAMES, lock_timeout="1s"))
        assert "did not finish within 1 s" in run.result["msg"]
        as_root("pkill", "--parent", str(holder.pid))
    assert not target.sync(names=NAMES).failed
