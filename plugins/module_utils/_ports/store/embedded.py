# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an authority of one host alone."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..._core.ca.judge import is_issued_by
from ..._core.ca.keys import key_pem
from ..._core.shared_ca.material import Identity, pem, read_authority, read_identity
from ..._errors import RotationError
from .atomic import FileAttributes, store_errors
from .places import Place, open_place
from .shared_ca import member_place, read_text, text_of_file
from .trust import refuse

DIRECTORY = "embedded"
_AUTHORITY = "ca.pem"
_CLIENT = re.compile(r"client-.+\.pem")
_PRIVATE = FileAttributes(0o600)


class EmbeddedAuthority:
    """Pairs of certificate and key in one file each, so that none is ever torn. Raises StoreError.

    The authority's file can be given to shared_ca as import_from, and what shared_ca_info exports can be put there.
    path: of the directory that has the authority's own below it.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.join(os.path.abspath(path), DIRECTORY)

    def authority(self) -> Identity | None:
        """None where there is none, or it cannot be read."""
        with self._opened() as place:
            return read_authority(read_text(place, _AUTHORITY) or "")

    def read(self, clients: t.Collection[str]) -> tuple[Identity | None, dict[str, Identity]]:
        """The authority and the clients that there are. Raises RotationError for a file that holds something else."""
        with self._opened() as place:
            texts = {name: read_text(place, name) for name in (_AUTHORITY, *map(_client, clients))}
        found = {name: self._pair(_client(name), texts[_client(name)]) for name in clients}
        authority = self._pair(_AUTHORITY, texts[_AUTHORITY])
        return authority, {name: identity for name, identity in found.items() if identity}

    def others(self, clients: t.Collection[str]) -> list[str]:
        """Files of clients that are not these, which the authority has issued. As paths below the one above."""
        authority = self.authority()
        with self._opened() as place:
            names = [name for name in sorted(place.names()) if _CLIENT.fullmatch(name)] if place and authority else []
            listed = set(map(_client, clients))
            found = {name: read_identity(text_of_file(place, name) or "") for name in names if name not in listed}
        return [
            os.path.join(DIRECTORY, name)
            for name, identity in found.items()
            if identity and authority and is_issued_by(identity.certificate, authority.certificate)
        ]

    def forget(self, paths: t.Iterable[str]) -> None:
        """Remove files that others() has found."""
        with store_errors(f"remove clients of this host's own authority from {self._path}"), self._opened() as place:
            for path in paths:
                if place:
                    place.unlink(os.path.basename(path))

    def write(self, authority: Identity | None, clients: t.Mapping[str, Identity]) -> None:
        """What differs from the files, the authority first."""
        files = {_AUTHORITY: authority} if authority else {}
        files.update({_client(name): identity for name, identity in clients.items()})
        with contextlib.ExitStack() as stack:
            stack.enter_context(store_errors(f"write the authority of this host in {self._path}"))
            above = stack.enter_context(open_place(os.path.dirname(self._path), private=True))
            place = stack.enter_context(above.make_directory(DIRECTORY)[0])
            if not place.is_closed():
                refuse(self._path, place.status())
            for name, identity in files.items():
                text = "".join(map(pem, identity.path)) + key_pem(identity.key)
                if read_text(place, name) != text:
                    place.write(name, text.encode(), _PRIVATE, own=True)
            place.sync()

    def _pair(self, name: str, text: str | None) -> Identity | None:
        """None where there is no such file. Raises RotationError."""
        identity = read_authority(text or "") if name == _AUTHORITY else read_identity(text or "")
        if text is not None and identity is None:
            path = os.path.join(self._path, name)
            way = ", with those from it to its root," if name == _AUTHORITY else ""
            raise RotationError(f"{path} does not hold one certificate{way} and its key. Mend it, or move it away.")
        return identity

    @contextlib.contextmanager
    def _opened(self) -> t.Iterator[Place | None]:
        """None where there is none."""
        with member_place(os.path.dirname(self._path)) as above, contextlib.ExitStack() as stack:
            place = None
            with contextlib.suppress(FileNotFoundError):
                place = stack.enter_context(above.directory(DIRECTORY)) if above else None
            yield place


def _client(name: str) -> str:
    return f"client-{name}.pem"
