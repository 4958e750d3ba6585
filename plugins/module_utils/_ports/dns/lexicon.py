# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values by dns-lexicon, a library that speaks to the DNS services of many companies.

Whether others' values at a name survive is up to its provider. One record at a time is written.
"""

from __future__ import annotations

import logging
import typing as t

try:
    from lexicon.client import Client as LexiconClient
    from lexicon.config import ConfigResolver, DictConfigSource
except ImportError:  # who needs it reports it
    pass

from ..._core.acme.dns import TxtRecord, Zone
from ..._core.acme.txt import TTL
from ..._core.acme.zones import plain_name
from ..._errors import DnsError

# Its debug messages hold what is sent, tokens too.
logging.getLogger("lexicon").setLevel(logging.CRITICAL)


class LexiconDns:
    """A DnsProvider. service: as lexicon calls it, such as cloudflare; zones: it cannot list them; settings: of the
    service, as lexicon's command line has them, without dashes: auth_token, auth_username and the like."""

    def __init__(self, service: str, zones: t.Sequence[str], settings: t.Mapping[str, str]) -> None:
        self._service = service
        self._settings = dict(settings)
        self._given = tuple(Zone(name, name) for name in dict.fromkeys(map(plain_name, zones)))

    def zones(self) -> tuple[Zone, ...]:
        return self._given

    def add(self, zone: Zone, records: t.Sequence[TxtRecord]) -> list[str]:
        self._each(zone, records, "create_record")
        return []

    def wait(self, changes: t.Sequence[str], timeout: float) -> None:
        """Nothing: lexicon does not know when the service has published them. Its servers are asked for that."""

    def remove(self, zone: Zone, records: t.Sequence[TxtRecord]) -> None:
        self._each(zone, records, "delete_record")

    def _each(self, zone: Zone, records: t.Sequence[TxtRecord], operation: str) -> None:
        """Raises DnsError with the names that failed, when all others are done."""
        failures: dict[str, str] = {}
        try:
            with self._client(zone) as operations:
                for record in records:
                    for value in record.values:
                        try:
                            getattr(operations, operation)(rtype="TXT", name=record.name, content=value)
                        except Exception as error:  # noqa: BLE001  # of any of its services
                            failures[record.name] = self._failure(zone, record.name, error)
        except DnsError:
            raise
        except Exception as error:  # noqa: BLE001  # of any of its services
            raise DnsError(self._failure(zone, "", error)) from None
        if failures:
            raise DnsError(" ".join(dict.fromkeys(failures.values())), list(failures))

    def _client(self, zone: Zone) -> t.Any:
        options = {"provider_name": self._service, "domain": zone.name, "ttl": TTL, self._service: self._settings}
        client = LexiconClient(ConfigResolver().with_dict(options))
        # It guesses where a zone begins, and is told here.
        client.config.add_config_source(DictConfigSource({"domain": zone.name}), 0)
        return client

    def _failure(self, zone: Zone, name: str, error: Exception) -> str:
        """Without the error's text: it may quote a token."""
        status = getattr(getattr(error, "response", None), "status_code", None)
        told = f"HTTP status {status}" if isinstance(status, int) else type(error).__name__
        where = f"{name} in zone {zone.name}" if name else f"zone {zone.name}"
        return (
            f"dns-lexicon ({self._service}) failed for {where} with {told}; its text is withheld, as it may quote a"
            " token. Check lexicon_service, the settings in credentials_secret and the rights of the token."
        )
