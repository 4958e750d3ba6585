# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another certificate into the value that a secret has: in its fields and encodings, and all else stays. Pure.

Others read these secrets, too: an ingress by ``tls.crt``, a program by the list in ``ca_chain``. What they find after a
renewal is where it was before, and as it was.
"""

from __future__ import annotations

import base64
import copy
import json
import typing as t
from dataclasses import dataclass, field

from ..x509.encodings import PKCS7, PKCS12, has_pem, read_blocks
from ..x509.field_names import Path, Role, role_of
from ..x509.fields import CONTENT, DocumentFields, FieldMap
from ..x509.json_document import json_text, load_document
from ..x509.keys import is_key
from ..x509.pem import CERTIFICATE, TRUSTED_CERTIFICATE, PemBlock, as_utf8, texts_around
from ..x509.problems import MaterialError
from .content import NewContent, encoded_like, parameters, readable_blocks
from .plan import json_document, require_room

_CONTAINERS: t.Final = frozenset({PKCS7, PKCS12, "CMS", TRUSTED_CERTIFICATE})
_DEFAULT_FIELDS: t.Final = FieldMap()


@dataclass(frozen=True)
class MergedContent:
    """What a value is to hold.

    content: None to leave certificate and key as they are; domain_name: None to leave what the value says;
    default_domain: for a document of this collection's own that says none; more: further fields of the document.
    """

    content: NewContent | None = field(repr=False)
    domain_name: str | None = None
    default_domain: str | None = None
    more: t.Mapping[str, t.Any] = field(default_factory=dict, repr=False)


def merged(value: str | bytes, wanted: MergedContent, fields: FieldMap | None = None) -> str | bytes | None:
    """The value as it is to be; the very same where nothing changes. None where its form cannot hold what is wanted: it
    is empty, no certificate, or PKCS#12, or no JSON where that has to hold a domain name or more.

    fields: where a document keeps them. Raises MaterialError for a document that contradicts itself or whose structure
    cannot take it, for PEM within a text that is not JSON, and RotationError when AWS would not.
    """
    text = as_text(value)
    document = stored_document(text) if text is not None else None
    if document is not None:
        changed = _Merge(document, wanted, fields or _DEFAULT_FIELDS).document
        if changed == document:
            return value
        result = t.cast("str", _folded(text, document, changed))
        require_room(result)
        return result.encode() if isinstance(value, bytes) else result
    if wanted.domain_name is not None or wanted.more:
        return None
    return value if wanted.content is None else _bundle(value, wanted.content)


def as_text(value: str | bytes) -> str | None:
    """None of what is no text."""
    try:
        return value if isinstance(value, str) else as_utf8(value).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def stored_document(text: str) -> dict[str, t.Any] | None:
    """The JSON object that a value is, also inside of another text; None for anything else, and for damaged JSON."""
    inner = json_text(text)
    if inner is None:
        return None
    try:
        document = load_document(inner)
    except MaterialError:
        return None
    return document if isinstance(document, dict) else None


def is_commented(value: str | bytes) -> bool:
    """Whether the value is PEM with other text around it."""
    text = as_text(value)
    if text is None or not has_pem(text) or stored_document(text) is not None:
        return False
    return any(map(str.strip, texts_around(text)))


def left_behind(value: str | bytes, fields: FieldMap | None = None) -> list[str]:
    """The fields with PKCS#12, for messages: nobody can put another certificate there."""
    text = as_text(value)
    document = stored_document(text) if text is not None else None
    others = [] if document is None else (fields or _DEFAULT_FIELDS).read(document).others
    return [each.name for each in others if each.has_any({PKCS12})]


def stored_domain_name(value: str | bytes, fields: FieldMap | None = None) -> str | None:
    """That the value says the certificate has to cover. Raises MaterialError where that is no name."""
    text = as_text(value)
    document = stored_document(text) if text is not None else None
    return None if document is None else (fields or _DEFAULT_FIELDS).read(document).domain_name


def further_fields(value: str | bytes) -> dict[str, t.Any]:
    """What a given document says beside certificate, key, chain and domain name: for people, or for others."""
    text = as_text(value)
    document = stored_document(text) if text is not None else None
    if document is None or not any(role_of(name) for name in document):
        return {}
    return {
        name: each
        for name, each in document.items()
        if (role_of(name) or ("description",))[0] == "description" and not _has_content(each)
    }


def _has_content(node: t.Any) -> bool:
    if isinstance(node, str):
        try:
            return bool(read_blocks(node))
        except MaterialError:
            return True
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return any(map(_has_content, children))


def _bundle(value: str | bytes, content: NewContent) -> str | bytes | None:
    """PEM or DER of certificates and key, in the order in which HAProxy reads them."""
    try:
        blocks = read_blocks(value)
    except MaterialError:
        return None
    labels = {block.label for block in blocks}
    if CERTIFICATE not in labels or labels & _CONTAINERS:
        return None
    if is_commented(value) and any(text and text[-1] not in "\r\n" for text in texts_around(value)[:-1]):
        raise _unwritable("the PEM in it is part of something else, such as YAML or a list")
    new = [content.leaf, *content.chain, *content.keys_like(blocks), *parameters(blocks)]
    if isinstance(value, str):
        return encoded_like(value, new)
    return b"".join(block.encode() if has_pem(value) else block.der for block in new)


class _Merge:
    """document: as it is to be."""

    def __init__(self, document: dict[str, t.Any], wanted: MergedContent, fields: FieldMap) -> None:
        self.document: t.Any = copy.deepcopy(document)
        self._fields = fields
        self._wanted = wanted
        self._found = fields.read(document)
        self._holder, self._is_own = self._place_of_certificate()
        if wanted.content is not None:
            self._put_content(wanted.content)
        self._put_domain_name()
        self.document.update(wanted.more)

    # -- certificate, chain and key -----------------------------------------------------------------------------

    def _put_content(self, content: NewContent) -> None:
        parts = content.parts_for(self._found)
        chain = set(content.chain).difference(block for blocks in parts.values() for block in blocks)
        if chain and not self._fill_empty("certificate_chain", content.chain):
            self._place_chain(content, parts)
        parts = {**content.copies_for(self._found), **parts}
        done: set[tuple[str, ...]] = set()
        self.document = _replaced(self.document, parts, done)
        if done != set(parts):
            raise _unwritable("an expression gathers certificates or key from several places of the document")
        lacking: tuple[tuple[Role, list[PemBlock]], ...] = (
            ("certificate", [content.leaf]),
            ("private_key", content.keys_like([])),
        )
        for role, new in lacking:
            if not _holds(self._found, role) and not self._fill_empty(role, new):
                self._mapping(self._holder)[role] = _encoded(new)

    def _place_chain(self, content: NewContent, parts: dict[tuple[str, ...], list[PemBlock]]) -> None:
        """A chain where there was none: in this collection's own field, or where others look for it, after the leaf."""
        certificates = self._found.by_role.get("certificate") or ()
        if self._fields.is_known_by_name("certificate_chain") and self._is_own:
            self._mapping(self._holder)["certificate_chain"] = encoded_like(
                certificates[0].texts[0] if certificates else "", content.chain
            )
            return
        for each in certificates:
            rest = [block for block in parts[each.texts] if block.label != CERTIFICATE]
            parts[each.texts] = [content.leaf, *content.chain, *rest]

    def _fill_empty(self, role: Role, blocks: t.Sequence[PemBlock]) -> bool:
        """A field for that which is there and empty."""
        mapping = self._mapping(self._holder)
        for name, value in mapping.items():
            known = role_of(name)
            if known and known[0] == role and self._fields.is_known_by_name(role) and _is_empty(value):
                mapping[name] = [block.encode().decode() for block in blocks] if value == [] else _encoded(blocks)
                return True
        return False

    def _place_of_certificate(self) -> tuple[Path, bool]:
        """The path of the mapping that has it, and whether that is a document as this collection makes them."""
        is_known = self._fields.is_known_by_name("certificate")
        for each in self._found.by_role.get("certificate", ()) if is_known else ():
            return each.path[:-1], each.path[-1] == "certificate"
        return (), is_known

    def _mapping(self, path: Path) -> dict[str, t.Any]:
        node = self.document
        for part in path:
            node = node[part]
        return t.cast("dict[str, t.Any]", node)

    # -- the domain name ----------------------------------------------------------------------------------------

    def _put_domain_name(self) -> None:
        said, wanted = self._found.domain_name, self._wanted.domain_name
        if wanted is None and not said and self._is_own:
            wanted = self._wanted.default_domain
        if wanted is None or wanted == said:
            return
        if not self._fields.is_known_by_name("domain_name"):
            if self._wanted.domain_name is None:
                return
            raise _unwritable("an expression says where the domain name is, and only whoever made it can write there")
        places = [
            (mapping, name)
            for depth in range(len(self._holder) + 1)
            for mapping in [self._mapping(self._holder[:depth])]
            if isinstance(mapping, dict)
            for name in mapping
            if (role_of(name) or ("",))[0] == "domain_name"
        ]
        for mapping, name in places or [(self.document, "domain_name")]:
            mapping[name] = wanted


def _unwritable(why: str) -> MaterialError:
    return MaterialError("document_invalid", f"It cannot be changed in place, for {why}.")


def _holds(found: DocumentFields, role: Role) -> bool:
    """Whether a field has it: its own, or for a key that of the certificate."""
    if found.by_role.get(role):
        return True
    fields = [each for role in CONTENT for each in found.by_role.get(role, ())]
    return role == "private_key" and any(map(is_key, (block for each in fields for block in readable_blocks(each))))


def _is_empty(value: t.Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _replaced(node: t.Any, parts: t.Mapping[tuple[str, ...], list[PemBlock]], done: set[tuple[str, ...]]) -> t.Any:
    texts = _texts(node)
    if texts in parts:
        done.add(texts)
        if isinstance(node, str):
            return encoded_like(node, parts[texts])
        return [encoded_like(texts[0], [block]) for block in parts[texts]]
    if isinstance(node, dict):
        return {name: _replaced(value, parts, done) for name, value in node.items()}
    return [_replaced(value, parts, done) for value in node] if isinstance(node, list) else node


def _texts(node: t.Any) -> tuple[str, ...]:
    """As Field has them."""
    texts = [node] if isinstance(node, str) else node
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return ()
    return tuple(text for text in texts if text.strip())


def _encoded(blocks: t.Iterable[PemBlock]) -> str:
    return "".join(block.encode().decode() for block in blocks)


def _folded(raw: t.Any, old: t.Any, new: t.Any) -> t.Any:
    """new, with JSON in texts wherever raw has it; old: what raw was read into. What did not change stays as it is."""
    if old == new:
        return raw
    if isinstance(raw, str) and not (isinstance(old, str) or isinstance(new, str)):
        inner = json_text(raw) or raw
        text = json_document(_folded(json.loads(inner, strict=False), old, new))
        return text if inner[:1] == raw.lstrip("\ufeff \t\r\n")[:1] else base64.b64encode(text.encode()).decode()
    if isinstance(raw, dict) and isinstance(new, dict):
        return {name: _folded(raw[name], old[name], new[name]) if name in raw else new[name] for name in new}
    if isinstance(raw, list) and isinstance(new, list) and len(raw) == len(new):
        return [_folded(*each) for each in zip(raw, old, new)]
    return new
