# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import WantedCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.when import RenewalPolicy
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError, RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.report import IssueReport, Outcome
from ansible_collections.certops.rotation.tests.support.fake_authority import DIRECTORY, FakeAuthority, FakeClock
from ansible_collections.certops.rotation.tests.support.fake_issuing import FakeStore, Killed, World

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
SECOND = "https://second.example/directory"


@pytest.fixture
def world() -> World:
    # Certificates are verified by the clock of the run.
    clock = FakeClock(NOW)
    return World(clock, [FakeAuthority(clock)], stores=[FakeStore()])


def wanted(*identifiers: str, **more: t.Any) -> WantedCertificate:
    return WantedCertificate(identifiers[0], identifiers, **more)


def of(report: IssueReport, name: str) -> Outcome:
    return next(outcome for outcome in report.outcomes if outcome.name == name)


def actions(report: IssueReport) -> dict[str, str]:
    return {outcome.name: outcome.action for outcome in report.outcomes}


A, B, C = wanted("a.example.com"), wanted("b.example.com", "www.b.example.com"), wanted("*.c.example.com")


# The usual


def test_issued_then_unchanged(world: World) -> None:
    first = world.run(A, B, C)
    assert set(actions(first).values()) == {"issued"}
    assert first.changed
    assert not first.failure
    assert world.dns.places == world.dns.withdrawals == 1
    assert world.dns.values == {}
    assert world.journal.entries == ()
    assert set(world.stores[0].entries) == {A.name, B.name, C.name}
    requests = world.authorities[0].requests
    second = world.run(A, B, C)
    assert set(actions(second).values()) == {"unchanged"}
    assert not second.changed
    assert world.authorities[0].requests - requests <= 3  # about renewals
    assert world.dns.places == 1
    third = world.run(A, B, C)
    assert not third.changed


def test_the_result_in_the_words_of_the_users(world: World) -> None:
    (told,) = world.run(A).as_result()["certificates"]
    assert told["status"] == "success"
    assert told["message"].startswith("A new certificate has been provisioned and uploaded to ")
    assert told["message"].endswith(" for: a.example.com")
    assert told["stores"] == {"secrets_manager": "stored", "acm": "stored"}
    assert told["issuer"] == DIRECTORY
    (told,) = world.run(A).as_result()["certificates"]
    assert "already exists" in told["message"]


def test_check_mode_orders_nothing_and_tells_the_same(world: World) -> None:
    predicted = world.run(A, B, check_mode=True)
    assert world.authorities[0].requests == 0
    assert world.steps == []
    done = world.run(A, B)
    assert actions(predicted) == actions(done)
    assert predicted.changed
    assert [each.stores for each in predicted.outcomes] == [each.stores for each in done.outcomes]
    assert not world.run(A, B, check_mode=True).changed


def test_check_mode_predicts_that_a_zone_is_missing(world: World) -> None:
    elsewhere = wanted("www.elsewhere.net")
    predicted = world.run(A, elsewhere, check_mode=True)
    assert world.steps == []
    assert actions(predicted) == actions(world.run(A, elsewhere)) == {A.name: "issued", elsewhere.name: "failed"}
    assert predicted.failure


def test_renewed_at_the_threshold(world: World) -> None:
    world.run(A)
    world.clock.passed += 59 * 86400
    assert actions(world.run(A, policy=RenewalPolicy(timedelta(days=30)))) == {A.name: "unchanged"}
    world.clock.passed += 2 * 86400
    report = world.run(A, policy=RenewalPolicy(timedelta(days=30)))
    assert actions(report) == {A.name: "renewed"}
    (_first, (_names, _profile, replaces)) = world.authorities[0].wanted
    assert replaces is not None


def test_another_set_of_names_is_issued_again(world: World) -> None:
    world.run(B)
    more = WantedCertificate(B.name, (*B.identifiers, "more.b.example.com"))
    assert actions(world.run(more)) == {B.name: "renewed"}
    assert set(world.truth.held[B.name].bundle.subject_alternative_names) == set(more.identifiers)


def test_a_store_that_lacks_it_is_filled_without_an_order(world: World) -> None:
    world.run(A)
    world.stores[0].entries.clear()
    orders = world.authorities[0].calls["new_order"]
    report = world.run(A)
    assert actions(report) == {A.name: "stored"}
    assert world.authorities[0].calls["new_order"] == orders
    assert world.stores[0].entries[A.name] == world.truth.held[A.name].bundle


# One bad one


def test_one_name_of_ten_fails_and_the_others_are_issued(world: World) -> None:
    world.authorities[0].refused = {"bad.example.com": "NXDOMAIN for _acme-challenge.bad.example.com"}
    many = WantedCertificate("many", (*[f"n{number}.example.com" for number in range(9)], "bad.example.com"))
    report = world.run(A, many, B)
    assert actions(report) == {A.name: "issued", "many": "failed", B.name: "issued"}
    assert "bad.example.com: NXDOMAIN" in (of(report, "many").problem or "")
    assert report.failure.startswith("many: ")
    assert world.dns.values == {}
    assert world.journal.entries == ()


def test_a_name_that_failed_is_not_tried_for_ever(world: World) -> None:
    world.authorities[0].refused = {"a.example.com": "no"}
    for _run in range(6):
        world.run(A)
    assert world.authorities[0].calls["new_order"] < 4
    report = world.run(A)
    assert actions(report) == {A.name: "held"}
    assert "no" in of(report, A.name).reason


def test_a_missing_zone_sinks_its_certificate_before_any_order(world: World) -> None:
    report = world.run(A, wanted("www.elsewhere.net"))
    assert actions(report) == {A.name: "issued", "www.elsewhere.net": "failed"}
    assert world.authorities[0].calls["new_order"] == 1


def test_values_that_cannot_be_written_sink_theirs(world: World) -> None:
    world.dns.failing = {"_acme-challenge.a.example.com": "Denied."}
    report = world.run(A, B)
    assert actions(report) == {A.name: "failed", B.name: "issued"}
    assert of(report, A.name).problem == "Denied."


def test_what_a_store_would_refuse_is_not_ordered(world: World) -> None:
    world.stores[0].refuses = "ACM keeps key usages."
    report = world.run(A)
    assert actions(report) == {A.name: "failed"}
    assert world.authorities[0].calls["new_order"] == 0


def test_a_store_that_fails_is_told_and_filled_by_the_next_run(world: World) -> None:
    world.stores[0].broken = "ACM is down."
    report = world.run(A)
    assert actions(report) == {A.name: "failed"}
    assert of(report, A.name).stores == {"secrets_manager": "stored", "acm": "failed"}
    assert report.changed
    world.stores[0].broken = None
    assert actions(world.run(A)) == {A.name: "stored"}
    assert world.issued() == 1


def test_issued_and_not_saved_is_saved_by_the_next_run(world: World) -> None:
    world.truth.broken = "Denied."
    report = world.run(A)
    assert actions(report) == {A.name: "failed"}
    assert "Secrets Manager did not take it" in (of(report, A.name).problem or "")
    world.truth.broken = None
    report = world.run(A)
    assert actions(report) == {A.name: "resumed"}
    assert world.issued() == world.authorities[0].calls["new_order"] == 1
    assert world.journal.entries == ()


# Several CAs


@pytest.fixture
def two(world: World) -> World:
    world.authorities.append(FakeAuthority(world.clock, directory=SECOND))
    return world


def test_another_ca_does_what_the_first_one_cannot(two: World) -> None:
    def down(_operation: str, _names: tuple[str, ...]) -> None:
        raise AcmeError("It does not answer.", "authority")

    two.authorities[0].fail = down
    report = two.run(A, B)
    assert set(actions(report).values()) == {"issued"}
    assert of(report, A.name).issuer == SECOND
    assert two.journal.entries == ()
    assert not two.run(A, B).changed


def test_another_ca_finishes_what_the_first_one_breaks_off(two: World) -> None:
    def breaks_off(operation: str, names: tuple[str, ...]) -> None:
        if operation == "finalize" and names == A.identifiers:
            raise AcmeError("502", "authority")

    two.authorities[0].fail = breaks_off
    report = two.run(A, B)
    assert {each.name: each.issuer for each in report.outcomes} == {A.name: SECOND, B.name: DIRECTORY}
    assert two.dns.values == {}
    assert two.journal.entries == ()


def test_a_ca_that_cannot_be_opened_is_passed_over(two: World) -> None:
    two.opening = {DIRECTORY: AcmeError("No answer from the directory.", "authority")}
    assert of(two.run(A), A.name).issuer == SECOND


@pytest.mark.parametrize("fault", ["identifier", "request", "account"])
def test_what_is_not_the_cas_fault_fails_over_to_nobody(two: World, fault: t.Any) -> None:
    def refuses(operation: str, _names: tuple[str, ...]) -> None:
        if operation == "new_order":
            raise AcmeError("No.", fault)

    two.authorities[0].fail = refuses
    assert actions(two.run(A)) == {A.name: "failed"}
    assert two.authorities[1].requests == 0


def test_all_cas_down_is_told_of_all(two: World) -> None:
    two.opening = {each.directory: AcmeError(f"{each.directory} is silent.", "authority") for each in two.authorities}
    report = two.run(A)
    assert f"{DIRECTORY} is silent. {SECOND} is silent." in report.failure


# Limits


def limited(operation: str, _names: tuple[str, ...]) -> None:
    if operation == "new_order":
        raise AcmeError("too many certificates already issued", "rate_limited", retry_after=7200)


def test_rate_limited_is_held_and_not_asked_again(world: World) -> None:
    world.authorities[0].fail = limited
    report = world.run(A)
    assert actions(report) == {A.name: "held"}
    assert not report.failure
    assert of(report, A.name).held_until == NOW + timedelta(hours=2)
    requests = world.authorities[0].calls["new_order"]
    again = world.run(A)
    assert actions(again) == {A.name: "held"}
    assert world.authorities[0].calls["new_order"] == requests


def test_an_emergency_is_not_held(world: World) -> None:
    world.run(A)
    world.clock.passed += 88 * 86400
    world.authorities[0].fail = limited
    report = world.run(A)
    assert actions(report) == {A.name: "failed"}
    assert "too many" in report.failure


# Ended before the end


def test_the_time_limit_leaves_what_the_next_run_finishes(world: World) -> None:
    world.authorities[0].processing, world.authorities[0].retry_after = 100, 10.0
    report = world.run(A, B, limit=60)
    assert set(actions(report).values()) == {"failed"}
    assert "option timeout" in report.failure
    assert world.dns.values == {}
    assert {entry.name for entry in world.journal.entries} == {A.name, B.name}
    assert all(entry.values == () for entry in world.journal.entries)
    report = world.run(A, B)
    assert set(actions(report).values()) == {"resumed"}
    assert world.issued() == 2
    assert world.journal.entries == ()


def test_a_signal_leaves_the_dns_clean_and_the_journal_true(world: World) -> None:
    def begun(run_time: t.Any) -> None:
        world.authorities[0].fail = lambda operation, _names: (
            run_time.ask_to_end("SIGTERM") if operation == "answer" else None
        )

    report = world.run(A, B, begun=begun)
    assert set(actions(report).values()) == {"failed"}
    assert "SIGTERM" in report.failure
    assert world.dns.values == {}
    assert world.journal.entries
    world.authorities[0].fail = lambda operation, names: None
    report = world.run(A, B)
    assert not report.failure
    assert world.issued() == 2


def test_killed_at_any_step_and_finished_by_the_next_run(world: World) -> None:
    world.authorities[0].processing = 2
    world.dns.values = {"_acme-challenge.a.example.com": {"of somebody else"}}
    world.run(A, B, C)
    steps = len(world.steps)
    assert steps >= 8
    for step in range(steps):
        fresh = World(FakeClock(NOW), [FakeAuthority(FakeClock(NOW), processing=2)], stores=[FakeStore()])
        fresh.dns.values = {"_acme-challenge.a.example.com": {"of somebody else"}}
        fresh.die_before = step
        with pytest.raises(Killed):
            fresh.run(A, B, C)
        report = fresh.run(A, B, C)
        assert not report.failure, f"step {step}: {report.failure}"
        assert fresh.issued() == 3, f"step {step}"
        assert fresh.dns.values == {"_acme-challenge.a.example.com": {"of somebody else"}}, f"step {step}"
        assert fresh.journal.entries == (), f"step {step}"
        assert set(fresh.truth.held) == set(fresh.stores[0].entries) == {A.name, B.name, C.name}
        assert not fresh.run(A, B, C).changed


def test_killed_twice_at_any_two_steps_and_finished_by_the_third_run(world: World) -> None:
    """What the second run forgets about the first one before it has tidied up after it is lost for ever."""
    world.run(A)
    steps = len(world.steps)
    for first in range(1, steps):
        for second in range(steps):
            fresh = World(FakeClock(NOW), [FakeAuthority(FakeClock(NOW))], stores=[FakeStore()])
            fresh.die_before = first
            with pytest.raises(Killed):
                fresh.run(A)
            fresh.die_before = second
            try:
                fresh.run(A)
            except Killed:
                fresh.run(A)
            assert fresh.issued() == 1, (first, second)
            assert fresh.dns.values == {}, (first, second)
            assert fresh.journal.entries == (), (first, second)


def test_values_of_a_killed_run_are_withdrawn_by_one_with_nothing_else_to_do(world: World) -> None:
    world.run(A)
    world.steps.clear()
    world.run(B)
    at = world.steps.index("withdraw")
    other = wanted("d.example.com")
    world.die_before = at
    with pytest.raises(Killed):
        world.run(other)
    assert world.dns.values
    report = world.run(A, B)
    assert not report.changed
    assert world.dns.values == {}


def test_values_that_cannot_be_withdrawn_are_withdrawn_by_the_next_run(world: World) -> None:
    world.dns.stuck = True
    report = world.run(A)
    assert actions(report) == {A.name: "issued"}
    assert any("still in the DNS" in warning for warning in world.warnings)
    assert world.dns.values
    world.dns.stuck = False
    assert not world.run(A).changed
    assert world.dns.values == {}
    assert world.journal.entries == ()


def test_of_two_runs_at_once_one_stops_before_it_does_harm(world: World) -> None:
    raced: list[IssueReport] = []

    def other_run(operation: str, _names: tuple[str, ...]) -> None:
        if operation == "new_order" and not raced:
            world.authorities[0].fail = lambda operation, names: None
            raced.append(world.run(A))

    world.authorities[0].fail = other_run
    report = world.run(A)
    assert actions(raced[0]) == {A.name: "issued"}
    assert actions(report) == {A.name: "failed"}
    assert "Another run" in report.failure
    assert world.issued() == 1
    assert world.dns.values == {}


def test_an_order_of_another_runs_certificate_is_kept(world: World) -> None:
    world.truth.broken = "Denied."
    world.run(A)
    world.truth.broken = None
    assert actions(world.run(B)) == {B.name: "issued"}
    assert [entry.name for entry in world.journal.entries] == [A.name]
    assert actions(world.run(A)) == {A.name: "resumed"}
    assert world.issued() == 2


def test_what_others_have_left_is_not_written_again_and_not_kept_for_ever(world: World) -> None:
    world.truth.broken = "Denied."
    world.run(A)
    world.truth.broken = None
    world.run(B)
    written = len(world.journal.writes)
    assert actions(world.run(B)) == {B.name: "unchanged"}
    assert len(world.journal.writes) == written
    world.clock.passed += 89 * 86400
    world.run(B)
    assert [entry.name for entry in world.journal.entries] == [A.name]
    world.clock.passed += 86400
    world.run(B)
    assert not world.journal.entries


def test_an_order_that_the_ca_has_forgotten_is_made_anew(world: World) -> None:
    world.truth.broken = "Denied."
    world.run(A)
    world.truth.broken = None
    world.authorities[0].orders.clear()
    world.authorities[0].certificates.clear()
    report = world.run(A)
    assert not report.failure
    assert world.issued() == 1


def test_what_is_not_as_asked_for_is_not_stored(world: World) -> None:
    other = World(world.clock, [FakeAuthority(world.clock)])
    other.run(B)
    (foreign,) = other.authorities[0].certificates.values()
    world.authorities[0].certificate = lambda order, chain: foreign  # type: ignore[method-assign]
    report = world.run(A)
    assert actions(report) == {A.name: "failed"}
    assert "is not stored" in report.failure
    assert world.truth.held == {}
    assert world.journal.entries == ()


def test_keys_are_written_before_anything_is_finalized(world: World) -> None:
    def look(operation: str, _names: tuple[str, ...]) -> None:
        if operation == "finalize":
            assert all(entry.key and entry.progress == "finalized" for entry in world.journal.entries)
        if operation == "answer":
            assert all(entry.key and entry.values for entry in world.journal.entries)

    world.authorities[0].fail = look
    assert not world.run(A, B).failure


def test_what_cannot_be_looked_at_is_an_error(world: World) -> None:
    def broken(*_arguments: t.Any, **_named: t.Any) -> t.Any:
        raise RotationError("Secret journal holds something else.")

    world.truth.look = broken  # type: ignore[method-assign]
    with pytest.raises(RotationError, match="something else"):
        world.run(A)


def test_what_a_ca_has_in_hand_is_not_ordered_there_again_while_it_is_silent(world: World) -> None:
    world.truth.broken = "Denied."
    world.run(A)
    world.truth.broken = None

    def silent(_operation: str, _names: tuple[str, ...]) -> None:
        raise AcmeError("It does not answer.", "authority")

    world.authorities[0].fail = silent
    orders = world.authorities[0].calls["new_order"]
    assert actions(world.run(A)) == {A.name: "failed"}
    assert world.authorities[0].calls["new_order"] == orders
    assert [entry.name for entry in world.journal.entries] == [A.name]
    world.authorities[0].fail = lambda operation, names: None
    assert actions(world.run(A)) == {A.name: "resumed"}
    assert world.issued() == 1


def test_a_ca_that_cannot_be_opened_sinks_only_what_it_has_begun(two: World) -> None:
    two.truth.broken = "Denied."
    two.opening = {DIRECTORY: AcmeError("Silence.", "authority")}
    two.run(A)
    two.truth.broken = None
    two.opening = {SECOND: AcmeError("The account is deactivated.", "account")}
    report = two.run(A, B)
    assert actions(report) == {A.name: "failed", B.name: "issued"}


def test_what_must_not_be_served_is_not_ordered_in_each_run(world: World) -> None:
    """The CA's limits are not spent on it."""
    other = World(world.clock, [FakeAuthority(world.clock)])
    other.run(B)
    (foreign,) = other.authorities[0].certificates.values()
    world.authorities[0].certificate = lambda order, chain: foreign  # type: ignore[method-assign]
    for _run in range(6):
        assert world.run(A).outcomes[0].action in ("failed", "held")
    assert world.authorities[0].calls["new_order"] < 4


def test_an_account_that_the_ca_has_lost_is_registered_anew(world: World) -> None:
    lost = FakeAuthority(world.clock)

    def unknown(_operation: str, _names: tuple[str, ...]) -> None:
        raise AcmeError("No such account.", "account", problem_type="accountDoesNotExist")

    lost.fail = unknown
    world.believed = lost
    report = world.run(A)
    assert actions(report) == {A.name: "issued"}
    assert lost.calls["new_order"] == 1
    assert report.acme_requests == lost.requests + world.authorities[0].requests
