# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scanner over real TLS servers of all ages and kinds, and over those that misbehave."""

from __future__ import annotations

import contextlib
import datetime
import pathlib
import random
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.chain_ends import ChainEnds
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import Sighting
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.trust import load_trust_anchors
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.descriptors import open_files
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls import connection
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import Endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.handshake import (
    _parse_certificate_message,
    permissive_context,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.probe import Trust, probe, probe_many
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.scanner import ScannerSettings, scan
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.openssl_server import OpensslServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.tls_server import Talk, server, tls
from cryptography.hazmat.primitives.serialization import Encoding

ROOT = pki.CertificateAuthority("Test Root")
INTERMEDIATE = pki.CertificateAuthority("Test Intermediate", parent=ROOT)
LOCAL = INTERMEDIATE.issue(["localhost", "a.example.com", "127.0.0.1", "::1"])
DAY = datetime.timedelta(days=1)
NOW = pki.now().replace(microsecond=0)
TRUST = Trust(ROOT.root_pem)
ANCHORS = load_trust_anchors(ROOT.root_pem)
SOON = 30  # seconds, for what takes a few


def see(*endpoints: WatchedEndpoint, **fields: t.Any) -> list[Sighting]:
    """In the endpoints' order, and of one endpoint in the addresses'."""
    settings = ScannerSettings(NOW, **{"timeout": 10.0, "trust": TRUST, "anchors": ANCHORS, **fields})
    scanner = scan(endpoints, settings)
    order = [endpoint.key for endpoint in endpoints]
    seen = sorted(scanner, key=lambda sighting: (order.index(sighting.endpoint), sighting.address or ""))
    assert scanner.unfinished == []
    return seen


def at(port: int, host: str = "127.0.0.1", **fields: t.Any) -> WatchedEndpoint:
    return WatchedEndpoint("watched", host, port, **{"server_name": "localhost", **fields})


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


class Names:
    """Names of this test's own, in place of DNS; what is asked for is counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.slow: dict[str, float] = {}
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, *args: t.Any, **options: t.Any) -> list[t.Any]:
        self.asked.append(host)
        time.sleep(self.slow.get(host, 0))
        if host in self.addresses:
            found = [self._real(address, *args, **options) for address in self.addresses[host]]
            return [each for entries in found for each in entries]
        return list(self._real(host, *args, **options))


# What is seen


def test_a_sighting_has_all_facts(tmp_path: pathlib.Path) -> None:
    with server(tls(tmp_path, LOCAL)) as port:
        (seen,) = see(at(port))
    assert (seen.endpoint, seen.address, seen.at) == (("127.0.0.1", port), "127.0.0.1", NOW)
    assert [each.subject for each in seen.chain] == ["CN=localhost", "CN=Test Intermediate"]
    assert (seen.reach, seen.error, seen.trusted, seen.trust_error) == ("served", None, True, None)
    assert seen.leaf
    assert seen.leaf.fingerprint_sha256 == LOCAL.fingerprint_sha256
    assert seen.needed_until == LOCAL.certificate.not_valid_after_utc
    assert (seen.protocol, seen.chain_notes) == ("TLSv1.3", ())
    assert (seen.cipher or "").startswith("TLS_")


def test_a_name_without_an_endpoint_of_its_own_is_none_of_its_business(tmp_path: pathlib.Path) -> None:
    """SNI is the host, unless something else, or nothing, is said."""
    asked: list[str | None] = []

    def note(connection: t.Any, name: str | None, _context: ssl.SSLContext) -> None:
        asked.append(name)

    with server(tls(tmp_path, LOCAL, sni_callback=note)) as port:
        see(
            at(port, "localhost", server_name=None),
            at(port, "127.0.0.1", server_name=None),
            at(port, "localhost.", server_name="a.example.com"),
            at(port, "LOCALHOST", server_name=""),
            addresses="first",
            concurrency=1,
        )
    assert sorted(asked, key=str) == [None, None, "a.example.com", "localhost"]


VERSIONS = {
    "TLSv1": ["-tls1"],
    "TLSv1.1": ["-tls1_1"],
    "TLSv1.2": ["-tls1_2"],
    "TLSv1.3": ["-tls1_3"],
}


def test_servers_of_all_ages() -> None:
    """Old protocols are reported, and not trusted, which is told of apart from the facts."""
    rsa = ROOT.issue("localhost", key_type="rsa2048")
    with contextlib.ExitStack() as stack:
        ports = [
            stack.enter_context(OpensslServer(rsa, *options, "-cipher", "ALL:@SECLEVEL=0")).port
            for options in VERSIONS.values()
        ]
        seen = see(*map(at, ports))
    assert [each.protocol for each in seen] == list(VERSIONS)
    assert {each.leaf and each.leaf.fingerprint_sha256 for each in seen} == {rsa.fingerprint_sha256}
    assert [(each.error, each.trusted) for each in seen] == [(None, False), (None, False), (None, True), (None, True)]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("trusted", [True, False])
def test_servers_that_want_a_client_certificate(version: str, trusted: bool) -> None:
    issued = LOCAL if trusted else pki.self_signed("localhost")
    with OpensslServer(issued, version, "-Verify", "1", "-verify_return_error") as wanting:
        (seen,) = see(at(wanting.port))
    assert seen.reach == "served"
    assert seen.leaf
    assert seen.leaf.fingerprint_sha256 == issued.fingerprint_sha256
    assert seen.trusted is trusted


@pytest.mark.parametrize("kind", ["expired", "future", "self-signed", "unknown CA", "other name", "no intermediate"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_certificate_that_is_refused_costs_one_handshake(tmp_path: pathlib.Path, kind: str, version: str) -> None:
    bad = {
        "expired": lambda: ROOT.issue("localhost", not_before=pki.now() - 9 * DAY, not_after=pki.now() - DAY),
        "future": lambda: ROOT.issue("localhost", not_before=pki.now() + DAY),
        "self-signed": lambda: pki.self_signed("localhost"),
        "unknown CA": lambda: pki.CertificateAuthority("Other Root").issue("localhost"),
        "other name": lambda: ROOT.issue("other.example.com"),
        "no intermediate": lambda: LOCAL.replace(chain_pem=""),
    }[kind]()
    connections: list[int] = []
    number = ssl.TLSVersion[version]
    with server(
        tls(
            tmp_path,
            bad,
            before=lambda connection: connections.append(connection.fileno()),
            minimum_version=number,
            maximum_version=number,
        )
    ) as port:
        (seen,) = see(at(port))
        facts = probe(Endpoint("127.0.0.1", port, "localhost"), 10)
    assert len(connections) == 1 + 1
    assert (seen.trusted, seen.error) == (False, None)
    assert seen.trust_error
    assert tuple(each.der for each in seen.chain) == facts.chain
    assert (seen.protocol, seen.cipher) == (facts.protocol, facts.cipher)
    assert seen.protocol == version.replace("_", ".")


# Every address, or the first


def test_every_address_of_a_name(tmp_path: pathlib.Path, names: Names) -> None:
    """One sighting for each; a name with an address twice has it once, one without any has one sighting without."""
    names.addresses["two.example"] = ["127.0.0.2", "127.0.0.1", "127.0.0.2"]
    files = {"a.pem": ROOT.issue("two.example").combined_pem}
    with HaproxyInstance(files, tls=["crt {certs}"]) as haproxy:
        port = haproxy.ports[0]
        seen = see(at(port, "two.example", server_name=None), at(port, "nobody.invalid"))
    assert [(each.endpoint[0], each.address, each.reach, each.error) for each in seen] == [
        ("two.example", "127.0.0.1", "served", None),
        ("two.example", "127.0.0.2", "unreachable", "connection refused"),
        ("nobody.invalid", None, "unreachable", "name resolution failed"),
    ]
    assert seen[0].trusted
    assert (seen[1].trusted, seen[1].trust_error) == (None, None)


def test_an_address_instead_of_the_names_own(tmp_path: pathlib.Path, names: Names) -> None:
    with server(tls(tmp_path, LOCAL), host="127.0.0.3") as port:
        (seen,) = see(at(port, "a.example.com", server_name=None, address="127.0.0.3"))
    assert (seen.address, seen.trusted) == ("127.0.0.3", True)
    assert "a.example.com" not in names.asked


def test_a_name_is_looked_up_once(tmp_path: pathlib.Path, names: Names) -> None:
    names.addresses["many.example"] = ["127.0.0.1"]
    names.slow["many.example"] = 0.2
    with server(tls(tmp_path, LOCAL)) as port:
        others = [at(free_port(), "many.example") for _number in range(20)]
        seen = see(at(port, "many.example"), at(port, "MANY.example.", proxy_protocol=False, server_name=""), *others)
    assert [each.error for each in seen] == [None, None, *["connection refused"] * 20]
    assert [name for name in names.asked if "many" in name.lower()] == ["many.example"]


def test_a_resolver_that_hangs_holds_up_its_own_names_alone(tmp_path: pathlib.Path, names: Names) -> None:
    hanging = [f"slow{number}.example" for number in range(80)]  # more than there are threads
    names.slow.update(dict.fromkeys(hanging, 8.0))
    names.addresses["good.example"] = ["127.0.0.1"]
    with server(tls(tmp_path, LOCAL)) as port:
        started = time.monotonic()
        *slow, good = see(
            *(at(port, host) for host in hanging), at(port, "good.example"), timeout=1.5, concurrency=1000
        )
        assert time.monotonic() - started < 8
    assert {(each.error, each.address) for each in slow} == {("timeout after 1.5 s during name resolution", None)}
    # It may have waited behind those that have their threads for good.
    assert good.error in (None, "timeout after 1.5 s during name resolution")


def test_the_first_address_that_takes_a_connection(tmp_path: pathlib.Path, names: Names) -> None:
    """Happy eyeballs: one that hangs is left behind within a quarter of a second, and one that refuses at once."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(server(tls(tmp_path, LOCAL), host="127.0.0.4"))
        stack.enter_context(full_backlog("127.0.0.2", port))
        names.addresses["odd.example"] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
        started = time.monotonic()
        (seen,) = see(at(port, "odd.example"), addresses="first", timeout=60)
        assert time.monotonic() - started < 15
        hung, refused, served = see(at(port, "odd.example"), timeout=2)
    assert (seen.address, seen.error, seen.trusted) == ("127.0.0.4", None, True)
    assert [hung.error, refused.error, served.error] == [
        "timeout after 2 s during connect",
        "connection refused",
        None,
    ]


@contextlib.contextmanager
def full_backlog(host: str, port: int) -> t.Iterator[None]:
    """A listener that takes no connection any more, and does not refuse one either."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(socket.create_server((host, port), backlog=0))
        for _filler in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((host, port))
        time.sleep(0.1)
        yield


def test_ipv6_and_ipv4_of_one_name(tmp_path: pathlib.Path, names: Names) -> None:
    names.addresses["dual.example"] = ["::1", "127.0.0.1"]
    with server(tls(tmp_path, LOCAL), host="::1") as port:
        four, six = see(at(port, "dual.example"))
        (literal,) = see(at(port, "::1", server_name=None))
        (first,) = see(at(port, "dual.example"), addresses="first")
    assert [(each.address, each.error) for each in (four, six)] == [("127.0.0.1", "connection refused"), ("::1", None)]
    assert (literal.address, literal.trusted) == ("::1", True)
    assert (first.address, first.trusted) == ("::1", True)


WITHOUT_A_WAY = """
import datetime, socket, sys
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.scanner import ScannerSettings, scan

real = socket.getaddrinfo
known = {"dual.example": ["2001:db8::1", "127.0.0.1"], "six.example": ["2001:db8::1"]}
socket.getaddrinfo = lambda host, *args, **options: [
    each for address in known.get(host, [host]) for each in real(address, *args, **options)
]
now = datetime.datetime.now(datetime.timezone.utc)
for choice in ("all", "first"):
    settings = ScannerSettings(now, timeout=20, addresses=choice)
    for host in known:
        for seen in scan([WatchedEndpoint(host, host, 9)], settings):
            print(choice, host, seen.address, seen.error)
"""


def test_a_host_without_ipv6_does_not_call_what_has_it_unreachable() -> None:
    """In a name space of its own, where there are no other ways than loopback's."""
    command = ["unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    run = subprocess.run(
        [*command, sys.executable, "-c", WITHOUT_A_WAY], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.splitlines() == [
        "all dual.example 127.0.0.1 connection refused",
        "all six.example 2001:db8::1 network unreachable",
        "first dual.example 127.0.0.1 connection refused",
        "first six.example 2001:db8::1 network unreachable",
    ]


# Servers that misbehave


def says_nothing(connection: socket.socket) -> None:
    time.sleep(9)


def drips(connection: socket.socket) -> None:
    """One byte of an endless record at a time."""
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
    while True:
        connection.sendall(b"\x03")
        time.sleep(0.05)


def floods_with(data: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        while True:
            connection.sendall(data)

    return talk


def resets(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def closes(connection: socket.socket) -> None:
    """What is left unread would make a reset of it."""
    connection.recv(65536)


def greets_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"220-please hold the line\r\n" * 1000)


HELLO_REQUEST = b"\x16\x03\x03\x00\x04" + b"\x00\x00\x00\x00"
WARNING = b"\x15\x03\x03\x00\x02\x01\x5a"
BAD: dict[str, tuple[Talk, str]] = {
    "silent": (says_nothing, "timeout after 2 s during handshake"),
    "dripping": (drips, "timeout after 2 s during handshake"),
    "garbage": (floods_with(b"\x00garbage" * 4096), "not a TLS server"),
    "endless handshake": (floods_with(HELLO_REQUEST * 2000), ""),
    "endless warnings": (floods_with(WARNING * 2000), ""),
    "empty records": (floods_with(b"\x16\x03\x03\x00\x00" * 4000), ""),
    "reset": (resets, "connection reset during handshake"),
    "closed": (closes, "connection closed during handshake"),
    "plain text": (floods_with(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "not a TLS server"),
}


def test_whatever_some_do_the_others_are_seen(tmp_path: pathlib.Path) -> None:
    """Each costs its own time at most, and that once, however many there are of them."""
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(server(tls(tmp_path, LOCAL)))
        bad = {stack.enter_context(server(talk)): error for talk, error in BAD.values()}
        started = time.monotonic()
        seen = see(*map(at, (*bad, good)), timeout=2)
        took = time.monotonic() - started
    by_port = {each.endpoint[1]: each for each in seen}
    assert by_port[good].trusted
    for port, error in bad.items():
        assert by_port[port].reach == "unreachable"
        assert by_port[port].error
        assert (by_port[port].error or "").startswith(error)
    assert took < SOON


def first_flight(issued: pki.IssuedCertificate, directory: pathlib.Path) -> bytes:
    """All that a server of TLS 1.2 says in the clear."""
    (directory / "flight.pem").write_text(issued.combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "flight.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = permissive_context().wrap_bio(to_client, to_server)
    with contextlib.suppress(ssl.SSLWantReadError):
        ours.do_handshake()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(to_server, to_client, server_side=True).do_handshake()
    return to_client.read()


def test_no_damage_to_what_a_server_says_ends_anything_but_its_own_talk(tmp_path: pathlib.Path) -> None:
    """Bytes changed, cut out, cut off and doubled, in records and messages of all kinds."""
    flight, chance = first_flight(LOCAL, tmp_path), random.Random(14)
    assert len(flight) > 1000
    damaged = [
        b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x03",
        b"\x16",
        b"\x15\x03\x03",
    ]
    for _number in range(200):
        data = bytearray(flight)
        for _change in range(chance.randrange(1, 4)):
            place = chance.choice((chance.randrange(200), chance.randrange(len(data))))
            end = place + chance.choice((1, 1, 1, 2, 40))
            data[place:end] = chance.choice((b"", bytes([chance.randrange(256)]), data[place:end] * 2, b"\0\0\xff"))
        damaged.append(bytes(data))
    waiting = iter(damaged)

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(next(waiting))

    with server(talk) as port:
        for trust in (None, TRUST):
            waiting = iter(damaged * 2)
            seen = probe_many([Endpoint("127.0.0.1", port, "localhost")] * len(damaged), 10, 8, trust)
            assert all(each.error or each.trust_error for each in seen)
            assert [each.error for each in seen if each.error and "timeout" in each.error] == []
    empty = [_parse_certificate_message(b"", is_tls13=later) for later in (True, False)]
    assert empty == [(), ()]


def flights(issued: pki.IssuedCertificate, path: pathlib.Path, connection: socket.socket, *, whole: bool) -> None:
    """The first flight of a server of TLS 1.2 that wants a client certificate, or what comes up to its certificate."""
    path.write_text(issued.combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls_server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(connection.recv(65536))
    with contextlib.suppress(ssl.SSLWantReadError):
        tls_server.do_handshake()
    said = outgoing.read()
    # One record for each message: ServerHello, Certificate, ServerKeyExchange, ...
    hello = 5 + int.from_bytes(said[3:5], "big")
    certificate = hello + 5 + int.from_bytes(said[hello + 3 : hello + 5], "big")
    connection.sendall(said if whole else said[:certificate])
    if whole:
        connection.recv(65536)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("how", ["reset", "closed"])
def test_a_certificate_that_came_before_the_end_is_seen(tmp_path: pathlib.Path, whole: bool, how: str) -> None:
    """And trusted only when the server has signed with its key: anybody can send another's certificate."""

    def talk(connection: socket.socket) -> None:
        flights(LOCAL, tmp_path / "server.pem", connection, whole=whole)
        if how == "reset":
            time.sleep(0.3)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with server(talk) as port:
        (seen,) = see(at(port))
    assert seen.leaf
    assert seen.leaf.fingerprint_sha256 == LOCAL.fingerprint_sha256
    assert (seen.error or "").startswith(f"connection {how} during handshake after the server's certificate")
    assert seen.trusted is whole
    assert seen.trust_error is None or seen.trust_error.startswith(f"connection {how} during handshake")


def in_the_clear(cipher_suite: bytes, *certificates: bytes) -> bytes:
    """All that a server of TLS 1.2 says with an RSA cipher suite before it listens again, without a key of its own."""

    def message(kind: int, body: bytes) -> bytes:
        return bytes([kind]) + len(body).to_bytes(3, "big") + body

    entries = b"".join(len(each).to_bytes(3, "big") + each for each in certificates)
    said = message(2, b"\3\3" + bytes(32) + b"\0" + cipher_suite + b"\0" + b"\0\5\xff\1\0\1\0")
    said += message(11, len(entries).to_bytes(3, "big") + entries) + message(14, b"")
    records = [said[start : start + 16384] for start in range(0, len(said), 16384)]
    return b"".join(b"\x16\3\3" + len(each).to_bytes(2, "big") + each for each in records)


@pytest.mark.parametrize("cipher_suite", [b"\0\x9c", b"\0\x2f"])
def test_whoever_sends_anothers_certificate_is_not_trusted(cipher_suite: bytes) -> None:
    """Where RSA encrypts the secret nothing is signed: only the end of the handshake tells who has the key."""
    issued = ROOT.issue("localhost", key_type="rsa2048")

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(in_the_clear(cipher_suite, issued.certificate.public_bytes(Encoding.DER)))
        connection.recv(65536)

    with server(talk) as port:
        seen = probe(Endpoint("127.0.0.1", port, "localhost", key_type="rsa"), 10, TRUST)
    assert seen.fingerprint_sha256 is None, "it has not shown that it has the key"
    assert "whose key it has not shown to have" in (seen.error or "")
    assert seen.trusted is False


def test_a_chain_of_thousands_is_cut_off() -> None:
    """A message of 100 KB can hold tens of thousands of certificates that are none; each would be kept for ever."""
    rubbish = [number.to_bytes(2, "big") for number in range(15_000)]

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(in_the_clear(b"\xc0\x2f", LOCAL.certificate.public_bytes(Encoding.DER), *rubbish))

    with server(talk) as port:
        (seen,) = see(at(port))
    assert seen.leaf
    assert seen.leaf.fingerprint_sha256 == LOCAL.fingerprint_sha256
    assert len(seen.chain) == 100


@pytest.mark.parametrize("trust", [None, TRUST])
def test_a_reset_after_the_last_word_takes_nothing_away(tmp_path: pathlib.Path, trust: Trust | None) -> None:
    """Over TLS 1.3 all has been said when the client still wants to answer."""
    path = tmp_path / "server.pem"
    path.write_text(LOCAL.combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    def talk(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secured = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            secured.do_handshake()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(outgoing.read())

    with server(talk) as port:
        seen = [probe(Endpoint("127.0.0.1", port, "localhost"), 10, trust) for _each in range(25)]
    assert {(each.fingerprint_sha256, each.error, each.trusted) for each in seen} == {
        (LOCAL.fingerprint_sha256, None, trust and True)
    }


def test_forty_that_hang_between_those_that_answer(tmp_path: pathlib.Path) -> None:
    """They are asked side by side although only eight may count at a time."""
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("", 0), backlog=200))
        files = {"a.pem": LOCAL.combined_pem}
        haproxy = stack.enter_context(HaproxyInstance(files, tls=["crt {certs}"]))
        hanging = [at(silent.getsockname()[1], f"127.0.1.{number}") for number in range(40)]
        started = time.monotonic()
        seen = see(*hanging, at(haproxy.ports[0]), timeout=5, concurrency=8)
        took = time.monotonic() - started
    assert [each.error for each in seen] == ["timeout after 5 s during handshake"] * 40 + [None]
    assert took < 5 * 40 / 8 * 0.6  # in turns it would be 25 s


@pytest.mark.parametrize("protocol", ["smtp", "ftp", "imap"])
def test_a_greeting_without_end(protocol: str) -> None:
    with server(greets_for_ever) as port:
        started = time.monotonic()
        (seen,) = see(at(port, starttls=protocol), timeout=8)
    assert (seen.error or "").startswith("STARTTLS refused: server ")
    assert time.monotonic() - started < SOON


def test_what_the_deadline_leaves_is_named_and_not_called_unreachable(tmp_path: pathlib.Path) -> None:
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(server(tls(tmp_path, LOCAL)))
        silent = stack.enter_context(socket.create_server(("", 0), backlog=50))
        late = [at(silent.getsockname()[1], f"127.0.1.{number}") for number in range(20)]
        scanner = scan([at(good), *late], ScannerSettings(NOW, timeout=30, deadline=2, concurrency=4))
        started = time.monotonic()
        seen = list(scanner)
        assert time.monotonic() - started < SOON - 5
    assert [(each.endpoint, each.reach) for each in seen] == [(("127.0.0.1", good), "served")]
    assert scanner.unfinished == late


def test_an_endpoint_is_finished_with_its_last_address(tmp_path: pathlib.Path, names: Names) -> None:
    names.addresses["half.example"] = ["127.0.0.1", "127.0.0.2"]
    with server(tls(tmp_path, LOCAL)) as port, socket.create_server(("127.0.0.2", port), backlog=5):
        half = at(port, "half.example")
        scanner = scan([half], ScannerSettings(NOW, timeout=30, deadline=2))
        assert [each.address for each in scanner] == ["127.0.0.1"]
    assert scanner.unfinished == [half]


def test_what_a_chain_costs_to_judge_is_not_the_others_time(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile chain can keep us for a second or so; meanwhile nobody's time passes."""
    real = ChainEnds.end

    def costly(*arguments: t.Any, **options: t.Any) -> t.Any:
        time.sleep(0.7)
        return real(*arguments, **options)

    monkeypatch.setattr(ChainEnds, "end", costly)
    slow = tls(tmp_path, LOCAL, before=lambda connection: time.sleep(0.2))
    with server(slow) as port:
        seen = see(*(at(port, f"127.0.0.{number}", address="127.0.0.1") for number in range(1, 9)), timeout=3)
    assert [each.error for each in seen] == [None] * 8


def test_odd_endpoints_are_their_own_problem(tmp_path: pathlib.Path) -> None:
    odd = [
        at(443, "a..example.com"),
        at(443, "w*.example.com"),
        at(0),
        at(443, starttls="gopher"),
        at(443, address="nowhere"),
        at(443, server_name="b b"),
    ]
    with server(tls(tmp_path, LOCAL)) as port:
        good = at(port)
        seen = list(scan([*odd, good], ScannerSettings(NOW)))
    errors = [each.error for each in seen if each.endpoint != good.key]
    assert len(errors) == len(odd)
    assert all(errors)
    assert [each.reach for each in seen if each.endpoint == good.key] == ["served"]


# Limits of this machine


FEW_FILES = """
import datetime, resource, sys
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.scanner import ScannerSettings, scan

soft, hard = map(int, sys.argv[2:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
endpoints = [WatchedEndpoint("a", f"127.0.2.{n}", int(sys.argv[1])) for n in range(1, 251)]
settings = ScannerSettings(datetime.datetime.now(datetime.timezone.utc), timeout=1, concurrency=250)
print({seen.error for seen in scan(endpoints, settings)}, resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(100, 100), (100, 4096)])
def test_few_files_may_be_open(soft: int, hard: int) -> None:
    """What may not be asked at once is asked in turns, and no endpoint is told that it is our fault."""
    with socket.create_server(("", 0), backlog=400) as silent:
        command = [sys.executable, "-c", FEW_FILES, str(silent.getsockname()[1]), str(soft), str(hard)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == f"{{'timeout after 1 s during handshake'}} ({soft}, {hard})"


MUCH_SILENCE = """
import datetime, resource, sys
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.scanner import ScannerSettings, scan

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
endpoints = [WatchedEndpoint("a", f"127.0.{3 + n // 250}.{1 + n % 250}", int(sys.argv[1])) for n in range(1000)]
settings = ScannerSettings(datetime.datetime.now(datetime.timezone.utc), timeout=6, concurrency=500)
seen = sum(1 for _sighting in scan(endpoints, settings))
print(seen, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)
"""


def test_a_thousand_that_are_silent_at_once_need_little_room() -> None:
    with socket.create_server(("", 0), backlog=2000) as silent:
        command = [sys.executable, "-c", MUCH_SILENCE, str(silent.getsockname()[1])]
        run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    seen, megabytes = map(int, run.stdout.split())
    assert seen == 1000
    assert megabytes < 80


def test_files_of_others_are_waited_for(tmp_path: pathlib.Path) -> None:
    """The limit is this process's; somebody else in it has used it up, and lets go after a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with server(tls(tmp_path, LOCAL)) as port, contextlib.ExitStack() as taken:
        with open_files(1):
            used = [taken.enter_context(socket.socket()) for _number in range(3)]
            highest = max(each.fileno() for each in used) + 6
            result: list[t.Any] = []
        thread = threading.Thread(target=lambda: result.extend(probe_many([Endpoint("127.0.0.1", port)] * 6, 20, 6)))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
        try:
            thread.start()
            time.sleep(1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        thread.join(30)
    assert [each.error for each in result] == [None] * 6


def test_a_port_that_meets_itself_is_refused() -> None:
    """Of a closed port that the kernel chooses for our end as well: TCP connects it with itself."""

    with socket.socket() as both:
        both.bind(("127.0.0.1", 0))
        both.connect(both.getsockname())
        assert connection._with_itself(both)
