# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.plugins.module_utils._core.push.delivery import Delivery
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import Receipt
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._core.push.verdict import (
    DebtFault,
    PushVerdict,
    failed,
    verdict_on,
)
from ansible_collections.certops.rotation.plugins.modules import certificate_push

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.timezone.utc)
NEW, OLD = "ab" * 32, "cd" * 32
TARGET = PushTarget("web1", "web1", ("*",), ("ssh-ed25519 AAAA",))
ENTRY = OwedEntry("web1", "example.com", NEW, queued_at="2026-06-01T11:00:00Z")
SENT = Delivery("example.com", uploaded=True)


def receipt(state: t.Any, fingerprint: str = NEW, **more: t.Any) -> Receipt:
    return Receipt("example.com", fingerprint, state, at="2026-06-01T12:00:00Z", **more)


def judged(
    delivery: Delivery, *, asked: bool = False, waited: bool = True, protocol: t.Any = "receiver"
) -> PushVerdict:
    """asked: it lay there already, and was only asked about."""
    entry = dataclasses.replace(ENTRY, uploaded=NEW if asked else None)
    return verdict_on(delivery, entry, NEW, dataclasses.replace(TARGET, protocol=protocol), NOW, waited=waited)


@pytest.mark.parametrize("state", ["deployed", "proven"])
def test_the_hosts_receipt_ends_the_debt(state: str) -> None:
    verdict = judged(dataclasses.replace(SENT, receipt=receipt(state)))
    assert (verdict.outcome, verdict.evidence, verdict.error) == ("confirmed", "receipt", "")


def test_a_receipt_for_what_was_there_before_ends_no_debt() -> None:
    verdict = judged(dataclasses.replace(SENT, receipt=receipt("deployed", OLD)))
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("failed", "no_receipt", NEW)


def test_no_receipt_is_asked_for_again_and_nothing_uploaded_again() -> None:
    verdict = judged(SENT)
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("failed", "no_receipt", NEW)
    assert not verdict.may_pass


def test_a_host_that_knows_nothing_of_what_lay_there_gets_it_again() -> None:
    """It may have been installed anew."""
    for waited in (True, False):
        verdict = judged(dataclasses.replace(SENT, uploaded=False), asked=True, waited=waited)
        assert verdict.uploaded is None


def test_a_receipt_that_is_not_waited_for_is_no_failure() -> None:
    verdict = judged(SENT, waited=False)
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("waiting", "pending", NEW)


@pytest.mark.parametrize("state", ["refused", "taken_back"])
def test_a_refusal_is_a_failure_with_the_hosts_words(state: str) -> None:
    verdict = judged(dataclasses.replace(SENT, receipt=receipt(state, message="it has expired")))
    assert (verdict.outcome, verdict.fault, verdict.uploaded, verdict.may_pass) == ("failed", state, None, False)
    assert "web1" in verdict.error
    assert "it has expired" in verdict.error


def test_a_refusal_of_what_could_not_be_read() -> None:
    assert judged(dataclasses.replace(SENT, receipt=receipt("refused", ""))).fault == "refused"
    assert judged(dataclasses.replace(SENT, receipt=receipt("deployed", ""))).fault == "no_receipt"


def test_pending_waits_and_is_no_failure() -> None:
    verdict = judged(dataclasses.replace(SENT, receipt=receipt("pending", due="2026-06-01T13:00:00Z")))
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("waiting", "pending", NEW)
    assert "2026-06-01T13:00:00Z" in verdict.error


@pytest.mark.parametrize("due", [None, "soon", "", "2026-06-01T11:30:00Z"])
def test_pending_without_a_time_or_a_little_late_waits(due: str | None) -> None:
    assert judged(dataclasses.replace(SENT, receipt=receipt("pending", due=due))).outcome == "waiting"


def test_pending_because_something_is_wrong_there_is_a_failure_in_the_hosts_words() -> None:
    """A service that failed, or a first version that an endpoint does not show."""
    verdict = judged(dataclasses.replace(SENT, receipt=receipt("pending", message="systemd nginx.service: it failed.")))
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("failed", "pending", NEW)
    assert "systemd nginx.service: it failed." in verdict.error


def test_pending_long_after_its_time_is_a_failure() -> None:
    verdict = judged(dataclasses.replace(SENT, receipt=receipt("pending", due="2026-06-01T10:30:00Z")))
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("failed", "overdue", NEW)


def test_a_directory_confirms_by_the_upload() -> None:
    verdict = judged(SENT, protocol="directory")
    assert (verdict.outcome, verdict.evidence) == ("confirmed", "upload")


@pytest.mark.parametrize(
    ("fault", "may_pass"),
    [("unreachable", True), ("remote", True), ("host_key", False), ("denied", False), ("local", False), ("", True)],
)
def test_what_may_go_better_in_a_moment(fault: str, may_pass: bool) -> None:
    verdict = judged(Delivery("example.com", error="no", fault=fault))
    assert (verdict.outcome, verdict.may_pass, verdict.fault) == ("failed", may_pass, fault or "remote")


def test_an_unknown_fault_is_the_hosts() -> None:
    assert failed("no", "odd").fault == "remote"


def test_a_host_that_is_away_while_it_is_asked_keeps_what_it_has() -> None:
    assert judged(Delivery("example.com", error="no", fault="unreachable"), asked=True).uploaded == NEW
    assert judged(Delivery("example.com", error="no", fault="unreachable")).uploaded is None


def test_all_faults_are_documented() -> None:
    """Programs act on them."""
    lineages = yaml.safe_load(certificate_push.RETURN)["targets"]["contains"]["lineages"]
    documented = re.findall(r"V\((\w+)\)", lineages["contains"]["fault"]["description"])
    assert sorted(documented) == sorted(set(t.get_args(DebtFault)) - {""})
