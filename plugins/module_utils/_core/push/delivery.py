# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the flow that pushes needs of the outside."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .lineage import Lineage
    from .receipt import Receipt
    from .targets import PushTarget


@dataclass(frozen=True)
class Delivery:
    """Of one lineage to one host, in one connection. error: "" when it lies there whole; fault: see PushError;
    receipt: the host's last one for this lineage, None when there is none or none is expected; uploaded: whether files
    were sent (they are not when they lie there already), all of them, even where there is an error; earlier_receipt:
    mark of the one that was there before the upload, which is no answer to it."""

    lineage: str
    uploaded: bool = False
    receipt: Receipt | None = None
    error: str = ""
    fault: str = ""
    earlier_receipt: str | None = None


class Deliverer(t.Protocol):
    """Brings lineages to a host."""

    def deliver(
        self, target: PushTarget, lineages: t.Sequence[Lineage], *, uploaded: t.Mapping[str, str | None], wait: bool
    ) -> t.Sequence[Delivery]:
        """All of them in one connection, each whole or not at all; one that fails does not stop the others.

        uploaded: names of lineages that lie there already and are only asked about, with the mark of the receipt that
        is no answer; wait: for receipts, up to
        target.receipt_timeout seconds for all. Raises PushError where there is no connection.
        """

    def cut(self) -> None:
        """End the connections there are, at once, from another thread: what is under way there fails."""
