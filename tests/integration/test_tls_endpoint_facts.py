# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tls_endpoint_info: what is sent and what of it is needed, staples, from where and for whom it asks."""

from __future__ import annotations

import datetime
import pathlib
import socket
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import isoformat_utc
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import Endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.every_address import probe_every_address
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.observation import Trust
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.openssl_server import OpensslServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response
from ansible_collections.certops.rotation.tests.support.tls_server import server, tls
from cryptography.x509 import ocsp

DAY = datetime.timedelta(days=1)
NOW = pki.now()
ROOT = pki.CertificateAuthority("Test Root")
INTERMEDIATE = pki.CertificateAuthority("Test Intermediate", parent=ROOT)
LOCAL = INTERMEDIATE.issue(["localhost", "127.0.0.1"])
OLD_ROOT = pki.CertificateAuthority("Old Root")


def cross_sign(not_after: datetime.datetime) -> pki.CertificateAuthority:
    """The root's name and key, signed by an older one."""
    return pki.CertificateAuthority(
        "Test Root", key=ROOT.key, parent=OLD_ROOT, not_before=NOW - 900 * DAY, not_after=not_after
    )


def inspect(*endpoints: t.Any, **options: t.Any) -> list[dict[str, t.Any]]:
    args = {"endpoints": list(endpoints), "trust_anchors": ROOT.root_pem, **options}
    run = module.run_module("tls_endpoint_info", args)
    assert not run.failed, run.result
    return list(run.result["endpoints"])


@pytest.mark.parametrize("days", [-9, 5])
def test_an_expired_or_ending_cross_sign_beside_a_valid_path_is_no_end(tmp_path: pathlib.Path, days: int) -> None:
    sent = LOCAL.replace(chain_pem=LOCAL.chain_pem + cross_sign(NOW + days * DAY).certificate_pem)
    with server(tls(tmp_path, sent)) as port:
        (seen,) = inspect(f"localhost:{port}")
        (by_old,) = inspect(f"localhost:{port}", trust_anchors=OLD_ROOT.root_pem)
    assert (seen["trusted"], seen["needed_until"]) == (True, seen["not_after"])
    assert [each["not_after"] for each in seen["chain"]][2] == isoformat_utc(NOW + days * DAY)
    assert (by_old["trusted"], by_old["needed_until"]) == (
        (True, isoformat_utc(NOW + days * DAY)) if days > 0 else (False, None)
    )


def test_a_needed_certificate_that_ends_before_the_leaf(tmp_path: pathlib.Path) -> None:
    short = pki.CertificateAuthority("Short", parent=ROOT, not_after=NOW + 5 * DAY)
    with server(tls(tmp_path, short.issue("localhost"))) as port:
        (seen,) = inspect(f"localhost:{port}")
    assert seen["needed_until"] == isoformat_utc(NOW + 5 * DAY)


def test_order_and_extras_are_notes_and_no_errors(tmp_path: pathlib.Path) -> None:
    """Python's own server sends what it is given as it is given it."""
    mixed = LOCAL.replace(chain_pem=ROOT.certificate_pem + INTERMEDIATE.certificate_pem + OLD_ROOT.certificate_pem)
    with server(tls(tmp_path, mixed)) as port:
        (seen,) = inspect(f"localhost:{port}")
    assert (seen["error"], seen["trusted"], seen["needed_until"]) == (None, True, seen["not_after"])
    assert seen["chain_notes"] == ["sent in another order", "a root is sent, too"]
    assert [each["subject"] for each in seen["chain"]] == [
        "CN=localhost",
        "CN=Test Root",
        "CN=Test Intermediate",
        "CN=Old Root",
    ]


def test_the_key_and_older_fingerprints(tmp_path: pathlib.Path) -> None:
    with server(tls(tmp_path, LOCAL)) as port:
        (seen,) = inspect(f"localhost:{port}")
    assert (seen["key_type"], len(seen["key_sha256"])) == ("ecdsa P-256", 64)
    assert (len(seen["fingerprint_sha1"]), len(seen["fingerprint_md5"])) == (40, 32)
    assert "staple" not in seen
    assert seen["key_type_ignored"] is False


WEEK_OLD = {"this_update": NOW - 9 * DAY, "next_update": NOW - DAY}
STAPLES = {
    "good": ocsp_response(INTERMEDIATE, LOCAL),
    "revoked": ocsp_response(INTERMEDIATE, LOCAL, status=ocsp.OCSPCertStatus.REVOKED),
    "stale": ocsp_response(INTERMEDIATE, LOCAL, **WEEK_OLD),
    "invalid": ocsp_response(ROOT, LOCAL),
    "none": b"",
}


@pytest.mark.parametrize("state", STAPLES)
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_the_staple_of_openssl(tmp_path: pathlib.Path, state: str, version: str) -> None:
    path = tmp_path / "response.der"
    path.write_bytes(STAPLES[state])
    options = ["-status_file", str(path)] if STAPLES[state] else []
    with OpensslServer(LOCAL, version, *options) as running:
        (seen,) = inspect(f"localhost:{running.port}", staple=True)
    assert (seen["error"], seen["trusted"], seen["staple"]) == (None, True, state)


def test_the_staple_of_haproxy_by_key_type() -> None:
    rsa = INTERMEDIATE.issue("localhost", key_type="rsa2048")
    files = {
        "site.pem.rsa": rsa.combined_pem,
        "site.pem.ecdsa": LOCAL.combined_pem,
        "site.pem.rsa.ocsp": ocsp_response(INTERMEDIATE, rsa),
    }
    with HaproxyInstance(files, tls=["crt {certs}/site.pem"]) as haproxy:
        (port,) = haproxy.ports
        entries = [{"host": "localhost", "port": port, "key_type": kind} for kind in ("rsa", "ecdsa")]
        seen = inspect(*entries, staple=True)
    assert [each["fingerprint_sha256"] for each in seen] == [rsa.fingerprint_sha256, LOCAL.fingerprint_sha256]
    assert [each["staple"] for each in seen] == ["good", "none"]


def test_a_staple_behind_a_proxy_header_and_of_what_is_not_reached(tmp_path: pathlib.Path) -> None:
    with (
        HaproxyInstance(
            {"site.pem": LOCAL.combined_pem, "site.pem.ocsp": STAPLES["good"]},
            tls=["crt {certs}/site.pem accept-proxy"],
        ) as haproxy,
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        entry = {"host": "localhost", "address": "127.0.0.1", "port": haproxy.ports[0], "proxy_protocol": "v2"}
        proxied, hanging = inspect(entry, f"127.0.0.1:{silent.getsockname()[1]}", staple=True, timeout=2)
    assert (proxied["trusted"], proxied["staple"]) == (True, "good")
    assert (hanging["reachable"], hanging["staple"]) == (False, None)


def test_a_server_that_wants_a_client_certificate_staples_all_the_same(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "response.der"
    path.write_bytes(STAPLES["good"])
    for version in ("-tls1_2", "-tls1_3"):
        with OpensslServer(LOCAL, version, "-status_file", str(path), "-Verify", "1") as running:
            (seen,) = inspect(f"localhost:{running.port}", staple=True)
        assert (seen["reachable"], seen["staple"]) == (True, "good")


@pytest.mark.parametrize("kind", [True, "true", "v1", "v2"])
def test_haproxy_and_nothing_else_understands_each_proxy_header(kind: t.Any) -> None:
    with HaproxyInstance({"site.pem": LOCAL.combined_pem}, tls=["crt {certs}", "crt {certs} accept-proxy"]) as haproxy:
        plain, proxied = haproxy.ports
        entries = [
            {"host": "localhost", "address": "127.0.0.1", "port": port, "proxy_protocol": kind}
            for port in (plain, proxied)
        ]
        refused, seen = inspect(*entries)
    assert (seen["error"], seen["trusted"]) == (None, True)
    assert not refused["reachable"]


def test_the_address_that_it_asks_from(tmp_path: pathlib.Path) -> None:
    peers = []
    secured = tls(tmp_path, LOCAL)

    def talk(connection: socket.socket) -> None:
        peers.append(connection.getpeername()[0])
        secured(connection)

    with server(talk) as port:
        entry = {"host": "localhost", "address": "127.0.0.1", "port": port}
        seen = inspect(
            {**entry, "source_address": "127.0.0.77"},
            {**entry, "source_address": "192.0.2.77"},
            {**entry, "source_address": "::1"},
        )
    assert (seen[0]["trusted"], peers) == (True, ["127.0.0.77"])
    assert [each["error"] for each in seen[1:]] == [
        "source_address 192.0.2.77 cannot be used to connect to 127.0.0.1",
        "source_address ::1 cannot be used to connect to 127.0.0.1",
    ]


def resolving(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> None:
    real = socket.getaddrinfo

    def look_up(host: str, *args: t.Any, **options: t.Any) -> list[t.Any]:
        return [found for address in names.get(host, [host]) for found in real(address, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_every_address_of_a_name_by_itself(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two serve different certificates, one refuses, and one hangs: that costs its own time alone."""
    names = {"many.example.com": ["127.0.0.51", "127.0.0.52", "::1", "127.0.0.53"], "one.example.com": ["127.0.0.51"]}
    resolving(monkeypatch, names)
    port = free_port()
    issued = [INTERMEDIATE.issue("many.example.com") for _turn in range(2)]
    for number in range(2):
        (tmp_path / str(number)).mkdir()
    with (
        server(tls(tmp_path / "0", issued[0]), "127.0.0.51", port),
        server(tls(tmp_path / "1", issued[1]), "127.0.0.52", port),
        server(lambda _connection: time.sleep(6), "127.0.0.53", port),
    ):
        endpoints = [
            Endpoint(name, port, "many.example.com") for name in (*names, "nobody.invalid", "127.0.0.52", "a b")
        ]
        seen = probe_every_address(endpoints, 2, 8, Trust(ROOT.root_pem))
    fingerprints = [each.fingerprint_sha256 for each in issued]
    assert [(each.endpoint.host, each.address) for each in seen] == [
        *(("many.example.com", address) for address in names["many.example.com"]),
        ("one.example.com", "127.0.0.51"),
        ("nobody.invalid", None),
        ("127.0.0.52", "127.0.0.52"),
        ("a b", None),
    ]
    assert [each.error for each in seen] == [
        None,
        None,
        "connection refused",
        "timeout after 2 s during handshake",
        None,
        "name resolution failed",
        None,
        "'a b' is not a host name",
    ]
    assert [seen[place].fingerprint_sha256 for place in (0, 1, 4, 6)] == [*fingerprints, *fingerprints]
    assert [each.trusted for each in seen] == [True, True, False, False, True, False, True, False]


def test_a_name_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: time.sleep(5) or [])
    (seen,) = probe_every_address([Endpoint("slow.example.com", 443)], 1, 8, Trust(ROOT.root_pem))
    assert (seen.error, seen.address, seen.trusted) == ("timeout after 1 s during name resolution", None, False)


@pytest.mark.parametrize("addresses", ["first", "all"])
def test_one_address_is_one_result(tmp_path: pathlib.Path, addresses: str) -> None:
    with server(tls(tmp_path, LOCAL)) as port:
        seen = inspect(f"127.0.0.1:{port}", f"localhost:{port}", addresses=addresses)
    assert [each["address"] for each in seen if each["reachable"]] == ["127.0.0.1", "127.0.0.1"]
