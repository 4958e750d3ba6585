# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a CA is told when an account is registered: an external account binding, and who can be reached about it."""

from __future__ import annotations

import base64
import binascii
import json
import re
import typing as t
from dataclasses import dataclass, field

from ..._errors import InvalidOption, RotationError
from ..x509.names import a_labels

#: Lower case without _ and -, as CAs and clients name them: AWS (KeyId, MacKey), ZeroSSL (eab_kid, eab_hmac_key),
#: Google (keyId, b64MacKey), cert-manager, lego and others.
_KEY_ID_FIELDS: t.Final = ("keyid", "kid", "eabkid", "eabkeyid")
_MAC_KEY_FIELDS: t.Final = ("mackey", "hmac", "hmackey", "eabhmackey", "eabhmac", "b64mackey", "key", "secret")
_ALGORITHM_FIELDS: t.Final = ("alg", "algorithm", "hmacalg", "hmacalgorithm", "eabalg", "eabhmacalg")
HMAC_ALGORITHMS: t.Final = ("HS256", "HS384", "HS512")
_ADDRESS: t.Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@([^@\s,;?<>]+)")
_HOST: t.Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class ExternalBinding:
    """RFC 8555 section 7.3.4. key_id: not secret; mac_key: for HMAC, decoded; algorithm: one of HMAC_ALGORITHMS."""

    key_id: str
    mac_key: bytes = field(repr=False)
    algorithm: str = "HS256"


def read_binding(text: str, secret: str) -> ExternalBinding:
    """The value of the secret: a JSON document with a key id and a MAC key in base64url, with or without padding.

    Raises RotationError, which quotes no value.
    """
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        content = {}
    fields = {re.sub("[_-]", "", str(name)).lower(): value for name, value in content.items()}
    key_id = _field(fields, _KEY_ID_FIELDS)
    mac_key = _field(fields, _MAC_KEY_FIELDS)
    if not key_id or not mac_key:
        raise RotationError(
            f"Secret {secret} is no external account binding. Store what the CA gave you as JSON with the fields"
            ' "kid" and "hmac" (or "key_id" and "hmac_key", or "KeyId" and "MacKey" as AWS has them).'
        )
    algorithm = (_field(fields, _ALGORITHM_FIELDS) or HMAC_ALGORITHMS[0]).upper()
    if algorithm not in HMAC_ALGORITHMS:
        raise RotationError(f"Secret {secret}: its algorithm is none of {', '.join(HMAC_ALGORITHMS)}.")
    return ExternalBinding(key_id, _mac_key(mac_key, secret), algorithm)


def contact_urls(contacts: t.Iterable[str]) -> tuple[str, ...]:
    """E-mail addresses, with or without mailto:, as URLs without repetitions. Empty ones are dropped.

    Raises InvalidOption; RFC 8555 section 7.3 allows one address each, without header fields.
    """
    urls = []
    for text in (str(contact).strip() for contact in contacts):
        if not text:
            continue
        address = text[len("mailto:") :] if text.lower().startswith("mailto:") else text
        match = _ADDRESS.fullmatch(address)
        host = a_labels(match[1]) if match else ""
        if not match or not _HOST.fullmatch(host):
            raise InvalidOption(f"contacts: {text!r} is no e-mail address. Write each like admin@example.com.")
        urls.append(f"mailto:{address.rpartition('@')[0]}@{host}")
    return tuple(dict.fromkeys(urls))


def _field(fields: t.Mapping[str, t.Any], names: t.Iterable[str]) -> str | None:
    return next((fields[name].strip() for name in names if isinstance(fields.get(name), str)), None)


def _mac_key(text: str, secret: str) -> bytes:
    """base64url; some CAs show the alphabet of plain base64."""
    bare = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", bare):
            raise ValueError
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except (ValueError, binascii.Error):
        raise RotationError(
            f"Secret {secret}: its MAC key is not base64url. Store it as the CA gave it to you."
        ) from None
