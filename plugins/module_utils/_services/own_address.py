# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address by which this host reaches others."""

from __future__ import annotations

import socket

_FAR_AWAY = ("1.1.1.1", 53)  # connecting a datagram socket chooses the route, and sends nothing


def own_address() -> str | None:
    """The source address of this host's default IPv4 route; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_FAR_AWAY)
            return str(probe.getsockname()[0])
        except OSError:
            return None
