# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The orders of a batch at one CA, all advancing together (RFC 8555 section 7.1.6)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ..._core.acme.csr import csr_der, key_spec
from ..._core.acme.limits import refused_scope
from ..._core.ca.keys import KeyMaker, generate_key
from ..._errors import AcmeError, RotationError
from .run_time import RunEnds, RunTime, concurrently

if t.TYPE_CHECKING:
    from ..._core.acme.authority import Authorization, CertificateAuthority, Challenge, Order
    from ..._core.acme.wanted import ChallengeType, Issuer, WantedCertificate

#: Failures of the CA that the question after an order outlives, for what it has issued is not to be lost.
_PATIENCE: t.Final = 3
#: Seconds, where the CA does not say when.
_FIRST_POLL: t.Final = 0.3
_LONGEST_PAUSE: t.Final = 10.0
_AFTER_A_MISS: t.Final = 1.0


@dataclass(frozen=True)
class OrderWish:
    """An order to be made. replaces: id of the certificate that it renews (RFC 9773), for the CA that issued it."""

    wanted: WantedCertificate
    replaces: str | None = None


@dataclass(frozen=True)
class NameProof:
    """How to show that a name is ours. identifier: without ``*.``; value: of the TXT record of dns-01, else ""."""

    identifier: str
    challenge: Challenge
    value: str = ""


@dataclass
class OrderAttempt:
    """One certificate on its way at one CA. key: its private key; proofs: those that the CA still wants; chain: PEM,
    once it is issued; error: why it is not going on."""

    wanted: WantedCertificate
    issuer: Issuer
    order: Order
    key: t.Any = field(repr=False)
    proofs: tuple[NameProof, ...] = ()
    is_resumed: bool = False
    chain: str | None = None
    error: RotationError | None = None
    next_poll: float = 0.0
    polls: int = 0
    misses: int = 0

    @property
    def profile(self) -> str | None:
        """That the CA was asked for."""
        return self.wanted.profile or self.issuer.profile

    @property
    def is_going_on(self) -> bool:
        return self.error is None and self.chain is None


class Orders:
    """authority: of the issuer; threads: requests at the same time; make_key: of the certificates."""

    def __init__(
        self,
        authority: CertificateAuthority,
        issuer: Issuer,
        challenge: ChallengeType,
        run_time: RunTime,
        *,
        threads: int = 16,
        make_key: KeyMaker = generate_key,
    ) -> None:
        self._authority = authority
        self._issuer = issuer
        self._challenge = challenge
        self._time = run_time
        self._threads = threads
        self._make_key = make_key
        self._limit: AcmeError | None = None

    def place(self, wishes: t.Sequence[OrderWish]) -> list[OrderAttempt | RotationError]:
        """An order for each, in order, or why there is none."""
        return concurrently(self._place, wishes, self._threads, self._time)

    def resume(self, attempts: t.Sequence[OrderAttempt]) -> list[OrderAttempt | RotationError]:
        """Orders that an earlier run has made, as they stand now. AcmeError "gone" for those that lead nowhere."""
        return concurrently(self._resume, attempts, self._threads, self._time)

    def answer(self, attempts: t.Sequence[OrderAttempt]) -> None:
        """Tell the CA that the proofs are there."""
        going_on = [attempt for attempt in attempts if attempt.is_going_on]
        self._each(self._answer, going_on, patience=0)

    def finish(
        self, attempts: t.Sequence[OrderAttempt], before_finalize: t.Callable[[t.Sequence[OrderAttempt]], None]
    ) -> None:
        """Poll all in one loop, each when the CA says so, finalize what is ready and fetch what is issued.

        before_finalize: called with those that are about to be; what it raises ends all. Afterwards each has its chain
        or its error.
        """
        going_on = [attempt for attempt in attempts if attempt.is_going_on]
        while going_on:
            try:
                self._time.pause(max(0.0, min(map(self._pause_before, going_on))))
            except RunEnds as end:
                for attempt in going_on:
                    attempt.error = end
                return
            due = [attempt for attempt in going_on if self._pause_before(attempt) <= 0]
            self._each(self._poll, [attempt for attempt in due if attempt.order.status in ("pending", "processing")])
            ready = [attempt for attempt in due if attempt.is_going_on and attempt.order.status == "ready"]
            if ready:
                before_finalize(ready)
                self._each(self._finalize, ready)
            self._each(self._fetch, [a for a in due if a.is_going_on and a.order.status == "valid"])
            going_on = [attempt for attempt in going_on if attempt.is_going_on]

    # -- one of them --------------------------------------------------------------------------------------------

    def _place(self, wish: OrderWish) -> OrderAttempt:
        wanted = wish.wanted
        if self._limit is not None:  # it was told once, and wants to be left alone
            raise self._limit
        key = self._make_key(key_spec(wanted.key_type))
        try:
            order = self._authority.new_order(
                wanted.identifiers, profile=wanted.profile or self._issuer.profile, replaces=wish.replaces
            )
        except AcmeError as error:
            if error.fault == "rate_limited" and refused_scope(error)[0] == "account":
                self._limit = error
            raise
        return self._with_proofs(OrderAttempt(wanted, self._issuer, order, key))

    def _resume(self, attempt: OrderAttempt) -> OrderAttempt:
        order = self._authority.order(attempt.order.url)
        resumed = self._with_proofs(replace(attempt, order=order, is_resumed=True))
        if resumed.order.status == "invalid":
            raise self._why_invalid(resumed)
        return resumed

    def _with_proofs(self, attempt: OrderAttempt) -> OrderAttempt:
        if attempt.order.status == "pending":
            authorizations = [self._authority.authorization(url) for url in attempt.order.authorizations]
            if any(authorization.status not in ("pending", "valid") for authorization in authorizations):
                raise self._not_authorized(attempt, authorizations)
            pending = [authorization for authorization in authorizations if authorization.status == "pending"]
            attempt.proofs = tuple(self._proof(authorization) for authorization in pending)
        return attempt

    def _proof(self, authorization: Authorization) -> NameProof:
        """Raises AcmeError where the CA does not offer the kind of challenge. It may offer kinds unknown here."""
        name = _shown(authorization)
        for challenge in authorization.challenges:
            if challenge.type == self._challenge:
                is_dns = self._challenge == "dns-01"
                value = self._authority.txt_value(challenge.token) if is_dns else ""
                return NameProof(authorization.identifier, challenge, value)
        offered = ", ".join(challenge.type for challenge in authorization.challenges) or "none"
        raise AcmeError(
            f"{self._issuer.directory} does not offer the challenge {self._challenge} for {name}, but {offered}. Choose"
            " one of these (option challenge), or another issuer.",
            "identifier",
            identifiers=[name],
        )

    def _answer(self, attempt: OrderAttempt) -> None:
        for proof in attempt.proofs:
            if proof.challenge.status == "pending":
                self._authority.answer(proof.challenge)
        attempt.next_poll = self._time.monotonic() + _FIRST_POLL

    def _poll(self, attempt: OrderAttempt) -> None:
        self._take(attempt, self._authority.order(attempt.order.url))

    def _finalize(self, attempt: OrderAttempt) -> None:
        request = csr_der(attempt.key, attempt.wanted, attempt.profile)
        self._take(attempt, self._authority.finalize(attempt.order, request))

    def _fetch(self, attempt: OrderAttempt) -> None:
        attempt.chain = self._authority.certificate(attempt.order, self._issuer.preferred_chain)

    def _take(self, attempt: OrderAttempt, order: Order) -> None:
        """The order as the CA shows it now. When it is to be asked for again: when the CA says so, never earlier."""
        if order.status != attempt.order.status:
            attempt.polls = 0
        attempt.order, attempt.misses = order, 0
        if order.status == "invalid":
            raise self._why_invalid(attempt)
        if order.status in ("pending", "processing"):
            pause = order.retry_after
            if pause is None:
                pause = min(_FIRST_POLL * 1.5**attempt.polls, _LONGEST_PAUSE)
            attempt.polls += 1
            attempt.next_poll = self._time.monotonic() + pause

    # -- what goes wrong ----------------------------------------------------------------------------------------

    def _why_invalid(self, attempt: OrderAttempt) -> AcmeError:
        authorizations = [self._authority.authorization(url) for url in attempt.order.authorizations]
        return self._not_authorized(attempt, authorizations)

    def _not_authorized(self, attempt: OrderAttempt, authorizations: t.Sequence[Authorization]) -> AcmeError:
        bad = [authorization for authorization in authorizations if authorization.status not in ("pending", "valid")]
        problems = [authorization.problem for authorization in bad if authorization.problem]
        problems += [attempt.order.problem] if attempt.order.problem else []
        details = [f"{_shown(each)}: {each.problem.detail if each.problem else each.status}" for each in bad]
        if not details:
            details = [problem.detail for problem in problems] or ["it gives no reason"]
        is_internal = bool(problems) and all(problem.type == "serverInternal" for problem in problems)
        return AcmeError(
            f"{self._issuer.directory} has not issued {attempt.wanted.first_domain}: {'; '.join(details)}",
            "authority" if is_internal else "identifier",
            problem_type=problems[0].type if problems else "",
            url=next((problem.instance for problem in problems if problem.instance), None),
            identifiers=[_shown(authorization) for authorization in bad],
        )

    # -- all of them --------------------------------------------------------------------------------------------

    def _pause_before(self, attempt: OrderAttempt) -> float:
        return attempt.next_poll - self._time.monotonic()

    def _each(
        self, function: t.Callable[[OrderAttempt], None], attempts: t.Sequence[OrderAttempt], patience: int = _PATIENCE
    ) -> None:
        """An error of one is its own. patience: failures of the CA after which it is asked again."""
        for attempt, outcome in zip(attempts, concurrently(function, attempts, self._threads, self._time)):
            if not isinstance(outcome, RotationError):
                continue
            is_of_authority = isinstance(outcome, AcmeError) and outcome.fault == "authority"
            if is_of_authority and attempt.misses < patience:
                attempt.misses += 1
                attempt.next_poll = self._time.monotonic() + attempt.misses * _AFTER_A_MISS
            else:
                attempt.error = outcome


def _shown(authorization: Authorization) -> str:
    return f"*.{authorization.identifier}" if authorization.wildcard else authorization.identifier
