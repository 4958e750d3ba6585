# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_rotation without a role: check mode, idempotence, and what is told of a failure at each stage."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.plugins.modules import haproxy_rotation
from ansible_collections.certops.rotation.tests.support import pki, rotation, tls_server
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import MotoServer

ROLE = "haproxy_certificates_"


class Walk:
    """The module on the HAProxy of a scene, by way of a proxy in front of AWS."""

    def __init__(self, scene: rotation.Scene, faults: AwsFaults, modules: ModuleServer) -> None:
        self.scene = scene
        self.faults = faults
        self._modules = modules

    def __call__(self, check: bool = False, **options: t.Any) -> ModuleRun:
        """options: in place of those of the scene."""
        usual = {name.removeprefix(ROLE): value for name, value in self.scene.variables.items()}
        return self._modules.run("haproxy_rotation", {**usual, **options}, check=check, env=self.faults.env)

    def good(self, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        run = self(check, **options)
        assert not run.failed, run.output
        assert (run.result["error"], run.result["activation_error"]) == ("", "")
        return run.result

    def bad(self, **options: t.Any) -> dict[str, t.Any]:
        run = self(**options)
        assert run.failed, run.output
        return run.result


@pytest.fixture
def walk(scene: rotation.Scene, faults: AwsFaults, modules: ModuleServer) -> Walk:
    return Walk(scene, faults, modules)


def actions(result: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {item["name"].removeprefix(rotation.PREFIX): item["action"] for item in result["certificates"]}


def of_haproxy(result: t.Mapping[str, t.Any]) -> tuple[t.Any, ...]:
    return result["changed"], result["activation"], result["proven"], result["rolled_back"], result["needs_reload"]


def test_check_run_check_run(walk: Walk) -> None:
    """Each field that is documented is there, and a diff tells of certificates what is public."""
    scene = walk.scene
    issued = {name: scene.store(name) for name in ("a", "b")}
    scene.haproxy.execute("show info")
    connections = scene.runtime_connections()

    predicted = walk.good(check=True)
    assert of_haproxy(predicted) == (True, "none", [], [], False)
    assert actions(predicted) == {"a": "created", "b": "created"}
    assert [line.split()[0] for line in predicted["plan"]] == ["action", "created", "created"]
    assert not (scene.haproxy.certs_dir / ".certops").exists()
    assert scene.runtime_connections() == connections + 1, "HAProxy was asked for something"

    done = walk.good()
    names = ["web/a", "web/b"]
    assert of_haproxy(done) == (True, "hot_update", names, [], False)
    assert (done["pending"], done["not_proven"], done["failures"], done["source"]) == (names, {}, [], "host")
    assert done["api_calls"] == {"ListSecrets": 1, "BatchGetSecretValue": 1}
    for result in (predicted, done):
        assert set(result["diff"]["after"]) == set(names)
        assert result["diff"]["after"]["web/a"]["fingerprint_sha256"] == issued["a"].fingerprint_sha256
    documented = yaml.safe_load(haproxy_rotation.RETURN)
    assert {name for name, facts in documented.items() if facts["returned"] == "always"} <= done.keys()
    assert done.keys() <= {*documented, "changed", "diff", "invocation"}
    assert predicted.keys() - done.keys() == {"plan"}
    assert {name: scene.served(name) for name in issued} == {
        name: each.fingerprint_sha256 for name, each in issued.items()
    }

    disk, connections = scene.disk(), scene.runtime_connections()
    for check in (True, False):
        unchanged = walk.good(check=check)
        assert of_haproxy(unchanged) == (False, "none", [], [], False)
        assert actions(unchanged) == {"a": "unchanged", "b": "unchanged"}
        assert unchanged["api_calls"] == {"ListSecrets": 1}
    assert scene.disk() == disk
    assert scene.runtime_connections() == connections + 1


def test_unchanged_runs_are_known_of(walk: Walk, modules: ModuleServer) -> None:
    """A healthy fleet renews nothing for weeks. Who asks for a run in each day is told whether there was one."""
    scene = walk.scene

    def status() -> dict[str, t.Any]:
        options = {"path": str(scene.haproxy.certs_dir), "max_age": "1d"}
        return modules.run("rotation_status_info", options).result

    def problems() -> list[str]:
        return [problem["code"] for problem in status()["problems"]]

    scene.store("a")
    walk.good()
    assert (problems(), scene.stamp.exists()) == ([], False), "what it has to tell is enough"
    for _day in range(2):
        scene.age(days=3)
        walk.good(check=True)
        assert problems() == ["last_success_too_old"]
        assert walk.good()["changed"] is False
        healthy = status()
        assert (healthy["problems"], healthy["last_run_succeeded"]) == ([], True)
        assert healthy["last_success_age_seconds"] < 600

    # One that fails is told, and since when: the stamp is of the run before it, be it of the same second.
    scene.age(hours=5)
    scene.store("b", private_key="no key")
    walk.bad()
    failed = status()
    assert [problem["code"] for problem in failed["problems"]] == ["last_run_failed"]
    assert 5 * 3600 <= failed["last_success_age_seconds"] < 6 * 3600
    walk.bad()
    assert problems() == ["last_run_failed"], "nor does one that found nothing new, and the same failure"
    scene.aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)
    walk.good()
    assert problems() == []

    # Where nothing is activated, nothing is recorded, and still a run has ended well or not.
    scene.age(days=3)
    walk.good(activate=False)
    assert problems() == []

    # What stands in its place is replaced; where that cannot be, the run says so and has ended well.
    outside = scene.haproxy.certs_dir.parent / "outside"
    outside.write_text("of others")
    scene.stamp.unlink()
    scene.stamp.symlink_to(outside)
    os.utime(outside, (0, 0))
    walk.good()
    assert (scene.stamp.is_symlink(), outside.stat().st_mtime, outside.read_text()) == (False, 0, "of others")
    scene.stamp.unlink()
    with in_the_way(scene.stamp):
        run = walk()
        assert not run.failed
        assert re.search(r"is not remembered.*last-success", run.output)


@contextlib.contextmanager
def locked(walk: Walk) -> t.Iterator[None]:
    """Somebody else is at work in the directory."""
    with (walk.scene.haproxy.certs_dir / ".certops/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def in_the_way(path: pathlib.Path) -> t.Iterator[None]:
    """A directory stands where a file is to be written."""
    aside = path.with_name(f"{path.name}.aside")
    if path.exists():
        path.rename(aside)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        if aside.exists():
            aside.rename(path)


def test_what_fails_before_the_first_file_leaves_all_as_it_is(walk: Walk) -> None:
    """Preflight, discover, and plan, which needs the directory for itself."""
    scene, faults = walk.scene, walk.faults
    scene.store("a")
    walk.good()
    issued = scene.store("a")
    before, connections = scene.disk(), scene.runtime_connections()
    lock_alone = str(scene.haproxy.certs_dir / ".certops/lock")

    faults.requests.clear()
    missing = walk.bad(socket="/nonexistent/admin.sock", config=["/nonexistent/haproxy.cfg"])
    assert missing["msg"].startswith("This host is not ready, 2 things are missing:")
    assert faults.counts() == missing["api_calls"] == {}

    faults.fail("ListSecrets", "AccessDeniedException")
    undiscovered = walk.bad()
    assert "AccessDeniedException" in undiscovered["msg"]
    assert (undiscovered["api_calls"], undiscovered["api_errors"]) == ({"ListSecrets": 1}, {"ListSecrets": 1})
    # What goes on to expire meanwhile is told as well.
    assert "web/a: The deployed certificate expires at" in walk.bad(min_remaining="1000d")["msg"]
    faults.heal()

    with locked(walk):
        busy = walk.bad(lock_timeout="0.2s")
    assert "lock" in busy["msg"]
    for result in (missing, undiscovered, busy):
        assert "certificates" not in result
    after = scene.disk()
    assert {path for path in before if path != lock_alone and before[path] != after.get(path)} == set()
    assert scene.runtime_connections() == connections + 1
    assert of_haproxy(walk.good())[:3] == (True, "hot_update", ["web/a"])
    assert scene.served("a") == issued.fingerprint_sha256


def test_what_fails_for_one_certificate_does_not_hold_up_the_others(walk: Walk) -> None:
    """Fetch, verify and write; each is told by its code, and recorded also by the run that has nothing else to do."""
    scene, faults = walk.scene, walk.faults
    good = scene.store("good")
    for name in ("denied", "mismatched", "blocked"):
        scene.store(name, **({"private_key": pki.private_key_pem(pki.new_key())} if name == "mismatched" else {}))
    faults.fail_in_batch("web/denied", "AccessDeniedException")
    codes = {
        "denied": "secret_access_denied",
        "mismatched": "private_key_mismatch",
        "blocked": "path_not_ours",
    }
    with in_the_way(scene.file("blocked")):
        failed = walk.bad()
        assert actions(failed) == {
            "good": "created",
            "denied": "refused",
            "mismatched": "refused",
            "blocked": "failed",
        }
        for name, code in codes.items():
            (line,) = [line for line in failed["failures"] if line.startswith(f"web/{name}: ")]
            assert f"[{code}]" in line
            assert line in failed["msg"]
        assert failed["msg"] == failed["error"]
        assert (failed["activation"], failed["proven"], failed["activation_error"]) == ("hot_update", ["web/good"], "")
        assert scene.served("good") == good.fingerprint_sha256
        disk = scene.disk()
        again = walk.bad()
        assert (again["changed"], again["activation"], again["failures"]) == (False, "none", failed["failures"])
        assert scene.disk() == disk
        assert len(scene.state()["failures"]) == len(codes)
        assert walk.bad(fail_late=True)["msg"] == again["msg"], "the host's own failure does not wait"
    assert list(scene.haproxy.certs_dir.glob("web_*.pem")) == [scene.file("good")]

    faults.heal()
    scene.store("mismatched")
    assert walk.good()["proven"] == ["web/blocked", "web/denied", "web/mismatched"]


def test_a_host_whose_failures_are_the_contents_alone_may_fail_late(walk: Walk) -> None:
    walk.scene.store("a")
    walk.scene.aws.put_secret("web/bad", "this is no certificate")
    run = walk(fail_late=True)
    assert not run.failed, run.output
    assert "web/bad: " in run.result["error"]
    assert walk.bad()["msg"] == run.result["error"]


def test_what_fails_after_the_files_is_told_and_the_next_run_goes_on(walk: Walk, tmp_path: pathlib.Path) -> None:
    """Activate, prove, record and metrics, each in turn; go back has tests of its own."""
    scene = walk.scene
    scene.store("a")
    walk.good()

    new = scene.store("a")
    refused = walk.bad(socket=scene.haproxy.operator_socket)
    assert "level admin" in refused["activation_error"]
    assert "HAProxy does not serve 1 certificate yet. The next run tries again." in refused["msg"]
    assert (refused["activation"], refused["proven"], refused["rolled_back"]) == ("none", [], [])
    assert scene.file("a").read_text() == new.combined_pem
    predicted = walk.good(check=True)
    assert (predicted["changed"], predicted["pending"]) == (True, ["web/a"])

    scene.haproxy.write_config("frontend new\n  bind :1 ssl crt-list /absent/crt-list.txt\n")
    unproven = walk.bad()
    assert "Not proven, the proof ended early: Cannot read /absent/crt-list.txt" in unproven["msg"]
    assert (unproven["activation"], unproven["proven"], unproven["rolled_back"]) == ("hot_update", [], [])
    assert list(unproven["not_proven"]) == ["web/a"]
    scene.haproxy.write_config()

    state = scene.haproxy.certs_dir / ".certops/state.json"
    with in_the_way(state):
        unrecorded = walk.bad()
    assert str(state) in unrecorded["activation_error"]
    assert unrecorded["not_proven"] == {}
    assert scene.served("a") == new.fingerprint_sha256

    textfile = tmp_path / "nowhere" / "rotation.prom"
    newer = scene.store("a")
    unmeasured = walk.bad(metrics_textfile=str(textfile))
    assert unmeasured["msg"].startswith("The metrics were not written: ")
    assert str(textfile.parent) in unmeasured["msg"]
    assert unmeasured["msg"] == unmeasured["error"]
    assert unmeasured["activation_error"] == ""
    assert unmeasured["proven"] == ["web/a"]
    assert scene.served("a") == newer.fingerprint_sha256
    assert scene.state()["outcome"] == "proven"
    assert walk.good()["changed"] is False


def test_going_back_is_told(walk: Walk) -> None:
    """A reload that is refused, and a handshake that gets another one: both take back what this run has written."""
    scene = walk.scene
    old = scene.store("a")
    walk.good()
    by_reload = {"socket": "", "reload_methods": ["signal", "master", "http"], "pid_file": "/nonexistent/haproxy.pid"}
    by_reload["reload_url"] = "http://127.0.0.1:9/reload"

    scene.store("a")
    scene.haproxy.write_config("    bogus keyword")
    refused = walk.bad(**by_reload)
    tried = [(attempt["method"], attempt["reloaded"]) for attempt in refused["reload_attempts"]]
    assert tried == [("signal", False)], "the check refuses the configuration, and then no other way helps"
    assert "bogus" in refused["reload_attempts"][0]["log"]
    assert "bogus" in refused["activation_error"]
    assert "Rolled back 1 certificate on disk and in HAProxy." in refused["msg"]
    assert (refused["activation"], refused["rolled_back"], refused["proven"]) == ("none", ["web/a"], [])
    assert scene.file("a").read_text() == old.combined_pem
    scene.haproxy.write_config()

    with rotation.another_program(scene, "a.example.com") as address:
        named = {"binds": [address]}
        wrong = walk.bad(**by_reload, **named)
        # Somebody else has reloaded HAProxy, and there is no way to do it again.
        alone = walk.bad(activation="reloaded", reload_methods=[], **named)
    assert [(attempt["method"], attempt["reloaded"]) for attempt in wrong["reload_attempts"]] == [
        ("signal", False),
        ("master", True),
    ] * 2
    assert (wrong["activation"], wrong["rolled_back"], wrong["proven"]) == ("reload", ["web/a"], [])
    assert (alone["activation"], alone["reload_attempts"], alone["rolled_back"]) == ("reload", [], ["web/a"])
    assert "failed as well: There is no way to reload HAProxy" in alone["msg"]
    assert walk.good(**by_reload)["proven"] == ["web/a"]


@pytest.mark.parametrize("way", ["hot_update", "reload"])
def test_a_new_one_without_which_haproxy_would_not_start_is_not_removed(walk: Walk, way: str) -> None:
    """The configuration names its file, or a link leads to it: nobody is served it, and it stays nevertheless."""
    scene = walk.scene
    for name in ("a", "b", "c"):
        scene.store(name)
    walk.good(activate=False)
    link = scene.haproxy.directory / "linked.pem"
    link.symlink_to(scene.file("b"))
    scene.haproxy.write_config(
        f"    bind unix@/{scene.haproxy.directory}/own.sock ssl crt {scene.file('a')} crt {link}"
    )
    assert scene.haproxy.reload()

    with rotation.another_program(scene, *(f"{name}.example.com" for name in "abc")) as address:
        named = {"binds": [address]}
        refused = walk.bad(**named, **({} if way == "hot_update" else {"socket": "", "reload_methods": ["master"]}))
    assert refused["activation"] == way
    assert refused["rolled_back"] == ["web/c"]
    assert "Not rolled back: web/a, web/b" in refused["msg"]
    assert [scene.file(name).exists() for name in ("a", "b", "c")] == [True, True, False]
    assert scene.haproxy.reload(), scene.haproxy.log


def test_certificates_without_haproxy_on_the_host(
    aws: MotoServer, modules: ModuleServer, tmp_path: pathlib.Path
) -> None:
    """Files alone, where HAProxy is started afterwards: nothing is recorded as served."""
    aws.put_secret("web/a", pki.self_signed("a.example.com").secret_document())
    options = {"names": ["web/a"], "path": str(tmp_path / "certs"), "activate": False}
    for changed in (True, False):
        run = modules.run("haproxy_rotation", options, env=aws.env)
        assert not run.failed, run.output
        assert of_haproxy(run.result) == (changed, "none", [], [], False)
        assert run.result["pending"] == ["web/a"]
    assert not (tmp_path / "certs/.certops/state.json").exists()


def test_options_that_mean_nothing_are_a_failed_run(walk: Walk, scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    """It does not begin, and the metrics count it nevertheless; what is wrong with them is told, too."""
    scene.store("a")
    textfile = tmp_path / "rotation.prom"
    metrics = {"metrics_textfile": str(textfile), "metrics_names": "conforming"}
    walk.good(**metrics)
    succeeded = f'certops_last_run_success{{directory="{scene.haproxy.certs_dir}"}}'
    assert f"{succeeded} 1.0\n" in textfile.read_text()
    disk = scene.disk()
    for wrong in ({"min_rsa_bits": 512}, {"mode": "0644"}, {"proof_timeout": 0}, {"tags": {"Environment": None}}):
        textfile.unlink()
        refused = walk.bad(**metrics, **wrong)
        assert next(iter(wrong)).removeprefix("proof_") in refused["msg"]
        assert "certificates" not in refused
        assert f"{succeeded} 0.0\n" in textfile.read_text(), wrong
    assert {path: found for path, found in scene.disk().items() if ".certops" not in path} == {
        path: found for path, found in disk.items() if ".certops" not in path
    }
    both = walk.bad(metrics_textfile=str(tmp_path / "nowhere/rotation.prom"), mode="0644")["msg"]
    assert "mode 0644 would let every user" in both
    assert "The metrics were not written: " in both


def test_another_file_of_the_same_name_takes_nothing_back(walk: Walk) -> None:
    """What is updated while HAProxy runs goes behind the others of its name, until a reload; or always stood there."""
    scene = walk.scene
    scene.store("a")
    walk.good()
    # A renewal moves ours behind that of somebody else, which is loaded after it.
    behind = scene.authority.issue("a.example.com")
    scene.haproxy.write_certificate("web_a_old.pem", behind.combined_pem)
    assert scene.haproxy.reload()
    renewed = scene.store("a")
    run = walk.bad()
    assert (run["activation"], run["rolled_back"], run["proven"]) == ("hot_update", [], [])
    assert f"{scene.haproxy.certificate_name('web_a_old.pem')} (valid until" in run["msg"]
    assert scene.served("a") == behind.fingerprint_sha256
    assert scene.file("a").read_text() == renewed.combined_pem
    renewed = scene.store("a")
    done = walk.good(reload_methods=["master"])
    assert (done["activation"], done["proven"]) == ("reload", ["web/a"])
    assert scene.served("a") == renewed.fingerprint_sha256
    # One that is loaded before ours answers after a reload, too.
    first = scene.authority.issue("a.example.com")
    scene.haproxy.write_certificate("legacy.pem", first.combined_pem)
    assert scene.haproxy.reload()
    renewed = scene.store("a")
    run = walk.bad(reload_methods=["master"])
    assert (run["activation"], run["rolled_back"], run["reload_attempts"]) == ("hot_update", [], [])
    assert "legacy.pem" in run["msg"]
    assert scene.file("a").read_text() == renewed.combined_pem
    (scene.haproxy.certs_dir / "legacy.pem").unlink()
    assert scene.haproxy.reload()
    assert walk.good()["proven"] == ["web/a"]


def test_an_rsa_certificate_beside_an_ecdsa_wildcard_is_renewed(walk: Walk) -> None:
    scene = walk.scene
    scene.haproxy.write_certificate("wildcard.pem", scene.authority.issue("*.example.com").combined_pem)
    assert scene.haproxy.reload()
    for issued in [scene.authority.issue("a.example.com", key_type="rsa2048") for dummy in range(2)]:
        scene.aws.put_secret(f"{rotation.PREFIX}a", issued.secret_document())
        assert walk.good()["proven"] == ["web/a"]


def test_a_certificate_with_timestamps_is_renewed_by_a_reload(walk: Walk) -> None:
    """HAProxy crashes when it changes at run time."""
    scene = walk.scene
    scene.store("a")
    walk.good()
    scene.file("a").with_name(f"{scene.file('a').name}.sctl").write_bytes(b"\0\0")  # an empty list
    assert scene.haproxy.reload()
    master = scene.haproxy.master_pid
    renewed = scene.store("a")
    assert "crashes when it frees them" in walk.bad()["msg"]  # there is no way to reload it
    assert of_haproxy(walk.good(reload_methods=["master"])) == (True, "reload", ["web/a"], [], False)
    assert scene.served("a") == renewed.fingerprint_sha256
    assert walk.good()["changed"] is False
    assert scene.haproxy.is_running()
    assert scene.haproxy.master_pid == master


def test_an_intermediate_that_was_issued_again(walk: Walk) -> None:
    """The leaf stays. HAProxy gets the new chain; where it keeps the old one, the file goes back to that."""
    scene = walk.scene
    issued = scene.store("a")
    walk.good()
    authorities = [
        pki.CertificateAuthority("Intermediate", key=scene.authority.key, parent=scene.authority.parent)
        for _time in range(2)
    ]
    renewed = [issued.replace(chain_pem=authority.certificate_pem) for authority in authorities]
    scene.aws.put_secret("web/a", renewed[0].secret_document())
    done = walk.good()
    assert of_haproxy(done) == (True, "hot_update", ["web/a"], [], False)
    assert walk.good()["changed"] is False

    scene.aws.put_secret("web/a", renewed[1].secret_document())
    with tls_server.server(
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    ) as port:
        without = {"socket": None, "reload_methods": ["http"], "reload_url": f"http://127.0.0.1:{port}/"}
        failed = walk.bad(**without)
    assert failed["rolled_back"] == ["web/a"], failed
    assert "the right certificate, but it comes without CN=Intermediate (" in failed["msg"]
    assert renewed[0].chain_pem in scene.file("a").read_text()
