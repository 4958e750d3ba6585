# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What receivers get, want and answer."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.delivery import (
    EVENT_KINDS,
    EventFilter,
    event_body,
    fault_of_status,
    signature_of,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.events import WatchEvent

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
EVENT = WatchEvent(
    "id-1", "expired", "critical", NOW, "Bücher\n", "h", 443, "192.0.2.1", "It has expired.", {"before": None}
)


def test_a_body_is_one_line_of_ascii() -> None:
    body = event_body(EVENT)
    assert body.isascii()
    assert b"\n" not in body
    assert json.loads(body) == {
        "id": "id-1",
        "kind": "expired",
        "severity": "critical",
        "at": "2026-11-26T12:00:00Z",
        "name": "Bücher\n",
        "host": "h",
        "port": 443,
        "address": "192.0.2.1",
        "message": "It has expired.",
        "details": {"before": None},
    }


def test_the_same_event_has_the_same_body() -> None:
    again = dataclasses.replace(EVENT, details=dict(EVENT.details))
    assert event_body(again) == event_body(EVENT)


def test_a_chat_gets_a_sentence() -> None:
    assert json.loads(event_body(EVENT, "text")) == {"text": "critical: It has expired."}


def test_the_signature_is_that_of_the_standard() -> None:
    """RFC 4231, test case 2."""
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signature_of(b"what do ya want for nothing?", "Jefe") == f"sha256={digest}"


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        *((status, None) for status in (200, 202, 204, 299)),
        *((status, "refused") for status in (400, 409, 413, 415, 422)),
        *((status, "unavailable") for status in (199, 301, 307, 401, 403, 404, 408, 410, 425, 429, 500, 503)),
    ],
)
def test_what_a_status_means(status: int, fault: str | None) -> None:
    assert fault_of_status(status) == fault


@pytest.mark.parametrize(
    ("wanted", "is_wanted"),
    [
        (EventFilter(), True),
        (EventFilter(least_severity="critical"), True),
        (EventFilter(frozenset({"expired"}), "warning"), True),
        (EventFilter(frozenset({"expired"}), "critical"), True),
        (EventFilter(frozenset({"new", "renewed"})), False),
    ],
)
def test_what_a_receiver_wants(wanted: EventFilter, is_wanted: bool) -> None:
    assert wanted.wants(EVENT) == is_wanted


@pytest.mark.parametrize(("severity", "is_wanted"), [("info", False), ("warning", True), ("critical", True)])
def test_the_least_severity(severity: str, is_wanted: bool) -> None:
    event = dataclasses.replace(EVENT, severity=severity)  # type: ignore[arg-type]
    assert EventFilter(least_severity="warning").wants(event) == is_wanted


def test_when_an_event_is_too_old() -> None:
    week = EventFilter(give_up_after=timedelta(days=7))
    assert not week.is_too_old(EVENT, NOW + timedelta(days=7))
    assert week.is_too_old(EVENT, NOW + timedelta(days=7, seconds=1))
    assert not EventFilter().is_too_old(EVENT, NOW + timedelta(days=7000))


def test_the_kinds_are_those_of_the_events() -> None:
    assert {"new", "renewed", "replaced_early", "expired", "retired"} < set(EVENT_KINDS)
