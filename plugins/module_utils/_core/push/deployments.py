# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a receiving host remembers between two deployments, and what follows from it. Pure.

It is written before anything live changes: who is killed leaves the next run all that it needs to finish.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ..instants import isoformat_utc
from ..services.pending import PendingLineage, pending_document, pushed, read_pending
from .receipt import Receipt

#: Its name in the directory that remembers what was deployed.
UNFINISHED_FILE: t.Final = "deployment.json"
_FORMAT: t.Final = 1


@dataclass(frozen=True)
class TakenBack:
    """A lineage that the services did not serve. fingerprint_sha256: of the leaf that is not to be live any more;
    message: why not."""

    fingerprint_sha256: str
    message: str


@dataclass
class Unfinished:
    """pending: what services are still to be told; taken_back: by lineage, until another version of it is live;
    unproven: lineages of which the services have been told, and did not show them, though there is no version to go
    back to, and why; receipts: lineages of which a receipt is to be written; origins: lineage -> directory in which its
    pusher looks for receipts, "" for none, as long as there will be another one.
    """

    pending: tuple[PendingLineage, ...] = ()
    taken_back: dict[str, TakenBack] = field(default_factory=dict)
    unproven: dict[str, str] = field(default_factory=dict)
    receipts: set[str] = field(default_factory=set)
    origins: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        document = {
            "format": _FORMAT,
            "pending": pending_document(self.pending),
            "taken_back": {name: vars(each) for name, each in self.taken_back.items()},
            "unproven": self.unproven,
            "receipts": sorted(self.receipts),
            "origins": self.origins,
        }
        return (json.dumps(document, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Unfinished:
        """Raises ValueError for what to_json did not write."""
        try:
            document = json.loads(data)
            if document["format"] != _FORMAT:
                raise ValueError(f"its format {document['format']!r} is not {_FORMAT}")
            return cls(
                read_pending(document["pending"]),
                {str(name): TakenBack(**each) for name, each in document["taken_back"].items()},
                {str(name): str(why) for name, why in document["unproven"].items()},
                {str(name) for name in document["receipts"]},
                {str(name): str(place) for name, place in document["origins"].items()},
            )
        except (AttributeError, KeyError, RecursionError, TypeError) as error:
            raise ValueError(f"not a record of deployments: {type(error).__name__}") from None

    def recall(self, lineage: str, before: Unfinished) -> None:
        """Of this lineage what it was before."""
        others = [each for each in self.pending if each.lineage != lineage]
        self.pending = (*others, *(each for each in before.pending if each.lineage == lineage))
        if lineage in before.taken_back:
            self.taken_back[lineage] = before.taken_back[lineage]
        if lineage in before.unproven:
            self.unproven[lineage] = before.unproven[lineage]
        if lineage not in before.receipts:
            self.receipts.discard(lineage)
        self.origins.pop(lineage, None)
        if lineage in before.origins:
            self.origins[lineage] = before.origins[lineage]

    def become_live(self, new: PendingLineage, origin: str) -> None:
        """A version that services are to be told of. All that waits with it waits longer now, which is news, too."""
        self.pending = pushed(self.pending, new)
        self.unproven.pop(new.lineage, None)
        self.origins[new.lineage] = origin
        self.receipts |= {each.lineage for each in self.pending}

    def tell(self, written: t.Iterable[str]) -> None:
        """Receipts of these have been written."""
        self.receipts.difference_update(written)
        waiting = {*self.receipts, *self.unproven, *(each.lineage for each in self.pending)}
        self.origins = {name: place for name, place in self.origins.items() if name in waiting}

    def is_pending(self, lineage: str) -> bool:
        return any(each.lineage == lineage for each in self.pending)


def receipt_of(
    lineage: str,
    fingerprint_sha256: str,
    unfinished: Unfinished,
    *,
    proven: bool,
    now: datetime,
    due: datetime | None,
    message: str = "",
) -> Receipt:
    """Of a lineage that is live. fingerprint_sha256: of its leaf; proven: whether a handshake got it; due: when
    services are told of what is pending; message: why they have not been, if they failed."""
    at = isoformat_utc(now)
    back = unfinished.taken_back.get(lineage)
    if back and back.fingerprint_sha256 != fingerprint_sha256:
        return Receipt(lineage, back.fingerprint_sha256, "taken_back", at, back.message)
    if unfinished.is_pending(lineage):
        waits_until = isoformat_utc(due) if due and not message else None
        return Receipt(lineage, fingerprint_sha256, "pending", at, message, waits_until)
    if lineage in unfinished.unproven:
        return Receipt(lineage, fingerprint_sha256, "pending", at, unfinished.unproven[lineage])
    return Receipt(lineage, fingerprint_sha256, "proven" if proven else "deployed", at, message)


def newest_first(ages: t.Sequence[tuple[str, float]]) -> list[int]:
    """Positions of several uploads of one lineage, in the order in which they are tried. ages: of each the beginning of
    the leaf's validity, ISO 8601, UTC, "" where it cannot be told, and the Unix time of its upload."""
    return sorted(range(len(ages)), key=lambda position: ages[position], reverse=True)


def is_settled(changed_at: float, now: float, settle: float) -> bool:
    """Whether nobody has worked at an upload for so many seconds. All are Unix time; one of the future is no sign of
    work, for the clock has been set back."""
    return not 0 <= now - changed_at < settle
