# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME CA that is asked about accounts, with whatever key."""

from __future__ import annotations

import typing as t

from ..._core.ca.keys import key_pem, quick_key
from ..._core.ca.profiles import KeySpec
from .account import deactivate_account, find_account, register_account, roll_over, update_contacts
from .client import AcmeClient, signing_key

if t.TYPE_CHECKING:
    from ..._core.acme.account import AcmeAccount, ExternalAccount
    from ..._core.acme.authority import DirectoryFacts
    from ..._core.acme.wanted import Issuer
    from .network import AcmeLimits


class AcmeAccounts:
    """The AccountAuthority of an issuer (see there). limits: None for the client's own."""

    def __init__(self, issuer: Issuer, limits: AcmeLimits | None = None) -> None:
        self._issuer = issuer
        self._limits = limits
        self._facts: DirectoryFacts | None = None

    def facts(self) -> DirectoryFacts:
        if self._facts is None:
            key = signing_key(key_pem(quick_key(KeySpec("ec", 256))))  # nothing is signed with it
            with AcmeClient(
                self._issuer.directory, key, ca_bundle=self._issuer.ca_bundle, limits=self._limits
            ) as client:
                self._facts = client.directory_document().facts
        return self._facts

    def find(self, key_pem: str) -> AcmeAccount | None:
        return find_account(self._issuer, key_pem, limits=self._limits)

    def register(
        self,
        key_pem: str,
        *,
        contacts: t.Sequence[str],
        terms_agreed: bool,
        external_account: ExternalAccount | None,
    ) -> AcmeAccount:
        return register_account(
            self._issuer,
            key_pem,
            contacts=contacts,
            terms_agreed=terms_agreed,
            external_account=external_account,
            limits=self._limits,
        )

    def set_contacts(self, account: AcmeAccount, contacts: t.Sequence[str]) -> AcmeAccount:
        return update_contacts(self._issuer, account, contacts, limits=self._limits)

    def deactivate(self, account: AcmeAccount) -> None:
        deactivate_account(self._issuer, account, limits=self._limits)

    def change_key(self, account: AcmeAccount, new_key_pem: str) -> AcmeAccount:
        return roll_over(self._issuer, account, new_key_pem, limits=self._limits)
