# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shared authority and its clients as they are wanted: created, retrieved, renewed, replaced."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ..._core.ca.issue import SigningAuthority
from ..._core.ca.judge import authority_problems
from ..._core.ca.profiles import Profile
from ..._core.instants import isoformat_utc
from ..._core.renewal import renewal_due
from ..._core.shared_ca.state import State
from ..._core.x509.document import Opener, parse_secret
from ..._errors import RotationError
from .rotation import AuthorityRotation
from .steward import ClientWish, Steward, Write


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


def bring_about(steward: Steward, wish: Wish, state: State, known_clients: t.Iterable[str] = ()) -> State:
    """Bring what is stored to what is wanted.

    state: what the steward has just found for the clients of the wish; known_clients: others that are stored, who
    follow a replaced authority.

    Raises RotationError where it would have to guess: an expired authority, a certificate without its key, another
    authority than the one to import.
    """
    clients = [client.name for client in wish.clients]
    if wish.imported:
        refuse_unusable_import(wish.imported, steward.at)
    if _is_to_be_replaced(state, wish, steward.at):
        every = tuple(dict.fromkeys([*clients, *known_clients]))
        wishes = {client.name: client for client in wish.clients}
        rotation = AuthorityRotation(steward, [wishes.get(name) or ClientWish(name) for name in every])
        if state.phase == "settled":
            rotation.publish(wish.authority, wish.imported)
        if state.phase != "promoted":
            rotation.promote()
        rotation.finish()
        state = steward.look(clients)
    return steward.settle(clients, lambda seen: _steps(steward, wish, seen), state)


def _is_to_be_replaced(state: State, wish: Wish, at: datetime.datetime) -> bool:
    if state.current is None:
        return False
    current = state.current.certificate
    if wish.imported and current == wish.imported.certificate:
        return False
    expired = current is not None and current.not_after < at
    # A clock that was fast has made one that is not valid yet.
    ending = current is not None and (current.not_before > at or renewal_due(current.not_before, current.not_after, at))
    return wish.force or (wish.renew_expired and expired) or (wish.renew_ending and ending)


def _steps(steward: Steward, wish: Wish, state: State) -> t.Iterator[Write]:
    yield from steward.authority_steps(state, wish.authority, wish.imported)
    if state.current is None or state.current.certificate is None:
        _refuse_torn(state)
        return
    _refuse_torn(state)
    authority = state.current.certificate
    if wish.imported and authority != wish.imported.certificate:
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


def authority_to_import(content: str | bytes, opener: Opener) -> SigningAuthority:
    """content: as a secret may hold it. Raises MaterialError when it cannot be read, and RotationError."""
    material = parse_secret(content, opener)
    if len(material.certificates) != 1:
        raise RotationError(f"import_from: there are {len(material.certificates)} certificates: give one authority.")
    return SigningAuthority(material.certificates[0], material.private_key)


def refuse_unusable_import(imported: SigningAuthority, at: datetime.datetime) -> None:
    """Raises RotationError."""
    problems = authority_problems(imported.certificate, imported.key, at, datetime.timedelta(0))
    if problems:
        why = " ".join(problem.message for problem in problems)
        raise RotationError(f"The authority to import cannot be used: {why}")
