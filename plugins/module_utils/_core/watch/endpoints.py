# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watched endpoint, as the registry keeps it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

MOST_OF_A_NAME: t.Final = 64
MOST_OF_A_HOST: t.Final = 256
#: Text of an IP address, with a zone.
MOST_OF_AN_ADDRESS: t.Final = 100


@dataclasses.dataclass(frozen=True)
class WatchedEndpoint:
    """One TLS endpoint that is watched. host and port are its identity: no two of a registry have both in common.

    name: what people call it, at most MOST_OF_A_NAME characters; several endpoints may share one.
    host: DNS name in lower-case A-labels without a dot at the end, or an IP address in its shortest form; at most
    MOST_OF_A_HOST characters.
    server_name: for SNI and the trust check; None: host, unless that is an IP address; "": no SNI.
    starttls: one of _ports.tls.starttls.PROTOCOLS, None for TLS from the first byte.
    address: an IP address to connect to instead of resolving host.
    enabled: whether scans ask it.
    tags: the users' own words, as (key, value), sorted by key.
    """

    name: str
    host: str
    port: int = 443
    server_name: str | None = None
    starttls: str | None = None
    address: str | None = None
    proxy_protocol: bool = False
    enabled: bool = True
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, int]:
        """Its identity."""
        return self.host, self.port

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
