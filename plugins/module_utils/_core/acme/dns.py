# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What issuing needs of the DNS: who is asked to publish TXT values, and the seam behind which each kind of them is."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Zone:
    """name: A-labels, lower case, without the root's dot; id: the provider's own."""

    name: str
    id: str


@dataclass(frozen=True)
class TxtRecord:
    """name: as Zone's; values: ours, each one character-string of at most 255 bytes, without quotation marks."""

    name: str
    values: tuple[str, ...]


class DnsProvider(t.Protocol):
    """Publishes TXT values in zones. Others' values at the same name survive. All raise DnsError."""

    def zones(self) -> t.Sequence[Zone]:
        """The public zones that it may write, asked once. (A ZoneFinder may not know them yet.)"""

    def add(self, zone: Zone, records: t.Sequence[TxtRecord]) -> t.Sequence[str]:
        """In as few calls as possible. What is there already is no error. Returns what wait needs: ids of changes.

        Here and for remove, a DnsError with some of the names says that all others have been done.
        """

    def wait(self, changes: t.Sequence[str], timeout: float) -> None:
        """Until the provider itself has published them. timeout: seconds. DnsError when it is denied or too slow."""

    def remove(self, zone: Zone, records: t.Sequence[TxtRecord]) -> None:
        """These values only; the record itself when none is left. What is gone already is no error."""


@t.runtime_checkable
class ZoneFinder(t.Protocol):
    """A DnsProvider that cannot list its zones, but can tell in which of them a name is. Raises DnsError."""

    def find_zones(self, names: t.Sequence[str]) -> t.Sequence[Zone]: ...
