# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text file of any size, read in pieces."""

from __future__ import annotations

import codecs
import io
import os
import stat
import typing as t

from .._errors import InvalidOption

_CHUNK: t.Final = 64 * 1024


def text_chunks(path: str) -> t.Iterator[str]:
    """Its text, in UTF-8 or in what its byte-order mark says; bytes that are neither become lone surrogates.

    Raises InvalidOption that names the file.
    """
    try:
        # Not blocking: a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as raw:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidOption(f"{path} is no regular file, so it cannot be imported.")
            marked = raw.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            with io.TextIOWrapper(
                raw, "utf-16" if marked else "utf-8-sig", "replace" if marked else "surrogateescape"
            ) as text:
                while chunk := text.read(_CHUNK):
                    yield chunk
    except OSError as error:
        raise InvalidOption(f"{path} cannot be imported: {error.strerror}.") from None
