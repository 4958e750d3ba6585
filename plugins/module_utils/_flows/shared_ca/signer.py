# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may read the authority's key issues server certificates for hosts that may not."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._core.ca.issue import issue_server
from ..._core.ca.names import alternative_names
from ..._core.ca.profiles import Profile
from ..._core.ca.request import Allowed, read_request
from ..._core.x509.certificate import Certificate
from ..._core.x509.verify import VerificationPolicy, strength_problems
from ..._errors import RotationError
from .member import require_authority
from .steward import Steward

if t.TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True)
class Signer:
    """profile: of what it issues; successor: have the successor issue, where there is one."""

    steward: Steward
    profile: Profile
    successor: bool = False

    def sign(self, request: str, may_have: Allowed) -> Certificate:
        """request: PEM. Nothing is stored. Raises InvalidOption and RotationError."""
        asked = read_request(request)
        refused = may_have.refused(asked)
        if refused:
            raise RotationError(
                f"The host may not have the names {', '.join(refused)}: add them to names, or what covers them to"
                " allowed_names, or let the host not ask for them."
            )
        leaf = self._issue(asked.public_key, alternative_names(str(name.value) for name in asked.names))
        weak = [each.message for each in strength_problems(leaf, VerificationPolicy()) if each.code == "weak_key"]
        if weak:
            raise RotationError(f"request: {' '.join(weak)}")
        return leaf

    def _issue(self, public_key: t.Any, names: t.Sequence[x509.GeneralName]) -> Certificate:
        at, state = self.steward.at, self.steward.look(())
        pair = (self.successor and state.successor) or state.current
        require_authority(state, pair, at)
        if pair is None or pair.issuer is None:
            raise RotationError(f"{state.names.ca_key} has just been replaced. Run again.")
        return issue_server(pair.issuer, public_key, self.profile.subject, self.profile.validity, at, names)
