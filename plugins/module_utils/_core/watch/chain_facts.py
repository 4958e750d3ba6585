# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a chain is, as a server sent it: until when there is a valid path over it, and what is odd about it. Pure."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

if t.TYPE_CHECKING:
    from cryptography import x509

from ..x509.certificate import Certificate, load_certificate
from ..x509.paths import PathError, PathFinder
from ..x509.problems import MaterialError
from .sightings import SeenCertificate

TWICE: t.Final = "a certificate is sent twice"
UNREADABLE: t.Final = "a certificate is sent that is not valid X.509"
OTHER_ORDER: t.Final = "sent in another order"
ROOT_SENT: t.Final = "a root is sent, too"
CROSS_SIGN_SENT: t.Final = "a cross-signed form of an authority is sent, too"
STRANGER_SENT: t.Final = "a certificate is sent that is no part of the chain"
_SECOND: t.Final = timedelta(seconds=1)
_MOST_PATHS: t.Final = 8  # one after the other; a hostile chain has many, and each costs a search


def needed_until(
    chain: t.Sequence[SeenCertificate], anchors: tuple[x509.Certificate, ...], at: datetime
) -> datetime | None:
    """The end of the last instant at which what is sent leads to an anchor, without a gap from that instant (aware) on.

    None when it does not lead to one now. chain: as sent, the leaf first. A certificate that is sent and not needed
    counts for nothing, whether it is expired already or ends while another path is left. Names are not compared.
    """
    certificates = [certificate for certificate in map(_load, chain) if certificate is not None]
    if not certificates or not chain or certificates[0].der != chain[0].der:
        return None
    leaf, others = certificates[0], certificates[1:]
    until: datetime | None = None
    # Where something ends before the leaf, another path may be left.
    for _path in range(_MOST_PATHS):
        end = _end_of_path(leaf, others, anchors, at)
        if end is None:
            break
        until = end
        if end >= leaf.not_after:
            break
        at = end + _SECOND  # the last second belongs to the validity (RFC 5280, 4.1.2.5)
    return until


def _end_of_path(
    leaf: Certificate, others: t.Sequence[Certificate], anchors: tuple[x509.Certificate, ...], at: datetime
) -> datetime | None:
    try:
        path = PathFinder(anchors, at, profile="private").find(leaf, others)
        return min(member.not_valid_after_utc for member in path)
    except (PathError, ValueError, TypeError, OverflowError):  # of malformed dates and extensions of an anchor
        return None


def chain_notes(chain: t.Sequence[SeenCertificate]) -> tuple[str, ...]:
    """What is odd and harmless about a chain, in words that stay the same. chain: as sent, the leaf first.

    Clients put a chain in order, and leave out what they do not need (RFC 8446, 4.4.2).
    """
    notes = []
    distinct = list(dict.fromkeys(chain))
    if len(distinct) < len(chain):
        notes.append(TWICE)
    readable = [sent for sent in distinct if sent.issuer is not None]
    if len(readable) < len(distinct):
        notes.append(UNREADABLE)
    if not readable or readable[0] != chain[0]:
        return tuple(notes)
    path = _upwards(readable)
    if [sent for sent in readable if sent in path] != path:
        notes.append(OTHER_ORDER)
    authorities = {(member.subject, member.key_sha256) for member in path}
    for sent in readable[1:]:
        if _is_root(sent):
            notes.append(ROOT_SENT)
        elif sent not in path:
            notes.append(CROSS_SIGN_SENT if (sent.subject, sent.key_sha256) in authorities else STRANGER_SENT)
    return tuple(dict.fromkeys(notes))


def _upwards(readable: t.Sequence[SeenCertificate]) -> list[SeenCertificate]:
    """From the leaf over the issuers, by their names; of several, the first one whose key has signed."""
    path = [readable[0]]
    while path[-1].issuer != path[-1].subject:
        named = [sent for sent in readable if sent.subject == path[-1].issuer and sent not in path]
        if not named:
            break
        signed = (sent for sent in named if len(named) == 1 or _has_signed(sent, path[-1]))
        path.append(next(signed, named[0]))
    return path


def _has_signed(issuer: SeenCertificate, child: SeenCertificate) -> bool:
    above, below = _load(issuer), _load(child)
    return above is not None and below is not None and below.signature_by(above) == "signed"


def _is_root(sent: SeenCertificate) -> bool:
    certificate = _load(sent)
    return certificate is not None and certificate.self_signed


def _load(sent: SeenCertificate) -> Certificate | None:
    try:
        return load_certificate(sent.der)
    except MaterialError:
        return None
