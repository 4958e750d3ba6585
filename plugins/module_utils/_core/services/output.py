# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service printed, as it may be told: its end, and no keys. Whoever reads keys may print them, also in part."""

from __future__ import annotations

import re
import typing as t

from ..text import shown

_MOST: t.Final = 2000  # characters
_LINES: t.Final = 30
_WITHHELD: t.Final = "(withheld)"
# Up to the end, also where the rest of a block has been cut off.
_BLOCK: t.Final = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_RUN: t.Final = re.compile(r"[A-Za-z0-9+/=]{16,}")
_HEXADECIMAL: t.Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_SUSPICIOUS: t.Final = 60  # characters of base64: a line of PEM has 64, and the last one is told by the key itself


def told(output: str, keys: t.Iterable[bytes] = ()) -> str:
    """For a report. keys: private keys as PEM, of which no line is told."""
    secret = {line for key in keys for line in _RUN.findall(key.decode("latin-1"))}

    def replaced(found: re.Match[str]) -> str:
        run = found[0]
        is_encoded = len(run) >= _SUSPICIOUS and not _HEXADECIMAL.fullmatch(run)
        return _WITHHELD if is_encoded or run in secret or any(line in run for line in secret) else run

    text = shown(_RUN.sub(replaced, _BLOCK.sub(_WITHHELD, output.replace("\r\n", "\n"))))
    lines = [line.rstrip() for line in text.strip().splitlines()]
    kept = lines[-_LINES:]
    end = "\n".join(kept)
    return end if len(lines) <= _LINES and len(end) <= _MOST else f"... {end[-_MOST:]}"
