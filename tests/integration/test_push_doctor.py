# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_doctor_info: every thing that keeps lineages from being pushed, named with what to do; real SSH servers."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.certbot_directory import CertbotDirectory
from ansible_collections.certops.rotation.tests.support.module import run_module
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost, make_key, ssh_hosts


class Scene:
    """One lineage, for host1 and host2."""

    def __init__(self, directory: pathlib.Path, hosts: t.Sequence[SshHost]) -> None:
        self.directory, self.hosts = directory, hosts
        self.certbot = CertbotDirectory(directory / "letsencrypt")
        self.certbot.put("a.example.com", pki.CertificateAuthority().issue("a.example.com"))
        self.queue = directory / "queue"

    def target(self, host: SshHost, **changed: t.Any) -> dict[str, t.Any]:
        own = {"name": host.name, "address": host.address, "port": host.port, "user": host.user}
        more = {"host_key": list(host.host_keys), "private_key_file": str(host.private_key_file), "timeout": 5}
        return {**own, **more, "domains": ["a.example.com"], **changed}

    def doctor(self, *, check: bool = False, **changed: t.Any) -> dict[str, t.Any]:
        targets = [self.target(host) for host in self.hosts]
        options = {"queue": str(self.queue), "lineages": str(self.certbot.live), "targets": targets}
        run = run_module("push_doctor_info", {**options, **changed}, check=check)
        assert not run.failed, run.result
        assert not run.result["changed"]
        assert not self.queue.exists() or "queue" in changed or self.queue.is_dir()
        return run.result

    def wrong(self, **changed: t.Any) -> dict[str, tuple[str, str]]:
        """Check -> severity and message, of all that is not well."""
        result = self.doctor(**changed)
        assert result["ok"] == (not any(each["severity"] == "error" for each in result["checks"]))
        return {each["check"]: (each["severity"], each["message"]) for each in result["checks"] if not each["ok"]}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[list[SshHost]]:
    with ssh_hosts(tmp_path_factory.mktemp("doctor"), 2) as hosts:
        yield hosts


@pytest.fixture
def scene(tmp_path: pathlib.Path, hosts: list[SshHost]) -> Scene:
    return Scene(tmp_path, hosts)


def test_all_is_well(scene: Scene) -> None:
    for check in (True, False):
        result = scene.doctor(check=check)
        assert result["ok"], result["msg"]
        assert result["msg"] == ""
        assert not scene.queue.exists(), "it only looks"
    checks = [each["check"] for each in result["checks"]]
    assert checks == ["program ssh", "lineages", "free space", "queue", "private key user", "host host1", "host host2"]
    assert "host2" in "\n".join(result["table"])
    assert not list(scene.hosts[0].staging.iterdir()), "nothing is sent"


def test_hosts_that_cannot_be_pushed_to(scene: Scene) -> None:
    first, second = scene.hosts
    stranger = scene.directory / "stranger"
    make_key(stranger)
    targets = [
        scene.target(first, name="down", port=1),
        scene.target(first, name="other-key", host_key=list(second.host_keys)),
        scene.target(first, name="not-let-in", private_key_file=str(stranger)),
        scene.target(second),
    ]
    result = scene.doctor(targets=targets)
    assert not result["ok"]
    found = {each["check"]: each["message"] for each in result["checks"] if each["severity"] == "error"}
    assert set(found) == {"host down", "host other-key", "host not-let-in"}
    assert "Connection refused" in found["host down"]
    assert "key" in found["host other-key"]
    assert all(message in result["msg"] for message in found.values())
    assert result["msg"].startswith("Something has to be mended before certificates can be pushed from this host:")


def test_lineages(scene: Scene) -> None:
    assert scene.wrong(lineages=str(scene.directory / "none"))["lineages"][0] == "error"
    (scene.directory / "empty").mkdir()
    assert "There is none" in scene.wrong(lineages=str(scene.directory / "empty"))["lineages"][1]
    authority = pki.CertificateAuthority()
    past = pki.now().replace(year=pki.now().year - 1)
    old = authority.issue("old.example.com", not_before=past.replace(year=past.year - 1), not_after=past)
    scene.certbot.put("old.example.com", old)
    scene.certbot.put("b.example.com", authority.issue("b.example.com"))
    (scene.certbot.archive / "b.example.com" / "privkey1.pem").write_text(old.private_key_pem)
    found = scene.wrong()
    assert found["lineage old.example.com"][0] == "error"
    assert "expired" in found["lineage old.example.com"][1]
    assert found["lineage b.example.com"][0] == "error"
    assert found["targets"] == ("warning", "No host gets old.example.com.")


def test_domains_that_match_nothing(scene: Scene) -> None:
    targets = [scene.target(scene.hosts[0], domains=["b.example.com"])]
    found = scene.wrong(targets=targets)
    assert found["host host1"] == ("warning", "It gets no lineage: none has one of its domains, b.example.com.")
    assert found["targets"][0] == "warning"
    assert scene.wrong(targets=[])["targets"][0] == "error"


def test_the_queue(scene: Scene) -> None:
    assert scene.wrong(queue=str(scene.directory / "no" / "queue"))["queue"][0] == "error"
    PushQueue(str(scene.queue)).enqueue([OwedEntry("host1", "a.example.com", "ab" * 32, "2026-11-26T08:00:00Z")])
    (scene.queue / "owed" / "host1" / "b.json").write_text("{")
    wake = scene.queue / "wake"
    wake.mkdir()
    (wake / "renewed.1").touch()
    assert "schedule" not in scene.wrong(), "it has been there for a moment"
    os.utime(wake / "renewed.1", (1, 1))
    found = scene.wrong()
    assert found["queue files"][0] == "warning"
    assert "Is the schedule running?" in found["schedule"][1]
    os.utime(wake / "renewed.1", (4_000_000_000, 4_000_000_000))  # by a wrong clock
    assert "Is the schedule running?" in scene.wrong()["schedule"][1]
    scene.queue.chmod(0o777)
    assert scene.wrong()["queue"][0] == "error"


def test_private_keys(scene: Scene) -> None:
    loose = scene.directory / "loose"
    make_key(loose)
    loose.chmod(0o644)
    targets = [
        scene.target(scene.hosts[0], private_key_file=str(loose)),
        scene.target(scene.hosts[1], private_key_file=str(scene.directory / "absent")),
    ]
    found = scene.wrong(targets=targets)
    assert "Run chmod 600" in found["private key loose"][1]
    assert "cannot be read" in found["private key absent"][1]
