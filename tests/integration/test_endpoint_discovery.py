# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_discovery_info: what HAProxy's configuration says, without one that runs, and what its memory has."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance

CA = pki.CertificateAuthority("Discovery CA")
SHOP = CA.issue(["shop.example.com", "www.shop.example.com"])
API = CA.issue(["API.example.com", "*.api.example.com"], key_type="rsa2048")
WILD = CA.issue(["*.wild.example.com"])
PLAIN = CA.issue(["10.9.8.7"])


def discover(**options: t.Any) -> dict[str, t.Any]:
    """Run the module, in check mode too, which must make no difference."""
    runs = [module.run_module("endpoint_discovery_info", options, check=check) for check in (True, False)]
    assert not runs[0].failed, runs[0].result
    results = [run.result for run in runs]
    assert results[0]["endpoints"] == results[1]["endpoints"]
    assert not results[1]["changed"]
    return results[1]


def told(result: t.Mapping[str, t.Any]) -> list[str]:
    return [f"{entry['host']}:{entry['port']}" for entry in result["endpoints"]]


def passed_over(result: t.Mapping[str, t.Any]) -> dict[str, str]:
    assert result["passed_over_count"] == len(result["passed_over"])
    return {entry["what"]: entry["reason"] for entry in result["passed_over"]}


@pytest.fixture
def host(tmp_path: pathlib.Path) -> pathlib.Path:
    """Certificates, and a configuration with a listener of each kind."""
    certs = tmp_path / "certs"
    certs.mkdir()
    for name, issued in {"shop": SHOP, "api": API, "wild": WILD, "plain": PLAIN}.items():
        (certs / f"{name}.pem").write_text(issued.combined_pem)
    (tmp_path / "list.txt").write_text(
        f"{certs}/api.pem [alpn h2] alias.example.com *.more.example.com !no.example.com\n{certs}/shop.pem\n"
    )
    (tmp_path / "haproxy.cfg").write_text(
        f"""
        global
          crt-base {certs}
        frontend public
          bind :443 ssl crt shop.pem crt api.pem
          bind *:8443,[::]:8444 ssl crt-list {tmp_path}/list.txt
          bind :80
        frontend single
          bind 192.0.2.9:9443 ssl crt wild.pem
          bind [2001:db8::9]:9444 ssl crt plain.pem crt wild.pem
          bind :9445 ssl crt wild.pem
          bind :9446 ssl crt wild.pem strict-sni
        frontend inner
          bind 127.0.0.1:7443 ssl crt shop.pem
          bind /run/inner.sock ssl crt shop.pem
          bind quic4@:443 ssl crt shop.pem
          bind ${{NOWHERE}}:443 ssl crt shop.pem
          bind :6443 ssl crt shop.pem accept-proxy
          bind :6444 ssl crt gone.pem
        backend out
          server one 192.0.2.3:443 ssl crt api.pem
        """
    )
    return tmp_path


def test_the_names_and_ports_of_a_configuration(host: pathlib.Path) -> None:
    result = discover(config=[str(host / "haproxy.cfg")], host="LB1.example.com.", tags={"host": "lb1", "n": 1})
    assert told(result) == [
        "10.9.8.7:9444",
        "192.0.2.9:9443",
        "alias.example.com:8443",
        "alias.example.com:8444",
        "api.example.com:443",
        "lb1.example.com:9445",
        "shop.example.com:443",
        "shop.example.com:6443",
        "shop.example.com:8443",
        "shop.example.com:8444",
        "www.shop.example.com:443",
        "www.shop.example.com:6443",
        "www.shop.example.com:8443",
        "www.shop.example.com:8444",
    ]
    by_name = {f"{entry['host']}:{entry['port']}": entry for entry in result["endpoints"]}
    assert by_name["shop.example.com:443"] == {
        "name": "shop.example.com",
        "host": "shop.example.com",
        "port": 443,
        "server_name": None,
        "starttls": None,
        "address": None,
        "proxy_protocol": False,
        "enabled": True,
        "tags": {"host": "lb1", "n": "1"},
    }
    # The default certificate, which has no name that somebody could ask for.
    assert by_name["192.0.2.9:9443"]["server_name"] == by_name["lb1.example.com:9445"]["server_name"] == ""
    # Who asks DNS finds what stands before this listener.
    assert by_name["shop.example.com:6443"]["proxy_protocol"] is False
    why = passed_over(result)
    wildcard = "host: '*.wild.example.com' stands for many hosts: write those that there are."
    assert why["*.wild.example.com of 192.0.2.9:9443"] == wildcard
    assert "*.more.example.com of 127.0.0.1:8443" in why
    assert "no.example.com" not in json.dumps(result)
    assert why["127.0.0.1:9446"].startswith("takes no handshake without SNI (strict-sni), and its certificates have no")
    assert why["127.0.0.1:7443"].startswith("listens on loopback only")
    reasons = sorted(reason for what, reason in why.items() if f"({host}/haproxy.cfg" in what)
    assert reasons == [
        "is a unix socket",
        "is no listener: HAProxy shows the certificate to a server",
        "needs the environment variable NOWHERE, which is not known here",
        "speaks QUIC",
    ]
    assert why[f"{host}/certs/gone.pem"] == "It cannot be read: No such file or directory."


def test_each_certificate_once_with_its_places(host: pathlib.Path) -> None:
    result = discover(config=[str(host / "haproxy.cfg")])
    shop = next(each for each in result["certificates"] if each["fingerprint_sha256"] == SHOP.fingerprint_sha256)
    assert shop["paths"] == [str(host / "certs" / "shop.pem")]
    assert (shop["memory"], shop["is_ca"], shop["for_servers"]) == ([], False, True)
    assert shop["key_type"] == "ecdsa P-256"
    assert shop["subject_alternative_names"] == ["shop.example.com", "www.shop.example.com"]
    assert shop["expected_at"][0] == "shop.example.com:443"
    assert len(result["certificates"]) == 4
    # A listener for all addresses of a host that has no name here cannot be an endpoint by itself.
    assert "127.0.0.1:9445" in passed_over(result)
    assert not any(entry.startswith("lb1") for entry in told(result))


def test_with_an_address_the_host_itself_is_asked(host: pathlib.Path) -> None:
    result = discover(config=[str(host / "haproxy.cfg")], address="192.0.2.77", environment={"NOWHERE": "192.0.2.5"})
    assert {entry["address"] for entry in result["endpoints"]} == {"192.0.2.77", None}
    by_name = {f"{entry['host']}:{entry['port']}": entry for entry in result["endpoints"]}
    assert by_name["192.0.2.77:9445"]["address"] is None  # which is what it would connect to anyway
    assert by_name["shop.example.com:6443"]["proxy_protocol"] is True
    assert "7443" not in " ".join(told(result))


def test_who_watches_on_the_same_host_sees_loopback(host: pathlib.Path) -> None:
    result = discover(config=[str(host / "haproxy.cfg")], address="127.0.0.1")
    assert "shop.example.com:7443" in told(result)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give config, socket or paths: without one of them there is nowhere to look."),
        ({"paths": ["/x"], "address": "lb1"}, "address: 'lb1' is no IP address. A name goes into host."),
        ({"paths": ["/x"], "host": "a b"}, "host: 'a b' is no host name: correct it."),
        ({"paths": ["/x"], "ports": [0]}, "ports: 0 is not between 1 and 65535."),
        ({"paths": ["/x"], "deadline": 0}, "timeout and deadline are seconds"),
        ({"paths": ["/x"], "tags": {"a;b": 1}}, "tags: 'a;b' has no name"),
        ({"config": ["/nowhere.cfg"]}, "Cannot read /nowhere.cfg"),
        ({"socket": "/nowhere.sock"}, "HAProxy"),
    ],
)
def test_what_cannot_be_done_is_said(options: dict[str, t.Any], message: str) -> None:
    run = module.run_module("endpoint_discovery_info", options)
    assert run.failed
    assert message in run.result["msg"]


# What runs


@pytest.fixture
def running(haproxy_version: str) -> t.Iterator[HaproxyInstance]:
    files = {"shop.pem": SHOP.combined_pem, "api.pem": API.combined_pem}
    crt_list = ["{certs}/api.pem alias.example.com"]
    with HaproxyInstance(files, tls=("crt {certs}", "crt-list {crt_list}"), crt_list=crt_list) as instance:
        yield instance


def test_memory_beside_the_configuration(running: HaproxyInstance) -> None:
    """What counts is what HAProxy holds: a file that came after its start is not served, one that is gone still is."""
    first, second = running.ports
    running.write_certificate("late.pem", CA.issue(["late.example.com"]).combined_pem)
    newer = CA.issue(["newer.example.com"])
    running.write_certificate("shop.pem", newer.combined_pem)
    (running.certs_dir / "api.pem").unlink()
    options = {"config": [str(running.config_path)], "socket": running.socket, "address": "127.0.0.1"}
    result = discover(**options)
    assert told(result) == [
        f"alias.example.com:{second}",
        f"api.example.com:{first}",
        f"shop.example.com:{first}",
        f"www.shop.example.com:{first}",
    ]
    assert {entry["address"] for entry in result["endpoints"]} == {"127.0.0.1"}
    by_name = {each["subject_alternative_names"][0]: each for each in result["certificates"]}
    assert set(by_name) == {"shop.example.com", "API.example.com", "newer.example.com"}
    held = by_name["shop.example.com"]
    assert held["fingerprint_sha256"] is None
    assert held["memory"] == [str(running.certs_dir / "shop.pem")]
    assert held["expected_at"] == [f"shop.example.com:{first}", f"www.shop.example.com:{first}"]
    assert by_name["newer.example.com"]["expected_at"] == []
    running.write_certificate("api.pem", API.combined_pem)  # without it the crt-list would not load
    running.reload()
    served = discover(**options)
    assert f"newer.example.com:{first}" in told(served)
    assert f"late.example.com:{first}" in told(served)
    newer_one = next(each for each in served["certificates"] if each["fingerprint_sha256"] == newer.fingerprint_sha256)
    assert newer_one["memory"] == newer_one["paths"] == [str(running.certs_dir / "shop.pem")]


def test_memory_alone_knows_no_ports(running: HaproxyInstance, haproxy_version: str) -> None:
    result = discover(socket=running.socket, ports=[443, 8443])
    names = {entry["host"] for entry in result["endpoints"]}
    # Only the newest versions tell by which names clients get a certificate; the others, what is in it.
    filters = {"alias.example.com"} if tuple(map(int, haproxy_version.split("."))) >= (3, 2) else set()
    assert names == {"shop.example.com", "www.shop.example.com", "api.example.com"} | filters
    assert {entry["port"] for entry in result["endpoints"]} == {443, 8443}
    assert discover(socket=running.socket, ports=[])["endpoints"] == []


@pytest.mark.installed_haproxy
def test_memory_and_files_are_one_certificate(running: HaproxyInstance) -> None:
    result = discover(socket=running.socket, paths=[str(running.certs_dir)])
    assert len(result["certificates"]) == 2
    assert all(each["memory"] == each["paths"] for each in result["certificates"])
