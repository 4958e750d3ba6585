# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of endpoint_discovery_info."""

from __future__ import annotations

import ipaddress
import os
import typing as t
from datetime import datetime, timezone

from .._core.instants import isoformat_utc
from .._core.text import shown
from .._core.watch.discovery import DiscoverySettings, FoundCertificate
from .._core.watch.reading import canonical_host, endpoint_fields, read_tags
from .._errors import InvalidOption
from .._flows.watch.discovery import DiscoveryPlaces, discover_endpoints
from .._ports.host.libraries import require_library
from .boundary import module_boundary

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "config": {"type": "list", "elements": "path", "default": [], "aliases": ["haproxy_config"]},
    "environment": {"type": "dict", "default": {}},
    "socket": {"type": "str"},
    "timeout": {"type": "float", "default": 10.0},
    "paths": {"type": "list", "elements": "path", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "deadline": {"type": "float", "default": 300.0},
    "authorities": {"type": "bool", "default": False},
    "host": {"type": "str"},
    "address": {"type": "str"},
    "ports": {"type": "list", "elements": "int", "default": [443]},
    "tags": {"type": "dict", "default": {}},
}
_MOST_PASSED_OVER: t.Final = 100


def run(module: t.Any) -> None:
    with module_boundary(module):
        require_library("cryptography")
        params = module.params
        settings = _settings(params)
        places = DiscoveryPlaces(**{name: params[name] for name in DiscoveryPlaces.__dataclass_fields__})
        if not (places.config or places.socket or places.paths):
            raise InvalidOption("Give config, socket or paths: without one of them there is nowhere to look.")
        if not 0 < places.timeout < 3600 or not 0 < places.deadline < 86400:
            raise InvalidOption("timeout and deadline are seconds, from above 0 to an hour and to a day.")
        found = discover_endpoints(places, settings)
        serving, covering = found.endpoints.serving, found.endpoints.covering
        shown_ones = [each for each in found.certificates if params["authorities"] or not each.is_ca]
        passed_over = found.endpoints.passed_over
        if found.unfinished:
            module.warn(f"Not all of the paths was searched: {found.unfinished}. Name less, or use exclude.")
        module.exit_json(
            changed=False,
            endpoints=[endpoint_fields(endpoint) for endpoint in found.endpoints.endpoints],
            certificates=[
                _certificate(each, [*map(str, serving.get(each.key, ())), *covering.get(each.key, ())])
                for each in shown_ones
            ],
            authorities_found=sum(each.is_ca for each in found.certificates),
            passed_over=[
                {"what": _printable(what), "reason": _printable(reason)}
                for what, reason in passed_over[:_MOST_PASSED_OVER]
            ],
            passed_over_count=len(passed_over),
            files_read=found.files,
            complete=not found.unfinished,
        )


def _settings(params: t.Mapping[str, t.Any]) -> DiscoverySettings:
    """Raises InvalidOption."""
    for port in params["ports"]:
        if not 0 < port < 65536:
            raise InvalidOption(f"ports: {port} is not between 1 and 65535.")
    address = params["address"] or None
    if address is not None:
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError:
            raise InvalidOption(f"address: {address!r} is no IP address. A name goes into host.") from None
    return DiscoverySettings(
        datetime.now(timezone.utc),
        canonical_host(params["host"]) if params["host"] else None,
        address,
        tuple(params["ports"]),
        read_tags(params["tags"]),
    )


def _certificate(found: FoundCertificate, expected_at: t.Sequence[str]) -> dict[str, t.Any]:
    seen = found.seen
    return {
        "fingerprint_sha256": seen.fingerprint_sha256 or None,
        "fingerprint_sha1": seen.fingerprint_sha1,
        "not_before": isoformat_utc(seen.not_before) if seen.not_before else None,
        "not_after": isoformat_utc(seen.not_after) if seen.not_after else None,
        "subject": _printable(seen.subject),
        "issuer": _printable(seen.issuer),
        "serial_number": seen.serial_number,
        "subject_alternative_names": [_printable(name) for name in seen.subject_alternative_names],
        "key_type": seen.key_type,
        "is_ca": found.is_ca,
        "for_servers": found.for_servers,
        "paths": [_printable(path) for path in found.paths],
        "memory": [_printable(name) for name in found.memory],
        "expected_at": [_printable(text) for text in expected_at],
    }


def _printable(text: str | None) -> str | None:
    """Of names that are bytes those that are no UTF-8 would break a module's result."""
    return None if text is None else shown(os.fsencode(text).decode("utf-8", "backslashreplace"))
