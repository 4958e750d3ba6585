# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which addresses are this host's, by the kernel's routes and without them."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.host import own_address
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.own_address import is_own_address

ADDRESSES = [
    ("127.0.0.1", True),
    ("127.9.9.9", True),
    ("::1", True),
    ("198.51.100.7", False),
    ("2001:db8::7", False),
    ("fe80::1%lo", False),
]


@pytest.mark.parametrize(("address", "own"), ADDRESSES)
def test_the_kernel_tells(address: str, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where anything can be bound to, as with net.ipv4.ip_nonlocal_bind."""
    monkeypatch.setattr(socket.socket, "bind", lambda _self, _address: None, raising=False)
    assert is_own_address(address) is own


@pytest.mark.parametrize(("address", "own"), ADDRESSES[:-1])
def test_a_service_that_may_not_ask_the_kernel_tries_to_bind(
    address: str, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_address, "_NETLINK", None)
    assert is_own_address(address) is own
