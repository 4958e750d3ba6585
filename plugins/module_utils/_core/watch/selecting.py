# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the endpoints somebody means. Pure."""

from __future__ import annotations

import typing as t

from ..._errors import InvalidOption
from .endpoints import WatchedEndpoint
from .reading import canonical_host
from .registry import EndpointSelection


def is_selected(endpoint: WatchedEndpoint, selection: EndpointSelection) -> bool:
    """By all that is given. A name or host may be given as host:port, too, which means one endpoint."""
    return (
        selection.enabled in (None, endpoint.enabled)
        and (not selection.names or not _names_of(endpoint).isdisjoint(selection.names))
        and (not selection.hosts or not _hosts_of(endpoint).isdisjoint(map(_canonical, selection.hosts)))
        and set(selection.tags) <= set(endpoint.tags)
    )


def not_found(selection: EndpointSelection, endpoints: t.Iterable[WatchedEndpoint]) -> list[str]:
    """The names and hosts of the selection that none of the endpoints has, as they were given."""
    names: set[str] = set()
    hosts: set[str] = set()
    for endpoint in endpoints:
        names |= _names_of(endpoint)
        hosts |= _hosts_of(endpoint)
    return [
        *(name for name in selection.names if name not in names),
        *(host for host in selection.hosts if _canonical(host) not in hosts),
    ]


def hosts_in(selection: EndpointSelection) -> set[str]:
    """All that names and hosts may mean, without ports."""
    return {_parts(text)[0] for text in (*selection.hosts, *selection.names)}


def _names_of(endpoint: WatchedEndpoint) -> set[str]:
    return {endpoint.name, str(endpoint)}


def _hosts_of(endpoint: WatchedEndpoint) -> set[str]:
    return {endpoint.host, str(endpoint)}


def _canonical(text: str) -> str:
    """As endpoints have it; what is no host stays as it is, and no endpoint has it."""
    host, port = _parts(text)
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parts(text: str) -> tuple[str, str]:
    """Host in its canonical form and port, "" for none."""
    text = text.strip()
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        host, port = text, ""
    try:
        return canonical_host(host), port
    except InvalidOption:
        return host, port
