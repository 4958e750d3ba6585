# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The key of signed DNS updates (RFC 8945), as a secret holds it. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
import typing as t
from dataclasses import dataclass, field

from ..._errors import InvalidOption
from .zones import plain_name

ALGORITHMS: t.Final = ("hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1", "hmac-md5")
_CLAUSE = re.compile(r'key\s+"?([^"\s{]+)"?\s*\{')
_FIELD = re.compile(r'\b(algorithm|secret)\s+"?([^";\s]+)"?\s*;')
_LONGEST = 4096


@dataclass(frozen=True)
class UpdateKey:
    """name: as both ends know it; secret: the key itself."""

    name: str
    algorithm: str
    secret: bytes = field(repr=False)


def read_update_key(text: str, where: str, name: str | None = None, algorithm: str | None = None) -> UpdateKey:
    """Of a secret: JSON with ``key_name``, ``algorithm`` and ``secret``; a key clause, as tsig-keygen prints it; or the
    base64 alone.

    where: the secret's name, for people; name, algorithm: by the options, which win. Raises InvalidOption, which quotes
    nothing of it.
    """
    found = _json_fields(text) or _clause_fields(text) or {"secret": text.strip()}
    key_name = name or found.get("key_name")
    chosen = (algorithm or found.get("algorithm") or ALGORITHMS[0]).lower().removesuffix(".")
    if not key_name:
        raise InvalidOption(f"dns: the secret {where} does not say what its key is called: give key_name.")
    if chosen not in ALGORITHMS:
        raise InvalidOption(f"dns: the algorithm of the key {key_name} is none of {', '.join(ALGORITHMS)}.")
    try:
        secret = base64.b64decode("".join(found.get("secret", "").split()), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not secret:
        raise InvalidOption(
            f"dns: the secret {where} holds no TSIG key. It is JSON with key_name, algorithm and secret (base64), the"
            " key clause that tsig-keygen prints, or the base64 alone."
        )
    return UpdateKey(plain_name(key_name), chosen, secret)


def _json_fields(text: str) -> dict[str, str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {str(key): value for key, value in document.items() if isinstance(value, str)}


def _clause_fields(text: str) -> dict[str, str]:
    clause = _CLAUSE.search(text[:_LONGEST])
    if not clause:
        return {}
    return {"key_name": clause[1], **dict(_FIELD.findall(text[clause.end() : _LONGEST]))}
