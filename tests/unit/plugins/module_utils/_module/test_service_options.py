# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option services."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.certops.rotation.plugins.doc_fragments.deployed_services import ModuleDocFragment
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import (
    SERVICE_ACTIONS,
    ServiceDefinition,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._module.service_options import (
    SERVICES_OPTION,
    service_definitions,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import parse_endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.starttls import PROTOCOLS

PAGE = pathlib.Path(__file__).parents[5] / "docs" / "deployed-services.md"


def checked(*entries: t.Any) -> list[ServiceDefinition]:
    """As a module gets them. Raises ValueError for what Ansible refuses."""
    result = ArgumentSpecValidator({"services": SERVICES_OPTION}).validate({"services": list(entries)})
    if result.error_messages:
        raise ValueError("; ".join(result.error_messages))
    return service_definitions(result.validated_parameters["services"])


def one(**entry: t.Any) -> ServiceDefinition:
    (definition,) = checked(entry)
    return definition


def test_none_is_none() -> None:
    assert service_definitions(None) == service_definitions([]) == checked() == []


def test_the_order_is_that_of_the_list() -> None:
    kinds = ["rc", "systemd", "script", "systemd"]
    found = checked(*({"type": kind, "name": f"n{number}"} for number, kind in enumerate(kinds)))
    assert [definition.title for definition in found] == [
        "rc n0",
        "systemd n1.service",
        "script n2",
        "systemd n3.service",
    ]


@pytest.mark.parametrize(
    ("entry", "action", "signal"),
    [
        ({"type": "systemd", "name": "a"}, "restart", ""),
        ({"type": "systemd", "name": "a", "action": "reload"}, "reload", ""),
        ({"type": "rc", "name": "a"}, "restart", ""),
        ({"type": "rc", "name": "a", "action": "reload"}, "reload", ""),
        ({"type": "script", "name": "a"}, "run", ""),
        ({"type": "docker_container", "name": "a"}, "restart", ""),
        ({"type": "docker_container", "name": "a", "signal": "sighup"}, "signal", "HUP"),
        ({"type": "docker_container", "name": "a", "action": "signal"}, "signal", "HUP"),
        ({"type": "docker_container", "name": "a", "action": "signal", "signal": "USR1"}, "signal", "USR1"),
        ({"type": "docker_service", "name": "a"}, "update", ""),
        ({"type": "haproxy"}, "update", ""),
    ],
)
def test_each_type_has_its_actions(entry: dict[str, t.Any], action: str, signal: str) -> None:
    assert (one(**entry).action, one(**entry).signal) == (action, signal)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "sysv", "name": "a"}, "value of type must be one of"),
        ({"name": "a"}, "missing required arguments: type"),
        ({"type": None, "name": "a"}, "type"),
        ({"type": "systemd", "name": "a", "action": "stop"}, "value of action must be one of"),
        ({"type": "systemd", "name": "a", "unit": "b"}, "unit"),
        ({"type": "systemd", "name": "a", "timeout": "soon"}, "timeout"),
        ({"type": "systemd", "name": "a", "on_missing": "ignore"}, "on_missing"),
        ("systemd", "services"),
    ],
)
def test_what_ansible_refuses(entry: t.Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked(entry)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "systemd"}, "the type systemd needs name"),
        ({"type": "systemd", "name": None}, "the type systemd needs name"),
        ({"type": "systemd", "name": " "}, "the type systemd needs name"),
        ({"type": "systemd", "name": "foo; rm"}, "'foo; rm' is no name of a systemd unit"),
        ({"type": "rc", "name": "foo; rm"}, "'foo; rm' is no name of an init script"),
        ({"type": "script"}, "the type script needs name"),
        ({"type": "script", "name": "a\nb"}, "is no name"),
        ({"type": "docker_container"}, "the type docker_container needs name or filters"),
        ({"type": "docker_service", "filters": {}}, "the type docker_service needs name or filters"),
        ({"type": "docker_container", "name": "a/../b"}, "is no name in Docker"),
        ({"type": "docker_container", "name": "a", "signal": "9"}, "is no name of a signal"),
        ({"type": "docker_container", "name": "a", "action": "restart", "signal": "HUP"}, "signal is for the action"),
        ({"type": "docker_container", "name": "a", "action": "reload"}, "has no action reload, but restart and signal"),
        ({"type": "docker_service", "name": "a", "action": "restart"}, "has no action restart, but update"),
        ({"type": "script", "name": "a", "action": "restart"}, "has no action restart, but run"),
        ({"type": "docker_container", "filters": {"label": []}}, "filters: label has no value"),
        ({"type": "docker_container", "filters": {"label": ""}}, "filters: label has no value"),
        ({"type": "docker_container", "filters": {"label": [["a"]]}}, "filters: label needs a text"),
        ({"type": "docker_container", "name": "a", "docker_host": "ssh://a"}, "docker_host must be like"),
        ({"type": "systemd", "name": "a", "filters": {"label": "b"}}, "the type systemd has no use for filters"),
        ({"type": "systemd", "name": "a", "arguments": ["b"]}, "the type systemd has no use for arguments"),
        ({"type": "systemd", "name": "a", "haproxy": {"path": "/b"}}, "the type systemd has no use for haproxy"),
        ({"type": "haproxy", "name": "a"}, "the type haproxy has no use for name"),
        ({"type": "haproxy", "haproxy": {"mode": "0644"}}, "mode 0644 would let every user"),
        ({"type": "haproxy", "haproxy": {"timeout": 0}}, "timeout must be more than 0"),
        ({"type": "systemd", "name": "a", "timeout": 0}, "timeout must be more than 0"),
        ({"type": "systemd", "name": "a", "timeout": "nan"}, "timeout must be more than 0"),
        ({"type": "systemd", "name": "a", "timeout": "inf"}, "timeout must be more than 0"),
        ({"type": "systemd", "name": "a", "prove_within": -1}, "prove_within must be more than 0"),
        ({"type": "systemd", "name": "a", "lineages": ["../b"]}, "'../b' is no name of a lineage"),
        ({"type": "systemd", "name": "a", "endpoints": ["host"]}, "endpoints[0] ('host')"),
        ({"type": "systemd", "name": "a", "endpoints": [{"host": "b", "starttls": "gopher"}]}, "starttls 'gopher'"),
        ({"type": "systemd", "name": "a", "endpoints": [{"host": "b", "sni": "c"}]}, "unknown field sni"),
        ({"type": "systemd", "name": "a", "endpoints": ["a b:443"]}, "endpoints[0]: 'a b' is not a host name"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(entry: dict[str, t.Any], message: str) -> None:
    good = {"type": "systemd", "name": "good"}
    with pytest.raises(InvalidOption) as raised:
        checked(good, entry)
    assert raised.value.message.startswith("services[1]: ")
    assert message in raised.value.message


def test_null_is_as_not_given() -> None:
    nothing = dict.fromkeys(("timeout", "prove_within", "lineages", "endpoints", "filters", "signal", "arguments"))
    assert one(type="systemd", name="a", **nothing) == one(type="systemd", name="a")
    assert (one(type="systemd", name="a").timeout, one(type="systemd", name="a").prove_within) == (60, 15)


def test_values_may_come_as_texts() -> None:
    found = one(type="systemd", name="a", timeout="1.5", prove_within="2", lineages="a.example.com,b.example.com")
    assert (found.timeout, found.prove_within) == (1.5, 2.0)
    assert found.lineages == ("a.example.com", "b.example.com")


def test_filters_are_what_the_api_wants() -> None:
    filters = {"label": {"a": "b", "c": None, "d": True}, "status": "running", "volume": ["x", "y"]}
    found = one(type="docker_container", filters=filters)
    assert found.filters == {"label": ("a=b", "c", "d=true"), "status": ("running",), "volume": ("x", "y")}
    assert found.title == "docker_container label=a=b,label=c,label=d=true,status=running,volume=x,volume=y"


def test_endpoints_are_read_back_to_the_same() -> None:
    given: list[t.Any] = [
        "www.example.com:443",
        "[::1]:8443",
        {"host": "127.0.0.1", "port": "25", "server_name": "mail.example.com", "starttls": "smtp"},
        {"host": "www.example.com", "server_name": "", "key_type": "rsa", "address": "192.0.2.1"},
    ]
    found = one(type="systemd", name="a", endpoints=given).endpoints
    again = [parse_endpoint(entry, position) for position, entry in enumerate(found)]
    before = [parse_endpoint(entry, position) for position, entry in enumerate(given)]
    assert [(each.host, each.port, each.sni, each.starttls, each.address, each.key_type) for each in again] == [
        (each.host, each.port, each.sni, each.starttls, each.address, each.key_type) for each in before
    ]


def test_a_service_of_haproxy_is_told_by_its_directory() -> None:
    first, second = (one(type="haproxy", haproxy={"path": f"/etc/haproxy/{name}"}) for name in ("a", "b"))
    assert first.key != second.key
    settings = first.settings["rotation"]
    assert settings.path == "/etc/haproxy/a"
    assert settings.rotation.memory.socket == "/run/haproxy/admin.sock"
    assert settings.rotation.needs["libraries"] == ["cryptography"], "a receiving host has no AWS"


def test_the_documentation_says_the_same() -> None:
    def options(documented: dict[str, t.Any], key: str) -> dict[str, t.Any]:
        facts = {name: documented.get(name) for name in ("elements", "choices", "default")}
        facts |= {"type": documented.get("type", "str"), "required": documented.get("required", False)}
        return {**facts, "options": {name: options(each, key) for name, each in documented.get(key, {}).items()}}

    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["services"]
    assert options(documented, "suboptions") == options(SERVICES_OPTION, "options")


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
def test_the_examples_of_the_page_are_good(text: str) -> None:
    entries = yaml.safe_load(text)["services"]
    assert [definition.type for definition in checked(*entries)] == [entry["type"] for entry in entries]


def test_the_page_names_all_types_and_protocols() -> None:
    text = PAGE.read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", text, re.MULTILINE))
    assert {kind: tuple(re.findall(r"`(\w+)`", cell)) for kind, cell in rows.items()} == dict(SERVICE_ACTIONS)
    assert all(f"`{protocol}`" in text for protocol in PROTOCOLS)
