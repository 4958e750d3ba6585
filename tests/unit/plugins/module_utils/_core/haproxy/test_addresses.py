# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.addresses import stands_for_all


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
