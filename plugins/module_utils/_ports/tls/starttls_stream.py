# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server says before TLS, read by whoever does not care how the bytes come."""

from __future__ import annotations

import re
import typing as t

_MOST_HEARD: t.Final = 65536  # bytes in one conversation: honest servers need a few hundred
_LONGEST_LINE: t.Final = 4096
_MOST_SHOWN: t.Final = 100

_Result = t.TypeVar("_Result")
#: Yields bytes that are to be sent, or None to be given the next bytes that arrive, b"" at the end of the stream.
Conversation = t.Generator[t.Optional[bytes], bytes, _Result]


class UpgradeRefused(Exception):
    """The server does not go on to TLS. Its text is safe to print."""


class ServerStream:
    """The bytes that a server has sent and nobody has read yet."""

    def __init__(self) -> None:
        self._waiting = b""
        self._left = _MOST_HEARD

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def more(self) -> Conversation[bytes]:
        """Whatever comes next, at least one byte."""
        if self._waiting:
            return self._take(len(self._waiting))
        yield from self._hear()
        return self._take(len(self._waiting))

    def exactly(self, size: int) -> Conversation[bytes]:
        while len(self._waiting) < size:
            yield from self._hear()
        return self._take(size)

    def line(self) -> Conversation[str]:
        """With its end: CR LF, or LF alone."""
        while b"\n" not in self._waiting:
            if len(self._waiting) > _LONGEST_LINE:
                raise UpgradeRefused("server sent an endless line")
            yield from self._hear()
        return self._take(self._waiting.index(b"\n") + 1).decode("latin-1")

    def _hear(self) -> Conversation[None]:
        data = yield None
        if not data:
            raise UpgradeRefused("server closed the connection")
        self._left -= len(data)
        if self._left < 0:
            raise UpgradeRefused("server sent an endless answer")
        self._waiting += data

    def _take(self, size: int) -> bytes:
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken


def shown(text: str | bytes) -> str:
    """For a message: one line that can be printed, not too long."""
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    return repr(re.sub(r"[^ -~]", "?", text.strip())[:_MOST_SHOWN])
