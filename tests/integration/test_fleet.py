# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rotate on several hosts: batches, where it stops, and what it tells of each host at the end."""

from __future__ import annotations

import fcntl
import json
import pathlib
import typing as t

from ansible_collections.certops.rotation.tests.support import disk, rotation
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port

ALL_AT_ONCE = {"rotation_batches": ["100%"]}


class Fleet:
    """Hosts that share a HAProxy, each with a directory of its own. "dead" in a name: nobody listens; "broken": it
    lacks HAProxy's configuration.
    """

    def __init__(self, scene: rotation.Scene, directory: pathlib.Path, hosts: t.Sequence[str]) -> None:
        self.report_path = directory / "report.json"
        self._hosts = hosts
        self._env = scene.aws.env
        config = json.dumps([str(scene.haproxy.config_path)])
        self._variables = {
            **scene.variables,
            "haproxy_certificates_path": str(directory) + "/{{ inventory_hostname }}",
            "haproxy_certificates_activate": False,
            "haproxy_certificates_config": "{{ ['/nonexistent'] if 'broken' in inventory_hostname else "
            + config
            + " }}",
            "ansible_connection": "{{ 'ssh' if 'dead' in inventory_hostname else 'local' }}",
            "ansible_ssh_pipelining": False,  # as users have it; with it Ansible's words about a dead host are others
            "ansible_host": "127.0.0.1",
            "ansible_port": free_port(),
            "rotation_report_file": str(self.report_path),
        }

    def rotate(self, check: bool = False, activate: bool = False, **extra: t.Any) -> PlaybookRun:
        variables = {**self._variables, "haproxy_certificates_activate": activate}
        self.report_path.unlink(missing_ok=True)
        return run_playbook(variables, hosts=self._hosts, env=self._env, check=check, extra=extra)

    def report(self) -> dict[str, t.Any]:
        return dict(json.loads(self.report_path.read_text()))

    def outcomes(self) -> dict[str, str]:
        return {host: facts["outcome"] for host, facts in self.report()["hosts"].items()}


def lines_of_table(run: PlaybookRun) -> list[str]:
    below = run.output.partition("\nROTATION ***")[2].splitlines()[1:]
    return [" ".join(line.split()) for line in below if line]


def test_each_host_is_in_the_table_and_in_the_report(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    scene.store("a")
    fleet = Fleet(scene, tmp_path, ["lb1", "lb2", "lb3-dead"])

    predicted = fleet.rotate(check=True, **ALL_AT_ONCE)
    assert predicted.returncode == 4
    assert lines_of_table(predicted)[-2] == "3 hosts: 2 would rotate, 1 unreachable. Check mode: nothing was changed."
    assert fleet.report()["check_mode"] is True

    run = fleet.rotate(**ALL_AT_ONCE)
    assert run.returncode == 4
    table = lines_of_table(run)
    assert table[0] == "host outcome rotated unchanged refused failed proof why"
    assert table[1:3] == ["lb1 rotated 1 0 0 0 0 of 1", "lb2 rotated 1 0 0 0 0 of 1"]
    assert table[3].startswith("lb3-dead unreachable - - - - - ")
    assert "Connection refused" in table[3]
    assert table[4:] == ["3 hosts: 2 rotated, 1 unreachable.", f"The report: {fleet.report_path}"]
    report = fleet.report()
    assert report["summary"] == {
        "unchanged": 0,
        "rotated": 2,
        "refused": 0,
        "failed": 0,
        "unreachable": 1,
        "not_run": 0,
    }
    assert report["hosts"]["lb1"]["rotated"] == ["web/a"]

    scene.aws.put_secret("web/bad", "this is no certificate")
    refused = fleet.rotate(rotation_batches=[1, "100%"])
    assert refused.returncode != 0
    assert fleet.outcomes() == {"lb1": "refused", "lb2": "refused", "lb3-dead": "unreachable"}
    assert fleet.report()["hosts"]["lb2"]["refused"] == ["web/bad"]
    assert "web/bad: " in refused.error
    assert "document_invalid" in fleet.report()["hosts"]["lb2"]["message"]


def test_a_canary_that_fails_keeps_the_others_as_they_are(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    scene.store("a")
    fleet = Fleet(scene, tmp_path, ["broken", "lb2", "lb3"])
    run = fleet.rotate(activate=True)
    assert run.returncode == 2
    assert fleet.outcomes() == {"broken": "failed", "lb2": "not_run", "lb3": "not_run"}
    assert "/nonexistent" in fleet.report()["hosts"]["broken"]["message"]
    assert sorted(path.name for path in tmp_path.glob("*/*.pem")) == []


def test_metrics_that_cannot_be_written_stop_nothing(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    """It rotates on all hosts, and fails on each at the end."""
    scene.store("a")
    fleet = Fleet(scene, tmp_path, ["lb1", "lb2"])
    textfile = {"haproxy_certificates_metrics_textfile": "/nonexistent/rotation.prom"}
    run = fleet.rotate(**textfile)
    assert run.returncode == 2
    assert sorted(path.parent.name for path in tmp_path.glob("*/web_a.pem")) == ["lb1", "lb2"]
    assert fleet.outcomes() == {"lb1": "failed", "lb2": "failed"}
    for host in fleet.report()["hosts"].values():
        assert host["rotated"] == ["web/a"]
        assert host["message"].startswith("The metrics were not written: ")


def deploy(scene: rotation.Scene, modules: ModuleServer, directory: pathlib.Path) -> None:
    options = {"path": str(directory), "name_prefix": rotation.PREFIX}
    assert not modules.run("certificate_sync", options, env=scene.aws.env).failed


def test_a_disk_that_is_full_on_the_first_host_stops_it(
    scene: rotation.Scene, modules: ModuleServer, tmp_path: pathlib.Path
) -> None:
    """Nothing is wrong with the certificate: that is the host's own failure, and may be the next one's as well."""
    scene.store("a")
    fleet = Fleet(scene, tmp_path, ["full", "lb2", "lb3"])
    (tmp_path / "full").mkdir()
    with disk.tiny_file_system(tmp_path / "full") as mount:
        deploy(scene, modules, mount)
        old = (mount / "web_a.pem").read_bytes()
        disk.fill(mount)
        scene.store("a")
        scene.aws.put_secret("web/bad", "this is no certificate")
        run = fleet.rotate()
        assert run.returncode == 2
        assert fleet.outcomes() == {"full": "failed", "lb2": "not_run", "lb3": "not_run"}
        facts = fleet.report()["hosts"]["full"]
        assert (facts["failed"], facts["refused"], facts["rotated"]) == (["web/a"], ["web/bad"], [])
        assert "No space left on device" in facts["message"]
        assert fleet.report()["summary"]["failed"] == 1
        assert lines_of_table(run)[1].startswith("full failed 0 0 1 1 - ")
        assert (mount / "web_a.pem").read_bytes() == old
    assert not (tmp_path / "lb2").exists()


def test_whose_failure_it_is_is_told_for_each_host(
    scene: rotation.Scene, modules: ModuleServer, tmp_path: pathlib.Path
) -> None:
    """Side by side: something stands in the file's place, a wrong region, and nothing but a bad certificate."""
    scene.store("a")
    fleet = Fleet(scene, tmp_path, ["odd", "lost", "lb3"])
    deploy(scene, modules, tmp_path / "lost")
    (tmp_path / "odd/web_a.pem").mkdir(parents=True)
    (tmp_path / "odd").chmod(0o700)
    scene.aws.put_secret("web/bad", "this is no certificate")
    elsewhere = "{{ {'region': 'us-east-1'} if inventory_hostname == 'lost' else {} }}"
    run = fleet.rotate(**ALL_AT_ONCE, haproxy_certificates_aws=elsewhere)
    assert run.returncode == 2
    assert fleet.outcomes() == {"odd": "failed", "lost": "failed", "lb3": "refused"}
    hosts = fleet.report()["hosts"]
    assert (hosts["odd"]["failed"], hosts["odd"]["refused"]) == (["web/a"], ["web/bad"])
    assert "path_not_ours" in hosts["odd"]["message"]
    assert "No secret was found by name_prefix 'web/' in region us-east-1" in hosts["lost"]["message"]
    assert (hosts["lb3"]["failed"], hosts["lb3"]["refused"]) == ([], ["web/bad"])


def test_a_share_of_failed_hosts_ends_it_after_those_that_have_begun(
    scene: rotation.Scene, tmp_path: pathlib.Path
) -> None:
    scene.store("a")
    fleet = Fleet(scene, tmp_path, ["lb1", "lb2", "lb3-dead", "lb4"])
    stopped = fleet.rotate(rotation_batches=[1, 2, "100%"], rotation_max_fail_percentage=20)
    assert stopped.returncode == 4
    assert fleet.outcomes() == {"lb1": "rotated", "lb2": "rotated", "lb3-dead": "unreachable", "lb4": "not_run"}

    tolerant = fleet.rotate(rotation_batches=[1, 2, "100%"], rotation_max_fail_percentage=25)
    assert tolerant.returncode == 4
    assert fleet.outcomes() == {"lb1": "unchanged", "lb2": "unchanged", "lb3-dead": "unreachable", "lb4": "rotated"}


def test_a_slow_host_is_given_up(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    """Somebody holds the lock of its directory for much longer than a task may take."""
    scene.store("a")
    fleet = Fleet(scene, tmp_path, ["slow", "lb2"])
    (tmp_path / "slow/.certops").mkdir(parents=True, mode=0o700)
    with (tmp_path / "slow/.certops/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = fleet.rotate(**ALL_AT_ONCE, rotation_task_timeout=8, rotation_strategy="host_pinned")
    assert run.returncode == 2
    assert fleet.outcomes() == {"slow": "failed", "lb2": "rotated"}
    assert "8 second" in fleet.report()["hosts"]["slow"]["message"]
