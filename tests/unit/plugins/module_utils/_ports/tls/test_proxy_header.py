# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PROXY protocol headers, byte by byte as its specification has them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.proxy_header import proxy_header

V4 = ("192.0.2.1", 50000), ("198.51.100.2", 443)
V6 = ("2001:db8::1", 50000, 0, 0), ("fe80::2%eth0", 443, 0, 2)
UNIX = "", "/run/socket"
SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
PORTS = b"\xc3\x50\x01\xbb"


@pytest.mark.parametrize(
    ("kind", "ends", "header"),
    [
        (False, V4, b""),
        (True, V4, b"PROXY UNKNOWN\r\n"),
        ("v1", V4, b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n"),
        ("v1", V6, b"PROXY TCP6 2001:db8::1 fe80::2 50000 443\r\n"),
        ("v1", UNIX, b"PROXY UNKNOWN\r\n"),
        ("v2", V4, SIGNATURE + b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02" + PORTS),
        (
            "v2",
            V6,
            SIGNATURE
            + b"\x21\x21\x00\x24"
            + bytes.fromhex("20010db8" + "0" * 23 + "1" + "fe80" + "0" * 27 + "2")
            + PORTS,
        ),
        ("v2", UNIX, SIGNATURE + b"\x20\x00\x00\x00"),
    ],
)
def test_header(kind: t.Any, ends: tuple[t.Any, t.Any], header: bytes) -> None:
    assert proxy_header(kind, *ends) == header
