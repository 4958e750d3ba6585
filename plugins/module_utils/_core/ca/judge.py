# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges what is stored or on disk: an authority, a client's and a server's certificate."""

from __future__ import annotations

import datetime
import typing as t

try:
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # the module boundary says so
    pass

from ..instants import format_duration, isoformat_utc
from ..renewal import worth_renewing
from ..x509.certificate import Certificate
from ..x509.names import a_labels
from ..x509.paths import Purpose
from ..x509.problems import Problem, error, warning
from ..x509.verify import key_pair_problems
from ..x509.ways_up import names_key_of
from .issue import leaf_end
from .keys import key_pem
from .trial import PeerVerdict
from .trust import PeerTrust


def authority_problems(
    authority: Certificate, key: t.Any, at: datetime.datetime, warn_before: datetime.timedelta
) -> list[Problem]:
    """key: of the authority, None where it was not looked at.

    Its own signature counts only where it is self-signed: an imported one need not be.
    """
    problems = key_pair_problems(authority, key)
    usage = authority.key_usage
    if not authority.is_ca or (usage is not None and not usage.key_cert_sign):
        problems.append(error("intermediate_not_ca", f"'{authority.name}' is no certificate authority."))
    claims_own_key = authority.self_issued and names_key_of(authority, authority)
    if claims_own_key and authority.signature_by(authority) == "forged":
        problems.append(error("chain_signature_invalid", f"'{authority.name}' is not signed by its own key."))
    return problems + date_problems(authority, at, warn_before)


def leaf_problems(
    leaf: Certificate,
    key: t.Any,
    purpose: Purpose,
    trust: PeerTrust,
    at: datetime.datetime,
    warn_before: datetime.timedelta,
    verdict: PeerVerdict,
) -> list[Problem]:
    """key: of the leaf, None where it was not looked at: then nobody can be asked; trust: what its peers have."""
    problems = key_pair_problems(leaf, key)
    if leaf.is_ca or not has_purpose(leaf, purpose):
        problems.append(
            error("purpose_not_allowed", f"'{leaf.name}' is no certificate for TLS {purpose}s: have it issued again.")
        )
    if not any(is_issued_by(leaf, authority) for authority in trust.authorities):
        problems.append(
            error("chain_signature_invalid", f"'{leaf.name}' is not signed by the authority that is stored with it.")
        )
    reason = None if problems else refusal(leaf, key, purpose, trust, at, verdict)
    if reason is not None:
        peers = "servers" if purpose == "client" else "clients"
        problems.append(
            error("untrusted", f"TLS {peers} that trust what is stored with '{leaf.name}' refuse it: {reason}.")
        )
    return problems + date_problems(leaf, at, warn_before)


def refusal(
    leaf: Certificate, key: t.Any, purpose: Purpose, trust: PeerTrust, at: datetime.datetime, verdict: PeerVerdict
) -> str | None:
    """Why peers with this trust refuse it, whatever its dates are. key: None for one that nobody can be asked about."""
    if key is None:
        return None
    return verdict(trust.question(purpose, leaf.pem + key_pem(key).encode(), at))


def is_issued_by(leaf: Certificate, authority: Certificate) -> bool:
    """By name and by signature: authorities that follow each other have one name."""
    return leaf.issuer_name == authority.subject_name and leaf.signature_by(authority) == "signed"


def has_purpose(leaf: Certificate, purpose: Purpose) -> bool:
    oid = ExtendedKeyUsageOID.CLIENT_AUTH if purpose == "client" else ExtendedKeyUsageOID.SERVER_AUTH
    return oid.dotted_string in (leaf.extended_key_usage or ())


def date_problems(certificate: Certificate, at: datetime.datetime, warn_before: datetime.timedelta) -> list[Problem]:
    """warn_before: how long before its end there is a warning.

    No skew of clocks is tolerated, for TLS libraries tolerate none: what is issued here begins early instead.
    """
    name, end = certificate.name, isoformat_utc(certificate.not_after)
    if certificate.not_after < at:
        return [error("expired", f"'{name}' expired on {end}.")]
    if certificate.not_before > at:
        start = isoformat_utc(certificate.not_before)
        return [error("not_yet_valid", f"'{name}' is valid from {start} on: check this host's clock.")]
    remaining = certificate.not_after - at
    if remaining < warn_before:
        return [warning("expires_too_soon", f"'{name}' expires on {end}, in {format_duration(remaining)}.")]
    return []


RenewalReason = t.Literal[
    "missing", "key_broken", "ca_changed", "names_changed", "purpose", "not_yet_valid", "refused", "expiring"
]


def server_renewal_reason(
    leaf: Certificate | None,
    key: t.Any,
    authority: Certificate,
    names: t.Iterable[str],
    at: datetime.datetime,
    validity: datetime.timedelta,
    renew_before: datetime.timedelta | None = None,
    above: t.Iterable[Certificate] = (),
    *,
    is_refused: t.Callable[[], bool],
) -> RenewalReason | None:
    """Why a server's certificate has to be issued anew, or None when it is still good.

    leaf, key: None where there is none that can be read; authority: that has to have issued it; names: that it has to
    have, as the subjectAltName will hold them; validity, renew_before, above: see is_ending; is_refused: asks whether
    peers refuse it, and is called for a leaf that is good otherwise.
    """
    if leaf is None or key is None:
        return "missing"
    if key_pair_problems(leaf, key):
        return "key_broken"
    if not is_issued_by(leaf, authority):
        return "ca_changed"
    if {a_labels(name) for name in leaf.subject_alternative_names} != {a_labels(name) for name in names}:
        return "names_changed"
    if leaf.is_ca or not has_purpose(leaf, "server"):
        return "purpose"
    if leaf.not_before > at:  # this host's clock was fast when it was issued
        return "not_yet_valid"
    if is_refused():
        return "refused"
    return "expiring" if is_ending(leaf, authority, at, validity, renew_before, above) else None


def is_ending(
    leaf: Certificate,
    authority: Certificate,
    at: datetime.datetime,
    validity: datetime.timedelta,
    renew_before: datetime.timedelta | None = None,
    above: t.Iterable[Certificate] = (),
) -> bool:
    """Whether a leaf is due for renewal: it nears its end, and another one would end later.

    authority: which would issue that one, for this validity; renew_before: None for the renewal policy (see
    renewal_notice); above: those that lead up to its root.
    """
    end = leaf_end((authority, *above), validity, at)
    return worth_renewing(leaf.not_before, leaf.not_after, at, end, renew_before)
