# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an incident concerns is issued again as far as the CA's limits allow, and told as replaced or still to do."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.ledger import AccountKey
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.limits import LETS_ENCRYPT
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue import Incident
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import (
    HeldCertificate,
    WantedCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.tests.support.fake_authority import FakeAuthority, FakeClock
from ansible_collections.certops.rotation.tests.support.fake_issuing import World

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
DIRECTORY = "https://acme-v02.api.letsencrypt.org/directory"
WANTED = [WantedCertificate(f"n{number}.example.com", (f"n{number}.example.com",)) for number in range(5)]


@pytest.fixture
def world() -> World:
    """Five certificates of a CA that has a limit."""
    clock = FakeClock(NOW)
    made = World(clock, [FakeAuthority(clock, directory=DIRECTORY)])
    assert not made.run(*WANTED).failure
    clock.passed += 86400
    return made


def leave(world: World, orders: int) -> None:
    """So many orders of the account's limit. (The ledger keeps whole seconds, and rounds them up.)"""
    world.clock.passed = float(math.ceil(world.clock.passed))
    ledger, _warning = world.ledger.read()
    account = AccountKey(DIRECTORY, world.authorities[0].account_url)
    for _number in range((ledger.orders_left(account, LETS_ENCRYPT, world.clock.now()) or 0) - orders):
        ledger.note_order(account, LETS_ENCRYPT, world.clock.now())
    world.ledger.write(ledger, world.clock.now())


def test_as_many_as_the_limits_allow_and_the_rest_by_later_runs(world: World) -> None:
    leave(world, 3)
    incident = Incident(before=world.clock.now())
    drill = world.run(*WANTED, incident=incident, check_mode=True)
    assert sorted(outcome.action for outcome in drill.outcomes) == ["held", "held", "renewed", "renewed", "renewed"]
    assert drill.reissue is not None
    assert drill.reissue.items() >= {"concerned": 5, "replaced": 0, "to_do": 5, "at_once": 3, "hours": 1.0}.items()

    first = world.run(*WANTED, incident=incident)
    assert first.reissue is not None
    assert first.reissue.items() >= {"concerned": 5, "replaced": 3, "to_do": 2, "at_once": 0, "hours": 1.0}.items()
    held = [outcome.as_result(NOW) for outcome in first.outcomes if outcome.action == "held"]
    assert [(each["reissue"], "300 orders" in each["reason"], each["status"]) for each in held] == [
        ("to do", True, "success")
    ] * 2

    world.clock.passed += 3600
    second = world.run(*WANTED, incident=incident)
    assert second.reissue is not None
    assert second.reissue.items() >= {"concerned": 5, "replaced": 5, "to_do": 0, "hours": 0.0}.items()
    last = world.run(*WANTED, incident=incident)
    assert not last.changed
    assert last.reissue == {**second.reissue, "last_order_at": last.reissue and last.reissue["last_order_at"]}


def test_those_that_end_first_come_first(world: World) -> None:
    """Two of them were issued a day later than the rest."""
    later = WANTED[:2]
    world.run(*later, force=True)
    world.clock.passed += 3600
    leave(world, 3)
    report = world.run(*WANTED, incident=Incident(before=world.clock.now()))
    assert [outcome.action for outcome in report.outcomes] == ["held", "held", "renewed", "renewed", "renewed"]


def test_what_is_not_concerned_is_left_alone(world: World) -> None:
    leaf = world.truth.held[WANTED[1].name].bundle.leaf
    report = world.run(*WANTED, incident=Incident(serial_numbers=frozenset({leaf.x509.serial_number})))
    assert [outcome.action for outcome in report.outcomes] == ["unchanged", "renewed", *["unchanged"] * 3]
    assert [outcome.reissue_state for outcome in report.outcomes] == [None, "replaced", None, None, None]


def test_without_an_incident_nothing_is_told_of_one(world: World) -> None:
    report = world.run(*WANTED)
    assert report.reissue is None
    assert {outcome.as_result(NOW)["reissue"] for outcome in report.outcomes} == {None}
    assert min(filter(None, (outcome.due for outcome in report.outcomes))) > NOW + timedelta(days=30)


def test_how_long_it_took_is_told_the_next_time(world: World) -> None:
    leave(world, 3)
    incident = Incident(before=world.clock.now(), key="one")
    first = world.run(*WANTED, incident=incident)
    assert first.reissue is not None
    assert first.reissue["earlier"] == [], "it is not over"
    world.clock.passed += 3600
    over = world.run(*WANTED, incident=incident)
    assert over.reissue is not None
    (told,) = over.reissue["earlier"]
    assert told["certificates"] == 5
    assert 3600 <= told["seconds"] < 3700
    world.run(*WANTED, incident=incident)
    drill = world.run(*WANTED, incident=Incident(before=world.clock.now(), key="two"), check_mode=True)
    assert drill.reissue is not None
    assert drill.reissue["earlier"] == [told]


def test_one_that_was_named_by_its_serial_number_is_over_when_it_is_gone(world: World) -> None:
    """What has taken its place has another one, so that nothing is concerned any more."""
    world.truth.label = "CANDIDATE"
    leaf = bundle_of(world, WANTED[0].name).leaf
    incident = Incident(serial_numbers=frozenset({leaf.x509.serial_number}), key="one")
    first = world.run(*WANTED, incident=incident)
    assert first.reissue is not None
    assert first.reissue["staged"] == 1
    held = world.truth.held
    world.truth.held = {name: HeldCertificate(None, refusal="Access denied.") for name in held}
    unread = world.run(*WANTED, incident=incident)
    world.truth.held = held
    world.truth.promote(WANTED[0].name)
    world.clock.passed += 3600
    last = world.run(*WANTED, incident=incident)
    assert unread.reissue is not None
    assert last.reissue is not None
    assert unread.reissue["earlier"] == []
    (told,) = last.reissue["earlier"]
    assert told["certificates"] == 1
    assert told["seconds"] >= 3600


def bundle_of(world: World, name: str) -> CertificateBundle:
    bundle = world.truth.held[name].bundle
    assert bundle is not None
    return bundle
