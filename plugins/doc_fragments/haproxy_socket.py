# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How a running HAProxy is reached: mirrors SOCKET_OPTIONS in module_utils/_module/haproxy_options.py."""

    DOCUMENTATION = r"""
options:
  socket:
    description:
      - HAProxy's stats socket, either the path of a unix socket or V(host:port).
      - The forms of HAProxy's configuration V(unix@path), V(ipv4@host:port) and V(ipv6@host:port) work, too.
    type: str
    required: true
  timeout:
    description: Seconds to wait for one answer of HAProxy.
    type: float
    default: 10
"""
