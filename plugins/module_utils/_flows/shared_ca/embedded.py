# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An authority of one host alone, in files: for where there is no Secrets Manager, or not now."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from ..._core.ca.keys import key_pem
from ..._core.ca.profiles import KeySpec, Profile, Subject, days
from ..._core.shared_ca.state import Names, State
from ..._errors import RotationError
from ..._ports.store.atomic import FileAttributes, store_errors
from ..._ports.store.places import Place, open_place
from ..._ports.store.shared_ca import member_place, pem, read_identity, read_text
from ..._ports.store.trust import refuse
from .member import Identity
from .overlay import Overlay
from .present import Wish, bring_about
from .steward import ClientWish, Steward

DIRECTORY = "embedded"
NAMES = Names(DIRECTORY)
_PRIVATE = FileAttributes(0o600)


class EmbeddedAuthority:
    """Pairs of certificate and key in one file each, so that none is ever torn. Raises StoreError.

    The authority's file can be given to shared_ca as import_from, and what shared_ca_info exports can be put there.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.join(os.path.abspath(path), DIRECTORY)

    @property
    def authority_file(self) -> str:
        return os.path.join(self._path, "ca.pem")

    def authority(self) -> Identity | None:
        """None where there is none, or it cannot be read."""
        with self._opened() as place:
            return read_identity(read_text(place, os.path.basename(self.authority_file)) or "")

    def store(self, clients: t.Iterable[str]) -> Overlay:
        """A store in memory that holds what the files do. Raises RotationError for a file that cannot be read."""
        store = Overlay()
        pairs = {self.authority_file: (NAMES.ca_cert, NAMES.ca_key)}
        pairs.update({self._file(name): (NAMES.client_cert(name), NAMES.client_key(name)) for name in clients})
        with self._opened() as place:
            texts = {path: read_text(place, os.path.basename(path)) for path in pairs}
        for path, (certificate_name, key_name) in pairs.items():
            text = texts[path]
            identity = read_identity(text or "")
            if text is not None and identity is None:
                raise RotationError(f"{path} does not hold one certificate and its key. Mend it, or move it away.")
            if identity:
                store.create(key_name, key_pem(identity.key))
                store.create(certificate_name, pem(identity.certificate))
        return store

    def save(self, state: State) -> None:
        """Write what differs from the files, the authority first."""
        pairs = {self.authority_file: state.current}
        pairs.update({self._file(client.name): client.pair for client in state.clients.values()})
        with contextlib.ExitStack() as stack:
            stack.enter_context(store_errors(f"write the authority of this host in {self._path}"))
            above = stack.enter_context(open_place(os.path.dirname(self._path), private=True))
            place = stack.enter_context(above.make_directory(DIRECTORY)[0])
            if not place.is_closed():
                refuse(self._path, place.status())
            for path, pair in pairs.items():
                issuer = pair.issuer if pair else None
                if issuer:
                    name, text = os.path.basename(path), pem(issuer.certificate) + key_pem(issuer.key)
                    if read_text(place, name) != text:
                        place.write(name, text.encode(), _PRIVATE)
            place.sync()

    @contextlib.contextmanager
    def _opened(self) -> t.Iterator[Place | None]:
        """None where there is none."""
        with member_place(os.path.dirname(self._path)) as above, contextlib.ExitStack() as stack:
            place = None
            with contextlib.suppress(FileNotFoundError):
                place = stack.enter_context(above.directory(DIRECTORY)) if above else None
            yield place

    def _file(self, client: str) -> str:
        return os.path.join(self._path, f"client-{client}.pem")


def bring_about_embedded(steward: Steward, clients: t.Iterable[str], subject: Subject, kind: t.Any) -> State:
    """Create or renew it. An authority that has expired is replaced: nobody else depends on it.

    subject: of the server; kind: of keys. Raises RotationError.
    """
    named = dataclasses.replace(subject, organizational_unit="CA", common_name=f"{subject.organization or 'Host'}-CA")
    authority = Profile(named.name(), KeySpec(kind, 4096 if kind == "rsa" else 256), days(1095))
    wishes = []
    for name in clients:
        own = dataclasses.replace(subject, organizational_unit=name, common_name=f"{name}-client")
        spec = KeySpec(kind, 2048 if kind == "rsa" else 256)
        wishes.append(ClientWish(name, Profile(own.name(), spec, days(365))))
    wish = Wish(authority, tuple(wishes), renew_expired=True)
    return bring_about(steward, wish, steward.look([each.name for each in wishes]))
