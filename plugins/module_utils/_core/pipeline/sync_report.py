# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sync tells of itself."""

from __future__ import annotations

import collections
import typing as t
from dataclasses import dataclass, field

from .causes import CAUSES, Cause


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

    @property
    def message(self) -> str:
        """Why the run fails; "" when it does not."""
        if not self.failures:
            return ""
        failed = len(self.failures)
        wrong = "1 problem" if failed == 1 else f"{failed} problems"
        rest = f"{wrong} with {len(self.items)} certificates; the others are in place" if self.items else wrong
        return f"{rest}:\n" + "\n".join(self.failures)

    def as_result(self) -> dict[str, t.Any]:
        """What certificate_sync returns of it."""
        return {
            "changed": self.changed,
            "certificates": self.items,
            "pending": self.pending,
            "retired": self.retired,
            "unselected": self.unselected,
            "failures": self.failures,
            "failures_by_cause": {cause: self.causes.get(cause, []) for cause in CAUSES},
        }

    def diff(self) -> dict[str, t.Any]:
        """Facts of what changed, never content."""
        before: dict[str, t.Any] = {}
        after: dict[str, t.Any] = {}
        told = ("path", "version_id", "fingerprint_sha256", "not_before", "not_after")
        for item in self.items:
            if item["action"] in ("created", "updated", "removed"):
                facts = {key: item[key] for key in told}
                if item["action"] == "removed":
                    before[item["name"]] = facts
                    continue
                after[item["name"]] = {**facts, "subject_alternative_names": item["subject_alternative_names"]}
                if item["action"] == "updated":
                    before[item["name"]] = {
                        "path": item["path"],
                        "fingerprint_sha256": item.get("previous_fingerprint_sha256"),
                    }
        return {"before": before, "after": after}
