# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage record of a deployment: what has been served, and the receipts that the pusher gets."""

from __future__ import annotations

import typing as t

from ..._core.pipeline.manifest import Entry
from ..._core.push.deployments import Unfinished, receipt_of
from ..._core.push.receipt import Receipt
from ..._ports.store.directory import CertificateDirectory
from ..rotate.record import RunOutcome, record
from .telling import Telling
from .unfinished import fingerprint_of
from .verdicts import UploadVerdict


def record_served(
    directory: CertificateDirectory,
    telling: Telling,
    unfinished: Unfinished,
    failures: t.Sequence[str],
    *,
    lock_timeout: float,
) -> None:
    """Which versions a handshake has got, and which services have loaded, as far as anybody can tell. Raises
    RotationError."""
    settled = [name for name in telling.entries if not unfinished.is_pending(name) and name not in unfinished.unproven]
    proven = sorted(telling.proven.intersection(settled))
    activation = "services" if any(outcome.outcome == "ran" for outcome in telling.outcomes) else "none"
    loaded = [name for name in settled if name not in proven and not is_proven(telling.entries[name])]
    outcomes = [RunOutcome("proven", activation, proven, failures=failures, loaded=loaded)]
    if failures:
        result = "rolled_back" if telling.rolled_back else "failed"
        outcomes.append(RunOutcome(result, activation, message="\n".join(failures), failures=failures))
    for outcome in outcomes:
        record(directory, outcome, now=telling.now, lock_timeout=lock_timeout, check_mode=False)


def receipts_for(verdicts: t.Sequence[UploadVerdict], telling: Telling, unfinished: Unfinished) -> list[Receipt]:
    """One for each lineage of which there is news: of what is live, or of an upload that is not."""
    names = unfinished.receipts | {verdict.lineage for verdict in verdicts if verdict.outcome == "taken"}
    receipts = {
        name: receipt_of(
            name,
            fingerprint_of(telling.entries[name]),
            unfinished,
            proven=is_proven(telling.entries[name]),
            now=telling.now,
            due=telling.due,
            message=telling.complaint(name),
        )
        for name in names
        if name in telling.entries
    }
    # The newest upload is the one that the pusher waits for, and it was looked at first.
    for verdict in reversed(verdicts):
        receipt = verdict.receipt(telling.now)
        if receipt:
            receipts[verdict.lineage] = receipt
    return [receipts[name] for name in sorted(receipts)]


def is_proven(entry: Entry) -> bool:
    """Whether the live version has been seen served."""
    return entry.proven == entry.current.digest
