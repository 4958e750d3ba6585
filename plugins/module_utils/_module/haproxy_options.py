# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options about HAProxy that several modules share: one word for a thing, and its default, everywhere."""

from __future__ import annotations

import typing as t

from .._core.x509.layouts import LAYOUTS

DOCKER_HOST: t.Final = "unix:///var/run/docker.sock"
CONFIG: t.Final = "/etc/haproxy/haproxy.cfg"
SERVICE: t.Final = "haproxy"
RELOAD_METHODS: t.Final = ("master", "systemd", "docker", "http", "signal")

#: How a running HAProxy is talked to over its Runtime API.
SOCKET_OPTIONS: dict[str, dict[str, t.Any]] = {
    "socket": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 10},
}
LAYOUT_OPTION: dict[str, t.Any] = {"type": "str", "choices": sorted(LAYOUTS), "default": "haproxy"}
DOCKER_HOST_OPTION: dict[str, t.Any] = {"type": "str", "default": DOCKER_HOST, "no_log": True}
BINARY_OPTION: dict[str, t.Any] = {"type": "str", "default": "haproxy"}
SERVICE_OPTION: dict[str, t.Any] = {"type": "str", "default": SERVICE}
