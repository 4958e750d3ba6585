# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate with its chain and key in the place of another one: as much of it, and in the same encoding. Pure."""

from __future__ import annotations

import base64
import functools
import typing as t

from ..x509.certificate import load_certificate
from ..x509.encodings import PRIVATE_KEY, der_blocks, from_base64, from_base64_each, has_pem
from ..x509.fields import CONTENT, DocumentFields, Field
from ..x509.keys import KEY_LABELS, canonical_key, is_key, load_private_key
from ..x509.pem import CERTIFICATE, ENCRYPTED_PRIVATE_KEY, PemBlock, parse_pem
from ..x509.problems import MaterialError

if t.TYPE_CHECKING:
    from ..x509.bundle import CertificateBundle
    from ..x509.field_names import Role

_TRADITIONAL: t.Final = frozenset(KEY_LABELS) - {PRIVATE_KEY, ENCRYPTED_PRIVATE_KEY}
_BETWEEN: t.Final = (",", ";", "|", " ")
#: The texts of a field -> the blocks that are to be there.
Parts = dict[tuple[str, ...], list[PemBlock]]


class NewContent:
    """A verified bundle as blocks."""

    def __init__(self, bundle: CertificateBundle) -> None:
        self.leaf = PemBlock(CERTIFICATE, bundle.leaf.der)
        self.chain = [PemBlock(CERTIFICATE, each.der) for each in bundle.intermediates]
        self._key = parse_pem(bundle.private_key_pem)

    def keys_like(self, blocks: t.Iterable[PemBlock]) -> list[PemBlock]:
        """The key, in the form of its own kind ("RSA PRIVATE KEY") where that is what was there, else as PKCS#8."""
        keys = [block for block in blocks if is_key(block)]
        if not keys:
            return self._key
        return self._traditional if any(block.label in _TRADITIONAL for block in keys) else self._pkcs8

    @functools.cached_property
    def _pkcs8(self) -> list[PemBlock]:
        return parse_pem(canonical_key(load_private_key(self._key)[0]))

    @functools.cached_property
    def _traditional(self) -> list[PemBlock]:
        key = load_private_key(self._key)[0]
        try:
            return parse_pem(canonical_key(key, traditional=True))
        except ValueError:  # not every kind has one: Ed25519
            return self._pkcs8

    def parts_for(self, found: DocumentFields) -> Parts:
        """What comes where something is. Trust anchors that lie there for others are left alone."""
        leaves = _leaves(found)
        parts: Parts = {}
        for role in CONTENT:
            for field in found.by_role.get(role, ()):
                blocks = self._in_place_of(role, field, leaves)
                if blocks is not None:
                    parts.setdefault(field.texts, blocks)
        return parts

    def copies_for(self, found: DocumentFields) -> Parts:
        """What comes into fields that nobody knows, where these repeat the leaf or the key."""
        leaves = _leaves(found)
        known = [block for role in CONTENT for field in found.by_role.get(role, ()) for block in readable_blocks(field)]
        keys = {block for block in known if is_key(block)}
        parts: Parts = {}
        for field in found.others:
            if any(block.der in leaves for block in _certificates(field)):
                parts.setdefault(field.texts, self._of_leaf_or_key("certificate", field))
            elif not keys.isdisjoint(readable_blocks(field)):
                parts.setdefault(field.texts, self._of_leaf_or_key("private_key", field))
        return parts

    def _in_place_of(self, role: Role, field: Field, leaves: t.Container[bytes]) -> list[PemBlock] | None:
        """As much as the field has; what is damaged is taken for what its name says."""
        blocks = readable_blocks(field)
        certificates = _certificates(field)
        if role == "certificate" or any(block.der in leaves for block in certificates):
            return self._of_leaf_or_key("certificate", field)
        if role == "private_key":
            return self._of_leaf_or_key(role, field)
        rest = parameters(blocks)
        keys = self.keys_like(blocks) if any(map(is_key, blocks)) else []
        anchors = [block for block in certificates if _is_self_issued(block)]
        if role == "certificate_chain" or len(anchors) < len(certificates) or not blocks:
            is_issuer_alone = len(certificates) == 1 and "issu" in str(field.path[-1]).lower()
            chain = self.chain[:1] if is_issuer_alone else self.chain
            return [*chain, *(anchors if role == "authorities" else []), *keys, *rest]
        return None

    def _of_leaf_or_key(self, role: Role, field: Field) -> list[PemBlock]:
        blocks = readable_blocks(field)
        certificates = _certificates(field)
        own = [self.leaf] if role == "certificate" or certificates else []
        own += self.chain if len(certificates) > 1 else []
        keys = self.keys_like(blocks) if role == "private_key" or any(map(is_key, blocks)) else []
        rest = parameters(blocks)
        return [*keys, *own, *rest] if blocks and is_key(blocks[0]) else [*own, *keys, *rest]


def encoded_like(text: str, blocks: t.Sequence[PemBlock]) -> str:
    """The blocks as PEM, as base64 of PEM or as base64 of DER, which is what the text is: of each, or of all in one."""
    pieces = [] if has_pem(text) else from_base64_each(text)
    if len(pieces) > 1:
        between = next((each for each in _BETWEEN if each in text), "\n")
        return between.join(encoded_like(base64.b64encode(pieces[0]).decode(), [block]) for block in blocks)
    decoded = pieces[0] if pieces else None
    if decoded is None:
        return "".join(block.encode().decode() for block in blocks)
    if has_pem(decoded):
        return base64.b64encode(b"".join(block.encode() for block in blocks)).decode()
    if der_blocks(decoded):
        # DER has no labels, and of keys it is PKCS#8 that every reader knows.
        return base64.b64encode(b"".join(block.der for block in blocks)).decode()
    inner = decoded.decode("latin-1")
    layered = from_base64(inner)
    if layered is None or not (has_pem(layered) or der_blocks(layered)):
        return "".join(block.encode().decode() for block in blocks)
    return base64.b64encode(encoded_like(inner, blocks).encode()).decode()


def parameters(blocks: t.Iterable[PemBlock]) -> list[PemBlock]:
    """What HAProxy reads from the file of a certificate, too, and no other certificate replaces."""
    return [block for block in blocks if block.label == "DH PARAMETERS"]


def readable_blocks(field: Field) -> list[PemBlock]:
    """Those of a field; none where it is damaged."""
    try:
        return field.blocks
    except MaterialError:
        return []


def _leaves(found: DocumentFields) -> set[bytes]:
    return {block.der for field in found.by_role.get("certificate", ()) for block in _certificates(field)[:1]}


def _certificates(field: Field) -> list[PemBlock]:
    return [block for block in readable_blocks(field) if block.label == CERTIFICATE]


def _is_self_issued(block: PemBlock) -> bool:
    try:
        return load_certificate(block.der).self_issued
    except MaterialError:
        return False
