# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a secret's value to a certificate that may be served. Loads cryptography: import it only when there is work."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime

from ..x509.bundle import CertificateBundle
from ..x509.document import CertificateMaterial, parse_secret
from ..x509.fields import FieldMap
from ..x509.loadable import WhyNotLoaded
from ..x509.opener import Opener
from ..x509.problems import MaterialError, Problem
from ..x509.verify import VerificationPolicy, build_bundle


@dataclass(frozen=True)
class SecretVerifier:
    """policy: what certificates are held to; opener: of what is encrypted; why_not_loaded: asks OpenSSL.

    fields: where other schemas keep theirs.
    """

    policy: VerificationPolicy
    opener: Opener
    why_not_loaded: WhyNotLoaded
    fields: FieldMap | None = None

    def verify(
        self, value: str | bytes, *, at: datetime, load: bool = True
    ) -> tuple[CertificateBundle | None, list[Problem]]:
        """The bundle (None when it must not be served) and all that is wrong or noteworthy.

        load: whether OpenSSL is asked, too; without it that is the caller's duty, see loading_problems.
        """
        try:
            material = self.parse(value)
        except MaterialError as error:
            return None, [error.problem]
        return build_bundle(material, self.policy, at=at, why_not_loaded=self.why_not_loaded if load else None)

    def parse(self, value: str | bytes) -> CertificateMaterial:
        """What is there, unverified. Raises MaterialError."""
        return parse_secret(value, self.opener, fields=self.fields)


def field_map(expressions: t.Mapping[str, str | None]) -> FieldMap | None:
    """Raises InvalidOption for a bad expression."""
    given = {name: expression for name, expression in expressions.items() if expression}
    return FieldMap(given) if given else None
