# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host has, or is to have, of a shared authority; as texts of files, and read from them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..ca.imported import path_to_root
from ..ca.keys import key_pem, read_key
from ..x509.certificate import Certificate, load_certificate
from ..x509.pem import CERTIFICATE, parse_pem
from ..x509.problems import MaterialError
from .file_names import CA, CRL, SERVER, SERVER_CERT, SERVER_KEY, client_cert, client_key


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key. above: of an authority that is no root, those that lead up to its root."""

    certificate: Certificate
    key: t.Any = field(repr=False, compare=False)
    above: tuple[Certificate, ...] = ()

    @property
    def path(self) -> tuple[Certificate, ...]:
        return (self.certificate, *self.above)


@dataclass(frozen=True)
class Material:
    """What a host has, or is to have. authorities: that it trusts, the one that issues first; crl: PEM."""

    authorities: tuple[Certificate, ...] = ()
    crl: str | None = None
    server: Identity | None = None
    clients: t.Mapping[str, Identity] = field(default_factory=dict)


def pem(certificate: Certificate) -> str:
    return certificate.pem.decode()


def contents(material: Material) -> dict[str, str]:
    """File name -> text, in the order in which they are to be replaced: trust first."""
    files = {CA: "".join(map(pem, material.authorities))}
    if material.crl is not None:
        files[CRL] = material.crl
    if material.server:
        certificate, key = pem(material.server.certificate), key_pem(material.server.key)
        # HAProxy's file is what the next run reads: it is replaced as one, and the other two follow it.
        files.update({SERVER: certificate + key, SERVER_CERT: certificate, SERVER_KEY: key})
    for name, client in material.clients.items():
        files.update({client_cert(name): pem(client.certificate), client_key(name): key_pem(client.key)})
    return files


def read_identity(text: str) -> Identity | None:
    """The one certificate and the one key in a text, None when that is not what it holds."""
    certificates = read_certificates(text)
    try:
        key = read_key(text)
    except MaterialError:
        return None
    return Identity(certificates[0], key) if len(certificates) == 1 else None


def read_authority(text: str) -> Identity | None:
    """An authority, those above it, the root last, and its key; None when that is not what a text holds."""
    certificates = read_certificates(text)
    try:
        key = read_key(text)
        way = path_to_root(certificates[0], certificates[1:]) if len(certificates) > 1 else ()
    except MaterialError:
        return None
    return Identity(certificates[0], key, way) if certificates and way == certificates[1:] else None


def read_certificates(text: str) -> tuple[Certificate, ...]:
    """Those in a text, () when it cannot be read."""
    try:
        return tuple(load_certificate(block.der) for block in parse_pem(text) if block.label == CERTIFICATE)
    except MaterialError:
        return ()
