# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of the role endpoint_monitor tells people, and what it fails for. Pure."""

from __future__ import annotations

import typing as t

from ..text import counted

Result = t.Mapping[str, t.Any]


def monitor_report(plan: Result, results: t.Mapping[str, Result], predicted: bool) -> dict[str, list[str]]:
    """plan: of MonitorPlan. results: of the tasks "registered", "scanned", "delivered" (a loop) and "shown".

    lines: what was seen. undelivered: which receivers have not got what they should. failures: all that the run fails
    for, what it could not do first; empty for a run that ends well. predicted: nothing was written.
    """
    undelivered = _undelivered(plan, results.get("delivered") or {})
    registered, scanned = results.get("registered") or {}, results.get("scanned") or {}
    new = int(registered.get("added") or 0) if predicted else 0
    problems, more = _problems(plan, scanned)
    alarms = [*problems, *([f"{more} more need a person: see the dashboard, or the registry."] if more else [])]
    if plan["selects_all"] and scanned.get("endpoints") == 0 and not new:
        what_to_do = "name some in endpoint_monitor_endpoints."
        alarms.append(f"Nothing is watched, for no endpoint is registered and enabled: {what_to_do}")
    return {
        "lines": [*_lines(scanned, predicted), *_new(plan, new), *(alarms if plan["alert"] == "warn" else [])],
        "undelivered": undelivered,
        "failures": [
            *_failed("What is watched is not as it should be", registered),
            *_silent(plan),
            *_unfinished(scanned),
            *undelivered,
            *_failed("The dashboard was not written", results.get("shown") or {}),
            *(alarms if plan["alert"] == "fail" else []),
        ],
    }


def _lines(scanned: Result, predicted: bool) -> t.Iterator[str]:
    states = ", ".join(f"{count} {state}" for state, count in (scanned.get("states") or {}).items() if count)
    yield (
        f"{counted(scanned.get('endpoints', 0), 'endpoint', 'endpoints')},"
        f" {counted(scanned.get('addresses', 0), 'address', 'addresses')} in"
        f" {scanned.get('seconds', 0):.1f} s: {states or 'none'}."
    )
    events = ", ".join(f"{count} {kind}" for kind, count in (scanned.get("events") or {}).items() if count)
    if events:
        yield f"{'Would be told' if predicted else 'Told'}: {events}."


def _new(plan: Result, new: int) -> t.Iterator[str]:
    """new: how many check mode has not registered."""
    if new and not plan["unregistered"]:
        yield f"Would be registered, and asked from then on: {new}."


def _problems(plan: Result, scanned: Result) -> tuple[list[str], int]:
    """Sentences, and how many more there are. One that has just begun to be silent may have been restarted."""
    found = [
        str(problem.get("message"))
        for problem in scanned.get("problems") or []
        if problem.get("condition") != "unreachable" or problem.get("failures", 0) >= plan["unreachable_after"]
    ]
    return found, int(scanned.get("more_problems") or 0)


def _undelivered(plan: Result, delivered: Result) -> list[str]:
    results = delivered.get("results")
    if not results:  # the loop itself could not be run
        return [f"No receiver was told: {delivered.get('msg')}"] if delivered.get("failed") else []
    return [
        f"{receiver['receiver']}: {result.get('msg')}"
        for receiver, result in zip(plan["receivers"], results)
        if result.get("failed")
    ]


def _failed(what: str, result: Result) -> t.Iterator[str]:
    if result.get("failed"):
        yield f"{what}: {result.get('msg')}"


def _silent(plan: Result) -> t.Iterator[str]:
    for host, why in plan["silent"].items():
        yield f"{host} has not said what it serves: {why}"


def _unfinished(scanned: Result) -> t.Iterator[str]:
    names = [str(name) for name in scanned.get("unfinished") or []]
    if names:
        number = len(names) + int(scanned.get("more_unfinished") or 0)
        yield (
            f"{number} endpoints were not asked within endpoint_monitor_deadline, {names[0]} among them: raise it, or"
            " endpoint_monitor_concurrency."
        )
