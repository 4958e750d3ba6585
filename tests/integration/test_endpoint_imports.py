# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints from files, the inventory and hosts into a real registry, and out again."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook

CSV = "Name;Host;Port;STARTTLS;Tags\nShop;shop.example.com;443;;env=prod\nPost;mail.example.com;25;smtp;\n"


class Registry(t.NamedTuple):
    url: str
    folder: pathlib.Path

    def file(self, name: str, content: t.Any) -> str:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    def put(self, *files: t.Any, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        args = {"database_url": self.url, "import_files": list(files), **options}
        return module.run_module("endpoint_registry", args, check=check).result

    def known(self) -> dict[str, dict[str, t.Any]]:
        result = module.run_module("endpoint_registry_info", {"database_url": self.url}).result
        return {f"{entry['host']}:{entry['port']}": entry for entry in result["endpoints"]}


@pytest.fixture
def registry(tmp_path: pathlib.Path) -> Registry:
    return Registry(f"sqlite:///{tmp_path}/registry/endpoints.db", tmp_path)


def test_a_spreadsheet_comes_in_once(registry: Registry) -> None:
    path = registry.file("hosts.csv", CSV)
    assert registry.put(path, check=True)["added"] == 2
    first = registry.put(path)
    assert (first["changed"], first["added"]) == (True, 2)
    again = [registry.put(path, check=check)["changed"] for check in (True, False)]
    assert again == [False, False]
    known = registry.known()
    assert (known["mail.example.com:25"]["starttls"], known["shop.example.com:443"]["tags"]) == (
        "smtp",
        {"env": "prod"},
    )
    registry.file("hosts.csv", CSV.replace("Shop;", "Web shop;"))
    assert registry.put(path)["changed_endpoints"] == 1


def test_what_a_log_knows_is_added_and_changes_nothing(registry: Registry) -> None:
    """Else each import would take the name, the tags and the protocol from an endpoint that somebody has described."""
    registry.put(registry.file("hosts.csv", CSV))
    log = [
        {"dns_names": ["shop.example.com", "new.example.com", "*.example.com"], "not_after": "2999-01-01T00:00:00Z"},
        {"dns_names": ["old.example.com"], "not_after": "2001-01-01T00:00:00Z"},
    ]
    found = {"path": registry.file("ct.json", log), "tags": {"from": "ct"}}
    result = registry.put(found)
    assert [entry["host"] for entry in result["endpoints"]] == ["new.example.com"]
    assert "'*.example.com' stands for many hosts" in json.dumps(result["warnings"])
    known = registry.known()
    assert known["shop.example.com:443"]["name"] == "Shop"
    assert known["new.example.com:443"]["tags"] == {"from": "ct"}
    pruned = registry.put(found, prune=True)
    assert [(entry["action"], entry["host"]) for entry in pruned["endpoints"]] == [("removed", "mail.example.com")]
    assert registry.known()["shop.example.com:443"]["name"] == "Shop"


def test_what_we_have_written_comes_back(registry: Registry) -> None:
    """The results of a module: into the registry it is from, and into an empty one. A dashboard has not all of it."""
    endpoints = [
        {"name": "A", "host": "a.example.com", "port": 25, "starttls": "smtp", "tags": {"x": "1"}},
        {"host": "b.example.com", "server_name": "", "address": "192.0.2.1", "proxy_protocol": True},
        {"host": "c.example.com", "enabled": False},
    ]
    registry.put(endpoints=endpoints)
    dashboard = str(registry.folder / "dashboard.json")
    written = module.run_module("endpoint_dashboard", {"database_url": registry.url, "json_path": dashboard})
    assert not written.failed, written.result
    info = module.run_module("endpoint_registry_info", {"database_url": registry.url}).result
    refused = registry.put(dashboard, prune=True)
    assert not refused["changed"]
    assert "write what endpoint_registry_info returns" in json.dumps(refused["warnings"])
    results = [registry.file("info.json", info), registry.file("endpoints.json", info["endpoints"])]
    fields = ("name", "host", "port", "server_name", "starttls", "address", "proxy_protocol", "enabled", "tags")
    expected = [[entry[field] for field in fields] for entry in registry.known().values()]
    for number, path in enumerate(results):
        other = registry._replace(url=f"sqlite:///{registry.folder}/registry/{number}.db")
        for each in (registry, other):
            result = each.put(path)
            assert (result["changed"], result.get("warnings", [])) == (each is other, [])
        assert [[entry[field] for field in fields] for entry in other.known().values()] == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.json", json.dumps([{"host": "shop.example.com"}, {"host": "mail.example.com"}])[:-20]),
        ("bad.csv", "name,host\nShop,shop.example.com\nPost,mail example\n"),
        ("header.csv", '"name,host\nShop,shop.example.com\n'),
    ],
)
def test_a_file_that_is_not_whole_retires_nobody(registry: Registry, name: str, content: str) -> None:
    registry.put(registry.file("hosts.csv", CSV))
    result = registry.put(registry.file(name, content), prune=True)
    assert result["removed"] == 0
    assert "cannot be read" in json.dumps(result["warnings"])
    assert len(registry.known()) == 2


def test_a_host_that_has_nothing_deployed_any_more(registry: Registry) -> None:
    one = {"host": "lb1", "certificate": "prod/shop", "layers": {"file": "a" * 64}, "endpoints": ["*.example.com:443"]}
    for deployments, changed in (([one], True), ([one], False), ([{"host": "lb1"}], True), ([{"host": "lb1"}], False)):
        for check in (True, False):
            result = registry.put(deployments=deployments, check=check)
            assert (result["changed"], result["deployments_changed"]) == (changed, ["lb1"] if changed else [])
    assert registry.put(deployments=[{"host": ""}])["failed"]


def test_a_file_that_is_none_stops_no_other(registry: Registry) -> None:
    os.mkfifo(registry.folder / "pipe")
    paths = [str(registry.folder / "gone.csv"), str(registry.folder / "pipe"), registry.file("hosts.csv", CSV)]
    result = registry.put(*paths)
    assert result["failed"]
    assert "gone.csv cannot be imported: No such file or directory" in result["msg"]
    assert "pipe is no regular file" in result["msg"]
    assert len(registry.known()) == 2


def peak(registry: Registry, path: pathlib.Path, added: int) -> int:
    """Memory in KiB that the module needs to import a file."""
    args = {"database_url": registry.url, "import_files": [str(path)]}
    output = registry.folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(module.module_command(), stdin=subprocess.PIPE, stdout=file, text=True)
        assert process.stdin is not None
        process.stdin.write(module.module_request("endpoint_registry", args))
        process.stdin.close()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert module.parse_result("endpoint_registry", process.returncode, output.read_text()).result["added"] == added
    return usage.ru_maxrss


def test_a_big_log_costs_no_memory_beyond_what_is_in_it(registry: Registry) -> None:
    """60,000 certificates of 1,000 names, each with much that nobody needs."""
    small, big = registry.folder / "small.json", registry.folder / "big.json"
    entry = {"issuer_name": "C=US, CN=E5", "not_after": "2999-01-01T00:00:00", "filling": "x" * 400}
    small.write_text(json.dumps([{**entry, "name_value": "a.example.com"}]))
    with big.open("w") as file:
        for number in range(60_000):
            names = f"www.h{number % 500}.example.com\\nh{number % 500}.example.com"
            file.write(f'{"," if number else "["}{json.dumps(entry)[:-1]}, "name_value": "{names}"}}')
        file.write("]")
    assert big.stat().st_size > 30_000_000
    before = peak(registry, small, 1)
    assert peak(registry, big, 1000) - before < 15_000


PLAYS = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Discover",
                "certops.rotation.endpoint_discovery_info": {
                    "paths": "{{ certificates }}",
                    "ports": "{{ [8443] if inventory_hostname == 'web1' else [] }}",
                },
                "register": "found",
            }
        ],
    },
    {
        "hosts": "web1",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Register",
                "certops.rotation.endpoint_registry": {
                    "database_url": "{{ database_url }}",
                    "endpoints": (
                        "{{ groups.all | certops.rotation.inventory_endpoints(hostvars, tags={'from': 'inventory'})"
                        " + found.endpoints }}"
                    ),
                    "deployments": "{{ status | certops.rotation.endpoint_deployments('web1', found) }}",
                },
                "register": "registered",
            },
            {
                "name": "Look",
                "certops.rotation.endpoint_registry_info": {"database_url": "{{ database_url }}"},
                "register": "known",
            },
            {
                "name": "Write",
                "ansible.builtin.copy": {
                    "content": "{{ known.endpoints | certops.rotation.endpoints_csv }}",
                    "dest": "{{ export }}",
                    "mode": "0600",
                },
                "when": "not ansible_check_mode",
            },
            {
                "name": "And back",
                "certops.rotation.endpoint_registry": {
                    "database_url": "{{ database_url }}",
                    "import_files": ["{{ export }}"],
                    "prune": True,
                },
                "when": "not ansible_check_mode",
            },
        ],
    },
]


def test_from_the_inventory_and_hosts_in_a_play(registry: Registry, ansible_version: str) -> None:
    """Ansible's variables are read late, and of types of their own."""
    leaf = pki.self_signed(["shop.example.com"])
    variables = {
        "database_url": registry.url,
        "certificates": [registry.file("leaf.pem", leaf.certificate_pem)],
        "export": str(registry.folder / "endpoints.csv"),
        "tls_endpoints": "{{ [443, {'port': '25', 'starttls': 'smtp'}] if inventory_hostname == 'mail' else [443] }}",
        "ansible_host": "{{ inventory_hostname }}.example.com",
        "status": {
            "certificates": [
                {"name": "prod/shop", "fingerprint_sha256": leaf.fingerprint_sha256, "layers": {"disk": "ok"}}
            ]
        },
    }
    predicted, done = (
        run_playbook(variables, playbook=PLAYS, hosts=("web1", "mail"), check=check) for check in (True, False)
    )
    assert (predicted.returncode, done.returncode) == (0, 0), predicted.output + done.output
    registered, back = (task.result for task in done.of("endpoint_registry"))
    assert sorted(entry["host"] for entry in registered["endpoints"]) == [
        "mail.example.com",
        "mail.example.com",
        "shop.example.com",
        "web1.example.com",
    ]
    assert (registered["deployments_changed"], predicted.of("endpoint_registry")[0].result["added"]) == (["web1"], 4)
    assert (back["changed"], back["registered"]) == (False, 4)
    known = registry.known()
    assert known["mail.example.com:25"]["starttls"] == "smtp"
    assert known["web1.example.com:443"]["tags"] == {"from": "inventory"}
    assert known["shop.example.com:8443"]["name"] == "shop.example.com"
