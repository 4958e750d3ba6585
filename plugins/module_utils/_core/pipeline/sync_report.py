# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sync tells of itself."""

from __future__ import annotations

import collections
import typing as t
from dataclasses import dataclass, field

from .causes import Cause


@dataclass
class SyncReport:
    """items: one per certificate, by name; pending: names whose current version has not been seen served yet;
    retired: paths of removed certificates that have not been recorded as gone from memory; unselected: deployed, but
    not among what was found; failures: why the run fails; causes: the same by whose they are.
    """

    items: list[dict[str, t.Any]] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unselected: list[dict[str, t.Any]] = field(default_factory=list)
    causes: dict[Cause, list[str]] = field(default_factory=lambda: collections.defaultdict(list))

    def fail(self, line: str, cause: Cause) -> None:
        self.failures.append(line)
        self.causes[cause].append(line)

    @property
    def changed(self) -> bool:
        return any(item["action"] in ("created", "updated", "removed") for item in self.items)
