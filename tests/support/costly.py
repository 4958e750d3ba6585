# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers and keys that take any number of rounds to open: they are made with one, and say another."""

from __future__ import annotations

import hashlib
import typing as t

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .signing import der

INTEGER, OCTETS, SEQUENCE = 0x02, 0x04, 0x30
_DATA, _ENCRYPTED_DATA = bytes.fromhex("06092a864886f70d010701"), bytes.fromhex("06092a864886f70d010706")
_SHROUDED_KEY_BAG = bytes.fromhex("060b2a864886f70d010c0a0102")
_PBES2, _PBKDF2 = bytes.fromhex("06092a864886f70d01050d"), bytes.fromhex("06092a864886f70d01050c")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_HMAC_SHA256 = bytes.fromhex("300c06082a864886f70d02090500")
_AES256 = bytes.fromhex("060960864801650304012a")
_SHA256 = bytes.fromhex("300d06096086480165030402010500")
_TRIPLE_DES = bytes.fromhex("060a2a864886f70d010c0103")
_SALT, _VECTOR = b"saltsalt", bytes(16)


def integer(value: int) -> bytes:
    return der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def pbkdf2(rounds: int) -> bytes:
    return der(SEQUENCE, _PBKDF2, der(SEQUENCE, der(OCTETS, _SALT), integer(rounds), _HMAC_SHA256))


def scrypt(cost: int, block: int, parallel: int) -> bytes:
    factors = map(integer, (cost, block, parallel))
    return der(SEQUENCE, _SCRYPT, der(SEQUENCE, der(OCTETS, _SALT), *factors))


def old_encryption(rounds: int) -> bytes:
    """pbeWithSHAAnd3-KeyTripleDES-CBC of PKCS#12."""
    return der(SEQUENCE, _TRIPLE_DES, der(SEQUENCE, der(OCTETS, _SALT), integer(rounds)))


def _pbes2(derivation: bytes) -> bytes:
    return der(SEQUENCE, _PBES2, der(SEQUENCE, derivation, der(SEQUENCE, _AES256, der(OCTETS, _VECTOR))))


def _encrypt(content: bytes, passphrase: bytes, rounds: int) -> bytes:
    key = hashlib.pbkdf2_hmac("sha256", passphrase, _SALT, rounds, 32)
    padding = 16 - len(content) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(_VECTOR)).encryptor()
    encrypted: bytes = encryptor.update(content + bytes([padding]) * padding) + encryptor.finalize()
    return encrypted


def encrypted_key(
    pkcs8: bytes,
    passphrase: bytes,
    *,
    rounds: int = 1,
    says: t.Callable[[int], bytes] = pbkdf2,
    said: int | None = None,
) -> bytes:
    """EncryptedPrivateKeyInfo. says: the description of the derivation; said: the rounds in it, when it lies."""
    derivation = says(rounds if said is None else said)
    algorithm = derivation if says is old_encryption else _pbes2(derivation)
    return der(SEQUENCE, algorithm, der(OCTETS, _encrypt(pkcs8, passphrase, rounds)))


def container(
    pkcs8: bytes,
    passphrase: bytes,
    *,
    key_rounds: int = 1,
    outer_rounds: int = 1,
    mac_rounds: int | None = None,
    hidden: bool = False,
) -> bytes:
    """PKCS#12 with nothing but a key, made with one round each. hidden: the key lies in an encrypted part."""
    key = encrypted_key(pkcs8, passphrase, said=key_rounds)
    bags = der(SEQUENCE, der(SEQUENCE, _SHROUDED_KEY_BAG, der(0xA0, key)))
    if hidden:
        content = der(SEQUENCE, _DATA, _pbes2(pbkdf2(outer_rounds)), der(0x80, _encrypt(bags, passphrase, 1)))
        part = der(SEQUENCE, _ENCRYPTED_DATA, der(0xA0, der(SEQUENCE, integer(0), content)))
    else:
        part = der(SEQUENCE, _DATA, der(0xA0, der(OCTETS, bags)))
    safe = der(SEQUENCE, _DATA, der(0xA0, der(OCTETS, der(SEQUENCE, part))))
    digest = der(SEQUENCE, _SHA256, der(OCTETS, bytes(32)))
    mac = der(SEQUENCE, digest, der(OCTETS, _SALT), integer(mac_rounds)) if mac_rounds else b""
    return der(SEQUENCE, integer(3), safe, mac)


def piecewise(content: bytes) -> bytes:
    """The same in BER, as some programs write it: lengths that are not told, and strings in pieces."""
    tag, size = content[0], content[1]
    start = 2 + (size & 0x7F if size & 0x80 else 0)
    body = content[start:]
    if tag & 0x20:
        parts, at = [], 0
        while at < len(body):
            length = body[at + 1]
            head = 2 + (length & 0x7F if length & 0x80 else 0)
            whole = int.from_bytes(body[at + 2 : at + head], "big") if length & 0x80 else length
            parts.append(piecewise(body[at : at + head + whole]))
            at += head + whole
        return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"
    if tag == OCTETS and len(body) > 20:
        inner = piecewise(body) if body[0] == SEQUENCE else body
        return b"\x24\x80" + der(OCTETS, inner[:7]) + der(OCTETS, inner[7:]) + b"\0\0"
    return content
