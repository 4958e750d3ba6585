# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document in which a secret keeps an issued certificate: this collection's own, with ``acme`` beside it.

``acme`` tells by which directory and for which profile it was issued. What else is in the document is the user's, and
is kept.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..secrets.content import NewContent
from ..secrets.merging import MergedContent, as_text, merged, stored_document, stored_domain_name
from ..secrets.plan import secret_document
from ..x509.field_names import FIELDS
from ..x509.names import covers
from ..x509.problems import MaterialError

if t.TYPE_CHECKING:
    from ..x509.bundle import CertificateBundle
    from ..x509.document import CertificateMaterial
    from ..x509.fields import FieldMap

Fields = t.Mapping[str, t.Any]
_ACME: t.Final = "acme"
_CERTIFICATE_PEM: t.Final = "-----BEGIN CERTIFICATE-----"


def document_fields(value: str | bytes) -> Fields:
    """Of the JSON object that a secret holds; none when it holds something else."""
    text = as_text(value)
    return (stored_document(text) if text is not None else None) or {}


def issued_by(fields: Fields) -> tuple[str | None, str | None]:
    """Directory and profile, as far as the document says."""
    told = fields.get(_ACME)
    directory, profile = (told.get("directory"), told.get("profile")) if isinstance(told, dict) else (None, None)
    return (
        directory if isinstance(directory, str) and directory else None,
        profile if isinstance(profile, str) and profile else None,
    )


def issued_documents(
    before: str | bytes,
    bundle: CertificateBundle,
    first_domain: str,
    directory: str | None,
    profile: str | None,
    fields: FieldMap | None = None,
) -> t.Iterator[str | bytes]:
    """The document's text, the same for the same content, and what else it may be where hosts cannot read that.

    The first has the certificate wherever the document before it had one; the second in fields of this collection's
    own, beside all others; the last has nothing else. before: the value that it replaces, "" for none.
    A domain_name that was there stays, for files of hosts may be named after it, as long as the certificate covers it.
    directory: None when it is not known; fields: where documents keep their own. Raises RotationError when AWS would
    not take it.
    """
    kept = _domain_name(before, fields)
    leaf = bundle.leaf
    is_kept = kept and covers(leaf.dns_names, leaf.ip_addresses, kept)
    others = document_fields(before)
    told = others.get(_ACME)
    more = {_ACME: {**(told if isinstance(told, dict) else {}), "directory": directory, "profile": profile}}
    wanted = MergedContent(NewContent(bundle), None if is_kept else first_domain, more=more)
    with contextlib.suppress(MaterialError):
        document = merged(before, wanted, fields) if others else None
        if document is not None:
            yield document
    files = {part: data.decode() for part, data in bundle.render("lineage").items()}
    own = {
        "certificate": files["cert"],
        "certificate_chain": files["chain"],
        "private_key": files["privkey"],
        "domain_name": kept if is_kept else first_domain,
        **more,
    }
    with contextlib.suppress(MaterialError):
        yield secret_document({**others, **own})
    yield secret_document(own)


def _domain_name(value: str | bytes, fields: FieldMap | None) -> str | None:
    try:
        return stored_domain_name(value, fields)
    except MaterialError:
        return None


def why_not_replaced(value: str | bytes, material: CertificateMaterial | MaterialError) -> str | None:
    """Why a secret with this value is not one to put a certificate into, None when it is: because it holds one, or
    nothing. material: what the value was read into, or why that is impossible.
    """
    if not isinstance(material, MaterialError):
        is_authority = all(each.is_ca and not each.subject_alternative_names for each in material.certificates)
        return "it holds a certificate authority with its key" if is_authority else None
    fields = document_fields(value)
    if fields:
        others = any(key not in FIELDS and key != _ACME for key in fields)
        if fields.get("certificate") or not (others or fields.get("private_key")):
            return None
        return "it holds a document without a certificate"
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if _CERTIFICATE_PEM in text or text.strip("\ufeff \t\r\n") in ("", "{}"):
        return None
    return "what it holds is no certificate"
