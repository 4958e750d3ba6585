# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An OCSP response as HAProxy staples it (management guide, 9.3: set ssl cert NAME.ocsp). Pure.

HAProxy says "Success!" to one that it does not use, and before 2.8 serves one that is another certificate's. So what it
would not take is found here.
"""

from __future__ import annotations

import base64
import datetime
import typing as t
from dataclasses import dataclass

from ..._errors import InvalidOption
from ..instants import isoformat_utc
from ..x509.certificate import Certificate, load_certificate
from ..x509.encodings import from_base64, has_pem
from ..x509.ocsp_response import instant_of, issuers_of, response_state
from ..x509.pem import CERTIFICATE, encode_pem, parse_pem
from ..x509.reading import material_errors
from .content import CertificateContent
from .parsing import HeldResponse

try:
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509 import ocsp
except ImportError:  # the module boundary says so
    pass

_LINE = 64


@dataclass(frozen=True, repr=False)
class Staple:
    """payload: base64; issuer: PEM for NAME.issuer, "" where the chain has the issuer; signature: the response's own,
    by which it is recognised; this_update: ISO 8601 in UTC; is_revoked: it tells clients not to use the certificate;
    is_given: by the task, so that it has to be served, and no other. One that was found is served if it is newer.
    """

    payload: str
    issuer: str
    signature: bytes
    this_update: str
    is_revoked: bool
    is_given: bool

    def differs_from(self, held: HeldResponse | None) -> bool:
        """Is it to be served in place of what HAProxy has?"""
        if held is None:
            return True
        is_newer = held.this_update is None or self.this_update > held.this_update
        return held.signature != self.signature and (self.is_given or is_newer)

    @property
    def parts(self) -> list[tuple[str, str]]:
        """What goes into the certificate's transaction, by the ends of names."""
        return [*([(".issuer", self.issuer)] if self.issuer else []), (".ocsp", self.payload)]


@material_errors()
def find_issuers(leaf: Certificate, pem: bytes) -> list[Certificate]:
    """Those that have signed the leaf, at least one. Raises InvalidOption when there is none, MaterialError."""
    given = [load_certificate(block.der) for block in parse_pem(pem) if block.label == CERTIFICATE]
    found = issuers_of(leaf, given)
    if not found:
        raise InvalidOption("What was given as the issuer has not signed the certificate.")
    return found


def issuer_pem(leaf: Certificate, pem: bytes) -> str:
    """The leaf's issuer alone, as it is sent to HAProxy. Raises as find_issuers."""
    return encode_pem(CERTIFICATE, find_issuers(leaf, pem)[0].der).decode().rstrip("\n")


@material_errors()
def parse_staple(
    response: bytes, content: CertificateContent, issuer: bytes | None, at: datetime.datetime, *, is_given: bool
) -> Staple:
    """response: DER, base64 or PEM. issuer: PEM of the leaf's, for a chain without it. is_given: see Staple.

    Raises InvalidOption for what HAProxy would not staple with this certificate, MaterialError for a bad issuer.
    """
    in_chain = issuers_of(content.leaf, [content.issuer] if content.issuer else [])
    beside = find_issuers(content.leaf, issuer) if issuer is not None else []
    if not in_chain and not beside:
        raise InvalidOption(
            "The certificate's issuer is neither in its chain nor given, and HAProxy staples no OCSP response without"
            " it."
        )
    der = _decoded(response)
    single = _only_response(der, content.leaf, in_chain or beside, at)
    return Staple(
        payload="\n".join(_lines(base64.b64encode(der).decode())),
        issuer="" if in_chain else encode_pem(CERTIFICATE, beside[0].der).decode().rstrip("\n"),
        signature=ocsp.load_der_ocsp_response(der).signature,
        this_update=isoformat_utc(t.cast("datetime.datetime", instant_of(single, "this_update"))),
        is_revoked=single.certificate_status == ocsp.OCSPCertStatus.REVOKED,
        is_given=is_given,
    )


def _only_response(
    der: bytes, leaf: Certificate, issuers: t.Sequence[Certificate], at: datetime.datetime
) -> ocsp.OCSPSingleResponse:
    try:
        singles = list(ocsp.load_der_ocsp_response(der).responses)
        state = response_state(der, leaf, issuers, at)
    except ValueError:  # also of an answer without responses
        raise InvalidOption("The OCSP response cannot be read, or says only why there is none.") from None
    if state == "invalid":
        raise InvalidOption(
            "The OCSP response is for another certificate, is signed by nobody who may, or is of the future. Ask the"
            " issuer's responder for one for this certificate."
        )
    if state == "stale":
        raise InvalidOption("The OCSP response is out of date. Ask the issuer's responder for a new one.")
    if state == "unknown":
        raise InvalidOption("The OCSP response says that the issuer does not know the certificate.")
    if len(singles) != 1 or not isinstance(singles[0].hash_algorithm, hashes.SHA1):
        raise InvalidOption(
            "HAProxy staples OCSP responses for a single certificate that is identified by SHA-1 (RFC 5019), and this"
            " one is not. Ask the responder in that way."
        )
    if instant_of(singles[0], "next_update") is None:
        raise InvalidOption("The OCSP response does not say until when it holds, and HAProxy takes none without.")
    return singles[0]


def _decoded(response: bytes) -> bytes:
    if has_pem(response):
        return parse_pem(response)[0].der
    return response if response[:1] == b"\x30" else (from_base64(response) or response)


def _lines(text: str) -> t.Iterator[str]:
    for start in range(0, len(text), _LINE):
        yield text[start : start + _LINE]
