# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever somebody says is a certificate: may it be used for a purpose, under these names, at that time?"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
import warnings

try:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # the module boundary says so
    pass

from ..unexpected import is_failure
from .called import called
from .certificate import Certificate, load_certificate
from .common_name import is_misspelt
from .document import refuse_unusable
from .encodings import read_blocks
from .keys import load_private_key
from .name_constraints import violated_constraint
from .names import a_labels, uncovered
from .paths import PathError, PathFinder, PathProfile, Purpose
from .pem import CERTIFICATE, TRUSTED_CERTIFICATE
from .problems import MaterialError, Problem, error, warning
from .trust import TRUST_SETTINGS
from .verify import (
    VerificationPolicy,
    chosen_chain,
    intermediate_problems,
    key_pair_problems,
    leaf_date_problems,
    quoted_name,
    strength_problems,
)

_MAX_SERIAL_BITS: t.Final = 20 * 8 - 1  # RFC 5280, 4.1.2.2: positive, at most 20 bytes
_MAX_NAMES_ASKED: t.Final = 20
# Beside serverAuth these must not be there (Baseline Requirements for TLS of the CA/Browser Forum, 7.1.2.7.10).
_NOT_FOR_SERVERS: t.Final = frozenset(
    {
        "2.5.29.37.0",  # any
        "1.3.6.1.5.5.7.3.3",  # code signing
        "1.3.6.1.5.5.7.3.4",  # e-mail protection
        "1.3.6.1.5.5.7.3.8",  # time stamping
        "1.3.6.1.5.5.7.3.9",  # OCSP signing
        "1.3.6.1.4.1.11129.2.4.4",  # precertificate signing
    }
)
_MAX_DIAGNOSED: t.Final = 16
_OF_LINKS: t.Final = ("chain_signature_invalid", "intermediate_not_ca")


@dataclasses.dataclass(frozen=True)
class Examination:
    """What is examined, as PEM, and what is asked of it.

    certificate: the leaf, other certificates after it count as certificate_chain, which is a pool of untrusted
    intermediates in any order; trust_anchors: roots, or whatever else is trusted, a leaf itself included;
    server_names: each must be covered; at: aware.
    """

    certificate: str
    trust_anchors: str
    at: datetime.datetime
    certificate_chain: str = ""
    private_key: str | None = dataclasses.field(default=None, repr=False)
    server_names: tuple[str, ...] = ()
    purpose: Purpose = "server"
    profile: PathProfile = "web"


def examine(examination: Examination) -> list[Problem]:
    """All that is wrong or noteworthy; it may be used when none of it is an error. Never raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cryptography, about what is found wrong here anyway
            # Certificates know whole seconds, and the last one belongs to the validity (RFC 5280, 4.1.2.5).
            return _examine(dataclasses.replace(examination, at=examination.at.replace(microsecond=0)))
    except MaterialError as exc:
        return [exc.problem]
    except BaseException as exc:
        if not is_failure(exc):
            raise
        message = f"The content makes the verification itself fail ({type(exc).__name__}): have it issued again."
        return [error("certificate_invalid", message)]


def _examine(examination: Examination) -> list[Problem]:
    policy = VerificationPolicy(clock_skew=datetime.timedelta(0))
    leaf, pool, problems = _load(examination)
    if leaf.malformed:
        return [*problems, error("certificate_invalid", f"'{leaf.name}': {leaf.malformed}. Have it issued again.")]
    anchors, anchor_problems = _load_anchors(examination.trust_anchors)
    problems += anchor_problems
    problems += _private_key_problems(leaf, examination.private_key)
    problems += leaf_date_problems(leaf, policy, examination.at)
    problems += strength_problems(leaf, policy)
    problems += _serial_number_problems(leaf)
    problems += _key_form_problems(leaf)
    problems += _purpose_problems(leaf, examination)
    problems += _common_name_problems(leaf, examination)
    missing = _names_missing(leaf, examination)
    problems += missing
    if not anchors:
        return problems
    if leaf.self_signed and leaf not in anchors:
        problems.append(warning("self_signed", f"'{leaf.name}' is self-signed: have an authority issue it."))
    if leaf.subject_alternative_names or examination.purpose == "client":
        path_problems = _path_problems(leaf, pool, anchors, examination, policy)
        problems += path_problems
        if not path_problems and not missing:
            problems += _verifier_name_problems(leaf, examination)
    return problems


def _load(examination: Examination) -> tuple[Certificate, list[Certificate], list[Problem]]:
    blocks = read_blocks(examination.certificate)
    refuse_unusable(blocks)
    own = [block.der for block in blocks if block.label == CERTIFICATE]
    if not own:
        raise MaterialError("certificate_missing", "There is no certificate: give the leaf certificate as PEM.")
    leaf = load_certificate(own[0])
    try:
        chain_blocks = read_blocks(examination.certificate_chain)
        refuse_unusable(chain_blocks)
    except MaterialError as exc:
        raise MaterialError(exc.problem.code, f"The chain: {exc.message}") from None
    ders = own[1:] + [block.der for block in chain_blocks if block.label == CERTIFICATE]
    pool, unreadable = _load_all(ders)
    problems = []
    if unreadable:
        message = f"{unreadable} certificates of the chain cannot be read; they were left out. Remove them."
        problems.append(warning("chain_certificate_unreadable", message))
    return leaf, pool, problems


def _load_anchors(pem: str) -> tuple[list[Certificate], list[Problem]]:
    try:
        blocks = read_blocks(pem)
    except MaterialError as exc:
        return [], [error("trust_anchors_invalid", f"The trust anchors cannot be read: {exc.message}")]
    if any(block.label == TRUSTED_CERTIFICATE for block in blocks):
        return [], [error("trust_anchors_invalid", TRUST_SETTINGS)]
    anchors, unreadable = _load_all(block.der for block in blocks if block.label == CERTIFICATE)
    if anchors:
        return anchors, []  # systems ship odd ones, which nothing depends on
    what = "No trust anchor can be read" if unreadable else "There is no certificate among the trust anchors"
    return [], [error("trust_anchors_invalid", f"{what}: give the roots as PEM.")]


def _load_all(ders: t.Iterable[bytes]) -> tuple[list[Certificate], int]:
    """Those that can be read, without duplicates, and the number of the others."""
    found = []
    unreadable = 0
    for der in dict.fromkeys(ders):
        try:
            found.append(load_certificate(der))
        except MaterialError:
            unreadable += 1
    return found, unreadable


def _private_key_problems(leaf: Certificate, private_key: str | None) -> list[Problem]:
    if private_key is None:
        return []
    try:
        key, _pem = load_private_key(read_blocks(private_key))
    except MaterialError as exc:
        return [exc.problem]
    return key_pair_problems(leaf, key)


# What RFC 5280 and clients ask of the form of certificates, beyond what cryptography looks at.


def _serial_number_problems(certificate: Certificate) -> list[Problem]:
    number = certificate.x509.serial_number
    if number > 0 and number.bit_length() <= _MAX_SERIAL_BITS:
        return []
    message = f"The serial number of '{certificate.name}' is zero, negative or too long: have it issued again."
    return [error("serial_number_invalid", message)]


def _key_form_problems(certificate: Certificate) -> list[Problem]:
    key = certificate.public_key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size % 8:
        message = f"The key of '{certificate.name}' has {key.key_size} bits, no whole number of bytes: use another key."
        return [error("weak_key", message)]
    return []


def _policy_problems(authority: Certificate) -> list[Problem]:
    """Certificate policies are not evaluated here, so that nobody may demand it; the verifier sees critical ones."""
    if not authority.constrains_policies:
        return []
    message = f"The authority '{authority.name}' constrains certificate policies, which are not evaluated here."
    return [error("untrusted", f"{message} Have the certificate issued by another one.")]


def _purpose_problems(leaf: Certificate, examination: Examination) -> list[Problem]:
    purpose = examination.purpose
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if purpose == "server" else ExtendedKeyUsageOID.CLIENT_AUTH
    accepted = {wanted.dotted_string}
    if examination.profile == "private":
        accepted.add(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string)
    unsuitable = []
    usages = leaf.extended_key_usage
    if usages is not None and accepted.isdisjoint(usages):
        unsuitable.append("extended key usage")
    usage = leaf.key_usage
    if usage is not None and not (usage.digital_signature or usage.key_encipherment or usage.key_agreement):
        unsuitable.append("key usage")
    problems = [
        error(
            "purpose_not_allowed",
            f"The {kind} of '{leaf.name}' does not allow it to be a {purpose}'s: have it issued for this purpose.",
        )
        for kind in unsuitable
    ]
    if purpose == "server" and examination.profile == "web" and not _NOT_FOR_SERVERS.isdisjoint(usages or ()):
        message = f"The extended key usage of '{leaf.name}' allows more than the Web PKI permits a server's certificate"
        problems.append(error("purpose_not_allowed", f"{message}: have it issued for this purpose alone."))
    return problems


def _common_name_problems(leaf: Certificate, examination: Examination) -> list[Problem]:
    if examination.profile != "web" or examination.purpose != "server":
        return []
    return [
        error(
            "common_name_misspelt",
            f"'{leaf.name}': {quoted_name(name, 'the common name')} is spelled otherwise than the subject alternative "
            "names are: have it issued with one of them, character for character, or without a common name.",
        )
        for name in leaf.common_names
        if is_misspelt(name, leaf.dns_names, leaf.ip_addresses)
    ]


def _names_missing(leaf: Certificate, examination: Examination) -> list[Problem]:
    names = [name.strip() for name in examination.server_names]
    if not leaf.subject_alternative_names and (examination.purpose == "server" or names):
        message = f"'{leaf.name}' has no subject alternative name, and the common name does not count."
        return [error("san_missing", f"{message} Have it issued with its names.")]
    # Neither a name with the root's dot nor a wildcard for a whole top-level domain counts in a certificate.
    usable = [own for own in leaf.dns_names if not own.endswith(".") and (own[:2] != "*." or "." in own[2:])]
    missing = uncovered(usable, leaf.ip_addresses, names)
    return [_not_covered(leaf, missing)] if missing else []


def _not_covered(leaf: Certificate, missing: t.Sequence[str]) -> Problem:
    own = leaf.subject_alternative_names
    shown = ", ".join(own[:5]) + (f" and {len(own) - 5} more" if len(own) > 5 else "")
    wanted = ", ".join(quoted_name(name, "a text that is no name") for name in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return error(
        "domain_not_covered",
        f"The certificate is for {shown}, not for {wanted}{more}: have it issued with all its names.",
    )


def _path_problems(
    leaf: Certificate,
    pool: t.Sequence[Certificate],
    anchors: t.Sequence[Certificate],
    examination: Examination,
    policy: VerificationPolicy,
) -> list[Problem]:
    """Of the path that is found; where something else is wrong with it, of one without one of its intermediates."""
    problems, between = _problems_of_a_path(leaf, pool, anchors, examination, policy)
    if problems and len(pool) > len(between):
        for avoided in between:
            others = [member for member in pool if member != avoided]
            instead, _between = _problems_of_a_path(leaf, others, anchors, examination, policy)
            if not instead:
                return []
    return problems


def _problems_of_a_path(
    leaf: Certificate,
    pool: t.Sequence[Certificate],
    anchors: t.Sequence[Certificate],
    examination: Examination,
    policy: VerificationPolicy,
) -> tuple[list[Problem], list[Certificate]]:
    """And its intermediates, none where there is no path."""
    try:
        path = _finder(anchors, examination).find(leaf, pool)
    except PathError as exc:
        if exc.too_complex:
            message = (
                f"'{leaf.name}': the search for a path was given up ({exc}). Give only the chain that belongs to it."
            )
            return [error("chain_too_complex", message)], []
        problem = error(
            "untrusted",
            f"'{leaf.name}', issued by '{leaf.issuer}', has no valid path to any of the {len(anchors)} trust anchors "
            f"({exc}): complete or correct its chain, or add its root to the trust anchors.",
        )
        return [problem, *_diagnosis(leaf, pool, examination, policy)], []
    between = [member for member in pool if member.x509 in path[1:-1]]
    authorities = [*between, *(anchor for anchor in anchors if anchor.x509 == path[-1] and anchor != leaf)]
    problems = [
        error("certificate_invalid", f"The authority '{member.name}': {member.malformed}. Use another one.")
        for member in authorities
        if member.malformed
    ]
    if problems:
        return problems, between
    constraint = violated_constraint(path)
    if constraint:
        message = f"'{leaf.name}': {constraint}. Have it issued by another authority."
        return [error("name_constraint_violated", message)], between
    for member in between:
        problems += [*strength_problems(member, policy), *_serial_number_problems(member)]
    for member in authorities:
        problems += _key_form_problems(member)
        if examination.profile == "web":
            problems += _policy_problems(member)
    return problems, between


def _finder(anchors: t.Sequence[Certificate], examination: Examination) -> PathFinder:
    trusted = tuple(anchor.x509 for anchor in anchors)
    return PathFinder(trusted, examination.at, purpose=examination.purpose, profile=examination.profile)


def _verifier_name_problems(leaf: Certificate, examination: Examination) -> list[Problem]:
    """cryptography judges names, too; it is asked for one at a time, and of very many names only for the first.

    The path has been found: here the leaf itself is the anchor, so that none is searched for again for each name.
    """
    if examination.purpose == "client":
        return []
    finder = _finder([leaf], examination)
    refused = []
    for name in examination.server_names[:_MAX_NAMES_ASKED]:
        try:
            finder.find(leaf, (), name.strip())
        except PathError as exc:
            # What cannot be asked for, a wildcard itself for instance, must be there to the letter.
            if not exc.no_name or a_labels(name.strip()) not in {a_labels(own) for own in leaf.dns_names}:
                refused.append(name.strip())
    return [_not_covered(leaf, refused)] if refused else []


def _diagnosis(
    leaf: Certificate, pool: t.Sequence[Certificate], examination: Examination, policy: VerificationPolicy
) -> list[Problem]:
    """Why there is no path, as far as the certificates above the leaf tell. Only for those already refused."""
    if leaf.self_signed or len(pool) > _MAX_DIAGNOSED:
        return []
    others = [member for member in pool if member != leaf and not member.malformed]
    chain = chosen_chain(leaf, [leaf, *others], policy, examination.at, ordered=False)
    problems = [found for found in chain.problems if found.code in _OF_LINKS]
    for member in chain.intermediates:
        problems += intermediate_problems(member, policy, examination.at, called(member, others))
    return problems
