# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host has deployed, held against what is served: a real HAProxy that keeps the old certificate is seen."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.filter.endpoint_deployments import endpoint_deployments
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance

CA = pki.CertificateAuthority("Beside CA")


class Fleet(t.NamedTuple):
    """One host with HAProxy, and the registry of who watches it."""

    haproxy: HaproxyInstance
    folder: pathlib.Path

    def run(self, action: str, **options: t.Any) -> dict[str, t.Any]:
        run = module.run_module(action, options)
        assert not run.failed, run.result
        return run.result

    def deploy(self, *names: str) -> None:
        issued = CA.issue(names)
        given = {"certificate": issued.certificate_pem, "private_key": issued.private_key_pem}
        self.run("pem_bundle", path=str(self.haproxy.certs_dir), name="prod/shop", **given)

    def watch(self, *endpoints: t.Any, memory: bool) -> dict[str, dict[str, t.Any]]:
        """Ask host and endpoints, and see what the dashboard says of each. memory: ask HAProxy's, too."""
        registry = {"database_url": f"sqlite:///{self.folder}/registry/endpoints.db"}
        status = self.run("rotation_status_info", path=str(self.haproxy.certs_dir), socket=self.haproxy.socket)
        places = {"config": [str(self.haproxy.config_path)], **({"socket": self.haproxy.socket} if memory else {})}
        found = self.run("endpoint_discovery_info", **places, address="127.0.0.1", ports=[])
        deployments = endpoint_deployments(status, "lb1", found)
        self.run("endpoint_registry", **registry, endpoints=[*found["endpoints"], *endpoints], deployments=deployments)
        self.run("endpoint_scan", **registry, trust_anchors=CA.root_pem, timeout=5)
        path = self.folder / "dashboard.json"
        self.run("endpoint_dashboard", **registry, json_path=str(path))
        told = json.loads(path.read_text())
        return {entry["host"]: entry for entry in told["endpoints"]}


@pytest.fixture
def fleet(tmp_path: pathlib.Path) -> t.Iterator[Fleet]:
    with HaproxyInstance({"zz-default.pem": CA.issue("default.example.com").combined_pem}) as haproxy:
        yield Fleet(haproxy, tmp_path)


def verdict(entry: t.Mapping[str, t.Any]) -> tuple[str, str]:
    (deployment,) = entry["deployments"]
    return entry["condition"], deployment["verdict"]


@pytest.mark.parametrize("memory", [True, False])
def test_a_reload_that_did_not_happen_is_seen(fleet: Fleet, memory: bool) -> None:
    fleet.deploy("shop.example.com")
    fleet.haproxy.reload()
    told = fleet.watch(memory=memory)
    assert verdict(told["shop.example.com"]) == ("good", "served")
    assert told["default.example.com"]["unmanaged"] is True  # it was put there by hand
    fleet.deploy("shop.example.com")
    told = fleet.watch(memory=memory)
    assert verdict(told["shop.example.com"]) == ("unserved", "differs")
    assert "prod/shop was deployed for it on lb1" in told["shop.example.com"]["why"]
    assert told["shop.example.com"]["deployments"][0]["layers"]["memory"] == ""
    fleet.haproxy.reload()
    assert verdict(fleet.watch(memory=memory)["shop.example.com"]) == ("good", "served")


@pytest.mark.parametrize("memory", [True, False])
def test_a_wildcard_is_seen_at_each_name_that_is_watched(fleet: Fleet, memory: bool) -> None:
    fleet.deploy("*.example.com")
    fleet.haproxy.reload()
    watched = {"host": "a.example.com", "port": fleet.haproxy.port, "address": "127.0.0.1"}
    assert verdict(fleet.watch(watched, memory=memory)["a.example.com"]) == ("good", "served")
    fleet.deploy("*.example.com")
    assert verdict(fleet.watch(watched, memory=memory)["a.example.com"]) == ("unserved", "differs")


def test_what_is_wrong_when_watching_begins_is_seen_at_once(fleet: Fleet) -> None:
    fleet.deploy("shop.example.com")
    fleet.haproxy.reload()
    fleet.deploy("shop.example.com")
    assert verdict(fleet.watch(memory=True)["shop.example.com"]) == ("unserved", "differs")
