# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the replacement of many certificates is: issued, staged, seen served by hosts that have them, still to do.
Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ..instants import parse_isoformat_utc, spoken_duration
from ..secrets.arn import is_same_secret

if t.TYPE_CHECKING:
    from .reissue_clock import ReissueClock

_Result = t.Mapping[str, t.Any]

#: staged: issued, and not promoted; replaced: no host has it; not proven: a host has the old one, has not been seen to
#: serve the new one, or nothing is known of it.
ReplacementState = t.Literal["to do", "staged", "not proven", "replaced", "proven"]
_ORDER: t.Final[tuple[ReplacementState, ...]] = ("to do", "staged", "not proven", "replaced", "proven")
_LEFT: t.Final = ("to do", "staged", "not proven")


@dataclass(frozen=True)
class Replaced:
    """One certificate that the incident concerns. where: for people."""

    name: str
    state: ReplacementState
    where: str


def reissue_report(
    issued: _Result,
    hosts: t.Mapping[str, t.Any],
    clock: ReissueClock | None = None,
    *,
    found: _Result | None = None,
) -> dict[str, t.Any]:
    """issued: as certificate_issue returns it; hosts: name -> as haproxy_rotation returns it, and anything else for a
    host of which nothing is known; clock: None where none runs; found: as issued, by an earlier look of the same run.

    Returns table (lines for people), left (names that are to do, staged or not proven), clock (lines about each limit,
    and how long earlier ones took), and a sentence: summary.
    """
    known = {host: result for host, result in hosts.items() if _is_known(result)}
    silent = sorted(hosts.keys() - known.keys())
    rows = sorted(
        (_row(each, known, silent) for each in _concerned(issued, found or {})),
        key=lambda row: (_ORDER.index(row.state), row.name),
    )
    left, estimate = [row.name for row in rows if row.state in _LEFT], issued.get("reissue") or {}
    return {
        "table": _table(rows, silent),
        "left": left,
        "clock": _clock(clock, len(left), estimate) if rows else [],
        "summary": _summary(rows, estimate, silent),
    }


def _is_known(result: t.Any) -> bool:
    """Hosts answer what they like, and a run that failed altogether, or was not asked for, answers nothing."""
    if not isinstance(result, Mapping) or not isinstance(result.get("proven") or (), (list, tuple)):
        return False
    items = result.get("certificates")
    return isinstance(items, (list, tuple)) and all(
        isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in items
    )


def _concerned(issued: _Result, found: _Result) -> list[_Result]:
    """What was concerned, and is another one by now, is replaced. Where it was named by its serial number or its
    fingerprint, the one that has taken its place does not tell so itself."""
    before = {str(each["name"]) for each in found.get("certificates") or () if each.get("reissue")}
    now = issued.get("certificates") or ()
    told = (
        {**each, "reissue": "replaced"} if each["name"] in before and not each.get("reissue") else each for each in now
    )
    return [each for each in told if each.get("reissue")]


def _clock(clock: ReissueClock | None, left: int, estimate: _Result) -> list[str]:
    last = estimate.get("last_order_at") if estimate.get("to_do") else None
    lines = clock.lines(left, parse_isoformat_utc(str(last)) if last else None) if clock else []
    return lines + [
        f"The one that began at {each['began_at']} took {spoken_duration(timedelta(seconds=each['seconds']))} for"
        f" {_certificates(each['certificates'])}."
        for each in estimate.get("earlier") or ()
    ]


def _row(found: _Result, hosts: t.Mapping[str, _Result], silent: t.Sequence[str]) -> Replaced:
    name = str(found["name"])
    if found["reissue"] == "staged":
        candidate = found.get("candidate") or {}
        return Replaced(name, "staged", f"as {candidate.get('label')}, and waits for its promotion")
    if found["reissue"] != "replaced":
        until = f"held until {found['held_until']}: " if found.get("held_until") else ""
        return Replaced(name, "to do", until + str(found.get("problem") or found.get("reason") or ""))
    having = {host: item for host, result in hosts.items() if (item := _deployed(found, result))}
    unproven = [
        f"{host} {_why_not(found, item)}"
        for host, item in sorted(having.items())
        if item.get("fingerprint_sha256") != found["fingerprint_sha256"] or not item.get("proven")
    ]
    if unproven or silent:
        unknown = [f"nothing is known of {len(silent)} host{'' if len(silent) == 1 else 's'}"] if silent else []
        return Replaced(name, "not proven", ", ".join([*unproven, *unknown]))
    return Replaced(name, "proven" if having else "replaced", ", ".join(sorted(having)))


def _deployed(found: _Result, result: _Result) -> _Result | None:
    """What a host has of a secret. One that has none of its own to tell has vanished, or is not for this host."""
    for item in result["certificates"]:
        if is_same_secret(item, found) and item.get("action") != "removed":
            # What this very run has proven is in a list of its own.
            newly = item["name"] in (result.get("proven") or ())
            return {**item, "proven": bool(item.get("proven")) or newly}
    return None


def _why_not(found: _Result, item: _Result) -> str:
    if item.get("action") in ("refused", "failed"):
        return f"has {item['action']} it"
    if item.get("fingerprint_sha256") != found["fingerprint_sha256"]:
        return "has another one"
    return "has not been seen to serve it"


def _table(rows: t.Sequence[Replaced], silent: t.Sequence[str]) -> list[str]:
    if not rows:
        return []
    width = max(len(row.name) for row in rows)
    lines = [f"{row.state:<10}  {row.name:<{width}}  {row.where}".rstrip() for row in rows]
    return lines + [f"Nothing is known of {host}: its rotation failed, or was not asked for." for host in silent]


def _summary(rows: t.Sequence[Replaced], estimate: _Result, silent: t.Sequence[str]) -> str:
    count = {state: sum(row.state == state for row in rows) for state in _ORDER}
    if not rows:
        return "No certificate is concerned."
    done = len(rows) - count["to do"] - count["staged"]
    text = f"Of {_certificates(len(rows))} that {_are(len(rows))} concerned, {done} {_are(done)} replaced"
    text += f", {count['proven']} of them proven on the wire" if done else ""
    text += f", {count['not proven']} not proven" if count["not proven"] else ""
    text += f". {count['staged']} staged, and not promoted" if count["staged"] else ""
    text += f". {count['to do']} to do" if count["to do"] else ""
    hours = estimate.get("hours")
    if count["to do"] and hours is not None:
        at_once = estimate.get("at_once")
        text += f", which the limits allow within {hours} hours" + (f", {at_once} of them now" if at_once else "")
    elif count["to do"]:
        text += ", and nobody can tell when the limits allow the last one"
    return f"{text}." + (f" Nothing is known of {', '.join(silent)}." if silent else "")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _certificates(count: int) -> str:
    return f"{count} certificate{'' if count == 1 else 's'}"
