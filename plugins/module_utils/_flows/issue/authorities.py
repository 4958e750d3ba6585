# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CAs of a run, each spoken to when it is needed and not before, with its account."""

from __future__ import annotations

import typing as t

from ..._core.acme.when import same_directory
from ..._core.unexpected import only_rotation_errors
from ..._errors import RotationError

if t.TYPE_CHECKING:
    from ..._core.acme.authority import CertificateAuthority
    from ..._core.acme.wanted import Issuer

#: Raises RotationError; None where there is no account yet and none is to be registered.
OpenAuthority = t.Callable[["Issuer", bool], "CertificateAuthority | None"]


class Authorities:
    """open_authority: of an issuer, and whether its account is to be registered where there is none."""

    def __init__(self, issuers: t.Sequence[Issuer], open_authority: OpenAuthority) -> None:
        self.issuers = tuple(issuers)
        self._open = open_authority
        self._opened: dict[str, CertificateAuthority] = {}
        self._believed: set[str] = set()
        self._left: list[CertificateAuthority] = []
        self._failed: dict[str, RotationError] = {}

    @property
    def requests(self) -> int:
        """HTTP requests sent to all of them so far."""
        return sum(authority.requests for authority in (*self._left, *self._opened.values()))

    def get(self, issuer: Issuer, *, register: bool) -> CertificateAuthority | None:
        """Raises RotationError: AcmeError where the CA is the reason. What failed once in a run is not tried again."""
        key = issuer.directory
        if key in self._failed:
            raise self._failed[key]
        if key not in self._opened:
            try:
                with only_rotation_errors():
                    authority = self._open(issuer, register)
            except RotationError as error:
                self._failed[key] = error
                raise
            if authority is None:
                return None
            self._opened[key] = authority
            if not register:
                self._believed.add(key)
        return self._opened[key]

    def registered_anew(self, issuer: Issuer) -> CertificateAuthority | None:
        """Where the CA does not know the account that was believed to be there; None where it was asked for already.

        Raises as get does.
        """
        key = issuer.directory
        if key not in self._believed:
            return None
        self._believed.discard(key)
        self._left.append(self._opened.pop(key))
        return self.get(issuer, register=True)

    def find(self, issuer: Issuer) -> CertificateAuthority | None:
        """With an account that is there already; None also where that cannot be told."""
        try:
            return self.get(issuer, register=False)
        except RotationError:
            return None

    def issuer_of(self, directory: str | None) -> Issuer | None:
        """The configured one with this directory."""
        if directory is None:
            return None
        return next((each for each in self.issuers if same_directory(each.directory, directory)), None)
