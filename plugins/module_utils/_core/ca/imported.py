# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An authority that others have made: which certificate it is, what leads from it to its root, what it may do."""

from __future__ import annotations

import datetime
import typing as t

try:
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # the module boundary says so
    pass

from ..x509.certificate import Certificate
from ..x509.problems import MaterialError, Problem, error
from ..x509.verify import VerificationPolicy, strength_problems
from .issue import SigningAuthority
from .judge import authority_problems, is_issued_by

_RSASSA_PSS = "1.2.840.113549.1.1.10"
_ANY_USAGE = "2.5.29.37.0"


def signing_authority(certificates: t.Sequence[Certificate], key: t.Any) -> SigningAuthority:
    """The authority whose key this is, with those of the certificates that lead from it to its root, in any order.

    Without its key there, the first one: whoever judges it says so. Raises MaterialError when a certificate is missing
    on the way, or belongs to nothing.
    """
    own = [each for each in certificates if each.public_key == key.public_key()] or list(certificates[:1])
    # One that has signed itself needs nobody above it; of one that was renewed with its key, the last.
    authority = max(own, key=lambda each: (each.self_signed, each.not_after, each.fingerprint_sha256))
    others = [each for each in dict.fromkeys(certificates) if each != authority]
    return SigningAuthority(authority, key, path_to_root(authority, others))


def path_to_root(authority: Certificate, others: t.Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Those who have issued it, the root last; () for a root. Other forms of the same authorities are left out.

    Raises MaterialError when one is missing on the way, or belongs to nothing.
    """
    path, remaining = [authority], list(others)
    while not path[-1].self_signed:
        issuers = [each for each in remaining if is_issued_by(path[-1], each)]
        if not issuers:
            raise MaterialError(
                "chain_broken",
                f"'{path[-1].name}' was issued by '{path[-1].issuer}', whose certificate is not there: peers believe an"
                " authority only up to its root. Give the certificates of all above it, the root included, along.",
            )
        path.append(max(issuers, key=lambda each: (each.self_signed, each.not_after, each.fingerprint_sha256)))
        remaining.remove(path[-1])
    strangers = [each for each in remaining if not any(_is_same_entity(each, known) for known in path)]
    if strangers:
        names = ", ".join(f"'{each.name}' ({each.fingerprint_sha256[:12]})" for each in strangers)
        raise MaterialError(
            "chain_broken",
            f"{names}: not on the way from the authority '{authority.name}' to its root. Give one authority, with"
            " those above it alone.",
        )
    return tuple(path[1:])


def import_problems(issuer: SigningAuthority, at: datetime.datetime, *, has_clients: bool) -> list[Problem]:
    """What speaks against issuing with it. What is not seen here, a trial shows (see trial.py).

    has_clients: whether it is to issue for clients, too, and so to revoke.
    """
    authority = issuer.certificate
    problems = authority_problems(authority, issuer.key, at, datetime.timedelta(0))
    for above in issuer.above:
        problems += authority_problems(above, None, at, datetime.timedelta(0))
    for each in issuer.path:
        # Nobody looks at the signature of a trust anchor.
        found = strength_problems(each, VerificationPolicy())
        problems += [problem for problem in found if not (each.self_signed and problem.code == "weak_signature")]
    if _key_algorithm(authority) == _RSASSA_PSS:
        problems.append(
            error(
                "weak_key",
                f"The key of '{authority.name}' is for RSASSA-PSS alone, which few peers take from an authority: have"
                " the authority made anew with an RSA, EC or Ed25519 key.",
            )
        )
    return problems + _usage_problems(authority, has_clients=has_clients)


def _usage_problems(authority: Certificate, *, has_clients: bool) -> list[Problem]:
    problems, usages = [], authority.extended_key_usage
    wanted = {"servers": ExtendedKeyUsageOID.SERVER_AUTH}
    if has_clients:
        wanted["clients"] = ExtendedKeyUsageOID.CLIENT_AUTH
    for whose, oid in wanted.items():
        if usages is not None and oid.dotted_string not in usages and _ANY_USAGE not in usages:
            problems.append(
                error(
                    "purpose_not_allowed",
                    f"'{authority.name}' may not issue for TLS {whose}: its extended key usage does not name them, and"
                    " peers refuse what it issues all the same.",
                )
            )
    usage = authority.key_usage
    if has_clients and usage is not None and not usage.crl_sign:
        problems.append(
            error(
                "purpose_not_allowed",
                f"'{authority.name}' may not sign revocation lists: its key usage lacks cRLSign, and the first"
                " revocation would lock out every client.",
            )
        )
    return problems


def _is_same_entity(one: Certificate, other: Certificate) -> bool:
    return one.subject_name == other.subject_name and bool(one.public_key == other.public_key)


def _key_algorithm(certificate: Certificate) -> str:
    """Dotted OID; "" where cryptography does not tell (before 43)."""
    found = getattr(certificate.x509, "public_key_algorithm_oid", None)
    return "" if found is None else str(found.dotted_string)
