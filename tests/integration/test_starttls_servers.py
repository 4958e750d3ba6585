# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""STARTTLS with real servers: Postfix, Dovecot, vsftpd, slapd, PostgreSQL, MariaDB, prosody and INN's nnrpd."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import Endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.probe import Observation, Trust, probe_many
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.starttls import PROTOCOLS
from ansible_collections.certops.rotation.tests.support import module
from ansible_collections.certops.rotation.tests.support.plaintext_servers import (
    INTERNATIONAL,
    NAME,
    UNITS,
    PlaintextServers,
)
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost

WITH_RSA = ("ftp", "ldap", "nntp")


@pytest.fixture(scope="module")
def servers() -> t.Iterator[PlaintextServers]:
    with SystemdHost() as system:
        running = PlaintextServers(system)
        running.start()
        yield running


def look(servers: PlaintextServers, *endpoints: Endpoint) -> list[Observation]:
    return probe_many(endpoints, 20, 8, Trust(servers.root.root_pem))


def test_every_protocol_has_a_real_server() -> None:
    assert set(UNITS) == PROTOCOLS


def test_every_server_shows_its_chain_and_is_trusted(servers: PlaintextServers) -> None:
    asked = [{"host": "127.0.0.1", "port": port, "server_name": NAME, "starttls": protocol}
             for protocol, port in servers.ports.items()]  # fmt: skip
    args = {"endpoints": asked, "timeout": 20, "trust_anchors": servers.root.root_pem}
    seen = {each["starttls"]: each for each in module.run_module("tls_endpoint_info", args).result["endpoints"]}
    assert {protocol: each["error"] or each["trust_error"] for protocol, each in seen.items()} == dict.fromkeys(UNITS)
    expected = {each: servers.rsa if each in WITH_RSA else servers.ec for each in UNITS}
    for protocol, each in seen.items():
        if protocol != "smtp":  # Postfix has both
            assert each["fingerprint_sha256"] == expected[protocol].fingerprint_sha256, protocol
        assert each["trusted"], protocol
        assert len(each["chain"]) == 2, protocol
        assert each["needed_until"] == each["not_after"], protocol


def test_one_of_the_two_certificates_of_one_name(servers: PlaintextServers) -> None:
    rsa, ecdsa = look(
        servers,
        *(
            Endpoint("127.0.0.1", servers.ports["smtp"], NAME, starttls="smtp", key_type=kind)
            for kind in ("rsa", "ecdsa")
        ),
    )
    assert (rsa.fingerprint_sha256, ecdsa.fingerprint_sha256) == (
        servers.rsa.fingerprint_sha256,
        servers.ec.fingerprint_sha256,
    )


@pytest.mark.parametrize("protocol", ["xmpp", "xmpp-server"])
def test_xmpp_is_asked_for_its_domain(servers: PlaintextServers, protocol: str) -> None:
    port = servers.ports[protocol]
    known, other = look(
        servers,
        Endpoint("127.0.0.1", port, INTERNATIONAL, starttls=protocol),
        Endpoint("127.0.0.1", port, "nobody.example.com", starttls=protocol),
    )
    assert (known.error, known.trusted) == (None, True)
    assert other.error == (
        "STARTTLS refused: server answered 'host-unknown' to the stream (server_name has to be the XMPP domain)"
    )


def test_a_server_that_speaks_another_protocol_is_told_by_what_it_says(servers: PlaintextServers) -> None:
    """And none of them costs more than its own time-out."""
    pairs = [
        ("smtp", "imap"),
        ("imap", "smtp"),
        ("pop3", "ftp"),
        ("mysql", "smtp"),
        ("sieve", "nntp"),
        ("lmtp", "pop3"),
    ]
    seen = look(
        servers, *(Endpoint("127.0.0.1", servers.ports[actual], NAME, starttls=asked) for asked, actual in pairs)
    )
    assert [each.reachable for each in seen] == [False] * len(pairs)
    assert all((each.error or "").startswith("STARTTLS refused: server ") for each in seen), seen


def test_a_server_without_tls_says_so(servers: PlaintextServers) -> None:
    """Postfix, told to do without it."""
    asked = Endpoint("127.0.0.1", servers.ports["smtp"], NAME, starttls="smtp")
    servers.system.run("postconf", "-e", "smtpd_tls_security_level=none")
    servers.system.run("systemctl", "restart", "postfix")
    try:
        (smtp,) = look(servers, asked)
    finally:
        servers.system.run("postconf", "-e", "smtpd_tls_security_level=may")
        servers.system.run("systemctl", "restart", "postfix")
    assert smtp.error == "STARTTLS refused: server answered '502 5.5.1 Error: command not implemented' to STARTTLS"
    assert look(servers, asked)[0].trusted
