# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be registered, from what users give, and what came of it. Pure."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t
from datetime import datetime

from ..._errors import InvalidOption
from ..instants import is_ahead, parse_isoformat_utc
from .endpoints import WatchedEndpoint
from .reading import endpoint_fields, read_endpoint, read_endpoint_key
from .registry import EndpointChange, FleetDeployment

#: That a result lists: ten thousand endpoints do not pass through Ansible's output.
MOST_LISTED: t.Final = 100
_LAYERS: t.Final = ("source", "file", "memory", "wire")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")

Registering = t.Literal["added", "changed", "removed"]


@dataclasses.dataclass(frozen=True)
class GivenEndpoints:
    """refused: a sentence for each entry that is none, or that says something else of the same host and port."""

    endpoints: tuple[WatchedEndpoint, ...] = ()
    refused: tuple[str, ...] = ()


def given_endpoints(entries: t.Sequence[t.Any], protocols: t.Collection[str]) -> GivenEndpoints:
    """entries: each as read_endpoint takes it; protocols: what starttls may be. One bad entry stops no other."""
    read: dict[tuple[str, int], list[tuple[int, WatchedEndpoint]]] = collections.defaultdict(list)
    refused = []
    for number, entry in enumerate(entries):
        try:
            endpoint = read_endpoint(entry, protocols)
        except InvalidOption as error:
            refused.append(f"endpoints[{number}]: {error.message}")
            continue
        read[endpoint.key].append((number, endpoint))
    wanted = []
    for same in read.values():
        number, endpoint = same[0]
        others = [f"endpoints[{other}]" for other, found in same if found != endpoint]
        if others:
            refused.append(
                f"endpoints[{number}]: {endpoint} is also in {', '.join(others)}, which says something else of it. Host"
                " and port are an endpoint's identity: remove one, or give it another port."
            )
        else:
            wanted.append(endpoint)
    return GivenEndpoints(tuple(wanted), tuple(refused))


def given_deployments(entries: t.Sequence[t.Any], now: datetime) -> list[FleetDeployment]:
    """Each a dictionary of host, certificate, layers, endpoints and at, see FleetDeployment. Raises InvalidOption.

    One of a host alone is none: it says that the host has nothing, see given_hosts.
    """
    return [
        _deployment(f"deployments[{number}]", entry, now)
        for number, entry in enumerate(entries)
        if not isinstance(entry, t.Mapping) or set(entry) != {"host"}
    ]


def given_hosts(entries: t.Sequence[t.Any]) -> list[str]:
    """All hosts of which something is said, also that they have nothing. Raises InvalidOption."""
    hosts = []
    for number, entry in enumerate(entries):
        host = entry.get("host") if isinstance(entry, t.Mapping) else None
        if not isinstance(host, str) or not 0 < len(host.strip()) <= 256:
            raise InvalidOption(f"deployments[{number}]: host is a text of at most 256 characters.")
        hosts.append(host.strip())
    return list(dict.fromkeys(hosts))


def hosts_that_changed(
    known: t.Iterable[FleetDeployment], given: t.Iterable[FleetDeployment], hosts: t.Iterable[str]
) -> list[str]:
    """Those of the hosts of which something else is given than is known. When it was read does not count."""
    before, after = _by_host(known), _by_host(given)
    return [host for host in hosts if after.get(host) != before.get(host)]


def action_of(change: EndpointChange) -> Registering:
    """Of one that changes something."""
    if change.before is None:
        return "added"
    return "changed" if change.after is not None else "removed"


def change_fields(change: EndpointChange) -> dict[str, t.Any]:
    """The endpoint as it is now, or was when it is removed."""
    endpoint = t.cast("WatchedEndpoint", change.after or change.before)
    return {**endpoint_fields(endpoint), "action": action_of(change)}


def registry_diff(changes: t.Sequence[EndpointChange]) -> dict[str, str]:
    """Before and after, as Ansible shows them: a line for each endpoint, of some of them."""
    some = changes[:MOST_LISTED]
    more = f"and {len(changes) - MOST_LISTED} more\n" if len(changes) > MOST_LISTED else ""
    return {
        "before": "".join(_line(change.before) for change in some if change.before),
        "after": "".join(_line(change.after) for change in some if change.after) + more,
    }


def _line(endpoint: WatchedEndpoint) -> str:
    unusual = {
        field: value
        for field, value in endpoint_fields(endpoint).items()
        if field not in ("name", "host", "port") and value != getattr(_USUAL, field)
    }
    if not endpoint.tags:
        unusual.pop("tags", None)
    return (
        " ".join([str(endpoint), f"name={endpoint.name}", *(f"{key}={value}" for key, value in unusual.items())]) + "\n"
    )


_USUAL: t.Final = WatchedEndpoint("", "")


def _deployment(place: str, entry: t.Any, now: datetime) -> FleetDeployment:
    if not isinstance(entry, t.Mapping):
        raise InvalidOption(f"{place} is no dictionary of host, certificate, layers and endpoints.")
    unknown = sorted(str(key) for key in entry if key not in ("host", "certificate", "layers", "endpoints", "at"))
    if unknown:
        raise InvalidOption(f"{place}: {unknown[0]!r} is none of host, certificate, layers, endpoints and at.")
    for field in ("host", "certificate"):
        if not isinstance(entry.get(field), str) or not 0 < len(entry[field].strip()) <= 256:
            raise InvalidOption(f"{place}: {field} is a text of at most 256 characters.")
    layers = entry.get("layers") or {}
    if not isinstance(layers, t.Mapping) or any(
        name not in _LAYERS or not (value in (None, "") or _FINGERPRINT.fullmatch(str(value)))
        for name, value in layers.items()
    ):
        raise InvalidOption(
            f"{place}: layers has for each of {', '.join(_LAYERS)} the SHA-256 of the leaf that is there, null, or"
            " an empty text for another one than is known."
        )
    endpoints = entry.get("endpoints") or []
    if not isinstance(endpoints, (list, tuple)):
        raise InvalidOption(f"{place}: endpoints is a list of host:port.")
    try:
        keys = tuple(map(read_endpoint_key, endpoints))
        at = parse_isoformat_utc(str(entry["at"])) if entry.get("at") else now
        at = now if is_ahead(at, now) else at  # the host's clock was wrong: it was deployed before it was read
    except InvalidOption as error:
        raise InvalidOption(f"{place}: {error.message}") from None
    return FleetDeployment(entry["host"].strip(), entry["certificate"].strip(), dict(layers), keys, at)


def _by_host(deployments: t.Iterable[FleetDeployment]) -> dict[str, set[tuple[t.Any, ...]]]:
    found: dict[str, set[tuple[t.Any, ...]]] = collections.defaultdict(set)
    for each in deployments:
        what = (each.certificate, tuple(sorted(each.layers.items(), key=str)), tuple(sorted(each.endpoints)))
        found[each.host].add(what)
    return found
