# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A source of certificates that are on this host already: the lineages that are live."""

from __future__ import annotations

import os
import typing as t

from ..._core.pipeline.source import Discovery, SecretFailure, SecretValue, SecretVersion, Selection
from ..._core.push.lineage import LINEAGE_FILES
from ..._core.services.definitions import LiveLineage
from ..._core.x509.problems import Problem
from ..store.atomic import read_regular_file

_PARTS = ("fullchain", "privkey")


class LiveLineageSource:
    """A CertificateSource. Its versions are the leaves' fingerprints."""

    def __init__(self, lineages: t.Iterable[LiveLineage]) -> None:
        self._lineages = {each.name: each for each in lineages}

    def discover(self, selection: Selection) -> Discovery:
        """By names alone; one that is not live is a failure."""
        names = sorted(set(selection.names))
        found = tuple(
            SecretVersion(name, name, self._lineages[name].fingerprint_sha256)
            for name in names
            if name in self._lineages
        )
        failures = tuple(
            SecretFailure(name, Problem("secret_missing", "error", "No lineage of this name is live on this host."))
            for name in names
            if name not in self._lineages
        )
        return Discovery(found, failures, where="this host")

    def read(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[SecretValue | SecretFailure]:
        return map(self._read, secrets)

    def _read(self, secret: SecretVersion) -> SecretValue | SecretFailure:
        # The directory is a link that others may switch: all files are to be of one version.
        directory = os.path.realpath(self._lineages[secret.name].path)
        try:
            contents = [read_regular_file(os.path.join(directory, LINEAGE_FILES[part])) for part in _PARTS]
        except OSError as error:
            problem = Problem("secret_unreadable", "error", f"Cannot read {directory}: {error.strerror or error}.")
            return SecretFailure(secret.name, problem)
        return SecretValue(secret, b"\n".join(contents))
