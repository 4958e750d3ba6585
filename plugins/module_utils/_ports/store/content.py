# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What files hold, as digests: a live file is known by them."""

from __future__ import annotations

import hashlib
import typing as t

from .places import Place


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
