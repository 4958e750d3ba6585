# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles, wanted certificates and journal entries for the tests of decisions about issuing."""

from __future__ import annotations

import datetime
import functools
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.acme.csr import compact_key
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import Zone
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.journal import JournalEntry, PlacedValue
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import (
    HeldCertificate,
    Issuer,
    WantedCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import load_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import parse_pem

from . import pki

NOW = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.timezone.utc)
ONE = Issuer("https://one.example/directory", "acme/one")
TWO = Issuer("https://two.example/directory", "acme/two")
STAGING = "https://staging.one.example/directory"
ACCOUNT = "https://one.example/acct/1"


def days(number: float) -> datetime.timedelta:
    return datetime.timedelta(days=number)


@functools.cache
def authority() -> pki.CertificateAuthority:
    return pki.CertificateAuthority("Test Issuer")


def bundle(
    *names: str, lifetime: float = 90, left: float = 60, key_type: pki.KeyType = "ec", key: t.Any = None
) -> CertificateBundle:
    """lifetime, left: days, the latter from NOW."""
    end = NOW + days(left)
    issued = authority().issue(
        names or ("a.example.com",), key=key or pki.shared_key(key_type), not_before=end - days(lifetime), not_after=end
    )
    return CertificateBundle(
        load_certificate(parse_pem(issued.certificate_pem.encode())[0].der), (), issued.private_key_pem.encode()
    )


def held(issued: CertificateBundle | None, directory: str | None = ONE.directory, **more: t.Any) -> HeldCertificate:
    return HeldCertificate(issued, directory=directory, **more)


def wanted(*identifiers: str, name: str = "a", **more: t.Any) -> WantedCertificate:
    return WantedCertificate(name, identifiers or ("a.example.com",), **more)


def placed(name: str = "_acme-challenge.a.example.com", value: str = "x" * 43) -> PlacedValue:
    return PlacedValue(name, Zone("example.com", "/hostedzone/Z1"), 0, value)


def entry(name: str = "a", *identifiers: str, key: t.Any = None, **more: t.Any) -> JournalEntry:
    """key: of cryptography."""
    fields: dict[str, t.Any] = {
        "identifiers": identifiers or ("a.example.com",),
        "key_type": "ec256",
        "directory": ONE.directory,
        "account_url": ACCOUNT,
        "order_url": f"https://one.example/order/1/{name}",
        "created": NOW,
        "values": (placed(),),
        **more,
    }
    return JournalEntry(name, key=compact_key(key) if key is not None else None, **fields)
