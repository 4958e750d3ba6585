# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and keys in any usual encoding, read into blocks as those of PEM: PEM, DER, and both in base64."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from ..der import element
from .pem import CERTIFICATE, ENCRYPTED_PRIVATE_KEY, PemBlock, as_utf8, parse_pem, texts_around

PRIVATE_KEY: t.Final = "PRIVATE KEY"
PKCS7: t.Final = "PKCS7"
#: Of a container that PEM has no label for.
PKCS12: t.Final = "PKCS12"
#: Characters: certificates and keys have more in any encoding.
SHORTEST_CONTENT: t.Final = 48

_SEQUENCE, _INTEGER, _OCTETS, _OID = 0x30, 0x02, 0x04, 0x06
_DATES: t.Final = frozenset({0x17, 0x18})
_SIGNED_DATA: t.Final = bytes.fromhex("06092a864886f70d010702")  # RFC 5652, 5.1
_URL_SAFE: t.Final = str.maketrans("-_", "+/")
_FILLING: t.Final = (b"\0", b" ", b"\t", b"\r", b"\n")
_MOST_LAYERS: t.Final = 3
_BETWEEN: t.Final = re.compile(r"""[,;|=()'"\[\]]+""")  # several in one text: a list as others write it, or padding
_RUN: t.Final = re.compile(r"[A-Za-z0-9+/_-]{48,}")  # SHORTEST_CONTENT
_BEGINNINGS: t.Final = ("MI", "LS0t")  # base64 of DER, and of PEM
_LEAST_DIGITS: t.Final = 200  # no certificate is shorter, and no name, path or fingerprint as long


def read_blocks(content: str | bytes) -> list[PemBlock]:
    """In their order; [] for anything else. Raises MaterialError for damaged PEM.

    A DER element is a block with the label that PEM has for its kind, a key always that of PKCS#8.
    """
    for _layer in range(_MOST_LAYERS):
        if isinstance(content, bytes) and (blocks := der_blocks(content)):
            return blocks
        if has_pem(content):
            return parse_pem(content)
        pieces = from_base64_each(content)
        if len(pieces) > 1:
            return [block for piece in pieces for block in der_blocks(piece) or parse_pem(piece)]
        if not pieces:
            return []
        content = pieces[0]
    return []


def read_each(texts: t.Sequence[str]) -> list[PemBlock]:
    """Of several texts, each of which holds some of the blocks, or one line of them. Raises MaterialError."""
    return [block for text in _joined(texts) for block in read_blocks(text)]


def has_unread(texts: t.Sequence[str]) -> bool:
    """Whether there may be certificates in something of which read_each makes nothing. Raises MaterialError."""
    return any(map(_has_unread, _joined(texts)))


def _joined(texts: t.Sequence[str]) -> t.Sequence[str]:
    whole = all("-----END " in text for text in texts if "-----BEGIN " in text)
    return ["\n".join(texts)] if len(texts) > 1 and not whole else texts


def _has_unread(text: str) -> bool:
    if has_pem(text):
        return any(run.startswith(_BEGINNINGS) for around in texts_around(text) for run in _RUN.findall(around))
    if read_blocks(text):
        pieces = from_base64_each(text)
        blocks, end = _der_blocks(pieces[0])
        return len(pieces) == 1 and bool(blocks) and end < len(pieces[0])
    runs = _RUN.findall(text)
    return any(run.startswith(_BEGINNINGS) for run in runs) or sum(map(len, runs)) >= _LEAST_DIGITS


def has_pem(content: str | bytes) -> bool:
    text = content if isinstance(content, str) else as_utf8(content).decode("latin-1")
    return "-----BEGIN " in text or "-----END " in text


def from_base64(content: str | bytes) -> bytes | None:
    """Of either alphabet (RFC 4648, 4 and 5), with line ends, with or without padding; None for anything else."""
    text = content if isinstance(content, str) else content.decode("latin-1")
    digits = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def from_base64_each(content: str | bytes) -> list[bytes]:
    """As from_base64, of several that are whole, with spaces, line ends, padding, commas or the like between them."""
    text = content if isinstance(content, str) else content.decode("latin-1")
    pieces = [piece for part in _BETWEEN.split(text) if part.strip() for piece in _between_spaces(part)]
    if pieces and all(map(_is_whole, pieces)):
        return pieces
    whole = from_base64(text)
    return [whole] if whole else []


def _between_spaces(text: str) -> list[bytes]:
    words = [from_base64(word) or b"" for word in text.split()]
    return words if all(map(_is_whole, words)) else [from_base64(text) or b""]


def _is_whole(data: bytes) -> bool:
    """Whether it is PEM, or DER that is neither cut off nor followed by anything."""
    if has_pem(data):
        return data.count(b"-----BEGIN ") == data.count(b"-----END ")
    blocks, end = _der_blocks(data)
    return bool(blocks) and end == len(data) and (blocks[-1].der[1:2] == b"\x80" or not _is_cut_off(blocks[-1].der))


def _is_cut_off(data: bytes) -> bool:
    try:
        return element(data, 0)[2] > len(data)
    except ValueError:
        return True


def der_blocks(data: bytes) -> list[PemBlock]:
    """Of DER elements one after the other; [] where the first is none that is known, or the content is text."""
    return _der_blocks(data)[0]


def _der_blocks(data: bytes) -> tuple[list[PemBlock], int]:
    """And where they end."""
    blocks: list[PemBlock] = []
    position = 0
    while position < len(data):
        end = _end(data, position)
        label = der_label(data[position:end])
        if label is None:
            break
        blocks.append(PemBlock(label, data[position:end]))
        position = end
        while data[position : position + 1] in _FILLING:
            position += 1
    return blocks, position


def _end(data: bytes, position: int) -> int:
    """Of the element there; of all data where it is BER without a length, or cut off, which whoever loads it says."""
    if data[position + 1 : position + 2] == b"\x80":
        return len(data)
    try:
        return element(data, position)[2]
    except ValueError:
        return len(data)


def der_label(data: bytes) -> str | None:
    """What PEM calls this kind of DER; None for others, and for text, which may begin as a short element does."""
    if len(data) < 3 or data[0] != _SEQUENCE:
        return None
    if data[1] < 0x80 and (2 + data[1] > len(data) or data[2] != _INTEGER):  # of the kinds below only keys are so short
        return None
    inner = first_content(data)
    if inner.startswith(b"\x02\x01\x03\x30"):  # RFC 7292, 4
        return PKCS12
    if inner.startswith(_SIGNED_DATA):
        return PKCS7
    # The version, then an algorithm (RFC 5958), a modulus (RFC 8017, A.1.2), or the key itself (RFC 5915, 3).
    if inner[:3] in (b"\x02\x01\x00", b"\x02\x01\x01") and inner[3:4] in (b"\x30", b"\x02", b"\x04"):
        return PRIVATE_KEY
    if inner[:1] != b"\x30":
        return None
    return _label_of_signed(inner)


def first_content(data: bytes) -> bytes:
    """What is inside of the element at the beginning, and all that follows."""
    size = data[1] if len(data) > 1 else 0
    return data[2 + (size & 0x7F if size > 0x80 else 0) :]


def _label_of_signed(data: bytes) -> str:
    """Of an element whose first part is a sequence, which is data."""
    tags = _tags(first_content(data))
    if tags[:1] == [_OID]:  # an algorithm, before the key that is encrypted by it (RFC 5958, 3), or for it
        following = data[_end(data, 0) :][:1]
        return ENCRYPTED_PRIVATE_KEY if following == bytes([_OCTETS]) else "PUBLIC KEY"
    if tags[:4] == [_INTEGER, _SEQUENCE, _SEQUENCE, 0xA0]:  # RFC 2986, 4.1
        return "CERTIFICATE REQUEST"
    # Lists have a date where certificates, that begin alike, have a sequence of two (RFC 5280, 5.1.2 and 4.1).
    return CERTIFICATE if _DATES.isdisjoint(tags) else "X509 CRL"


def _tags(data: bytes) -> list[int]:
    """Of the first four elements."""
    found: list[int] = []
    position = 0
    try:
        while len(found) < 4:
            tag, _start, position = element(data, position)
            found.append(tag)
    except ValueError:
        pass
    return found
