# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains as a CA offers them, and how it calls a certificate. Pure."""

from __future__ import annotations

import base64
import typing as t

from ..x509.certificate import Certificate, load_certificate
from ..x509.pem import CERTIFICATE, parse_pem
from ..x509.problems import MaterialError
from .answers import UnreadableAnswer

_MOST_CERTIFICATES: t.Final = 20


def certificate_id(leaf: Certificate) -> str | None:
    """By which it is asked for and replaced (RFC 9773 section 4.1): the key identifier of its issuer and its serial
    number, as base64url. None for a certificate that has no such identifier, and so no id."""
    key_identifier = leaf.authority_key_identifier
    if not key_identifier:
        return None
    number = leaf.x509.serial_number
    # The bytes of the DER INTEGER: with a zero in front where the first bit would be a sign.
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    return f"{_base64url(key_identifier)}.{_base64url(serial)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def parse_chain(content: bytes) -> tuple[Certificate, ...]:
    """application/pem-certificate-chain (RFC 8555 section 9.1), leaf first. Raises UnreadableAnswer."""
    try:
        blocks = parse_pem(content)
        if not blocks or len(blocks) > _MOST_CERTIFICATES or any(block.label != CERTIFICATE for block in blocks):
            raise UnreadableAnswer("answers with something else where a chain of certificates is due")
        return tuple(load_certificate(block.der) for block in blocks)
    except MaterialError as error:
        raise UnreadableAnswer(f"answers with a chain of certificates that is damaged: {error}") from None


def chain_text(chain: t.Sequence[Certificate]) -> str:
    """Canonical PEM."""
    return b"".join(certificate.pem for certificate in chain).decode("ascii")


def leads_to(chain: t.Sequence[Certificate], common_name: str) -> bool:
    """Whether the issuer of its last certificate has this common name, upper or lower case."""
    return common_name.strip().casefold() in (name.casefold() for name in chain[-1].issuer_common_names)
