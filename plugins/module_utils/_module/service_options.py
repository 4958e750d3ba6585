# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option services: what is told of new lineages, in order, and how it is proven that it serves them."""

from __future__ import annotations

import typing as t

from .._core.push.staging import LINEAGE_NAME
from .._core.services.definitions import SERVICE_ACTIONS, ServiceDefinition, ServiceType
from .._core.services.names import docker_name, init_script_name, signal_name, unit_name
from .._core.text import shown
from .._errors import InvalidOption, RotationError
from .._ports.reload.docker import DockerEngine
from .._ports.tls.endpoint import parse_endpoint
from .haproxy_options import DOCKER_HOST
from .haproxy_service import HAPROXY_SERVICE_OPTIONS, haproxy_settings

_DOCKER = ("docker_container", "docker_service")
_MAX_SECONDS = 86400
_DEFAULT_SIGNAL = "HUP"
_DEFAULT_SECONDS = {"timeout": 60.0, "prove_within": 15.0}

#: Of one entry. Without a default where null is to mean it: Ansible takes none for an option with a default.
SERVICE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "type": {"type": "str", "required": True, "choices": list(SERVICE_ACTIONS)},
    "name": {"type": "str"},
    "action": {"type": "str", "choices": list(dict.fromkeys(a for some in SERVICE_ACTIONS.values() for a in some))},
    "filters": {"type": "dict"},
    "signal": {"type": "str"},
    "arguments": {"type": "list", "elements": "str"},
    "timeout": {"type": "float"},
    "on_missing": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
    "lineages": {"type": "list", "elements": "str"},
    "endpoints": {"type": "list", "elements": "raw"},
    "prove_within": {"type": "float"},
    "docker_host": {"type": "str"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "haproxy": {"type": "dict", "options": HAPROXY_SERVICE_OPTIONS},
}
#: The option of a module.
SERVICES_OPTION: dict[str, t.Any] = {"type": "list", "elements": "dict", "options": SERVICE_OPTIONS, "default": []}

_NAMED = {"systemd": unit_name, "rc": init_script_name, "docker_container": docker_name, "docker_service": docker_name}
# Which types have a use for what, where not all have.
_OF: dict[str, tuple[str, ...]] = {
    "name": ("systemd", "docker_container", "docker_service", "script", "rc"),
    "filters": _DOCKER,
    "signal": ("docker_container",),
    "arguments": ("script",),
    "docker_host": _DOCKER,
    "ca_path": _DOCKER,
    "client_cert": _DOCKER,
    "client_key": _DOCKER,
    "haproxy": ("haproxy",),
}


def service_definitions(entries: t.Sequence[t.Mapping[str, t.Any]] | None) -> list[ServiceDefinition]:
    """Of the option services, by SERVICE_OPTIONS: in order, checked. Raises InvalidOption that names the entry."""
    definitions = []
    for position, entry in enumerate(entries or ()):
        try:
            definitions.append(_definition(entry))
        except RotationError as error:
            raise InvalidOption(f"services[{position}]: {error.message.rstrip('.')}.") from None
    return definitions


def _definition(entry: t.Mapping[str, t.Any]) -> ServiceDefinition:
    kind: ServiceType = entry["type"]
    given = {name for name, value in entry.items() if value not in (None, "", [], {})}
    strange = sorted(name for name in given if kind not in _OF.get(name, (kind,)))
    if strange:
        raise InvalidOption(f"the type {kind} has no use for {' and '.join(strange)}")
    action, signal = _action(kind, entry)
    return ServiceDefinition(
        type=kind,
        name=_name(kind, entry),
        action=action,
        filters=_filters(entry.get("filters") or {}),
        signal=signal,
        timeout=_seconds("timeout", entry),
        lineages=_lineages(entry.get("lineages") or ()),
        endpoints=_endpoints(entry.get("endpoints") or ()),
        settings=_settings(kind, entry),
        arguments=tuple(entry.get("arguments") or ()),
        on_missing=entry.get("on_missing") or "fail",
        prove_within=_seconds("prove_within", entry),
    )


def _name(kind: ServiceType, entry: t.Mapping[str, t.Any]) -> str:
    name = str(entry.get("name") or "").strip()
    if kind == "haproxy":
        return ""
    if not name and kind in _DOCKER and not entry.get("filters"):
        raise InvalidOption(f"the type {kind} needs name or filters")
    if not name and kind not in _DOCKER:
        raise InvalidOption(f"the type {kind} needs name")
    if "\0" in name or "\n" in name:
        raise InvalidOption(f"name: {shown(name)!r} is no name")
    return _NAMED[kind](name) if name and kind in _NAMED else name


def _action(kind: ServiceType, entry: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """With the signal, "" for none."""
    known = SERVICE_ACTIONS[kind]
    signal = signal_name(entry["signal"]) if entry.get("signal") else ""
    action = entry.get("action") or ("signal" if signal else known[0])
    if action not in known:
        raise InvalidOption(f"the type {kind} has no action {action}, but {' and '.join(known)}")
    if action == "signal":
        return action, signal or _DEFAULT_SIGNAL
    if signal:
        raise InvalidOption("signal is for the action signal")
    return action, ""


def _filters(given: t.Mapping[str, t.Any]) -> dict[str, tuple[str, ...]]:
    """Of Docker's API: name -> values; one value may stand by itself, and label has a mapping, too."""
    filters: dict[str, tuple[str, ...]] = {}
    for name, value in given.items():
        if isinstance(value, t.Mapping):
            values = [key if item is None else f"{key}={_scalar(name, item)}" for key, item in value.items()]
        else:
            values = [_scalar(name, item) for item in (value if isinstance(value, (list, tuple)) else [value])]
        if not values or not all(values):
            raise InvalidOption(f"filters: {shown(str(name))} has no value")
        filters[str(name)] = tuple(values)
    return filters


def _scalar(name: str, value: t.Any) -> str:
    """As Docker writes booleans."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise InvalidOption(f"filters: {shown(str(name))} needs a text, or a list of texts")


def _lineages(given: t.Sequence[t.Any]) -> tuple[str, ...]:
    wrong = [name for name in given if not LINEAGE_NAME.match(str(name))]
    if wrong:
        raise InvalidOption(f"lineages: {shown(str(wrong[0]))!r} is no name of a lineage; give that of its directory")
    return tuple(dict.fromkeys(str(name) for name in given))


def _endpoints(given: t.Sequence[t.Any]) -> tuple[t.Mapping[str, t.Any], ...]:
    """As mappings; parse_endpoint reads them back to the same."""
    found = []
    for position, entry in enumerate(given):
        endpoint = parse_endpoint(entry, position)
        if endpoint.odd_name:
            raise InvalidOption(f"endpoints[{position}]: {endpoint.odd_name}")
        found.append(
            {
                "host": endpoint.host,
                "port": endpoint.port,
                "server_name": endpoint.server_name or "",
                "address": endpoint.address,
                "starttls": endpoint.starttls,
                "key_type": endpoint.key_type,
                "proxy_protocol": endpoint.proxy_protocol,
            }
        )
    return tuple(found)


def _seconds(option: str, entry: t.Mapping[str, t.Any]) -> float:
    value: float | None = entry.get(option)
    if value is None:
        return _DEFAULT_SECONDS[option]
    if not 0 < value <= _MAX_SECONDS:
        raise InvalidOption(f"{option} must be more than 0 and at most {_MAX_SECONDS} seconds, not {value:g}")
    return value


def _settings(kind: ServiceType, entry: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    if kind == "haproxy":
        settings = haproxy_settings(entry.get("haproxy") or {})
        return {"rotation": settings, "path": settings.path}
    if kind not in _DOCKER:
        return {}
    address = entry.get("docker_host") or DOCKER_HOST
    DockerEngine(address, 1)  # is it an address?
    return {"docker_host": address, **{name: entry.get(name) for name in ("ca_path", "client_cert", "client_key")}}
