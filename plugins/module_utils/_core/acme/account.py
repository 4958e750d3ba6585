# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account at an ACME CA, as it is kept. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

HmacAlgorithm = t.Literal["HS256", "HS384", "HS512"]
HMAC_ALGORITHMS: t.Final[tuple[HmacAlgorithm, ...]] = ("HS256", "HS384", "HS512")
AccountStatus = t.Literal["valid", "deactivated", "revoked"]


@dataclass(frozen=True)
class AcmeAccount:
    """directory: URL of the CA's directory; url: of the account there; key_pem: its private key, PKCS #8, in clear, EC
    P-256, P-384, P-521 or RSA; contacts: URLs such as mailto:ops@example.com, as the CA has them."""

    directory: str
    url: str
    key_pem: str = field(repr=False)
    contacts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExternalAccount:
    """What a CA has given out to bind accounts to its customer (RFC 8555 section 7.3.4). key_id: its kid; hmac_key:
    base64url, padded or not."""

    key_id: str
    hmac_key: str = field(repr=False)
    algorithm: HmacAlgorithm = "HS256"


@dataclass(frozen=True)
class AccountStanding:
    """What the CA says of an account."""

    status: AccountStatus
    contacts: tuple[str, ...] = ()
