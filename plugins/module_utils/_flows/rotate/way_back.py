# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back by hand: chosen certificates go to the version before, and HAProxy is made to serve that."""

from __future__ import annotations

from datetime import datetime, timezone

from ..._core.pipeline.sync_report import SyncReport
from .record import RunOutcome, record
from .rollback import go_back
from .rotation import Rotation


class WayBack(Rotation):
    """A rotation whose certificates come from the versions that are kept on this host: what is written is the version
    before, and the stages after that are the same. It does not go back once more when a handshake gets something else.
    """

    _goes_back = False

    def run(self) -> SyncReport:
        """Raises InvalidOption where one of them has no version before that could be served, and StoreError: nothing is
        changed then.
        """
        self._before_change()
        self.write_previous()
        self.activate()
        self.prove()
        self.record()
        return self.report

    def write_previous(self) -> None:
        """All of them or none."""
        settings = self._settings
        items = go_back(
            self._directory,
            settings.rollback_names,
            now=self._now,
            allow_expired=settings.rollback_expired,
            lock_timeout=self._options.lock_timeout,
            check_mode=self._check_mode,
            was_loaded=True,
        )
        entries = self._directory.load()[0].entries
        for item in items:
            before = {"previous_fingerprint_sha256": item["rolled_back_fingerprint_sha256"]}
            facts = {name: item[name] for name in ("version_id", "fingerprint_sha256")}
            self._reporter.tell(entries[item["name"]], "updated", [], **before, **facts)
        self.report.pending = [item["name"] for item in items]

    def record(self) -> None:
        """What is served again. A run that is not proven has failed, wherever the files are."""
        progress = self.progress
        if not self._is_active:
            return
        outcome = RunOutcome(
            "failed" if progress.error else "proven",
            progress.activation,
            progress.proven,
            message=f"Rolled back by hand, but not seen served: {', '.join(self.unserved)}",
            costs=self._costs,
        )
        with self._noting_errors():
            record(
                self._directory,
                outcome,
                now=datetime.now(timezone.utc),
                lock_timeout=self._options.lock_timeout,
                check_mode=False,
            )

    @property
    def unserved(self) -> list[str]:
        """Those for which the run fails: handshakes get something else, or HAProxy could not be made to use them."""
        progress, proof = self.progress, self._done.get("proof", {})
        failing = proof.get("failing", progress.activated if proof else ())
        return [name for name in progress.pending if name in failing or name not in progress.activated]

    @property
    def failure(self) -> str:
        if not self.progress.error:
            return ""
        names = ", ".join(self.unserved)
        return f"These are back on disk, but handshakes do not get them: {names}\n{self.progress.error}"
