# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going back: the previous version of each certificate becomes the live one again. Pure file work, no AWS."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from ._errors import InvalidOption
from ._store.directory import CertificateDirectory
from ._store.manifest import Entry


def roll_back(
    directory: CertificateDirectory, names: t.Sequence[str] | None, *, lock_timeout: float, check_mode: bool
) -> list[dict[str, t.Any]]:
    """Restore the named certificates, or with None all that are not proven.

    A certificate goes back to the version last proven if that is kept, else to the newest kept one. One that has no
    earlier version is removed, since nothing was there before it. One whose current version is proven is left alone
    unless it is named. Returns an item for each certificate looked at; raises InvalidOption for an unknown name and
    StoreError when files cannot be read or written.
    """
    with directory.locked(lock_timeout, create=not check_mode):
        manifest, warning = directory.load()
        if warning:
            raise InvalidOption(f"{warning} Without it there is no telling what to go back to.")
        unknown = sorted(set(names or ()) - set(manifest.entries))
        if unknown:
            raise InvalidOption(f"No certificate was deployed to {directory.path} from: {', '.join(unknown)}.")
        chosen = [
            entry
            for name, entry in sorted(manifest.entries.items())
            if (name in names if names is not None else entry.proven != entry.current.digest)
        ]
        items = []
        for entry in chosen:
            item = _item(directory, entry)
            target = next((old for old in entry.previous if old.digest == entry.proven), None)
            target = target or next(iter(entry.previous), None)
            if target is None:
                item.update(action="removed", version_id=None, fingerprint_sha256=None)
                if not check_mode:
                    directory.remove(entry)
                    del manifest.entries[entry.name]
            else:
                kept = [version for version in (entry.current, *entry.previous) if version is not target]
                restored = replace(entry, current=target, previous=kept, problems=[])
                item.update(
                    action="restored",
                    version_id=target.version_id,
                    fingerprint_sha256=target.summary.get("fingerprint_sha256"),
                )
                if not check_mode:
                    directory.restore(restored)
                    manifest.entries[entry.name] = restored
            items.append(item)
        if items and not check_mode:
            directory.save(manifest)
        return items


def _item(directory: CertificateDirectory, entry: Entry) -> dict[str, t.Any]:
    return {
        "name": entry.name,
        "path": os.path.join(directory.path, entry.main_path),
        "subject_alternative_names": entry.current.summary.get("subject_alternative_names", []),
        "rolled_back_version_id": entry.current.version_id,
        "rolled_back_fingerprint_sha256": entry.current.summary.get("fingerprint_sha256"),
    }
