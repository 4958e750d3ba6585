# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private key material in a text: PEM headers, or any line of any key that this test process has made."""

from __future__ import annotations

import re

_HEADER = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_known_lines: set[str] = set()


def register_private_key(pem: bytes | str) -> None:
    """Remember a key's base64 lines, so that even a part of it is recognised without its header."""
    text = pem.decode() if isinstance(pem, bytes) else pem
    _known_lines.update(line.strip() for line in text.splitlines() if len(line.strip()) >= 48 and "-" not in line)


def private_key_findings(text: str) -> list[str]:
    """What was found, described without repeating it."""
    findings = [f"private key header at offset {match.start()}" for match in _HEADER.finditer(text)]
    findings += [f"key line {line[:4]}... at offset {text.index(line)}" for line in _known_lines if line in text]
    return findings


def assert_no_private_key(text: str) -> None:
    findings = private_key_findings(text)
    if findings:
        raise AssertionError("private key material in output: " + "; ".join(findings))
