# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An OCSP response: whom it is for, who signed it, until when (RFC 6960). Pure."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
    from cryptography.x509 import ocsp
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # the module boundary says so
    pass

from ..instants import is_ahead
from .certificate import Certificate, load_certificate

#: ``invalid``: it is no response, says that the responder had none, is for another certificate, or is signed by nobody
#: who may; ``stale``: its time is over.
ResponseState = t.Literal["good", "revoked", "unknown", "stale", "invalid"]


def response_state(
    response: bytes, leaf: Certificate, authorities: t.Iterable[Certificate], at: datetime
) -> ResponseState:
    """response: DER. authorities: that may have issued the leaf; without its issuer the signature is not checked.

    Raises whatever cryptography does.
    """
    parsed = ocsp.load_der_ocsp_response(response)
    if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return "invalid"
    issuers = issuers_of(leaf, authorities)
    for single in parsed.responses:
        if single.serial_number == leaf.x509.serial_number and _names_issuer(single, issuers):
            break
    else:
        return "invalid"
    if issuers and not _is_signed(parsed, issuers, at):
        return "invalid"
    begins, ends = instant_of(single, "this_update"), instant_of(single, "next_update")
    if begins is None or is_ahead(begins, at):
        return "invalid"
    if ends is not None and ends < at:
        return "stale"
    states: dict[ocsp.OCSPCertStatus, ResponseState] = {
        ocsp.OCSPCertStatus.GOOD: "good",
        ocsp.OCSPCertStatus.REVOKED: "revoked",
    }
    return states.get(single.certificate_status, "unknown")


def issuers_of(leaf: Certificate, authorities: t.Iterable[Certificate]) -> list[Certificate]:
    """Those that have signed it."""
    return [each for each in authorities if each.subject == leaf.issuer and leaf.signature_by(each) == "signed"]


def _names_issuer(single: ocsp.OCSPSingleResponse, issuers: t.Sequence[Certificate]) -> bool:
    """Serial numbers are one authority's own: whose it is, the hash of its key tells."""
    return not issuers or any(_key_hash(each, single.hash_algorithm) == single.issuer_key_hash for each in issuers)


def _key_hash(issuer: Certificate, algorithm: hashes.HashAlgorithm) -> bytes:
    """Of the bits of the key, as the authority's own key identifier is for SHA-1 (RFC 5280, 4.2.1.2)."""
    # The builder of requests is what computes it in public.
    request = ocsp.OCSPRequestBuilder().add_certificate(issuer.x509, issuer.x509, algorithm).build()
    return request.issuer_key_hash


def _is_signed(parsed: ocsp.OCSPResponse, issuers: t.Sequence[Certificate], at: datetime) -> bool:
    """By the issuer, or by one whom it lets do so, whose certificate is in the response (RFC 6960, 4.2.2.2)."""
    signers = list(issuers)
    for delegate in parsed.certificates:
        certificate = load_certificate(delegate.public_bytes(serialization.Encoding.DER))
        may = ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string in (certificate.extended_key_usage or ())
        in_time = certificate.not_before <= at <= certificate.not_after
        if may and in_time and any(certificate.signature_by(issuer) == "signed" for issuer in issuers):
            signers.append(certificate)
    return any(_signs(signer, parsed) for signer in signers)


def _signs(signer: Certificate, parsed: ocsp.OCSPResponse) -> bool:
    key, algorithm = signer.public_key, parsed.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(parsed.signature, parsed.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(parsed.signature, parsed.tbs_response_bytes, ec.ECDSA(algorithm))
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(parsed.signature, parsed.tbs_response_bytes)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def instant_of(single: ocsp.OCSPSingleResponse, name: str) -> datetime | None:
    """name: this_update or next_update. Aware, which cryptography before 43 is not."""
    found: datetime | None = getattr(single, f"{name}_utc", None) or getattr(single, name)
    return found and found.replace(tzinfo=timezone.utc)
