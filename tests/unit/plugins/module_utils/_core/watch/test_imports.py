# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.imports import (
    ImportedEndpoints,
    merge_imports,
    read_import,
)

NOW = datetime(2027, 1, 31, 12, tzinfo=timezone.utc)
PROTOCOLS = ("smtp",)


def imported(*files: tuple[str, t.Any], file_format: t.Any = "auto", tags: t.Any = None) -> ImportedEndpoints:
    """Each file is its name and its text, or what is to be JSON."""
    texts = [(name, text if isinstance(text, str) else json.dumps(text, indent=1)) for name, text in files]
    return merge_imports(
        (name, read_import([text[:5], text[5:]], file_format, PROTOCOLS, NOW, tags)) for name, text in texts
    )


def hosts(found: ImportedEndpoints) -> list[str]:
    return [str(endpoint) for endpoint in found.endpoints]


# As https://api.certspotter.com/v1/issuances?expand=dns_names answers.
CERT_SPOTTER = [
    {
        "id": "5001",
        "tbs_sha256": "aa",
        "dns_names": ["*.example.com", "example.com"],
        "not_before": "2026-12-01T00:00:00Z",
        "not_after": "2027-03-01T00:00:00Z",
        "revoked": False,
    },
    {"id": "5002", "dns_names": ["old.example.com"], "not_after": "2026-12-30T12:00:00-00:00"},
    {"id": "5003", "dns_names": ["forgotten.example.com", "example.com"], "not_after": "2027-01-05T00:00:00Z"},
    {"id": "5004", "dns_names": ["*.example.com", "www.example.com"], "not_after": "9999-12-31T23:59:59Z"},
]
# As https://crt.sh/?q=example.com&output=json answers.
CRT_SH = [
    {
        "issuer_ca_id": 1,
        "issuer_name": "C=US, O=Example, CN=R3",
        "common_name": "R3",
        "name_value": "example.com\nWWW.example.com\nadmin@example.com\nExample Inc\n",
        "id": 7,
        "not_after": "2027-02-01T00:00:00",
    },
    {"name_value": "old.example.com", "not_after": "2020-02-01T00:00:00"},
    {"name_value": "b.example.com", "not_after": "nonsense"},
]
# As `manage.py dumpdata` of the older system writes.
DJANGO: list[dict[str, t.Any]] = [
    {
        "model": "endpoints.endpoint",
        "pk": 1,
        "fields": {
            "name": "Shop",
            "host": "shop.example.com",
            "port": 443,
            "active": True,
            "date_added": "2026-11-26T15:45:46.860Z",
        },
    },
    {
        "model": "endpoints.endpoint",
        "pk": 2,
        "fields": {
            "name": "Post",
            "host": "Mail.example.com",
            "port": 993,
            "active": False,
            "date_added": "2026-11-26",
        },
    },
    {
        "model": "endpoints.endpoint",
        "pk": 3,
        "fields": {"name": "\u00dcber", "host": "b\u00fccher.example", "port": 8443},
    },
    {"model": "endpoints.certificate", "pk": 1, "fields": {"body": "-----BEGIN CERTIFICATE-----"}},
    {"model": "endpoints.certificateassociation", "pk": 1, "fields": {"endpoint": 3, "certificate": 1}},
    {"model": "auth.user", "pk": 1, "fields": {"password": "pbkdf2"}},
]


def test_cert_spotter() -> None:
    found = imported(("ct.json", CERT_SPOTTER))
    assert hosts(found) == ["example.com:443", "forgotten.example.com:443", "www.example.com:443"]
    assert found.counts == {"wildcard": 1, "ended": 1}
    assert found.complete
    (warning,) = found.warnings()
    assert warning == (
        "1 wildcard names were passed over: ct.json, item 1: host: '*.example.com' stands for many hosts: write those"
        " that there are."
    )


def test_what_certspotter_writes_is_one_object_a_file() -> None:
    one = {"tbs_sha256": "aa", "dns_names": ["a.example.com"], "not_after": "2027-03-01T00:00:00Z"}
    assert hosts(imported(("v1.json", one))) == ["a.example.com:443"]
    lines = f"{json.dumps(one)}\n{json.dumps({**one, 'dns_names': ['b.example.com']})}\n"
    assert hosts(imported(("all.json", lines))) == ["a.example.com:443", "b.example.com:443"]


def test_crt_sh() -> None:
    found = imported(("crt.json", CRT_SH), tags={"from": "ct"})
    assert hosts(found) == ["example.com:443", "www.example.com:443", "b.example.com:443"]
    assert found.endpoints[0].tags == (("from", "ct"),)
    assert found.counts == {"no_endpoint": 2, "ended": 1}
    assert (found.complete, found.warnings()) == (True, [])


def test_endpoints_of_the_older_system() -> None:
    expected = (
        WatchedEndpoint("Shop", "shop.example.com"),
        WatchedEndpoint("Post", "mail.example.com", 993, enabled=False),
        WatchedEndpoint("\u00dcber", "xn--bcher-kva.example", 8443),
    )
    for text in (DJANGO, "\n".join(json.dumps(row) for row in DJANGO)):
        found = imported(("endpoints.json", text))
        assert found.endpoints == expected
        assert found.counts == {"no_endpoint": 3}
        assert found.complete


def test_what_the_database_of_the_older_system_prints() -> None:
    """`mysql --batch` writes tabulators, `sqlite3 -header -csv` commas, and both numbers for booleans."""
    query = "name\thost\tport\tactive\nShop\tshop.example.com\t443\t1\nPost\tmail.example.com\t993\t0\n"
    for text in (query, query.replace("\t", ",")):
        found = imported(("endpoints.csv", text))
        assert [endpoint.enabled for endpoint in found.endpoints] == [True, False]
        assert (found.endpoints[1].name, found.endpoints[1].port, found.counts) == ("Post", 993, {})


def test_our_own_results_come_back() -> None:
    result = {
        "name": "a",
        "host": "a.example.com",
        "port": 25,
        "starttls": "smtp",
        "tags": {"env": "prod"},
        "added": "2027-01-01T00:00:00Z",
        "addresses": [{"address": "192.0.2.1", "certificate": {"pem": "x"}}],
        "history": [],
    }
    expected = WatchedEndpoint("a", "a.example.com", 25, starttls="smtp", tags=(("env", "prod"),))
    for text in ([result], {"changed": False, "endpoints": [result]}, result):
        found = imported(("r.json", text))
        assert (found.endpoints, found.counts) == ((expected,), {})
    assert hosts(imported(("l.json", ["a.example.com", "[::1]:8443"]))) == ["a.example.com:443", "[::1]:8443"]


def test_what_is_unknown_is_told_once() -> None:
    rows = [{"host": f"{letter}.example.com", "prot": 1} for letter in "abc"]
    found = imported(("r.json", rows))
    assert len(found.endpoints) == 3
    assert found.counts == {"unknown_field": 1}
    assert (
        "1 fields are not known and were left out: r.json, item 1: 'prot' is none of name, host" in found.warnings()[0]
    )
    found = imported(("r.csv", "host,owner\na.example.com,me\nb.example.com,you\n"))
    assert (len(found.endpoints), found.counts) == (2, {"unknown_field": 1})


def test_bad_rows_stop_no_other_and_are_named() -> None:
    text = "name,host,port\nA,a.example.com,443\nB,b example,443\nC,c.example.com,70000\nD,d.example.com,\n"
    found = imported(("hosts.csv", text))
    assert hosts(found) == ["a.example.com:443", "d.example.com:443"]
    assert not found.complete
    (warning,) = found.warnings()
    assert warning == (
        "2 rows were passed over, as they cannot be read: hosts.csv, line 3: host: 'b example' is no host name: correct"
        " it; hosts.csv, line 4: port: '70000' is no whole number from 1 to 65535."
    )


def test_what_is_cut_off_is_not_complete() -> None:
    """With prune, all that was lost would be retired."""
    text = json.dumps(CERT_SPOTTER)[:-40]
    found = imported(("ct.json", text))
    assert hosts(found) == ["example.com:443", "forgotten.example.com:443"]
    assert not found.complete
    assert "What follows there was not read" in found.warnings()[0]


def test_the_same_twice_is_nothing_and_something_else_is_told() -> None:
    found = imported(
        ("a.csv", "name,host,port\nShop,a.example,443\nShop,A.example.,443\nWeb,a.example,443\nWeb,a.example,444\n"),
        ("ct.json", [{"dns_names": ["a.example", "b.example"]}]),
    )
    assert [(endpoint.name, endpoint.port) for endpoint in found.endpoints] == [
        ("Shop", 443),
        ("Web", 444),
        ("b.example", 443),
    ]
    assert found.counts == {"duplicate": 1}
    assert str(found.passed_over[0]) == (
        "a.csv, line 4: a.example:443 is also in a.csv, line 2, which says something else: remove one of them."
    )
    assert found.sources == {"a.csv": 2, "ct.json": 1}
    assert found.by_name == {("b.example", 443)}
    assert found.complete


def test_a_name_of_a_log_says_nothing_against_who_knows_more() -> None:
    """In whatever order the files come."""
    files = [("ct.json", [{"dns_names": ["a.example", "b.example"]}]), ("a.csv", "name,host\nShop,a.example\n")]
    for order in (files, files[::-1]):
        found = imported(*order)
        assert {endpoint.name for endpoint in found.endpoints} == {"Shop", "b.example"}
        assert (found.counts, found.by_name) == ({}, {("b.example", 443)})


def test_thousands_of_bad_rows_are_counted_and_some_are_kept() -> None:
    found = imported(("x.csv", "host\n" + "a b\n" * 5000))
    assert (found.counts, len(found.passed_over)) == ({"unreadable": 5000}, 100)
    assert len(found.warnings()[0]) < 2000
    assert found.warnings()[0].endswith("; and 4990 more.")


@pytest.mark.parametrize(
    ("file_format", "text"),
    [
        ("certspotter", [{"name_value": "a.example"}]),
        ("crtsh", [{"dns_names": ["a.example"]}]),
        ("certspotter", [{"dns_names": "a.example"}]),
        ("certspotter", ["a.example"]),
        *(("crtsh", [{"name_value": value}]) for value in (None, 1, ["a.example"], {})),
        ("json", [{"dns_names": ["a.example"]}]),
        ("json", [None, 1, ["a.example"], {}]),
        ("json", "name,host\n"),
        ("csv", [{"host": "a.example"}]),
        ("auto", "\x00\x01\x02\x7f\n" * 3),
        ("auto", "["),
        ("auto", "{"),
    ],
)
def test_something_else_than_it_is_said_to_be(file_format: t.Any, text: t.Any) -> None:
    found = imported(("f", text), file_format=file_format)
    assert found.endpoints == ()
    assert not found.complete


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[::1]:443\n", ["[::1]:443"]),
        ('  \n\n[\n\n  {"host": "a.example"}]', ["a.example:443"]),
        ("\ufeff[]", []),
        ("", []),
        ("\n\n", []),
        ("a.example\n", ["a.example:443"]),
    ],
)
def test_the_form_is_recognised(text: str, found: list[str]) -> None:
    result = imported(("f", text))
    assert (hosts(result), result.complete) == (found, True)


def test_a_private_key_in_the_wrong_place_is_never_quoted() -> None:
    key = f"-----BEGIN PRIVATE KEY-----\n{'SECRETKEY' * 20}\n{'SECRETKEY' * 20}\n-----END PRIVATE KEY-----\n"
    for text in (key, f"host,port\n{key}", [{"host": key}], [key], [{"dns_names": [key.replace("\n", "")]}]):
        found = imported(("f", text))
        assert not found.endpoints
        assert "SECRETKEY" not in repr(found) + "".join(found.warnings())
