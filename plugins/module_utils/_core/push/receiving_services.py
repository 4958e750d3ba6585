# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the services of the role certificate_receiver mean for the unit that tells them: how long it may take, and where
it has to write. Pure. What is wrong with an entry is said by who tells the services, so nothing fails here."""

from __future__ import annotations

import math
import typing as t
from posixpath import dirname

# Seconds. Defaults of the option services.
_TIMEOUT: t.Final = 60.0
_PROVE_WITHIN: t.Final = 15.0
_RELOAD: t.Final = 90.0
_HAPROXY_PATH: t.Final = "/etc/haproxy/certs"
_REST: t.Final = 120  # of a run, beside the services


def longest_run(services: t.Iterable[t.Any], timeout: int) -> int:
    """Seconds that a run is to have. timeout: what it is given; never less than what all services may take, and once
    more, for they are told again of what goes back."""
    longest = sum(map(_longest, _entries(services)))
    return max(timeout, math.ceil(2 * longest) + _REST) if longest else timeout


def written_by(services: t.Iterable[t.Any]) -> list[str]:
    """Directories in which telling them writes: HAProxy's own, and that of its crt-list, whose file is replaced."""
    found = []
    for entry in _entries(services):
        if entry.get("type") == "haproxy":
            haproxy = entry.get("haproxy")
            options = haproxy if isinstance(haproxy, t.Mapping) else {}
            path = str(options.get("path") or _HAPROXY_PATH).rstrip("/")
            crt_list = str(options.get("crt_list") or "").rstrip("/")
            # That of a directory is no file.
            found += [path] if crt_list in ("", path) else [path, dirname(crt_list)]
    return [path for path in dict.fromkeys(found) if path.startswith("/") and path.strip("/")]


def _entries(services: t.Iterable[t.Any]) -> list[t.Mapping[str, t.Any]]:
    return [entry for entry in services if isinstance(entry, t.Mapping)]


def _longest(entry: t.Mapping[str, t.Any]) -> float:
    haproxy = entry.get("haproxy")
    options = haproxy if isinstance(haproxy, t.Mapping) else {}
    reload = _seconds(options.get("reload_timeout"), _RELOAD) if entry.get("type") == "haproxy" else 0
    return _seconds(entry.get("timeout"), _TIMEOUT) + _seconds(entry.get("prove_within"), _PROVE_WITHIN) + reload


def _seconds(value: t.Any, default: float) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return default
    return seconds if 0 < seconds < math.inf else default
