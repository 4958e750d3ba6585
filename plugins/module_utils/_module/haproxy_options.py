# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that all modules share that talk to a running HAProxy over its Runtime API."""

from __future__ import annotations

import typing as t

SOCKET_OPTIONS: dict[str, dict[str, t.Any]] = {
    "socket": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 10},
}
