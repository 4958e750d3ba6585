# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a push tells people: a line for each host that was owed something."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.filter._push_report import push_report


def lineage(outcome, **more):
    return {"lineage": "a.example", "outcome": outcome, "error": "", "evidence": "", "waiting": False, **more}


def test_a_line_for_each_that_was_owed_something():
    result = {
        "targets": [
            {"name": "one", "lineages": [lineage("confirmed", evidence="receipt")]},
            {"name": "two", "lineages": [lineage("owed", error="it refused. Look there.")]},
            {"name": "three", "lineages": [lineage("unchanged")]},
            {"name": "four", "lineages": [lineage("dead", error="no route")]},
            {"name": "five", "lineages": [lineage("owed", waiting=True)]},
        ],
        "counts": {"confirmed": 1, "owed": 2, "dead": 1, "unchanged": 1},
    }
    assert push_report(result) == [
        "one: has a.example (receipt).",
        "two: a.example is still owed: it refused. Look there.",
        "four: a.example was given up: no route",
        "five: a.example lies there and waits for its turn.",
        "Hosts: 1 confirmed, 2 owed, 1 dead, 1 unchanged.",
    ]


def test_check_mode_says_what_would_be():
    result = {"targets": [{"name": "one", "lineages": [lineage("owed")]}], "counts": {"owed": 1}}
    assert push_report(result, True) == ["one: would be sent a.example.", "Hosts: 1 owed."]


def test_nothing_at_all():
    assert push_report({"targets": [], "counts": {}}) == ["Hosts: none."]
    assert push_report({}) == ["Hosts: none."]
