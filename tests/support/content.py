# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content of secrets, read and judged with the ports that modules use."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.verify import SecretVerifier
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import (
    CertificateMaterial,
    FieldMap,
    parse_secret,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import Problem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.verify import VerificationPolicy, build_bundle
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.loadable import why_not_loaded
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener


def parsed(
    value: str | bytes, *, fields: FieldMap | None = None, passphrase: bytes | None = None
) -> CertificateMaterial:
    return parse_secret(value, ProcessOpener(passphrase), fields=fields)


def judged(
    material: CertificateMaterial, *, at: datetime.datetime, **policy: t.Any
) -> tuple[CertificateBundle | None, list[Problem]]:
    """policy: fields of VerificationPolicy."""
    return build_bundle(material, VerificationPolicy(**policy), at=at, why_not_loaded=why_not_loaded)


def secret_verifier(passphrase: bytes | None = None, **policy: t.Any) -> SecretVerifier:
    """policy: fields of VerificationPolicy."""
    return SecretVerifier(VerificationPolicy(**policy), ProcessOpener(passphrase), why_not_loaded)
