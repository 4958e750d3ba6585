# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that are renewed in many ways, and those that somebody else has put beside them."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import random
import typing as t

from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from .clients import Chain, chain_of

PREFIX = "web/"
NAMES = (
    "a.example.com",
    "b.example.com",
    "www.example.com",
    "example.com",
    "*.example.com",
    "in.sub.example.com",
    "*.sub.example.com",
    "shop.example.org",
    "*.example.org",
)


def chain_in(pem: str) -> Chain:
    """The chain of a file for HAProxy."""
    found = x509.load_pem_x509_certificates(pem.encode())
    return chain_of(certificate.public_bytes(serialization.Encoding.DER) for certificate in found)


class Authorities:
    """A root, and intermediates below it that are issued again under their keys and names."""

    def __init__(self) -> None:
        self._root = pki.CertificateAuthority("Soak Root")
        self._keys = [pki.new_key() for _number in range(2)]
        self.current = [self.issued_again(number) for number in range(2)]

    def issued_again(self, number: int) -> pki.CertificateAuthority:
        return pki.CertificateAuthority(f"Soak Intermediate {number}", key=self._keys[number], parent=self._root)


@functools.cache
def authorities() -> Authorities:
    return Authorities()


@functools.cache
def _rsa_key(number: int) -> t.Any:
    return pki.new_key("rsa2048")


def foreign_pem(draw: random.Random, names: t.Sequence[str], *, expired: bool) -> str:
    key = _rsa_key(draw.randrange(6)) if draw.random() < 0.5 else pki.new_key()
    end = pki.now() - datetime.timedelta(days=3) if expired else None
    return authorities().current[0].issue(list(names), key=key, not_after=end).combined_pem


@dataclasses.dataclass
class Managed:
    """A certificate that the collection looks after. key: the number of its secret."""

    key: str
    names: tuple[str, ...]
    key_type: pki.KeyType
    issuer: int
    common_name: str | None = None
    version: int = 0
    issued: pki.IssuedCertificate | None = None

    @property
    def secret(self) -> str:
        return PREFIX + self.key

    @property
    def all_names(self) -> tuple[str, ...]:
        return (*self.names, *([self.common_name] if self.common_name else []))

    @property
    def file(self) -> str:
        return f"web_{self.key}.pem"

    def renew(self, draw: random.Random) -> None:
        key = _rsa_key(draw.randrange(6)) if self.key_type == "rsa2048" else pki.new_key(self.key_type)
        self.issued = authorities().current[self.issuer].issue(list(self.names), key=key, common_name=self.common_name)
        self.version += 1

    def take_new_chain(self) -> None:
        """The intermediate was issued again under its key and name; the leaf is the same."""
        assert self.issued is not None
        self.issued = self.issued.replace(chain_pem=authorities().issued_again(self.issuer).chain_pem)
        self.version += 1
