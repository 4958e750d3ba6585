# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_scan against real TLS servers, good, bad, slow and silent ones, with a real registry in a file."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import ssl
import subprocess
import time
import typing as t
from datetime import timedelta

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.reading import read_endpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointSelection
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import Sighting
from ansible_collections.certops.rotation.plugins.module_utils._flows.watch.scan import EndpointScan
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.sql_registry import SqlRegistry
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.observation import Trust
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.scanner import ScannerSettings, scan
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.starttls import PROTOCOLS
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response
from ansible_collections.certops.rotation.tests.support.tls_server import server
from ansible_collections.certops.rotation.tests.support.watching import WWW, seen
from cryptography.x509 import ocsp

ROOT = pki.CertificateAuthority("Test Root")
INTERMEDIATE = pki.CertificateAuthority("Test Intermediate", parent=ROOT)
STRANGER = pki.CertificateAuthority("Other Root")
NOW = pki.now().replace(microsecond=0)
DAY = timedelta(days=1)
LOCAL = ["localhost", "127.0.0.1", "::1"]
ANY = EndpointSelection()


class Served:
    """A server whose certificates can be changed; with none of them it closes each connection."""

    def __init__(self, directory: pathlib.Path, *issued: pki.IssuedCertificate) -> None:
        self._directory = directory
        self.context: ssl.SSLContext | None = None
        self.serve(*issued)

    def serve(self, *issued: pki.IssuedCertificate) -> None:
        if not issued:
            self.context = None
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for each in issued:
            path = self._directory / f"{each.fingerprint_sha256}.pem"
            path.write_text(each.combined_pem)
            context.load_cert_chain(path)
        self.context = context

    def __call__(self, connection: socket.socket) -> None:
        context = self.context
        if context is not None:
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)


def leaf(
    begins: float = -1, ends: float = 90, authority: pki.CertificateAuthority = INTERMEDIATE, **more: t.Any
) -> t.Any:
    return authority.issue(LOCAL, not_before=NOW + begins * DAY, not_after=NOW + ends * DAY, **more)


@pytest.fixture
def url(tmp_path: pathlib.Path) -> str:
    return f"sqlite:///{tmp_path}/registry/endpoints.db"


def register(url: str, *endpoints: t.Any) -> None:
    SqlRegistry(url).put([read_endpoint(endpoint, PROTOCOLS) for endpoint in endpoints], NOW)


def scanned(url: str | None, *, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    args = {"trust_anchors": ROOT.root_pem, "timeout": 3, **options}
    if url:
        args["database_url"] = url
    result = module.run_module("endpoint_scan", args, check=check).result
    assert not result.get("failed"), result
    return result


def history(url: str, **options: t.Any) -> list[dict[str, t.Any]]:
    result = module.run_module("endpoint_registry_info", {"database_url": url, "history": True, **options}).result
    return list(result["endpoints"])


class TestLife:
    """Against a real server, as if days had passed between: events and history are exact to the second."""

    def test_added_same_renewed_replaced_unreachable_recovered_expired_retired(
        self, tmp_path: pathlib.Path, url: str
    ) -> None:
        first, second, third = leaf(-1, 90), leaf(-1, 180), leaf(-1, 200, key_type="rsa2048")
        served = Served(tmp_path, first)
        with server(served) as port:
            endpoint = WatchedEndpoint("shop", "localhost", port, address="127.0.0.1")
            registry = SqlRegistry(url)
            registry.put([endpoint], NOW)
            story: list[tuple[float, list[str]]] = []

            def look(days: float, *issued: pki.IssuedCertificate) -> None:
                served.serve(*issued)
                at = NOW + days * DAY
                settings = ScannerSettings(now=at, timeout=5, trust=Trust(ROOT.root_pem))
                EndpointScan(
                    [endpoint],
                    lambda endpoints, _key_type: scan(endpoints, settings),
                    WatchPolicy(),
                    registry=registry,
                    now=at,
                ).run()
                events = registry.events(ANY, at, 10)
                assert {event.at for event in events} <= {at}
                story.append((days, sorted(event.kind for event in events)))

            steps: list[tuple[float, t.Any]] = [
                *((0, first), (1, first), (70, second), (71, second), (72.25, third)),
                *((73, None), (74, None), (75, None), (76, third), (201, third), (202, third)),
            ]
            for days, issued in steps:
                look(days, *([issued] if issued else []))
            registry.remove([endpoint.key], NOW + 203 * DAY)
        assert story == [
            (0, ["new"]),
            (1, []),
            (70, ["key_changed", "renewed"]),
            (71, []),
            (72.25, ["key_changed", "replaced_early"]),
            (73, []),
            (74, ["unreachable"]),
            (75, []),
            (76, ["recovered"]),
            (201, ["expired"]),
            (202, []),
        ]
        retired = registry.events(ANY, NOW + 203 * DAY, 10)
        assert [(event.kind, event.address) for event in retired] == [("retired", None)]
        registry.put([endpoint], NOW + 204 * DAY)  # its history is still there
        [view] = registry.views(ANY, history=True)
        intervals = [(each.since - NOW, each.until - NOW, each.sighting.reach) for each in reversed(view.history)]
        assert intervals == [
            (0 * DAY, 1 * DAY, "served"),
            (70 * DAY, 71 * DAY, "served"),
            (72.25 * DAY, 72.25 * DAY, "served"),
            (73 * DAY, 75 * DAY, "unreachable"),
            (76 * DAY, 202 * DAY, "served"),
        ]
        leaves = [each.sighting.leaf.fingerprint_sha256 for each in reversed(view.history) if each.sighting.leaf]
        assert leaves == [each.fingerprint_sha256 for each in (first, second, third, third)]
        assert [each.sighting.error for each in view.history if each.sighting.error]

    def test_other_authority_and_back_in_its_own_words(self, tmp_path: pathlib.Path, url: str) -> None:
        served = Served(tmp_path, leaf())
        with server(served) as port:
            register(url, {"name": "shop", "host": "localhost", "address": "127.0.0.1", "port": port})
            scanned(url)
            served.serve(STRANGER.issue(["other.example"]))
            result = scanned(url)
            assert result["events"] == {
                "issuer_changed": 1,
                "key_changed": 1,
                "names_changed": 1,
                "replaced_early": 1,
                "untrusted": 1,
            }
            assert (result["changed"], result["states"]["untrusted"]) == (True, 1)
            [problem] = result["problems"]
            assert problem["condition"] == "untrusted"
            assert problem["message"].startswith(
                f"shop (localhost:{port}, 127.0.0.1) serves a certificate that clients"
            )
            assert problem["trust_error"] in problem["message"]


class TestRuns:
    def test_check_run_check_run(self, tmp_path: pathlib.Path, url: str) -> None:
        issued = leaf()
        with server(Served(tmp_path, issued)) as port:
            register(url, {"name": "shop", "host": "127.0.0.1", "port": port})
            before = history(url)
            predicted = scanned(url, check=True)
            assert history(url) == before
            ran = scanned(url)
            assert {**predicted, "seconds": 0, "invocation": 0} == {**ran, "seconds": 0, "invocation": 0}
            assert (ran["changed"], ran["events"], ran["endpoints"], ran["addresses"]) == (True, {"new": 1}, 1, 1)
            assert ran["states"] == {
                **dict.fromkeys(("expired", "unreachable", "untrusted", "expiring", "unread"), 0),
                "good": 1,
            }
            assert ran["problems"] == []
            for check in (True, False):
                again = scanned(url, check=check)
                assert (again["changed"], again["events"]) == (False, {})
        [known] = history(url)
        assert known["addresses"][0]["fingerprint_sha256"] == issued.fingerprint_sha256

    def test_one_of_them_by_name_or_host(self, tmp_path: pathlib.Path, url: str) -> None:
        with server(Served(tmp_path, leaf())) as port, server(Served(tmp_path, leaf())) as other:
            register(
                url,
                {"name": "shop", "host": "127.0.0.1", "port": port, "tags": {"team": "web"}},
                {"name": "mail", "host": "127.0.0.1", "port": other},
                {"name": "off", "host": "127.0.0.2", "port": other, "enabled": False},
            )
            assert scanned(url, names=["shop"])["endpoints"] == 1
            assert scanned(url, hosts=[f"127.0.0.1:{other}"])["events"] == {"new": 1}
            assert scanned(url, tags={"team": "web"})["endpoints"] == 1
            assert scanned(url, names=["off"])["endpoints"] == 0
            result = scanned(url)
            assert (result["endpoints"], result["events"]) == (2, {})
        assert [known["addresses"] for known in history(url, names=["off"])] == [[]]

    def test_one_that_is_not_there_is_a_failure(self, url: str) -> None:
        register(url, {"name": "shop", "host": "127.0.0.1", "port": 1})
        for options in ({"names": ["shop", "shpo"]}, {"hosts": ["shpo"]}):
            result = module.run_module("endpoint_scan", {"database_url": url, **options}).result
            assert result["failed"]
            assert "has no endpoint shpo. certops.rotation.endpoint_registry_info tells" in result["msg"]

    def test_nothing_registered_is_said(self, url: str) -> None:
        result = scanned(url)
        assert (result["endpoints"], result["changed"]) == (0, False)
        assert "has no endpoint to ask" in str(result["warnings"])

    def test_values_as_text(self, tmp_path: pathlib.Path, url: str) -> None:
        with server(Served(tmp_path, leaf(ends=20))) as port:
            register(url, f"127.0.0.1:{port}")
            result = scanned(url, expiring_within="30d,10d", timeout="5", deadline="60", concurrency="4")
        assert (result["events"], result["states"]["expiring"]) == ({"new": 1, "expiring": 1}, 1)
        assert result["problems"][0]["days_left"] in (19, 20)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"expiring_within": ["30"]}, "expiring_within: '30' is not a duration. Add a unit, for instance '30d'."),
            ({"expiring_within": ["0"]}, "expiring_within: 0 is no time before the end."),
            ({"unreachable_after": 0}, "unreachable_after is a number from 1 to 1000, not 0."),
            ({"deadline": 0}, "deadline is a number from 1 to 86400, not 0"),
            ({"timeout": 0}, "timeout must be more than 0"),
            ({"concurrency": 0}, "concurrency must be between"),
            ({"record": False}, "Without record there is no registry to read endpoints from: give endpoints, too."),
            ({"endpoints": ["a.example"], "names": ["a"]}, "names: they choose from the registry, and endpoints are"),
            ({"endpoints": ["a..example"]}, "endpoints[0]: host: 'a..example' is no host name: correct it."),
            (
                {"endpoints": ["a.example", {"host": "A.example.", "starttls": "smtp"}]},
                "endpoints[1]: a.example:443 is given twice, in two ways.",
            ),
            ({"trust_anchors": "none"}, "trust_anchors holds no readable PEM certificate"),
        ],
    )
    def test_options_that_make_no_sense(self, url: str, options: dict[str, t.Any], message: str) -> None:
        result = module.run_module("endpoint_scan", {"database_url": url, **options}).result
        assert result["failed"]
        assert message in result["msg"]
        assert not pathlib.Path(url.removeprefix("sqlite:///")).exists()

    def test_key_instead_of_trust_anchors_is_not_shown(self, url: str) -> None:
        result = module.run_module("endpoint_scan", {"database_url": url, "trust_anchors": leaf().combined_pem}).result
        assert result["failed"]  # run_module looks for the key in all that was printed

    def test_database_that_cannot_be_written_tells_what_was_seen(self, tmp_path: pathlib.Path, url: str) -> None:
        with server(Served(tmp_path, leaf(ends=-0.5))) as port:
            register(url, f"127.0.0.1:{port}")
            path = pathlib.Path(url.removeprefix("sqlite:///"))
            path.write_bytes(b"no database at all" * 100)
            result = module.run_module(
                "endpoint_scan", {"database_url": url, "endpoints": [f"127.0.0.1:{port}"]}
            ).result
        assert result["failed"]
        assert str(path) in result["msg"]
        assert result["states"]["expired"] == 1


class TestWithoutRegistry:
    def test_given_endpoints_need_no_database(self, tmp_path: pathlib.Path) -> None:
        (tmp_path / "sqlalchemy.py").write_text("raise ImportError('not here')")
        with server(Served(tmp_path, leaf(ends=-0.5))) as port:
            args = {"endpoints": [f"127.0.0.1:{port}"], "record": False, "trust_anchors": ROOT.root_pem}
            path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
            for check in (True, False):
                result = module.run_module("endpoint_scan", args, check=check, env={"PYTHONPATH": path}).result
                assert not result.get("failed"), result
                assert (result["changed"], result["events"], result["states"]["expired"]) == (False, {}, 1)
                assert "Renew it and have the service load it." in result["problems"][0]["message"]

    def test_disabled_and_repeated_ones(self, tmp_path: pathlib.Path) -> None:
        with server(Served(tmp_path, leaf())) as port:
            entries = [f"127.0.0.1:{port}", {"host": "127.0.0.1", "port": str(port)}]
            off = {"host": "127.0.0.2", "port": port, "enabled": "no"}
            result = scanned(None, endpoints=[*entries, off], record=False)
        assert (result["endpoints"], result["states"]["good"]) == (1, 1)

    def test_given_ones_are_recorded_where_they_are_registered(self, tmp_path: pathlib.Path, url: str) -> None:
        with server(Served(tmp_path, leaf())) as port, server(Served(tmp_path, leaf())) as other:
            register(url, f"127.0.0.1:{port}")
            result = scanned(url, endpoints=[f"127.0.0.1:{port}", f"127.0.0.1:{other}"])
        assert (result["endpoints"], result["events"]) == (2, {"new": 1})
        warning = str(result["warnings"])
        assert f"does not know 127.0.0.1:{other}: of these nothing is recorded" in warning
        assert len(history(url)) == 1


@contextlib.contextmanager
def bad_servers() -> t.Iterator[dict[str, int]]:
    """Kind of trouble -> port."""

    def silent(connection: socket.socket) -> None:
        connection.recv(1)
        time.sleep(8)

    def garbage(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def drip(connection: socket.socket) -> None:
        for byte in b"\x16\x03\x03\x40\x00" + bytes(100):
            connection.sendall(bytes([byte]))
            time.sleep(0.2)

    talks = {"silent": silent, "garbage": garbage, "drip": drip, "closes": lambda _connection: None}
    with contextlib.ExitStack() as stack:
        yield {**{name: stack.enter_context(server(talk)) for name, talk in talks.items()}, "refused": free_port()}


class TestTrouble:
    def test_bad_ones_stop_no_others(self, tmp_path: pathlib.Path, url: str) -> None:
        with bad_servers() as ports, server(Served(tmp_path, leaf())) as good:
            entries = [{"name": name, "host": "127.0.0.1", "port": port} for name, port in ports.items()]
            register(
                url,
                *entries,
                {"name": "nowhere", "host": "nowhere.invalid"},
                {"name": "good", "host": "127.0.0.1", "port": good},
            )
            first = scanned(url, timeout=2)
            assert first["states"]["unreachable"] == len(ports) + 1
            assert (first["states"]["good"], first["events"]) == (1, {"new": 1})
            second = scanned(url, timeout=2)
        assert second["events"] == {"unreachable": len(ports) + 1}
        told = {problem["name"]: problem for problem in second["problems"]}
        assert set(told) == {*ports, "nowhere"}
        for name, problem in told.items():
            assert (problem["condition"], problem["failures"], problem["fingerprint_sha256"]) == (
                "unreachable",
                2,
                None,
            )
            assert problem["message"].startswith(f"{name} (")
            assert problem["error"] in problem["message"]
        assert told["nowhere"]["address"] is None
        assert told["refused"]["error"] == "connection refused"
        assert told["silent"]["error"].startswith("timeout after 2 s")
        # Kept in the registry, too, for who asks later.
        kept = {known["name"]: known["addresses"][0]["error"] for known in history(url) if known["addresses"]}
        assert kept["garbage"] == told["garbage"]["error"] == "not a TLS server"

    def test_deadline_leaves_the_rest_as_it_was_and_says_so(self, tmp_path: pathlib.Path, url: str) -> None:
        with bad_servers() as ports, server(Served(tmp_path, leaf())) as good:
            hanging = {"name": "hanging", "host": "127.0.0.1", "port": ports["silent"]}
            register(url, hanging, {"name": "good", "host": "127.0.0.1", "port": good})
            result = scanned(url, timeout=60, deadline=2)
        assert result["unfinished"] == [f"127.0.0.1:{ports['silent']}"]
        assert result["more_unfinished"] == 0
        assert result["states"]["good"] == sum(result["states"].values()) == 1
        assert "1 of 2 endpoints had not been seen: 127.0.0.1:" in str(result["warnings"])
        assert [known["addresses"] for known in history(url, names=["hanging"])] == [[]]

    def test_when_all_are_silent_it_may_be_this_host(self) -> None:
        ports = [free_port() for _endpoint in range(3)]
        result = scanned(None, endpoints=[f"127.0.0.1:{port}" for port in ports], record=False)
        assert "Not one endpoint gave a certificate" in str(result["warnings"])
        assert not scanned(None, endpoints=[f"127.0.0.1:{ports[0]}"], record=False).get("warnings")

    def test_hundreds_of_problems_are_a_hundred_and_a_number(self, tmp_path: pathlib.Path) -> None:
        port = free_port()
        with server(Served(tmp_path, leaf(ends=-0.5))) as expired:
            many = [f"127.0.{number // 250}.{1 + number % 250}:{port}" for number in range(300)]
            all_of_them = {"endpoints": [*many, f"127.0.0.1:{expired}"], "record": False}
            assert scanned(None, **all_of_them)["more_problems"] == 0  # they may be restarting
            result = scanned(None, **all_of_them, unreachable_after=1)
        assert (len(result["problems"]), result["more_problems"]) == (100, 201)
        assert result["problems"][0]["condition"] == "expired"  # the worst first
        assert result["states"]["unreachable"] == 300


class TestCertificates:
    def test_rsa_and_ecdsa_of_one_name(self, tmp_path: pathlib.Path, url: str) -> None:
        ecdsa, rsa = leaf(), leaf(ends=-0.2, key_type="rsa2048")
        with server(Served(tmp_path, ecdsa, rsa)) as port, server(Served(tmp_path, ecdsa)) as single:
            register(url, f"127.0.0.1:{port}", f"127.0.0.1:{single}")
            assert scanned(url)["states"]["expired"] == 0  # what clients of today get
            result = scanned(url, key_types=["rsa", "ecdsa"])
            assert result["events"] == {"expired": 1, "new": 1}
            assert [(each["asked_key_type"], each["port"]) for each in result["problems"]] == [("rsa", port)]
            assert result["problems"][0]["fingerprint_sha256"] == rsa.fingerprint_sha256
            again = scanned(url, key_types=["rsa", "ecdsa"])
            assert (again["events"], again["changed"]) == ({}, False)
            assert scanned(url)["events"] == {}
        views = {view.endpoint.port: view for view in SqlRegistry(url).views(ANY)}
        assert sorted(state.key_type for state in views[port].states) == ["any", "rsa"]
        assert [state.key_type for state in views[single].states] == ["any"]

    def test_revoked_by_its_own_staple(self, url: str) -> None:
        issued = {f"{number}.pem": leaf() for number in range(3)}
        good, revoked, _none = issued.values()
        files: dict[str, t.Any] = {name: each.combined_pem for name, each in issued.items()}
        files["0.pem.ocsp"] = ocsp_response(INTERMEDIATE, good)
        files["1.pem.ocsp"] = ocsp_response(INTERMEDIATE, revoked, status=ocsp.OCSPCertStatus.REVOKED)
        with contextlib.ExitStack() as stack:
            ports = [
                stack.enter_context(HaproxyInstance({n: c for n, c in files.items() if n.startswith(str(number))})).port
                for number in range(3)
            ]
            register(url, *(f"127.0.0.1:{port}" for port in ports))
            assert scanned(url)["events"] == {"new": 3}
            assert scanned(url, staple=True)["events"] == {"untrusted": 1}
            [problem] = scanned(url, staple=True)["problems"]
            for check in (True, False):  # nobody asks for a staple, and what has been revoked stays so
                later = scanned(url, check=check)
                assert (later["events"], later["changed"], later["states"]["untrusted"]) == ({}, False, 1)
                assert later["problems"][0]["message"] == problem["message"]
            assert scanned(url, staple=True)["events"] == {}
        assert problem["port"] == ports[1]
        assert problem["message"].endswith("do not trust: its OCSP response says that it has been revoked.")
        views = {view.endpoint.port: view.history[0].sighting.staple for view in SqlRegistry(url).views(ANY)}
        assert [views[port] for port in ports] == ["good", "revoked", "none"]

    def test_every_address_of_a_name_has_its_own_history(self, tmp_path: pathlib.Path, url: str) -> None:
        issued = leaf()
        with server(Served(tmp_path, issued)) as port:
            register(url, {"name": "both", "host": "localhost", "port": port})
            result = scanned(url)
            addresses = {problem["address"] for problem in result["problems"]}
            assert result["states"]["good"] == 1
            assert addresses <= {"::1"}  # where this machine has IPv6, nobody listens there
            assert result["addresses"] == 1 + len(addresses)
            first = scanned(url, addresses="first")
            assert (first["addresses"], first["states"]["good"]) == (1, 1)

    def test_many_addresses_come_and_go_without_news(self, url: str) -> None:
        """A name that resolves to some of many addresses, as those of content delivery networks."""
        registry, certificate = SqlRegistry(url), seen("a", 0, 9000)
        registry.put([WWW], NOW)
        for day in range(12):
            at = NOW + day * DAY
            addresses = [f"192.0.2.{number}" for number in range(4 * day, 4 * day + 4)]
            sightings = [Sighting(WWW.key, address, at, (certificate,), trusted=True) for address in addresses]
            registry.record(sightings, WatchPolicy(), at)
        assert [event.kind for event in registry.events(ANY, None, 1000)] == ["new"] * 4  # of the first scan
        [view] = registry.views(ANY)
        assert len(view.states) <= 4 * 5


class TestReports:
    """What users of other watchers have reported."""

    def test_expired_cross_sign_beside_a_valid_path_is_one_low_event(self, tmp_path: pathlib.Path, url: str) -> None:
        """Of blackbox_exporter (#340, #637) and Uptime Kuma (#3323)."""
        issued = leaf()
        old_root = pki.CertificateAuthority("Old Root")
        cross_sign = pki.CertificateAuthority(
            "Test Root", parent=old_root, key=ROOT.key, not_before=NOW - 900 * DAY, not_after=NOW - 5 * DAY
        )
        chain = issued.replace(chain_pem=INTERMEDIATE.certificate_pem + cross_sign.certificate_pem)
        with server(Served(tmp_path, chain)) as port:
            register(url, f"127.0.0.1:{port}")
            result = scanned(url)
            assert (result["events"], result["problems"]) == ({"chain_expiring": 1, "new": 1}, [])
            assert (scanned(url)["events"], scanned(url)["states"]["good"]) == ({}, 1)
        [event] = [each for each in SqlRegistry(url).events(ANY, None, 10) if each.kind == "chain_expiring"]
        assert event.severity == "info"

    def test_order_and_a_root_are_facts_and_no_problem(self, tmp_path: pathlib.Path, url: str) -> None:
        """Of check-tls-cert (#45) and testssl (#1080)."""
        chain = leaf().replace(chain_pem=ROOT.certificate_pem + INTERMEDIATE.certificate_pem)
        with server(Served(tmp_path, chain)) as port:
            register(url, f"127.0.0.1:{port}")
            result = scanned(url)
        assert (result["events"], result["problems"]) == ({"new": 1}, [])
        [view] = SqlRegistry(url).views(ANY)
        assert set(view.history[0].sighting.chain_notes) == {"a root is sent, too", "sent in another order"}

    def test_without_sni_only_when_wanted(self, tmp_path: pathlib.Path, url: str) -> None:
        """Of Uptime Kuma (#3921): without a name, some servers show another certificate."""
        named, other = leaf(), leaf()
        served = Served(tmp_path, other)
        by_name = Served(tmp_path, named)
        assert served.context is not None
        served.context.sni_callback = lambda tls, name, _context: (
            setattr(tls, "context", by_name.context) if name else None
        )
        with server(served) as port:
            register(
                url,
                {"name": "with", "host": "localhost", "address": "127.0.0.1", "port": port},
                {"name": "without", "host": "127.0.0.1", "port": port, "server_name": ""},
            )
            assert scanned(url)["events"] == {"new": 2}
        shown = {view.endpoint.name: view.states[0].fingerprint_sha256 for view in SqlRegistry(url).views(ANY)}
        assert shown == {"with": named.fingerprint_sha256, "without": other.fingerprint_sha256}

    def test_ipv6_literal(self, tmp_path: pathlib.Path, url: str) -> None:
        """Of check_ssl_cert (#396)."""
        with server(Served(tmp_path, leaf()), host="::1") as port:
            register(url, f"[::1]:{port}")
            result = scanned(url, hosts=[f"[::1]:{port}"])
        assert (result["states"]["good"], result["addresses"]) == (1, 1)
        [view] = SqlRegistry(url).views(ANY)
        assert view.states[0].address == "::1"

    def test_alerts_come_once(self, tmp_path: pathlib.Path, url: str) -> None:
        """Of Uptime Kuma (#4520)."""
        with server(Served(tmp_path, leaf(ends=-0.5))) as port:
            register(url, f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
            events = [scanned(url)["events"] for _scan in range(4)]
        assert events == [{"expired": 1, "new": 1}, {"unreachable": 1}, {}, {}]

    def test_replaced_before_its_time_by_one_that_had_expired(self, tmp_path: pathlib.Path, url: str) -> None:
        """A reload that kept, or brought back, an old file."""
        served = Served(tmp_path, leaf())
        with server(served) as port:
            register(url, f"127.0.0.1:{port}")
            scanned(url)
            served.serve(leaf(-90, -0.5))
            assert scanned(url)["events"] == {"expired": 1, "key_changed": 1, "replaced_early": 1}


class TestManyRuns:
    def test_scans_beside_each_other_tell_everything_once(self, tmp_path: pathlib.Path, url: str) -> None:
        with server(Served(tmp_path, leaf())) as port:
            register(url, f"127.0.0.1:{port}")
            running = [started({"database_url": url, "trust_anchors": ROOT.root_pem}) for _run in range(4)]
            results = [ended(process) for process in running]
        assert sum(result["events"].get("new", 0) for result in results) == 1
        assert sum(result["changed"] for result in results) == 1
        assert [event.kind for event in SqlRegistry(url).events(ANY, None, 10)] == ["new"]
        [view] = SqlRegistry(url).views(ANY, history=True)
        assert len(view.history) == 1

    def test_killed_ones_lose_no_event(self, tmp_path: pathlib.Path, url: str) -> None:
        """What is recorded has its events; the next run does the rest, and tells nothing twice."""
        number, dead = 600, free_port()
        hosts = [f"127.1.{each // 250}.{1 + each % 250}" for each in range(number - 1)]
        options = {"unreachable_after": 1, "timeout": 3}
        registry = SqlRegistry(url)
        with server(Served(tmp_path, leaf())) as port:
            others = [WatchedEndpoint(host, host, dead) for host in hosts]
            registry.put([WatchedEndpoint("good", "127.0.0.1", port), *others], NOW)
            process = started({"database_url": url, "trust_anchors": ROOT.root_pem, **options})
            while process.poll() is None and not registry.events(ANY, None, 1):
                time.sleep(0.01)
            process.kill()
            process.communicate()
            told = len(registry.events(ANY, None, 2000))
            assert told > 0
            result = scanned(url, **options)
            assert sum(result["events"].values()) == number - told
            kinds = [event.kind for event in registry.events(ANY, None, 2000)]
            assert (kinds.count("unreachable"), kinds.count("new")) == (number - 1, 1)
            assert scanned(url, **options)["events"] == {}


def started(args: dict[str, t.Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        module.module_command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin
    process.stdin.write(module.module_request("endpoint_scan", args))
    process.stdin.close()
    process.stdin = None
    return process


def ended(process: subprocess.Popen[str]) -> dict[str, t.Any]:
    output, _none = process.communicate(timeout=100)
    result = module.parse_result("endpoint_scan", process.returncode, output).result
    assert not result.get("failed"), result
    return result
