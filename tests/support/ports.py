# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TCP ports for servers under test, such that no two processes of a test run are given the same one.

HAProxy binds with SO_REUSEPORT: of two that were told the same port, both start, and the kernel deals out
the clients between them. So it is not enough that nobody listens on a port at this moment.
"""

from __future__ import annotations

import itertools
import random
import socket
import typing as t

# Below what kernels give to outgoing connections (net.ipv4.ip_local_port_range, from 32768).
_FIRST, _BLOCK, _BLOCKS = 12000, 100, 200


def _claimed_ports() -> t.Iterator[int]:
    """Ports of blocks that this process alone has while it lives: a name in the abstract namespace is its claim."""
    numbers = list(range(_BLOCKS))
    random.shuffle(numbers)
    for number in numbers:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0certops.rotation/tests/ports/{number}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        first = _FIRST + number * _BLOCK
        yield from range(first, first + _BLOCK)
    raise AssertionError("all ports for servers under test have been given away")


_claims: list[socket.socket] = []
_ports = _claimed_ports()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on, and that no other process of the tests is given."""
    for port in itertools.islice(_ports, _BLOCK * _BLOCKS):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free for a server under test")
