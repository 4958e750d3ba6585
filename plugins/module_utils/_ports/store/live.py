# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which live files there are, and of which version each is a name."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from dataclasses import dataclass

from ..._core.pipeline.manifest import Entry, StoredVersion
from ..._core.x509.layouts import LAYOUTS, live_paths
from .places import Place, is_special

STATE_DIRECTORY = ".certops"
MANIFEST_FILE = "manifest.json"
VERSIONS = "versions"
#: certbot adds a README.
_OF_A_LINEAGE: t.Final = frozenset(("README", *(path.rpartition("/")[2] for path in LAYOUTS["lineage"].values())))


@dataclass
class Opened:
    """The directories behind a certificate directory. Methods raise OSError.

    base: the certificate directory itself; state: .certops; versions: below it. None for what is not there. adopts: see
    DirectorySettings.
    """

    base: Place | None = None
    state: Place | None = None
    versions: Place | None = None
    adopts: bool = False

    @contextlib.contextmanager
    def live_place(self, layout: str, stem: str) -> t.Iterator[Place | None]:
        """Where the live files are by the last parts of their paths; None where there is nothing."""
        if layout != "lineage":
            yield self.base
            return
        version = self.lineage_version(stem)
        with contextlib.ExitStack() as stack:
            place = None
            if version is not None and self.versions:
                with contextlib.suppress(FileNotFoundError):
                    place = stack.enter_context(self.versions.directory(version))
            elif self.base and self.adopts and is_directory(self.base.look(stem)) and not self._strange(stem):
                place = stack.enter_context(self.base.directory(stem))
            yield place

    def lineage_version(self, stem: str) -> str | None:
        """The name in versions that a live link leads to; None for what is no link of this store."""
        target = self.base.link_target(stem) if self.base else None
        prefix = link_to("")
        name = target[len(prefix) :] if target and target.startswith(prefix) else ""
        return name if name and "/" not in name and name not in (".", "..") else None

    def obstacle(self, layout: str, stem: str) -> str | None:
        """What stands where this certificate belongs and must not be replaced, if anything."""
        if self.base is None:
            return None
        if layout == "lineage":
            found, path = self.base.look(stem), os.path.join(self.base.path, stem)
            if not found or self.lineage_version(stem) is not None:
                return None
            if not (self.adopts and is_directory(found)):
                return f"{path} exists and is no symbolic link of this directory's store"
            strange = self._strange(stem)
            return f"{path} holds {strange}, so it is not taken over" if strange else None
        for live in live_paths(layout, stem).values():
            found, path = self.base.look(live), os.path.join(self.base.path, live)
            if is_directory(found):
                return f"{path} is a directory"
            if found and is_special(found):
                return f"{path} is a device, a FIFO or a socket"
        return None

    def _strange(self, stem: str) -> str:
        """What a directory of somebody else's holds beside the regular files of a lineage; "" when it is nothing."""
        if self.base is None:
            return ""
        with self.base.directory(stem) as place:
            for name in sorted(place.names()):
                found = place.look(name)
                if name not in _OF_A_LINEAGE:
                    return f"{name!r}, which is no file of a lineage"
                if found and not stat.S_ISREG(found.st_mode):
                    return f"{name}, which is no regular file"
        return ""

    def names_of(self, version_name: str) -> list[str]:
        """Paths below the certificate directory that are names of this version."""
        stem, _mark, digest = version_name.rpartition("~")
        live = stem + os.path.splitext(digest)[1]
        if not live or not self.base or not self.versions:
            return []
        target = self.base.link_target(live)
        if target is not None:
            return [live] if target == link_to(version_name) else []
        found, version = self.base.look(live), self.versions.look(version_name)
        return [live] if found and version and os.path.samestat(found, version) else []

    def links_to(self, live: t.Collection[str]) -> list[str]:
        """Symbolic links in the certificate directory that somebody else has made to one of these names in it."""
        if self.base is None:
            return []
        here = self.base.path
        files = {os.path.realpath(os.path.join(here, name)) for name in live}
        links = (name for name in self.base.names() if name not in live and self.base.link_target(name) is not None)
        return sorted(name for name in links if os.path.realpath(os.path.join(here, name)) in files)


def version_stem(entry: Entry, version: StoredVersion) -> str:
    """Of the names of a version's files, or of its directory, in versions."""
    return f"{entry.stem}~{version.digest[:16]}"


def link_to(version_name: str) -> str:
    """Where the link of a lineage leads to, seen from the certificate directory."""
    return os.path.join(STATE_DIRECTORY, VERSIONS, version_name)


def is_directory(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISDIR(status.st_mode)
