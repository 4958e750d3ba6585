# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a private authority issues: subjects, keys and lifetimes, with the defaults of a small fleet."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

try:
    from cryptography import x509
    from cryptography.x509.oid import NameOID
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption

#: The last two follow imported authorities that have such keys.
KeyKind = t.Literal["rsa", "ec", "ed25519", "ed448"]
KEY_SIZES: t.Final[dict[str, tuple[int, ...]]] = {
    "rsa": (2048, 3072, 4096),
    "ec": (256, 384, 521),
    "ed25519": (256,),
    "ed448": (448,),
}


@dataclass(frozen=True)
class KeySpec:
    """size: bits of the RSA modulus, or of the NIST curve. Raises InvalidOption for what clients would refuse."""

    kind: KeyKind = "rsa"
    size: int = 2048

    def __post_init__(self) -> None:
        if self.size not in KEY_SIZES[self.kind]:
            sizes = ", ".join(map(str, KEY_SIZES[self.kind]))
            raise InvalidOption(f"A key of type {self.kind} has {sizes} bits, not {self.size}.")


@dataclass(frozen=True)
class Subject:
    """A distinguished name. Parts that are empty are left out."""

    common_name: str
    organizational_unit: str = ""
    organization: str = "Joblet"
    locality: str = "Los Angeles"
    state: str = "CA"
    country: str = "US"

    def name(self) -> x509.Name:
        """In the usual order, from the country down. Raises InvalidOption for a part that X.509 has no room for."""
        parts = (
            (NameOID.COUNTRY_NAME, self.country),
            (NameOID.STATE_OR_PROVINCE_NAME, self.state),
            (NameOID.LOCALITY_NAME, self.locality),
            (NameOID.ORGANIZATION_NAME, self.organization),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, self.organizational_unit),
            (NameOID.COMMON_NAME, self.common_name),
        )
        try:
            return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value])
        except ValueError as error:
            raise InvalidOption(f"The subject cannot be written in a certificate: {error}.") from None


@dataclass(frozen=True)
class Profile:
    """subject: an x509.Name; validity: from now on."""

    subject: x509.Name
    key: KeySpec
    validity: datetime.timedelta


def days(count: int, option: str = "validity_days") -> datetime.timedelta:
    """Raises InvalidOption for a lifetime that is none, or that X.509 has no dates for."""
    if not 1 <= count <= 36500:
        raise InvalidOption(f"{option}: {count} is no number of days from 1 to 36500.")
    return datetime.timedelta(days=count)
