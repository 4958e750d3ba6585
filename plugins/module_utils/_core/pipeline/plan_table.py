# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run would do, as a table for people in CI and AWX: all certificates, the soonest to expire first. Pure."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ..instants import parse_isoformat_utc

_Item = t.Mapping[str, t.Any]


def plan_table(certificates: t.Sequence[_Item], unselected: t.Sequence[_Item], now: datetime) -> list[str]:
    """certificates, unselected: as certificate_sync returns them; now: aware time."""
    dated = sorted((item for item in certificates if item["not_after"]), key=lambda item: str(item["not_after"]))
    undated = [item for item in certificates if not item["not_after"]]
    rows = [_row(item["action"], item, _remark(item), now) for item in undated + dated]
    rows += [_row("left", item, ": deployed, and not among what was found", now) for item in unselected]
    header = _line("action", "expires", "days", "certificate")
    return [header, *rows, *([] if certificates else ["no certificate was found"])]


def _row(action: str, item: _Item, remark: str, now: datetime) -> str:
    end = item["not_after"]
    days = str((parse_isoformat_utc(end) - now).days) if end else ""
    return _line(action, end or "", days, item["name"] + remark)


def _remark(item: _Item) -> str:
    if item["problems"]:
        return ": " + ", ".join(problem["code"] for problem in item["problems"])
    return ": not seen served yet" if item["action"] == "unchanged" and not item["proven"] else ""


def _line(action: str, expires: str, days: str, certificate: str) -> str:
    return f"{action:<9}  {expires:<20}  {days:>6}  {certificate}"
