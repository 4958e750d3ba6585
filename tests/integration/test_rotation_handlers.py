# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_certificates_activation=handlers: one reload for all that a play changes, proven, and gone back from.

Reloads by http and signal are in test_haproxy_reload_http, those by systemd and docker in the files of these.
"""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.prometheus import samples

ROLE = "certops.rotation.haproxy_certificates"
RELOAD = "certops.rotation haproxy reload"
ROTATED = ["haproxy_rotation", "haproxy_reload", "haproxy_rotation"]
FLUSH: dict[str, t.Any] = {"ansible.builtin.meta": "flush_handlers"}
FAIL: dict[str, t.Any] = {"ansible.builtin.fail": {"msg": "The play is killed here."}}


def with_handlers(scene: rotation.Scene, **more: t.Any) -> dict[str, t.Any]:
    usual = {"activation": "handlers", "reload_methods": ["master"], **more}
    return {**scene.variables, **{f"haproxy_certificates_{name}": value for name, value in usual.items()}}


def configures(scene: rotation.Scene, line: str) -> dict[str, t.Any]:
    """A task of the user's own that changes haproxy.cfg."""
    options = {"path": str(scene.haproxy.config_path), "line": line}
    return {"name": "Configure", "ansible.builtin.lineinfile": options, "notify": RELOAD}


def play(scene: rotation.Scene, *tasks: t.Mapping[str, t.Any], check: bool = False, **variables: t.Any) -> PlaybookRun:
    """The role, and then these tasks."""
    each = {"hosts": "haproxy", "gather_facts": False, "roles": [ROLE], "tasks": list(tasks)}
    return run_playbook(with_handlers(scene, **variables), playbook=[each], env=scene.aws.env, check=check, timeout=150)


def reloads(run: PlaybookRun) -> list[tuple[int, int]]:
    """Workers before and after each one, whoever has done it."""
    attempts = [
        attempt
        for task in run.tasks
        if task.action.endswith((".haproxy_reload", ".haproxy_rotation"))
        for attempt in task.result.get("reload_attempts", ())
    ]
    return [(each["worker_pid_before"], each["worker_pid_after"]) for each in attempts if each["reloaded"]]


def walks(run: PlaybookRun) -> list[dict[str, t.Any]]:
    return [task.result for task in run.of("haproxy_rotation")]


def test_one_reload_for_all_that_the_play_changes(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    scene.variables["haproxy_certificates_metrics_textfile"] = str(tmp_path / "rotation.prom")
    issued, worker = scene.store("a"), scene.haproxy.worker_pid()
    first = configures(scene, "# as the play wants it")

    predicted = play(scene, first, check=True)
    assert predicted.returncode == 0, predicted.output
    assert predicted.modules == ["haproxy_rotation"]
    assert predicted.changed[0] == "Rotate certificates"
    assert not scene.file("a").exists()

    run = play(scene, first)
    assert run.returncode == 0, run.output
    assert run.modules == ROTATED
    written, proven = walks(run)
    assert (written["needs_reload"], written["activation"], written["proven"]) == (True, "none", [])
    assert (proven["needs_reload"], proven["activation"], proven["proven"]) == (False, "reload", ["web/a"])
    assert reloads(run) == [(worker, scene.haproxy.worker_pid())], "once for both"
    assert "# as the play wants it" in scene.haproxy.config_path.read_text()
    assert scene.served("a") == issued.fingerprint_sha256
    assert (scene.state()["outcome"], scene.state()["activation"]) == ("proven", "reload")
    found = samples((tmp_path / "rotation.prom").read_text())
    assert found['cert_sync_operations_total{status="success"}'] == 1, "it is one run"

    disk, worker = scene.disk(), scene.haproxy.worker_pid()
    unchanged = play(scene)
    assert (unchanged.returncode, unchanged.modules, unchanged.changed) == (0, ["haproxy_rotation"], [])
    assert {path for path, facts in scene.disk().items() if disk.get(path) != facts and "metrics" not in path} <= {
        str(scene.haproxy.certs_dir / ".certops")
    }

    # A notification of the user's own, with no certificate that waits, reloads and nothing else.
    alone = play(scene, configures(scene, "# and more"))
    assert alone.returncode == 0, alone.output
    assert alone.modules == ["haproxy_rotation", "haproxy_reload"]
    assert reloads(alone) == [(worker, scene.haproxy.worker_pid())]


def test_flushed_within_the_play_and_killed_before_the_handlers(scene: rotation.Scene) -> None:
    scene.store("a")
    include = {"ansible.builtin.include_role": {"name": ROLE}}
    flushed = play(
        scene,
        FLUSH,
        {"ansible.builtin.assert": {"that": "haproxy_certificates_result.proven == ['web/a']"}},
        configures(scene, "# later in the play"),
        FLUSH,
        include,
    )
    assert flushed.returncode == 0, flushed.output
    assert flushed.modules == [*ROTATED, "haproxy_reload", "haproxy_rotation"]
    assert len(reloads(flushed)) == 2

    issued, worker = scene.store("a"), scene.haproxy.worker_pid()
    killed = play(scene, FAIL)
    assert (killed.returncode, killed.modules) == (2, ["haproxy_rotation"])
    assert scene.file("a").read_text() == issued.combined_pem
    assert scene.served("a") != issued.fingerprint_sha256
    predicted = play(scene, check=True)
    assert (predicted.modules, predicted.changed[0]) == (["haproxy_rotation"], "Rotate certificates")
    assert predicted.result("haproxy_rotation")["pending"] == ["web/a"]
    run = play(scene)
    assert run.returncode == 0, run.output
    assert run.modules == ROTATED
    assert reloads(run) == [(worker, scene.haproxy.worker_pid())]
    assert walks(run)[1]["proven"] == ["web/a"]
    assert scene.served("a") == issued.fingerprint_sha256


def test_a_reload_that_is_refused_or_does_not_reach_haproxy(scene: rotation.Scene) -> None:
    """Refused, the files go back, and both is told; not reached, they stay for the next run."""
    old = scene.store("a")
    assert scene.rotate().returncode == 0
    worker, new = scene.haproxy.worker_pid(), scene.store("a")

    run = play(scene, configures(scene, "    bogus keyword"))
    assert run.returncode == 2
    assert run.modules == ROTATED
    assert "Reload by a handler: " in run.error
    assert "bogus" in run.error
    assert "Rolled back 1 certificate on disk and in HAProxy." in run.error
    assert (walks(run)[1]["rolled_back"], reloads(run)) == (["web/a"], [])
    assert scene.haproxy.worker_pid() == worker
    assert scene.file("a").read_text() == old.combined_pem
    assert scene.served("a") == old.fingerprint_sha256
    assert scene.state()["outcome"] == "rolled_back"

    scene.haproxy.write_config()
    run = play(scene, master_socket="/nonexistent/master.sock")
    assert run.returncode == 2
    assert "Reload by a handler: " in run.error
    assert "/nonexistent/master.sock" in run.error
    assert "Rolled back" not in run.error
    assert scene.file("a").read_text() == new.combined_pem
    assert scene.state()["outcome"] == "failed"

    run = play(scene)
    assert run.returncode == 0, run.output
    assert run.modules == ROTATED
    assert scene.served("a") == new.fingerprint_sha256

    # With nothing that waits for it, the reload that fails fails the play itself.
    run = play(scene, configures(scene, "    bogus keyword"))
    assert (run.returncode, run.modules) == (2, ["haproxy_rotation", "haproxy_reload"])
    assert "is not valid, so it was not reloaded" in run.error
    assert "bogus" in run.result("haproxy_reload")["log"]


def test_a_handshake_gets_another_one_after_the_reload(aws: MotoServer) -> None:
    """It goes back by one more reload, and the previous one is proven."""
    with rotation.second_bind(aws) as (scene, first, old):
        assert scene.rotate().returncode == 0
        worker, new = scene.haproxy.worker_pid(), scene.store("a")
        run = play(scene)
        assert run.returncode == 2
        assert run.modules == ROTATED
        assert new.fingerprint_sha256 in run.error
        assert old.fingerprint_sha256 in run.error
        assert "Rolled back 1 certificate on disk and in HAProxy." in run.error
        assert "is not proven" not in run.error.partition("Rolled back")[2]
        (before, between), back = reloads(run)
        assert (before, back) == (worker, (between, scene.haproxy.worker_pid()))
        result = walks(run)[1]
        assert (result["activation"], result["rolled_back"], result["proven"]) == ("reload", ["web/a"], [])
        assert scene.file("a").read_text() == old.combined_pem
        assert scene.served("a") == old.fingerprint_sha256
        assert scene.state()["outcome"] == "rolled_back"
        assert scene.state()["certificates"]["web/a"]["proven"] is True, "it was seen served again"

        first.write_text(new.combined_pem)
        run = play(scene)
        assert run.returncode == 0, run.output
        assert scene.served("a") == new.fingerprint_sha256


def test_two_roles_in_one_play(aws: MotoServer) -> None:
    """Each for a HAProxy of its own: the handlers reload and prove what belongs to each."""
    with rotation.scene(aws) as one, rotation.scene(aws) as two:
        issued = one.store("a")
        roles = [{"role": ROLE, "vars": with_handlers(each)} for each in (one, two)]
        plays = [{"hosts": "haproxy", "gather_facts": False, "roles": roles}]
        run = run_playbook({}, playbook=plays, env=aws.env)
        assert run.returncode == 0, run.output
        for scene in (one, two):
            assert scene.served("a") == issued.fingerprint_sha256
            assert (scene.state()["outcome"], scene.state()["activation"]) == ("proven", "reload")
        again = run_playbook({}, playbook=plays, env=aws.env)
        assert (again.returncode, again.changed) == (0, []), again.output

        # Only one of them has something to reload for, and the other one's is refused.
        two.haproxy.write_config("    bogus keyword")
        issued = one.store("a")
        run = run_playbook({}, playbook=plays, env=aws.env)
        assert run.returncode == 2
        assert "bogus" in run.error
        assert one.served("a") == issued.fingerprint_sha256
        assert one.state()["outcome"] == "proven"
        assert two.state()["outcome"] == "rolled_back"


def test_calls_that_ansible_cannot_tell_apart_need_a_flush_each(aws: MotoServer) -> None:
    """Facts of the host make the difference, and the handlers of the last call would stand for both: that is told."""
    with rotation.scene(aws) as one, rotation.scene(aws) as two:
        issued = one.store("a")
        names = with_handlers(one)
        include = {
            "ansible.builtin.include_role": {"name": ROLE},
            "vars": {name: f"{{{{ this[{name!r}] }}}}" for name in names},
        }
        calls = [[{"ansible.builtin.set_fact": {"this": with_handlers(each)}}, include] for each in (one, two)]
        together = [{"hosts": "haproxy", "gather_facts": False, "tasks": [*calls[0], *calls[1]]}]
        run = run_playbook({}, playbook=together, env=aws.env)
        assert run.returncode == 2
        assert f"{one.haproxy.certs_dir} web/ still wait for a reload" in run.error
        assert two.state()["outcome"] == "proven"
        assert one.served("a") != issued.fingerprint_sha256

        each = [{"hosts": "haproxy", "gather_facts": False, "tasks": [*calls[0], FLUSH, *calls[1], FLUSH]}]
        run = run_playbook({}, playbook=each, env=aws.env)
        assert run.returncode == 0, run.output
        assert one.served("a") == two.served("a") == issued.fingerprint_sha256
        assert one.state()["outcome"] == "proven"
