# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option haproxy of a service: which HAProxy, where it reads, and how it is made to. As in haproxy_rotation."""

from __future__ import annotations

import functools
import typing as t

from .._core.limits import check_limits
from .haproxy_options import BINARY_OPTION, CONFIG, DOCKER_HOST, SERVICE_OPTION
from .options import VERIFY_OPTIONS, directory_settings, duration_option, verification_rules

if t.TYPE_CHECKING:
    from .._flows.deploy.haproxy_service import HaproxySettings

#: Each as the option of that name of haproxy_rotation.
HAPROXY_SERVICE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "default": "/etc/haproxy/certs"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw", "default": "0600"},
    "directory_mode": {"type": "raw", "default": "0700"},
    "socket": {"type": "str", "default": "/run/haproxy/admin.sock"},
    "crt_list": {"type": "str"},
    "timeout": {"type": "float", "default": 10},
    "reload_methods": {
        "type": "list",
        "elements": "str",
        "choices": ["master", "systemd", "docker", "signal"],
        "default": ["master", "systemd"],
    },
    "reload_timeout": {"type": "float", "default": 90},
    "master_socket": {"type": "str", "default": "/run/haproxy-master.sock"},
    "service": SERVICE_OPTION,
    "container": {"type": "str", "default": "haproxy"},
    "docker_host": {"type": "str", "default": DOCKER_HOST},
    "pid_file": {"type": "path", "default": "/run/haproxy.pid"},
    "check_config": {"type": "bool", "default": True},
    "binary": BINARY_OPTION,
    "config": {"type": "list", "elements": "path", "default": [CONFIG]},
    "prove": {"type": "bool", "default": True},
    "binds": {"type": "list", "elements": "str", "default": []},
    "max_names": {"type": "int", "default": 0},
    "allow_unreferenced": {"type": "bool", "default": False},
    "proof_timeout": {"type": "float", "default": 5},
}
# What a lineage has passed on its way to be live is not asked a second time.
_REST: dict[str, t.Any] = {
    **{name: option.get("default") for name, option in VERIFY_OPTIONS.items()},
    "min_rsa_bits": 1024,
    "keep_previous": 1,
    "lock_timeout": "60s",
    "layout": "haproxy",
    "fields": None,
    "passphrase": None,
    "source": "receiver",
    "activate": True,
    "activation": "direct",
    "update_by": "cost",
    "reload_error": "",
    "reload_log": "",
    "reload_signal": "",
    "reload_url": None,
    "reload_http": None,
    "environment": {},
    "on_unproven": "fail",
    "metrics_textfile": None,
    "metrics_names": "all",
    "fail_late": False,
    "rollback_names": None,
    "rollback_expired": False,
}


def haproxy_settings(given: t.Mapping[str, t.Any]) -> HaproxySettings:
    """Of HAPROXY_SERVICE_OPTIONS, with their defaults where they are null. Raises InvalidOption."""
    # What only a host needs that has such a service.
    from .._flows.deploy.haproxy_service import HaproxySettings
    from .._flows.rotate.sync_options import SyncOptions
    from .rotation_settings import rotation_settings
    from .selection import secret_verifier

    defaults = {name: option.get("default") for name, option in HAPROXY_SERVICE_OPTIONS.items()}
    params = {**_REST, **defaults, **{name: value for name, value in given.items() if value is not None}}
    check_limits(params["timeout"], 1)
    check_limits(params["reload_timeout"], 1)
    return HaproxySettings(
        params["path"],
        directory_settings(params),
        SyncOptions(
            selection=None,
            layout="haproxy",
            rules=verification_rules(params, "haproxy", None),
            verifier=functools.lru_cache(maxsize=1)(lambda: secret_verifier(params)),
            on_nothing_found="ignore",
            lock_timeout=duration_option(params, "lock_timeout").total_seconds(),
        ),
        rotation_settings(params),
    )
