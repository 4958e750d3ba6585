# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.addresses import (
    stands_for_all,
    ways_to_all,
)


@pytest.mark.parametrize(
    ("address", "for_all"),
    [
        (":443", True),
        ("*:443", True),
        ("0.0.0.0:443", True),
        ("[::]:443", True),
        (":::443", True),
        ("ipv4@:443", True),
        ("ipv6@*:443", True),
        ("ipv6@[::]:443-445", True),
        ("stream+ipv4@0.0.0.0:443", True),
        ("127.0.0.1:443", False),
        ("[::1]:443", False),
        ("192.0.2.1:443", False),
        ("ipv4@localhost:443", False),
        ("lb1.example.com:443", False),
    ],
)
def test_an_address_of_all_interfaces(address: str, for_all: bool) -> None:
    assert stands_for_all(address) is for_all


def test_ways_to_a_listener_on_all_addresses() -> None:
    ways = list(ways_to_all("127.0.0.1", ["2001:db8::1"]))
    assert (ways[:3], ways[-1], len(set(ways))) == (["127.0.0.1", "127.0.0.2", "127.0.0.3"], "127.0.0.254", 254)
    assert list(ways_to_all("::1", ["2001:db8::1", "::1"])) == ["::1", "2001:db8::1", "::1"]
