# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""May this be served? Every rule that a certificate must keep before it is written."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding
except ImportError:  # the module boundary says so
    pass

from ..instants import format_duration, isoformat_utc
from .bundle import CertificateBundle
from .called import called
from .certificate import Certificate, load_certificate
from .chain import Chain, Choice, arrange
from .document import CertificateMaterial
from .effort import MAX_BITS
from .leaf import find_leaf
from .loadable import WhyNotLoaded, require_loadable
from .names import covers
from .problems import MaterialError, Problem, error, warning
from .reading import material_errors
from .trust import trust_problem
from .ways_up import WayUp

_MIN_CURVE_BITS: t.Final = 256
_NAME: t.Final = re.compile(r"(?:\*\.)?[\w-]{1,63}(?:[.:][\w-]{0,63})*")
_LONGEST_NAME: t.Final = 253


@dataclasses.dataclass(frozen=True)
class VerificationPolicy:
    """What is asked of a certificate.

    clock_skew: how far in the future a notBefore may lie, because clocks differ. min_remaining: how long the leaf
    must still be valid. trust_anchors: the roots of which one must be reached; None asks for no root at all.
    """

    min_rsa_bits: int = 2048
    clock_skew: datetime.timedelta = datetime.timedelta(minutes=5)
    min_remaining: datetime.timedelta = datetime.timedelta(0)
    trust_anchors: tuple[x509.Certificate, ...] | None = None


def build_bundle(
    material: CertificateMaterial,
    policy: VerificationPolicy,
    *,
    at: datetime.datetime,
    why_not_loaded: WhyNotLoaded | None,
) -> tuple[CertificateBundle | None, list[Problem]]:
    """The bundle that may be served at that instant (aware), and all problems; None when one of them is an error.

    why_not_loaded: None where to ask OpenSSL, too, is the caller's duty: see loading_problems. Never raises because of
    what a certificate contains.
    """
    try:
        with material_errors():
            return _build_bundle(material, policy, at, why_not_loaded)
    except MaterialError as exc:
        return None, [exc.problem]


def _build_bundle(
    material: CertificateMaterial,
    policy: VerificationPolicy,
    at: datetime.datetime,
    why_not_loaded: WhyNotLoaded | None,
) -> tuple[CertificateBundle | None, list[Problem]]:
    certificates = tuple(dict.fromkeys(material.certificates))
    problems = [
        error("certificate_invalid", f"'{certificate.name}': {certificate.malformed}. Have it issued again.")
        for certificate in certificates
        if certificate.malformed
    ]
    if problems:
        return None, problems
    leaf = find_leaf(material)
    if isinstance(leaf, Problem):
        return None, [leaf]
    chain = chosen_chain(leaf, certificates, policy, at, ordered=material.ordered)
    problems += key_pair_problems(leaf, material.private_key)
    problems += chain.problems
    problems += leaf_date_problems(leaf, policy, at)
    problems += _name_problems(leaf, material.domain_name)
    problems += strength_problems(leaf, policy)
    for intermediate in chain.intermediates:
        problems += intermediate_problems(intermediate, policy, at, called(intermediate, certificates))
    if leaf.self_signed:
        problems.append(warning("self_signed", f"'{leaf.name}' is self-signed: have an authority issue it."))
    if policy.trust_anchors is not None and not _has_error(problems):
        untrusted = _trust_problem(leaf, chain.intermediates, policy.trust_anchors, at)
        problems += [untrusted] if untrusted else []
    bundle = CertificateBundle(leaf, chain.intermediates, material.private_key_pem)
    if why_not_loaded is not None and not _has_error(problems):
        problems += loading_problems(bundle, why_not_loaded)
    return (None if _has_error(problems) else bundle), problems


def chosen_chain(
    leaf: Certificate,
    certificates: t.Sequence[Certificate],
    policy: VerificationPolicy,
    at: datetime.datetime,
    *,
    ordered: bool,
) -> Chain:
    """What to send after the leaf at that instant, and what is wrong with how it hangs together.

    certificates: no duplicates, leaf among them. The dates and the strength of what is sent are judged by the caller.
    """
    anchors = policy.trust_anchors or ()

    def accepts(way: WayUp) -> bool:
        # Where nothing is trusted, a verifier can still tell whether all below the last authority holds.
        trusted = anchors or (way.members[-1].x509,)
        return _trust_problem(leaf, way.sent[1:], trusted, at) is None

    choice = Choice(
        is_fit=lambda certificate: not intermediate_problems(certificate, policy, at),
        is_current=lambda certificate: not _intermediate_date_problems(certificate, policy, at, None),
        accepts=accepts,
        anchors=lambda: tuple(load_certificate(anchor.public_bytes(Encoding.DER)) for anchor in anchors),
    )
    return arrange(leaf, certificates, choice, ordered=ordered)


def _trust_problem(
    leaf: Certificate,
    intermediates: t.Sequence[Certificate],
    anchors: tuple[x509.Certificate, ...],
    at: datetime.datetime,
) -> Problem | None:
    # Within the clock skew the path may begin to be valid a little later than now.
    valid_at = max(at, leaf.not_before, *(member.not_before for member in intermediates))
    return trust_problem(leaf, intermediates, anchors, valid_at)


def loading_problems(bundle: CertificateBundle, why_not_loaded: WhyNotLoaded) -> list[Problem]:
    """What OpenSSL, by which HAProxy loads it, has against it as it would be written. OSError: nobody could ask."""
    try:
        require_loadable(bundle.render("haproxy")["pem"], bundle.leaf, why_not_loaded)
    except MaterialError as exc:
        return [exc.problem]
    return []


def _has_error(problems: t.Iterable[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def key_pair_problems(leaf: Certificate, private_key: t.Any) -> list[Problem]:
    if leaf.public_key is None or not hasattr(private_key, "public_key"):
        return []  # a kind of key that strength_problems refuses
    if private_key.public_key() != leaf.public_key:
        return [
            error(
                "private_key_mismatch",
                f"The private key does not belong to '{leaf.name}': store the key that the certificate was made for.",
            )
        ]
    if not _is_consistent(private_key):
        return [
            error(
                "private_key_invalid",
                f"The parts of the private key of '{leaf.name}' contradict each other: it is damaged. Store it again.",
            )
        ]
    return []


def _is_consistent(key: t.Any) -> bool:
    """Whether the secret half belongs to the public half, which is known to be the certificate's.

    Arithmetic instead of a trial signature: for RSA thirty times faster, and it checks the exponent that a signature
    by the Chinese remainder theorem does not use. Keys of other kinds have no public half of their own to contradict.
    """
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            return _is_consistent_rsa(key.private_numbers())
        if isinstance(key, ec.EllipticCurvePrivateKey):
            scalar = key.private_numbers().private_value
            return ec.derive_private_key(scalar, key.curve).public_key() == key.public_key()
    except ValueError:
        return False
    return True


def _is_consistent_rsa(numbers: rsa.RSAPrivateNumbers) -> bool:
    """RFC 8017, 3.2."""
    p, q, d, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.e
    return (
        p > 1
        and q > 1
        and p * q == numbers.public_numbers.n
        and (d * e - 1) % (p - 1) == 0
        and (d * e - 1) % (q - 1) == 0
        and (numbers.dmp1 - d) % (p - 1) == 0
        and (numbers.dmq1 - d) % (q - 1) == 0
        and numbers.iqmp * q % p == 1
    )


def leaf_date_problems(leaf: Certificate, policy: VerificationPolicy, at: datetime.datetime) -> list[Problem]:
    if leaf.not_after < at:  # the last second belongs to the validity (RFC 5280, 4.1.2.5)
        return [error("expired", f"'{leaf.name}' expired on {isoformat_utc(leaf.not_after)}: store a renewed one.")]
    if leaf.not_before > at + policy.clock_skew:
        return [
            error(
                "not_yet_valid",
                f"'{leaf.name}' is valid from {isoformat_utc(leaf.not_before)} on: "
                "store it later, or check this host's clock.",
            )
        ]
    remaining = leaf.not_after - at
    if remaining < policy.min_remaining:
        return [
            error(
                "expires_too_soon",
                f"'{leaf.name}' expires on {isoformat_utc(leaf.not_after)}, in {format_duration(remaining)}, "
                f"and at least {format_duration(policy.min_remaining)} are asked for: store a renewed one.",
            )
        ]
    return []


def intermediate_problems(
    intermediate: Certificate, policy: VerificationPolicy, at: datetime.datetime, name: str | None = None
) -> list[Problem]:
    """name: as messages call it, quoted."""
    return [
        *_intermediate_date_problems(intermediate, policy, at, name),
        *strength_problems(intermediate, policy, name),
    ]


def _intermediate_date_problems(
    intermediate: Certificate, policy: VerificationPolicy, at: datetime.datetime, name: str | None
) -> list[Problem]:
    which = f"The intermediate {name or called(intermediate, ())}"
    if intermediate.not_after < at:
        return [
            error(
                "intermediate_expired",
                f"{which} expired on {isoformat_utc(intermediate.not_after)}: store the authority's current chain.",
            )
        ]
    if intermediate.not_before > at + policy.clock_skew:
        return [
            error(
                "intermediate_not_yet_valid",
                f"{which} is valid from {isoformat_utc(intermediate.not_before)} on: "
                "store the authority's current chain, or check this host's clock.",
            )
        ]
    return []


def _name_problems(leaf: Certificate, domain_name: str | None) -> list[Problem]:
    names = leaf.subject_alternative_names
    if not names:
        return [
            error(
                "san_missing",
                f"'{leaf.name}' has no subject alternative name, and clients ignore the common name: "
                "have it issued with its names.",
            )
        ]
    if domain_name and not covers(leaf.dns_names, leaf.ip_addresses, domain_name):
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        return [
            error(
                "domain_not_covered",
                f"The certificate is for {shown}, not for {quoted_name(domain_name)}: "
                "store the right certificate, or correct the domain name.",
            )
        ]
    return []


def quoted_name(domain_name: str, otherwise: str = "the document's domain name, which is no name") -> str:
    """Only what can be a name is shown: somebody may have stored a private key in this field."""
    can_be_name = len(domain_name) <= _LONGEST_NAME and _NAME.fullmatch(domain_name)
    return f"'{domain_name}'" if can_be_name else otherwise


def strength_problems(certificate: Certificate, policy: VerificationPolicy, name: str | None = None) -> list[Problem]:
    """name: as messages call it, quoted."""
    name = name or called(certificate, ())
    problems = []
    if not _is_strong(certificate, policy):
        problems.append(
            error(
                "weak_key",
                f"The key of {name} ({certificate.key}) is too weak or of an unusable kind: "
                f"use RSA of at least {policy.min_rsa_bits} bits or EC P-256.",
            )
        )
    if certificate.weak_signature_algorithm:
        problems.append(
            error(
                "weak_signature",
                f"{name} is signed with {certificate.weak_signature_algorithm}, which clients refuse: "
                "have it issued again with SHA-256.",
            )
        )
    return problems


def _is_strong(certificate: Certificate, policy: VerificationPolicy) -> bool:
    key = certificate.public_key
    if isinstance(key, rsa.RSAPublicKey):
        return policy.min_rsa_bits <= key.key_size <= MAX_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.key_size >= _MIN_CURVE_BITS and not certificate.has_explicit_curve
    return isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey))
