# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import Confirmation
from ansible_collections.certops.rotation.plugins.module_utils._core.push.queue_report import QueueReport
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._flows.push.queueing import QueueKeeper, QueueScope
from ansible_collections.certops.rotation.plugins.module_utils._ports.lineages.certbot_live import CertbotLive
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue
from ansible_collections.certops.rotation.tests.support.certbot_directory import CertbotDirectory

NOW = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.timezone.utc)


def target(name: str, *domains: str) -> PushTarget:
    return PushTarget(name=name, address=name, domains=domains, host_keys=())


class Keeping:
    """Of a queue beside certbot's directory."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.certbot = CertbotDirectory(directory / "letsencrypt")
        self.queue = PushQueue(str(directory / "queue"))
        self.lineages = CertbotLive(str(self.certbot.live), patience=0)

    def keeper(self, *hosts: str, lineages: tuple[str, ...] = (), check_mode: bool = False) -> QueueKeeper:
        return QueueKeeper(self.queue, QueueScope(hosts, lineages), now=NOW, check_mode=check_mode)

    def confirm(self, host: str) -> None:
        with self.queue.claim(host) as claim:
            assert claim is not None
            for entry in claim.entries:
                claim.confirm(Confirmation(host, entry.lineage, entry.fingerprint_sha256, entry.queued_at, "upload"))


@pytest.fixture
def keeping(tmp_path: pathlib.Path) -> Keeping:
    made = Keeping(tmp_path)
    made.certbot.renew("a.org")
    return made


def actions(report: QueueReport) -> dict[tuple[str, str], str]:
    return {(outcome.host, outcome.lineage): outcome.action for outcome in report.outcomes}


def test_since_when_something_is_owed_is_the_time_of_the_run(keeping: Keeping) -> None:
    keeping.keeper().queue_debts([target("web1", "*")], keeping.lineages, force=False)
    assert [entry.queued_at for entry in keeping.queue.content().owed] == ["2026-11-26T12:00:00Z"]


def test_force_is_for_those_in_scope_alone(keeping: Keeping) -> None:
    targets = [target("web1", "*"), target("web2", "*")]
    keeping.keeper().queue_debts(targets, keeping.lineages, force=False)
    for host in ("web1", "web2"):
        keeping.confirm(host)
    report = keeping.keeper("web1").queue_debts(targets, keeping.lineages, force=True)
    assert actions(report) == {("web1", "a.org"): "queued"}
    content = keeping.queue.content()
    assert [entry.host for entry in content.owed] == ["web1"]
    assert [entry.host for entry in content.confirmed] == ["web2"]


def test_what_is_forced_and_waits_stays_as_it_is(keeping: Keeping) -> None:
    targets = [target("web1", "*")]
    keeping.keeper().queue_debts(targets, keeping.lineages, force=False)
    assert actions(keeping.keeper().queue_debts(targets, keeping.lineages, force=True)) == {
        ("web1", "a.org"): "waiting"
    }


def test_force_waits_for_no_host_and_stops_at_none(keeping: Keeping) -> None:
    """One host has it, one is being pushed to, one has never had it."""
    targets = [target("web1", "*"), target("web2", "*"), target("web3", "*")]
    keeping.keeper("web1", "web2").queue_debts(targets, keeping.lineages, force=False)
    keeping.confirm("web1")
    with keeping.queue.claim("web2") as claim:
        assert claim is not None
        report = keeping.keeper().queue_debts(targets, keeping.lineages, force=True)
        assert actions(report) == {(name, "a.org"): "queued" for name in ("web1", "web2", "web3")}
        again = keeping.keeper().queue_debts(targets, keeping.lineages, force=True)
        assert set(actions(again).values()) == {"waiting"}
        (entry,) = claim.entries
        claim.confirm(Confirmation("web2", "a.org", entry.fingerprint_sha256, entry.queued_at, "upload"))
    content = keeping.queue.content()
    assert [entry.host for entry in content.owed] == ["web1", "web2", "web3"]
    assert content.confirmed == ()
    for host in ("web1", "web2", "web3"):
        keeping.confirm(host)
    assert set(actions(keeping.keeper().queue_debts(targets, keeping.lineages, force=False)).values()) == {"confirmed"}


def test_what_is_postponed_is_next_when_somebody_says_so(keeping: Keeping) -> None:
    targets = [target("web1", "*")]

    def postpone() -> None:
        with keeping.queue.claim("web1") as claim:
            assert claim is not None
            claim.put_back(dataclasses.replace(claim.entries[0], attempts=3, next_attempt="2026-11-27T12:00:00Z"))

    keeping.keeper().queue_debts(targets, keeping.lineages, force=False)
    for forced in (True, False):
        postpone()
        keeper = keeping.keeper()
        report = keeper.queue_debts(targets, keeping.lineages, force=True) if forced else keeper.requeue()
        assert actions(report) == {("web1", "a.org"): "queued" if forced else "requeued"}
        assert [(entry.attempts, entry.next_attempt) for entry in keeping.queue.content().owed] == [(0, None)]
        assert actions(keeping.keeper().requeue()) == {}


def test_a_lineage_that_cannot_be_read_is_no_stray(keeping: Keeping) -> None:
    """Nobody knows for whom it is."""
    targets = [target("web1", "*")]
    keeping.keeper().queue_debts(targets, keeping.lineages, force=False)
    (keeping.certbot.archive / "a.org/privkey1.pem").unlink()
    report = keeping.keeper().queue_debts(targets, keeping.lineages, force=False)
    assert (report.strays, list(report.failures)) == ([], ["a.org"])
    assert actions(keeping.keeper().forget_strays(targets, keeping.lineages)) == {}
    assert len(keeping.queue.content().owed) == 1


def test_a_hook_that_comes_while_lineages_are_read_wakes_again(keeping: Keeping) -> None:
    keeping.keeper().queue_debts([target("web1", "*")], keeping.lineages, force=False)
    wake = pathlib.Path(keeping.queue.path, "wake")
    wake.mkdir(mode=0o700)
    (wake / "renewed.1").touch()
    keeper = keeping.keeper()
    (wake / "renewed.2").touch()
    keeper.queue_debts([target("web1", "*")], keeping.lineages, force=False)
    assert keeping.queue.woken() == ["renewed.2"]


def test_a_check_forgets_no_wake_and_writes_nothing(keeping: Keeping) -> None:
    report = keeping.keeper(check_mode=True).queue_debts([target("web1", "*")], keeping.lineages, force=True)
    assert actions(report) == {("web1", "a.org"): "queued"}
    assert not pathlib.Path(keeping.queue.path).exists()
