# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME account: what its secret says, and how a CA is asked about it (RFC 8555 section 7.3)."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

try:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption, RotationError
from ..ca.keys import key_pem, read_key
from ..instants import isoformat_utc, parse_isoformat_utc
from ..x509.problems import MaterialError
from .when import same_directory

if t.TYPE_CHECKING:
    from .account_terms import ExternalBinding
    from .authority import DirectoryFacts

_KEY_FIELDS: t.Final = ("account_key", "private_key", "key")
_OWN_FIELDS: t.Final = frozenset(
    (*_KEY_FIELDS, "directory", "account_url", "uri", "contacts", "eab_key_id", "created", "key_created", "deactivated")
)
_PEM_KEY: t.Final = re.compile(r"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----")


@dataclass(frozen=True)
class AccountDocument:
    """What a secret keeps of one account with one directory.

    directory: its URL; key_pem: the account's private key, PKCS #8; url: of the account, None before it is known to be
    registered; contacts: the URLs that the CA was told last, None when it is not known (a CA need not say them);
    eab_key_id: of the external account binding used; created, key_created: of document and key; deactivated: when;
    others: fields of the document that are somebody else's, and stay.
    """

    directory: str
    key_pem: str = field(repr=False)
    url: str | None = None
    contacts: tuple[str, ...] | None = None
    eab_key_id: str | None = None
    created: datetime | None = None
    key_created: datetime | None = None
    deactivated: datetime | None = None
    others: t.Mapping[str, t.Any] = field(default_factory=dict, repr=False, hash=False)

    @property
    def text(self) -> str:
        """The secret's value: the same text for the same content."""
        instants = {name: getattr(self, name) for name in ("created", "key_created", "deactivated")}
        content = {
            "directory": self.directory,
            "account_key": self.key_pem,
            "account_url": self.url,
            "contacts": None if self.contacts is None else list(self.contacts),
            "eab_key_id": self.eab_key_id,
            **{name: isoformat_utc(instant) for name, instant in instants.items() if instant},
        }
        known = {name: value for name, value in content.items() if value is not None}
        return json.dumps({**self.others, **known}, sort_keys=True)

    @property
    def thumbprint(self) -> str:
        return key_thumbprint(self.key_pem)

    def registered(self, url: str | None, **changes: t.Any) -> AccountDocument:
        return dataclasses.replace(self, url=url, **changes)

    def with_key(self, pem: str, at: datetime) -> AccountDocument:
        """The successor in a key rollover."""
        return dataclasses.replace(self, key_pem=pem, key_created=at)


@dataclass(frozen=True)
class AccountFacts:
    """What a CA says of an account. status: valid, deactivated or revoked (RFC 8555 section 7.1.2)."""

    url: str
    status: str
    contacts: tuple[str, ...] = ()


class AccountAuthority(t.Protocol):
    """One directory that is asked about accounts. Keys are PEM. All raise AcmeError, and end in bounded time."""

    @property
    def directory(self) -> str: ...

    @property
    def requests(self) -> int:
        """HTTP requests sent to it so far, repeated ones included."""

    def facts(self) -> DirectoryFacts: ...

    def find(self, key_pem: str) -> AccountFacts | None:
        """newAccount with onlyReturnExisting. None when no account has this key; one that is deactivated may also be
        an AcmeError with the fault account."""

    def register(
        self, key_pem: str, *, contacts: t.Sequence[str], terms_agreed: bool, binding: ExternalBinding | None
    ) -> AccountFacts:
        """newAccount. contacts: URLs. Returns the existing one when there is one with this key."""

    def set_contacts(self, key_pem: str, url: str, contacts: t.Sequence[str]) -> AccountFacts: ...

    def deactivate(self, key_pem: str, url: str) -> None: ...

    def change_key(self, key_pem: str, url: str, new_key_pem: str) -> None:
        """keyChange, RFC 8555 section 7.3.5."""


def read_account(text: str, secret: str, directory: str) -> AccountDocument:
    """The value of an account's secret: this project's document, or a key alone as PEM, which has then no facts yet.

    secret: its name; directory: for which it is configured. Raises RotationError for an account of another directory,
    and for what is no account; no message quotes the value.
    """
    content = _content(text, secret)
    pem = next((content[name] for name in _KEY_FIELDS if content.get(name)), None)
    if not isinstance(pem, str):
        raise RotationError(
            f"Secret {secret} is no ACME account: it has no field account_key with a private key as PEM. Name another"
            " secret in account_secret; one that does not exist is made."
        )
    if content.get("certificate"):
        raise RotationError(
            f"Secret {secret} holds a certificate, and is no ACME account. Name another secret in account_secret."
        )
    stored = _text(content, "directory") or directory
    if not same_directory(stored, directory):
        raise RotationError(
            f"Secret {secret} is the account of the directory {stored}, and not of {directory}. One account secret"
            " belongs to one directory: name another secret in account_secret; one that does not exist is made."
        )
    contacts = content.get("contacts")
    return AccountDocument(
        directory=stored,
        key_pem=_account_key(pem, secret),
        url=_text(content, "account_url") or _text(content, "uri"),
        contacts=tuple(map(str, contacts)) if isinstance(contacts, list) else None,
        eab_key_id=_text(content, "eab_key_id"),
        created=_instant(content, "created"),
        key_created=_instant(content, "key_created") or _instant(content, "created"),
        deactivated=_instant(content, "deactivated"),
        others={name: value for name, value in content.items() if name not in _OWN_FIELDS},
    )


def key_thumbprint(pem: str) -> str:
    """Of an account's key (RFC 7638): what a stateless responder of http-01 adds to each token."""
    public = read_key(pem).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        jwk = {"e": _base64url_number(numbers.e), "kty": "RSA", "n": _base64url_number(numbers.n)}
    else:
        size = (public.curve.key_size + 7) // 8
        point = public.public_numbers()
        jwk = {
            "crv": f"P-{public.curve.key_size}",
            "kty": "EC",
            "x": _base64url_number(point.x, size),
            "y": _base64url_number(point.y, size),
        }
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()
    return _base64url(hashlib.sha256(canonical).digest())


def _content(text: str, secret: str) -> t.Mapping[str, t.Any]:
    if _PEM_KEY.match(text):
        return {"account_key": text}
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise RotationError(
            f"Secret {secret} is no ACME account: its value is neither a JSON document nor a private key as PEM. Name"
            " another secret in account_secret; one that does not exist is made."
        )
    return content


def _account_key(pem: str, secret: str) -> str:
    try:
        key = read_key(pem)
    except MaterialError as error:
        raise RotationError(f"Secret {secret} is no ACME account. {error.message}") from None
    # What JWS has names for, and CAs take (RFC 7518 section 3.1).
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in ("secp256r1", "secp384r1", "secp521r1"):
        return key_pem(key)
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return key_pem(key)
    raise RotationError(
        f"Secret {secret}: an ACME account has an elliptic key (P-256, P-384), or an RSA key of 2048 bits or more."
    )


def _text(content: t.Mapping[str, t.Any], name: str) -> str | None:
    value = content.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _instant(content: t.Mapping[str, t.Any], name: str) -> datetime | None:
    try:
        return parse_isoformat_utc(content.get(name) or "")
    except (InvalidOption, AttributeError):
        return None


def _base64url_number(number: int, size: int | None = None) -> str:
    return _base64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
