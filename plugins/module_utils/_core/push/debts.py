# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is owed what: lineages on disk and the hosts that want them, against what has been confirmed. Pure."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ..instants import parse_isoformat_utc

if t.TYPE_CHECKING:
    from .entries import OwedEntry
    from .lineage import Lineage
    from .targets import PushTarget

#: Host and lineage.
DebtKey = tuple[str, str]


class Debt(t.NamedTuple):
    """A host should have this of a lineage. domains: of the host, for which it gets it."""

    host: str
    lineage: str
    fingerprint_sha256: str
    domains: tuple[str, ...]

    @property
    def key(self) -> DebtKey:
        return self.host, self.lineage


@dataclass(frozen=True)
class Debts:
    """All that hosts should have, by what has become of it.

    new: in no queue yet, or only with an older fingerprint; waiting: in the queue; given_up: in dead, and nothing has
    changed since; paid: confirmed. idle: names of targets that no lineage is for; expired: names of lineages that
    somebody would get, were they still valid; strays: what is queued or given up, and nobody wants any more.
    """

    new: tuple[Debt, ...] = ()
    waiting: tuple[Debt, ...] = ()
    given_up: tuple[Debt, ...] = ()
    paid: tuple[Debt, ...] = ()
    idle: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    strays: tuple[DebtKey, ...] = ()


def owed(
    lineages: t.Iterable[Lineage],
    targets: t.Iterable[PushTarget],
    *,
    now: datetime.datetime,
    confirmed: t.Mapping[DebtKey, str],
    queued: t.Mapping[DebtKey, str],
    dead: t.Mapping[DebtKey, str],
    unreadable: t.Collection[str] = (),
) -> Debts:
    """confirmed, queued, dead: fingerprints that the ledger, the queue and dead have; now: aware; unreadable: names of
    lineages that are there and could not be read, so that nobody knows for whom they are.

    What has expired is owed to nobody: no host would take it. What was confirmed is paid only while nothing is queued
    or given up beside it: the host may have got something else since then, though it never said so, or is to be asked
    once more.
    """
    found: dict[str, list[Debt]] = {"new": [], "waiting": [], "given_up": [], "paid": []}
    wanted: set[DebtKey] = set()
    expired, idle = [], []
    later = {*queued, *dead}
    known = list(lineages)
    ended = {lineage.name for lineage in known if parse_isoformat_utc(lineage.not_after) < now}
    for target in targets:
        gets = [(lineage, names) for lineage in known if (names := matched_domains(target, lineage.domains))]
        if not gets:
            idle.append(target.name)
        for lineage, names in gets:
            debt = Debt(target.name, lineage.name, lineage.fingerprint_sha256, names)
            wanted.add(debt.key)
            if confirmed.get(debt.key) == debt.fingerprint_sha256 and debt.key not in later:
                found["paid"].append(debt)
            elif lineage.name in ended:
                expired.append(lineage.name)
            elif queued.get(debt.key) == debt.fingerprint_sha256:
                found["waiting"].append(debt)
            elif dead.get(debt.key) == debt.fingerprint_sha256 and debt.key not in queued:
                found["given_up"].append(debt)
            else:
                found["new"].append(debt)
    return Debts(
        **{kind: tuple(debts) for kind, debts in found.items()},
        idle=tuple(idle),
        expired=tuple(dict.fromkeys(expired)),
        strays=tuple(sorted(key for key in {*queued, *dead} - wanted if key[1] not in unreadable)),
    )


def matched_domains(target: PushTarget, names: t.Collection[str]) -> tuple[str, ...]:
    """Those of the target's domains for which it gets a lineage with these names; none: it must not get it.

    names: as Lineage.domains has them. Wildcards stand for one label (RFC 6125), and only where the target says so.
    """
    return tuple(domain for domain in target.domains if _matches(domain, names, target.wildcards))


def _matches(domain: str, names: t.Collection[str], wildcards: bool) -> bool:
    if domain == "*" or domain in names:
        return True
    if not wildcards:
        return False
    first, dot, rest = domain.partition(".")
    if first == "*":
        return any(name.partition(".")[2] == rest for name in names)
    return bool(dot) and f"*.{rest}" in names


def gives_up(entry: OwedEntry, *, now: datetime.datetime, after: datetime.timedelta | None) -> bool:
    """Whether a host that has just refused an entry, or could not be reached, is given up.

    after: since it was queued, None for never.
    """
    return after is not None and now - parse_isoformat_utc(entry.queued_at) >= after
