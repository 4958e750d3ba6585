# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What TLS peers that have just what is stored would refuse."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ..ca.judge import is_issued_by, refusal
from ..ca.trial import PURPOSES, trial_refusal
from ..ca.trust import WhyRefused
from .state import State

#: What is refused -> a sentence about it.
Refusals = t.Mapping[tuple[str, str], str]


def refusals(state: State, at: datetime, why_refused: WhyRefused) -> Refusals:
    """Of what each trusted authority would issue now, and of the clients that they have issued and nobody has revoked.

    Raises RotationError.
    """
    found: dict[tuple[str, str], str] = {}
    for issuer in state.issuers():
        authority = issuer.certificate
        for purpose in PURPOSES if authority.not_after > at else ():
            reason = trial_refusal(issuer, purpose, state.trust, at, why_refused)
            if reason is not None:
                found[(authority.fingerprint_sha256, purpose)] = (
                    f"A TLS {purpose}'s certificate of the authority '{authority.name}'"
                    f" ({authority.fingerprint_sha256[:12]}) is refused: {reason}."
                )
    for client in state.clients.values():
        leaf, key = (client.pair.certificate, client.pair.key) if client.pair else (None, None)
        if leaf is None or state.is_revoked(leaf) or not any(is_issued_by(leaf, each) for each in state.trusted):
            continue
        reason = refusal(leaf, key, "client", state.trust, at, why_refused)
        if reason is not None:
            found[(client.name, "client")] = f"The certificate of the client {client.name} is refused: {reason}."
    return found
