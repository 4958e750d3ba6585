# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust anchors, and whether a certificate leads to one of them (cryptography builds the path, RFC 5280)."""

from __future__ import annotations

import datetime
import typing as t

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption
from .certificate import Certificate, load_certificate
from .encodings import read_blocks
from .name_constraints import violated_constraint
from .paths import PathError, PathFinder
from .pem import CERTIFICATE, TRUSTED_CERTIFICATE
from .problems import MaterialError, Problem, error

TRUST_SETTINGS: t.Final = (
    "The trust anchors hold trust settings of OpenSSL (TRUSTED CERTIFICATE), which are not evaluated: "
    "give certificates alone, as 'openssl x509' prints them."
)


def load_trust_anchors(pem: str | bytes, *, skip_unreadable: bool = False) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file of trusted roots, without duplicates.

    skip_unreadable: leave out certificates that cannot be parsed (systems ship odd ones). Raises InvalidOption.
    """
    anchors: dict[bytes, x509.Certificate] = {}
    try:
        blocks = read_blocks(pem)
    except MaterialError as exc:
        raise InvalidOption(f"The trust anchors cannot be read: {exc.message}") from None
    if any(block.label == TRUSTED_CERTIFICATE for block in blocks):
        raise InvalidOption(TRUST_SETTINGS)
    for block in blocks:
        if block.label != CERTIFICATE:
            continue
        try:
            anchors[block.der] = load_certificate(block.der).x509
        except MaterialError as exc:
            if not skip_unreadable:
                raise InvalidOption(f"A trust anchor cannot be read: {exc.message}") from None
    if not anchors:
        raise InvalidOption("The trust anchors hold no certificate: give the roots as PEM.")
    return tuple(anchors.values())


def trust_problem(
    leaf: Certificate,
    intermediates: t.Sequence[Certificate],
    anchors: tuple[x509.Certificate, ...],
    at: datetime.datetime,
) -> Problem | None:
    """None when there is a valid path from the leaf over the intermediates to one of the anchors at that instant."""
    try:
        path = PathFinder(anchors, at, profile="private").find(leaf, intermediates)
        violated = violated_constraint(path)
    except (PathError, ValueError, KeyError, TypeError) as exc:  # of malformed extensions of the root
        return error(
            "untrusted",
            f"'{leaf.name}', issued by '{leaf.issuer}', does not lead to any of the {len(anchors)} trust anchors "
            f"({exc}): complete its chain, or add its root to the trust anchors.",
        )
    if violated:
        return error("name_constraint_violated", f"'{leaf.name}': {violated}. Have it issued by another authority.")
    return None
