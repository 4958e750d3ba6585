# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import Zone
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.zones import (
    ZoneOfName,
    challenge_name,
    no_zone,
    plain_name,
    zone_of,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError

COM = Zone("example.com", "Z1")
SUB = Zone("sub.example.com", "Z2")
OTHER = Zone("example.com", "Y1")


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("_acme-challenge.example.com", COM),
        ("_acme-challenge.www.example.com", COM),
        ("_acme-challenge.sub.example.com", SUB),
        ("_acme-challenge.a.b.sub.example.com", SUB),
        ("example.com", COM),
        # By labels, not by characters.
        ("_acme-challenge.notexample.com", None),
        ("_acme-challenge.example.com.evil.test", None),
        ("_acme-challenge.xsub.example.com", COM),
        ("com", None),
    ],
)
def test_the_longest_zone_that_the_name_ends_with(name: str, zone: Zone | None) -> None:
    for zones in ((COM, SUB), (SUB, COM)):
        found = zone_of(name, [zones])
        assert found == (ZoneOfName(0, zone) if zone else None)


def test_the_first_provider_wins_among_equals_only() -> None:
    assert zone_of("_acme-challenge.example.com", [(COM,), (OTHER,)]) == ZoneOfName(0, COM)
    assert zone_of("_acme-challenge.example.com", [(), (OTHER,), (COM,)]) == ZoneOfName(1, OTHER)
    assert zone_of("_acme-challenge.sub.example.com", [(COM,), (SUB,)]) == ZoneOfName(1, SUB)


def test_two_zones_of_one_name_in_one_account_need_a_decision() -> None:
    with pytest.raises(DnsError, match=r"2 public zones example.com \(Y1 and Z1\).*hosted_zone_ids"):
        zone_of("_acme-challenge.example.com", [(COM, OTHER)])
    assert zone_of("_acme-challenge.sub.example.com", [(COM, OTHER, SUB)]) == ZoneOfName(0, SUB)


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("example.com", "_acme-challenge.example.com"),
        ("*.example.com", "_acme-challenge.example.com"),
        ("WWW.Example.COM.", "_acme-challenge.www.example.com"),
        ("b\u00fccher.example", "_acme-challenge.xn--bcher-kva.example"),
        ("_under_score.example.com", "_acme-challenge._under_score.example.com"),
        (f"{'a' * 63}.example.com", f"_acme-challenge.{'a' * 63}.example.com"),
        ("com", "_acme-challenge.com"),
    ],
)
def test_where_the_ca_looks(identifier: str, name: str) -> None:
    assert challenge_name(identifier) == name


@pytest.mark.parametrize("name", ["", ".", "a..b", f"{'a' * 64}.example.com", "a." * 127 + "b", ".example.com", " "])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(DnsError, match="no name that the DNS can have"):
        plain_name(name)


def test_a_missing_zone_is_told_with_all_that_helps() -> None:
    error = no_zone("_acme-challenge.www.example.org", "_acme-challenge.www.example.org", [COM, SUB, OTHER])
    assert "www.example.org: " in error.message
    assert "_acme-challenge.www.example.org" in error.message
    assert "There are: example.com, sub.example.com." in error.message
    assert error.names == ("_acme-challenge.www.example.org",)


def test_a_missing_zone_behind_a_cname_is_told_with_it() -> None:
    error = no_zone("_acme-challenge.www.example.com", "x.validation.example.net", [COM])
    assert "a CNAME record leads to x.validation.example.net" in error.message


def test_no_zones_and_very_many() -> None:
    assert "There are: none." in no_zone("_acme-challenge.a.test", "_acme-challenge.a.test", []).message
    many = [Zone(f"z{number:02}.test", str(number)) for number in range(30)]
    assert "z09.test and 20 more." in no_zone("_acme-challenge.a.test", "_acme-challenge.a.test", many).message
