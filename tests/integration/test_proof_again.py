# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A right answer once is not proof: who else listens there answers otherwise, or with another chain, or breaks off."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import ssl
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import module, pki, tls_server
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.ports import free_port

ROOT = pki.CertificateAuthority("Test Root")
UPPER = pki.CertificateAuthority("Upper", parent=ROOT)
LOWER = pki.CertificateAuthority("Lower", parent=UPPER)
LOWER_AGAIN = pki.CertificateAuthority("Lower", key=LOWER.key, parent=UPPER)
NAME = "a.example.com"


def item(path: str | pathlib.Path, issued: pki.IssuedCertificate) -> dict[str, t.Any]:
    return {
        "name": pathlib.Path(path).stem,
        "path": str(path),
        "fingerprint_sha256": issued.fingerprint_sha256,
        "subject_alternative_names": list(issued.names),
        "key_type": "ecdsa",
    }


def prove(*certificates: dict[str, t.Any], **options: t.Any) -> dict[str, t.Any]:
    args = {"certificates": list(certificates), "delay": 0.01, "retries": 1, "on_failure": "report", **options}
    return module.run_module("certificate_proof_info", args).result


def outcome(result: t.Mapping[str, t.Any]) -> str:
    (certificate,) = result["certificates"]
    return str(certificate["outcome"])


def errors(result: t.Mapping[str, t.Any]) -> list[str]:
    """Of the mismatches."""
    return [str(found["error"]) for certificate in result["certificates"] for found in certificate["mismatches"]]


@pytest.mark.usefixtures("haproxy_version")
def test_another_haproxy_on_the_same_port_and_another_frontend() -> None:
    old, new = ROOT.issue(NAME), ROOT.issue(NAME)
    with HaproxyInstance({"a.pem": old.combined_pem}) as left, HaproxyInstance({}, tls=()) as haproxy:
        path, port = haproxy.write_certificate("a.pem", new.combined_pem), left.port
        bind = f"127.0.0.1:{port}"
        haproxy.write_config(f"frontend one\n  bind {bind} ssl crt {path}\n")
        assert haproxy.reload(), haproxy.log
        configured = {"config": [str(haproxy.config_path)], "socket": haproxy.socket}
        both = [f"haproxy (process {one.worker_pid()})" for one in (haproxy, left)]
        for how in (configured, {"binds": [bind]}):
            result = prove(item(path, new), **how)
            assert outcome(result) == "wrong", result["msg"]
            found = errors(result)[0]
            assert " of 10 connections got a certificate that is not deployed now" in found
            assert all(one in found for one in both)
            (shared,) = result["shared"]
            assert (shared["bind"], sorted(shared["listeners"])) == (bind, sorted(both))

        # Both have it: proven, and said all the same.
        left.write_certificate("a.pem", new.combined_pem)
        assert left.reload(), left.log
        result = prove(item(path, new), **configured)
        assert outcome(result) == "right", result["msg"]
        assert result["probes_again"] == 2 * 9  # by name, and without one
        assert f"Several listen at {bind}" in str(result["warnings"])

        left.stop()
        result = prove(item(path, new), **configured)
        assert (outcome(result), result["probes"], result["probes_again"]) == ("right", 2, 3), result["msg"]
        assert (result["shared"], result.get("warnings")) == ([], None)

        foreign = haproxy.directory / "foreign.pem"
        foreign.write_text(old.combined_pem)
        for shards in ("", " shards 2"):
            two = f"frontend two\n  bind {bind} ssl crt {foreign}{shards}\n"
            haproxy.write_config(f"frontend one\n  bind {bind} ssl crt {path}{shards}\n{two}")
            assert haproxy.reload(), haproxy.log
            result = prove(item(path, new), **configured)
            assert outcome(result) == "wrong", result["msg"]
            assert "connections got " in errors(result)[0]
            assert f"frontend one (bind {bind} ssl crt {path}{shards}), frontend two (bind {bind}" in errors(result)[0]

        # One bind with several sockets is one, and a second one of the frontend that loads the same changes nothing.
        haproxy.write_config(f"frontend one\n  bind {bind} ssl crt {path} shards 2\n  bind {bind} ssl crt {path}\n")
        assert haproxy.reload(), haproxy.log
        result = prove(item(path, new), **configured)
        assert (outcome(result), result["probes_again"], result["shared"]) == ("right", 3, []), result["msg"]


@contextlib.contextmanager
def beside(port: int, talk: tls_server.Talk) -> t.Iterator[None]:
    """Another program at a port that is taken."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(50)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _peer = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        talk(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def close(connection: socket.socket) -> None:
    connection.recv(1)


def told_shares(result: dict[str, t.Any]) -> bool:
    return any(" of 10 connections: " in one["error"] for one in result["certificates"][0]["unanswered"])


def test_another_program_at_the_port(tmp_path: pathlib.Path) -> None:
    old, new = ROOT.issue(NAME), ROOT.issue(NAME)
    with HaproxyInstance({"a.pem": new.combined_pem}) as haproxy:
        deployed = item(haproxy.certificate_name("a.pem"), new)
        how = {"config": [str(haproxy.config_path)], "socket": haproxy.socket, "timeout": 2}
        with beside(haproxy.port, tls_server.tls(tmp_path, old)):
            result = prove(deployed, **how)
        assert outcome(result) == "wrong", result["msg"]
        assert "python" in errors(result)[0]
        assert "haproxy (process" in errors(result)[0]
        # One that is no TLS server gets every second client, and no certificate speaks against ours.
        with beside(haproxy.port, lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")):
            # Whom each client comes to is the kernel's choice. Where none came to HAProxy, no share is told.
            results = [prove(deployed, **how)]
            while not told_shares(results[-1]) and len(results) < 10:
                results.append(prove(deployed, **how))
        assert {outcome(result) for result in results} == {"unasked"}, [result["msg"] for result in results]
        assert told_shares(results[-1])
        # Alone, and not HAProxy.
        port = haproxy.port
        haproxy.stop()
        with tls_server.server(tls_server.tls(tmp_path, old), port=port):
            result = prove(deployed, binds=[f"127.0.0.1:{port}"])
        assert errors(result)[0].endswith("listens there, which is not HAProxy")


def test_a_balancer_that_has_two_of_them_behind_it() -> None:
    """One listens at the port that is asked, and passes the connections on in turns."""
    old, new = ROOT.issue(NAME), ROOT.issue(NAME)
    with HaproxyInstance({"a.pem": new.combined_pem}) as haproxy, HaproxyInstance({"a.pem": old.combined_pem}) as left:
        port = free_port()
        servers = "".join(f"  server s{each} 127.0.0.1:{each}\n" for each in (haproxy.port, left.port))
        haproxy.write_config(f"listen front\n  mode tcp\n  bind 127.0.0.1:{port}\n{servers}")
        assert haproxy.reload(), haproxy.log
        result = prove(item(haproxy.certificate_name("a.pem"), new), binds=[f"127.0.0.1:{port}"], retries=0)
    assert outcome(result) == "wrong", result["msg"]


def test_a_limit_of_connections_is_not_reached_by_asking_again() -> None:
    """Five connections are allowed in an hour: two ask, three ask again. And then less than that."""
    files = {"a.pem": ROOT.issue(NAME)}
    with HaproxyInstance({name: issued.combined_pem for name, issued in files.items()}) as haproxy:
        rules = (
            "frontend tls\n"
            "    stick-table type ip size 1k expire 1h store conn_rate(1h)\n"
            "    tcp-request connection track-sc0 src\n"
            "    tcp-request connection reject if { sc_conn_rate(0) gt LIMIT }\n"
        )
        text = haproxy.config_path.read_text()
        for limit in (5, 3):
            haproxy.config_path.write_text(text.replace("frontend tls\n", rules.replace("LIMIT", str(limit))))
            assert haproxy.reload(), haproxy.log
            result = prove(
                item(haproxy.certificate_name("a.pem"), files["a.pem"]),
                config=[str(haproxy.config_path)],
                socket=haproxy.socket,
            )
            # Who turns us away then has answered before.
            assert (outcome(result), result["probes"]) == ("right", 2), result["msg"]
            assert result["probes_again"] <= 3


CHAINS = {
    "plain": [LOWER, UPPER],
    "leaf": [],
    "root": [LOWER, UPPER, ROOT],
    "turned": [UPPER, LOWER],
}


@pytest.mark.usefixtures("haproxy_version")
def test_the_whole_chain_is_proven() -> None:
    """What HAProxy holds is what lies in the file, over TLS 1.3 and 1.2; and then the file has another chain."""
    leaves = {name: LOWER.issue(f"{name}.example.com") for name in CHAINS}

    def pem(name: str, chain: t.Sequence[pki.CertificateAuthority]) -> str:
        return leaves[name].replace(chain_pem="".join(one.certificate_pem for one in chain)).combined_pem

    haproxy = HaproxyInstance(
        {f"{name}.pem": pem(name, chain) for name, chain in CHAINS.items()},
        tls=["crt {certs}", "crt {certs} ssl-max-ver TLSv1.2"],
    )
    with haproxy:
        items = [item(haproxy.certificate_name(f"{name}.pem"), leaf) for name, leaf in leaves.items()]
        plain = haproxy.config_path.read_text()
        (haproxy.directory / "chains").mkdir()
        (haproxy.directory / "chains/lower.pem").write_text(LOWER.certificate_pem + UPPER.certificate_pem)
        for rule in ("", "ssl-skip-self-issued-ca", f"issuers-chain-path {haproxy.directory}/chains"):
            haproxy.config_path.write_text(plain.replace("global\n", f"global\n    {rule}\n", 1))
            assert haproxy.reload(), haproxy.log
            result = prove(*items, config=[str(haproxy.config_path)], socket=haproxy.socket)
            assert {one["name"]: one["outcome"] for one in result["certificates"]} == dict.fromkeys(CHAINS, "right"), (
                rule,
                result["msg"],
            )
        haproxy.config_path.write_text(plain)
        assert haproxy.reload(), haproxy.log
        now = {
            "plain": [LOWER_AGAIN, UPPER],  # issued again under the same key and name
            "leaf": [LOWER],
            "root": [LOWER, UPPER],
            "turned": [LOWER, UPPER],
        }
        for name, chain in now.items():
            haproxy.write_certificate(f"{name}.pem", pem(name, chain))
        for how in ({"config": [str(haproxy.config_path)]}, {"config": [str(haproxy.config_path)], "reloaded": True}):
            result = prove(*items, **how, retries=0)
            assert {one["name"]: one["outcome"] for one in result["certificates"]} == dict.fromkeys(CHAINS, "wrong")
            by_name = {one["name"]: one["mismatches"][0] for one in result["certificates"]}
            assert all("the right certificate, but " in one["error"] for one in by_name.values())
            assert "without CN=Lower (" in by_name["plain"]["error"]
            assert by_name["turned"]["error"].endswith("its chain comes in another order than in its file")
            served = leaves["plain"].fingerprint_sha256
            assert by_name["plain"]["served_fingerprint_sha256"] == served
            assert f"serves {served}: the right certificate" in result["msg"]
        assert haproxy.reload(), haproxy.log
        assert prove(*items, config=[str(haproxy.config_path)])["proven"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("client_certificates", [ssl.CERT_NONE, ssl.CERT_REQUIRED])
def test_who_breaks_off_before_it_has_signed_proves_nothing(
    tmp_path: pathlib.Path, version: ssl.TLSVersion, client_certificates: ssl.VerifyMode
) -> None:
    """A certificate is public. At each record of the handshake the server hangs up; only at the last all is there."""
    issued = ROOT.issue(NAME)
    path = tmp_path / "a.pem"
    path.write_text(issued.combined_pem)
    options = {"maximum_version": version, "minimum_version": version, "verify_mode": client_certificates}
    outcomes = []
    with contextlib.ExitStack() as stack:
        talks = (tls_server.cut(tmp_path, issued, records, **options) for records in range(1, 8))
        binds = [f"127.0.0.1:{stack.enter_context(tls_server.server(talk))}" for talk in talks]
        for bind in binds:
            result = prove(item(path, issued), binds=[bind], retries=0)
            (certificate,) = result["certificates"]
            assert certificate["mismatches"] == []
            outcomes.append(certificate["outcome"])
            seen = certificate["unanswered"][0]["error"] if certificate["unanswered"] else ""
            assert "whose key it has not shown to have" in seen or "certificate" not in seen
    assert outcomes[:3] == ["unasked"] * 3
    assert outcomes[-1] == "right"
    assert outcomes == sorted(outcomes, reverse=True)
