# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_queue and push_queue_info, run as Ansible runs them, on real directories."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import Confirmation, OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.disk import fill, tiny_file_system
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.lineages import CertbotSteps
from ansible_collections.certops.rotation.tests.support.module import ModuleRun

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO1nRjYbA5ZGJbWbYNGWCwLgC5VNXpAPZ3Hh1ZQy1Vd4"
AT = "2026-11-26T12:00:00Z"


def target(name: str, *domains: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "domains": list(domains), "host_key": [HOST_KEY], **more}


class Pusher:
    """A machine with lineages and a queue."""

    def __init__(self, modules: ModuleServer, directory: pathlib.Path) -> None:
        self._modules = modules
        self.certbot = CertbotSteps(directory / "letsencrypt")
        self.path = directory / "queue"
        self.queue = PushQueue(str(self.path))

    def run(self, module: str = "push_queue", *, check: bool = False, **args: t.Any) -> ModuleRun:
        own = {"lineages": str(self.certbot.live)} if module == "push_queue" else {}
        return self._modules.run(module, {"path": str(self.path), **own, **args}, check=check)

    def info(self, **args: t.Any) -> dict[str, t.Any]:
        found = self.run("push_queue_info", **args)
        assert not found.failed, found.result
        return found.result

    def four_times(self, **args: t.Any) -> ModuleRun:
        """Check, run, check, run: a check writes nothing and says what the run does, and then nothing is left to do."""
        before = self.snapshot()
        check_1 = self.run(check=True, **args)
        assert self.snapshot() == before
        run_1 = self.run(**args)
        after = self.snapshot()
        check_2 = self.run(check=True, **args)
        run_2 = self.run(**args)
        assert self.snapshot() == after
        for name in ("changed", "entries", "failures", "strays", "diff"):
            assert check_1.result.get(name) == run_1.result.get(name), name
        assert [run_2.result["changed"], check_2.result["changed"]] == [False, False]
        return run_1

    def snapshot(self) -> dict[str, bytes]:
        files = sorted(path for path in self.path.rglob("*") if path.is_file() and path.name != ".lock")
        return {str(path.relative_to(self.path)): path.read_bytes() for path in files}

    def confirm(self, host: str) -> None:
        """All that is owed to it."""
        with self.queue.claim(host) as claim:
            assert claim is not None
            for entry in claim.entries:
                claim.confirm(Confirmation(host, entry.lineage, entry.fingerprint_sha256, AT, "receipt"))

    def give_up(self, host: str) -> None:
        with self.queue.claim(host) as claim:
            assert claim is not None
            for entry in claim.entries:
                claim.give_up(entry)


@pytest.fixture
def pusher(modules: ModuleServer, tmp_path: pathlib.Path) -> Pusher:
    return Pusher(modules, tmp_path)


def actions(run: ModuleRun) -> dict[tuple[str, str], str]:
    return {(each["host"], each["lineage"]): each["action"] for each in run.result["entries"]}


def test_what_is_owed_is_queued(pusher: Pusher) -> None:
    """CD44: by exact names, by wildcards where the host says so, and each lineage as a whole."""
    a = pusher.certbot.renew("a.org", ["a.org", "www.a.org"])
    b = pusher.certbot.renew("b.org", ["*.b.org"])
    targets = [
        target("web1", "WWW.a.org."),
        target("web2", "x.b.org", wildcards=True),
        target("web3", "x.b.org"),
        target("web4", "*"),
    ]
    run = pusher.four_times(targets=targets)
    assert run.result["entries"] == [
        {
            "host": host,
            "lineage": lineage,
            "action": "queued",
            "fingerprint_sha256": issued.fingerprint_sha256,
            "matched": matched,
        }
        for host, lineage, issued, matched in [
            ("web1", "a.org", a, ["www.a.org"]),
            ("web2", "b.org", b, ["x.b.org"]),
            ("web4", "a.org", a, ["*"]),
            ("web4", "b.org", b, ["*"]),
        ]
    ]
    assert run.result["diff"]["before"] == ""
    assert run.result["diff"]["after"].startswith(f"web1 a.org {a.fingerprint_sha256}\n")
    assert "web3: no lineage has any of the domains" in str(run.result["warnings"])
    found = pusher.info()
    assert found["counts"] == {"owed": 4, "claimed": 0, "dead": 0, "confirmed": 0}
    assert [(each["state"], each["host"], each["lineage"]) for each in found["entries"]] == [
        ("owed", *key) for key in actions(run)
    ]
    assert found["oldest"] == found["entries"][0]["queued_at"]


def test_a_renewal_is_owed_though_no_hook_has_run(pusher: Pusher) -> None:
    """certbot goes on when a deploy hook fails, and certonly runs none."""
    pusher.certbot.renew("a.org")
    targets = [target("web1", "a.org")]
    assert actions(pusher.run(targets=targets)) == {("web1", "a.org"): "queued"}
    assert actions(pusher.run(targets=targets)) == {("web1", "a.org"): "waiting"}
    pusher.confirm("web1")
    assert actions(pusher.four_times(targets=targets)) == {("web1", "a.org"): "confirmed"}
    renewed = pusher.certbot.renew("a.org")
    run = pusher.four_times(targets=targets)
    assert actions(run) == {("web1", "a.org"): "queued"}
    assert run.result["entries"][0]["fingerprint_sha256"] == renewed.fingerprint_sha256
    assert pusher.info(state=["confirmed"])["counts"] == {"owed": 1, "claimed": 0, "dead": 0, "confirmed": 1}


def test_only_what_is_named_is_queued(pusher: Pusher) -> None:
    """CD1: a lineage by its path, as certbot tells it, or by its name."""
    for name in ("a.org", "b.org"):
        pusher.certbot.renew(name)
    targets = [target("web1", "*"), target("web2", "*")]
    run = pusher.four_times(targets=targets, lineage=f"{pusher.certbot.live}/a.org/", host="web2")
    assert actions(run) == {("web2", "a.org"): "queued"}
    run = pusher.four_times(targets=targets, lineage=["b.org"])
    assert actions(run) == {("web1", "b.org"): "queued", ("web2", "b.org"): "queued"}
    assert [(each["host"], each["lineage"]) for each in pusher.info(host="web2")["entries"]] == [
        ("web2", "a.org"),
        ("web2", "b.org"),
    ]
    assert pusher.info(lineage="a.org")["counts"]["owed"] == 1
    run = pusher.run(targets=targets, lineage="c.org")
    assert run.failed
    assert "c.org: there is no such lineage" in run.result["msg"]
    run = pusher.run(targets=targets, host="web9")
    assert run.failed
    assert run.result["msg"] == "host: there is no target of the name web9."


def test_what_a_host_has_is_queued_once_more_by_force(pusher: Pusher) -> None:
    """It was installed anew."""
    pusher.certbot.renew("a.org")
    targets = [target("web1", "*"), target("web2", "*")]
    pusher.run(targets=targets)
    pusher.confirm("web1")
    pusher.confirm("web2")
    check = pusher.run(targets=targets, host="web1", force=True, check=True)
    assert actions(check) == {("web1", "a.org"): "queued"}
    assert pusher.info()["counts"]["owed"] == 0
    assert pusher.run(targets=targets, host="web1", force=True).result["changed"]
    assert pusher.info()["counts"] == {"owed": 1, "claimed": 0, "dead": 0, "confirmed": 1}
    assert [entry.lineage for entry in claimed(pusher, "web1")] == ["a.org"]


def claimed(pusher: Pusher, host: str) -> tuple[OwedEntry, ...]:
    with pusher.queue.claim(host) as claim:
        assert claim is not None
        return claim.entries


def test_what_was_given_up_is_told_until_it_is_requeued(pusher: Pusher) -> None:
    for name in ("a.org", "b.org"):
        pusher.certbot.renew(name)
    targets = [target("web1", "*"), target("web2", "*")]
    pusher.run(targets=targets)
    pusher.give_up("web1")
    run = pusher.four_times(targets=targets)
    assert actions(run)["web1", "a.org"] == "dead"
    assert pusher.info()["counts"] == {"owed": 2, "claimed": 0, "dead": 2, "confirmed": 0}
    run = pusher.four_times(state="requeued", lineage="a.org")
    assert actions(run) == {("web1", "a.org"): "requeued"}
    pusher.certbot.renew("b.org")
    assert actions(pusher.run(targets=targets))["web1", "b.org"] == "queued"
    assert pusher.info()["counts"]["dead"] == 0
    pusher.give_up("web2")
    assert set(actions(pusher.four_times(state="requeued"))) == {("web2", "a.org"), ("web2", "b.org")}


def test_a_host_that_is_gone_is_told_and_forgotten_on_request_only(pusher: Pusher) -> None:
    for name in ("a.org", "b.org"):
        pusher.certbot.renew(name)
    pusher.run(targets=[target("web1", "*"), target("web2", "*"), target("web3", "a.org")])
    pusher.confirm("web3")
    left = [target("web1", "a.org")]
    run = pusher.run(targets=left)
    assert run.result["strays"] == [
        {"host": host, "lineage": lineage}
        for host, lineage in [("web1", "b.org"), ("web2", "a.org"), ("web2", "b.org")]
    ]
    assert "no target wants it any more: b.org for web1, a.org for web2, b.org for web2." in str(run.result["warnings"])
    assert pusher.info()["counts"] == {"owed": 4, "claimed": 0, "dead": 0, "confirmed": 1}
    run = pusher.four_times(state="forgotten", host="web2", lineage="b.org")
    assert actions(run) == {("web2", "b.org"): "forgotten"}
    run = pusher.four_times(state="forgotten", targets=left)
    assert set(actions(run)) == {("web1", "b.org"), ("web2", "a.org"), ("web3", "a.org")}
    assert pusher.info()["counts"] == {"owed": 1, "claimed": 0, "dead": 0, "confirmed": 0}


def test_forgetting_needs_to_know_what(pusher: Pusher) -> None:
    for args in ({}, {"host": "web1", "targets": [target("web1", "*")]}):
        run = pusher.run(state="forgotten", **args)
        assert run.failed
        assert "state=forgotten needs either host or lineage" in run.result["msg"]
    run = pusher.run(state="requeued", force=True)
    assert "force has no meaning with state=requeued" in run.result["msg"]
    assert pusher.run().failed
    assert "targets" in pusher.run().result["msg"]


def test_what_cannot_be_pushed_fails_by_name_after_all_others(pusher: Pusher) -> None:
    good = pusher.certbot.renew("good.org")
    pusher.certbot.renew("stolen.org")
    pusher.certbot.put(
        "stolen.org", pusher.certbot.authority.issue("stolen.org").replace(private_key_pem=good.private_key_pem)
    )
    old = pusher.certbot.authority.issue("old.org", not_after=pki.now())
    pusher.certbot.put("old.org", old)
    (pusher.certbot.live / "README").write_text("for people")
    run = pusher.run(targets=[target("web1", "*")])
    assert run.failed
    assert run.result["msg"].startswith("stolen.org: privkey.pem: The private key does not belong to 'stolen.org'")
    assert list(run.result["failures"]) == ["stolen.org"]
    assert run.result["changed"]
    assert actions(run) == {("web1", "good.org"): "queued"}
    assert "old.org has expired" in str(run.result["warnings"])


def test_a_directory_of_lineages_that_is_not_there_is_told(pusher: Pusher) -> None:
    run = pusher.run(targets=[target("web1", "*")], lineages="/nowhere/live")
    assert run.failed
    assert "There is no directory /nowhere/live of lineages on this host" in run.result["msg"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"targets": []}, None),
        ({"targets": "web1"}, "dictionary requested"),
        ({"targets": [{"name": "web1"}]}, "domains"),
        ({"targets": [target("web1", "*", naem="x")]}, "naem"),
        ({"targets": [target("web1", "*"), target("web1", "*")]}, "two of the name web1"),
        ({"targets": [target("web1", "no domain")]}, "web1: domains: 'no domain' is no domain"),
        ({"targets": [target("web1", "*")], "force": "perhaps"}, "force"),
        ({"targets": [target("1", "*")], "host": 1, "lineage": 7}, "7: there is no such lineage"),
        ({"targets": [target("web1", "*")], "state": "absent"}, "state"),
    ],
)
def test_odd_values_are_named(pusher: Pusher, args: dict[str, t.Any], message: str | None) -> None:
    run = pusher.run(**args)
    assert run.failed == (message is not None)
    assert message is None or message in run.result["msg"]
    assert pusher.snapshot() == {}


@pytest.mark.parametrize("host", ["a/b", "WEB1", "h" * 250, "2001:db8::1", "münchen"])
def test_any_name_of_a_host_will_do(pusher: Pusher, host: str) -> None:
    pusher.certbot.renew("a.org")
    given = target(host, "*", address="192.0.2.1")
    assert actions(pusher.four_times(targets=[given])) == {(host, "a.org"): "queued"}
    assert [each["host"] for each in pusher.info(host=[host])["entries"]] == [host]
    assert sorted(path.name for path in (pusher.path).iterdir()) == ["owed"]
    assert len(list((pusher.path / "owed").iterdir())) == 1


def test_damaged_files_are_set_aside_and_computed_anew(pusher: Pusher) -> None:
    """CD55."""
    pusher.certbot.renew("a.org")
    targets = [target("web1", "*"), target("web2", "*")]
    pusher.run(targets=targets)
    pusher.confirm("web2")
    files = [pusher.path / "owed/web1/a.org.json", pusher.path / "confirmed/web2/a.org.json"]
    for file in files:
        file.write_text("{")
    found = pusher.info(state=["owed", "confirmed"])
    assert [each["file"] for each in found["damaged"]] == [str(file) for file in files]
    assert (found["entries"], found["bad"]) == ([], [])
    check = pusher.run(targets=targets, check=True)
    assert check.result["set_aside"] == [str(file) for file in files]
    assert check.result["changed"]
    run = pusher.run(targets=targets)
    assert actions(run) == actions(check) == {("web1", "a.org"): "queued", ("web2", "a.org"): "queued"}
    assert len(run.result["set_aside"]) == 2
    assert all(pathlib.Path(path).read_text() == "{" for path in run.result["set_aside"])
    assert pusher.info()["bad"] == sorted(run.result["set_aside"])
    again = pusher.run(targets=targets)
    assert (again.result["changed"], again.result["set_aside"]) == (False, [])


def test_files_of_others_are_told_and_left(pusher: Pusher) -> None:
    pusher.certbot.renew("a.org")
    pusher.run(targets=[target("web1", "*")])
    for name in ("notes.txt", "owed/web1/a.org.json.bak"):
        (pusher.path / name).write_text("mine")
    pusher.four_times(targets=[target("web1", "*")])
    assert pusher.info()["foreign"] == [str(pusher.path / "notes.txt"), str(pusher.path / "owed/web1/a.org.json.bak")]


def test_nobody_is_waited_for_while_something_is_pushed(pusher: Pusher) -> None:
    """CD54, CD56: certdeploy's hook waited for a lock, for ever when it was stale."""
    pusher.certbot.renew("a.org")
    targets = [target("web1", "*")]
    pusher.run(targets=targets)
    with pusher.queue.claim("web1") as claim:
        assert claim is not None
        assert actions(pusher.run(targets=targets)) == {("web1", "a.org"): "waiting"}
        renewed = pusher.certbot.renew("a.org")
        assert actions(pusher.run(targets=targets)) == {("web1", "a.org"): "queued"}
        found = pusher.info()
        assert [each["state"] for each in found["entries"]] == ["owed", "claimed"]
        run = pusher.run(state="forgotten", host="web1")
        assert run.failed
        assert "web1 is being pushed to just now" in run.result["msg"]
    assert [entry.fingerprint_sha256 for entry in claimed(pusher, "web1")] == [renewed.fingerprint_sha256]


def test_wakes_of_hooks_are_over_when_all_is_queued(pusher: Pusher) -> None:
    pusher.certbot.renew("a.org")
    wake = pusher.path / "wake"
    wake.mkdir(parents=True, mode=0o700)
    pusher.path.chmod(0o700)
    (wake / "renewed.1").touch()
    assert pusher.info()["woken"]
    assert pusher.run(targets=[target("web1", "*")], check=True).result["changed"]
    pusher.run(targets=[target("web1", "*")], host="web1")
    assert pusher.info()["woken"]
    pusher.run(targets=[target("web1", "*")])
    assert not pusher.info()["woken"]


@pytest.mark.parametrize("kind", ["loose", "foreign"])
def test_a_queue_in_which_others_may_write_is_refused(pusher: Pusher, kind: str) -> None:
    """Whoever may write there could have keys sent to hosts that should not have them."""
    pusher.certbot.renew("a.org")
    pusher.run(targets=[target("web1", "*")])
    if kind == "loose":
        pusher.path.chmod(0o770)
    else:
        os.chown(pusher.path, 65534, 65534)
    for run in (pusher.run(targets=[target("web1", "*")]), pusher.run("push_queue_info")):
        assert run.failed
        assert f"{pusher.path} belongs to" in run.result["msg"]
        assert "chmod go-w" in run.result["msg"]


def test_a_queue_of_ten_thousand(pusher: Pusher) -> None:
    entries = [
        OwedEntry(f"web{host}", f"n{number}.org", f"{number:064x}", AT) for host in range(100) for number in range(100)
    ]
    assert len(pusher.queue.enqueue(entries)) == 10_000
    assert pusher.queue.enqueue(entries) == []
    assert pusher.info(host="web7")["counts"]["owed"] == 100
    assert pusher.info(state=["dead"])["counts"]["owed"] == 10_000
    with contextlib.ExitStack() as stack:
        claims = [stack.enter_context(pusher.queue.claim(f"web{host}")) for host in range(100)]
        assert sum(len(claim.entries) for claim in claims if claim) == 10_000
        assert len(pusher.queue.content().claimed) == 10_000
    assert len(pusher.queue.content().owed) == 10_000


def test_a_full_disk_loses_nothing(modules: ModuleServer, tmp_path: pathlib.Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    with tiny_file_system(small) as mount:
        pusher = Pusher(modules, tmp_path)
        pusher.path = mount / "queue"
        pusher.queue = PushQueue(str(pusher.path))
        for name in ("a.org", "b.org"):
            pusher.certbot.renew(name)
        targets = [target("web1", "*")]
        pusher.run(targets=targets, lineage="a.org")
        before = pusher.snapshot()
        ballast = fill(mount)
        run = pusher.run(targets=targets)
        assert run.failed
        assert "No space left on device" in run.result["msg"]
        assert "Free space" in run.result["msg"]
        assert pusher.snapshot() == before
        with pusher.queue.claim("web1") as claim:
            assert claim is not None
            (entry,) = claim.entries
            for settle in (
                lambda: claim.confirm(Confirmation("web1", "a.org", entry.fingerprint_sha256, AT, "upload")),
                lambda: claim.put_back(entry),
                lambda: claim.give_up(entry),
            ):
                with pytest.raises(StoreError, match="No space left"):
                    settle()
        assert pusher.snapshot() == before
        ballast.unlink()
        assert actions(pusher.run(targets=targets)) == {("web1", "a.org"): "waiting", ("web1", "b.org"): "queued"}
        assert not list(pusher.path.rglob(".certops-tmp*"))


def test_another_user_cannot_read_it(pusher: Pusher) -> None:
    pusher.certbot.renew("a.org")
    pusher.run(targets=[target("web1", "*")])
    program = "import os, sys; os.setgid(65534); os.setuid(65534); os.listdir(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(pusher.path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert "PermissionError" in done.stderr
    assert json.loads((pusher.path / "owed/web1/a.org.json").read_text())["host"] == "web1"
    assert b"PRIVATE" not in b"".join(pusher.snapshot().values())
