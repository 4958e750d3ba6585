# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import statistics
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.authority import RenewalWindow
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.when import (
    Due,
    EmergencyFloor,
    RenewalPolicy,
    certificate_id,
    due,
    instant_in,
    parse_floor,
    same_directory,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import load_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import parse_pem
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.tests.support import issuance
from ansible_collections.certops.rotation.tests.support.issuance import (
    NOW,
    ONE,
    STAGING,
    TWO,
    bundle,
    days,
    held,
    wanted,
)

SECOND = datetime.timedelta(seconds=1)
HOUR = datetime.timedelta(hours=1)


def decide(has: t.Any = None, wants: t.Any = None, *, now: datetime.datetime = NOW, **more: t.Any) -> Due:
    policy = more.pop("policy", RenewalPolicy())
    issuers = more.pop("issuers", (ONE, TWO))
    return due(wants or wanted(), has, now=now, issuers=issuers, policy=policy, **more)


def window(start: float, end: float, **more: t.Any) -> RenewalWindow:
    """start, end: days from NOW."""
    return RenewalWindow(NOW + days(start), NOW + days(end), NOW + HOUR, **more)


# What has nothing to do with time


def test_nothing_is_held() -> None:
    found = decide(None)
    assert (found.code, found.at, found.urgent) == ("absent", NOW, False)
    assert found.is_due(NOW)
    assert found.is_reissue


def test_what_is_held_cannot_be_served() -> None:
    found = decide(held(None, why="the private key does not match."))
    assert found.code == "unusable"
    assert found.is_due(NOW)
    assert found.urgent
    assert "the private key does not match" in found.text


def test_all_is_well() -> None:
    found = decide(held(bundle(left=60)))
    assert found.code == "lifetime"
    assert not found.is_due(NOW)
    assert found.at == NOW + days(30)
    assert not found.is_reissue


@pytest.mark.parametrize(
    ("has", "wants", "issuers", "code"),
    [
        (held(bundle(), STAGING), wanted(), (ONE,), "issuer"),
        (held(bundle(), TWO.directory), wanted(), (ONE,), "issuer"),
        (held(bundle(), TWO.directory), wanted(), (ONE, TWO), None),  # of a failover: until its renewal
        (held(bundle(), "HTTPS://ONE.example/directory/"), wanted(), (ONE,), None),
        (held(bundle(), "https://one.example/Directory"), wanted(), (ONE,), "issuer"),
        (held(bundle(), None), wanted(), (ONE,), None),  # it came from elsewhere
        (held(bundle(), None), wanted(profile="shortlived"), (ONE,), None),
        (held(bundle()), wanted(key_type="ec384"), (ONE,), "key_type"),
        (held(bundle(key_type="rsa2048")), wanted(), (ONE,), "key_type"),
        (held(bundle(key_type="rsa2048")), wanted(key_type="rsa2048"), (ONE,), None),
        (held(bundle(key_type="ed25519")), wanted(), (ONE,), "key_type"),
        (held(bundle()), wanted(profile="shortlived"), (ONE,), "profile"),
        (held(bundle(), profile="shortlived"), wanted(), (ONE,), "profile"),
        (held(bundle(), profile="shortlived"), wanted(profile="shortlived"), (ONE,), None),
        (held(bundle(), profile="shortlived"), wanted(), (dataclasses.replace(ONE, profile="shortlived"),), None),
        (held(bundle()), wanted(), (dataclasses.replace(ONE, profile="shortlived"),), "profile"),
        # Of the issuer that issued it counts the profile, not of the first one.
        (
            held(bundle(), TWO.directory, profile="two"),
            wanted(),
            (dataclasses.replace(ONE, profile="one"), dataclasses.replace(TWO, profile="two")),
            None,
        ),
    ],
)
def test_another_issuer_key_or_profile_is_a_reissue(has: t.Any, wants: t.Any, issuers: t.Any, code: str | None) -> None:
    found = decide(has, wants, issuers=issuers)
    assert found.code == (code or "lifetime")
    assert found.is_due(NOW) is (code is not None)
    assert found.is_reissue is (code is not None)
    assert not found.urgent


@pytest.mark.parametrize(
    ("has", "wants", "is_same"),
    [
        (("a.example.com", "b.example.com"), ("b.example.com", "a.example.com"), True),
        (("A.example.com",), ("a.example.com",), True),
        (("a.example.com",), ("a.example.com", "b.example.com"), False),
        (
            ("a.example.com", "b.example.com"),
            ("a.example.com",),
            False,
        ),  # a subset is not enough
        (("*.example.com",), ("a.example.com",), False),
        (("*.example.com", "example.com"), ("example.com", "*.example.com"), True),
        (("xn--strae-oqa.example",), ("xn--strae-oqa.example",), True),
        (("a.example.com", "2001:db8::1"), ("2001:db8::1", "a.example.com"), True),
        (("a.example.com", "192.0.2.1"), ("a.example.com",), False),
    ],
)
def test_the_set_of_names_is_compared_exactly(has: tuple[str, ...], wants: tuple[str, ...], is_same: bool) -> None:
    found = decide(held(bundle(*has)), wanted(*wants))
    assert (found.code == "names") is not is_same
    if not is_same:
        for name in set(has) ^ set(wants):
            assert name in found.text


def test_many_other_names_are_not_all_told() -> None:
    names = tuple(f"n{number}.example.com" for number in range(50))
    assert "and 47 more" in decide(held(bundle(*names)), wanted()).text


def test_force() -> None:
    assert decide(held(bundle()), force=True).code == "forced"
    assert decide(None, force=True).code == "absent"
    assert decide(held(bundle(left=-1)), force=True).code == "expired"
    assert decide(held(bundle(left=1)), force=True).urgent


# Lifetime and threshold


@pytest.mark.parametrize(("lifetime", "notice"), [(90, 30), (398, 30), (45, 15), (6, 3), (9.5, 4.75)])
def test_without_a_suggestion_the_lifetime_decides(lifetime: float, notice: float) -> None:
    has = held(bundle(lifetime=lifetime, left=notice))
    assert decide(has).at == NOW
    assert decide(has).is_due(NOW)
    assert not decide(has, now=NOW - SECOND).is_due(NOW - SECOND)
    assert decide(has).warning is None


@pytest.mark.parametrize(("left", "is_due"), [(30, True), (29.9, True), (30.001, False), (31, False)])
def test_thirty_days_on_request_are_due_when_thirty_days_or_less_remain(left: float, is_due: bool) -> None:
    policy = RenewalPolicy(renew_before=days(30))
    found = decide(held(bundle(left=left)), policy=policy)
    assert (found.code, found.is_due(NOW)) == ("threshold", is_due)
    assert decide(held(bundle(left=left)), wanted(renew_before=30)).is_due(NOW) is is_due
    # The certificate's own number counts.
    assert not decide(held(bundle(left=left)), wanted(renew_before=20), policy=policy).is_due(NOW)


@pytest.mark.parametrize(("lifetime", "capped"), [(6, 3), (45, 22.5), (59, 29.5)])
def test_a_threshold_is_capped_by_the_lifetime_with_a_warning(lifetime: float, capped: float) -> None:
    """Otherwise a certificate of six days was renewed by each run (NginxProxyManager #5483)."""
    policy = RenewalPolicy(renew_before=days(30))
    fresh = decide(held(bundle(lifetime=lifetime, left=lifetime)), policy=policy)
    assert not fresh.is_due(NOW)
    assert fresh.warning is not None
    assert "renew_before_days is 30" in fresh.warning
    assert fresh.at == NOW + days(lifetime - capped)
    assert decide(held(bundle(lifetime=lifetime, left=capped)), policy=policy).is_due(NOW)


def test_no_warning_where_the_threshold_fits() -> None:
    assert decide(held(bundle(lifetime=60)), policy=RenewalPolicy(renew_before=days(30))).warning is None


# The CA's suggestion


def test_the_instant_in_the_window_is_the_certificates_own() -> None:
    has = held(bundle())
    found = decide(has, window=window(10, 12, explanation_url="https://one.example/why"))
    assert found.code == "window"
    assert NOW + days(10) <= found.at < NOW + days(12)
    assert found.at == instant_in(window(10, 12), certificate_id(has.bundle.leaf))
    assert decide(has, window=window(10, 12), now=NOW + HOUR).at == found.at
    assert "https://one.example/why" in found.text
    others = {decide(held(bundle()), window=window(10, 12)).at for _serial in range(8)}
    assert len(others) == 8


def test_the_instants_are_spread_over_the_window() -> None:
    frame = window(0, 1)
    shares = [(instant_in(frame, f"id {number}") - frame.start) / days(1) for number in range(500)]
    assert min(shares) >= 0
    assert max(shares) < 1
    assert 0.45 < statistics.mean(shares) < 0.55
    assert 0.27 < statistics.pstdev(shares) < 0.31  # of an even distribution 0.289


def test_a_window_in_the_past_is_now() -> None:
    found = decide(held(bundle()), window=window(-3, -2))
    assert found.is_due(NOW)
    assert found.at < NOW
    assert not found.urgent


@pytest.mark.parametrize(("start", "end"), [(3, 3), (3, 2), (60, 61), (5000, 5001)])
def test_a_window_that_means_nothing_is_left_out(start: float, end: float) -> None:
    assert decide(held(bundle()), window=window(start, end)).code == "lifetime"


def test_a_window_is_left_out_on_request() -> None:
    policy = RenewalPolicy(renewal_info=False)
    assert decide(held(bundle()), window=window(-3, -2), policy=policy).code == "lifetime"


def test_a_late_window_counts_until_the_floor() -> None:
    """The CA knows its own load; but nobody waits for it until the last day."""
    found = decide(held(bundle(lifetime=90, left=60)), window=window(30, 120))
    assert found.at <= NOW + days(60 - 9)


def test_of_window_and_threshold_the_first_counts() -> None:
    policy = RenewalPolicy(renew_before=days(30))
    assert decide(held(bundle(left=30)), window=window(20, 21), policy=policy).code == "threshold"
    assert decide(held(bundle(left=60)), window=window(-2, -1), policy=policy).code == "window"


def test_an_instant_before_the_next_run_is_now() -> None:
    """RFC 9773 section 4.2: whoever sleeps through it renews at once."""
    frame, has = window(0.1, 0.9), held(bundle())
    assert not decide(has, window=frame).is_due(NOW)
    assert decide(has, window=frame, policy=RenewalPolicy(next_run=NOW + days(1))).is_due(NOW)
    assert not decide(has, window=frame, policy=RenewalPolicy(next_run=NOW + days(0.05))).is_due(NOW)
    late = decide(has, window=window(5, 6), policy=RenewalPolicy(next_run=NOW + days(1)))
    assert not late.is_due(NOW)


# The floor


@pytest.mark.parametrize(("left", "urgent"), [(9, True), (8, True), (0.001, True), (9.01, False), (29, False)])
def test_below_the_floor_it_is_urgent(left: float, urgent: bool) -> None:
    found = decide(held(bundle(left=left)), window=window(5, 6), policy=RenewalPolicy(renewal_info=True))
    assert found.urgent is urgent
    assert (found.code == "emergency") is urgent
    if urgent:
        assert found.is_due(NOW)


@pytest.mark.parametrize("left", [0, -0.001, -400])
def test_expired_is_urgent(left: float) -> None:
    found = decide(held(bundle(left=left)))
    assert (found.code, found.urgent, found.is_due(NOW)) == ("expired", True, True)


def test_a_floor_never_makes_a_fresh_certificate_an_emergency() -> None:
    policy = RenewalPolicy(floor=EmergencyFloor(duration=days(30)))
    fresh = decide(held(bundle(lifetime=6, left=6)), policy=policy)
    assert not fresh.urgent
    assert fresh.at == NOW + days(3)
    assert decide(held(bundle(lifetime=6, left=2)), policy=policy).urgent


@pytest.mark.parametrize(
    ("floor", "lifetime", "days_left"),
    [
        (EmergencyFloor(), 90, 9),
        (EmergencyFloor(), 6, 0.6),
        (EmergencyFloor(), 398, 20),  # a tenth would be more than the notice
        (EmergencyFloor(duration=days(3)), 90, 3),
        (EmergencyFloor(duration=days(30)), 90, 20),
        (EmergencyFloor(duration=days(30)), 6, 2),
        (EmergencyFloor(duration=days(3)), -1, 0),
    ],
)
def test_the_floor_is_below_the_notice(floor: EmergencyFloor, lifetime: float, days_left: float) -> None:
    assert floor.of(NOW, NOW + days(lifetime)) == days(days_left)


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("3d", EmergencyFloor(duration=days(3))),
        (" 10% ", EmergencyFloor(share=0.1)),
        ("0%", EmergencyFloor(share=0)),
        ("33 %", EmergencyFloor(share=0.33)),
        ("0", EmergencyFloor(duration=days(0))),
    ],
)
def test_floors_as_options(text: str, floor: EmergencyFloor) -> None:
    assert parse_floor(text) == floor


@pytest.mark.parametrize("text", ["", "%", "34%", "-1%", "10", "1e1%", "9999999999999999%", "x", "²%", "10.5%"])
def test_floors_that_mean_nothing(text: str) -> None:
    with pytest.raises(InvalidOption):
        parse_floor(text)


# The clock


def test_a_certificate_of_tomorrow_is_not_renewed_but_told() -> None:
    """By a slow clock the next one would not be valid either."""
    found = decide(held(bundle(lifetime=90, left=91)))
    assert not found.is_due(NOW)
    assert found.warning is not None
    assert "check the clock" in found.warning


# The certificate's id


def test_the_example_of_the_rfc() -> None:
    """RFC 9773 section 4.1 and appendix A."""
    pem = """-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
"""
    certificate = load_certificate(parse_pem(pem.encode())[0].der)
    assert certificate_id(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


@pytest.mark.parametrize("serial", [1, 127, 128, 255, 256, 2**63, 2**64 - 1, 2**159 - 1])
def test_the_id_is_that_of_the_library(serial: int) -> None:
    issued = issuance.authority().issue("a.example.com", serial_number=serial)
    certificate = load_certificate(parse_pem(issued.certificate_pem.encode())[0].der)
    assert certificate_id(certificate) == _of_the_library(issued.certificate)


def _of_the_library(certificate: t.Any) -> str:
    from acme import client

    return client._renewal_info_path_component(certificate)  # type: ignore[attr-defined,no-any-return]


def test_directories() -> None:
    assert same_directory("https://A.example", "HTTPS://a.example/")
    assert not same_directory("https://a.example/x", "https://a.example/y")
    assert not same_directory("https://a.example:1/x", "https://a.example/x")
    assert not same_directory("", "https://a.example/x")
