# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_proof_info among listeners that drip, reset, flood, lie or limit: bounded, and all others are proven."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import struct
import time
import typing as t

from ansible_collections.certops.rotation.tests.support import module, pki, tls_server
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance

ROOT = pki.CertificateAuthority("Test Root")
BOUND = 60  # seconds: far more than the proof needs, far less than one time-out for each name
NAMES = [f"n{number}.example.com" for number in range(40)]


def reset(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(connection: socket.socket) -> None:
    connection.recv(65536)


def silence(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def drip(connection: socket.socket) -> None:
    """A record of 16 KB that comes byte by byte, each well within any time-out of one read."""
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
    while True:
        connection.sendall(b"\x03")
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"garbage!" * 8192)


def flood_of_records(connection: socket.socket) -> None:
    """Well-formed ones, of a handshake message that says it has 16 MB."""
    connection.sendall(b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff" + b"\0" * 16380)
    while True:
        connection.sendall(b"\x16\x03\x03\x40\x00" + b"\0" * 16384)


def half_a_server_hello(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + b"\x11" * 20)
    silence(connection)


def alert(connection: socket.socket) -> None:
    """handshake_failure instead of a certificate."""
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")


def web_page(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


HOSTILE = (reset, close, silence, drip, flood, flood_of_records, half_a_server_hello, alert, web_page)


def deployed(haproxy: HaproxyInstance, files: t.Mapping[str, pki.IssuedCertificate]) -> list[dict[str, t.Any]]:
    return [
        {
            "name": name.removesuffix(".pem"),
            "path": haproxy.certificate_name(name),
            "fingerprint_sha256": issued.fingerprint_sha256,
            "subject_alternative_names": list(issued.names),
            "key_type": "ecdsa",
        }
        for name, issued in files.items()
    ]


def test_hostile_listeners_are_no_proof_against_anything_and_cost_bounded_time() -> None:
    """All at once, forty names each, beside a good HAProxy: nothing is wrong, and what HAProxy serves is seen."""
    files = {"a.pem": ROOT.issue(NAMES), "b.pem": ROOT.issue("b.example.com")}
    haproxy = HaproxyInstance({name: issued.combined_pem for name, issued in files.items()})
    with haproxy, contextlib.ExitStack() as stack:
        ports = {talk.__name__: stack.enter_context(tls_server.server(talk)) for talk in HOSTILE}
        lines = [f"  bind 127.0.0.1:{port} ssl crt {haproxy.certs_dir}/a.pem" for port in ports.values()]
        extra = haproxy.directory / "extra.cfg"
        extra.write_text("\n".join(["frontend hostile", *lines, ""]))
        args = {
            "certificates": deployed(haproxy, files),
            "config": [str(haproxy.config_path), str(extra)],
            "socket": haproxy.socket,
            "timeout": 1,
            "retries": 1,
            "delay": 0.1,
            "on_failure": "report",
        }
        started = time.monotonic()
        result = module.run_module("certificate_proof_info", args).result
        assert time.monotonic() - started < BOUND
    hostile, good = result["certificates"]
    assert (good["outcome"], good["proven"]) == ("right", True)
    assert (hostile["outcome"], hostile["mismatches"]) == ("unasked", [])
    errors = {name: set() for name in ports}
    by_bind = {f"127.0.0.1:{port}": name for name, port in ports.items()}
    for question in hostile["unanswered"]:
        errors[by_bind[question["bind"]]].add(question["error"].partition(" ")[0])
    assert set().union(*errors.values()) <= {"connection", "timeout", "TLS", "not"}
    assert {name: bool(found) for name, found in errors.items()} == dict.fromkeys(ports, True)
    assert len(hostile["unanswered"]) == len(ports) * (len(NAMES) + 1)


def stubborn(name: str, behaviour: tls_server.Talk) -> tls_server.Talk:
    """What comes before a handshake: behaviour, for those who ask for this name."""

    def talk(connection: socket.socket) -> None:
        if name.encode() in connection.recv(4096, socket.MSG_PEEK):
            behaviour(connection)
            connection.close()

    return talk


def test_one_name_that_gets_no_answer_does_not_keep_the_others_from_theirs(tmp_path: pathlib.Path) -> None:
    """Two listeners reset and two are silent, each for the first or the fourth of forty names."""
    issued = ROOT.issue(NAMES)
    path = tmp_path / "a.pem"
    path.write_text(issued.combined_pem)
    certificate = {"name": "a", "path": str(path), "fingerprint_sha256": issued.fingerprint_sha256}
    cases = [(reset, NAMES[3]), (silence, NAMES[3]), (reset, NAMES[0]), (silence, NAMES[0])]
    with contextlib.ExitStack() as stack:
        ports = [
            stack.enter_context(tls_server.server(tls_server.tls(tmp_path, issued, stubborn(name, behaviour))))
            for behaviour, name in cases
        ]
        binds = [f"127.0.0.1:{port}" for port in ports]
        args = {"certificates": [certificate], "binds": binds, "timeout": 2, "retries": 1, "on_failure": "report"}
        started = time.monotonic()
        (found,) = module.run_module("certificate_proof_info", args).result["certificates"]
        assert time.monotonic() - started < BOUND
    assert found["mismatches"] == []
    unanswered = [(item["bind"], item["server_name"]) for item in found["unanswered"]]
    assert unanswered == [(bind, name) for bind, (_behaviour, name) in zip(binds, cases)]


def limited(haproxy: HaproxyInstance, rules: str) -> None:
    """Put rules before the listeners, in memory and on disk."""
    text = haproxy.config_path.read_text()
    haproxy.config_path.write_text(text.replace("frontend tls\n", f"frontend tls\n{rules}"))
    assert haproxy.reload(), haproxy.log


RATE = (
    "    stick-table type ip size 1k expire 60s store conn_rate({period})\n"
    "    tcp-request connection track-sc0 src\n"
    "    tcp-request connection reject if {{ sc_conn_rate(0) gt 10 }}\n"
)


def test_a_limit_of_the_connection_rate_is_waited_for() -> None:
    """Fifty names where ten connections in a second are allowed: all are proven, none is called wrong."""
    files = {f"{number:02}.pem": ROOT.issue(f"c{number}.example.com") for number in range(50)}
    haproxy = HaproxyInstance({name: issued.combined_pem for name, issued in files.items()})
    with haproxy:
        limited(haproxy, RATE.format(period="1s"))
        args = {
            "certificates": deployed(haproxy, files),
            "config": [str(haproxy.config_path)],
            "socket": haproxy.socket,
        }
        run = module.run_module("certificate_proof_info", args)
        assert run.result["proven"], run.result["msg"]
        assert run.result["probes"] < 3 * 51


def test_a_ban_that_lasts_is_no_wrong_answer() -> None:
    """Patience ends, the first ones are proven, and of the others it is said that nobody could ask."""
    files = {f"{number:02}.pem": ROOT.issue(f"c{number}.example.com") for number in range(20)}
    haproxy = HaproxyInstance({name: issued.combined_pem for name, issued in files.items()})
    with haproxy:
        limited(haproxy, RATE.format(period="1h"))
        args = {
            "certificates": deployed(haproxy, files),
            "config": [str(haproxy.config_path)],
            "socket": haproxy.socket,
            "retries": 0,
        }
        started = time.monotonic()
        run = module.run_module("certificate_proof_info", args)
        assert time.monotonic() - started < BOUND
    assert run.failed
    outcomes = [item["outcome"] for item in run.result["certificates"]]
    assert set(outcomes) == {"right", "unasked"}
    assert outcomes.count("right") >= 5
    assert "are not proven, because" in run.result["msg"]
    assert "are not served" not in run.result["msg"]
    assert run.result["probes"] < 40


def test_a_full_listener_is_no_wrong_answer() -> None:
    """maxconn 1, and somebody holds that one connection: the proof waits in the queue for one time-out a round."""
    files = {"a.pem": ROOT.issue(NAMES)}
    haproxy = HaproxyInstance(
        {name: issued.combined_pem for name, issued in files.items()}, tls=["crt {certs} maxconn 1"]
    )
    with haproxy, socket.create_connection(("127.0.0.1", haproxy.port)) as holder:
        args = {
            "certificates": deployed(haproxy, files),
            "config": [str(haproxy.config_path)],
            "timeout": 1,
            "retries": 1,
        }
        started = time.monotonic()
        run = module.run_module("certificate_proof_info", {**args, "on_failure": "report"})
        assert time.monotonic() - started < BOUND
        assert holder.fileno() > 0
    (certificate,) = run.result["certificates"]
    assert (certificate["outcome"], certificate["mismatches"]) == ("unasked", [])
    assert certificate["unanswered"][0]["error"].startswith("timeout")
