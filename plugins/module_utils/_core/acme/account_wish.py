# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wanted of an ACME account, and what became of that."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .account import AcmeAccount

if t.TYPE_CHECKING:
    from datetime import timedelta

    from .account import AccountStatus
    from .account_secret import AccountDocument
    from .wanted import KeyType

#: found: the CA has an account for the stored key, which was not known here.
AccountAction = t.Literal["registered", "found", "contacts_changed", "key_changed", "deactivated", "unchanged"]


@dataclass(frozen=True)
class AccountWish:
    """directory: its URL; secret, eab_secret: names; contacts: URLs, None to leave them as they are; terms_agreed: to
    the terms of service, which a registration needs; key_type: of new keys; key_lifetime: after which the key is
    exchanged, None for never."""

    directory: str
    secret: str
    eab_secret: str | None = None
    contacts: tuple[str, ...] | None = None
    terms_agreed: bool = False
    key_type: KeyType = "ec256"
    key_lifetime: timedelta | None = None


@dataclass(frozen=True)
class AccountReport:
    """directory: as it was asked for; document: None when there is no account, also where check mode predicts one;
    status: as the CA says it; before: the document as it was found."""

    directory: str
    document: AccountDocument | None
    status: AccountStatus | None
    action: AccountAction
    warnings: tuple[str, ...] = ()
    before: AccountDocument | None = None

    @property
    def account(self) -> AcmeAccount | None:
        """As a CertificateAuthority is opened with it; None when there is none to order with."""
        document = self.document
        if document is None or document.url is None or self.status != "valid":
            return None
        return AcmeAccount(self.directory, document.url, document.key_pem, document.contacts or ())

    @property
    def changed(self) -> bool:
        return self.action != "unchanged"
