# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ledger's document as it was read: which parts of it can be used. Others write there, too, or a disk did."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

_MAX_ACCOUNTS: t.Final = 50
#: The last instant that is taken: seconds since 1970, in the year 6325.
LATEST: t.Final = 2**37


def empty_account() -> dict[str, t.Any]:
    return {"orders": 0, "domains": {}, "names": {}, "held": {}, "failures": {}}


def accounts_of(value: t.Any) -> dict[str, dict[str, t.Any]]:
    """What is usable of it."""
    found = {}
    for key, account in list(value.items())[:_MAX_ACCOUNTS] if isinstance(value, dict) else ():
        if isinstance(account, dict):
            found[key] = {
                "orders": account["orders"] if _is_instant(account.get("orders")) else 0,
                "domains": _kept(account.get("domains"), _is_instant),
                "names": _kept(account.get("names"), _is_instant),
                "held": _kept(account.get("held"), lambda hold: _has(hold, {"until"}, {"why"})),
                "failures": _kept(
                    account.get("failures"),
                    lambda failure: _has(failure, {"at"}, {"why", "names"}) and _is_count(failure.get("count")),
                ),
            }
    return found


def windows_of(value: t.Any) -> dict[str, dict[str, t.Any]]:
    return _kept(value, lambda window: _has(window, {"start", "end", "ask_again"}, set()))


def staged_of(value: t.Any) -> dict[str, dict[str, t.Any]]:
    return _kept(
        value,
        lambda staged: (
            _has(staged, {"at", "withdrawn"}, {"version", "names"})
            and _is_count(staged.get("count"), least=1 if staged["withdrawn"] else 0)
        ),
    )


def incidents_of(value: t.Any) -> dict[str, dict[str, t.Any]]:
    return _kept(value, lambda each: _has(each, {"began", "ended"}, {"key"}) and _is_count(each.get("count")))


def instant_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _kept(value: t.Any, is_good: t.Callable[[t.Any], bool]) -> dict[str, t.Any]:
    return {key: item for key, item in value.items() if is_good(item)} if isinstance(value, dict) else {}


def _has(value: t.Any, instants: set[str], texts: set[str]) -> bool:
    return (
        isinstance(value, dict)
        and all(_is_instant(value.get(name)) for name in instants)
        and all(isinstance(value.get(name), str) for name in texts)
        and isinstance(value.get("url", ""), str)
    )


def _is_instant(value: t.Any) -> bool:
    """Seconds that datetime has room for. (Of NaN neither is true.)"""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LATEST


def _is_count(value: t.Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31
