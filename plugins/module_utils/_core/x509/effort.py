# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much work it is to open a key or a PKCS#12 container, read from its ASN.1 before any of it is spent.

Whoever makes such a container says how many rounds the way from the passphrase to the key has: up to 2^31, which are
hours. All forms say it alike, in a sequence that holds the salt and then the numbers: PBKDF2 and PBES1 (RFC 8018),
scrypt (RFC 7914), and the encryption and the MAC of PKCS#12 (RFC 7292, 4 and appendix C).
"""

from __future__ import annotations

import typing as t

from .problems import MaterialError

#: Rounds in all. OpenSSL and Windows make 2,000, careful users a million; five million take a core one to two seconds.
MAX_ROUNDS: t.Final = 5_000_000
#: Of any number: the modulus of the longest RSA key that OpenSSL verifies with.
MAX_BITS: t.Final = 16384
_MAX_DEPTH: t.Final = 64
_INTEGER, _OCTETS, _CONSTRUCTED = 0x02, 0x04, 0x20

Node = tuple[int, t.Union[bytes, "list[Node]"]]


def require_bounded_effort(der: bytes) -> None:
    """Raises MaterialError when opening this would take too long, ValueError when it is not BER (X.690)."""
    rounds = sum(_rounds(_read(der, 0, len(der), 0)[0]))
    if rounds > MAX_ROUNDS:
        raise MaterialError(
            "content_too_costly",
            f"To open it takes more than {MAX_ROUNDS:,} rounds of key derivation: export it again with fewer.",
        )


def _rounds(node: Node) -> t.Iterator[int]:
    """Of each key derivation that is described in it, at any depth."""
    tag, content = node
    if tag == _OCTETS and isinstance(content, bytes) and content[:1] == b"\x30":
        try:  # containers hold further ones as strings; a salt may only look like one
            nested = _read(content, 0, len(content), 0)[0]
        except ValueError:
            return
        yield from _rounds(nested)
    elif tag == _INTEGER and isinstance(content, bytes) and len(content) > MAX_BITS // 8 + 1:
        raise MaterialError("content_too_costly", f"It holds a number of more than {MAX_BITS} bits: use a shorter key.")
    elif isinstance(content, list):
        for position, (kind, _salt) in enumerate(content):
            if kind == _OCTETS:
                yield _product(content[position + 1 : position + 4])
        for child in content:
            yield from _rounds(child)


def _product(after_salt: t.Sequence[Node]) -> int:
    """Iterations, perhaps with the length of the key, or scrypt's three factors."""
    numbers = []
    for tag, content in after_salt:
        if tag != _INTEGER or not isinstance(content, bytes):
            break
        numbers.append(abs(int.from_bytes(content[: MAX_BITS // 8], "big", signed=True)) or 1)
    if len(numbers) == 3:
        return numbers[0] * numbers[1] * numbers[2]
    return max(numbers, default=0)


def _read(data: bytes, start: int, end: int, depth: int) -> tuple[Node, int]:
    """The node that begins at start, and where it ends. Raises ValueError."""
    if depth > _MAX_DEPTH:
        raise MaterialError("content_too_costly", "It is nested too deeply: export it again.")
    tag, position = data[start : start + 1], start + 1
    if tag and tag[0] & 0x1F == 0x1F:  # a number of several bytes; no such kind means anything here
        while position < end and data[position] & 0x80:
            position += 1
        position += 1
    if position >= end:
        raise ValueError("a node is cut off")
    kind, size = tag[0], data[position]
    position += 1
    if size == 0x80:
        return _read_until_mark(kind, data, position, end, depth)
    if size > 0x80:
        length = size & 0x7F
        size = int.from_bytes(data[position : position + length], "big")
        position += length
    if size > end - position:
        raise ValueError("a node is longer than what holds it")
    stop = position + size
    if not kind & _CONSTRUCTED:
        return (kind, data[position:stop]), stop
    children = []
    while position < stop:
        child, position = _read(data, position, stop, depth + 1)
        children.append(child)
    return _joined(kind, children), stop


def _read_until_mark(kind: int, data: bytes, position: int, end: int, depth: int) -> tuple[Node, int]:
    """Of a length that is not told at its start: two zero bytes end it."""
    children = []
    while data[position : position + 2] != b"\0\0":
        child, position = _read(data, position, end, depth + 1)
        children.append(child)
    return _joined(kind, children), position + 2


def _joined(kind: int, children: list[Node]) -> Node:
    """A string may come in pieces."""
    if kind == _OCTETS | _CONSTRUCTED:
        return _OCTETS, b"".join(content for _tag, content in children if isinstance(content, bytes))
    return kind, children
