# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_scan: ask endpoints what they serve, and record it."""

from __future__ import annotations

import dataclasses
import time
import typing as t
from datetime import datetime, timedelta, timezone

from .._core.instants import parse_duration
from .._core.limits import check_limits
from .._core.push.given_targets import checked_number
from .._core.text import listed
from .._core.watch.endpoints import WatchedEndpoint
from .._core.watch.policy import WatchPolicy
from .._core.watch.reading import read_endpoint
from .._core.watch.registry import EndpointSelection
from .._errors import InvalidOption, RegistryError
from .._flows.watch.scan import EndpointScan, registered_endpoints
from .._ports.host.libraries import require_library
from .._ports.tls.scanner import Scanner, ScannerSettings, scan
from .._ports.tls.starttls import PROTOCOLS
from .boundary import module_boundary
from .options import tag_texts, trusted_certificates
from .registry_options import DATABASE_OPTIONS, opened_registry

if t.TYPE_CHECKING:
    from .._ports.registry.sql_registry import SqlRegistry

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **DATABASE_OPTIONS,
    "endpoints": {"type": "list", "elements": "raw"},
    "record": {"type": "bool", "default": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 10.0},
    "deadline": {"type": "float", "default": 600.0},
    "concurrency": {"type": "int", "default": 128},
    "addresses": {"type": "str", "choices": ["all", "first"], "default": "all"},
    "key_types": {
        "type": "list",
        "elements": "str",
        "choices": ["any", "rsa", "ecdsa"],
        "default": [],
        "no_log": False,
    },
    "trust_anchors": {"type": "str"},
    "staple": {"type": "bool", "default": False},
    "expiring_within": {"type": "list", "elements": "str", "default": []},
    "unreachable_after": {"type": "int", "default": 2},
}
_LONGEST: t.Final = 86400.0
_SELECTING: t.Final = ("names", "hosts", "tags")


def run(module: t.Any) -> None:
    """module: a GuardedModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        started, now = time.monotonic(), datetime.now(timezone.utc).replace(microsecond=0)
        params = module.params
        require_library("cryptography")
        if params["staple"]:
            require_library("pyOpenSSL")
        policy, settings = _policy(params), _settings(params, now)
        given = _given(params)
        registry = _registry(module, given)
        endpoints = registered_endpoints(registry, _selection(params)) if given is None and registry else given or []
        looks = _Looks(settings, started)
        scanning = EndpointScan(
            endpoints,
            looks.look,
            policy,
            key_types=params["key_types"],
            registry=registry,
            now=now,
            check=module.check_mode,
        )
        try:
            summary = scanning.run()
        except RegistryError as error:
            raise RegistryError(error.message, **scanning.summary.as_result()) from None
        result = {"changed": summary.changed, **summary.as_result(), "seconds": round(time.monotonic() - started, 1)}
        if not endpoints and given is None and registry is not None:
            module.warn(f"{registry.place} has no endpoint to ask: certops.rotation.endpoint_registry adds some.")
        if summary.nothing_served:
            module.warn("Not one endpoint gave a certificate: do this host's network and name resolution work?")
        if summary.unfinished:
            missed = listed([str(endpoint) for endpoint in summary.unfinished])
            module.warn(
                f"deadline: after {params['deadline']:g} s, {len(summary.unfinished)} of {len(endpoints)} endpoints had"
                f" not been seen: {missed}. Raise deadline or concurrency."
            )
        if given and registry is not None:
            _tell_unregistered(module, given, registry)
        module.exit_json(**result)


class _Looks:
    """Scanners over the port, which share one deadline."""

    def __init__(self, settings: ScannerSettings, started: float) -> None:
        self._settings = settings
        self._started = started

    def look(self, endpoints: t.Sequence[WatchedEndpoint], key_type: str) -> Scanner:
        left = None
        if self._settings.deadline is not None:
            left = max(0.0, self._settings.deadline - (time.monotonic() - self._started))
        return scan(endpoints, dataclasses.replace(self._settings, deadline=left, key_type=key_type))


def _policy(params: t.Mapping[str, t.Any]) -> WatchPolicy:
    """Raises InvalidOption."""
    return WatchPolicy(
        expiring_within=tuple(_threshold(text) for text in params["expiring_within"]),
        unreachable_after=checked_number("unreachable_after", params["unreachable_after"], 1000, 1),
    )


def _threshold(text: str) -> timedelta:
    try:
        duration = parse_duration(text)
    except InvalidOption as error:
        raise InvalidOption(f"expiring_within: {error.message}") from None
    if not duration:
        raise InvalidOption("expiring_within: 0 is no time before the end. What has expired is told without.")
    return duration


def _settings(params: t.Mapping[str, t.Any], now: datetime) -> ScannerSettings:
    """Raises InvalidOption, or ProbeError for trust anchors that are none."""
    from .._ports.tls.observation import Trust

    check_limits(params["timeout"], params["concurrency"])
    deadline = checked_number("deadline", params["deadline"], _LONGEST, 1)
    return ScannerSettings(
        now=now,
        timeout=params["timeout"],
        deadline=deadline,
        concurrency=params["concurrency"],
        addresses=params["addresses"],
        trust=Trust(params["trust_anchors"]),
        anchors=trusted_certificates(params["trust_anchors"]),
        staple=params["staple"],
    )


def _given(params: t.Mapping[str, t.Any]) -> list[WatchedEndpoint] | None:
    """The option endpoints, those that are enabled, each once. Raises InvalidOption."""
    if params["endpoints"] is None:
        if not params["record"]:
            raise InvalidOption("Without record there is no registry to read endpoints from: give endpoints, too.")
        return None
    misplaced = [option for option in _SELECTING if params[option]]
    if misplaced:
        raise InvalidOption(f"{', '.join(misplaced)}: they choose from the registry, and endpoints are given.")
    found: dict[tuple[str, int], WatchedEndpoint] = {}
    for position, entry in enumerate(params["endpoints"]):
        try:
            endpoint = read_endpoint(entry, PROTOCOLS)
        except InvalidOption as error:
            raise InvalidOption(f"endpoints[{position}]: {error.message}") from None
        if found.setdefault(endpoint.key, endpoint) != endpoint:
            raise InvalidOption(f"endpoints[{position}]: {endpoint} is given twice, in two ways. Keep one of them.")
    return [endpoint for endpoint in found.values() if endpoint.enabled]


def _selection(params: t.Mapping[str, t.Any]) -> EndpointSelection:
    """Raises InvalidOption."""
    tags = tuple(tag_texts(params["tags"]).items())
    return EndpointSelection(tuple(params["names"]), tuple(params["hosts"]), tags)


def _registry(module: t.Any, given: list[WatchedEndpoint] | None) -> SqlRegistry | None:
    """Raises RotationError."""
    return opened_registry(module) if module.params["record"] or given is None else None


def _tell_unregistered(module: t.Any, given: t.Sequence[WatchedEndpoint], registry: SqlRegistry) -> None:
    registered = {endpoint.key for endpoint in registry.endpoints(EndpointSelection())}
    strange = [str(endpoint) for endpoint in given if endpoint.key not in registered]
    if strange:
        module.warn(
            f"{registry.place} does not know {listed(strange)}: of these nothing is recorded. Add them with"
            " certops.rotation.endpoint_registry, or set record=false."
        )
