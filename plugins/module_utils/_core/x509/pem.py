# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM as people paste it, read into DER; and DER written as strict PEM (RFC 7468)."""

from __future__ import annotations

import base64
import binascii
import codecs
import dataclasses
import re

from .problems import MaterialError

CERTIFICATE = "CERTIFICATE"
TRUSTED_CERTIFICATE = "TRUSTED CERTIFICATE"  # of OpenSSL: followed by the purposes it is, and is not, trusted for
ENCRYPTED_PRIVATE_KEY = "ENCRYPTED PRIVATE KEY"

_MARKER = re.compile(rb"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]{0,60})-----")
_LEGACY_LABELS = {b"X509 CERTIFICATE": b"CERTIFICATE"}
# Only these are quoted in messages: a label is text of the secret, too.
_QUOTABLE = frozenset(
    f"{prefix}{label}"
    for label in ("CERTIFICATE", "PRIVATE KEY", "PUBLIC KEY")
    for prefix in ("", "X509 ", "TRUSTED ", "RSA ", "EC ", "DSA ", "ENCRYPTED ", "OPENSSH ")
)
_WHITESPACE = b" \t\r\n\v\f"
_ESCAPED_NEWLINE = re.compile(rb"(?:\\r)?\\n|\\r")
_LINE = 64


@dataclasses.dataclass(frozen=True)
class PemBlock:
    """One block. headers: the RFC 1421 lines of a traditionally encrypted key ("DEK-Info: ..."), else empty."""

    label: str
    der: bytes = dataclasses.field(repr=False)
    headers: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The block as canonical PEM."""
        return encode_pem(self.label, self.der, self.headers)


def encode_pem(label: str, der: bytes, headers: tuple[str, ...] = ()) -> bytes:
    """Canonical PEM: 64 columns, LF, one final newline."""
    text = base64.b64encode(der)
    lines = [f"-----BEGIN {label}-----".encode()]
    lines += [header.encode() for header in headers]
    if headers:
        lines.append(b"")
    lines += [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    lines.append(f"-----END {label}-----\n".encode())
    return b"\n".join(lines)


def parse_pem(content: str | bytes) -> list[PemBlock]:
    r"""All blocks in their order. Text around them is ignored.

    Put right silently: CRLF, CR, byte-order marks (also UTF-16 files), missing final newlines, blank, indented,
    long and short lines, trailing spaces, text of ``openssl -text``, and newlines written as a backslash and n
    (no part of PEM contains a backslash). A block that is truncated or is not base64 raises MaterialError.
    """
    data = _unescaped(as_utf8(content))
    blocks: list[PemBlock] = []
    opened: re.Match[bytes] | None = None
    for marker in _MARKER.finditer(data):
        begins = marker[1] == b"BEGIN"
        if opened is None and begins:
            opened = marker
        elif opened is not None and not begins and marker[2] == opened[2]:
            blocks.append(_decode(opened[2], data[opened.end() : marker.start()], len(blocks) + 1))
            opened = None
        elif opened is not None:
            raise _error(opened[2], len(blocks) + 1, "has no END line. It was cut off: store it whole")
        else:
            raise _error(marker[2], len(blocks) + 1, "has no BEGIN line. It was cut off: store it whole")
    if opened is not None:
        raise _error(opened[2], len(blocks) + 1, "has no END line. It was cut off: store it whole")
    return blocks


def texts_around(content: str | bytes) -> list[str]:
    """What is before each of the blocks, and behind the last one."""
    data = _unescaped(as_utf8(content)).removeprefix(codecs.BOM_UTF8)
    found = []
    end = 0
    for marker in _MARKER.finditer(data):
        if marker[1] == b"BEGIN":
            found.append(data[end : marker.start()])
        end = marker.end()
    return [text.decode("utf-8", "replace") for text in (*found, data[end:])]


def as_utf8(content: str | bytes) -> bytes:
    """Windows writes text files in UTF-16, too."""
    if isinstance(content, str):
        return content.encode("utf-8", "replace")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode("utf-8", "replace")
    return content


def _unescaped(data: bytes) -> bytes:
    return _ESCAPED_NEWLINE.sub(b"\n", data) if b"\\" in data else data


def _decode(raw_label: bytes, body: bytes, ordinal: int) -> PemBlock:
    headers: tuple[str, ...] = ()
    if b":" in body:
        headers, body = _split_headers(body)
    try:
        der = base64.b64decode(body.translate(None, _WHITESPACE), validate=True)
    except (binascii.Error, ValueError):
        raise _error(raw_label, ordinal, "is not base64. It was damaged or cut off: store it again") from None
    if not der:
        raise _error(raw_label, ordinal, "is empty: store it again")
    return PemBlock(_LEGACY_LABELS.get(raw_label, raw_label).decode(), der, headers)


def _split_headers(body: bytes) -> tuple[tuple[str, ...], bytes]:
    lines = [line.strip() for line in body.splitlines()]
    headers = [line for line in lines if b":" in line]
    return (
        tuple(line.decode("ascii", "replace") for line in headers),
        b"".join(line for line in lines if b":" not in line),
    )


def _error(raw_label: bytes, ordinal: int, what: str) -> MaterialError:
    label = raw_label.decode()
    kind = f" ({label})" if label in _QUOTABLE else ""
    return MaterialError("pem_invalid", f"PEM block {ordinal}{kind} {what}.")
