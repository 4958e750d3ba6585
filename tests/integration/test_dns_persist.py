# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of records of dns-persist-01 is what a real CA makes of them."""

from __future__ import annotations

import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from acme import messages
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.persist import (
    PersistAccount,
    persist_name,
    persist_records,
    persist_standing,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.resolver import DnsResolver
from ansible_collections.certops.rotation.tests.support.acme_client import AcmeClient
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.pebble import Pebble

ISSUER = "pebble.example"
NOW = datetime.now(timezone.utc)


@pytest.fixture(scope="module")
def pebble(aws_dns_server: AwsWithDns) -> t.Iterator[Pebble]:
    aws_dns_server.reset()
    with Pebble(aws_dns_server.nameservers[0], "2.10", caa_identities=[ISSUER]) as server:
        yield server


@pytest.fixture(scope="module")
def zone(aws_dns_server: AwsWithDns, pebble: Pebble) -> str:
    return aws_dns_server.zone("example.com")


@pytest.fixture(scope="module")
def client(pebble: Pebble) -> AcmeClient:
    return AcmeClient(pebble.directory_url, pebble.ca_bundle)


def validated(client: AcmeClient, identifier: str) -> bool:
    """By dns-persist-01. Whether the CA is content."""
    (authorization,) = client.order([identifier], profile="classic").authorizations
    challenge = next(
        body for body in authorization.body.challenges if body.to_partial_json()["type"] == "dns-persist-01"
    )
    client.net.post(challenge.uri, messages.UpdateRegistration(), new_nonce_url=client.acme.directory["newNonce"])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = client.acme.poll(authorization)[0].body.status
        if status != messages.STATUS_PENDING:
            return bool(status == messages.STATUS_VALID)
        time.sleep(0.1)
    raise AssertionError("the CA does not come to a decision")


def seconds(moment: timedelta) -> int:
    return int((NOW + moment).timestamp())


CASES: dict[str, tuple[bool, t.Callable[[str], list[str]]]] = {
    "plain": (False, lambda uri: [f"{ISSUER}; accounturi={uri}"]),
    "wildcard": (True, lambda uri: [f"{ISSUER}; accounturi={uri}; policy=wildcard"]),
    "wildcard record, plain name": (False, lambda uri: [f"{ISSUER}; accounturi={uri}; policy=WILDCARD"]),
    "plain record, wildcard name": (True, lambda uri: [f"{ISSUER}; accounturi={uri}"]),
    "nothing": (False, lambda uri: []),
    "somebody else's": (False, lambda uri: [f"other.example; accounturi={uri}", "v=spf1 -all"]),
    "among others": (False, lambda uri: ["v=spf1 -all", "other.example; accounturi=x", f"{ISSUER}; accounturi={uri}"]),
    "another account": (False, lambda uri: [f"{ISSUER}; accounturi={uri}x"]),
    "no account": (False, lambda uri: [ISSUER]),
    "to come": (False, lambda uri: [f"{ISSUER}; accounturi={uri}; persistUntil={seconds(timedelta(days=1))}"]),
    "ended": (False, lambda uri: [f"{ISSUER}; accounturi={uri}; persistUntil={seconds(timedelta(days=-1))}"]),
    "no time": (False, lambda uri: [f"{ISSUER}; accounturi={uri}; persistUntil=soon"]),
    "unknown parameter": (False, lambda uri: [f"{ISSUER}; accounturi={uri}; future=1"]),
    "trailing semicolon": (False, lambda uri: [f"{ISSUER}; accounturi={uri};"]),
    "no spaces": (False, lambda uri: [f"{ISSUER};accounturi={uri}"]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_the_cas(aws_dns_server: AwsWithDns, zone: str, client: AcmeClient, case: str) -> None:
    wildcard, made = CASES[case]
    base = f"n{list(CASES).index(case)}.example.com"
    identifier = f"*.{base}" if wildcard else base
    account = PersistAccount((ISSUER,), client.account.uri)
    values = made(account.account_url)
    if values:
        aws_dns_server.put_record(zone, persist_name(identifier), "TXT", values)
    seen = DnsResolver(aws_dns_server.nameservers).txt([persist_name(identifier)])[persist_name(identifier)]
    assert not isinstance(seen, DnsError)
    assert sorted(seen) == sorted(values)
    ours = persist_standing(identifier, seen, account, datetime.now(timezone.utc)).problem is None
    assert ours is validated(client, identifier)


def test_the_record_that_is_advised_does(aws_dns_server: AwsWithDns, zone: str, client: AcmeClient) -> None:
    account = PersistAccount((ISSUER,), client.account.uri)
    names = ["advised.example.com", "*.advised.example.com"]
    (record,) = persist_records(names, account, NOW + timedelta(days=30))
    value = record.line.partition(" IN TXT ")[2]
    aws_dns_server.put_record(zone, record.name, "TXT", [value])
    assert all(validated(client, name) for name in names)
