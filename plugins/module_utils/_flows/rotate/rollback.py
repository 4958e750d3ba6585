# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going back: the previous version of each certificate becomes the live one again. Pure file work, no AWS.

Two ways: what has not been proven is taken back, each certificate for itself, as a rotation does it; and a person goes
back with certificates by name, which were served perhaps: those go together or not at all, and none is ever removed.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace
from datetime import datetime

from ..._core.instants import isoformat_utc
from ..._core.pipeline.manifest import Entry, Manifest, StoredVersion
from ..._errors import InvalidOption, RotationError, StoreError
from ..._ports.host.libraries import require_library
from ..._ports.store.directory import CertificateDirectory


def take_back(
    directory: CertificateDirectory,
    names: t.Collection[str] | None,
    *,
    lock_timeout: float,
    check_mode: bool,
    was_loaded: bool = False,
    needed: t.Collection[str] = (),
) -> list[dict[str, t.Any]]:
    """Of the named certificates those whose current version is not proven; None: of all, but those that could not be
    asked for.

    A certificate goes back to the version last proven if that is kept, else to the newest kept one; what is taken back
    is not kept, for it was never served. One that was never proven, with nothing in its place before it, is removed.
    One that has no earlier version any more is kept, and so is one without whose file the service would not start:
    needed has the paths of these, with links resolved, and links beside it lead to others. was_loaded: HAProxy may hold
    what is taken back, so that what was proven before is proven only when it has been seen served again, and what is
    removed is to be taken out of it.

    Returns an item for each certificate looked at. Raises InvalidOption for an unknown name, and StoreError when files
    cannot be read or written, but only after all others have gone back (they are in its details).
    """
    with directory.locked(lock_timeout, create=False, write=not check_mode):
        manifest = _load(directory)
        unknown = sorted(set(names or ()) - set(manifest.entries))
        if unknown:
            raise InvalidOption(_unknown(directory, ", ".join(unknown)))
        items = []
        errors = []
        for name, entry in sorted(manifest.entries.items()):
            left_alone = (entry.proven,) if names is not None else (entry.proven, entry.loaded)
            if entry.current.digest in left_alone or not (names is None or name in names):
                continue
            try:
                items.append(
                    _take_back(directory, manifest, entry, needed, check_mode=check_mode, was_loaded=was_loaded)
                )
            except StoreError as error:
                errors.append(error.message)
        if has_changed(items) and not check_mode:
            directory.save(manifest)
    if errors:
        raise StoreError("\n".join(errors), changed=has_changed(items), certificates=items)
    return items


def go_back(
    directory: CertificateDirectory,
    names: t.Collection[str],
    *,
    now: datetime,
    allow_expired: bool,
    lock_timeout: float,
    check_mode: bool,
    was_loaded: bool = False,
) -> list[dict[str, t.Any]]:
    """All of the named certificates, to the version before. Proven or not makes no difference; none is removed.

    now: aware time, by which a version before must still be valid unless allow_expired; was_loaded: as of take_back.
    Returns an item for each.
    Raises InvalidOption when one of them has no version before that could be served: nothing is changed then; and
    StoreError when files cannot be written: those that had gone back are put forth again.
    """
    with directory.locked(lock_timeout, create=False, write=not check_mode):
        manifest = _load(directory)
        steps: list[tuple[Entry, Entry]] = []
        wrong: list[str] = []
        for name in sorted(set(names)):
            try:
                entry = manifest.entries.get(name)
                if entry is None:
                    raise InvalidOption(_unknown(directory, name))
                target = _version_before(directory, entry)
                if not allow_expired:
                    _refuse_expired(name, target, now)
                restored = _with_current(entry, target)
                if was_loaded:
                    restored.proven = restored.loaded = None
                steps.append((entry, restored))
            except RotationError as error:
                wrong.append(error.message)
        if wrong:
            raise InvalidOption("\n".join([*wrong, "Nothing was changed."]), changed=False, certificates=[])
        if check_mode:
            for _entry, restored in steps:
                directory.foresee(restored)
        else:
            _restore_all(directory, manifest, steps)
    return [_item(directory, entry, "restored", restored.current) for entry, restored in steps]


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


def _load(directory: CertificateDirectory) -> Manifest:
    manifest, warning = directory.load()
    if warning:
        raise InvalidOption(f"{warning} Without it there is no telling what to go back to.")
    return manifest


def _unknown(directory: CertificateDirectory, names: str) -> str:
    return f"No certificate was deployed to {directory.path} from: {names}."


def _take_back(
    directory: CertificateDirectory,
    manifest: Manifest,
    entry: Entry,
    needed: t.Collection[str],
    *,
    check_mode: bool,
    was_loaded: bool,
) -> dict[str, t.Any]:
    target = last_good(entry)
    if target is None and (entry.replaced or entry.proven is not None or _is_needed(directory, entry, needed)):
        return _item(directory, entry, "kept", entry.current)
    if check_mode:
        directory.foresee(entry)
    if target is None:
        if not check_mode:
            directory.remove(entry)
            del manifest.entries[entry.name]
            if was_loaded:
                manifest.retired.add(entry.main_path)
        return _item(directory, entry, "removed", None)
    if not check_mode:
        restored = _with_current(entry, target)
        restored.previous.remove(entry.current)
        if was_loaded or target != entry.previous[0]:  # else what lay there in between may be loaded
            restored.proven = restored.loaded = None
        directory.restore(restored)
        manifest.entries[entry.name] = restored
    return _item(directory, entry, "restored", target)


def _is_needed(directory: CertificateDirectory, entry: Entry, needed: t.Collection[str]) -> bool:
    path = os.path.realpath(os.path.join(directory.path, entry.main_path))
    return path in needed or bool(directory.links_to(entry))


def last_good(entry: Entry) -> StoredVersion | None:
    """What it goes back to: the version last proven, if it is kept beside the current one, else the newest kept one."""
    proven = next((old for old in entry.previous if old.digest == entry.proven), None)
    return proven or next(iter(entry.previous), None)


def _version_before(directory: CertificateDirectory, entry: Entry) -> StoredVersion:
    """Raises RotationError when there is none that is whole."""
    target = last_good(entry)
    if target is None:
        raise InvalidOption(
            f"{entry.name}: there is no version before the one in {os.path.join(directory.path, entry.main_path)}."
            " It is the first one that was deployed, or keep_previous kept none. Store the certificate that is to be"
            " served in the secret instead."
        )
    content = directory.kept(entry, target)
    if content is None:
        raise StoreError(
            f"{entry.name}: the kept version before, {target.version_id or 'a file of somebody else'}, is missing or"
            " damaged, so there is nothing to go back to. Store the certificate that is to be served in the secret."
        )
    if target.summary:
        return target
    try:
        summary = _described(content["fullchain" if entry.layout == "lineage" else "pem"])
    except RotationError as error:
        raise InvalidOption(f"{entry.name}: the file before is no certificate to go back to. {error.message}") from None
    return target._replace(summary=summary)


def _refuse_expired(name: str, version: StoredVersion, now: datetime) -> None:
    instant = isoformat_utc(now)
    for field, what in {"not_after": "the version before", "chain_not_after": "an intermediate of it"}.items():
        end = version.summary.get(field)
        if end and end <= instant:
            raise InvalidOption(
                f"{name}: {what} expired at {end}. Store a new certificate in the secret, or go back to it nevertheless"
                " with allow_expired."
            )


def _with_current(entry: Entry, target: StoredVersion) -> Entry:
    """The entry with that version as the current one, and all others as earlier ones."""
    others = [version for version in (entry.current, *entry.previous) if version.digest != target.digest]
    return replace(entry, current=target, previous=others, problems=[])


def _restore_all(directory: CertificateDirectory, manifest: Manifest, steps: t.Sequence[tuple[Entry, Entry]]) -> None:
    """All or none. Raises StoreError."""
    begun: list[Entry] = []
    try:
        for entry, restored in steps:
            begun.append(entry)
            directory.restore(restored)
            manifest.entries[entry.name] = restored
        directory.save(manifest)
    except StoreError as error:
        lines = [error.message]
        for entry in begun:
            try:
                directory.restore(entry)
            except StoreError as again:
                lines.append(f"It could not be undone either: {again.message}")
        if len(lines) == 1:
            lines.append("None of the certificates has gone back.")
        raise StoreError("\n".join(lines), changed=len(lines) > 2, certificates=[]) from None


def _item(directory: CertificateDirectory, entry: Entry, action: str, live: StoredVersion | None) -> dict[str, t.Any]:
    """live: the version that is on disk afterwards."""
    left = None if action == "kept" else entry.current
    return {
        "name": entry.name,
        "arn": entry.arn,
        "path": os.path.join(directory.path, entry.main_path),
        "action": action,
        "subject_alternative_names": entry.current.summary.get("subject_alternative_names", []),
        "rolled_back_version_id": left.version_id if left else None,
        "rolled_back_fingerprint_sha256": left.summary.get("fingerprint_sha256") if left else None,
        "version_id": live.version_id if live else None,
        "fingerprint_sha256": live.summary.get("fingerprint_sha256") if live else None,
    }


def _described(pem: bytes) -> dict[str, t.Any]:
    """Of a file that somebody else wrote. Raises RotationError when its leaf cannot be told."""
    require_library("cryptography")
    from ..._core.x509.document import parse_secret
    from ..._core.x509.leaf import find_leaf
    from ..._core.x509.problems import MaterialError, Problem
    from ..._ports.openssl.opener import ProcessOpener

    leaf = find_leaf(parse_secret(pem, ProcessOpener()))
    if isinstance(leaf, Problem):
        raise MaterialError(leaf.code, leaf.message)
    return leaf.summary()
