# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the files of a directory come from: of which authority they are, and which clients' keys were written there.

So a directory is not given to two authorities in turn, and the files of a client that is listed no more are told from
those of somebody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import typing as t
from dataclasses import dataclass, field

try:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:  # the module boundary says so
    pass

from ..ca.judge import is_issued_by
from ..ca.keys import read_key
from ..x509.certificate import Certificate
from ..x509.problems import MaterialError
from ..x509.verify import key_pair_problems
from .material import Identity, Material, read_certificates, read_identity


@dataclass(frozen=True)
class Origin:
    """authority: the ARN of its certificate, without the random end, "" for one of the host's own or an unknown one.

    clients: by name the public keys of those whose files are there, as SHA-256 of the SubjectPublicKeyInfo.
    """

    authority: str = ""
    clients: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        clients = {name: list(keys) for name, keys in sorted(self.clients.items())}
        return json.dumps({"authority": self.authority, "clients": clients}, indent=1).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Origin:
        """Raises ValueError."""
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        authority, clients = found.get("authority"), found.get("clients")
        if not isinstance(authority, str) or not isinstance(clients, dict):
            raise ValueError("it names no authority")
        if not all(isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in clients.values()):
            raise ValueError("it names no keys")
        return cls(authority, {name: tuple(keys) for name, keys in clients.items()})

    def may_become(self, authority: str, installed: t.Iterable[Certificate], trusted: t.Iterable[Certificate]) -> bool:
        """Whether the directory may be given to the authority with this ARN, which trusts these.

        Another ARN may be the same authority: a replica of it, or one that was imported below another prefix.
        """
        return self.authority in ("", authority) or not set(installed).isdisjoint(trusted)

    def while_written(self, material: Material) -> Origin:
        """Before files are replaced: they may hold the keys before, or those of the material."""
        after = origin_of(self.authority, material).clients
        names = sorted({*self.clients, *after})
        return Origin(
            self.authority,
            {name: tuple(sorted({*self.clients.get(name, ()), *after.get(name, ())})) for name in names},
        )


def origin_of(authority: str, material: Material) -> Origin:
    """Once the material is in the files."""
    clients = {name: (_digest(identity.key.public_key()),) for name, identity in material.clients.items()}
    return Origin(authority, clients)


class Leftovers(t.NamedTuple):
    """Of clients that are listed no more. gone: names of their files; foreign: of those that have the name of such a
    file, and hold something else, so they stay; clients: that can be read."""

    gone: t.Sequence[str]
    foreign: t.Sequence[str]
    clients: t.Mapping[str, Identity]


def leftovers(
    others: t.Mapping[str, t.Mapping[str, str | None]],
    origin: Origin | None,
    authorities: t.Collection[Certificate],
) -> Leftovers:
    """others: client that is not listed -> name of a file -> text, None for what is no file; origin: None where nothing
    is remembered, as by earlier versions.

    Those are removed that hold a key that was written here. Where nothing is remembered, pairs that one of the
    authorities has issued.
    """
    gone: list[str] = []
    foreign: list[str] = []
    clients: dict[str, Identity] = {}
    for name, found in others.items():
        identity = read_identity("".join(text or "" for text in found.values()))
        is_issued = origin is None and identity is not None and _is_of(identity, authorities)
        written = origin.clients.get(name, ()) if origin else ()
        for file, text in found.items():
            if is_issued or (text is not None and not _keys_in(text).isdisjoint(written)):
                gone.append(file)
            elif written:
                foreign.append(file)
        if identity and set(found) <= set(gone):
            clients[name] = identity
    return Leftovers(gone, foreign, clients)


def _is_of(identity: Identity, authorities: t.Iterable[Certificate]) -> bool:
    is_pair = not key_pair_problems(identity.certificate, identity.key)
    return is_pair and any(is_issued_by(identity.certificate, each) for each in authorities)


def _keys_in(text: str) -> set[str]:
    """The public keys of what is in a text: of certificates, and of a private key."""
    keys = [each.public_key for each in read_certificates(text) if each.public_key is not None]
    with contextlib.suppress(MaterialError):
        keys.append(read_key(text).public_key())
    return set(map(_digest, keys))


def _digest(public_key: t.Any) -> str:
    der: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
