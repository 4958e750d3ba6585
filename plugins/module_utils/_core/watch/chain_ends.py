# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Until when thousands of chains are valid: most of them by comparing dates alone. Pure."""

from __future__ import annotations

import typing as t
from datetime import datetime

if t.TYPE_CHECKING:
    from cryptography import x509

try:
    from cryptography.hazmat.primitives.serialization import Encoding
except ImportError:  # the module boundary says so
    pass

from .chain_facts import needed_until
from .seen import seen_certificate
from .sightings import SeenCertificate


class ChainEnds:
    """Over the same anchors, at the same instant (aware)."""

    def __init__(self, anchors: tuple[x509.Certificate, ...], at: datetime) -> None:
        self._anchors = anchors
        self._at = at
        self._by_subject: dict[str, datetime] = {}
        for anchor in anchors:
            seen = seen_certificate(anchor.public_bytes(Encoding.DER))
            if seen.subject is not None and seen.not_after is not None:
                end = self._by_subject.get(seen.subject, seen.not_after)
                self._by_subject[seen.subject] = min(end, seen.not_after)

    def end(self, chain: t.Sequence[SeenCertificate], *, trusted: bool) -> datetime | None:
        """As needed_until says. trusted: whether a client has found a path over this chain already.

        Where there is a path, and nothing that it can lead over ends before the leaf, it ends with the leaf; signatures
        need not be checked for that.
        """
        if not self._anchors or not chain:
            return None
        if trusted and self._ends_with_its_leaf(chain):
            return chain[0].not_after
        return needed_until(chain, self._anchors, self._at)

    def _ends_with_its_leaf(self, chain: t.Sequence[SeenCertificate]) -> bool:
        """Whether all authorities, and the anchors that they or the leaf may lead to, last as long as the leaf."""
        end = chain[0].not_after
        names = {name for sent in chain for name in (sent.subject, sent.issuer)}
        anchors = [self._by_subject[name] for name in names if name in self._by_subject]
        if end is None or not anchors:
            return False
        return all(sent.not_after is not None and sent.not_after >= end for sent in chain) and min(anchors) >= end
