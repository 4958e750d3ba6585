# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates by way of the collection's own client, one after the other or many at once, without its flows."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ipaddress
import threading
import time
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account import AcmeAccount
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.authority import Challenge, Order
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import Issuer
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.account import AcmeAccounts
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.authority import AcmeAuthority
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from . import pki
from .acme_dns import AwsWithDns


class Server(t.Protocol):
    """A Pebble, or a proxy in front of one."""

    directory_url: str
    ca_bundle: str


def register(server: Server, key_pem: str | None = None, **options: t.Any) -> AcmeAccount:
    key_pem = key_pem or pki.private_key_pem(pki.new_key())
    with AcmeAccounts(server.directory_url, ca_bundle=server.ca_bundle) as accounts:
        terms = {"contacts": (), "terms_agreed": True, "binding": None, **options}
        return AcmeAccount(server.directory_url, accounts.register(key_pem, **terms).url, key_pem)


def opened(server: Server, account: AcmeAccount | None = None, **options: t.Any) -> AcmeAuthority:
    """Of a new account where none is given."""
    issuer = Issuer(server.directory_url, "account", ca_bundle=server.ca_bundle)
    return AcmeAuthority.open(issuer, account or register(server), **options)


class TxtPublisher:
    """Sets of TXT values in one zone: what is added stays."""

    def __init__(self, aws: AwsWithDns, zone: str = "example.com") -> None:
        self._aws = aws
        self._zone = aws.zone(zone)
        self._values: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, value: str) -> None:
        with self._lock:
            values = self._values.setdefault(name, [])
            values.append(value)
            self._aws.put_record(self._zone, name, "TXT", values)


def csr(names: t.Sequence[str], key: t.Any = None) -> bytes:
    """DER; of a new key where none is given."""
    found = x509.SubjectAlternativeName([_general_name(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(found, critical=False)
    return builder.sign(key or pki.new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def challenge_of(authority: AcmeAuthority, url: str, kind: str = "dns-01") -> tuple[str, Challenge]:
    """The name, and the challenge of this kind."""
    authorization = authority.authorization(url)
    return authorization.identifier, next(each for each in authorization.challenges if each.type == kind)


def validate(authority: AcmeAuthority, order: Order, publisher: TxtPublisher) -> Order:
    """By dns-01, one name after the other; the order when it is ready."""
    for url in order.authorizations:
        name, challenge = challenge_of(authority, url)
        publisher.add(f"_acme-challenge.{name}", authority.txt_value(challenge.token))
        authority.answer(challenge)
    return wait_for(authority, order, "pending")


def wait_for(authority: AcmeAuthority, order: Order, *statuses: str) -> Order:
    """Until the order has none of these statuses any more."""
    deadline = time.monotonic() + 120
    while order.status in statuses:
        assert time.monotonic() < deadline, order
        time.sleep(0.2)
        order = authority.order(order.url)
    return order


def finish(authority: AcmeAuthority, order: Order, key: t.Any = None, preferred_chain: str | None = None) -> str:
    """The chain of an order that is ready."""
    order = wait_for(authority, authority.finalize(order, csr(order.identifiers, key)), "processing")
    assert order.status == "valid", order
    return authority.certificate(order, preferred_chain)


def issue(
    authority: AcmeAuthority,
    names: t.Sequence[str],
    publisher: TxtPublisher,
    *,
    profile: str | None = None,
    preferred_chain: str | None = None,
) -> str:
    order = authority.new_order(names, profile=profile, replaces=None)
    return finish(authority, validate(authority, order, publisher), preferred_chain=preferred_chain)


def issue_all(authority: AcmeAuthority, batches: t.Sequence[t.Sequence[str]], publisher: TxtPublisher) -> list[str]:
    """On 16 threads."""
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(16))
        return list(pool.map(lambda names: issue(authority, names, publisher), batches))


def leaf_of(chain: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain.encode())
