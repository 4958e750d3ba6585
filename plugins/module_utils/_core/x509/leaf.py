# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the given certificates is the leaf."""

from __future__ import annotations

import typing as t

from .called import name_list
from .certificate import Certificate
from .document import CertificateMaterial
from .problems import Problem, error


def find_leaf(material: CertificateMaterial) -> Certificate | Problem:
    """The one certificate that is not an authority, or why there is no such one.

    One that says it is an authority is the leaf where it has names of servers, the key belongs to it, and the document
    says so: by its field, or as the first one of a PEM text, which HAProxy takes for the leaf, too.
    """
    certificates = tuple(dict.fromkeys(material.certificates))
    said = _said(material)
    if len(certificates) == 1 and certificates[0].self_signed:
        return certificates[0]
    leaves = [certificate for certificate in certificates if not certificate.is_ca or certificate == said]
    if len(leaves) > 1:  # an intermediate that lacks its CA flag is not a second leaf
        leaves = [leaf for leaf in leaves if not any(_issued(leaf, other) for other in certificates)] or leaves
    if not leaves:
        names = name_list(certificates, certificates)
        return error(
            "leaf_is_ca",
            f"The leaf is missing: {names} can only issue certificates. Store the server's own, first, with its key.",
        )
    if len(leaves) > 1:
        names = name_list(leaves, certificates)
        return error(
            "multiple_leaves",
            f"There are {len(leaves)} leaf certificates ({names}): store one of them with its chain.",
        )
    return leaves[0]


def _said(material: CertificateMaterial) -> Certificate | None:
    position = material.declared_leaf
    if position is None and not material.ordered:
        return None
    certificate = material.certificates[position or 0]
    has_key = material.private_key is None or _belongs(material.private_key, certificate)
    return certificate if has_key and certificate.subject_alternative_names else None


def _belongs(private_key: t.Any, certificate: Certificate) -> bool:
    key = certificate.public_key
    return key is not None and hasattr(private_key, "public_key") and bool(private_key.public_key() == key)


def _issued(issuer: Certificate, other: Certificate) -> bool:
    return other != issuer and other.issuer_name == issuer.subject_name and other.signature_by(issuer) == "signed"
