# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in the certificate files that HAProxy's listeners load, ours and others' alike."""

from __future__ import annotations

import os
import typing as t

from ..._core.haproxy.selection import LoadedFile
from ..._core.instants import isoformat_utc
from ..._core.x509.bundle import first_certificate
from ..._errors import RotationError
from ..store.atomic import read_regular_file
from .certificates import CertificateMemory
from .runtime import RuntimeApi

_KEY_TYPES = {"RSA": "rsa", "EC": "ecdsa"}


def read_loaded_files(paths: t.Iterable[str], read_at: int | None = None) -> dict[str, LoadedFile]:
    """By path. Left out is what cannot be read, in whole: of names or a key that are malformed HAProxy may make
    something. So is what has changed since read_at (seconds since 1970), when HAProxy read it: nobody knows then what
    HAProxy holds of it.
    """
    found = (_read(path, read_at) for path in paths)
    return {file.path: file for file in found if file is not None}


def look_into_memory(api: RuntimeApi, paths: t.Collection[str]) -> dict[str, LoadedFile]:
    """What HAProxy holds of files, by path, links resolved; without their fingerprint_sha256, which it does not tell.

    Of keys that are neither RSA, ECDSA nor DSA it tells no common names: these are left out. Raises HaproxyError.
    """
    memory = CertificateMemory(api)
    _transaction, names = memory.list_names()
    wanted = {name: path for name in names for path in [os.path.realpath(name)] if path in paths}
    memory.expect(wanted)
    held = ((path, memory.describe(name)) for name, path in wanted.items())
    return {
        path: LoadedFile(
            path,
            "",
            tuple(dict.fromkeys(name.lower() for name in stored.server_names)),
            next((kind for start, kind in _KEY_TYPES.items() if (stored.algorithm or "").startswith(start)), "other"),
            stored.not_after or "",
        )
        for path, stored in held
        if stored is not None and stored.subject is not None
    }


def kind_of_key(key: object) -> str:
    """rsa, ecdsa or other, of what a manifest calls the key, such as "RSA 2048"."""
    return _KEY_TYPES.get(str(key).split()[0], "other")


def _read(path: str, read_at: int | None) -> LoadedFile | None:
    try:
        if read_at is not None and int(os.stat(path).st_mtime) > read_at:
            return None
        certificate = first_certificate(read_regular_file(path))
    except (OSError, RotationError):
        return None
    if certificate.malformed or certificate.public_key is None:
        return None
    names = (*certificate.dns_names, *certificate.common_names)
    return LoadedFile(
        path,
        certificate.fingerprint_sha256,
        tuple(dict.fromkeys(name.partition("\0")[0].lower() for name in names)),
        "other" if certificate.has_rsassa_pss_key else kind_of_key(certificate.key),
        isoformat_utc(certificate.not_after),
    )
