# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy as a service: the live lineages become the combined files that it reads, by a rotation of its own.

That brings the hot update, the reload whose result is known, and the proof at every listener; what is not proven has
gone back, on disk and in HAProxy, when it is told that the lineage is wrong.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ..._core.pipeline.source import Selection
from ..._core.services.definitions import Activation, LiveLineage
from ..._core.text import lines_of
from ..._errors import ServiceError
from ..._ports.services.live_lineages import LiveLineageSource
from ..._ports.store.directory import CertificateDirectory, DirectorySettings
from ..rotate.rotation import Rotation
from ..rotate.settings import RotationSettings
from ..rotate.sync_options import SyncOptions


class HaproxySettings(t.NamedTuple):
    """path: of the directory that HAProxy reads; store: how files are written there; options: of the sync, without a
    selection; rotation: all else."""

    path: str
    store: DirectorySettings
    options: SyncOptions
    rotation: RotationSettings


class HaproxyService:
    """lineages: those that HAProxy is to have, all that are live and concern it."""

    def __init__(self, settings: HaproxySettings, lineages: t.Sequence[LiveLineage]) -> None:
        self._settings = settings
        self._lineages = lineages

    def activate(self) -> Activation:
        """Raises RotationError; in the details of a ServiceError, wrong: lineages that HAProxy refused or did not show,
        which have gone back in its own directory, and the log of reloads that failed."""
        settings = self._settings
        rotation = Rotation(
            lambda: LiveLineageSource(self._lineages),
            CertificateDirectory(settings.path, settings.store),
            settings.options._replace(selection=Selection(names=tuple(each.name for each in self._lineages))),
            settings.rotation,
            now=datetime.now(timezone.utc),
        )
        report = rotation.run()
        progress = rotation.progress
        proven = tuple(progress.proven) if settings.rotation.proof else ()
        unasked = tuple(progress.not_proven)
        if rotation.failure:
            proofs = progress.proof.get("certificates", ())
            wrong = {item["name"] for item in proofs if item["outcome"] == "wrong"}
            wrong = wrong.union(progress.refused, progress.unproven)
            error, log = apart(rotation.failure, progress.reload.get("results", ()))
            raise ServiceError(error, log=log, wrong=sorted(wrong), proven=proven, unasked=unasked)
        return Activation("\n".join(report.warnings), proven, unasked)


def apart(failure: str, attempts: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[str, str]:
    """What a rotation failed with, and the lines of that which HAProxy has logged: those are not for everybody.

    attempts: to reload, as haproxy_reload returns them."""
    logged = {line for attempt in attempts for line in lines_of(str(attempt.get("log") or ""))}
    lines = lines_of(failure)
    return (
        "\n".join(line for line in lines if line not in logged),
        "\n".join(line for line in lines if line in logged),
    )
