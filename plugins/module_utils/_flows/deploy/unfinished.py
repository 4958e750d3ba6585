# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What deployments leave to the next one, as a file beside the manifest."""

from __future__ import annotations

import os
import typing as t
from datetime import datetime

from ..._core.pipeline.manifest import Entry
from ..._core.push.deployments import UNFINISHED_FILE, Unfinished
from ..._core.services.definitions import LiveLineage
from ..._core.services.pending import PendingLineage
from ..._ports.store.directory import STATE_DIRECTORY, CertificateDirectory


class UnfinishedFile:
    """Methods raise StoreError. Written is only what is news."""

    def __init__(self, directory: CertificateDirectory, lock_timeout: float) -> None:
        self._directory = directory
        self._lock_timeout = lock_timeout
        self._known = Unfinished().to_json()

    def load(self, entries: t.Mapping[str, Entry], now: datetime) -> tuple[Unfinished, str]:
        """With a warning where the file is damaged: then services are told of all that is live."""
        try:
            data = self._directory.read_own_file(UNFINISHED_FILE)
            if data is None:
                return Unfinished(), ""
            found = Unfinished.from_json(data)
        except ValueError as error:
            file = os.path.join(self._directory.path, STATE_DIRECTORY, UNFINISHED_FILE)
            pending = tuple(PendingLineage(name, fingerprint_of(entry), now) for name, entry in sorted(entries.items()))
            text = f"{file} is damaged ({error}): the services are told of all that is live."
            self._known = b""
            return Unfinished(pending, receipts=set(entries)), text
        self._known = data
        return found, ""

    def is_news(self, unfinished: Unfinished) -> bool:
        return unfinished.to_json() != self._known

    def save(self, unfinished: Unfinished) -> None:
        """While the directory is locked by this run."""
        if self.is_news(unfinished):
            data = unfinished.to_json()
            self._directory.write_own_file(UNFINISHED_FILE, data)
            self._known = data

    def save_alone(self, unfinished: Unfinished) -> None:
        """While it is not."""
        if self.is_news(unfinished):
            with self._directory.locked(self._lock_timeout):
                self.save(unfinished)


def fingerprint_of(entry: Entry) -> str:
    """Of the leaf that is live; "" where that is not known."""
    return str(entry.current.summary.get("fingerprint_sha256") or "")


def is_untold(entry: Entry) -> bool:
    """Whether another version was the last one that services are known to have been told of."""
    return entry.layout == "lineage" and (entry.loaded or entry.proven) != entry.current.digest


def live_lineages(directory: CertificateDirectory, entries: t.Mapping[str, Entry]) -> list[LiveLineage]:
    """As services see them."""
    return [
        LiveLineage(
            name,
            fingerprint_of(entry),
            tuple(entry.current.summary.get("subject_alternative_names", ())),
            os.path.join(directory.path, entry.main_path),
        )
        for name, entry in sorted(entries.items())
        if entry.layout == "lineage"
    ]
