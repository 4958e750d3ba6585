# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of HAProxy 2.6.12, 2.8.25 and 3.0.11, as captured, read into data."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.parsing import (
    CrtListEntry,
    hexadecimal,
    parse_certificate,
    parse_crt_list,
    parse_crt_lists,
    parse_names,
    parse_server_names,
    parse_version,
)

LIST_WITH_TRANSACTION = """# transaction
*/certs/a.pem
# filename
/certs/@we ird.pem
/certs/a.pem
"""

WITH_CHAIN = """Filename: /certs/l.pem
Status: Used
Serial: 4C8C172127CC1DFCCC5464051BC30EF4955A80D0
notBefore: Nov 22 00:26:48 2026 GMT
notAfter: Dec  2 00:26:48 2026 GMT
Subject Alternative Name: DNS:l.example.com, , DNS:*.l.example.com
Algorithm: EC256
SHA1 FingerPrint: 93B673256C8DC7AAE8FF9A259FADD6951BDA0B25
Subject: /CN=l.example.com
Issuer: /C=DE/DC=example/CN=Inter: one/emailAddress=x@example.com
Chain Subject: /C=DE/DC=example/CN=Inter: one/emailAddress=x@example.com
Chain Issuer: /C=DE/O=Wurzel ü/CN=Root
Chain Subject: /C=DE/O=Wurzel ü/CN=Root
Chain Issuer: /C=DE/O=Wurzel ü/CN=Root
OCSP Response Key: """

ED25519 = """Filename: /certs/a.pem
Status: Used
Serial: 047CE6072DBD0EB6A23596EAE5AD238A1CEB7629
notBefore: Nov 21 00:26:48 2026 GMT
notAfter: Feb 20 00:26:48 2027 GMT
Subject Alternative Name: DNS:a.example.com"""


def test_list_of_certificates() -> None:
    assert parse_names(LIST_WITH_TRANSACTION) == ("/certs/a.pem", ["/certs/@we ird.pem", "/certs/a.pem"])
    assert parse_names("# filename\n/certs/a.pem") == (None, ["/certs/a.pem"])
    assert parse_names("# filename") == (None, [])
    # The first two lines are enough to see a transaction.
    assert parse_names("# transaction\n*/certs/a.pem\n# file")[0] == "/certs/a.pem"


def test_certificate() -> None:
    stored = parse_certificate(WITH_CHAIN)
    assert stored is not None
    assert (stored.name, stored.status) == ("/certs/l.pem", "Used")
    assert stored.serial_number == "4c8c172127cc1dfccc5464051bc30ef4955a80d0"
    assert stored.fingerprint_sha1 == "93b673256c8dc7aae8ff9a259fadd6951bda0b25"
    assert (stored.not_before, stored.not_after) == ("2026-11-22T00:26:48Z", "2026-12-02T00:26:48Z")
    assert stored.subject_alternative_names == ("l.example.com", "*.l.example.com")
    assert stored.issuer == "/C=DE/DC=example/CN=Inter: one/emailAddress=x@example.com"
    assert stored.chain == (
        (stored.issuer, "/C=DE/O=Wurzel ü/CN=Root"),
        ("/C=DE/O=Wurzel ü/CN=Root", "/C=DE/O=Wurzel ü/CN=Root"),
    )
    assert not stored.chain_from_directory
    from_directory = parse_certificate(
        WITH_CHAIN.replace("Chain Subject", "Chain Filename: /issuers/x.pem\nChain Subject")
    )
    assert from_directory is not None
    assert from_directory.chain_from_directory


def test_certificate_of_which_little_is_told() -> None:
    ed25519 = parse_certificate(ED25519)
    assert ed25519 is not None
    assert (ed25519.fingerprint_sha1, ed25519.serial_number) == (None, "047ce6072dbd0eb6a23596eae5ad238a1ceb7629")
    empty = parse_certificate("Filename: /certs/n.pem\nStatus: Empty\nOCSP Response Key: ")
    assert empty is not None
    assert (empty.status, empty.serial_number, empty.not_after, empty.chain) == ("Empty", None, None, ())
    assert parse_certificate("Can't display the certificate: Not found or the certificate is a bundle!") is None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Dec  2 00:26:48 2026 GMT", "2026-12-02T00:26:48Z"),
        ("May 31 23:59:59 9999 GMT", "9999-05-31T23:59:59Z"),
        ("Feb 30 00:26:48 2026 GMT", None),
        ("Dez  2 00:26:48 2026 GMT", None),
        ("Dec  2 00:26:48 2026 CET", None),
        ("", None),
    ],
)
def test_dates(text: str, instant: str | None) -> None:
    stored = parse_certificate(WITH_CHAIN.replace("Dec  2 00:26:48 2026 GMT", text))
    assert stored is not None
    assert stored.not_after == instant


def test_crt_lists() -> None:
    assert parse_crt_lists("/etc/certs\n/etc/crt-list.txt\n") == ["/etc/certs", "/etc/crt-list.txt"]
    text = "# /l.txt\n/c/a.pem:1 [alpn h2\0] foo.example.com !bar.example.com\n/c/with:7 space.pem:2\n/c/b.pem:0\n"
    assert parse_crt_list(text) == [
        CrtListEntry("/c/a.pem", 1, "[alpn h2] foo.example.com !bar.example.com"),
        CrtListEntry("/c/with", 7, "space.pem:2"),  # ambiguous in HAProxy's own format
        CrtListEntry("/c/b.pem", 0, ""),
    ]
    assert parse_crt_list("didn't find the specified filename\n") == []


def test_serial_numbers_are_whole_bytes() -> None:
    assert [hexadecimal(number) for number in (0, 10, 256)] == ["00", "0a", "0100"]


def test_server_names() -> None:
    text = (
        "# Frontend/Bind\tSNI\tNegative Filter\tType\tFilename\tNotAfter\tNotBefore\n"
        "fe/h.cfg:9\ta.example.com\t-\tecdsa\t/certs/a.pem\tDec 26 15:26:37 2026 GMT\tNov 26 15:26:37 2026 GMT\n"
        "fe/h.cfg:9\t*\t-\tecdsa\t/certs/a.pem\tDec 26 15:26:37 2026 GMT\tNov 26 15:26:37 2026 GMT\n"
        "fe/h.cfg:10\ta.example.com\t-\tecdsa\t/certs/a.pem\tDec 26 15:26:37 2026 GMT\tNov 26 15:26:37 2026 GMT\n"
        "fe/h.cfg:10\tb.example.com\t!no.example.com\trsa\t/certs/b.pem\t\t\n"
        "cut off\n\n"
    )
    assert {name: list(names) for name, names in parse_server_names(text).items()} == {
        "/certs/a.pem": ["a.example.com", "*"],
        "/certs/b.pem": ["b.example.com"],
    }
    assert parse_server_names("") == parse_server_names("Unknown command") == {}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.6.12-1+deb12u4", (2, 6)),
        ("3.2-dev5", (3, 2)),
        ("HAProxy version 3.0.11-1+deb13u4 2025/01/01 - https://haproxy.org/", (3, 0)),
        ("HA-Proxy version 2.2.9", (2, 2)),
        ("", None),
        ("unknown", None),
        ("99999.1", None),
    ],
)
def test_version(text: str, version: tuple[int, int] | None) -> None:
    assert parse_version(text) == version


def test_the_names_and_the_key_by_which_a_certificate_is_chosen() -> None:
    text = (
        "Filename: /c/a.pem\nStatus: Used\nSubject Alternative Name: DNS:a.x.test, DNS:*.b.test\n"
        "Algorithm: RSA2048\nSubject: /C=DE/CN=cn.x.test/O=One/CN=Two\n"
    )
    stored = parse_certificate(text)
    assert stored is not None
    assert stored.server_names == ("a.x.test", "*.b.test", "cn.x.test", "Two")
    assert stored.algorithm == "RSA2048"
