# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a secret holds, in any of its forms, read into certificates and one private key."""

from __future__ import annotations

import base64
import binascii
import codecs
import dataclasses
import json
import typing as t

try:
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption
from .certificate import Certificate, load_certificate
from .effort import require_bounded_effort
from .pem import CERTIFICATE, ENCRYPTED_PRIVATE_KEY, PemBlock, parse_pem
from .problems import MaterialError
from .reading import material_errors

FIELDS: t.Final = ("certificate", "private_key", "certificate_chain", "domain_name", "description")

_TRADITIONAL_LABELS: t.Final = ("RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
_KEY_LABELS: t.Final = ("PRIVATE KEY", *_TRADITIONAL_LABELS, ENCRYPTED_PRIVATE_KEY)
_MAX_CERTIFICATES: t.Final = 50  # a chain has a handful, and each may have to be compared with each
_MAX_DIGITS: t.Final = 4300
# Kinds that would be lost silently if they were ignored, and what to do about them.
_REFUSED_LABELS: t.Final = {
    "TRUSTED CERTIFICATE": "convert it with 'openssl x509 -in FILE'",
    "PKCS7": "extract the certificates with 'openssl pkcs7 -print_certs -in FILE'",
    "CMS": "extract the certificates with 'openssl pkcs7 -print_certs -in FILE'",
    "OPENSSH PRIVATE KEY": "convert a copy with 'ssh-keygen -p -m PKCS8 -f COPY'",
}


class Opener(t.Protocol):
    """Opens what is encrypted with one passphrase, or with none, where that can be ended when it takes too long."""

    @property
    def has_passphrase(self) -> bool: ...

    def open(self, kind: t.Literal["key", "pkcs12"], data: bytes) -> list[bytes]:
        """The key as PKCS#8 (b"" for none), then of PKCS#12 the certificate that belongs to it (b"" for none), others.

        [] when it cannot be opened: damaged, or another passphrase. Raises MaterialError when that takes too long, and
        OSError when nobody can try.
        """


@dataclasses.dataclass(frozen=True)
class CertificateMaterial:
    """Readable content that nobody has verified yet.

    certificates: in the order given. declared_leaf: the index of the one that the document's field ``certificate``
    holds, None where the form does not tell. private_key: as loaded by cryptography; private_key_pem: canonical and
    unencrypted. ordered: False when the form keeps no order (PKCS#12).
    """

    certificates: tuple[Certificate, ...]
    private_key: t.Any = dataclasses.field(repr=False)
    private_key_pem: bytes = dataclasses.field(repr=False)
    declared_leaf: int | None = None
    domain_name: str | None = None
    description: str | None = None
    ordered: bool = True


class FieldMap:
    """Where a JSON document keeps the five FIELDS: a JMESPath expression for each; absent ones keep their own name.

    Raises InvalidOption for an unknown field, a bad expression, or when the Python package jmespath is missing.
    """

    def __init__(self, expressions: t.Mapping[str, str] | None = None) -> None:
        self._compiled = {field: _compile(field, text) for field, text in (expressions or {}).items()}

    def extract(self, document: t.Any) -> dict[str, str]:
        """The fields that are there and not empty, as text. Raises MaterialError (field_invalid)."""
        values = {}
        for field in FIELDS:
            text = _text(field, self._search(field, document))
            if text:
                values[field] = text
        return values

    def _search(self, field: str, document: t.Any) -> t.Any:
        expression = self._compiled.get(field)
        if expression is None:
            return document.get(field) if isinstance(document, dict) else None
        try:
            return expression.search(document)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            # JMESPath's functions raise many kinds, some of which quote the document.
            raise MaterialError(
                "field_invalid", f"The JMESPath expression for the field '{field}' does not fit this document."
            ) from None


def _compile(field: str, expression: str) -> t.Any:
    if field not in FIELDS:
        raise InvalidOption(f"Unknown field '{field}': the fields are {', '.join(FIELDS)}.")
    try:
        import jmespath
        import jmespath.exceptions
    except ImportError:
        raise InvalidOption(
            "Mapping the fields of a document needs the Python package jmespath on the host that runs the module."
        ) from None
    try:
        return jmespath.compile(expression)
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError) as exc:
        raise InvalidOption(f"The field '{field}' has a bad JMESPath expression {expression!r}: {exc}") from None


def _text(field: str, value: t.Any) -> str | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = "\n".join(value)
    if value is None or isinstance(value, str):
        return value.strip() if value else None
    raise MaterialError("field_invalid", f"The field '{field}' of the JSON document must be text or a list of texts.")


_DEFAULT_FIELDS = FieldMap()


@material_errors()
def parse_secret(value: str | bytes, opener: Opener, *, fields: FieldMap | None = None) -> CertificateMaterial:
    """Read a JSON document, a PEM bundle in any order, or PKCS#12 (binary, or as base64 text).

    opener: of PKCS#12 and encrypted private keys. Raises MaterialError whose problem says what to do.
    """
    if isinstance(value, bytes):
        # DER of more than 127 bytes: SEQUENCE with a long length, which no text starts with.
        if len(value) > 1 and value[0] == 0x30 and value[1] >= 0x80:
            return _from_pkcs12(value, opener)
        value = _decode(value)
    text = value.lstrip("\ufeff \t\r\n")
    if text.startswith("{") or (fields is not None and text.startswith("[")):
        return _from_document(_load_json(text), fields or _DEFAULT_FIELDS, opener)
    if "-----BEGIN " in text or "-----END " in text:
        return _from_blocks(parse_pem(text), opener)
    der = _base64_der(text)
    if der is not None:
        return _from_pkcs12(der, opener)
    raise MaterialError(
        "document_invalid",
        "The secret is empty: store the certificate and its private key in it."
        if not text
        else "The secret is neither a JSON document, nor PEM, nor PKCS#12: store one of these.",
    )


def _decode(value: bytes) -> str:
    utf16 = value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return value.decode("utf-16" if utf16 else "utf-8")
    except UnicodeDecodeError:
        raise MaterialError(
            "document_invalid", "The secret is neither text in UTF-8 nor PKCS#12: store one of these."
        ) from None


def _load_json(text: str) -> t.Any:
    try:
        # strict=False: line ends inside strings are common in documents written by hand.
        return json.loads(text, strict=False, parse_int=_integer)
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno}, column {exc.colno}: {exc.msg}"
    except (ValueError, RecursionError):
        where = "it is nested too deeply or holds a number that is too long"
    raise MaterialError("document_invalid", f"The secret starts like a JSON document but is not one ({where}).")


def _integer(digits: str) -> int:
    """Python limits their number by itself only from 3.11 on; the work grows with its square. Raises ValueError."""
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)


def _from_document(document: t.Any, fields: FieldMap, opener: Opener) -> CertificateMaterial:
    values = fields.extract(document)
    for field in ("certificate", "private_key"):
        if field not in values:
            raise MaterialError(
                "field_missing",
                f"The JSON document has no field '{field}', or it is empty: "
                "add it, or say with a JMESPath expression where it is.",
            )
    own_blocks = _field_blocks("certificate", values)
    blocks = own_blocks + _field_blocks("private_key", values)
    if "certificate_chain" in values:
        blocks += _field_blocks("certificate_chain", values)
    declared = [block for block in own_blocks if block.label == CERTIFICATE]
    return _from_blocks(
        blocks,
        opener,
        declared_leaf=0 if len(declared) == 1 else None,
        domain_name=values.get("domain_name"),
        description=values.get("description"),
    )


def _field_blocks(field: str, values: dict[str, str]) -> list[PemBlock]:
    try:
        blocks = parse_pem(values[field])
    except MaterialError as exc:
        raise MaterialError(exc.problem.code, f"Field '{field}': {exc.message}") from None
    if not blocks:
        raise MaterialError("pem_invalid", f"The field '{field}' holds no PEM block: store it as PEM.")
    return blocks


def _from_blocks(
    blocks: t.Sequence[PemBlock],
    opener: Opener,
    *,
    declared_leaf: int | None = None,
    domain_name: str | None = None,
    description: str | None = None,
) -> CertificateMaterial:
    refuse_unusable(blocks)
    # Other kinds (parameters, requests, public keys) say nothing that the certificate does not.
    certificates = _load_certificates([block.der for block in blocks if block.label == CERTIFICATE])
    if not certificates:
        raise MaterialError("certificate_missing", "There is no certificate: store the leaf certificate as PEM.")
    key, key_pem = load_private_key(blocks, opener)
    return CertificateMaterial(certificates, key, key_pem, declared_leaf, domain_name, description)


def _load_certificates(ders: t.Sequence[bytes]) -> tuple[Certificate, ...]:
    different = len(set(ders))
    if different > _MAX_CERTIFICATES:
        raise MaterialError(
            "content_too_costly",
            f"There are {different} certificates, and {_MAX_CERTIFICATES} are the most: store the leaf and its chain.",
        )
    return tuple(map(load_certificate, ders))


def refuse_unusable(blocks: t.Iterable[PemBlock]) -> None:
    """Raises MaterialError for kinds of blocks that hold what is needed in a form that cannot be used."""
    for block in blocks:
        if block.label in _REFUSED_LABELS:
            raise MaterialError("pem_invalid", f"A '{block.label}' cannot be used: {_REFUSED_LABELS[block.label]}.")


@material_errors()
def load_private_key(blocks: t.Iterable[PemBlock], opener: Opener | None = None) -> tuple[t.Any, bytes]:
    """The one private key among the blocks, as loaded by cryptography and as PEM. Raises MaterialError.

    opener: None where there is no passphrase; an encrypted key is refused then.
    """
    keys = list(dict.fromkeys(block for block in blocks if block.label in _KEY_LABELS))
    if not keys:
        raise MaterialError("private_key_missing", "There is no private key: store the leaf's private key as PEM.")
    if len(keys) > 1:
        raise MaterialError(
            "multiple_private_keys", f"There are {len(keys)} different private keys: store only that of the leaf."
        )
    return _load_key(keys[0], opener)


def _load_key(block: PemBlock, opener: Opener | None) -> tuple[t.Any, bytes]:
    encrypted = block.label == ENCRYPTED_PRIVATE_KEY or any("ENCRYPTED" in header for header in block.headers)
    if not encrypted:
        return _load_der_key(block.der, traditional=block.label in _TRADITIONAL_LABELS)
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
    return _load_der_key(opened[0])


def _load_der_key(der: bytes, *, traditional: bool = False) -> tuple[t.Any, bytes]:
    """traditional: it has the form of its own kind ("RSA PRIVATE KEY"), not that of PKCS#8, and it keeps it."""
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


def _base64_der(text: str) -> bytes | None:
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return der if len(der) > 1 and der[0] == 0x30 and der[1] >= 0x80 else None


def _from_pkcs12(data: bytes, opener: Opener) -> CertificateMaterial:
    try:
        require_bounded_effort(data)
        opened = opener.open("pkcs12", data)
    except ValueError:
        opened = []
    if not opened:
        raise MaterialError(
            "pkcs12_invalid",
            "The PKCS#12 container cannot be opened: it is damaged, or the passphrase is "
            + ("wrong." if opener.has_passphrase else "missing."),
        )
    key_der, own, *others = opened
    ders = [der for der in (own, *others) if der]
    if not ders:
        raise MaterialError("certificate_missing", "The PKCS#12 container holds no certificate: export it with one.")
    if not key_der:
        raise MaterialError("private_key_missing", "The PKCS#12 container holds no private key: export it with one.")
    key, key_pem = _load_der_key(key_der)
    return CertificateMaterial(_load_certificates(ders), key, key_pem, declared_leaf=0 if own else None, ordered=False)
