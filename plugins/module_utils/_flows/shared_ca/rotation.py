# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaces a shared authority in steps, so that there is always one that everybody trusts.

    settled --publish--> published --promote--> promoted --finish--> settled

Published: the successor is trusted and issues nothing yet. Promoted: it issues, and the one before is trusted still.
Every step can be repeated, and completes what a killed one has begun. abort leads back: from published at once, from
promoted by promoting the one before, so that what the successor has issued stays good until finish.
"""

from __future__ import annotations

import typing as t

from ..._core.ca.issue import SigningAuthority
from ..._core.ca.keys import key_pem, profile_of
from ..._core.ca.profiles import Profile
from ..._core.instants import isoformat_utc
from ..._core.secrets.plan import CURRENT
from ..._core.secrets.shared import PENDING
from ..._core.shared_ca.state import ABORTED, RETIRING, Pair, State, key_of
from ..._errors import RotationError
from .steward import ClientWish, Planner, Steward, Write


class AuthorityRotation:
    """clients: all that follow the authority; at_once: whoever has what was there before may be refused on the way."""

    def __init__(self, steward: Steward, clients: t.Sequence[ClientWish], *, at_once: bool = False) -> None:
        self._steward = steward
        self._rehearsed = not at_once
        self._wishes = clients
        self._clients = [client.name for client in clients]
        self._ca_cert, self._ca_key = steward.names.ca_cert, steward.names.ca_key

    def publish(self, profile: Profile | None = None, imported: SigningAuthority | None = None) -> State:
        """Store a successor that is to be trusted. profile: None to make it like the authority that there is."""
        return self._settle(lambda state: self._publish_steps(state, profile, imported))

    def promote(self) -> State:
        """Let the successor issue, and give the clients certificates of it."""
        return self._settle(self._promote_steps)

    def finish(self) -> State:
        """End the trust in the authority before."""
        return self._settle(self._finish_steps)

    def abort(self) -> State:
        """Go back to the authority before."""
        return self._settle(self._abort_steps)

    def _settle(self, plan: Planner) -> State:
        return self._steward.settle(self._clients, plan, rehearsed=self._rehearsed)

    # -- the steps ----------------------------------------------------------------------------------------------

    def _publish_steps(
        self, state: State, profile: Profile | None, imported: SigningAuthority | None
    ) -> t.Iterator[Write]:
        steward, current = self._steward, self._current(state)
        if state.phase == "promoted":
            raise RotationError("The rotation before is not finished: finish it, then publish a successor.")
        if state.successor:
            self._usable(state.successor)
            yield from steward.crl_steps(state, (), refresh=True)
            return
        profile = profile or profile_of(current.certificate, self._ca_cert)
        given = "/".join(each.fingerprint_sha256 for each in imported.path) if imported else ""
        # What was given up is succeeded, too, or its successor would be itself.
        tokens = (current.version_id, state.labels.get(ABORTED, ""), given)
        key_token, own_token = steward.token(*tokens, "key"), steward.token(*tokens, "certificate")

        def new_key() -> str:
            return key_pem(imported.key) if imported else steward.new_key(profile)

        text = state.keys.version(key_token) if state.keys else None
        if state.keys is None:  # it was deleted
            yield lambda: steward.create(self._ca_key, new_key)
        elif text is None:
            yield lambda: steward.put(self._ca_key, new_key, token=key_token, label=PENDING)
        else:
            key = key_of(text, self._ca_key)
            certificate = steward.authority_for(key, profile, imported, current.certificate)
            yield lambda: steward.put(self._ca_cert, certificate, token=own_token, label=PENDING)

    def _promote_steps(self, state: State) -> t.Iterator[Write]:
        steward, current, successor = self._steward, self._current(state), state.successor
        if successor is None and state.retiring is None:
            raise RotationError("There is no successor to promote: publish one first.")
        if successor is not None:
            self._usable(successor)
            keys = state.keys.labels if state.keys else {}
            if keys.get(PENDING) != successor.key_version_id and keys.get(CURRENT) != successor.key_version_id:
                yield lambda: steward.move(self._ca_key, PENDING, successor.key_version_id, keys)
            if state.labels.get(RETIRING) != current.version_id:
                yield lambda: steward.move(self._ca_cert, RETIRING, current.version_id, state.labels)
            if current.key_version_id and keys.get(RETIRING) != current.key_version_id:
                yield lambda: steward.move(self._ca_key, RETIRING, current.key_version_id, keys)
            yield lambda: steward.move(self._ca_cert, CURRENT, successor.version_id, state.labels)
        yield from self._follow_steps(state)

    def _follow_steps(self, state: State) -> t.Iterator[Write]:
        """Keys, clients and revocation lists follow the authority that issues."""
        steward, current = self._steward, self._current(state)
        keys = state.keys.labels if state.keys else {}
        if current.key_version_id and keys.get(CURRENT) != current.key_version_id:
            yield lambda: steward.move(self._ca_key, CURRENT, current.key_version_id, keys)
        if state.successor is None:
            yield from self._drop_steps(self._ca_cert, PENDING, state.labels)
            yield from self._drop_steps(self._ca_key, PENDING, keys)
        for wish in self._wishes:
            yield from steward.client_steps(state, wish)
            yield from steward.tidy_client_steps(state.clients[wish.name])
        yield from steward.crl_steps(state, (), refresh=True)

    def _finish_steps(self, state: State) -> t.Iterator[Write]:
        if state.phase == "published":
            raise RotationError("The successor issues nothing yet: promote it, or abort.")
        yield from self._follow_steps(state)
        yield from self._drop_steps(self._ca_cert, RETIRING, state.labels)
        yield from self._drop_steps(self._ca_key, RETIRING, state.keys.labels if state.keys else {})

    def _abort_steps(self, state: State) -> t.Iterator[Write]:
        steward, current = self._steward, self._current(state)
        successor, retiring = state.successor, state.retiring
        going_back = state.labels.get(ABORTED) == current.version_id
        if going_back and successor:
            yield from self._promote_steps(state)
        elif successor:
            yield lambda: steward.move(self._ca_cert, ABORTED, successor.version_id, state.labels)
        elif retiring and retiring.version_id != state.labels.get(ABORTED):
            if not going_back:
                yield lambda: steward.move(self._ca_cert, ABORTED, current.version_id, state.labels)
            self._usable(retiring)
            yield lambda: steward.move(self._ca_cert, PENDING, retiring.version_id, state.labels)
        else:
            if state.labels.get(RETIRING) == current.version_id:  # its promotion had begun
                yield from self._drop_steps(self._ca_cert, RETIRING, state.labels)
                yield from self._drop_steps(self._ca_key, RETIRING, state.keys.labels if state.keys else {})
            yield from self._follow_steps(state)

    # -- what the steps share -----------------------------------------------------------------------------------

    def _drop_steps(self, name: str, label: str, labels: t.Mapping[str, str]) -> t.Iterator[Write]:
        if label in labels:
            yield lambda: self._steward.move(name, label, None, labels)

    def _current(self, state: State) -> Pair:
        if state.current is None:
            raise RotationError(f"There is no authority in {self._ca_cert}: create one first (module shared_ca).")
        return state.current

    def _usable(self, pair: Pair) -> None:
        if pair.problems or pair.certificate is None:
            why = " ".join(problem.message for problem in pair.problems)
            raise RotationError(f"The authority to follow in {self._ca_cert} cannot be used: {why} Abort the rotation.")
        at = self._steward.at
        if pair.certificate.not_after < at:
            end = isoformat_utc(pair.certificate.not_after)
            raise RotationError(f"The authority to follow in {self._ca_cert} expired on {end}: abort the rotation.")
        if pair.certificate.not_before > at:
            start = isoformat_utc(pair.certificate.not_before)
            raise RotationError(
                f"The authority to follow in {self._ca_cert} is valid from {start} on: check this host's clock. If it"
                " is right, that of whoever published the authority was wrong: abort the rotation."
            )
