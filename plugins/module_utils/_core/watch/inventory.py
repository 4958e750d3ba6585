# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watched endpoints of the hosts of an inventory. Pure."""

from __future__ import annotations

import typing as t

from ..._errors import InvalidOption
from .endpoints import MOST_OF_A_NAME, WatchedEndpoint
from .reading import read_endpoint


class HostEntry(t.NamedTuple):
    """A host of an inventory. address: its variable ansible_host, None for its name; endpoints: as it lists them
    itself, None where it does not."""

    name: str
    address: t.Any = None
    endpoints: t.Any = None


def endpoints_of_inventory(
    hosts: t.Iterable[HostEntry], variable: str, port: t.Any, protocols: t.Collection[str], tags: t.Mapping[str, str]
) -> list[WatchedEndpoint]:
    """Of a host and port that several have in common, the first counts. variable: of which a host has its endpoints;
    port: of hosts that list none, 0 for none. Raises InvalidOption that names the host."""
    found: dict[tuple[str, int], WatchedEndpoint] = {}
    for host in hosts:
        listed = host.endpoints
        if listed is None:
            listed = [] if str(port).strip() == "0" else [{"port": port}]
        if not isinstance(listed, (list, tuple)):
            raise InvalidOption(f"{host.name}: {variable} is no list: write ports, host:port, or dictionaries.")
        for position, entry in enumerate(listed):
            try:
                endpoint = read_endpoint(_complete(entry, host), protocols, tags=tags)
            except InvalidOption as error:
                where = f"{variable}[{position}]: " if host.endpoints is not None else ""
                raise InvalidOption(f"{host.name}: {where}{error.message}") from None
            found.setdefault(endpoint.key, endpoint)
    return list(found.values())


def _complete(entry: t.Any, host: HostEntry) -> t.Any:
    """With what a host of the inventory is by itself: its address, and its name as far as one can be that long."""
    if isinstance(entry, int) or (isinstance(entry, str) and entry.strip().isdigit()):
        entry = {"port": entry}
    if not isinstance(entry, t.Mapping):
        return entry
    own = {"host": host.address or host.name}
    if len(host.name) <= MOST_OF_A_NAME:
        own["name"] = host.name
    return {**own, **entry}
