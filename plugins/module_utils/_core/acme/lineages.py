# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates as objects of S3: four in a folder that is named after the first domain, as certbot names lineages."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass
from datetime import datetime

if t.TYPE_CHECKING:
    from ..x509.bundle import CertificateBundle
    from .wanted import WantedCertificate

#: In the order in which they are written. The last one is the mark that all are there.
PARTS: t.Final = ("privkey", "chain", "fullchain", "cert")
#: Metadata of each object: the leaf that it belongs to.
FINGERPRINT: t.Final = "certops-fingerprint"


@dataclass(frozen=True)
class ListedObject:
    """As ListObjectsV2 tells it. etag: without quotation marks."""

    etag: str
    size: int
    modified: datetime


Folder = t.Mapping[str, ListedObject]


def folder_of(wanted: WantedCertificate) -> str:
    """A wildcard's is that of the domain below it: ``*`` is no name for a folder."""
    return wanted.first_domain.removeprefix("*.")


def keys_of(folder: str, prefix: str) -> dict[str, str]:
    """Part -> key."""
    return {part: f"{prefix}{folder}/{part}.pem" for part in PARTS}


def collisions(wanted: t.Iterable[WantedCertificate]) -> dict[str, str]:
    """Name -> why it cannot be stored, of those that would have one folder."""
    by_folder: dict[str, list[str]] = {}
    for each in wanted:
        by_folder.setdefault(folder_of(each), []).append(each.name)
    return {
        name: f"certificates {', '.join(sorted(names))} would have one folder, {folder}, for it is named after the"
        " first domain. List another domain first in all but one, or have only one of them in this store (stores)."
        for folder, names in by_folder.items()
        if len(names) > 1
        for name in names
    }


def is_whole(found: Folder, contents: t.Mapping[str, bytes]) -> bool:
    """Whether the objects may be these: all are there, of the right size, and the mark is the latest.

    contents: by part.
    """
    if set(found) != set(PARTS) or any(found[part].size != len(contents[part]) for part in PARTS):
        return False
    return found[PARTS[-1]].modified >= max(each.modified for each in found.values())


def is_same(found: Folder, contents: t.Mapping[str, bytes]) -> bool:
    """Whether they are these for certain: an ETag is the MD5 of the content, unless a KMS key encrypts it."""
    return set(found) == set(PARTS) and all(found[part].etag == _md5(contents[part]) for part in PARTS)


def contents_of(bundle: CertificateBundle) -> dict[str, bytes]:
    """By part."""
    return bundle.render("lineage")


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
