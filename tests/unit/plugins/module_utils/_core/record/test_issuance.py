# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The textfile of issuing: what a run adds to what the file says already, and that the file itself is the memory."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.record.issuance import (
    IssuanceNumbers,
    LimitLeft,
    read_issuance,
    render_issuance,
)
from ansible_collections.certops.rotation.tests.support.prometheus import samples

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
JOURNAL = "certops/issuance/journal"
REPORT: dict[str, t.Any] = {
    "certificates": [
        {
            "name": "www.example.com",
            "action": "issued",
            "not_before": "2026-11-26T07:00:00Z",
            "not_after": "2027-02-24T07:00:00Z",
            "due": "2027-01-25T07:00:00Z",
            "held_until": None,
        },
        {"name": "b", "action": "held", "held_until": "2026-11-26T11:00:00Z", "due": "2026-11-25T00:00:00Z"},
        {"name": "c", "action": "failed", "problem": "no zone"},
    ],
    "acme_requests": 21,
    "api_calls": {"ListSecrets": 1, "ChangeResourceRecordSets": 2},
}
LIMITS = [LimitLeft("https://acme.example.com/directory", "orders", 299, 300)]


def once(before: IssuanceNumbers | None = None, **changes: t.Any) -> IssuanceNumbers:
    numbers = before or IssuanceNumbers()
    numbers.add(False, NOW)
    numbers.see({**REPORT, **changes}, LIMITS)
    return numbers


def value(text: bytes, name: str, **labels: str) -> float | None:
    inside = ",".join(f'{key}="{label}"' for key, label in sorted({"journal": JOURNAL, **labels}.items()))
    return samples(text.decode()).get(f"certops_issuance_{name}{{{inside}}}")


def test_numbers_of_a_run() -> None:
    text = render_issuance(once(), JOURNAL)
    assert value(text, "certificates_total", action="issued") == 1
    assert value(text, "certificates_total", action="renewed") == 0, "increase() sees the first one"
    assert value(text, "last_run_certificates", action="held") == 1
    assert value(text, "runs_total", status="error") == 1
    assert value(text, "runs_total", status="success") == 0
    assert value(text, "acme_requests_total") == 21
    assert value(text, "aws_requests_total", operation="ChangeResourceRecordSets") == 2
    assert value(text, "last_run_success") == 0
    assert value(text, "last_run_timestamp_seconds") == NOW.timestamp()
    assert value(text, "last_success_timestamp_seconds") is None
    assert value(text, "certificate_due_timestamp_seconds", secret="www.example.com") == 1800860400
    assert value(text, "certificate_not_after_timestamp_seconds", secret="www.example.com") == 1803452400
    assert value(text, "certificate_not_after_timestamp_seconds", secret="c") is None
    assert value(text, "certificate_held", secret="b") == 1
    assert value(text, "certificate_held_until_timestamp_seconds", secret="b") == NOW.timestamp() + 3 * 3600
    assert value(text, "certificate_staged", secret="b") == 0
    assert value(text, "certificate_failed", secret="c") == 1
    assert value(text, "certificate_failed", secret="b") == 0
    assert value(text, "limit_left", issuer="https://acme.example.com/directory", limit="orders") == 299
    assert value(text, "limit", issuer="https://acme.example.com/directory", limit="orders") == 300


def test_the_file_is_the_memory() -> None:
    first = once()
    text = render_issuance(first, JOURNAL)
    read = read_issuance(text.decode(), JOURNAL)
    assert read == first
    assert render_issuance(read, JOURNAL) == text
    second = render_issuance(once(read), JOURNAL)
    assert value(second, "acme_requests_total") == 42
    assert value(second, "runs_total", status="error") == 2
    assert value(second, "last_run_certificates", action="held") == 1


def test_what_waits_for_its_promotion_is_told_whatever_became_of_the_run() -> None:
    candidate = {"label": "CANDIDATE", "version_id": "1"}
    for action in ("staged", "held", "failed"):
        item = {**REPORT["certificates"][0], "action": action, "candidate": candidate}
        text = render_issuance(once(certificates=[item]), JOURNAL)
        assert value(text, "certificate_staged", secret="www.example.com") == 1


def test_a_run_that_looked_at_nothing_forgets_nothing() -> None:
    read = read_issuance(render_issuance(once(), JOURNAL).decode(), JOURNAL)
    read.add(True, NOW.replace(hour=9))
    text = render_issuance(read, JOURNAL)
    assert value(text, "certificate_not_after_timestamp_seconds", secret="www.example.com") == 1803452400
    assert value(text, "last_success_timestamp_seconds") == NOW.timestamp() + 3600


def test_a_certificate_that_is_wanted_no_more_ends() -> None:
    text = render_issuance(once(once(), certificates=REPORT["certificates"][:1]), JOURNAL)
    assert value(text, "certificate_held", secret="b") is None
    assert value(text, "last_run_certificates", action="held") == 0


def test_names_that_need_escapes() -> None:
    odd = 'a"b\\c\nd\x1b'
    numbers = once(certificates=[{"name": odd, "action": "issued", "not_after": "2027-02-24T07:00:00Z"}])
    text = render_issuance(numbers, JOURNAL)
    assert b"\x1b" not in text
    assert len(read_issuance(text.decode(), JOURNAL).certificates) == 1


def test_what_others_wrote_there_does_not_count() -> None:
    assert read_issuance("", JOURNAL) == IssuanceNumbers()
    other = render_issuance(once(), "certops/issuance/other").decode()
    assert read_issuance(other, JOURNAL) == IssuanceNumbers()
    assert read_issuance('cert_expired{a="b"} 1\n# a comment\n', JOURNAL) == IssuanceNumbers()


def test_a_file_that_is_cut_off_or_damaged_is_read_or_told() -> None:
    text = render_issuance(once(), JOURNAL).decode()
    told = 0
    for at in range(0, len(text), 7):
        for damaged in (text[:at], text[:at] + "{" + text[at + 1 :]):
            try:
                read_issuance(damaged, JOURNAL)
            except ValueError:
                told += 1
    assert told
