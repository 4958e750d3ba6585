# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a promotion ended, for people and for the exit code. Pure."""

from __future__ import annotations

import typing as t

from .promotion import CURRENT
from .secrets.arn import is_same_secret
from .text import counted, listed, shown

_Result = t.Mapping[str, t.Any]
_OUTCOMES: t.Final = ("promoted", "withdrawn", "held", "failed")
_DONE: t.Final = {"promote": "promoted", "withdraw": "withdrawn", "hold": "held"}


def promotion_report(
    verdicts: t.Sequence[_Result],
    done: t.Sequence[_Result] = (),
    canaries: t.Mapping[str, _Result] | None = None,
    followers: t.Mapping[str, _Result] | None = None,
    *,
    check_mode: bool = False,
    asked_to_withdraw: bool = False,
) -> dict[str, t.Any]:
    """verdicts: results of PromotionVerdict; done: what certificate_candidate returns of each; canaries: host -> as
    haproxy_rotation returns it after a withdrawal; followers: the same of the fleet after a promotion;
    asked_to_withdraw: somebody wants that, so that it is no failure.

    Returns names by outcome, behind (hosts that do not have what was promoted), certificates (name, version_id,
    outcome, reason, and canaries: host -> what it says), table (lines for people), summary (a sentence), and msg: what
    the run fails with, or "".
    """
    rows = [_row(verdict, done, canaries or {}, followers or {}) for verdict in verdicts]
    behind = hosts_behind(verdicts, followers or {}, done)
    named = {outcome: [row[1] for row in rows if row[0] == outcome] for outcome in _OUTCOMES}
    table = _table(rows, check_mode=check_mode)
    summary = _summary(named, behind, check_mode=check_mode)
    bad = ["failed", "held"] + ([] if asked_to_withdraw else ["withdrawn"])
    not_back = any("is not back" in row[2] for row in rows)
    fails = any(named[outcome] for outcome in bad) or not_back or bool(behind)
    certificates = [
        {
            "name": verdict["name"],
            "version_id": verdict.get("version_id"),
            "outcome": row[0],
            "reason": row[2],
            "canaries": dict(verdict.get("canaries") or {}),
        }
        for verdict, row in zip(verdicts, rows)
    ]
    return {
        **named,
        "behind": behind,
        "certificates": certificates,
        "table": table,
        "summary": summary,
        "msg": "\n".join([*table, summary]) if fails else "",
    }


def hosts_behind(
    verdicts: t.Sequence[_Result], followers: t.Mapping[str, _Result], done: t.Sequence[_Result] = ()
) -> list[str]:
    """Hosts of the fleet that have looked, and have another version than one of those that were promoted."""
    promoted = [verdict for verdict in verdicts if _row(verdict, done, {}, {})[0] == "promoted"]
    return [host for host, result in followers.items() if any(_is_behind(verdict, result) for verdict in promoted)]


def _row(
    verdict: _Result,
    done: t.Sequence[_Result],
    canaries: t.Mapping[str, _Result],
    followers: t.Mapping[str, _Result],
) -> tuple[str, str, str]:
    name, outcome, reason = str(verdict["name"]), _DONE[verdict["verdict"]], str(verdict["reason"])
    found = next((item for item in done if is_same_secret(item, verdict)), None)
    if found is not None and found.get("action") == "failed":
        return "failed", name, f"{verdict['verdict']}: {found.get('message') or found.get('msg') or ''}"
    if outcome == "withdrawn":
        reason = "; ".join([reason, *_not_back(verdict, canaries)])
    late = [host for host, result in followers.items() if outcome == "promoted" and _is_behind(verdict, result)]
    if late:
        reason += f"; not seen yet by {listed(late)}, for listings lag behind: the next rotation brings it"
    return outcome, name, reason


def _not_back(verdict: _Result, canaries: t.Mapping[str, _Result]) -> t.Iterator[str]:
    """Canaries that do not serve the current version, or cannot be asked."""
    for host, result in canaries.items():
        items = (result or {}).get("certificates")
        if items is None:
            yield f"{host} is not back, as far as is known: its next rotation goes back by itself"
            continue
        item = next((each for each in items if is_same_secret(each, verdict) and each.get("action") != "removed"), None)
        if item is None:
            continue
        if item.get("version_id") != verdict.get("current_version_id"):
            yield f"{host} is not back at the current version: its next rotation tries again"
        elif not (item.get("proven") or item["name"] in (result.get("proven") or ())):
            yield f"{host} is not back: it has the current version, and has not proven it"


def _is_behind(verdict: _Result, host: _Result) -> bool:
    """One that was refused or failed the rotation tells. Who reads another label has what that one is at."""
    for item in (host or {}).get("certificates") or ():
        if is_same_secret(item, verdict) and item.get("action") not in ("removed", "refused", "failed"):
            version, before = item.get("version_id"), verdict.get("current_version_id")
            # The version before is not known of one that had been moved already.
            is_another = version != verdict.get("version_id") and before in (version, verdict.get("version_id"))
            return is_another and item.get("label") in (None, CURRENT)
    return False


def _table(rows: t.Sequence[tuple[str, str, str]], *, check_mode: bool) -> list[str]:
    """Those in trouble last: the last lines of an output are those that are read."""
    if not rows:
        return []
    order = sorted(rows, key=lambda row: (_OUTCOMES.index(row[0]), row[1]))
    told = [(_spoken(row[0], check_mode), shown(row[1]), shown(row[2])) for row in order]
    first, second = (max(len(row[column]) for row in told) for column in (0, 1))
    return [f"{outcome:<{first}}  {name:<{second}}  {reason}".rstrip() for outcome, name, reason in told]


def _summary(named: t.Mapping[str, t.Sequence[str]], behind: t.Sequence[str], *, check_mode: bool) -> str:
    total = sum(len(names) for names in named.values())
    if not total:
        return "There is nothing to promote."
    told = ", ".join(f"{len(names)} {_spoken(outcome, check_mode)}" for outcome, names in named.items() if names)
    ending = " Nothing was changed." if check_mode else ""
    if behind:
        ending += f" {counted(len(behind), 'host has', 'hosts have')} not seen yet what was promoted."
    return f"{counted(total, 'candidate', 'candidates')}: {told}.{ending}"


def _spoken(outcome: str, check_mode: bool) -> str:
    return f"would be {outcome}" if check_mode and outcome != "failed" else outcome
