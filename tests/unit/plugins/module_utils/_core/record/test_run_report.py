# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.record.run_report import (
    OUTCOMES,
    HostRotation,
    report,
    table,
)


def synced(*actions, **more):
    items = [{"name": f"web/{number}", "action": action} for number, action in enumerate(actions)]
    return {"certificates": items, "pending": [], "failures": [], **more}


BAD = "web/1: The key does not match. [private_key_mismatch]"
CASES = {
    "nothing was tried": (HostRotation(), "not_run"),
    "it was reached and nothing was new": (HostRotation(synced("unchanged")), "unchanged"),
    "it has no certificates": (HostRotation(synced()), "unchanged"),
    "one is new": (HostRotation(synced("unchanged", "updated")), "rotated"),
    "one is gone": (HostRotation(synced("removed")), "rotated"),
    "what an earlier run wrote was activated": (HostRotation(synced("unchanged", proven=["web/0"])), "rotated"),
    "one is refused, and it counts": (
        HostRotation(synced("unchanged", "refused", failures=[BAD]), [f"1 problem:\n{BAD}"], failed=True),
        "refused",
    ),
    "one is refused, and the play broke off before it was named": (
        HostRotation(synced("unchanged", "refused", failures=[BAD])),
        "refused",
    ),
    "one is refused, which was to be passed over": (HostRotation(synced("unchanged", "refused")), "unchanged"),
    "one is refused, and HAProxy is down": (
        HostRotation(synced("refused", failures=[BAD], activation_error="down"), [f"down\n{BAD}"], failed=True),
        "failed",
    ),
    "one is refused, and a later task failed": (
        HostRotation(synced("refused", failures=[BAD]), ["no space left"], failed=True),
        "failed",
    ),
    "one could not be written": (
        HostRotation(synced("failed", failures=["x"], failures_by_cause={"host": ["x"]}), ["x"], failed=True),
        "failed",
    ),
    "one could not be written, and one is refused": (
        HostRotation(
            synced("failed", "refused", failures=[BAD, "x"], failures_by_cause={"content": [BAD], "host": ["x"]}),
            [f"2 problems:\n{BAD}\nx"],
            failed=True,
        ),
        "failed",
    ),
    "access to one is denied": (
        HostRotation(synced("refused", failures=[BAD], failures_by_cause={"source": [BAD]}), [BAD], failed=True),
        "failed",
    ),
    "the controller's access to one is denied": (
        HostRotation(
            synced("refused", failures=[BAD], failures_by_cause={"source": [BAD]}, source="controller"), [BAD]
        ),
        "refused",
    ),
    "one is refused, and nothing is wrong with the host": (
        HostRotation(
            synced("refused", failures=[BAD], failures_by_cause={"content": [BAD], "host": []}), [BAD], "", True
        ),
        "refused",
    ),
    "one is about to expire": (HostRotation(synced("unchanged", failures=["web/0: expires"])), "failed"),
    "an error that was rescued": (HostRotation(synced("updated"), ["rescued"]), "rotated"),
    "the first task failed": (HostRotation(errors=["not ready"], failed=True), "failed"),
    "it vanished at the end": (HostRotation(synced("updated"), unreachable="gone"), "unreachable"),
}


@pytest.mark.parametrize(("rotation", "outcome"), CASES.values(), ids=CASES)
def test_outcomes(rotation, outcome):
    assert rotation.outcome == outcome
    assert bool(rotation.reason) == (outcome in {"refused", "failed", "unreachable"})


def test_those_in_trouble_come_last_and_their_reason_is_one_short_line():
    hosts = {name: rotation for name, (rotation, _outcome) in CASES.items()}
    hosts["verbose"] = HostRotation(errors=["first line\n" + "x" * 1000], failed=True)
    *rows, total = table(hosts, check_mode=False)[1:]
    seen = [next(outcome for outcome in OUTCOMES if f"  {outcome.replace('_', ' ')}  " in f"{row}  ") for row in rows]
    assert seen == sorted(seen, key=OUTCOMES.index)
    assert max(map(len, rows)) < 250
    assert total.startswith(f"{len(hosts)} hosts: 3 unchanged, 4 rotated")
    assert sum(report(hosts, check_mode=False)["summary"].values()) == len(hosts)


def test_proof_counts_what_had_to_be_proven():
    new = HostRotation(synced("created", "updated", "unchanged", pending=["web/0", "web/1"], proven=["web/0"]))
    assert new.proof() == "1 of 2"
    unsure = synced("created", pending=["web/0"], not_proven={"web/0": "a reset"})
    assert HostRotation(unsure).proof() == "0 of 1, 1 unasked"
    assert HostRotation(unsure).reason == "web/0 is not proven, because a reset"
    assert HostRotation(unsure).as_dict()["not_proven"] == {"web/0": "a reset"}
    assert HostRotation(synced("unchanged")).proof() == "earlier"
    assert HostRotation().proof() == "-"
