# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What files hold, as digests: a live file is known by them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import typing as t

from ..._core.x509.layouts import live_paths
from ..._errors import StoreError
from .places import Place, open_file_place


def digest_of(data: bytes) -> str:
    """SHA-256, as hex."""
    return hashlib.sha256(data).hexdigest()


def digests_of(parts: t.Mapping[str, bytes]) -> dict[str, str]:
    return {part: digest_of(data) for part, data in parts.items()}


def version_digest(files: t.Mapping[str, str]) -> str:
    """One digest over the digests of all parts."""
    return digest_of("".join(f"{part}={files[part]};" for part in sorted(files)).encode())


def file_digest(place: Place, name: str) -> str | None:
    """None when there is no such file, or none that can be read."""
    try:
        data = place.read(name)
    except OSError:
        return None
    return None if data is None else digest_of(data)


def foreign_content(place: Place, name: str) -> bytes | None:
    """Of a file that someone else put there, or of a link to one that nobody else could exchange."""
    with contextlib.suppress(OSError, StoreError):
        if place.link_target(name) is None:
            return place.read(name)
        elsewhere, name = open_file_place(os.path.join(place.path, name), private=True)
        with elsewhere:
            return elsewhere.read(name)
    return None


def foreign_lineage(place: Place) -> dict[str, bytes]:
    """Part -> content of what there is in a lineage's directory that someone else has made; {} for half of a pair, to
    which nobody can go back. Raises OSError."""
    names = {part: os.path.basename(path) for part, path in live_paths("lineage", "").items()}
    parts = {part: data for part, name in names.items() if (data := place.read(name)) is not None}
    return parts if {"fullchain", "privkey"} <= parts.keys() else {}
