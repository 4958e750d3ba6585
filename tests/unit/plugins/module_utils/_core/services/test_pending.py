# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What services are still to be told."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import (
    ServiceDefinition,
    ServiceOutcome,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.pending import (
    PendingLineage,
    concerned,
    pending_document,
    pushed,
    read_pending,
    still_pending,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
NGINX = ServiceDefinition("systemd", "nginx.service")
MAIL = ServiceDefinition("systemd", "postfix.service", lineages=("mail.example.com",))
A = PendingLineage("a.example.com", "aa", NOW)
M = PendingLineage("mail.example.com", "bb", NOW)


def told(service: ServiceDefinition, *names: str, **fields: t.Any) -> ServiceOutcome:
    usual = {"outcome": "ran", "lineages": names, "told": names, "key": service.key}
    return ServiceOutcome(service.title, **{**usual, **fields})


def names(pending: t.Iterable[PendingLineage]) -> list[str]:
    return [each.lineage for each in pending]


def test_a_service_is_told_of_what_concerns_it() -> None:
    assert names(concerned(NGINX, [A, M])) == ["a.example.com", "mail.example.com"]
    assert names(concerned(MAIL, [A, M])) == ["mail.example.com"]


def test_nothing_is_left_once_all_have_been_told() -> None:
    outcomes = [told(NGINX, "a.example.com", "mail.example.com"), told(MAIL, "mail.example.com")]
    assert still_pending([NGINX, MAIL], [A, M], outcomes) == ()
    assert still_pending([], [A, M], []) == (), "there is nobody to be told"


def test_who_failed_is_told_again_and_nobody_else() -> None:
    failed = told(MAIL, told=(), outcome="failed")
    left = still_pending([NGINX, MAIL], [A, M], [told(NGINX, "a.example.com", "mail.example.com"), failed])
    assert names(left) == ["mail.example.com"]
    assert concerned(NGINX, left) == ()
    assert names(concerned(MAIL, left)) == ["mail.example.com"]


def test_a_corrected_entry_is_told_of_what_its_misspelt_one_failed_for() -> None:
    wrong, right = ServiceDefinition("systemd", "ngnix.service"), NGINX
    left = still_pending([wrong], [A], [told(wrong, told=(), outcome="failed")])
    assert names(concerned(right, left)) == ["a.example.com"]
    assert still_pending([right], left, [told(right, "a.example.com")]) == ()


def test_an_entry_that_has_been_told_and_is_proven_otherwise_now_is_not_told_again() -> None:
    (left,) = still_pending([NGINX, MAIL], [M], [told(NGINX, "mail.example.com")])
    patient = dataclasses.replace(NGINX, timeout=600, endpoints=({"host": "a", "port": 1},), prove_within=99)
    assert concerned(patient, [left]) == ()
    assert concerned(dataclasses.replace(NGINX, action="reload"), [left]) == (left,)


def test_two_entries_of_one_program_are_told_apart_by_their_arguments() -> None:
    first, second = (ServiceDefinition("script", "/bin/x", "run", arguments=(word,)) for word in ("a", "b"))
    (left,) = still_pending([first, second], [A], [told(first, "a.example.com")])
    assert concerned(first, [left]) == ()
    assert concerned(second, [left]) == (left,)


def test_a_new_push_is_to_be_told_to_all() -> None:
    (left,) = still_pending([NGINX, MAIL], [M], [told(NGINX, "mail.example.com")])
    again = PendingLineage("mail.example.com", "cc", NOW + timedelta(hours=1))
    assert pushed([A, left], again) == (A, again)
    assert concerned(NGINX, pushed([left], again)) == (again,)


def test_it_survives_json() -> None:
    (left,) = still_pending([NGINX, MAIL], [M], [told(NGINX, "mail.example.com")])
    left = dataclasses.replace(left, answering=frozenset(["127.0.0.1:25 (mail.example.com)"]))
    document = json.loads(json.dumps(pending_document([A, left])))
    assert read_pending(document) == (A, left)
    del document["a.example.com"]["answering"]  # was written by an earlier version
    assert read_pending(document) == (A, left)


@pytest.mark.parametrize(
    "damaged",
    [None, [], "x", {"a": 1}, {"a": {}}, {"a": {"fingerprint_sha256": "00", "pushed_at": "yesterday", "told": []}}],
)
def test_what_is_no_record_is_refused(damaged: t.Any) -> None:
    with pytest.raises(ValueError, match="no record of pending services"):
        read_pending(damaged)
