# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust anchors, and whether a certificate leads to one of them (cryptography builds the path, RFC 5280)."""

from __future__ import annotations

import contextlib
import datetime
import functools
import ipaddress
import typing as t

try:
    from cryptography import x509
    from cryptography.x509 import verification
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # the module boundary says so
    pass

from .._errors import InvalidOption
from .certificate import Certificate, load_certificate
from .pem import CERTIFICATE, parse_pem
from .problems import MaterialError, Problem, error


def load_trust_anchors(pem: str | bytes, *, skip_unreadable: bool = False) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file of trusted roots, without duplicates.

    skip_unreadable: leave out certificates that cannot be parsed (systems ship odd ones). Raises InvalidOption.
    """
    anchors: dict[bytes, x509.Certificate] = {}
    try:
        blocks = parse_pem(pem)
    except MaterialError as exc:
        raise InvalidOption(f"The trust anchors cannot be read: {exc.message}") from None
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
        verifier = _server_verifier(_policy(anchors).time(_naive_utc(at)), leaf)
        verifier.verify(leaf.x509, [intermediate.x509 for intermediate in intermediates])
    except (verification.VerificationError, ValueError, TypeError, OverflowError) as exc:
        return error(
            "untrusted",
            f"'{leaf.name}', issued by '{leaf.issuer}', does not lead to any of the {len(anchors)} trust anchors "
            f"({exc}): complete its chain, or add its root to the trust anchors.",
        )
    return None


@functools.lru_cache(maxsize=4)
def _policy(anchors: tuple[x509.Certificate, ...]) -> verification.PolicyBuilder:
    builder = verification.PolicyBuilder().store(verification.Store(list(anchors)))
    if not hasattr(verification, "ExtensionPolicy"):  # cryptography < 45: always the Web PKI's profile
        return builder
    # Private authorities often leave out what the Web PKI demands (key identifiers, key usages); what they do say
    # about names, path lengths and authority is checked all the same.
    agnostic = verification.Criticality.AGNOSTIC
    leaves = verification.ExtensionPolicy.permit_all()
    leaves = leaves.require_present(x509.SubjectAlternativeName, agnostic, None)
    leaves = leaves.may_be_present(x509.ExtendedKeyUsage, agnostic, _allows_servers)
    authorities = verification.ExtensionPolicy.permit_all()
    authorities = authorities.require_present(x509.BasicConstraints, agnostic, None)
    authorities = authorities.may_be_present(x509.KeyUsage, agnostic, _allows_signing)
    return builder.extension_policies(ca_policy=authorities, ee_policy=leaves)


def _allows_servers(
    _policy: verification.Policy, _certificate: x509.Certificate, usages: x509.ExtendedKeyUsage | None
) -> None:
    accepted = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if usages is not None and not any(usage in accepted for usage in usages):
        raise ValueError("its extended key usage does not allow it to be a server's")


def _allows_signing(_policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an authority's key usage does not allow it to sign certificates")


def _server_verifier(builder: verification.PolicyBuilder, leaf: Certificate) -> verification.ServerVerifier:
    """For the first of the leaf's names that can be asked for: of a wildcard, a made-up name that it covers."""
    subjects: list[verification.Subject] = []
    for name in leaf.dns_names:
        with contextlib.suppress(ValueError):
            subjects.append(x509.DNSName(f"any{name[1:]}" if name.startswith("*.") else name))
    subjects += [x509.IPAddress(ipaddress.ip_address(address)) for address in leaf.ip_addresses]
    for subject in subjects:
        with contextlib.suppress(ValueError):  # not a host name: an underscore, for instance
            return builder.build_server_verifier(subject)
    raise ValueError("it has no name that clients could ask for")


def _naive_utc(instant: datetime.datetime) -> datetime.datetime:
    return instant.astimezone(datetime.timezone.utc).replace(tzinfo=None)
