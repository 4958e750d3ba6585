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
    not_served,
    uploaded_since,
    verdict_on,
)
from ansible_collections.certops.rotation.plugins.modules import certificate_push

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)
NEW, OLD = "ab" * 32, "cd" * 32
TARGET = PushTarget("web1", "web1", ("*",), ("ssh-ed25519 AAAA",))
ENTRY = OwedEntry("web1", "example.com", NEW, queued_at="2026-06-01T11:00:00Z")
SENT = Delivery("example.com", uploaded=True)


def receipt(state: t.Any, fingerprint: str = NEW, **more: t.Any) -> Receipt:
    return Receipt("example.com", fingerprint, state, at="2026-06-01T12:00:00Z", **more)


def judged(
    delivery: Delivery,
    *,
    asked: bool = False,
    waited: bool = True,
    protocol: t.Any = "receiver",
    since: str | None = "2026-06-01T11:59:00Z",
) -> PushVerdict:
    """asked: it lay there already, and was only asked about; since: when it was uploaded then."""
    entry = dataclasses.replace(ENTRY, uploaded=NEW if asked else None, uploaded_at=since if asked else None)
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


def test_what_lies_there_is_asked_about_until_it_is_answered() -> None:
    """With the time since it was uploaded. Where it has been lost, whoever asks uploads it again."""
    for waited in (True, False):
        verdict = judged(dataclasses.replace(SENT, uploaded=False), asked=True, waited=waited)
        assert verdict.uploaded == NEW


def test_a_receipt_that_is_not_waited_for_is_no_failure() -> None:
    verdict = judged(SENT, waited=False)
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("waiting", "pending", NEW)


@pytest.mark.parametrize("is_sent_again", [False, True])
def test_what_nobody_waits_for_is_a_failure_after_an_hour(is_sent_again: bool) -> None:
    """A receiver whose units are dead: the certificate would expire while each run ends well."""
    delivery = dataclasses.replace(SENT, uploaded=is_sent_again)
    assert judged(delivery, asked=True, waited=False, since="2026-06-01T11:00:00Z").outcome == "waiting"
    verdict = judged(delivery, asked=True, waited=False, since="2026-06-01T10:59:59Z")
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("failed", "no_receipt", NEW)
    assert "no receipt since 2026-06-01T10:59:59Z" in verdict.error


def test_the_time_that_something_waits_begins_with_its_upload() -> None:
    asked = dataclasses.replace(ENTRY, uploaded=NEW, uploaded_at="2026-06-01T11:00:00Z")
    assert uploaded_since(asked, NEW, NOW) == NOW - HOUR
    assert uploaded_since(asked, OLD, NOW) == NOW
    assert uploaded_since(dataclasses.replace(asked, uploaded_at=None), NEW, NOW) == NOW
    assert uploaded_since(dataclasses.replace(asked, uploaded_at="2099-01-01T00:00:00Z"), NEW, NOW) == NOW


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


@pytest.mark.parametrize("due", ["2026-06-30T12:00:00Z", "2026-06-10T00:00:00Z"])
def test_a_long_delay_of_services_waits(due: str) -> None:
    assert judged(dataclasses.replace(SENT, receipt=receipt("pending", due=due))).outcome == "waiting"


@pytest.mark.parametrize("due", ["2026-07-02T12:00:00Z", "2030-01-01T00:00:00Z", "9999-12-31T23:30:00Z"])
def test_services_that_are_told_too_late_are_overdue(due: str) -> None:
    verdict = judged(dataclasses.replace(SENT, receipt=receipt("pending", due=due)))
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("failed", "overdue", NEW)
    assert due in verdict.error
    assert "update_delay" in verdict.error


def test_a_time_before_all_times_is_overdue() -> None:
    assert judged(dataclasses.replace(SENT, receipt=receipt("pending", due="0001-01-01T00:00:00Z"))).fault == "overdue"


def test_services_that_are_put_off_again_and_again_are_overdue() -> None:
    delivery = dataclasses.replace(SENT, uploaded=False, receipt=receipt("pending", due="2026-06-01T13:00:00Z"))
    assert judged(delivery, asked=True, since="2026-05-03T12:00:00Z").outcome == "waiting"
    assert judged(delivery, asked=True, since="2026-05-02T10:00:00Z").fault == "overdue"


def test_pending_for_no_reason_is_overdue_after_an_hour() -> None:
    def fault(at: str) -> str:
        answer = Receipt("example.com", NEW, "pending", at)
        delivery = dataclasses.replace(SENT, uploaded=False, receipt=answer)
        return judged(delivery, asked=True, since="2026-06-01T10:00:00Z").fault

    assert fault("2026-06-01T10:01:00Z") == "overdue"
    assert fault("2026-06-01T11:30:00Z") == "pending"
    assert fault("2026-06-01T23:00:00Z") == "overdue"  # its clock is wrong: ours counts


# Endpoints


def shown_wrong(*, uploaded: str, queued: str, protocol: t.Any = "directory", waited: bool = True) -> PushVerdict:
    """What an endpoint that shows another certificate makes of a delivery that was confirmed so far."""
    entry = dataclasses.replace(ENTRY, queued_at=queued, uploaded=NEW, uploaded_at=uploaded)
    target = dataclasses.replace(TARGET, protocol=protocol)
    verdict = PushVerdict("confirmed", evidence="upload", uploaded=NEW)
    return not_served(verdict, "it shows another", entry, target, NOW, waited=waited)


@pytest.mark.parametrize("protocol", ["receiver", "directory"])
@pytest.mark.parametrize(
    ("queued", "uploaded", "is_kept"),
    [
        ("2026-05-31T12:00:00Z", "2026-05-31T12:00:00Z", True),
        ("2026-05-31T11:00:00Z", "2026-05-31T11:00:00Z", False),
        ("2026-05-28T12:00:00Z", "2026-05-30T13:00:00Z", True),
        ("2026-05-28T12:00:00Z", "2026-05-30T11:00:00Z", False),
        ("2026-06-01T10:00:00Z", "2026-05-30T11:00:00Z", False),  # it was given up meanwhile
    ],
)
def test_what_is_not_served_is_uploaded_again_after_a_day_then_two_and_four(
    protocol: str, queued: str, uploaded: str, is_kept: bool
) -> None:
    verdict = shown_wrong(uploaded=uploaded, queued=queued, protocol=protocol)
    assert (verdict.outcome, verdict.fault, verdict.uploaded) == ("failed", "endpoint", NEW if is_kept else None)


def test_a_directory_whose_services_nobody_waits_for_has_a_day() -> None:
    day, more = "2026-05-31T12:00:00Z", "2026-05-31T11:59:59Z"
    assert shown_wrong(uploaded=day, queued=day, waited=False).outcome == "waiting"
    assert shown_wrong(uploaded=more, queued=more, waited=False).fault == "endpoint"
    assert shown_wrong(uploaded=day, queued=day, waited=False, protocol="receiver").fault == "endpoint"


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
    broken_off = Delivery("example.com", uploaded=True, error="no", fault="unreachable")
    assert judged(broken_off).uploaded == NEW


def test_all_faults_are_documented() -> None:
    """Programs act on them."""
    lineages = yaml.safe_load(certificate_push.RETURN)["targets"]["contains"]["lineages"]
    documented = re.findall(r"V\((\w+)\)", lineages["contains"]["fault"]["description"])
    assert sorted(documented) == sorted(set(t.get_args(DebtFault)) - {""})
