# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.authority import RenewalWindow
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.holds import BACK_OFF, GIVE_UP_AFTER
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.ledger import AccountKey, Ledger
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.limits import LETS_ENCRYPT, RateLimits
from ansible_collections.certops.rotation.tests.support.issuance import ACCOUNT, NOW, ONE, TWO, days, wanted
from hypothesis import strategies as st

ONES = AccountKey(ONE.directory, ACCOUNT)
TWOS = AccountKey(TWO.directory, "https://two.example/acct/7")
UNKNOWN = RateLimits()


def seconds(number: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=number)


def again(ledger: Ledger, now: datetime.datetime = NOW) -> Ledger:
    """As the next run reads it."""
    text = ledger.to_json(now)
    read, warning = Ledger.from_json(text)
    assert warning is None
    assert read.to_json(now) == text
    return read


# Orders and certificates


def test_orders_are_held_before_the_ca_refuses_them() -> None:
    ledger = Ledger()
    assert ledger.orders_left(ONES, LETS_ENCRYPT, NOW) == 300
    for _order in range(300):
        assert ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW) is None
        ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    ledger = again(ledger)
    assert ledger.orders_left(ONES, LETS_ENCRYPT, NOW) == 0
    hold = ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW)
    assert hold is not None
    assert hold.until == NOW + seconds(36)
    assert "300 orders of this account in 3:00" in hold.why
    assert not hold.by_ca
    assert ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW + seconds(36)) is None
    assert ledger.hold(TWOS, wanted(), LETS_ENCRYPT, NOW) is None
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW) is None


@pytest.mark.parametrize("way", ["urgent", "force", "exempt"])
def test_an_order_that_must_or_may_go_is_not_held_by_what_was_counted(way: str) -> None:
    ledger = Ledger()
    for _order in range(301):
        ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    assert ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW)
    assert ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW, **{way: True}) is None


def test_renewals_in_the_cas_window_are_not_counted() -> None:
    ledger = Ledger()
    for _order in range(400):
        ledger.note_order(ONES, LETS_ENCRYPT, NOW, exempt=True)
        ledger.note_certificate(ONES, wanted(), LETS_ENCRYPT, NOW, exempt=True)
    assert ledger.orders_left(ONES, LETS_ENCRYPT, NOW) == 300
    assert ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW) is None


def test_five_certificates_for_one_set_of_names() -> None:
    ledger = Ledger()
    for _certificate in range(5):
        assert ledger.hold(ONES, wanted("b.example", "a.example"), LETS_ENCRYPT, NOW) is None
        ledger.note_certificate(ONES, wanted("a.example", "b.example"), LETS_ENCRYPT, NOW)
    ledger = again(ledger)
    hold = ledger.hold(ONES, wanted("a.example", "b.example", name="other"), LETS_ENCRYPT, NOW)
    assert hold is not None
    assert hold.until == NOW + days(7) / 5
    assert "exactly these names" in hold.why
    assert ledger.hold(ONES, wanted("a.example"), LETS_ENCRYPT, NOW) is None


def test_the_limit_of_a_domain_is_foreseen_but_holds_nothing_before_the_ca_says_so() -> None:
    """Which domain is registered is in a list that is not here."""
    ledger = Ledger()
    for number in range(50):
        ledger.note_certificate(ONES, wanted(f"n{number}.example.com"), LETS_ENCRYPT, NOW)
    ledger, more = again(ledger), wanted("more.example.com")
    assert ledger.hold(ONES, more, LETS_ENCRYPT, NOW) is None
    hold = ledger.hold(ONES, more, LETS_ENCRYPT, NOW, foreseen=True)
    assert hold is not None
    assert hold.until == NOW + days(7) / 50
    assert "50 certificates for example.com in 7 days" in hold.why
    assert ledger.hold(ONES, wanted("more.example.org"), LETS_ENCRYPT, NOW, foreseen=True) is None
    assert ledger.hold(ONES, more, LETS_ENCRYPT, NOW, foreseen=True, exempt=True) is None


def test_what_a_ca_without_known_limits_issues_is_not_counted() -> None:
    ledger = Ledger()
    for _certificate in range(1000):
        ledger.note_order(ONES, UNKNOWN, NOW)
        ledger.note_certificate(ONES, wanted(), UNKNOWN, NOW)
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW) is None
    assert ledger.orders_left(ONES, UNKNOWN, NOW) is None
    assert len(again(ledger).to_json(NOW)) < 100


# What the CA has said


def test_retry_after_holds_the_account_until_then() -> None:
    ledger = Ledger()
    ledger.note_hold(ONES, "account", "", "too many new orders", NOW, retry_after=600, url="https://one.example/limits")
    ledger = again(ledger)
    hold = ledger.hold(ONES, wanted(), UNKNOWN, NOW + seconds(599))
    assert hold is not None
    assert (hold.until, hold.by_ca, hold.url) == (NOW + seconds(600), True, "https://one.example/limits")
    assert hold.why == "too many new orders"
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW + seconds(600)) is None
    assert ledger.hold(TWOS, wanted(), UNKNOWN, NOW) is None
    # Only what is urgent asks before the CA wants to be asked (mod_md #318).
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW, force=True)
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW, urgent=True) is None


def test_a_domain_is_held_with_all_below_it_but_not_its_renewals() -> None:
    ledger = Ledger()
    ledger.note_hold(ONES, "domain", "example.com", "too many certificates", NOW, retry_after=3600)
    assert ledger.hold(ONES, wanted("b.org", "*.a.example.com"), UNKNOWN, NOW)
    assert ledger.hold(ONES, wanted("notexample.com"), UNKNOWN, NOW) is None
    assert ledger.hold(ONES, wanted("a.example.com"), UNKNOWN, NOW, exempt=True) is None


def test_one_certificate_is_held_and_the_longest_hold_counts() -> None:
    ledger = Ledger()
    ledger.note_hold(ONES, "certificate", "a", "this one", NOW, retry_after=None)
    ledger.note_hold(ONES, "account", "", "all", NOW, retry_after=60)
    hold, other = (ledger.hold(ONES, wanted(name=name), UNKNOWN, NOW) for name in ("a", "b"))
    assert hold is not None
    assert other is not None
    assert (hold.until, other.until) == (NOW + seconds(3600), NOW + seconds(60))
    ledger.note_certificate(ONES, wanted(name="a"), UNKNOWN, NOW)
    assert ledger.hold(ONES, wanted(name="a"), UNKNOWN, NOW + seconds(61)) is None


@pytest.mark.parametrize("retry_after", [1e12, float("inf"), -5.0])
def test_a_ca_that_says_next_century_is_not_believed(retry_after: float) -> None:
    ledger = Ledger()
    ledger.note_hold(ONES, "account", "", "no", NOW, retry_after=retry_after)
    assert again(ledger).hold(ONES, wanted(), UNKNOWN, NOW + days(32)) is None


# Failures in a row


def test_after_failures_the_waits_grow_until_nobody_tries_any_more() -> None:
    ledger, at, waits = Ledger(), NOW, []
    for _failure in range(GIVE_UP_AFTER - 1):
        ledger.note_failure(ONES, wanted(), "no TXT record", at, url="https://one.example/why")
        ledger = again(ledger, at)
        hold = ledger.hold(ONES, wanted(), UNKNOWN, at)
        until = hold.until if hold else at
        assert until is not None
        waits.append((until - at).total_seconds())
        at = until
        assert ledger.hold(ONES, wanted(), UNKNOWN, at) is None
    assert waits == [*BACK_OFF, *[BACK_OFF[-1]] * (GIVE_UP_AFTER - 1 - len(BACK_OFF))]
    ledger.note_failure(ONES, wanted(), "no TXT record", at, url="https://one.example/why")
    hold = again(ledger, at).hold(ONES, wanted(), UNKNOWN, at + days(60))
    assert hold is not None
    assert (hold.until, hold.failures, hold.url) == (None, GIVE_UP_AFTER, "https://one.example/why")
    assert "no TXT record" in hold.why


def given_up() -> Ledger:
    ledger = Ledger()
    ledger.note_failure(ONES, wanted(), "paused", NOW, for_good=True)
    return again(ledger)


def test_what_was_given_up_begins_again_by_force_by_other_names_and_after_a_success() -> None:
    ledger = given_up()
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW + days(3))
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW, force=True) is None
    assert ledger.hold(ONES, wanted("a.example.com", "b.example.com"), UNKNOWN, NOW) is None
    assert ledger.hold(ONES, wanted(name="other"), UNKNOWN, NOW) is None
    assert ledger.hold(TWOS, wanted(), UNKNOWN, NOW) is None
    ledger.note_failure(ONES, wanted("b.example.com"), "no TXT record", NOW)
    assert ledger.hold(ONES, wanted("b.example.com"), UNKNOWN, NOW) is None
    ledger = given_up()
    ledger.note_certificate(ONES, wanted(), UNKNOWN, NOW)
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW) is None


def test_what_is_urgent_is_tried_once_a_day_for_ever_and_not_at_each_run() -> None:
    ledger = given_up()
    hold = ledger.hold(ONES, wanted(), UNKNOWN, NOW + days(0.5), urgent=True)
    assert hold is not None
    assert hold.until == NOW + days(1)
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW + days(1), urgent=True) is None


# The CA's windows


def test_windows_are_kept_until_the_ca_wants_to_be_asked_again() -> None:
    ledger = Ledger()
    window = RenewalWindow(NOW + days(10), NOW + days(12), NOW + seconds(7200), "https://one.example/why")
    assert ledger.window("id.1") is None
    assert ledger.must_ask("id.1", NOW)
    ledger.note_window("id.1", window, NOW)
    ledger = again(ledger)
    assert ledger.window("id.1") == window
    assert not ledger.must_ask("id.1", NOW + seconds(7199))
    assert ledger.must_ask("id.1", NOW + seconds(7200))
    assert ledger.window("id.1") == window  # it counts until there is another one


@pytest.mark.parametrize(("said", "asked"), [(0.0, 60.0), (-1e9, 60.0), (1e9, 86400.0), (21600.0, 21600.0)])
def test_the_ca_is_asked_again_after_a_minute_to_a_day(said: float, asked: float) -> None:
    ledger = Ledger()
    ledger.note_window("id.1", RenewalWindow(NOW, NOW + days(1), NOW + seconds(said)), NOW)
    assert not ledger.must_ask("id.1", NOW + seconds(asked - 1))
    assert ledger.must_ask("id.1", NOW + seconds(asked))


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_window_in_any_year_can_be_kept(year: int) -> None:
    at = datetime.datetime(year, 6, 1, tzinfo=datetime.timezone.utc)
    ledger = Ledger()
    ledger.note_window("id.1", RenewalWindow(at, at, at), NOW)
    assert again(ledger).window("id.1")


# Two runs


def test_what_two_runs_write_at_once_is_merged() -> None:
    common = Ledger()
    common.note_order(ONES, LETS_ENCRYPT, NOW)
    text = common.to_json(NOW)
    one, two = Ledger.from_json(text)[0], Ledger.from_json(text)[0]
    one.note_order(ONES, LETS_ENCRYPT, NOW)
    one.note_failure(ONES, wanted(), "no TXT record", NOW)
    two.note_order(ONES, LETS_ENCRYPT, NOW)
    two.note_window("id.1", RenewalWindow(NOW, NOW + days(1), NOW), NOW)
    merged = Ledger.from_json(one.to_json(NOW))[0]
    merged.replay(two)
    merged = again(merged)
    assert merged.orders_left(ONES, LETS_ENCRYPT, NOW) == 297
    assert merged.window("id.1")
    merged.note_failure(ONES, wanted(), "no TXT record", NOW)
    assert merged.hold(ONES, wanted(), UNKNOWN, NOW)


# A clock that is wrong


@pytest.mark.parametrize("ahead", [days(40), days(4000)])
def test_what_a_clock_that_is_ahead_has_written_keeps_nothing_back(ahead: datetime.timedelta) -> None:
    """One controller's clock was wrong for a day; the others share its ledger."""
    ledger, then = Ledger(), NOW + ahead
    for _order in range(300):
        ledger.note_order(ONES, LETS_ENCRYPT, then)
    for _certificate in range(5):
        ledger.note_certificate(ONES, wanted(), LETS_ENCRYPT, then)
    ledger.note_hold(ONES, "account", "", "too many new orders", then, retry_after=600)
    ledger.note_failure(ONES, wanted(), "no TXT record", then)
    ledger.note_failure(ONES, wanted(), "no TXT record", then)
    ledger.note_window("id.1", RenewalWindow(then, then + days(1), then + seconds(600)), then)
    ledger = again(ledger)
    assert ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW) is None
    assert ledger.orders_left(ONES, LETS_ENCRYPT, NOW) == 300
    assert ledger.must_ask("id.1", NOW)
    ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    assert again(ledger).orders_left(ONES, LETS_ENCRYPT, NOW) == 299


def test_a_clock_that_is_a_little_ahead_is_believed() -> None:
    ledger, then = Ledger(), NOW + seconds(120)
    ledger.note_hold(ONES, "account", "", "no", then, retry_after=600)
    ledger.note_failure(ONES, wanted(name="b"), "no TXT record", then)
    ledger.note_failure(ONES, wanted(name="b"), "no TXT record", then)
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW)
    assert ledger.hold(ONES, wanted(name="b"), UNKNOWN, NOW)


# As a document


def full() -> Ledger:
    ledger = Ledger()
    for number in range(1500):
        name = f"certificate-{number}"
        ledger.note_window(f"{number:040d}.AIdlQyE", RenewalWindow(NOW, NOW + days(1), NOW + seconds(60 + number)), NOW)
        ledger.note_certificate(ONES, wanted(f"{name}.example.com", name=name), LETS_ENCRYPT, NOW)
        ledger.note_failure(ONES, wanted(f"{name}.example.com", name=name), "why " * 200, NOW)
    ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    return ledger


@pytest.mark.parametrize("size", [65536, 500_000, 3_000, 100, 1])
def test_its_size_is_bounded(size: int) -> None:
    text = full().to_json(NOW, size)
    assert len(text) <= max(size, 60)
    assert Ledger.from_json(text)[1] is None


def test_what_is_asked_for_again_goes_first() -> None:
    whole = full()
    size = len(whole.to_json(NOW, 10**9))
    less = Ledger.from_json(full().to_json(NOW, size - 10_000))[0]
    assert less.window(f"{0:040d}.AIdlQyE") is None
    assert less.window(f"{1499:040d}.AIdlQyE")
    assert less.hold(ONES, wanted("certificate-0.example.com", name="certificate-0"), UNKNOWN, NOW) is None
    less.note_failure(ONES, wanted("certificate-0.example.com", name="certificate-0"), "why", NOW)
    assert less.hold(ONES, wanted("certificate-0.example.com", name="certificate-0"), UNKNOWN, NOW)


def test_what_is_over_is_forgotten() -> None:
    text = full().to_json(NOW + days(300))
    assert json.loads(text) == {"accounts": {}, "format": 1, "windows": {}}


@pytest.mark.parametrize("text", ["", "  ", '{"accounts":{"https://one', '{"accounts":'])
def test_a_damaged_one_begins_anew(text: str) -> None:
    ledger, warning = Ledger.from_json(text)
    assert not ledger.foreign
    assert (warning is None) == (not text.strip())
    assert ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "12",
        "null",
        "{}",
        '{"format":1}',
        "-----BEGIN CERTIFICATE-----",
        '{"certificate":"x"}',
        "[" * 100_000,
        '{"format":2,"accounts":{},"windows":{}}',
    ],
)
def test_what_is_somebody_elses_is_left_alone(text: str) -> None:
    ledger, warning = Ledger.from_json(text)
    assert ledger.foreign
    assert warning


NOISE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "orders",
                    "held",
                    "failures",
                    "names",
                    "domains",
                    "until",
                    "why",
                    "at",
                    "count",
                    "start",
                    "end",
                    "ask_again",
                    "account:",
                    "a",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@hypothesis.given(NOISE, NOISE)
def test_whatever_its_parts_hold_no_renewal_is_kept_back_by_an_error(accounts: t.Any, windows: t.Any) -> None:
    key = f"{ONE.directory} {ACCOUNT}"
    document = {"format": 1, "accounts": {key: accounts}, "windows": windows}
    ledger, _warning = Ledger.from_json(json.dumps(document))
    ledger.hold(ONES, wanted(), LETS_ENCRYPT, NOW)
    for identity in windows if isinstance(windows, dict) else ():
        ledger.window(identity)
    ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    ledger.note_certificate(ONES, wanted(), LETS_ENCRYPT, NOW)
    ledger.note_failure(ONES, wanted(), "x", NOW)
    assert Ledger.from_json(ledger.to_json(NOW))[1] is None


@pytest.mark.parametrize(
    "staged",
    [
        {"version": 7, "names": "x", "at": 1, "count": 0, "withdrawn": 0},
        {"version": "v", "names": "x", "at": -1, "count": 0, "withdrawn": 0},
        {"version": "v", "names": "x", "at": 1, "count": 0, "withdrawn": 5},
        {"version": "v", "names": "x", "at": 1, "count": 1, "withdrawn": "soon"},
        [],
    ],
)
def test_a_damaged_note_of_what_was_staged_is_forgotten(staged: t.Any) -> None:
    ledger = Ledger()
    ledger.note_staged(wanted(), "v1", NOW)
    ledger.note_staged(wanted(name="other"), "v2", NOW)
    document = json.loads(ledger.to_json(NOW))
    document["staged"]["other"] = staged
    read, warning = Ledger.from_json(json.dumps(document))
    assert warning == "Parts of it are damaged, and forgotten."
    assert (read.staged(wanted().name), read.staged("other")) == ("v1", None)


def test_a_withdrawal_is_counted_once_and_of_the_right_version() -> None:
    ledger = Ledger()
    ledger.note_staged(wanted(), "v1", NOW)
    ledger.note_withdrawn(wanted().name, "v0", NOW)
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW) is None
    for hours in (0, 5):
        ledger.note_withdrawn(wanted().name, "v1", NOW + datetime.timedelta(hours=hours))
    hold = again(ledger).hold(ONES, wanted(), UNKNOWN, NOW)
    assert hold is not None
    assert hold.until == NOW + datetime.timedelta(days=1)
    assert ledger.hold(ONES, wanted(), UNKNOWN, NOW, force=True) is None
    ledger.note_promoted(wanted().name)
    assert again(ledger).hold(ONES, wanted(), UNKNOWN, NOW) is None


def test_two_runs_that_stage_at_once_are_merged() -> None:
    one, two = Ledger(), Ledger()
    one.note_staged(wanted(), "v1", NOW)
    two.note_staged(wanted(name="other"), "v2", NOW)
    one.replay(two)
    assert (one.staged(wanted().name), one.staged("other")) == ("v1", "v2")


def test_an_incident_that_begins_after_the_instant_of_the_run_is_not_forgotten() -> None:
    """To foresee limits, the ledger is copied as of when the run began."""
    ledger = Ledger()
    began = NOW + datetime.timedelta(seconds=2)
    ledger.note_incident("k", 1, 1, began)
    ledger.to_json(NOW)
    ledger.note_incident("k", 1, 0, began + datetime.timedelta(seconds=5))
    assert [each.certificates for each in again(ledger, began).incidents()] == [1]
    assert not again(ledger, NOW - datetime.timedelta(days=1)).incidents(), "of a clock that was wrong"


def test_the_last_incidents_are_remembered() -> None:
    ledger = Ledger()
    for day in range(9):
        at = NOW + datetime.timedelta(days=day)
        ledger.note_incident(f"k{day}", 4, 4, at)
        ledger.note_incident(f"k{day}", 5, 0, at + datetime.timedelta(hours=1))
    ledger.note_incident("open", 2, 2, at + datetime.timedelta(hours=2))
    found = again(ledger, NOW + datetime.timedelta(days=30)).incidents()
    assert [(each.began.day, each.certificates) for each in found] == [
        ((NOW + datetime.timedelta(days=day)).day, 5) for day in (8, 7, 6, 5)
    ]
