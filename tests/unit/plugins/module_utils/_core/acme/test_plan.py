# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.ledger import AccountKey, Ledger
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.limits import LETS_ENCRYPT, RateLimits
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.plan import (
    CertificatePlan,
    Considered,
    next_due,
    plan_batch,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.stores import StoreStanding
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.when import Due, RenewalPolicy, due
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.issuance import (
    ACCOUNT,
    NOW,
    ONE,
    TWO,
    bundle,
    days,
    entry,
    held,
    wanted,
)

ONES = AccountKey(ONE.directory, ACCOUNT)
CURRENT, ABSENT, OTHER = StoreStanding("current"), StoreStanding("absent"), StoreStanding("other")
UNKNOWN = StoreStanding("unknown", why="acm:DescribeCertificate is denied")


def considered(has: t.Any = None, *, name: str = "a", force: bool = False, **more: t.Any) -> Considered:
    wants = wanted(name=name)
    why = more.pop("due", None) or due(wants, has, now=NOW, issuers=(ONE, TWO), policy=RenewalPolicy(), force=force)
    return Considered(wants, has, why, **more)


def plans(
    *items: Considered, ledger: Ledger | None = None, limits: RateLimits | None = None, force: bool = False
) -> list[CertificatePlan]:
    return plan_batch(items, ledger or Ledger(), ONES, limits or RateLimits(), NOW, force=force)


def plan(has: t.Any = None, *, ledger: Ledger | None = None, force: bool = False, **more: t.Any) -> CertificatePlan:
    return plans(considered(has, force=force, **more), ledger=ledger, force=force)[0]


FRESH, ENDING, LAST = held(bundle(left=60)), held(bundle(left=25)), held(bundle(left=2))
HELD_UP = Ledger()
HELD_UP.note_hold(ONES, "account", "", "too many new orders", NOW, retry_after=600, url="https://one.example/limits")


@pytest.mark.parametrize(
    ("has", "standings", "action", "stores"),
    [
        (None, {}, "issue", ()),
        (None, {"acm": ABSENT, "s3": ABSENT}, "issue", ()),  # there is nothing to fill them from
        (held(None, why="damaged"), {"acm": ABSENT}, "issue", ()),
        (FRESH, {}, "none", ()),
        (FRESH, {"acm": CURRENT, "s3": CURRENT}, "none", ()),
        (FRESH, {"acm": ABSENT, "s3": OTHER}, "store", ("acm", "s3")),
        (FRESH, {"acm": CURRENT, "s3": OTHER}, "store", ("s3",)),
        (FRESH, {"acm": UNKNOWN}, "none", ()),
        (ENDING, {"acm": CURRENT}, "renew", ()),
        (ENDING, {"acm": ABSENT}, "renew", ("acm",)),
        (LAST, {"acm": CURRENT}, "renew", ()),
        (held(bundle(left=-3)), {"acm": CURRENT}, "renew", ()),
    ],
)
def test_what_is_done(has: t.Any, standings: t.Any, action: str, stores: tuple[str, ...]) -> None:
    found = plan(has, standings=standings)
    assert (found.action, found.stores) == (action, stores)
    assert found.orders is (action in ("issue", "renew"))
    assert bool(found.problems) is (UNKNOWN in standings.values())


def test_a_failover_is_not_undone_by_the_next_run_but_by_the_next_renewal() -> None:
    assert plan(held(bundle(left=60), TWO.directory)).action == "none"
    assert plan(held(bundle(left=25), TWO.directory)).action == "renew"


@pytest.mark.parametrize(
    ("has", "progress", "action"),
    [
        (None, "ordered", "resume"),
        (None, "validated", "resume"),
        (ENDING, "ordered", "resume"),
        (FRESH, "ordered", "none"),  # somebody else has renewed it: nothing is lost with such an order
        (FRESH, "validated", "none"),
        (FRESH, "finalized", "resume"),  # the CA has issued it
        (FRESH, "issued", "resume"),
        (FRESH, "stored", "resume"),
    ],
)
def test_orders_of_a_killed_run(has: t.Any, progress: t.Any, action: str) -> None:
    left = entry(key=pki.shared_key()).at(progress)
    found = plan(has, resumable=left, ledger=HELD_UP, refusals=("no",))
    assert found.action == action
    assert (found.entry == left) is (action == "resume")
    if action == "resume":
        assert left.order_url in found.why


def test_what_no_store_could_take_is_refused_before_it_is_ordered() -> None:
    why = "acm: an RSA certificate cannot go from profile classic to tlsserver under its ARN."
    found = plan(ENDING, refusals=(why,), standings={"s3": ABSENT})
    assert found.action == "refuse"
    assert why in found.why
    assert found.stores == ("s3",)
    assert plan(FRESH, refusals=(why,)).action == "none"


def test_a_hold_is_told_with_its_end_and_fills_stores_meanwhile() -> None:
    found = plan(ENDING, ledger=HELD_UP, standings={"acm": ABSENT})
    assert (found.action, found.stores) == ("hold", ("acm",))
    assert found.held_until == NOW + days(600 / 86400)
    assert "It is held until 2026-11-26T12:10:00Z: too many new orders" in found.why
    assert "See https://one.example/limits" in found.why
    assert "It ends at" in found.why


def test_the_floor_overrides_a_hold() -> None:
    assert plan(ENDING, ledger=HELD_UP).action == "hold"
    assert plan(LAST, ledger=HELD_UP).action == "renew"
    assert plan(held(bundle(left=-1)), ledger=HELD_UP).action == "renew"
    assert plan(None, ledger=HELD_UP).action == "hold"


def test_force_overrides_failures_but_not_what_the_ca_has_said() -> None:
    assert plan(FRESH, force=True, ledger=HELD_UP).action == "hold"
    ledger = Ledger()
    ledger.note_failure(ONES, wanted(), "no TXT record", NOW, for_good=True)
    assert plan(ENDING, ledger=ledger).action == "hold"
    assert plan(ENDING, ledger=ledger).held_until is None
    assert plan(ENDING, ledger=ledger, force=True).action == "renew"


def test_where_not_all_can_be_ordered_those_that_end_first_go_first() -> None:
    ledger = Ledger()
    for _order in range(297):
        ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    before = ledger.to_json(NOW)
    lefts = (20, 25, 12, 29, 60, 15)
    items = [considered(held(bundle(left=left)), name=f"n{left}") for left in lefts]
    found = plans(
        *items, considered(None, name="new"), considered(LAST, name="urgent"), ledger=ledger, limits=LETS_ENCRYPT
    )
    assert [(each.wanted.name, each.action) for each in found] == [
        ("n20", "hold"),
        ("n25", "hold"),
        ("n12", "renew"),
        ("n29", "hold"),
        ("n60", "none"),
        ("n15", "hold"),
        ("new", "issue"),
        ("urgent", "renew"),
    ]
    assert ledger.to_json(NOW) == before
    assert next_due(found, NOW) == NOW + days(36 / 86400)


def test_renewals_in_the_cas_window_need_no_room() -> None:
    ledger = Ledger()
    for _order in range(300):
        ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    in_window = Due("window", "Its issuer suggests it.", NOW)
    items = [considered(ENDING, name=f"n{number}", due=in_window) for number in range(3)]
    assert {each.action for each in plans(*items, ledger=ledger, limits=LETS_ENCRYPT)} == {"renew"}


def test_a_window_of_another_ca_is_no_exemption() -> None:
    """What came from the second issuer in a failover is a new certificate for the first one."""
    ledger = Ledger()
    for _order in range(300):
        ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    in_window = Due("window", "Its issuer suggests it.", NOW)
    item = considered(held(bundle(left=25), TWO.directory), due=in_window)
    assert plans(item, ledger=ledger, limits=LETS_ENCRYPT)[0].action == "hold"


def test_when_the_next_one_is_due() -> None:
    found = plans(considered(held(bundle(left=60)), name="a"), considered(held(bundle(left=50)), name="b"))
    assert next_due(found, NOW) == NOW + days(20)
    assert next_due([], NOW) is None
    assert next_due(plans(considered(None)), NOW) is None
