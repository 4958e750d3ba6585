# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one private key among the blocks that were read, and its form anew."""

from __future__ import annotations

import typing as t

try:
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
except ImportError:  # the module boundary says so
    pass

from .effort import require_bounded_effort
from .encodings import PRIVATE_KEY
from .opener import Opener
from .pem import ENCRYPTED_PRIVATE_KEY, PemBlock
from .problems import MaterialError
from .reading import material_errors

_TRADITIONAL_LABELS: t.Final = ("RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
KEY_LABELS: t.Final = (PRIVATE_KEY, *_TRADITIONAL_LABELS, ENCRYPTED_PRIVATE_KEY)
_MOST_ENCODINGS: t.Final = 4  # of one key: PKCS#8 and its own form, each also encrypted


def is_key(block: PemBlock) -> bool:
    return block.label in KEY_LABELS


@material_errors()
def load_private_key(blocks: t.Iterable[PemBlock], opener: Opener | None = None) -> tuple[t.Any, bytes]:
    """The one private key among the blocks, as loaded by cryptography and as PEM. Raises MaterialError.

    It may be there in several encodings; of those PKCS#8 is preferred, so that their order does not matter.
    opener: None where there is no passphrase; an encrypted key is refused then, unless a plain one is beside it.
    """
    keys = list(dict.fromkeys(filter(is_key, blocks)))
    if not keys:
        raise MaterialError("private_key_missing", "There is no private key: store the leaf's private key as PEM.")
    if len(keys) > _MOST_ENCODINGS:
        raise _different_keys(len(keys))
    loaded: list[tuple[t.Any, bytes]] = []
    for block in sorted(keys, key=lambda block: (_is_encrypted(block), block.label != PRIVATE_KEY)):
        try:
            loaded.append(_load_key(block, opener))
        except MaterialError:
            # Whether the plain one is the leaf's is asked later; a copy that nobody can open changes nothing then.
            if not (loaded and _is_encrypted(block)):
                raise
    different = [loaded[0][0]]
    for key, _pem in loaded[1:]:
        if not any(is_same_key(key, known) for known in different):
            different.append(key)
    if len(different) > 1:
        raise _different_keys(len(different))
    return loaded[0]


def is_same_key(one: t.Any, other: t.Any) -> bool:
    """By their public halves. Whether the secret half belongs to it is asked of the one that is used."""
    return bool(one.public_key() == other.public_key())


def _different_keys(count: int) -> MaterialError:
    return MaterialError(
        "multiple_private_keys", f"There are {count} different private keys: store only that of the leaf."
    )


def _is_encrypted(block: PemBlock) -> bool:
    return block.label == ENCRYPTED_PRIVATE_KEY or any("ENCRYPTED" in header for header in block.headers)


def _load_key(block: PemBlock, opener: Opener | None) -> tuple[t.Any, bytes]:
    if not _is_encrypted(block):
        return load_der_key(block.der, traditional=block.label in _TRADITIONAL_LABELS)
    if opener is None or not opener.has_passphrase:
        raise MaterialError(
            "private_key_encrypted", "The private key is encrypted: give its passphrase, or store it unencrypted."
        )
    try:
        if not block.headers:
            require_bounded_effort(block.der)
        opened = opener.open("key", block.encode())
    except ValueError:
        opened = []
    if not opened:
        raise MaterialError(
            "private_key_encrypted", "The passphrase does not open the private key: give the right one."
        )
    return load_der_key(opened[0])


def load_der_key(der: bytes, *, traditional: bool = False) -> tuple[t.Any, bytes]:
    """As load_private_key. traditional: it keeps the form of its own kind ("RSA PRIVATE KEY"), and is not made PKCS#8.

    Raises MaterialError.
    """
    try:
        require_bounded_effort(der)
        # The slow validation (a primality test) is not needed: verify.py proves that key and certificate are a pair.
        key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        return key, canonical_key(key, traditional=traditional)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        raise MaterialError(
            "private_key_invalid",
            "The private key cannot be read: it is damaged or of an unknown kind. Store it again.",
        ) from None


def canonical_key(key: t.Any, *, traditional: bool = False) -> bytes:
    """The key encoded anew from its numbers, as PEM: nothing of the text that it was read from is left.

    traditional: in the form of its own kind ("RSA PRIVATE KEY") instead of PKCS#8, for files that have always had it.
    """
    form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem
