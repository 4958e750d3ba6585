# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a secret holds, in any of its forms, read into certificates and one private key."""

from __future__ import annotations

import codecs
import dataclasses
import typing as t

from .belonging import authorities_of, certificates_in_field, field_with_issuer, require_readable
from .certificate import Certificate, load_certificate
from .effort import require_bounded_effort
from .encodings import PKCS7, PKCS12, der_blocks, read_blocks
from .field_names import Role, capitalized, role_of
from .fields import DocumentFields, Field, FieldMap
from .json_document import json_text, load_document
from .keys import KEY_LABELS, is_key, load_der_key, load_private_key
from .opener import Opener
from .pem import CERTIFICATE, TRUSTED_CERTIFICATE, PemBlock
from .problems import MaterialError
from .reading import material_errors

_PEM_FIELDS: t.Final[tuple[Role, ...]] = ("certificate", "private_key", "certificate_chain")
_MAX_CERTIFICATES: t.Final = 50  # a chain has a handful, and each may have to be compared with each
# Kinds that would be lost silently if they were ignored, and what to do about them.
_REFUSED_LABELS: t.Final = {
    TRUSTED_CERTIFICATE: "convert it with 'openssl x509 -in FILE'",
    PKCS7: "extract the certificates with 'openssl pkcs7 -print_certs -in FILE', of DER with '-inform DER'",
    "CMS": "extract the certificates with 'openssl pkcs7 -print_certs -in FILE'",
    "OPENSSH PRIVATE KEY": "convert a copy with 'ssh-keygen -p -m PKCS8 -f COPY'",
    PKCS12: "it holds certificate, chain and key, so give it by itself instead of a document",
}


@dataclasses.dataclass(frozen=True)
class CertificateMaterial:
    """Readable content that nobody has verified yet.

    certificates: in the order given. declared_leaf: the index of the one that the document's field ``certificate``
    holds, None where the form does not tell. private_key: as loaded by cryptography; private_key_pem: canonical and
    unencrypted. ordered: False when the form keeps no order (PKCS#12). roots: in fields for authorities, and not sent.
    """

    certificates: tuple[Certificate, ...]
    private_key: t.Any = dataclasses.field(repr=False)
    private_key_pem: bytes = dataclasses.field(repr=False)
    declared_leaf: int | None = None
    domain_name: str | None = None
    description: str | None = None
    ordered: bool = True
    roots: tuple[Certificate, ...] = ()


_DEFAULT_FIELDS: t.Final = FieldMap()


@material_errors()
def parse_secret(value: str | bytes, opener: Opener, *, fields: FieldMap | None = None) -> CertificateMaterial:
    """Read a JSON document, certificates and key as PEM or DER in any order, or PKCS#12; all of it also in base64.

    opener: of PKCS#12 and encrypted private keys. Raises MaterialError whose problem says what to do.
    """
    blocks = der_blocks(value) if isinstance(value, bytes) else []
    if not blocks:
        text = _decode(value) if isinstance(value, bytes) else value
        document = _document(text, with_lists=fields is not None)
        if isinstance(document, (dict, list)):
            return _from_document(document, fields or _DEFAULT_FIELDS, opener)
        blocks = read_blocks(document or text)
        _require_content(blocks, text)
    if blocks[0].label == PKCS12:
        return _from_pkcs12(blocks[0].der, opener)
    refuse_unusable(blocks)
    return _from_blocks(blocks, opener)


def _decode(value: bytes) -> str:
    utf16 = value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return value.decode("utf-16" if utf16 else "utf-8")
    except UnicodeDecodeError:
        raise MaterialError(
            "document_invalid", "The secret is neither text in UTF-8, nor DER, nor PKCS#12: store one of these."
        ) from None


def _document(text: str, *, with_lists: bool) -> t.Any:
    """The JSON value that the text is; None where it is something else. Raises MaterialError for damaged JSON."""
    inner = json_text(text)
    if inner is None:
        return None
    may_be_text = inner[0] == '"' or (inner[0] == "[" and not with_lists)
    try:
        document = load_document(inner)
    except MaterialError:
        if may_be_text:
            return None
        raise
    # A list of texts is read as one text, by its PEM.
    is_text = may_be_text and isinstance(document, list) and not any(isinstance(each, dict) for each in document)
    return None if is_text else document


def _require_content(blocks: t.Sequence[PemBlock], text: str) -> None:
    if not blocks:
        raise MaterialError(
            "document_invalid",
            "The secret is neither a JSON document, nor PEM, nor DER, nor PKCS#12: store one of these."
            if text.strip("\ufeff \t\r\n")
            else "The secret is empty: store the certificate and its private key in it.",
        )


def _from_blocks(blocks: t.Sequence[PemBlock], opener: Opener) -> CertificateMaterial:
    # Other kinds (parameters, requests, public keys) say nothing that the certificate does not.
    certificates = _load_certificates([block.der for block in filter(_is_certificate, blocks)])
    if not certificates:
        raise MaterialError("certificate_missing", "There is no certificate: store the leaf certificate as PEM.")
    key, key_pem = load_private_key(blocks, opener)
    return CertificateMaterial(certificates, key, key_pem)


def _load_certificates(ders: t.Sequence[bytes]) -> tuple[Certificate, ...]:
    _limit(ders)
    return tuple(map(load_certificate, ders))


def _limit(certificates: t.Collection[t.Hashable]) -> None:
    different = len(set(certificates))
    if different > _MAX_CERTIFICATES:
        raise MaterialError(
            "content_too_costly",
            f"There are {different} certificates, and {_MAX_CERTIFICATES} are the most: store the leaf and its chain.",
        )


def refuse_unusable(blocks: t.Iterable[PemBlock]) -> None:
    """Raises MaterialError for kinds of blocks that hold what is needed in a form that cannot be used."""
    for block in blocks:
        if block.label in _REFUSED_LABELS:
            raise MaterialError("pem_invalid", f"A '{block.label}' cannot be used: {_REFUSED_LABELS[block.label]}.")


# JSON


@material_errors()
def document_parts(document: t.Any) -> dict[str, str]:
    """Certificate, certificate_chain and, where there is one, private_key of a document from load_document, as PEM.

    Raises MaterialError.
    """
    found = _DEFAULT_FIELDS.read(document)
    blocks = {role: _blocks(found, role) for role in _PEM_FIELDS}
    if not blocks["certificate"]:
        raise _field_missing("certificate", found, {CERTIFICATE})
    known = _load_certificates([block.der for role in _PEM_FIELDS for block in blocks[role] if _is_certificate(block)])
    parts: dict[str, str] = {
        role: b"".join(block.encode() for block in blocks[role]).decode() for role in _PEM_FIELDS if blocks[role]
    }
    authorities = _with_authorities(known, found)[len(known) :]
    chain = parts.get("certificate_chain", "") + b"".join(each.pem for each in authorities).decode()
    return {**parts, "certificate_chain": chain}


def _from_document(document: t.Any, fields: FieldMap, opener: Opener) -> CertificateMaterial:
    found = fields.read(document)
    blocks = {role: _blocks(found, role) for role in _PEM_FIELDS}
    own = blocks["certificate"]
    if not own:
        raise _field_missing("certificate", found, {CERTIFICATE})
    if not blocks["private_key"] and not any(map(is_key, [*own, *blocks["certificate_chain"]])):
        raise _field_missing("private_key", found, KEY_LABELS)
    try:
        material = _from_blocks([block for role in _PEM_FIELDS for block in blocks[role]], opener)
    except MaterialError as exc:
        raise _with_fields(exc, found.by_role.get("private_key", ())) from None
    _require_one_leaf(found.by_role["certificate"])
    return dataclasses.replace(
        material,
        certificates=_with_authorities(material.certificates, found),
        roots=tuple(each for each in dict.fromkeys(_authorities(found)) if each.self_signed),
        declared_leaf=0 if len([*filter(_is_certificate, found.by_role["certificate"][0].blocks)]) == 1 else None,
        domain_name=found.domain_name,
        description=found.description,
    )


def _is_certificate(block: PemBlock) -> bool:
    return block.label == CERTIFICATE


def _blocks(found: DocumentFields, role: Role) -> list[PemBlock]:
    """Raises MaterialError, which names the field."""
    blocks = []
    for field in found.by_role.get(role, ()):
        if not field.blocks:
            raise MaterialError("pem_invalid", f"{capitalized(field.name)} holds no PEM block: store it as PEM.")
        if role != "private_key":
            field.require_read()
        try:
            refuse_unusable(field.blocks)
        except MaterialError as exc:
            raise MaterialError(exc.problem.code, f"{capitalized(field.name)}: {exc.message}") from None
        blocks += field.blocks
    return blocks


def _with_authorities(certificates: tuple[Certificate, ...], found: DocumentFields) -> tuple[Certificate, ...]:
    """With those of the chain in fields for authorities. Raises MaterialError when there are more elsewhere, or may be
    in what is damaged."""
    known = (*certificates, *authorities_of(certificates, _authorities(found)))
    _limit(known)
    require_readable(known, [*found.by_role.get("authorities", ()), *filter(_is_in_chain, found.others)])
    elsewhere = None if found.is_chain_chosen else field_with_issuer(known, found.others)
    if elsewhere is not None:
        raise MaterialError(
            "field_unknown",
            f"{capitalized(elsewhere.name)} holds a certificate of the chain, and is not known for that: call it "
            "'certificate_chain', or say with a JMESPath expression where the chain is.",
        )
    return known


def _is_in_chain(field: Field) -> bool:
    """Whether it is inside of a field for the chain, such as one of its objects."""
    roles = [role_of(part) for part in field.path[:-1] if isinstance(part, str)]
    return any(role and role[0] in ("certificate_chain", "authorities") for role in roles)


def _authorities(found: DocumentFields) -> list[Certificate]:
    """Those in fields for authorities."""
    return [each for field in found.by_role.get("authorities", ()) for each in certificates_in_field(field)]


def _field_missing(name: str, found: DocumentFields, labels: t.Collection[str]) -> MaterialError:
    """Often it is there, and called otherwise."""
    holding = next((field for field in found.others if field.has_any(labels)), None)
    hint = f" {capitalized(holding.name)} holds one." if holding else ""
    return MaterialError(
        "field_missing",
        f"The JSON document has no field '{name}', or it is empty: "
        f"add it, or say with a JMESPath expression where it is.{hint}",
    )


def _with_fields(failure: MaterialError, fields: t.Sequence[Field]) -> MaterialError:
    if failure.problem.code != "multiple_private_keys" or len(fields) < 2:
        return failure
    names = " and ".join(field.name for field in fields)
    return MaterialError(failure.problem.code, f"{failure.message} They are in {names}.")


def _require_one_leaf(fields: t.Sequence[Field]) -> None:
    """Raises MaterialError where fields for the certificate contradict each other."""
    leaves: dict[Certificate, Field] = {}
    for field in fields if len(fields) > 1 else ():
        for certificate in certificates_in_field(field):
            if not certificate.is_ca:
                leaves.setdefault(certificate, field)
    places = list(dict.fromkeys(leaves.values()))
    if len(places) > 1:
        raise MaterialError(
            "multiple_leaves",
            f"{capitalized(places[0].name)} and {places[1].name} hold different certificates: leave the one that is "
            "meant, or say with a JMESPath expression where it is.",
        )


# PKCS#12


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
    key, key_pem = load_der_key(key_der)
    return CertificateMaterial(_load_certificates(ders), key, key_pem, declared_leaf=0 if own else None, ordered=False)
