# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host has taken from a shared authority, as files of one directory. See Material and file_names.py."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from dataclasses import dataclass, field

from ..._core.ca.keys import key_pem, read_key
from ..._core.shared_ca.file_names import CA, CLIENT_FILE, CRL, SERVER, WAITING_KEY, client_cert, client_key
from ..._core.shared_ca.material import Material, contents, read_certificates, read_identity
from ..._core.shared_ca.origin import Origin
from ..._core.x509.problems import MaterialError
from .atomic import FileAttributes, store_errors
from .directory import STATE_DIRECTORY, CertificateDirectory
from .places import Place, open_place

_ORIGIN = "shared-ca.json"


@dataclass(frozen=True)
class Installed:
    """broken: there is a file of a server certificate, which cannot be read; waiting: key without a certificate yet."""

    material: Material
    broken: bool = False
    waiting: t.Any = field(default=None, repr=False)


class MemberDirectory:
    """Of a directory in which nobody else may write. Raises StoreError.

    store: of the same directory, which is locked meanwhile.
    """

    def __init__(self, store: CertificateDirectory) -> None:
        self.path = store.path
        self.origin_file = os.path.join(self.path, STATE_DIRECTORY, _ORIGIN)
        self._store = store

    def read(self, clients: t.Iterable[str]) -> Installed:
        """What is there of it, and can be read."""
        with member_place(self.path) as place:
            texts = {name: read_text(place, name) for name in (CA, CRL, SERVER, WAITING_KEY)}
            pairs = {
                name: (read_text(place, client_cert(name)) or "") + (read_text(place, client_key(name)) or "")
                for name in clients
            }
        identities = {name: read_identity(text) for name, text in pairs.items()}
        server = read_identity(texts[SERVER] or "")
        material = Material(
            authorities=read_certificates(texts[CA] or ""),
            crl=texts[CRL],
            server=server,
            clients={name: identity for name, identity in identities.items() if identity},
        )
        broken = texts[SERVER] is not None and server is None
        return Installed(material, broken, _key_in(texts[WAITING_KEY]))

    def others(
        self, clients: t.Collection[str], except_paths: t.Collection[str] = ()
    ) -> dict[str, dict[str, str | None]]:
        """Files named like those of other clients than these: client -> file name -> text, None for what is no file."""
        found: dict[str, dict[str, str | None]] = {}
        with member_place(self.path) as place:
            for name in sorted(place.names()) if place else ():
                match = CLIENT_FILE.fullmatch(name)
                if match and match["name"] not in clients and self.file(name) not in except_paths:
                    found.setdefault(match["name"], {})[name] = text_of_file(place, name)
        return found

    def origin(self) -> Origin | None:
        """None where nothing is remembered, or it cannot be read."""
        try:
            data = self._store.read_own_file(_ORIGIN)
            return None if data is None else Origin.from_json(data)
        except ValueError:
            return None

    def remember(self, origin: Origin) -> None:
        if self.origin() != origin:
            self._store.write_own_file(_ORIGIN, origin.to_json())

    def changes(self, material: Material, attributes: FileAttributes) -> list[str]:
        """Names of the files that are not yet as they are to be."""
        files = contents(material)
        with member_place(self.path) as place:
            stale = [name for name, text in files.items() if is_stale(place, name, text, attributes)]
            if CRL not in files and place and place.look(CRL):
                stale.append(CRL)  # HAProxy refuses every client whose authority has no list in it
        return stale

    def write(self, names: t.Collection[str], material: Material, attributes: FileAttributes) -> None:
        files = contents(material)
        with store_errors(f"write the certificates of {self.path}"), open_place(self.path, private=True) as place:
            for name in names:
                if name in files:
                    place.write(name, files[name].encode(), attributes, own=True)
                else:
                    place.unlink(name)
            if names:
                place.sync()

    def write_waiting(self, key: t.Any) -> None:
        with store_errors(f"write a key into {self.path}"), open_place(self.path, private=True) as place:
            place.write(WAITING_KEY, key_pem(key).encode(), FileAttributes(0o600), own=True)
            place.sync()

    def forget_waiting(self) -> None:
        with member_place(self.path) as place:
            if place and place.look(WAITING_KEY):
                place.unlink(WAITING_KEY)

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)


def _key_in(text: str | None) -> t.Any:
    """None where there is none that can be read: another one is made then."""
    try:
        return read_key(text) if text else None
    except MaterialError:
        return None


@contextlib.contextmanager
def member_place(path: str) -> t.Iterator[Place | None]:
    """A directory in which nobody else may write; None where there is none. Turns any OSError into a StoreError."""
    with store_errors(f"look into {path}"), contextlib.ExitStack() as stack:
        place = None
        with contextlib.suppress(FileNotFoundError):
            place = stack.enter_context(open_place(path, private=True))
        yield place


def read_text(place: Place | None, name: str) -> str | None:
    """None where there is no such file. Raises OSError."""
    data = place.read(name) if place else None
    return None if data is None else data.decode("utf-8", "replace")


def text_of_file(place: Place | None, name: str) -> str | None:
    """None for anything but a file that can be read."""
    with contextlib.suppress(OSError):
        status = place.look(name) if place else None
        return read_text(place, name) if status and stat.S_ISREG(status.st_mode) else None
    return None


def is_stale(place: Place | None, name: str, text: str, attributes: FileAttributes) -> bool:
    """Whether a file is missing, holds something else, or has another owner or mode. Raises OSError."""
    status = place.look(name) if place else None
    if place is None or status is None or not stat.S_ISREG(status.st_mode):
        return True
    return place.read(name) != text.encode() or not attributes.match(status)
