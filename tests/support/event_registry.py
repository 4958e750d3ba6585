# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real registry of endpoints in which something has happened, and the module that tells of it."""

from __future__ import annotations

import pathlib
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.seen import seen_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import Sighting
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.sql_registry import SqlRegistry
from cryptography.hazmat.primitives.serialization import Encoding

from . import module, pki

#: For the environment of a run.
NO_PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"), "")


class EventRegistry:
    """place: a file for SQLite, or the URL of a database."""

    def __init__(self, place: pathlib.Path | str) -> None:
        self.url = place if isinstance(place, str) else f"sqlite:///{place}"
        self.registry = SqlRegistry(self.url)

    def tell(self, *names: str, days: float = 60, at: datetime | None = None) -> list[str]:
        """A new endpoint for each name: its event is "new", and with few days left there is another one. Their ids."""
        known = set(self.ids)
        now = (at or datetime.now(timezone.utc)).replace(microsecond=0)
        leaf = pki.self_signed(
            "a.example.com", not_before=now - timedelta(days=30), not_after=now + timedelta(days=days)
        )
        seen = seen_certificate(leaf.certificate.public_bytes(Encoding.DER))
        self.registry.put([WatchedEndpoint(name, f"{name}.example.com") for name in names], now)
        sightings = [Sighting((f"{name}.example.com", 443), "192.0.2.1", now, (seen,)) for name in names]
        self.registry.record(sightings, WatchPolicy(), now)
        return [each for each in self.ids if each not in known]

    @property
    def ids(self) -> list[str]:
        """Of all events, oldest first."""
        return [event.id for event in self.registry.undelivered("nobody", 10**6)]

    def run(
        self, receiver: str = "chat", *, check: bool = False, env: t.Any = None, **options: t.Any
    ) -> module.ModuleRun:
        args = {"database_url": self.url, "receiver": receiver, "retry_interval": 0.01, **options}
        return module.run_module("endpoint_events", args, check=check, env={**NO_PROXIES, **(env or {})})
