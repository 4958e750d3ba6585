# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hot updates or one reload: what both will cost, by what this HAProxy has shown, and which of them it is. Pure.

The numbers for a HAProxy of which nothing is known are those of benchmarks/activation, see docs/haproxy.md.
"""

from __future__ import annotations

import contextlib
import math
import typing as t

#: So many are always updated while HAProxy runs, and what that takes is not kept either: it is mostly other things.
FEW: t.Final = 50
# A reload costs more than time: counters begin anew, sessions are forgotten, and an old worker stays with its
# connections. So it is to save this many seconds, and to be this many times as fast.
GAIN: t.Final = 2.0
FASTER: t.Final = 1.5

_HOT_START = 0.03  # seconds
_HOT_EACH = 0.0035  # for each that is updated
_RELOAD_START = 0.5  # a new worker, and whether it stays
_RELOAD_EACH = 0.0016  # for each that HAProxy has: read by the check, and by the new worker
_MB_START = 6.0
_MB_EACH = 0.026
# What is free is no more than this times what a new worker needs: then it is not enough.
_ROOM = 1.25
# Of what was measured: what is above them was not.
_MOST_CERTIFICATES = 1_000_000
_MOST_SECONDS = 86_400

_TOLD: dict[str, str] = {
    "asked": "update_by says so",
    "handlers": "a handler of the play reloads HAProxy",
    "no_socket": "there is no stats socket",
    "no_reload": "there is no way to reload HAProxy here",
    "reload_needed": "one of them needs a reload, which loads the others, too",
    "memory": "a second worker does not fit the memory that is free",
    "few": "they are few",
    "timeout": "a reload takes longer than reload_timeout",
    "cheaper": "that is cheaper",
}


class Measured(t.NamedTuple):
    """What was done with so many certificates, of a reload: with so many in HAProxy, and the seconds that it took."""

    certificates: int
    seconds: float


class Shown(t.NamedTuple):
    """What this HAProxy has shown. certificates: in its memory; hot_update, reload: of its last ones, None where there
    was none; worker_mb: what its worker needs, and free_mb: what is left of the memory that it may use, None where that
    is not known."""

    certificates: int
    hot_update: Measured | None = None
    reload: Measured | None = None
    worker_mb: float | None = None
    free_mb: float | None = None


class Estimate(t.NamedTuple):
    """Of both ways. reload_mb: for the second worker, as long as the first one has connections; free_mb: None where it
    is not known."""

    certificates: int
    hot_update_seconds: float
    reload_seconds: float
    reload_mb: float
    free_mb: float | None

    @property
    def fits(self) -> bool:
        """Whether there is room for a second worker, as far as is known."""
        return self.free_mb is None or self.reload_mb * _ROOM <= self.free_mb

    def as_result(self) -> dict[str, t.Any]:
        return {
            "certificates": self.certificates,
            "hot_update_seconds": round(self.hot_update_seconds, 2),
            "reload_seconds": round(self.reload_seconds, 2),
            "reload_mb": round(self.reload_mb, 1),
            "free_mb": None if self.free_mb is None else round(self.free_mb, 1),
        }


class UpdateWay(t.NamedTuple):
    """way: hot_update, reload, or none where nothing is to be loaded; reason: stable; number: of changes."""

    way: str
    reason: str
    number: int
    estimate: Estimate

    def as_result(self) -> dict[str, t.Any]:
        return {
            "way": self.way,
            "reason": self.reason,
            "changes": self.number,
            "estimate": self.estimate.as_result(),
            "msg": self.message,
        }

    @property
    def is_notable(self) -> bool:
        """Whether it differs from what is done with few certificates."""
        return self.way == "reload" or self.number >= FEW

    @property
    def message(self) -> str:
        """For people; "" where nothing is to be loaded."""
        if self.way == "none":
            return ""
        estimate = self.estimate
        changes = "1 change" if self.number == 1 else f"{self.number} changes"
        hot = f"by hot update about {estimate.hot_update_seconds:.1f} s"
        reload = f"by reload about {estimate.reload_seconds:.1f} s and {estimate.reload_mb:.0f} MB"
        free = "" if estimate.free_mb is None else f" of {estimate.free_mb:.0f} MB free"
        what = "hot update" if self.way == "hot_update" else "one reload"
        return f"{what} for {changes}, for {_TOLD[self.reason]} ({hot}, {reload}{free})"


def estimate_update(number: int, shown: Shown) -> Estimate:
    """number: of certificates that change."""
    return Estimate(
        shown.certificates,
        _hot_update_seconds(number, shown),
        _reload_seconds(shown),
        shown.worker_mb if shown.worker_mb is not None else _MB_START + _MB_EACH * shown.certificates,
        shown.free_mb,
    )


def choose_way(
    number: int,
    shown: Shown,
    *,
    update_by: str,
    can_update: bool,
    can_reload: bool,
    needs_reload: bool = False,
    timeout: float = math.inf,
) -> UpdateWay:
    """can_update: there is a stats socket; can_reload: there is a way to reload; needs_reload: for sure, for one of
    them; timeout: seconds that a reload may take."""
    estimate = estimate_update(number, shown)

    def way(name: str, reason: str) -> UpdateWay:
        return UpdateWay(name, reason, number, estimate)

    if not number:
        return way("none", "none")
    if not can_update:
        return way("reload", "no_socket")
    if update_by != "cost":
        return way(update_by, "asked")
    if not can_reload:
        return way("hot_update", "no_reload")
    if needs_reload:
        return way("reload", "reload_needed")
    if number < FEW:
        return way("hot_update", "few")
    if not estimate.fits:
        return way("hot_update", "memory")
    if estimate.reload_seconds > timeout:
        return way("hot_update", "timeout")
    saved = estimate.hot_update_seconds - estimate.reload_seconds
    is_faster = saved >= GAIN and estimate.hot_update_seconds >= FASTER * estimate.reload_seconds
    return way("reload" if is_faster else "hot_update", "cheaper")


def read_costs(kept: object) -> dict[str, Measured]:
    """Of the state: way -> what was measured. What is none is left out."""
    costs = {}
    for way, value in kept.items() if isinstance(kept, dict) else ():
        numbers = [_number(value.get(name)) for name in Measured._fields] if isinstance(value, dict) else [0.0]
        if 1 <= numbers[0] <= _MOST_CERTIFICATES and 0 < numbers[-1] <= _MOST_SECONDS:
            costs[str(way)] = Measured(int(numbers[0]), numbers[1])
    return costs


def keep_costs(kept: object, measured: t.Mapping[str, Measured]) -> dict[str, dict[str, t.Any]]:
    """For the state: both together. What was known before counts half, so that one slow moment does not decide."""
    costs = read_costs(kept)
    usual = {"hot_update": _usual_hot_update, "reload": _usual_reload}
    for way, (certificates, seconds) in measured.items():
        expected = usual[way](certificates) * _slowness(costs.get(way), usual[way])
        costs[way] = Measured(certificates, round((seconds + expected) / 2 if way in costs else seconds, 3))
    return {way: costs[way]._asdict() for way in sorted(costs)}


def is_telling(way: str, measured: Measured) -> bool:
    """Whether it says something of others: few updates take what their beginning takes."""
    return way == "reload" or measured.certificates >= FEW


def _hot_update_seconds(number: int, shown: Shown) -> float:
    return _usual_hot_update(number) * _slowness(shown.hot_update, _usual_hot_update)


def _reload_seconds(shown: Shown) -> float:
    return _usual_reload(shown.certificates) * _slowness(shown.reload, _usual_reload)


def _slowness(measured: Measured | None, usual: t.Callable[[int], float]) -> float:
    """How many times as long as usual it took here."""
    return 1.0 if measured is None else measured.seconds / usual(measured.certificates)


def _usual_hot_update(number: int) -> float:
    return _HOT_START + _HOT_EACH * number


def _usual_reload(loaded: int) -> float:
    return _RELOAD_START + _RELOAD_EACH * loaded


def _number(value: object) -> float:
    """0 for what is none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    with contextlib.suppress(OverflowError):
        number = float(t.cast("float", value)) if is_number else 0.0
        return number if math.isfinite(number) else 0.0
    return 0.0
