# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shared authority and its clients as they are wanted: created, retrieved, renewed, replaced."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass
from types import MappingProxyType

from ..._core.ca.imported import (
    import_problems,
    is_newer_form,
    is_same_authority,
    refuse_lists,
    signing_authority,
)
from ..._core.ca.issue import SigningAuthority
from ..._core.ca.profiles import Profile
from ..._core.ca.trial import PeerVerdict, require_belief, strict_refusal
from ..._core.instants import isoformat_utc
from ..._core.renewal import renewal_due
from ..._core.shared_ca.state import Client, State
from ..._core.x509.document import parse_secret
from ..._core.x509.opener import Opener
from ..._core.x509.problems import MaterialError
from ..._errors import RotationError
from ..._ports.openssl.peers import why_not_believed
from .rotation import AuthorityRotation
from .steward import ClientWish, Steward, Write

if t.TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True)
class Wish:
    """authority: of what is generated; imported: an authority to be stored instead of a new one.

    force: replace the authority and all clients at once; renew_expired: do that to an authority that has expired;
    renew_ending: also to one that nears its end (see renewal_notice), or is not valid yet, which is for where nobody
    else trusts it.
    """

    authority: Profile
    clients: tuple[ClientWish, ...]
    imported: SigningAuthority | None = None
    force: bool = False
    renew_expired: bool = False
    renew_ending: bool = False


def bring_about(
    steward: Steward,
    wish: Wish,
    state: State,
    known_clients: t.Iterable[str] = (),
    verdict: PeerVerdict = why_not_believed,
) -> State:
    """Bring what is stored to what is wanted.

    state: what the steward has just found for the clients of the wish; known_clients: others that are stored, who
    follow a replaced authority.

    Raises RotationError where it would have to guess: an expired authority, a certificate without its key, another
    authority than the one to import; and before anything is written for an authority that peers would not believe.
    """
    clients = [client.name for client in wish.clients]
    every = tuple(dict.fromkeys([*clients, *known_clients]))
    is_replaced = _is_to_be_replaced(state, wish, steward.at)
    followers = steward.look(every).clients if is_replaced else {}
    if wish.imported and not _is_stored(state, wish.imported):
        _refuse_lists_of_import(state, wish, wish.imported)
        refuse_unusable_import(wish, wish.imported, steward.at, verdict, followers)
    if is_replaced:
        wishes = {client.name: client for client in wish.clients}
        rotation = AuthorityRotation(steward, [wishes.get(name) or ClientWish(name) for name in every], at_once=True)
        if state.phase == "settled":
            rotation.publish(wish.authority, wish.imported)
        if state.phase != "promoted":
            rotation.promote()
        state = rotation.finish()
        if wish.imported and not _is_stored(state, wish.imported):  # what had begun with another successor is over
            rotation.publish(wish.authority, wish.imported)
            rotation.promote()
            rotation.finish()
        state = steward.look(clients)
    return steward.settle(clients, lambda seen: _steps(steward, wish, seen), state)


def _is_to_be_replaced(state: State, wish: Wish, at: datetime.datetime) -> bool:
    if state.current is None:
        return False
    current = state.current.certificate
    if wish.imported and current and is_same_authority(wish.imported.certificate, current):
        return wish.force and state.phase == "promoted"  # a run before has been killed
    expired = current is not None and current.not_after < at
    # A clock that was fast has made one that is not valid yet.
    ending = current is not None and (current.not_before > at or renewal_due(current.not_before, current.not_after, at))
    return wish.force or (wish.renew_expired and expired) or (wish.renew_ending and ending)


def _is_stored(state: State, imported: SigningAuthority) -> bool:
    """Also where its certificate is newer there."""
    if state.current is None or not state.current.path:
        return False
    stored = state.current.path
    return is_same_authority(imported.certificate, stored[0]) and not is_newer_form(imported, stored)


def _refuse_lists_of_import(state: State, wish: Wish, imported: SigningAuthority) -> None:
    """Raises RotationError where there are, or would be, revocation lists that it cannot have."""
    if not state.crl and not any(client.revoked for client in wish.clients):
        return
    try:
        refuse_lists([imported])
    except RotationError as error:
        stored = f" Lists are stored in {state.names.crl}: use another prefix." if state.crl else ""
        raise RotationError(f"The authority to import cannot be used: {error.message}{stored}") from None


def _steps(steward: Steward, wish: Wish, state: State) -> t.Iterator[Write]:
    yield from steward.authority_steps(state, wish.authority, wish.imported)
    if state.current is None or state.current.certificate is None:
        _refuse_torn(state)
        return
    _refuse_torn(state)
    authority = state.current.certificate
    if wish.imported and not is_same_authority(wish.imported.certificate, authority):
        raise RotationError(
            f"{state.names.ca_cert} holds another authority ({authority.fingerprint_sha256}) than the one to import."
            " Use another prefix; force: true replaces it at once, and cuts off all who trust it alone."
        )
    if authority.not_after < steward.at:
        raise RotationError(
            f"The authority in {state.names.ca_cert} expired on {isoformat_utc(authority.not_after)}, and nothing that"
            " it has issued is accepted any more. renew_expired: true replaces it and all its clients' certificates;"
            " every server needs a new certificate then, and every client the new trust bundle."
        )
    if authority.not_before > steward.at:
        raise RotationError(
            f"The authority in {state.names.ca_cert} is valid from {isoformat_utc(authority.not_before)} on: check this"
            " host's clock. If it is right, that of whoever made the authority was wrong, and nobody can use it before:"
            " wait, or replace it and all its clients' certificates with force: true."
        )
    revoked = [client.name for client in wish.clients if client.revoked]
    if revoked:  # first of all, and where nobody can read the lists it is what mends them
        yield from steward.crl_steps(state, revoked, refresh=False)
    for client in wish.clients:
        yield from steward.client_steps(state, client)
        if steward.changed:
            yield from steward.tidy_client_steps(state.clients[client.name])
    yield from steward.crl_steps(state, revoked, refresh=steward.changed)


def _refuse_torn(state: State) -> None:
    torn = state.torn()
    if torn:
        raise RotationError(
            f"{' '.join(torn)} Nothing was generated, for that would cut off all who trust what is stored. Restore what"
            " is missing, or replace the authority and all clients at once with force: true."
        )


def import_warning(wish: Wish, state: State, at: datetime.datetime, verdict: PeerVerdict = why_not_believed) -> str:
    """Of an authority that was not stored in this state: who does not believe it; "" where all do."""
    if wish.imported is None or _is_stored(state, wish.imported):
        return ""
    why = strict_refusal(wish.imported, wish.authority.subject, at, verdict)
    if why is None:
        return ""
    name = wish.imported.certificate.name
    return (
        f"Peers that ask for all of RFC 5280, such as Python from 3.13 on, refuse what '{name}' issues ({why}); HAProxy"
        " and others who use OpenSSL as it is believe it."
    )


def _subjects(wish: Wish, followers: t.Mapping[str, Client]) -> dict[str, x509.Name]:
    """Of the clients that the authority is to issue for."""
    stored = {name: client.pair.certificate for name, client in followers.items() if client.pair}
    subjects = {name: leaf.subject_name for name, leaf in stored.items() if leaf and leaf.subject_name}
    subjects.update({client.name: client.profile.subject for client in wish.clients if client.profile})
    for client in wish.clients:
        if client.revoked:
            subjects.pop(client.name, None)
    return subjects


def authority_to_import(content: str | bytes, opener: Opener) -> SigningAuthority:
    """content: as a secret may hold it. Raises MaterialError when it cannot be read, or is not one authority."""
    try:
        material = parse_secret(content, opener)
        return signing_authority((*material.certificates, *material.roots), material.private_key)
    except MaterialError as error:
        raise MaterialError(error.problem.code, f"import_from: {error.message}") from None


def refuse_unusable_import(
    wish: Wish,
    imported: SigningAuthority,
    at: datetime.datetime,
    verdict: PeerVerdict = why_not_believed,
    followers: t.Mapping[str, Client] = MappingProxyType({}),
) -> None:
    """followers: stored clients that it is to issue for, beside those of the wish. Raises RotationError."""
    subjects = _subjects(wish, followers)
    problems = import_problems(imported, at, has_clients=bool(subjects))
    if problems:
        why = " ".join(problem.message for problem in problems)
        raise RotationError(f"The authority to import cannot be used: {why}")
    require_belief(imported, subjects, wish.authority.subject, at, verdict)
