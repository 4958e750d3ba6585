# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File names for certificates: the rule of the seed system, made safe for any legal (or hostile) secret name."""

from __future__ import annotations

import hashlib
import re
import typing as t

# Of the 255 bytes of a file name: room for an extension, a version's digest and the marks of a temporary file.
MAX_STEM_LENGTH = 180
_DIGEST_LENGTH = 16
_UNSAFE = re.compile(r"[^A-Za-z0-9._@+=-]")


def certificate_file_stem(secret_name: str) -> str:
    """The file name, without its extension, for a secret's certificate.

    ``/`` and ``:`` become ``_`` and ``*`` becomes ``wildcard``. What else could leave the directory, hide the file or
    look like an option is replaced, and whenever such a replacement loses information a digest of the whole name is
    appended, so that two names never meet by accident there. (``a/b`` and ``a:b`` still meet: the caller must check.)
    """
    stem = re.sub(r"[/:]", "_", secret_name).replace("*", "wildcard")
    safe = _UNSAFE.sub("_", stem)
    if safe[:1] in ("", ".", "-"):
        safe = "_" + safe
    if not safe.strip("_") or len(safe) > MAX_STEM_LENGTH or _UNSAFE.search(stem):
        digest = hashlib.sha256(secret_name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
        safe = f"{safe[: MAX_STEM_LENGTH - _DIGEST_LENGTH - 1]}-{digest}"
    return safe


def colliding_stems(stems: t.Mapping[str, str]) -> dict[str, list[str]]:
    """Of {secret name: stem}, the stems that more than one name maps to, with those names in order.

    Compared without case, since the directory may be on a file system that ignores it.
    """
    names_of: dict[str, list[str]] = {}
    for name in sorted(stems):
        names_of.setdefault(stems[name].casefold(), []).append(name)
    return {stems[names[0]]: names for names in names_of.values() if len(names) > 1}
