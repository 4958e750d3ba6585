# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service printed, as it may be told: its end, and no keys. Whoever reads keys may print them, also in part."""

from __future__ import annotations

import re
import typing as t

from ..text import lines_of, shown

_MOST: t.Final = 2000  # characters
_LINES: t.Final = 30
_WITHHELD: t.Final = "(withheld)"
# Up to the end, also where the rest of a block has been cut off.
_BLOCK: t.Final = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_RUN: t.Final = re.compile(r"[A-Za-z0-9+/=]{16,}")
# As openssl prints numbers, over several lines. An address of Ethernet has six pairs.
_PAIRS: t.Final = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}:\s*){8,}(?:[0-9A-Fa-f]{2}(?![0-9A-Fa-f]))?")
# Characters: a line of PEM has 64, and the last one is told by the key itself; a number of an EC key has 64 in
# hexadecimal, a few less where it begins with zeros.
_SUSPICIOUS: t.Final = 60


def told(output: str, keys: t.Iterable[bytes] = (), fingerprints: t.Collection[str] = ()) -> str:
    """For a report. keys: private keys as PEM, of which no line is told; fingerprints: lower-case hex, which may be:
    other hexadecimal of such a length may be a key."""
    secret = {line for key in keys for line in _RUN.findall(key.decode("latin-1"))}

    def replaced(found: re.Match[str]) -> str:
        run = found[0]
        is_encoded = len(run) >= _SUSPICIOUS and run.lower() not in fingerprints
        return _WITHHELD if is_encoded or run in secret or any(line in run for line in secret) else run

    def joined(found: re.Match[str]) -> str:
        run, space = found[0].rstrip(), found[0][len(found[0].rstrip()) :]
        return f"{run if run.replace(':', '').lower() in fingerprints else _WITHHELD}{space}"

    without_blocks = _BLOCK.sub(_WITHHELD, output.replace("\r\n", "\n"))
    text = shown(_RUN.sub(replaced, _PAIRS.sub(joined, without_blocks)))
    lines = [line.rstrip() for line in lines_of(text.strip())]
    kept = lines[-_LINES:]
    end = "\n".join(kept)
    return end if len(lines) <= _LINES and len(end) <= _MOST else f"... {end[-_MOST:]}"
