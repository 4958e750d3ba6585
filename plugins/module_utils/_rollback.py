# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going back: the previous version of each certificate becomes the live one again. Pure file work, no AWS."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from ._errors import InvalidOption, StoreError
from ._store.directory import CertificateDirectory
from ._store.manifest import Entry, Manifest, StoredVersion


def roll_back(
    directory: CertificateDirectory, names: t.Sequence[str] | None, *, lock_timeout: float, check_mode: bool
) -> list[dict[str, t.Any]]:
    """Restore the named certificates, or with None all that are not proven.

    A certificate goes back to the version last proven if that is kept, else to the newest kept one. One that has no
    earlier version is removed when nothing was there before it, and kept when something was that is no longer there.
    One whose current version is proven is left alone unless it is named.

    Returns an item for each certificate looked at. Raises InvalidOption for an unknown name, and StoreError when files
    cannot be read or written, but only after all others have gone back (they are in its details).
    """
    with directory.locked(lock_timeout, create=False, write=not check_mode):
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
        errors = []
        for entry in chosen:
            try:
                items.append(_go_back(directory, manifest, entry, check_mode=check_mode))
            except StoreError as error:
                errors.append(error.message)
        if has_changed(items) and not check_mode:
            directory.save(manifest)
    if errors:
        raise StoreError("\n".join(errors), changed=has_changed(items), certificates=items)
    return items


def has_changed(items: t.Iterable[t.Mapping[str, t.Any]]) -> bool:
    """Whether any certificate went back."""
    return any(item["action"] != "kept" for item in items)


def stage_moves(items: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """What the secrets of certificates that went back need, so that the next rotation does not bring it all again."""
    return [
        {
            "name": item["arn"] or item["name"],
            "version_id": item["version_id"] or "",
            "from_version_id": item["rolled_back_version_id"],
        }
        for item in items
        if item["action"] != "kept"
    ]


def _go_back(
    directory: CertificateDirectory, manifest: Manifest, entry: Entry, *, check_mode: bool
) -> dict[str, t.Any]:
    target = next((old for old in entry.previous if old.digest == entry.proven), None)
    target = target or next(iter(entry.previous), None)
    if target is None and entry.replaced:
        return _item(directory, entry, "kept", entry.current)
    if target is None:
        if not check_mode:
            directory.remove(entry)
            del manifest.entries[entry.name]
        return _item(directory, entry, "removed", None)
    others = [version for version in (entry.current, *entry.previous) if version is not target]
    if not check_mode:
        restored = replace(entry, current=target, previous=others, problems=[])
        directory.restore(restored)
        manifest.entries[entry.name] = restored
    return _item(directory, entry, "restored", target)


def _item(directory: CertificateDirectory, entry: Entry, action: str, live: StoredVersion | None) -> dict[str, t.Any]:
    """live: the version that is on disk afterwards."""
    return {
        "name": entry.name,
        "arn": entry.arn,
        "path": os.path.join(directory.path, entry.main_path),
        "action": action,
        "subject_alternative_names": entry.current.summary.get("subject_alternative_names", []),
        "rolled_back_version_id": entry.current.version_id,
        "rolled_back_fingerprint_sha256": entry.current.summary.get("fingerprint_sha256"),
        "version_id": live.version_id if live else None,
        "fingerprint_sha256": live.summary.get("fingerprint_sha256") if live else None,
    }
