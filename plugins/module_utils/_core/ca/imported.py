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

from ..._errors import RotationError
from ..x509.certificate import Certificate
from ..x509.problems import MaterialError, Problem, error, warning
from ..x509.verify import VerificationPolicy, strength_problems
from ..x509.ways_up import End, WaysUp, WayUp, same_authority
from .issue import SigningAuthority
from .judge import authority_problems, date_problems

_ANY_USAGE = "2.5.29.37.0"


def signing_authority(certificates: t.Sequence[Certificate], key: t.Any) -> SigningAuthority:
    """The authority whose key this is, with those of the certificates that lead from it to its root, in any order.

    Without its key there, the first one, and perhaps one that is no authority: whoever judges it says so. Raises
    MaterialError when a certificate is missing on the way, or belongs to nothing.
    """
    own = [each for each in certificates if each.public_key == key.public_key()] or list(certificates[:1])
    # One that has signed itself needs nobody above it; of one that was renewed with its key, the last that leads up.
    own.sort(key=lambda each: (each.self_signed, each.not_after, each.fingerprint_sha256), reverse=True)
    ways = {each: WaysUp(each, set(certificates) - {each}, lambda _fit: True, ()) for each in own}
    authority = next((each for each in own if _to_root(ways[each])), own[0])
    if not authority.is_ca:
        return SigningAuthority(authority, key)
    others = [each for each in dict.fromkeys(certificates) if each != authority]
    return SigningAuthority(authority, key, path_to_root(authority, others))


def path_to_root(authority: Certificate, others: t.Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Those who have issued it, the root last; () for a root. Of several ways the one that lasts longest.

    Raises MaterialError when one is missing on the way, or belongs to none of them.
    """
    ways = WaysUp(authority, set(others) - {authority}, lambda _fit: True, ())
    best = _to_root(ways)
    if best is None:
        last = ways.found[0].sent[-1] if ways.found else authority
        raise MaterialError(
            "chain_broken",
            f"'{last.name}' was issued by '{last.issuer}', whose certificate is not there, or may not issue for it:"
            " peers believe an authority only up to its root. Give the certificates of all above it along, the root"
            " included.",
        )
    related = [member for way in ways.found for member in way.members]
    strangers = [each for each in others if not any(same_authority(each, known) for known in related)]
    if strangers:
        names = ", ".join(f"'{each.name}' ({each.fingerprint_sha256[:12]})" for each in strangers)
        raise MaterialError(
            "chain_broken",
            f"{names}: not on the way from the authority '{authority.name}' to its root. Give one authority, with"
            " those above it alone.",
        )
    return best.members[1:]


def _to_root(ways: WaysUp) -> WayUp | None:
    """The best one that ends there."""
    return next((way for way in ways.found if way.end is End.ROOT), None)


def is_same_authority(one: Certificate, other: Certificate) -> bool:
    """Whether whatever one has issued is believed by who trusts the other: one name, one key, one identifier of it."""
    return same_authority(one, other) and one.subject_key_identifier == other.subject_key_identifier


def is_newer_form(imported: SigningAuthority, stored: t.Sequence[Certificate]) -> bool:
    """Whether it is another certificate of the same authority that was issued later, or has others above it.

    stored: the authority, and those above it.
    """
    if imported.certificate == stored[0]:
        return bool(imported.above) and imported.path != tuple(stored)
    return is_same_authority(imported.certificate, stored[0]) and _issued(imported.certificate) > _issued(stored[0])


def _issued(certificate: Certificate) -> tuple[datetime.datetime, datetime.datetime]:
    return certificate.not_before, certificate.not_after


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
    if authority.has_rsassa_pss_key:
        problems.append(
            error(
                "weak_key",
                f"The key of '{authority.name}' is for RSASSA-PSS alone, which few peers take from an authority: have"
                " the authority made anew with an RSA, EC or Ed25519 key.",
            )
        )
    return problems + _usage_problems(authority, has_clients=has_clients)


def stored_problems(
    path: t.Sequence[Certificate], at: datetime.datetime, warn_before: datetime.timedelta
) -> list[Problem]:
    """What is wrong with the way from a stored authority to its root. path: the authority first."""
    problems = [problem for above in path[1:] for problem in date_problems(above, at, warn_before)]
    return problems + [warning("chain_broken", sentence) for sentence in way_to_root_missing(path)]


def way_to_root_missing(path: t.Sequence[Certificate]) -> list[str]:
    """A sentence where a stored authority is no root, and its root is not stored with it. path: it first."""
    if path[-1].self_signed:
        return []
    sentence = (
        f"'{path[-1].name}' was issued by '{path[-1].issuer}', which is not stored with it: HAProxy and all who use"
        " OpenSSL refuse what it issues. Import it again, with the certificates of all above it (see import_from)."
    )
    return [sentence]


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
    if has_clients and not _signs_lists(authority):
        problems.append(
            error(
                "purpose_not_allowed",
                f"'{authority.name}' may not sign revocation lists: its key usage lacks cRLSign, and the first"
                " revocation would lock out every client.",
            )
        )
    return problems


def refuse_lists(issuers: t.Iterable[SigningAuthority]) -> None:
    """Raises RotationError where revocation lists by these would make HAProxy refuse every client."""
    for issuer in issuers:
        name = issuer.certificate.name
        if issuer.above:
            raise RotationError(
                f"Clients of '{name}' cannot be revoked: with lists HAProxy asks for one of every authority up to"
                f" '{issuer.above[-1].name}', which only their own keys can sign. Replace the authority (playbook"
                " rotate_ca): clients that get no new certificate are refused then."
            )
        if not _signs_lists(issuer.certificate):
            raise RotationError(
                f"Clients of '{name}' cannot be revoked: its key usage lacks cRLSign, and its lists would make HAProxy"
                " refuse every client. Replace the authority (playbook rotate_ca): clients that get no new certificate"
                " are refused then."
            )


def _signs_lists(authority: Certificate) -> bool:
    return authority.key_usage is None or authority.key_usage.crl_sign
