# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME account, as it is used to order."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AcmeAccount:
    """directory: URL of the CA's directory; url: of the account there; key_pem: its private key, PKCS #8, in clear: EC
    P-256, P-384, P-521, or RSA of 2048 bits or more."""

    directory: str
    url: str
    key_pem: str = field(repr=False)
