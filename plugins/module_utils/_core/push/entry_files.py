# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names as file names, and what the queue's files hold. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from ..._errors import InvalidOption
from ..instants import parse_isoformat_utc
from .entries import Confirmation, OwedEntry

SUFFIX: t.Final = ".json"
#: Characters of a file name: with what is added to it, no file system has too few.
_LONGEST: t.Final = 200
_READABLE: t.Final = 120
_PLAIN: t.Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-")
_QUOTED = re.compile(rb"%([0-9A-F]{2})")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_EVIDENCE: t.Final = ("receipt", "handshake", "upload")


def file_name(name: str) -> str:
    """Of a host or lineage: letters, digits and ``_.+-`` as they are, all else as %XX (RFC 3986), a dot in front, too.

    So no name is ``..``, is hidden or has a slash. A long one is cut, and has its SHA-256 behind ``~``. Raises
    InvalidOption for an empty one.
    """
    if not name:
        raise InvalidOption("A host or lineage without a name cannot be queued: give it one.")
    data = name.encode("utf-8", "surrogatepass")
    quoted = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data)
    if quoted.startswith("."):
        quoted = f"%2E{quoted[1:]}"
    return quoted if len(quoted) <= _LONGEST else f"{quoted[:_READABLE]}~{hashlib.sha256(data).hexdigest()}"


def named_by(file: str) -> str | None:
    """The inverse of file_name; None for a long name, which only the file's content tells, and for other files."""
    try:
        data = _QUOTED.sub(lambda found: bytes.fromhex(found[1].decode()), file.encode("ascii"))
        name = data.decode("utf-8", "surrogatepass")
    except UnicodeError:
        return None
    return name if name and file_name(name) == file else None


def to_json(entry: OwedEntry | Confirmation) -> bytes:
    return (json.dumps(vars(entry), sort_keys=True) + "\n").encode()


def owed_from_json(data: bytes) -> OwedEntry:
    """Raises ValueError for what to_json did not write. What a later version has added is left out."""
    found = _EntryFields(data)
    attempts = found.value("attempts")
    if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 0:
        raise ValueError("attempts")
    forced = found.value("forced", absent=False)  # earlier versions did not write it
    if not isinstance(forced, bool):
        raise ValueError("forced")
    return OwedEntry(
        host=found.text("host"),
        lineage=found.text("lineage"),
        fingerprint_sha256=found.fingerprint("fingerprint_sha256"),
        queued_at=found.instant("queued_at"),
        attempts=attempts,
        last_error=found.text("last_error", empty=True),
        next_attempt=None if found.value("next_attempt") is None else found.instant("next_attempt"),
        uploaded=None if found.value("uploaded") is None else found.fingerprint("uploaded"),
        forced=forced,
        uploaded_at=found.instant("uploaded_at") if found.has("uploaded_at") else None,
        earlier_receipt=found.text("earlier_receipt") if found.has("earlier_receipt") else None,
    )


def confirmation_from_json(data: bytes) -> Confirmation:
    """Raises ValueError for what to_json did not write."""
    found = _EntryFields(data)
    evidence = found.value("evidence")
    if evidence not in _EVIDENCE:
        raise ValueError("evidence")
    return Confirmation(
        host=found.text("host"),
        lineage=found.text("lineage"),
        fingerprint_sha256=found.fingerprint("fingerprint_sha256"),
        at=found.instant("at"),
        evidence=evidence,
    )


class _EntryFields:
    """Of a JSON document. Each method raises ValueError for what has another form."""

    def __init__(self, data: bytes) -> None:
        try:
            document = json.loads(data)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        self._document = document

    def has(self, name: str) -> bool:
        """Of a field that earlier versions did not write."""
        return self._document.get(name) is not None

    def value(self, name: str, *, absent: t.Any = None) -> t.Any:
        if name in self._document:
            return self._document[name]
        if absent is None:
            raise ValueError(f"it has no {name}")
        return absent

    def text(self, name: str, *, empty: bool = False) -> str:
        value = self.value(name)
        if not isinstance(value, str) or not (value or empty):
            raise ValueError(name)
        return value

    def fingerprint(self, name: str) -> str:
        value = self.text(name)
        if not _FINGERPRINT.fullmatch(value):
            raise ValueError(name)
        return value

    def instant(self, name: str) -> str:
        value = self.text(name)
        try:
            parse_isoformat_utc(value)
        except InvalidOption:
            raise ValueError(name) from None
        return value
