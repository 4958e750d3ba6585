# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the CA has issued, held to the rules of everything that is served here, before any store sees it."""

from __future__ import annotations

import typing as t

from ..._core.acme.when import names_of
from ..._core.ca.keys import key_pem
from ..._core.x509.certificate import load_certificate
from ..._core.x509.document import CertificateMaterial
from ..._core.x509.keys import load_private_key
from ..._core.x509.pem import CERTIFICATE, parse_pem
from ..._core.x509.problems import MaterialError
from ..._core.x509.verify import VerificationPolicy, build_bundle
from ..._errors import RotationError
from ..._ports.openssl.loadable import why_not_loaded

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..._core.x509.bundle import CertificateBundle
    from .orders import OrderAttempt

#: Where the chain ends is the CA's matter: it was chosen by its directory, whose HTTPS was verified.
_POLICY: t.Final = VerificationPolicy()


class NotServable(RotationError):
    """The CA has issued something that must not be stored."""


def received(attempt: OrderAttempt, at: datetime) -> CertificateBundle:
    """Of an attempt with a chain. Raises NotServable that names what is wrong with it."""
    try:
        blocks = parse_pem(attempt.chain or "")
        certificates = tuple(load_certificate(block.der) for block in blocks if block.label == CERTIFICATE)
        key, pem = load_private_key(parse_pem(key_pem(attempt.key)))
    except MaterialError as error:
        raise _refused(attempt, [error.message]) from None
    material = CertificateMaterial(certificates, key, pem, declared_leaf=0 if certificates else None)
    bundle, problems = build_bundle(material, _POLICY, at=at, why_not_loaded=why_not_loaded)
    if bundle is None:
        errors = [f"{each.message} [{each.code}]" for each in problems if each.severity == "error"]
        raise _refused(attempt, errors)
    has, wants = names_of(bundle), frozenset(attempt.wanted.identifiers)
    if has != wants:
        lacks, surplus = ", ".join(sorted(wants - has)), ", ".join(sorted(has - wants))
        told = [f"it lacks {lacks}"] * bool(lacks) + [f"it has {surplus}, which was not asked for"] * bool(surplus)
        raise _refused(attempt, [f"Its names are others than asked for: {'; '.join(told)}."])
    return bundle


def _refused(attempt: OrderAttempt, why: t.Sequence[str]) -> NotServable:
    return NotServable(
        f"What {attempt.issuer.directory} has issued for {attempt.wanted.first_domain} must not be served, and is not"
        f" stored: {' '.join(why)}"
    )
