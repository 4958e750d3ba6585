# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_status_info on real lineages and a real queue, and the textfile of pushing that node_exporter serves."""

from __future__ import annotations

import os
import pathlib
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import Confirmation, OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._flows.metrics import MetricsReport
from ansible_collections.certops.rotation.plugins.module_utils._flows.push.counting import count_push
from ansible_collections.certops.rotation.plugins.module_utils._ports.lineages.certbot_live import CertbotLive
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.certbot_directory import CertbotDirectory
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import run_module
from ansible_collections.certops.rotation.tests.support.prometheus import node_exporter, promtool

NOW = datetime.now(timezone.utc).replace(microsecond=0)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDzMIvCnpUMhdRUXfaw1Yj8Ml7gIPFj5LgFPBYpBrVjz"
TARGETS = [{"name": name, "domains": ["*"], "host_key": [KEY]} for name in ("web1", "web2")]


class Scene:
    """Lineages a and b; web1 and web2 get both."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.certbot = CertbotDirectory(directory / "letsencrypt")
        self.queue = PushQueue(str(directory / "queue"))
        self.textfile = directory / "push.prom"
        self.issued = {name: pki.CertificateAuthority().issue(f"{name}.example.com") for name in ("a", "b")}
        for name, issued in self.issued.items():
            self.certbot.put(name, issued)

    def owe(self, host: str, lineage: str, hours: float, **more: t.Any) -> None:
        at = (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.queue.enqueue([OwedEntry(host, lineage, self.issued[lineage].fingerprint_sha256, at, **more)])

    def confirm(self, host: str, lineage: str) -> None:
        self.owe(host, lineage, 0)
        with self.queue.claim(host, lineages=[lineage]) as claim:
            assert claim
            fingerprint = self.issued[lineage].fingerprint_sha256
            claim.confirm(Confirmation(host, lineage, fingerprint, "2026-11-26T08:00:00Z", "receipt"))

    def give_up(self, host: str, lineage: str) -> None:
        self.owe(host, lineage, 1, attempts=9, last_error="Connection refused.")
        with self.queue.claim(host, lineages=[lineage]) as claim:
            assert claim
            claim.give_up(claim.entries[0])

    def status(self, *, check: bool = False, **changed: t.Any) -> dict[str, t.Any]:
        options = {"queue": self.queue.path, "lineages": str(self.certbot.live), "targets": TARGETS}
        run = run_module("push_status_info", {**options, **changed}, check=check)
        assert not run.failed, run.result
        assert not run.result["changed"]
        return run.result

    def record(self, **changed: t.Any) -> MetricsReport:
        options: dict[str, t.Any] = {
            "queue": self.queue,
            "lineages": CertbotLive(str(self.certbot.live)),
            "hosts": ["web1", "web2"],
            "succeeded": True,
            "now": NOW,
        }
        return count_push([], str(self.textfile), **{**options, **changed})


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> Scene:
    return Scene(tmp_path)


def codes(result: t.Mapping[str, t.Any]) -> set[tuple[str, str]]:
    return {(problem["code"], problem["severity"]) for problem in result["problems"]}


def test_all_is_there(scene: Scene) -> None:
    for host in ("web1", "web2"):
        for lineage in ("a", "b"):
            scene.confirm(host, lineage)
    for check in (True, False):
        result = scene.status(check=check, max_age="1d")
        assert result["healthy"]
        assert result["problems"] == []
        assert [host["confirmed"] for host in result["hosts"]] == [2, 2]


def test_before_the_first_run(scene: Scene) -> None:
    """No queue, and so nothing that a look would make."""
    result = scene.status()
    assert codes(result) == {("not_queued", "warning")}
    assert [host["owed"] for host in result["hosts"]] == [2, 2]
    assert not pathlib.Path(scene.queue.path).exists()


def test_owed_given_up_and_damaged(scene: Scene) -> None:
    scene.confirm("web1", "a")
    scene.owe("web1", "b", 5, attempts=2, last_error="It does not answer.")
    scene.give_up("web2", "a")
    scene.owe("web2", "b", 0.5)
    (pathlib.Path(scene.queue.path) / "owed" / "web1" / "c.json").write_text("{")
    scene.owe("removed", "a", 100)
    result = scene.status(max_age="4h")
    assert not result["healthy"]
    assert codes(result) == {
        ("owed", "error"),
        ("owed", "warning"),
        ("given_up", "error"),
        ("queue_damaged", "warning"),
        ("not_a_target", "warning"),
    }
    assert "web1 has been owed b for 5h" in result["msg"]
    assert "2 attempts failed: It does not answer." in result["msg"]
    assert [host["name"] for host in result["hosts"]] == ["web1", "web2", "removed"]


def test_a_lineage_that_cannot_be_pushed(scene: Scene) -> None:
    other = pki.CertificateAuthority().issue("b.example.com")
    (scene.certbot.archive / "b" / "privkey1.pem").write_text(other.private_key_pem)
    result = scene.status()
    assert ("lineage_unreadable", "error") in codes(result)


def test_runs_are_known_by_their_files(scene: Scene, tmp_path: pathlib.Path) -> None:
    stamp = tmp_path / "last-success"
    options = {"max_age": "1d", "success_files": [str(stamp)]}
    assert ("never_succeeded", "error") in codes(scene.status(**options))
    stamp.touch()
    result = scene.status(**options)
    assert codes(result) == {("not_queued", "warning")}
    assert result["last_success_at"]


def test_a_run_with_nothing_to_push_is_known_of(scene: Scene, modules: ModuleServer, tmp_path: pathlib.Path) -> None:
    """Whoever runs it. One that is limited to some hosts says nothing about the others."""
    for host in ("web1", "web2"):
        for lineage in ("a", "b"):
            scene.confirm(host, lineage)
    stamp = pathlib.Path(scene.queue.path) / "last-success"
    key = tmp_path / "key"
    key.write_text(scene.issued["a"].private_key_pem)
    key.chmod(0o600)

    def push(check: bool = False, **more: t.Any) -> None:
        options = {"queue": scene.queue.path, "lineages": str(scene.certbot.live), "targets": TARGETS, **more}
        run = modules.run("certificate_push", {**options, "private_key_file": str(key)}, check=check)
        assert (run.failed, run.result["changed"]) == (False, False), run.result

    push(check=True)
    push(hosts=["web1"])
    assert not stamp.exists()
    push()
    assert codes(scene.status(max_age="1d")) == set()
    os.utime(stamp, (0, 0))
    assert codes(scene.status(max_age="1d")) == {("last_success_too_old", "error")}
    push()
    assert codes(scene.status(max_age="1d")) == set()


def test_the_textfile(scene: Scene) -> None:
    scene.confirm("web1", "a")
    scene.owe("web2", "a", 5)
    scene.give_up("web2", "b")
    scene.record(succeeded=False)
    text = scene.record().text.decode()
    assert promtool("check", "metrics", text=text) == (0, "")
    with node_exporter(scene.textfile.parent) as exporter:
        served = exporter.scrape()
    labels = f'queue="{scene.queue.path}"'
    assert served[f'certops_push_owed{{host="web2",{labels}}}'] == 1
    assert served[f'certops_push_owed{{host="web1",{labels}}}'] == 0
    assert served[f'certops_push_dead{{host="web2",{labels}}}'] == 1
    assert served[f'certops_push_oldest_owed_timestamp_seconds{{host="web2",{labels}}}'] == NOW.timestamp() - 5 * 3600
    assert served[f'certops_push_runs_total{{{labels},status="error"}}'] == 1
    assert served[f'certops_push_runs_total{{{labels},status="success"}}'] == 1
    assert f'certops_push_lineage_not_after_timestamp_seconds{{lineage="a",{labels}}}' in served


def test_a_damaged_textfile_begins_anew(scene: Scene) -> None:
    scene.textfile.write_text('certops_push_owed{queue="' + scene.queue.path + '"} 1\n')
    report = scene.record()
    assert "damaged" in report.warnings[0]
    assert 'status="success"} 1.0' in report.text.decode()


def test_what_cannot_be_looked_at_stays_as_it_was(scene: Scene) -> None:
    scene.owe("web2", "a", 5)
    scene.record()
    pathlib.Path(scene.queue.path).chmod(0o777)  # anybody may have written in it
    report = scene.record(succeeded=False)
    assert "as it was last seen" in report.warnings[0]
    text = report.text.decode()
    assert f'certops_push_owed{{host="web2",queue="{scene.queue.path}"}} 1.0' in text
    assert 'status="error"} 1.0' in text
