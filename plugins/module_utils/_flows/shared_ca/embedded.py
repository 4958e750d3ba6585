# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An authority of one host alone, in files: for where there is no Secrets Manager, or not now."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.ca.issue import SigningAuthority
from ..._core.ca.keys import key_pem
from ..._core.ca.profiles import KeySpec, Profile, Subject, days
from ..._core.shared_ca.material import Identity, pem
from ..._core.shared_ca.state import Names, State
from ..._ports.store.embedded import DIRECTORY, EmbeddedAuthority
from .overlay import Overlay
from .present import Wish, bring_about
from .steward import ClientWish, Steward

NAMES = Names(DIRECTORY)


def stored(embedded: EmbeddedAuthority, clients: t.Collection[str]) -> Overlay:
    """A store in memory that holds what the files do. Raises RotationError for a file that cannot be read."""
    store = Overlay()
    authority, found = embedded.read(clients)
    secrets = [(NAMES.ca_cert, NAMES.ca_key, authority)] if authority else []
    secrets += [(NAMES.client_cert(name), NAMES.client_key(name), identity) for name, identity in found.items()]
    for certificate_name, key_name, identity in secrets:
        store.create(key_name, key_pem(identity.key))
        store.create(certificate_name, "".join(map(pem, identity.path)))
    return store


def save(embedded: EmbeddedAuthority, state: State) -> None:
    """Write the pairs of the state into the files. Raises StoreError."""
    issuers = {client.name: client.pair.issuer for client in state.clients.values() if client.pair}
    embedded.write(
        _identity(state.current.issuer if state.current else None),
        {name: identity for name, issuer in issuers.items() if (identity := _identity(issuer))},
    )


def _identity(issuer: SigningAuthority | None) -> Identity | None:
    return Identity(issuer.certificate, issuer.key, issuer.above) if issuer else None


def bring_about_embedded(steward: Steward, clients: t.Iterable[str], subject: Subject, kind: t.Any) -> State:
    """Create or renew it. An authority that nears its end, or is not valid yet, is replaced: nobody else depends on it.

    subject: of the server; kind: of keys. Raises RotationError.
    """
    named = dataclasses.replace(subject, organizational_unit="CA", common_name=f"{subject.organization or 'Host'}-CA")
    authority = Profile(named.name(), KeySpec(kind, 4096 if kind == "rsa" else 256), days(1095))
    wishes = []
    for name in clients:
        own = dataclasses.replace(subject, organizational_unit=name, common_name=f"{name}-client")
        spec = KeySpec(kind, 2048 if kind == "rsa" else 256)
        wishes.append(ClientWish(name, Profile(own.name(), spec, days(365))))
    wish = Wish(authority, tuple(wishes), renew_ending=True)
    return bring_about(steward, wish, steward.look([each.name for each in wishes]))
