# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.queue_report import (
    QueueAction,
    QueueOutcome,
    QueueReport,
)

OLD, NEW = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("action", "changed"),
    [
        ("queued", True),
        ("requeued", True),
        ("forgotten", True),
        ("waiting", False),
        ("confirmed", False),
        ("dead", False),
    ],
)
def test_only_what_changes_the_queue_is_a_change(action: QueueAction, changed: bool) -> None:
    assert QueueReport([QueueOutcome("web1", "a.org", action, NEW)]).changed is changed


def test_a_damaged_file_is_a_change() -> None:
    assert QueueReport(set_aside=["/q/bad/x"]).changed
    assert not QueueReport().changed


def test_a_diff_shows_what_was_and_what_will_be_owed() -> None:
    report = QueueReport(
        [
            QueueOutcome("web1", "a.org", "queued", NEW),
            QueueOutcome("web1", "b.org", "waiting", OLD),
            QueueOutcome("web2", "a.org", "forgotten"),
            QueueOutcome("web2", "c.org", "forgotten"),
            QueueOutcome("web3", "a.org", "requeued", NEW),
            QueueOutcome("web4", "a.org", "confirmed", NEW),
        ]
    )
    before = {("web1", "a.org"): OLD, ("web1", "b.org"): OLD, ("web2", "a.org"): OLD}
    assert report.diff(before) == {
        "before": f"web1 a.org {OLD}\nweb1 b.org {OLD}\nweb2 a.org {OLD}\n",
        "after": f"web1 a.org {NEW}\nweb1 b.org {OLD}\nweb3 a.org {NEW}\n",
    }


def test_failures_are_told_in_one_message() -> None:
    report = QueueReport(failures={"b.org": "b.org: second", "a.org": "a.org: first"})
    assert report.message == "a.org: first\nb.org: second"
    assert QueueReport().message == ""


def test_a_result_is_sorted() -> None:
    outcomes = [QueueOutcome("web2", "a.org", "queued", NEW, ("a.org",)), QueueOutcome("web1", "b.org", "dead", OLD)]
    result = QueueReport(outcomes, strays=[("web9", "c.org")]).as_result()
    assert [(each["host"], each["matched"]) for each in result["entries"]] == [("web1", []), ("web2", ["a.org"])]
    assert result["strays"] == [{"host": "web9", "lineage": "c.org"}]
