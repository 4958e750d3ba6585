# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be issued, by whom, and what is held of it already."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from ..x509.bundle import CertificateBundle

KeyType = t.Literal["ec256", "ec384", "rsa2048", "rsa3072", "rsa4096"]
KEY_TYPES: t.Final[tuple[KeyType, ...]] = ("ec256", "ec384", "rsa2048", "rsa3072", "rsa4096")
ChallengeType = t.Literal["dns-01", "http-01", "dns-persist-01"]
CHALLENGES: t.Final[tuple[ChallengeType, ...]] = ("dns-01", "http-01", "dns-persist-01")


@dataclass(frozen=True)
class WantedCertificate:
    """One certificate as the user wants it.

    name: of its secret, by which it is known everywhere; identifiers: DNS names (A-labels, lower case, with or without
    a leading ``*.``) and IP addresses (as ipaddress writes them), in the order given, without repetitions; profile: of
    the CA (ACME profiles extension), None for the issuer's; stores: names of the stores that are to have it, None for
    all; renew_before: days before its end, None for the policy of the run.
    """

    name: str
    identifiers: tuple[str, ...]
    key_type: KeyType = "ec256"
    profile: str | None = None
    stores: tuple[str, ...] | None = None
    renew_before: int | None = None

    @property
    def first_domain(self) -> str:
        """What messages and S3 call it by."""
        return self.identifiers[0]


@dataclass(frozen=True)
class Issuer:
    """An ACME CA and how it is used.

    directory: URL of its directory; account_secret, eab_secret: names of secrets; profile: asked for where the
    certificate names none; preferred_chain: common name of the issuer at the top of the chain that is wanted where the
    CA offers several; ca_bundle: path of PEM trust anchors for its HTTPS, None for the system's.
    """

    directory: str
    account_secret: str
    eab_secret: str | None = None
    profile: str | None = None
    preferred_chain: str | None = None
    ca_bundle: str | None = None


@dataclass(frozen=True)
class HeldCertificate:
    """What the truth (Secrets Manager) holds for a name. bundle: None when what is there cannot be served any more, or
    read at all (then why tells it); has_ended: it
    could be, but for its end; directory, profile: by which CA and for which profile it was issued, None when the
    document does not say; version_id: of the secret; refusal: why nothing may be stored under this name, so that
    nothing may be issued for it either."""

    bundle: CertificateBundle | None
    directory: str | None = None
    profile: str | None = None
    version_id: str | None = None
    arn: str | None = None
    why: str | None = None
    refusal: str | None = None
    has_ended: bool = False
