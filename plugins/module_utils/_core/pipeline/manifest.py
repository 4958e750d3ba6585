# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a certificate directory holds, remembered next to it: which secret version each file came from."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ..promotion import CURRENT
from ..x509.layouts import LAYOUTS, live_paths, main_path

FORMAT = 1
_HEXADECIMAL = frozenset("0123456789abcdef")


class StoredVersion(t.NamedTuple):
    """One version of a certificate's files. digest: of all parts; files: part -> SHA-256; summary: facts to report;
    label: of the secret's version, by which it was read."""

    digest: str
    version_id: str
    files: t.Mapping[str, str]
    summary: t.Mapping[str, t.Any]
    label: str = CURRENT


@dataclass
class Entry:
    """One certificate on disk.

    rules: digest of the rules (layout, verification, field mapping) that it was made by; previous: newest first;
    proven: digest of the version last seen served, if any; problems: warnings about the current version;
    replaced: whether something was there before the current version, be it kept or not; loaded: digest of the version
    that HAProxy has loaded, and that could not be asked for; proven_at: when the proven one was first seen served;
    settled: while the current version is a candidate, the one before it that was none.
    """

    name: str
    arn: str
    stem: str
    layout: str
    rules: str
    current: StoredVersion
    previous: list[StoredVersion] = field(default_factory=list)
    proven: str | None = None
    problems: list[dict[str, str]] = field(default_factory=list)
    replaced: bool = False
    loaded: str | None = None
    proven_at: str | None = None
    settled: StoredVersion | None = None

    @property
    def version_id(self) -> str:
        return self.current.version_id

    @property
    def label(self) -> str:
        return self.current.label

    @property
    def compared(self) -> StoredVersion | None:
        """What a renewal is compared with: never a candidate, which may be withdrawn at any time. None for nothing."""
        return self.current if self.label == CURRENT else self.settled

    def read_by(self, label: str) -> None:
        """The same version by another label: it was promoted."""
        self.settled = None if label == CURRENT else self.compared
        self.current = self.current._replace(label=label)

    @property
    def paths(self) -> dict[str, str]:
        return live_paths(self.layout, self.stem)

    @property
    def main_path(self) -> str:
        return main_path(self.layout, self.stem)

    @property
    def served_before(self) -> StoredVersion | None:
        """The version that a current one, which nobody has seen served yet, takes the place of; None for any other."""
        if self.proven == self.current.digest or not self.previous:
            return None
        return next((version for version in self.previous if version.digest == self.proven), self.previous[0])

    def kept_versions(self, most: int) -> list[StoredVersion]:
        """Of the previous ones so many, if any: the newest, and for sure what was served last, for that is the way
        back from any number of versions that nobody has served."""
        if most <= 0:
            return []
        served = {version.digest for version in self.previous} & {self.proven, self.loaded}
        others = [version.digest for version in self.previous if version.digest not in served]
        kept = {*served, *others[: max(most - len(served), 0)]}
        return [version for version in self.previous if version.digest in kept]


@dataclass
class Manifest:
    """entries: by secret name; retired: paths of removed certificates that a service may still hold in memory."""

    entries: dict[str, Entry] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)

    def to_json(self) -> bytes:
        entries = [_to_dict(self.entries[name]) for name in sorted(self.entries)]
        document = {"format": FORMAT, "certificates": entries, "retired": sorted(self.retired)}
        return (json.dumps(document, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Raises ValueError for anything that this class did not write."""
        try:
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise ValueError(f"manifest format {document['format']!r} is not {FORMAT}")
            entries = {item["name"]: _entry(item) for item in document["certificates"]}
            return cls(entries, {str(path) for path in document["retired"] if "/" not in path})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a manifest: {type(error).__name__}") from None


def _to_dict(entry: Entry) -> dict[str, t.Any]:
    # dataclasses.asdict copies deeply, which is the larger part of a save with thousands of entries.
    previous = [_version(version) for version in entry.previous]
    item = {**vars(entry), "current": _version(entry.current), "previous": previous}
    item.pop("settled")
    return {**item, **({"settled": _version(entry.settled)} if entry.settled else {})}


def _version(version: StoredVersion) -> dict[str, t.Any]:
    """Without what is so nearly always."""
    item = version._asdict()
    if version.label == CURRENT:
        del item["label"]
    return item


def _entry(item: dict[str, t.Any]) -> Entry:
    current = StoredVersion(**item.pop("current"))
    previous = [StoredVersion(**version) for version in item.pop("previous")]
    settled = StoredVersion(**item.pop("settled")) if "settled" in item else None
    entry = Entry(current=current, previous=previous, settled=settled, **item)
    versions = [current, *previous, *([settled] if settled else [])]
    if (
        entry.layout not in LAYOUTS
        or "/" in entry.stem
        or entry.stem[:1] in ("", ".")
        # Both become parts of paths.
        or not all(set(version.digest) <= _HEXADECIMAL and version.digest for version in versions)
        or not all(isinstance(version.label, str) for version in versions)
        or not all(set(version.files) <= set(LAYOUTS[entry.layout]) for version in versions)
    ):
        raise ValueError(f"not a manifest: bad entry {entry.name!r}")
    return entry
