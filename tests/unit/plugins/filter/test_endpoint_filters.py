# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints of the inventory, as CSV, and what is deployed for them."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter.endpoint_deployments import endpoint_deployments
from ansible_collections.certops.rotation.plugins.filter.endpoints_csv import csv_of
from ansible_collections.certops.rotation.plugins.filter.inventory_endpoints import inventory_endpoints

HOSTVARS: dict[str, t.Any] = {
    "web1": {"ansible_host": "192.0.2.1"},
    "web2.example.com": {},
    "mail": {
        "ansible_host": "mail.example.com",
        "tls_endpoints": [993, "995", {"port": 25, "starttls": "smtp"}, {"host": "imap.example.com", "name": "IMAP"}],
    },
    "none": {"tls_endpoints": []},
    "alias": {"ansible_host": "web2.example.com."},
}


def told(*hosts: str, **options: t.Any) -> list[tuple[str, str, int]]:
    found = inventory_endpoints(list(hosts), HOSTVARS, **options)
    return [(entry["name"], entry["host"], entry["port"]) for entry in found]


def test_of_the_inventory() -> None:
    assert told("web1", "web2.example.com", "mail", "none", "alias") == [
        ("web1", "192.0.2.1", 443),
        ("web2.example.com", "web2.example.com", 443),
        ("mail", "mail.example.com", 993),
        ("mail", "mail.example.com", 995),
        ("mail", "mail.example.com", 25),
        ("IMAP", "imap.example.com", 443),
    ]
    assert inventory_endpoints(["mail"], HOSTVARS)[2]["starttls"] == "smtp"
    assert told("web1", port="8443") == [("web1", "192.0.2.1", 8443)]
    assert told("web1", "mail", port=0)[0] == ("mail", "mail.example.com", 993)
    assert told("mail", variable="watched") == [("mail", "mail.example.com", 443)]
    assert inventory_endpoints(["web1"], HOSTVARS, tags={"env": "prod"})[0]["tags"] == {"env": "prod"}


def test_a_name_of_the_inventory_that_is_too_long_for_one() -> None:
    long = {"a" * 60 + ".example.com": {}}
    (entry,) = inventory_endpoints(list(long), long)
    assert (entry["host"], len(entry["name"])) == ("a" * 60 + ".example.com", 64)


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        (
            {"tls_endpoints": "a.example:443"},
            {},
            "h: tls_endpoints is no list: write ports, host:port, or dictionaries.",
        ),
        ({"tls_endpoints": [443, 70000]}, {}, "h: tls_endpoints[1]: port: 70000 is no whole number from 1 to 65535."),
        ({"tls_endpoints": [{"prot": 1}]}, {}, "h: tls_endpoints[0]: 'prot' is no field of an endpoint"),
        ({"ansible_host": "a b"}, {}, "h: host: 'a b' is no host name: correct it."),
        ({}, {"port": "x"}, "h: port: 'x' is no whole number from 1 to 65535."),
        ({}, {"tags": ["x"]}, "tags is a dictionary"),
    ],
)
def test_a_wrong_entry_names_its_host(variables: t.Any, options: t.Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        inventory_endpoints(["h"], {"h": variables}, **options)
    assert str(caught.value).startswith(message)


def test_what_is_no_inventory() -> None:
    for hosts, hostvars in (("web1", HOSTVARS), (["web1"], []), (["nobody"], HOSTVARS)):
        with pytest.raises(AnsibleFilterError):
            inventory_endpoints(hosts, hostvars)


def test_csv() -> None:
    found = csv_of(
        [*inventory_endpoints(["mail"], HOSTVARS)[2:], "[::1]:8443", {"host": "a.example", "last_seen": "x"}]
    )
    assert found.splitlines() == [
        "name,host,port,server_name,starttls,address,proxy_protocol,enabled,tags",
        "mail,mail.example.com,25,,smtp,,false,true,",
        "IMAP,imap.example.com,443,,,,false,true,",
        "::1,::1,8443,,,,false,true,",
        "a.example,a.example,443,,,,false,true,",
    ]
    for wrong in ("a.example", [{"host": "*"}], None):
        with pytest.raises(AnsibleFilterError):
            csv_of(wrong)


def test_deployments() -> None:
    status = {"certificates": [{"name": "prod/shop", "fingerprint_sha256": "a" * 64, "layers": {"disk": "ok"}}]}
    discovery = {"certificates": [{"fingerprint_sha256": "a" * 64, "expected_at": ["shop.example.com:443"]}]}
    assert endpoint_deployments(status, "lb1", discovery, "2027-01-31T12:00:00Z") == [
        {
            "host": "lb1",
            "certificate": "prod/shop",
            "layers": {"file": "a" * 64},
            "endpoints": ["shop.example.com:443"],
            "at": "2027-01-31T12:00:00Z",
        }
    ]
    assert endpoint_deployments(status, "lb1")[0]["endpoints"] == []
    assert endpoint_deployments({"certificates": []}, "lb1") == [{"host": "lb1"}]
    assert endpoint_deployments(status, "lb1")[0]["at"].endswith("Z")
    for wrong in ({"msg": "failed"}, [], None):
        with pytest.raises(AnsibleFilterError, match="lb1"):
            endpoint_deployments(wrong, "lb1")
    with pytest.raises(AnsibleFilterError, match="not an instant"):
        endpoint_deployments(status, "lb1", at="today")
