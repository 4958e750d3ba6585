# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import Issuer, WantedCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import quick_key
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError, RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.orders import (
    OrderAttempt,
    Orders,
    OrderWish,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.run_time import RunEnds, RunTime
from ansible_collections.certops.rotation.tests.support.fake_authority import DIRECTORY, FakeAuthority, FakeClock

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def authority(clock: FakeClock) -> FakeAuthority:
    return FakeAuthority(clock)


class Desk(t.NamedTuple):
    orders: Orders
    time: RunTime

    def run(self, *wanted: WantedCertificate) -> dict[str, OrderAttempt | RotationError]:
        """From the order to the certificate."""
        placed = self.orders.place([OrderWish(each) for each in wanted])
        attempts = [each for each in placed if isinstance(each, OrderAttempt)]
        self.orders.answer(attempts)
        self.orders.finish(attempts, lambda ready: None)
        return {each.name: outcome for each, outcome in zip(wanted, placed)}


def desk(authority: FakeAuthority, clock: FakeClock, *, limit: int = 600, challenge: t.Any = "dns-01") -> Desk:
    time = RunTime(timedelta(seconds=limit), now=clock.now, monotonic=clock.monotonic, sleep=clock.sleep)
    issuer = Issuer(DIRECTORY, "account")
    return Desk(Orders(authority, issuer, challenge, time, threads=4, make_key=quick_key), time)


def wanted(*identifiers: str) -> WantedCertificate:
    return WantedCertificate(identifiers[0], identifiers)


def test_all_are_issued_together_with_few_requests(authority: FakeAuthority, clock: FakeClock) -> None:
    outcomes = desk(authority, clock).run(*[wanted(f"{number}.example.com") for number in range(20)])
    assert all(isinstance(each, OrderAttempt) and each.chain for each in outcomes.values())
    assert authority.requests <= 20 * 6
    assert clock.passed < 5


def test_wildcard_and_base_have_a_value_each(authority: FakeAuthority, clock: FakeClock) -> None:
    (attempt,) = desk(authority, clock).orders.place([OrderWish(wanted("example.com", "*.example.com"))])
    assert isinstance(attempt, OrderAttempt)
    assert [(proof.identifier, proof.value) for proof in attempt.proofs] == [
        ("example.com", "txt-token-example.com"),
        ("example.com", "txt-token-*.example.com"),
    ]


def test_an_order_that_is_ready_at_once_wants_no_proof(authority: FakeAuthority, clock: FakeClock) -> None:
    authority.ready_at_once = True
    outcomes = desk(authority, clock).run(wanted("a.example.com"))
    attempt = outcomes["a.example.com"]
    assert isinstance(attempt, OrderAttempt)
    assert attempt.chain
    assert not attempt.proofs
    assert authority.calls["answer"] == authority.calls["authorization"] == 0


def test_one_failing_name_sinks_its_certificate_only_and_is_named(authority: FakeAuthority, clock: FakeClock) -> None:
    authority.refused = {"bad.example.com": "No TXT record found at _acme-challenge.bad.example.com"}
    names = [*[f"{number}.example.com" for number in range(9)], "bad.example.com"]
    outcomes = desk(authority, clock).run(wanted(*names), wanted("other.example.com"))
    sunk, other = outcomes["0.example.com"], outcomes["other.example.com"]
    assert isinstance(sunk, OrderAttempt)
    assert isinstance(sunk.error, AcmeError)
    assert sunk.chain is None
    assert sunk.error.fault == "identifier"
    assert sunk.error.identifiers == ("bad.example.com",)
    assert "bad.example.com: No TXT record found" in sunk.error.message
    assert "1.example.com" not in sunk.error.message
    assert isinstance(other, OrderAttempt)
    assert other.chain


def test_a_challenge_that_is_not_offered_is_told(authority: FakeAuthority, clock: FakeClock) -> None:
    authority.challenges = ("device-attest-01", "http-01")
    outcome = desk(authority, clock).run(wanted("a.example.com"))["a.example.com"]
    assert isinstance(outcome, AcmeError)
    assert "dns-01 for a.example.com, but device-attest-01, http-01" in outcome.message


@pytest.mark.parametrize("seconds", [7.0, 45.0])
def test_nobody_asks_before_the_ca_wants_to_be_asked(
    authority: FakeAuthority, clock: FakeClock, seconds: float
) -> None:
    authority.processing, authority.retry_after = 3, seconds
    outcome = desk(authority, clock).run(wanted("a.example.com"))["a.example.com"]
    assert isinstance(outcome, OrderAttempt)
    assert outcome.chain
    (asked,) = authority.asked_at.values()
    assert all(later - earlier >= seconds for earlier, later in zip(asked[1:], asked[2:]))


def test_without_a_word_of_the_ca_the_pauses_grow(authority: FakeAuthority, clock: FakeClock) -> None:
    authority.processing = 12
    outcome = desk(authority, clock).run(wanted("a.example.com"))["a.example.com"]
    assert isinstance(outcome, OrderAttempt)
    assert outcome.chain
    assert 45 < clock.passed < 75


def test_processing_for_ten_minutes_is_waited_for(authority: FakeAuthority, clock: FakeClock) -> None:
    authority.processing, authority.retry_after = 60, 10.0
    outcome = desk(authority, clock, limit=1800).run(wanted("a.example.com"))["a.example.com"]
    assert isinstance(outcome, OrderAttempt)
    assert outcome.chain
    assert clock.passed >= 590


def test_the_time_limit_ends_everything_and_leaves_the_order(authority: FakeAuthority, clock: FakeClock) -> None:
    authority.processing, authority.retry_after = 10_000, 10.0
    outcome = desk(authority, clock, limit=60).run(wanted("a.example.com"))["a.example.com"]
    assert isinstance(outcome, OrderAttempt)
    assert isinstance(outcome.error, RunEnds)
    assert "option timeout" in outcome.error.message
    assert 59 <= clock.passed < 62


def test_a_request_to_end_is_seen_at_the_next_pause(authority: FakeAuthority, clock: FakeClock) -> None:
    made = desk(authority, clock)
    authority.fail = lambda operation, names: made.time.ask_to_end("SIGTERM") if operation == "answer" else None
    outcome = made.run(wanted("a.example.com"))["a.example.com"]
    assert isinstance(outcome, OrderAttempt)
    assert isinstance(outcome.error, RunEnds)
    assert "SIGTERM" in outcome.error.message
    assert authority.calls["finalize"] == 0


def test_what_is_about_to_be_finalized_is_told_first(authority: FakeAuthority, clock: FakeClock) -> None:
    made, told = desk(authority, clock), []

    def before(ready: t.Sequence[OrderAttempt]) -> None:
        assert authority.calls["finalize"] == 0
        told.extend(attempt.wanted.name for attempt in ready)

    attempts = [
        each for each in made.orders.place([OrderWish(wanted("a.example.com"))]) if isinstance(each, OrderAttempt)
    ]
    made.orders.answer(attempts)
    made.orders.finish(attempts, before)
    assert told == ["a.example.com"]


def test_who_may_not_go_on_finalizes_nothing(authority: FakeAuthority, clock: FakeClock) -> None:
    made = desk(authority, clock)

    def fenced(_ready: t.Sequence[OrderAttempt]) -> None:
        raise RotationError("Another run has taken over.")

    attempts = [
        each for each in made.orders.place([OrderWish(wanted("a.example.com"))]) if isinstance(each, OrderAttempt)
    ]
    made.orders.answer(attempts)
    with pytest.raises(RotationError, match="taken over"):
        made.orders.finish(attempts, fenced)
    assert authority.calls["finalize"] == 0


def test_what_was_finalized_outlives_some_failures_of_the_ca(authority: FakeAuthority, clock: FakeClock) -> None:
    authority.processing = 2
    failures = iter([True, True, False])

    def fail(operation: str, _names: tuple[str, ...]) -> None:
        if operation == "order" and authority.calls["finalize"] and next(failures, False):
            raise AcmeError("It does not answer.", "authority")

    authority.fail = fail
    outcome = desk(authority, clock).run(wanted("a.example.com"))["a.example.com"]
    assert isinstance(outcome, OrderAttempt)
    assert outcome.chain
    assert authority.calls["finalize"] == 1


def test_a_rate_limit_is_told_of_each(authority: FakeAuthority, clock: FakeClock) -> None:
    def limited(operation: str, names: tuple[str, ...]) -> None:
        if names == ("b.example.com",):
            raise AcmeError("Too many.", "rate_limited", retry_after=3600)

    authority.fail = limited
    outcomes = desk(authority, clock).run(wanted("a.example.com"), wanted("b.example.com"))
    limited_one, other = outcomes["b.example.com"], outcomes["a.example.com"]
    assert isinstance(limited_one, AcmeError)
    assert limited_one.retry_after == 3600
    assert isinstance(other, OrderAttempt)
    assert other.chain


# What an earlier run has begun


def placed(authority: FakeAuthority, clock: FakeClock) -> OrderAttempt:
    (attempt,) = desk(authority, clock).orders.place([OrderWish(wanted("a.example.com"))])
    assert isinstance(attempt, OrderAttempt)
    return attempt


@pytest.mark.parametrize("stage", ["pending", "answered", "ready", "processing", "valid"])
def test_an_order_goes_on_from_any_stage(authority: FakeAuthority, clock: FakeClock, stage: str) -> None:
    authority.processing = 3
    begun = placed(authority, clock)
    if stage != "pending":
        desk(authority, clock).orders.answer([begun])
    if stage in ("ready", "processing", "valid"):
        begun.order = authority.order(begun.order.url)
    if stage in ("processing", "valid"):
        from ansible_collections.certops.rotation.plugins.module_utils._core.acme.csr import csr_der

        authority.finalize(begun.order, csr_der(begun.key, begun.wanted, None))
    while stage == "valid" and authority.orders[begun.order.url].status != "valid":
        authority.order(begun.order.url)
    made = desk(authority, clock)
    (resumed,) = made.orders.resume([OrderAttempt(begun.wanted, begun.issuer, begun.order, begun.key)])
    assert isinstance(resumed, OrderAttempt)
    assert resumed.is_resumed
    made.orders.answer([resumed])
    made.orders.finish([resumed], lambda ready: None)
    assert resumed.chain
    assert authority.calls["new_order"] == authority.calls["finalize"] == 1
    assert authority.calls["answer"] == 1


def test_an_order_that_the_ca_has_forgotten_is_gone(authority: FakeAuthority, clock: FakeClock) -> None:
    begun = placed(authority, clock)
    authority.orders.clear()
    (outcome,) = desk(authority, clock).orders.resume([begun])
    assert isinstance(outcome, AcmeError)
    assert outcome.fault == "gone"


def test_no_key_is_shown(authority: FakeAuthority, clock: FakeClock) -> None:
    begun = placed(authority, clock)
    assert "EllipticCurve" not in repr(begun)


def test_a_ca_that_takes_no_more_orders_is_not_asked_for_each(authority: FakeAuthority, clock: FakeClock) -> None:
    def limited(operation: str, _names: tuple[str, ...]) -> None:
        if operation == "new_order":
            raise AcmeError("too many new orders recently", "rate_limited", retry_after=3600)

    authority.fail = limited
    outcomes = desk(authority, clock).run(*[wanted(f"{number}.example.com") for number in range(100)])
    assert all(isinstance(each, AcmeError) and each.retry_after == 3600 for each in outcomes.values())
    assert authority.calls["new_order"] <= 8


def test_a_limit_of_one_name_holds_up_no_other(authority: FakeAuthority, clock: FakeClock) -> None:
    def limited(operation: str, names: tuple[str, ...]) -> None:
        if operation == "new_order" and names == ("0.example.com",):
            raise AcmeError("too many certificates already issued for exact set of domains", "rate_limited")

    authority.fail = limited
    outcomes = desk(authority, clock).run(*[wanted(f"{number}.example.com") for number in range(10)])
    assert sum(isinstance(each, AcmeError) for each in outcomes.values()) == 1
