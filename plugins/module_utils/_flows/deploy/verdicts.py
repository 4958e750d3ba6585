# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has become of one upload, and what that means for it: whether it is removed, and what the pusher is told."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime

from ..._core.instants import isoformat_utc
from ..._core.push.receipt import Receipt

#: ``taken``: it is live; ``refused``: for what it holds; ``failed``: for what this host lacks, so that the next run
#: tries again; ``waiting``: for its rest; ``superseded``: a newer one of the same lineage was there, too.
UploadOutcome = t.Literal["taken", "refused", "failed", "waiting", "superseded"]
_AGAIN: t.Final = "It stays staged, and the next run tries again."


@dataclass
class UploadVerdict:
    """staged: name in the staging directory; fingerprint_sha256: of its leaf, "" where that is not known; message: why
    it was not taken."""

    staged: str
    lineage: str
    outcome: UploadOutcome
    fingerprint_sha256: str = ""
    message: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the upload is of no more use."""
        return self.outcome in ("taken", "refused", "superseded")

    def receipt(self, now: datetime) -> Receipt | None:
        """Of one that is not live; None for others, and for those of which there is nothing to say yet."""
        if self.outcome not in ("refused", "failed"):
            return None
        message = f"{self.message} {_AGAIN}" if self.outcome == "failed" else self.message
        return Receipt(self.lineage, self.fingerprint_sha256, "refused", isoformat_utc(now), message)

    def fail(self, item: t.Mapping[str, t.Any]) -> None:
        """item: of the report, which says why it was not written."""
        self.outcome = "failed" if item["action"] == "failed" else "refused"
        self.message = reasons(item["problems"])

    def give_up(self, message: str) -> None:
        """Of one that is live, and could not be remembered."""
        if self.outcome in ("taken", "superseded"):
            self.outcome, self.message = "failed", message


def reasons(problems: t.Iterable[t.Mapping[str, str]]) -> str:
    """Of a refusal, for the pusher's user."""
    return " ".join(f"{each['message']} [{each['code']}]" for each in problems if each["severity"] == "error")
