# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host takes from a shared authority: trust, clients' certificates, and a server certificate of its own."""

from __future__ import annotations

import datetime
import re
import typing as t
from dataclasses import dataclass

from ..._core.ca.crl import StoredCrl, crl_problems
from ..._core.ca.issue import SigningAuthority, issue_server
from ..._core.ca.judge import (
    RenewalReason,
    authority_problems,
    date_problems,
    is_issued_by,
    leaf_problems,
    refusal,
    server_renewal_reason,
)
from ..._core.ca.keys import KeyMaker, quick_key
from ..._core.ca.profiles import Profile
from ..._core.ca.trust import PeerTrust
from ..._core.instants import isoformat_utc
from ..._core.shared_ca.material import Identity, Material
from ..._core.shared_ca.state import Pair, State
from ..._core.x509.certificate import Certificate
from ..._core.x509.paths import Purpose
from ..._core.x509.problems import Problem, error
from ..._errors import RotationError
from ..._ports.openssl.peers import why_not_believed
from .signing import SignatureNeeded, Signing
from .steward import Steward

if t.TYPE_CHECKING:
    from cryptography import x509

_OF_THE_HOST = re.compile(r"[0-9.]+|[^:]*:(?s:.*)|.*\.(?:internal|amazonaws\.com(?:\.cn)?)")


@dataclass(frozen=True)
class ServerWish:
    """names: that the certificate has to have; renew_before: None for the renewal policy.

    tolerant: further addresses and host names of AWS are no reason for another certificate, since they could not be
    asked for.
    """

    names: tuple[x509.GeneralName, ...]
    profile: Profile
    renew_before: datetime.timedelta | None = None
    tolerant: bool = False


@dataclass(frozen=True)
class MemberWish:
    """server: None for a host that is only a client; successor: have the successor issue, where there is one."""

    server: ServerWish | None
    clients: tuple[str, ...] = ()
    successor: bool = False


@dataclass(frozen=True)
class Taken:
    """reason: why the server certificate is a new one, None when it is the one that was there; warning: or ""."""

    state: State
    material: Material
    reason: RenewalReason | None
    warning: str = ""


def take(
    steward: Steward, make_key: KeyMaker, wish: MemberWish, installed: Material, signing: Signing | None = None
) -> Taken:
    """What this host is to have, and its peers believe.

    make_key: of its server key; signing: None where this host issues for itself.

    The authority's key is read only to issue. Raises RotationError, with ``reason="absent"`` when there is no
    authority, and SignatureNeeded.
    """
    at = steward.at
    state = steward.look(wish.clients, authority_keys=False)
    reason = _renewal_reason(_issuing(state, wish), wish.server, installed.server, state.trust, at)
    if reason and signing is None:
        state = steward.look(wish.clients)
    pair = _issuing(state, wish)
    authority = require_authority(state, pair, at)
    lists = _usable_lists(state, at)
    clients = {name: _client(state, name, at) for name in wish.clients}

    def taken(server: Identity | None, reason: RenewalReason | None = reason, warning: str = "") -> Taken:
        return Taken(state, Material(tuple(state.trusted), lists, server, clients), reason, warning)

    if wish.server is None or reason is None:
        return taken(installed.server if wish.server else None)
    if signing is None:
        if pair is None or pair.issuer is None:
            raise RotationError(f"{state.names.ca_key} has just been replaced. Run again.")
        server = _issued(pair.issuer, make_key(wish.server.profile.key), wish.server, at)
        _refuse_unbelieved(state, server, at)
        return taken(server)
    failure = f"The signer gave no certificate: {signing.answer.failure}" if signing.answer.failure else ""
    if signing.answer.certificate:
        try:
            return taken(signing.identity(wish.server.names, authority, state.trust, at))
        except RotationError as unusable:
            failure = unusable.message
    if failure:
        signing.require_good(installed.server, state.trust, at, failure)
        return taken(installed.server, None, failure)
    key = quick_key(wish.server.profile.key)
    stand_in = SigningAuthority(authority, key, pair.above if pair else ())
    raise SignatureNeeded(taken(_issued(stand_in, key, wish.server, at)))


def _issued(issuer: SigningAuthority, key: t.Any, wish: ServerWish, at: datetime.datetime) -> Identity:
    profile = wish.profile
    leaf = issue_server(issuer, key.public_key(), profile.subject, profile.validity, at, wish.names)
    return Identity(leaf, key)


def problems(material: Material, at: datetime.datetime, warn_before: datetime.timedelta) -> list[Problem]:
    """What is wrong with what a host has; warnings, too."""
    found = [] if material.authorities else [error("certificate_missing", "No authority is installed on this host.")]
    for authority in material.authorities:
        found += date_problems(authority, at, warn_before)
    leaves: list[tuple[Identity, Purpose]] = [(identity, "client") for identity in material.clients.values()]
    leaves += [(material.server, "server")] if material.server else []
    if material.crl is not None:
        # The others may be a successor, which has no clients yet.
        certificates = [identity.certificate for identity, _purpose in leaves]
        issuers = [each for each in material.authorities if any(is_issued_by(leaf, each) for leaf in certificates)]
        found += crl_problems(material.crl, issuers or material.authorities, at, warn_before)
    for identity, purpose in leaves:
        trust = PeerTrust(material.authorities, material.crl)
        found += leaf_problems(identity.certificate, identity.key, purpose, trust, at, warn_before, why_not_believed)
    return found


def missing(material: Material, wish: MemberWish) -> list[Problem]:
    """What a host would need, and does not have."""
    wanted = [f"the certificate of the client {name}" for name in wish.clients if name not in material.clients]
    if wish.server and not material.server:
        wanted.insert(0, "a server certificate")
    return [error("certificate_missing", f"This host does not have {what}.") for what in wanted]


def _issuing(state: State, wish: MemberWish) -> Pair | None:
    return (wish.successor and state.successor) or state.current


def _renewal_reason(
    pair: Pair | None, wish: ServerWish | None, installed: Identity | None, trust: PeerTrust, at: datetime.datetime
) -> RenewalReason | None:
    if wish is None or pair is None or pair.certificate is None:
        return None
    leaf, key = (installed.certificate, installed.key) if installed else (None, None)
    names = [str(name.value) for name in wish.names]
    if wish.tolerant and leaf:
        names += [name for name in leaf.subject_alternative_names if _OF_THE_HOST.fullmatch(name)]
    validity, renew_before = wish.profile.validity, wish.renew_before

    def is_refused() -> bool:
        return leaf is not None and refusal(leaf, key, "server", trust, at, why_not_believed) is not None

    return server_renewal_reason(
        leaf, key, pair.certificate, names, at, validity, renew_before, pair.above, is_refused=is_refused
    )


def _refuse_unbelieved(state: State, server: Identity, at: datetime.datetime) -> None:
    """Of a certificate that has just been issued. Raises RotationError."""
    reason = refusal(server.certificate, server.key, "server", state.trust, at, why_not_believed)
    if reason is not None:
        raise RotationError(
            f"Nothing is written: a client that trusts {state.names.ca_cert} would refuse '{server.certificate.name}',"
            f" which has just been issued for this host: {reason}. certops.rotation.shared_ca_info tells more about the"
            " authority; replace it, or ask for other names."
        )


def require_authority(state: State, pair: Pair | None, at: datetime.datetime) -> Certificate:
    """Raises RotationError."""
    where = state.names.ca_cert
    if pair is None:
        raise RotationError(
            f"There is no {where}: nobody has created the authority yet. Run certops.rotation.shared_ca first, where"
            " that is allowed to write.",
            reason="absent",
        )
    torn = state.torn()
    if torn:
        raise RotationError(f"{' '.join(torn)} certops.rotation.shared_ca tells what can be done.")
    if pair.certificate is None:
        raise RotationError(f"{where} holds no certificate.")
    authority = pair.certificate
    if authority.not_after < at:
        raise RotationError(
            f"The authority in {where} expired on {isoformat_utc(authority.not_after)}. Replace it with"
            " certops.rotation.shared_ca and renew_expired: true, then run this on all hosts."
        )
    _refuse(where, authority_problems(authority, pair.key, at, datetime.timedelta(0)))
    return authority


def _usable_lists(state: State, at: datetime.datetime) -> str | None:
    """As PEM, None where there are none. Raises RotationError: with such lists, servers would refuse all clients."""
    errors = [each for each in state.crl_problems(at, datetime.timedelta(0)) if each.severity == "error"]
    if errors:
        why = " ".join(problem.message for problem in errors)
        raise RotationError(
            f"{state.names.crl} cannot be used: {why} This host keeps the lists that it has. Run"
            " certops.rotation.shared_ca where the clock is right: it stores lists that can be used, or says what that"
            " takes."
        )
    return StoredCrl(state.crl.text).pem if state.crl else None


def _client(state: State, name: str, at: datetime.datetime) -> Identity:
    """Raises RotationError."""
    where, pair = state.names.client_cert(name), state.clients[name].pair
    if pair is None or pair.certificate is None or pair.key is None:
        raise RotationError(f"There is no {where}: add the client {name} with certops.rotation.shared_ca first.")
    if state.is_revoked(pair.certificate):
        raise RotationError(f"The certificate in {where} is revoked: no server accepts the client {name} any more.")
    found = leaf_problems(
        pair.certificate, pair.key, "client", state.trust, at, datetime.timedelta(0), why_not_believed
    )
    _refuse(where, found)
    return Identity(pair.certificate, pair.key)


def _refuse(where: str, found: t.Iterable[Problem]) -> None:
    errors = [problem.message for problem in found if problem.severity == "error"]
    if errors:
        raise RotationError(f"{where} cannot be used: {' '.join(errors)} certops.rotation.shared_ca renews it.")
