# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tls_endpoint_info against real TLS servers, good, bad, slow and silent ones."""

from __future__ import annotations

import datetime
import pathlib
import socket
import ssl
import struct
import time
import typing as t
import warnings

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import Endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.probe import Trust, probe, probe_many
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.tls_server import Talk, server, tls

ROOT = pki.CertificateAuthority("Test Root")
INTERMEDIATE = pki.CertificateAuthority("Test Intermediate", parent=ROOT)
LOCAL = INTERMEDIATE.issue(["localhost", "a.example.com", "127.0.0.1", "::1"])


def inspect(*endpoints: t.Any, **options: t.Any) -> list[dict[str, t.Any]]:
    """Run the module, in check mode too, which must make no difference."""
    args = {"endpoints": list(endpoints), "trust_anchors": ROOT.root_pem, **options}
    results = [module.run_module("tls_endpoint_info", args, check=check).result for check in (True, False)]
    assert results[0]["endpoints"] == results[1]["endpoints"]
    assert not results[1]["changed"]
    return list(results[1]["endpoints"])


def test_one_endpoint_with_an_odd_name_is_that_ones_result(tmp_path: pathlib.Path) -> None:
    odd = ["w*.example.com", "a..example.com", f"{'a' * 64}.example.com", "a b", "\u00fc" * 5000]
    with server(tls(tmp_path, LOCAL)) as port:
        entries = [{"host": name, "address": "127.0.0.1", "port": port} for name in odd]
        *results, good, named = inspect(
            *entries, f"localhost:{port}", {"host": "localhost", "port": port, "server_name": "*.*.example.com"}
        )
    assert (good["reachable"], good["trusted"]) == (True, True)
    assert [item["host"] for item in results] == odd
    for item in [*results, named]:
        assert (item["reachable"], item["trusted"], item["chain"]) == (False, False, [])
        assert item["error"].endswith("is not a host name")
    all_odd = module.run_module("tls_endpoint_info", {"endpoints": [f"{odd[0]}:443", f"{odd[1]}:443"]})
    assert all_odd.result["msg"] == "endpoints[0] ('w*.example.com:443'): 'w*.example.com' is not a host name"


def test_all_facts_in_the_endpoints_order(tmp_path: pathlib.Path) -> None:
    refused = free_port()
    with server(tls(tmp_path, LOCAL)) as port:
        named, dead, by_ip, elsewhere = inspect(
            f"localhost:{port}",
            f"127.0.0.1:{refused}",
            f"127.0.0.1:{port}",
            {"host": "a.example.com", "port": port, "address": "127.0.0.1"},
        )
    leaf = LOCAL.certificate
    assert {name: named[name] for name in ("host", "port", "server_name", "address", "reachable", "error")} == {
        "host": "localhost",
        "port": port,
        "server_name": "localhost",
        "address": "127.0.0.1",
        "reachable": True,
        "error": None,
    }
    assert named["fingerprint_sha256"] == LOCAL.fingerprint_sha256
    assert named["not_after"] == leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert named["not_before"] == leaf.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert named["subject_alternative_names"] == ["localhost", "a.example.com", "127.0.0.1", "::1"]
    assert (named["subject"], named["issuer"]) == ("CN=localhost", "CN=Test Intermediate")
    assert int(named["serial_number"], 16) == leaf.serial_number
    assert [item["subject"] for item in named["chain"]] == ["CN=localhost", "CN=Test Intermediate"]
    assert named["chain"][0]["fingerprint_sha256"] == LOCAL.fingerprint_sha256
    assert (named["protocol"], named["trusted"], named["trust_error"]) == ("TLSv1.3", True, None)
    assert named["cipher"].startswith("TLS_")
    assert (dead["reachable"], dead["error"], dead["trusted"]) == (False, "connection refused", False)
    assert (dead["fingerprint_sha256"], dead["chain"], dead["protocol"]) == (None, [], None)
    assert (by_ip["server_name"], by_ip["trusted"]) == ("", True)
    assert (elsewhere["host"], elsewhere["address"], elsewhere["trusted"]) == ("a.example.com", "127.0.0.1", True)


def test_the_entry_that_cannot_be_understood_is_named() -> None:
    run = module.run_module("tls_endpoint_info", {"endpoints": ["a.example.com:443", "b.example.com"]})
    assert run.failed
    assert run.result["msg"].startswith("endpoints[1] ('b.example.com')")
    for options, complaint in (
        ({"timeout": 0}, "timeout must be"),
        ({"concurrency": 0}, "concurrency must be"),
        ({"trust_anchors": "no pem"}, "trust_anchors holds no readable PEM"),
    ):
        run = module.run_module("tls_endpoint_info", {"endpoints": ["a.example.com:443"], **options})
        assert run.failed
        assert complaint in run.result["msg"]


def test_sni_chooses_the_certificate_and_its_absence_the_default() -> None:
    default, a = ROOT.issue("default.example.com"), ROOT.issue("a.example.com")
    international = ROOT.issue("xn--bcher-kva.example")
    files = {"0.pem": default, "a.pem": a, "i.pem": international}
    binds = ["crt {certs}", "crt {certs} strict-sni", "crt {certs} accept-proxy"]
    with HaproxyInstance({name: item.combined_pem for name, item in files.items()}, tls=binds) as haproxy:
        lenient, strict, proxied = haproxy.ports

        def at(port: int, name: str | None, **fields: t.Any) -> Endpoint:
            return Endpoint("127.0.0.1", port, name, **fields)

        seen = probe_many(
            [
                at(lenient, "a.example.com"),
                at(lenient, None),
                at(lenient, "bücher.example"),
                at(strict, None),
                at(strict, "nobody.example.com"),
                at(proxied, "a.example.com", proxy_protocol=True),
                at(proxied, "a.example.com"),
            ],
            timeout=5,
            concurrency=4,
        )
        silent = haproxy.log
    assert [item.fingerprint_sha256 for item in seen[:3]] == [
        a.fingerprint_sha256,
        default.fingerprint_sha256,
        international.fingerprint_sha256,
    ]
    assert [item.error for item in seen[3:5]] == ["TLS alert unrecognized_name"] * 2
    assert seen[5].fingerprint_sha256 == a.fingerprint_sha256
    assert not seen[6].reachable
    assert "ALERT" not in silent


def test_ipv6(tmp_path: pathlib.Path) -> None:
    with server(tls(tmp_path, LOCAL), host="::1") as port:
        text, mapping = inspect(f"[::1]:{port}", {"host": "a.example.com", "port": port, "address": "::1"})
    assert (text["host"], text["address"], text["trusted"]) == ("::1", "::1", True)
    assert (mapping["address"], mapping["trusted"]) == ("::1", True)


@pytest.mark.parametrize(
    ("kind", "trust_error"),
    [
        ("expired", "certificate has expired"),
        ("future", "certificate is not yet valid"),
        ("self-signed", "self-signed certificate"),
        ("unknown CA", "unable to get local issuer certificate"),
        ("other name", "Hostname mismatch"),
        ("no intermediate", "unable to get local issuer certificate"),
    ],
)
def test_what_is_not_trusted_still_gives_its_facts(tmp_path: pathlib.Path, kind: str, trust_error: str) -> None:
    day = datetime.timedelta(days=1)
    bad = {
        "expired": lambda: ROOT.issue("localhost", not_before=pki.now() - 9 * day, not_after=pki.now() - day),
        "future": lambda: ROOT.issue("localhost", not_before=pki.now() + day),
        "self-signed": lambda: pki.self_signed("localhost"),
        "unknown CA": lambda: pki.CertificateAuthority("Other Root").issue("localhost"),
        "other name": lambda: ROOT.issue("other.example.com"),
        "no intermediate": lambda: LOCAL.replace(chain_pem=""),
    }[kind]()
    with server(tls(tmp_path, bad)) as port:
        (seen,) = inspect(f"localhost:{port}")
    assert (seen["reachable"], seen["error"], seen["trusted"]) == (True, None, False)
    assert seen["fingerprint_sha256"] == bad.fingerprint_sha256
    assert trust_error in seen["trust_error"]


def test_a_protocol_too_old_to_trust_still_gives_its_facts(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "server.pem"
    path.write_text(LOCAL.combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(path)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    with server(talk) as port:
        (seen,) = inspect(f"localhost:{port}")
    assert (seen["fingerprint_sha256"], seen["protocol"]) == (LOCAL.fingerprint_sha256, "TLSv1.1")
    assert (seen["error"], seen["trusted"]) == (None, False)
    # Where OpenSSL is set up to begin TLS 1.1 at all, it ends at the SHA-1 of its signatures.
    refusals = (
        "TLS alert protocol_version",
        "TLS failure unsupported_protocol",
        "TLS failure [ssl] legacy sigalg disallowed",
    )
    assert seen["trust_error"].startswith(refusals)


def test_the_system_store_is_the_default(tmp_path: pathlib.Path) -> None:
    anchors = tmp_path / "anchors.pem"
    anchors.write_text(ROOT.root_pem)
    with server(tls(tmp_path, LOCAL)) as port:
        args = {"endpoints": [f"localhost:{port}"]}
        (seen,) = module.run_module("tls_endpoint_info", args).result["endpoints"]
        assert (seen["trusted"], seen["reachable"]) == (False, True)
        run = module.run_module("tls_endpoint_info", args, env={"SSL_CERT_FILE": str(anchors)})
    assert run.result["endpoints"][0]["trusted"]


def test_an_intermediate_can_be_the_trust_anchor(tmp_path: pathlib.Path) -> None:
    with server(tls(tmp_path, LOCAL)) as port:
        (seen,) = inspect(f"localhost:{port}", trust_anchors=INTERMEDIATE.certificate_pem)
    assert seen["trusted"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_demanded_client_certificate_hides_nothing(tmp_path: pathlib.Path, version: ssl.TLSVersion) -> None:
    talk = tls(tmp_path, LOCAL, verify_mode=ssl.CERT_REQUIRED, minimum_version=version, maximum_version=version)
    with server(talk) as port:
        (seen,) = inspect(f"localhost:{port}")
    assert (seen["reachable"], seen["fingerprint_sha256"], seen["trusted"]) == (True, LOCAL.fingerprint_sha256, True)
    assert len(seen["chain"]) == 2
    if version is ssl.TLSVersion.TLSv1_2:
        assert "client certificate" in seen["error"]


def test_rsa_and_ecdsa_of_one_name_are_told_apart() -> None:
    rsa, ecdsa = INTERMEDIATE.issue("a.example.com", key_type="rsa2048"), INTERMEDIATE.issue("a.example.com")
    files = {"rsa.pem": rsa.combined_pem, "ec.pem": ecdsa.combined_pem}
    with HaproxyInstance(files, tls=["crt {certs}", "crt {certs} ssl-min-ver TLSv1.3"]) as haproxy:
        both, modern = haproxy.ports
        seen = inspect(
            *(
                {"host": "a.example.com", "address": "127.0.0.1", "port": both, "key_type": kind}
                for kind in ("rsa", "ecdsa")
            )
        )
        fallback = probe(Endpoint("127.0.0.1", modern, "a.example.com", key_type="rsa"), 5, Trust(ROOT.root_pem))
    assert [item["fingerprint_sha256"] for item in seen] == [rsa.fingerprint_sha256, ecdsa.fingerprint_sha256]
    assert [(item["protocol"], item["trusted"]) for item in seen] == [("TLSv1.2", True)] * 2
    assert (fallback.key_type_ignored, fallback.protocol, fallback.trusted) == (True, "TLSv1.3", True)


def silent(connection: socket.socket) -> None:
    time.sleep(8)


def dripping(connection: socket.socket) -> None:
    """One byte of an endless handshake record at a time, each well within any time limit for one read."""
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
    for _second in range(80):
        connection.sendall(b"\x03")
        time.sleep(0.1)


def closing(connection: socket.socket) -> None:
    connection.recv(65536)


def resetting(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def plain(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def too_old(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")


@pytest.mark.parametrize(
    ("talk", "error"),
    [
        (silent, "timeout after 1.5 s during handshake"),
        (dripping, "timeout after 1.5 s during handshake"),
        (closing, "connection closed during handshake"),
        (resetting, "connection reset during handshake"),
        (plain, "not a TLS server"),
        (too_old, "TLS alert protocol_version"),
    ],
)
def test_servers_that_do_not_shake_hands(talk: Talk, error: str) -> None:
    started = time.monotonic()
    with server(talk) as port:
        seen = probe(Endpoint("localhost", port, "localhost"), timeout=1.5, trust=Trust(ROOT.root_pem))
    assert (seen.reachable, seen.error, seen.trusted) == (False, error, False)
    assert time.monotonic() - started < 6


def test_a_full_backlog_and_names_that_do_not_resolve_are_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for dummy in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        time.sleep(0.1)
        seen = probe(Endpoint("127.0.0.1", port), timeout=1)
        for filler in fillers:
            filler.close()
    assert seen.error == "timeout after 1 s during connect"
    started = time.monotonic()
    seen = probe(Endpoint("nobody.invalid", 443, "nobody.invalid"), timeout=3)
    assert seen.error in ("name resolution failed", "timeout after 3 s during name resolution")
    assert time.monotonic() - started < 6


def test_many_slow_endpoints_cost_one_timeout_not_many() -> None:
    started = time.monotonic()
    with server(silent) as port:
        seen = probe_many([Endpoint("127.0.0.1", port)] * 20, timeout=1, concurrency=20)
    assert {item.error for item in seen} == {"timeout after 1 s during handshake"}
    assert time.monotonic() - started < 8


def script(*steps: tuple[bytes, bytes]) -> Talk:
    """Say the first of each pair, then expect the second."""

    def talk(connection: socket.socket) -> None:
        for said, expected in steps:
            connection.sendall(said)
            heard = b""
            while len(heard) < len(expected):
                part = connection.recv(len(expected) - len(heard))
                if not part:
                    raise OSError("closed")
                heard += part
            assert heard == expected, (heard, expected)

    return talk


LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
MYSQL_REQUEST = b"\x20\0\0\x01" + b"\0\x8a\0\0" + b"\xff\xff\xff\0" + b"\x21" + bytes(23)


def mysql_greeting(flags: int, version: int = 10) -> bytes:
    """Protocol::HandshakeV10, up to the capabilities, and something behind them."""
    content = bytes([version]) + b"11.4.5-MariaDB\0" + b"\x08\0\0\0" + b"saltsalt\0"
    content += flags.to_bytes(2, "little") + b"\x21\x02\0" + bytes(30)
    return len(content).to_bytes(3, "little") + b"\0" + content


GOOD_TALKS = {
    "smtp": script(
        (b"220-mail ESMTP\r\n220 ready\r\n", b"EHLO probe.invalid\r\n"),
        (b"250-mail\r\n250-STARTTLS\r\n250 8BITMIME\r\n", b"STARTTLS\r\n"),
        (b"220 go ahead\r\n", b""),
    ),
    "imap": script((b"* OK ready\r\n", b"A1 STARTTLS\r\n"), (b"* BYTHEWAY\r\na1 OK begin\r\n", b"")),
    "pop3": script((b"+OK ready\r\n", b"STLS\r\n"), (b"+OK begin\r\n", b"")),
    "ftp": script((b"220-Welcome\r\n  to FTP\r\n220 ready\r\n", b"AUTH TLS\r\n"), (b"234 begin\r\n", b"")),
    "nntp": script((b"201 ready\r\n", b"STARTTLS\r\n"), (b"382 begin\r\n", b"")),
    "postgres": script((b"", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"), (b"S", b"")),
    "ldap": script((b"", LDAP_REQUEST), (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", b"")),
    "mysql": script((mysql_greeting(0xFFFE), MYSQL_REQUEST)),
}
# Lines without a text, and even without a space: RFC 5321, 4.2.
TERSE_TALKS = {
    "smtp": script(
        (b"220-\r\n220\r\n", b"EHLO probe.invalid\r\n"),
        (b"250-\r\n250-2200\r\n250\r\n", b"STARTTLS\r\n"),
        (b"220\r\n", b""),
    ),
    "ftp": script((b"220-a\r\n220a\r\n2201 b\r\n220\n", b"AUTH TLS\r\n"), (b"234\r\n", b"")),
    "nntp": script((b"200\r\n", b"STARTTLS\r\n"), (b"382\r\n", b"")),
    "imap": script((b"* OK\r\n", b"A1 STARTTLS\r\n"), (b"a1 OK\r\n", b"")),
    "pop3": script((b"+OK\r\n", b"STLS\r\n"), (b"+OK\r\n", b"")),
}
BAD_TALKS = {
    "smtp": script((b"554 go away\r\n", b"")),
    "imap": script((b"* OK ready\r\n", b"A1 STARTTLS\r\n"), (b"a1 NO never\r\n", b"")),
    "pop3": script((b"-ERR busy\r\n", b"")),
    "ftp": script((b"220 ready\r\n", b"AUTH TLS\r\n"), (b"500 what?\r\n", b"")),
    "nntp": script((b"201 ready\r\n", b"STARTTLS\r\n"), (b"580 no\r\n", b"")),
    "postgres": script((b"", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"), (b"N", b"")),
    "ldap": script((b"", LDAP_REQUEST), (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00", b"")),
    "mysql": script((mysql_greeting(0xFFFE & ~0x800), b"")),
}
# A MySQL server that is full, has blocked this host, is none, or ends early.
BAD_MYSQL = {
    b"\x17\0\0\0\xff\x10\x04Too many connections": "server answered 'Too many connections' to the connection",
    mysql_greeting(0xFFFE, version=9): "server does not speak MySQL's protocol",
    b"220 mail ESMTP\r\n": "server does not speak MySQL's protocol",
    b"\0\0\0\0": "server does not speak MySQL's protocol",
    b"\x05\0\0\0\x0a5.5\0": "server does not speak MySQL's protocol",
    mysql_greeting(0xFFFE)[:20]: "server closed the connection",
}


@pytest.mark.parametrize("protocol", GOOD_TALKS)
def test_starttls(tmp_path: pathlib.Path, protocol: str) -> None:
    with server(tls(tmp_path, LOCAL, before=GOOD_TALKS[protocol])) as port:
        seen = probe(Endpoint("localhost", port, "localhost", starttls=protocol), 5, Trust(ROOT.root_pem))
    assert (seen.error, seen.trusted, seen.fingerprint_sha256) == (None, True, LOCAL.fingerprint_sha256)


@pytest.mark.parametrize("protocol", TERSE_TALKS)
def test_starttls_with_replies_that_have_no_text(tmp_path: pathlib.Path, protocol: str) -> None:
    with server(tls(tmp_path, LOCAL, before=TERSE_TALKS[protocol])) as port:
        seen = probe(Endpoint("localhost", port, "localhost", starttls=protocol), 5, Trust(ROOT.root_pem))
    assert (seen.error, seen.trusted) == (None, True)


@pytest.mark.parametrize("said", BAD_MYSQL)
def test_starttls_of_a_mysql_that_does_not_let_us_in(said: bytes) -> None:
    with server(script((said, b""))) as port:
        seen = probe(Endpoint("127.0.0.1", port, starttls="mysql"), 5)
    assert seen.error == f"STARTTLS refused: {BAD_MYSQL[said]}"


@pytest.mark.parametrize("protocol", BAD_TALKS)
def test_starttls_refused(protocol: str) -> None:
    with server(BAD_TALKS[protocol]) as port:
        seen = probe(Endpoint("127.0.0.1", port, starttls=protocol), 5)
    assert (seen.error or "").startswith("STARTTLS refused: server ")


def test_starttls_refused_by_a_server_that_then_resets_the_connection() -> None:
    """What it has said counts, not what became of our next question."""
    linger = struct.pack("ii", 1, 0)

    def talk(connection: socket.socket) -> None:
        BAD_TALKS["nntp"](connection)
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with server(talk) as port:
        seen = probe(Endpoint("127.0.0.1", port, starttls="nntp"), 5)
    assert seen.error == "STARTTLS refused: server answered '580 no' to STARTTLS"


def test_starttls_that_never_comes_is_bounded() -> None:
    with server(silent) as port:
        seen = probe(Endpoint("127.0.0.1", port, starttls="smtp"), 1)
    assert seen.error == "timeout after 1 s during STARTTLS"
