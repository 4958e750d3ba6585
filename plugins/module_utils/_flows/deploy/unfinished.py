# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What deployments leave to the next one, as a file beside the manifest."""

from __future__ import annotations

import os
import typing as t
from datetime import datetime

from ..._core.pipeline.manifest import Entry
from ..._core.push.deployments import Unfinished
from ..._core.services.definitions import LiveLineage
from ..._core.services.pending import PendingLineage
from ..._ports.store.directory import STATE_DIRECTORY, CertificateDirectory

UNFINISHED_FILE: t.Final = "deployment.json"


def load_unfinished(
    directory: CertificateDirectory, entries: t.Mapping[str, Entry], now: datetime
) -> tuple[Unfinished, str]:
    """With a warning where the file is damaged: then services are told of all that is live. Raises StoreError."""
    try:
        data = directory.read_own_file(UNFINISHED_FILE)
        return (Unfinished() if data is None else Unfinished.from_json(data)), ""
    except ValueError as error:
        file = os.path.join(directory.path, STATE_DIRECTORY, UNFINISHED_FILE)
        pending = tuple(PendingLineage(name, fingerprint_of(entry), now) for name, entry in sorted(entries.items()))
        text = f"{file} is damaged ({error}): the services are told of all that is live."
        return Unfinished(pending, receipts=set(entries)), text


def fingerprint_of(entry: Entry) -> str:
    """Of the leaf that is live; "" where that is not known."""
    return str(entry.current.summary.get("fingerprint_sha256") or "")


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
    ]
