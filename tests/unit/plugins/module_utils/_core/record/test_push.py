# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The textfile of pushing: counted over runs, which the file itself remembers; what is owed, as the queue says now."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.record.push import (
    PushNumbers,
    read_push,
    render_push,
)
from ansible_collections.certops.rotation.tests.support.prometheus import samples

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
QUEUE = "/var/lib/certops-push"
TARGETS = [
    {"name": "web1", "lineages": [{"outcome": "confirmed", "fault": ""}, {"outcome": "unchanged"}]},
    {"name": "mail", "lineages": [{"outcome": "owed", "fault": "unreachable"}]},
    {"name": "slow", "lineages": [{"outcome": "owed", "fault": "pending", "waiting": True}]},
    {"name": "idle", "lineages": []},
]


def entry(host: str, lineage: str, queued_at: str) -> OwedEntry:
    return OwedEntry(host, lineage, "ab" * 32, queued_at)


def once(before: PushNumbers | None = None) -> PushNumbers:
    numbers = before or PushNumbers()
    numbers.add(False, NOW)
    numbers.see_run(TARGETS)
    owed = [entry("mail", "b", "2026-11-26T07:00:00Z"), entry("mail", "a", "2026-11-25T08:00:00Z")]
    numbers.see_queue(["web1", "mail", "idle"], owed, [entry("gone", "a", "2026-10-01T00:00:00Z")], bad=2)
    numbers.see_lineages({"a": "2027-02-24T07:00:00Z"})
    return numbers


def value(text: bytes, name: str, **labels: str) -> float | None:
    inside = ",".join(f'{key}="{label}"' for key, label in sorted({"queue": QUEUE, **labels}.items()))
    return samples(text.decode()).get(f"certops_push_{name}{{{inside}}}")


def test_numbers_of_a_run() -> None:
    text = render_push(once(), QUEUE)
    assert value(text, "runs_total", status="error") == 1
    assert value(text, "runs_total", status="success") == 0, "increase() sees the first one"
    assert value(text, "lineages_total", outcome="confirmed") == 1
    assert value(text, "lineages_total", outcome="unchanged") == 1
    assert value(text, "lineages_total", outcome="owed") == 2
    assert value(text, "lineages_total", outcome="dead") == 0
    assert value(text, "failures_total", fault="unreachable") == 1
    assert value(text, "failures_total", fault="host_key") == 0
    assert value(text, "failures_total", fault="pending") is None, "it lies there, and waits for its turn"
    assert value(text, "last_run_success") == 0
    assert value(text, "last_run_timestamp_seconds") == NOW.timestamp()
    assert value(text, "last_success_timestamp_seconds") is None
    assert value(text, "lineage_not_after_timestamp_seconds", lineage="a") == 1803452400


def test_what_is_owed() -> None:
    text = render_push(once(), QUEUE)
    assert value(text, "owed", host="mail") == 2
    assert value(text, "oldest_owed_timestamp_seconds", host="mail") == NOW.timestamp() - 86400
    assert value(text, "owed", host="web1") == 0, "a host that is owed nothing is told so"
    assert value(text, "oldest_owed_timestamp_seconds", host="web1") is None
    assert value(text, "dead", host="gone") == 1, "a host that is no target any more"
    assert value(text, "dead", host="mail") == 0
    assert value(text, "bad") == 2


def test_the_file_is_the_memory() -> None:
    first = once()
    text = render_push(first, QUEUE)
    assert read_push(text.decode(), QUEUE) == first
    second = render_push(once(read_push(text.decode(), QUEUE)), QUEUE)
    assert value(second, "runs_total", status="error") == 2
    assert value(second, "lineages_total", outcome="confirmed") == 2
    assert value(second, "owed", host="mail") == 2, "a gauge is not added up"


def test_a_run_that_has_seen_nothing_leaves_what_is_owed() -> None:
    """It failed before it could read the queue."""
    numbers = read_push(render_push(once(), QUEUE).decode(), QUEUE)
    numbers.add(True, NOW)
    text = render_push(numbers, QUEUE)
    assert value(text, "owed", host="mail") == 2
    assert value(text, "last_success_timestamp_seconds") == NOW.timestamp()


def test_a_host_that_was_removed_ends_its_series() -> None:
    numbers = once()
    numbers.see_queue(["web1"], [], [], bad=0)
    text = render_push(numbers, QUEUE)
    assert value(text, "owed", host="mail") is None
    assert value(text, "dead", host="gone") is None


def test_the_file_of_another_queue() -> None:
    assert read_push(render_push(once(), QUEUE).decode(), "/other") == PushNumbers()


@pytest.mark.parametrize("text", ["certops_push_owed{", 'certops_push_owed{queue="/var/lib/certops-push"} 1\n'])
def test_what_is_no_such_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"Error|could not convert"):
        read_push(text, QUEUE)
