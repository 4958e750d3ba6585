# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is issued waits for its promotion: one order for it, however it ends, and stores that follow what is current."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue import Incident
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import (
    HeldCertificate,
    WantedCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.when import RenewalPolicy
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.report import Outcome
from ansible_collections.certops.rotation.tests.support.fake_authority import FakeAuthority, FakeClock
from ansible_collections.certops.rotation.tests.support.fake_issuing import FakeStore, Killed, World

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
NAME = "www.example.com"
WANTED = WantedCertificate(NAME, (NAME,))
DAY = 86400


@pytest.fixture
def world() -> World:
    """One certificate that is due, beside ACM which has it."""
    clock = FakeClock(NOW)
    made = World(clock, [FakeAuthority(clock)], stores=[FakeStore()])
    made.truth.label = "CANDIDATE"
    assert not made.run(WANTED).failure
    clock.passed += 80 * DAY
    return made


def outcome_of(world: World, *, force: bool = False, incident: Incident | None = None) -> Outcome:
    report = world.run(WANTED, force=force, incident=incident)
    assert not report.failure
    (outcome,) = report.outcomes
    return outcome


def test_the_first_one_is_current_at_once_for_nothing_is_served(world: World) -> None:
    assert world.truth.candidates == {}
    assert world.truth.held[NAME].bundle is not None
    assert world.stores[0].entries == {NAME: world.truth.held[NAME].bundle}


def test_the_next_one_waits_and_is_not_ordered_again(world: World) -> None:
    before = world.truth.held[NAME]
    staged = outcome_of(world)
    candidate = world.truth.candidates[NAME]
    assert (staged.action, staged.is_changed, staged.stores) == (
        "staged",
        True,
        {"secrets_manager": "staged", "acm": "current"},
    )
    result = staged.as_result(NOW)
    assert result["candidate"]["version_id"] == candidate.version_id
    assert result["candidate"]["fingerprint_sha256"] == candidate.version_id
    assert result["version_id"] == before.version_id, "what is current"
    assert result["message"] == f"A new certificate has been provisioned and staged as CANDIDATE for: {NAME}"
    assert world.truth.held[NAME] == before
    assert world.stores[0].entries == {NAME: before.bundle}

    again = outcome_of(world)
    assert (again.action, again.is_changed, world.issued()) == ("held", False, 2)
    assert again.candidate is not None
    assert again.candidate.version_id == candidate.version_id
    assert "waits for its promotion" in again.reason

    world.truth.promote(NAME)
    filled = outcome_of(world)
    assert (filled.action, filled.stores["acm"], world.issued()) == ("stored", "stored", 2)
    assert world.stores[0].entries == {NAME: candidate.bundle}
    assert not outcome_of(world).is_changed


def test_a_store_that_lacks_what_is_current_gets_it_while_the_next_one_waits(world: World) -> None:
    world.stores[0].entries.clear()
    outcome = outcome_of(world)
    assert (outcome.action, outcome.stores) == ("staged", {"secrets_manager": "staged", "acm": "stored"})
    assert world.stores[0].entries == {NAME: world.truth.held[NAME].bundle}


def test_a_withdrawn_one_is_not_issued_again_before_days_and_then_more_of_them_have_passed(world: World) -> None:
    outcome_of(world)
    for days in (1, 2, 4, 7):
        world.truth.candidates.clear()
        issued = world.issued()
        held = outcome_of(world)
        assert held.action == "held"
        assert "staged and withdrawn" in held.reason
        assert held.held_until is not None
        wait = held.held_until - world.clock.now()
        assert round(wait / timedelta(days=1), 3) == (1 if held_is_urgent(world) else days)
        world.clock.passed += DAY - 60
        assert outcome_of(world).action == "held"
        assert world.issued() == issued
        world.clock.passed += (0 if held_is_urgent(world) else days - 1) * DAY + 120
        assert outcome_of(world).action == "staged"


def held_is_urgent(world: World) -> bool:
    bundle = world.truth.held[NAME].bundle
    return bundle is None or bundle.not_after - world.clock.now() <= timedelta(days=9)


def test_force_issues_what_was_withdrawn_or_waits(world: World) -> None:
    outcome_of(world)
    assert outcome_of(world, force=True).action == "staged"
    world.truth.candidates.clear()
    assert outcome_of(world).action == "held"
    assert outcome_of(world, force=True).action == "staged"
    assert world.issued() == 4


def test_what_was_promoted_and_replaced_was_not_withdrawn(world: World) -> None:
    outcome_of(world)
    world.truth.promote(NAME)
    promoted = world.truth.held[NAME]
    assert outcome_of(world).action == "stored"
    world.truth.others[NAME] = {}
    world.truth.held[NAME] = HeldCertificate(None, version_id="somebody's", why="It is broken.")
    assert promoted.bundle is not None
    assert outcome_of(world).action == "staged"


def test_superseded_by_somebody(world: World) -> None:
    outcome_of(world)
    old = world.truth.candidates.pop(NAME)
    world.truth.others[NAME] = {old.version_id or "": ["CANDIDATE", "CANDIDATE-ON-elsewhere"]}
    assert outcome_of(world).action == "staged"


def test_what_cannot_be_promoted_is_issued_again(world: World) -> None:
    """Invalid, or without a value."""
    outcome_of(world)
    ours = world.truth.candidates[NAME].version_id or ""
    world.truth.others[NAME] = {ours: [f"CANDIDATE-ON-{world.truth.held[NAME].version_id}"]}
    world.truth.candidates[NAME] = HeldCertificate(None, version_id="bad", why="It is garbage.")
    assert outcome_of(world).action == "staged"
    assert world.issued() == 3


def test_other_names_are_wanted_by_now(world: World) -> None:
    outcome_of(world)
    wanted = WantedCertificate(NAME, (NAME, "more.example.com"))
    (outcome,) = world.run(wanted).outcomes
    assert outcome.action == "staged"
    assert world.truth.candidates[NAME].bundle is not None
    assert world.issued() == 3


def test_an_incident_that_concerns_what_waits(world: World) -> None:
    outcome_of(world)
    world.clock.passed = float(int(world.clock.passed) + 3600)
    incident = Incident(before=world.clock.now())
    first = world.run(WANTED, incident=incident)
    assert first.outcomes[0].action == "staged"
    assert first.reissue is not None
    assert first.reissue.items() >= {"concerned": 1, "staged": 1, "to_do": 0, "replaced": 0}.items()
    assert first.outcomes[0].as_result(NOW)["reissue"] == "staged"
    assert world.issued() == 3
    second = world.run(WANTED, incident=incident)
    assert (second.outcomes[0].action, world.issued()) == ("held", 3)
    assert second.reissue is not None
    assert second.reissue["staged"] == 1
    world.truth.promote(NAME)
    third = world.run(WANTED, incident=incident)
    assert third.reissue is not None
    assert third.reissue["replaced"] == 1


def test_check_mode_tells_and_stages_nothing(world: World) -> None:
    report = world.run(WANTED, check_mode=True)
    (outcome,) = report.outcomes
    assert (outcome.action, outcome.stores) == ("staged", {"secrets_manager": "staged", "acm": "current"})
    assert world.truth.candidates == {}
    assert world.issued() == 1


def test_what_waits_while_the_current_one_ends_fails_the_run(world: World) -> None:
    outcome_of(world)
    world.clock.passed += 5 * DAY
    report = world.run(WANTED)
    (outcome,) = report.outcomes
    assert outcome.action == "failed"
    assert outcome.candidate is not None
    assert "Promote it" in report.failure
    assert world.issued() == 2
    world.truth.promote(NAME)
    assert outcome_of(world).action == "stored"


@pytest.mark.parametrize("is_readable", [True, False], ids=["ended", "ended and not held"])
def test_what_waits_becomes_current_when_the_current_one_has_ended(world: World, is_readable: bool) -> None:
    """As the truth tells it: what has ended has no bundle."""
    outcome_of(world)
    candidate = world.truth.candidates[NAME]
    world.clock.passed += 12 * DAY
    if not is_readable:
        world.truth.held[NAME] = HeldCertificate(None, version_id="old", why="It has ended.", has_ended=True)
    predicted = world.run(WANTED, check_mode=True)
    promoted = outcome_of(world)
    assert predicted.outcomes[0].as_result(NOW)["stores"] == promoted.stores
    assert predicted.outcomes[0].action == promoted.action == "renewed"
    assert promoted.stores == {"secrets_manager": "stored", "acm": "stored"}
    assert "Nothing that is served could be lost" in promoted.reason
    assert world.truth.held[NAME] == candidate
    assert world.stores[0].entries == {NAME: candidate.bundle}
    assert world.issued() == 2
    assert not outcome_of(world).is_changed


def test_it_cannot_be_made_current(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome_of(world)
    world.clock.passed += 12 * DAY

    def refused(self: object, name: str, version_id: str) -> None:
        raise RotationError("Access denied.")

    monkeypatch.setattr(type(world.truth), "promote", refused)
    assert "Access denied." in world.run(WANTED).failure
    assert world.issued() == 2


def test_what_is_issued_when_the_current_one_has_ended_is_current_at_once(world: World) -> None:
    outcome_of(world)
    world.clock.passed += 89 * DAY  # and so has what waited
    assert outcome_of(world).action == "renewed"
    assert world.issued() == 3
    assert not outcome_of(world).is_changed


def test_it_cannot_be_told_whether_one_waits(world: World) -> None:
    world.truth.unknown = "Access denied."
    report = world.run(WANTED, policy=RenewalPolicy(renew_before=timedelta(days=30)))
    assert "Access denied." in report.failure
    assert world.issued() == 1


def test_killed_at_any_step_and_resumed_with_one_order(world: World) -> None:
    held = dict(world.truth.held)
    for step in range(40):
        world.die_before, issued = step, world.issued()
        try:
            world.run(WANTED)
        except Killed:
            world.die_before = None
            assert not world.run(WANTED).failure
        assert world.issued() == issued + 1
        assert world.truth.held == held
        assert NAME in world.truth.candidates
        if world.die_before is not None:  # nothing is left to be killed before
            break
        world.truth.candidates.clear()
        world.ledger.text = None
    world.die_before = None
    assert not world.run(WANTED).changed
    assert world.dns.values == {}
