# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_rotation: parameters to the walk, what came of it to the result.

The controller wants no more of it than the options. So what only the host needs is imported where it is used.
"""

from __future__ import annotations

import gc
import typing as t
from datetime import datetime, timedelta, timezone

from .._errors import RotationError
from .._ports.host.signals import Requests, asked_to_end
from .._ports.provided import NotProvided
from .boundary import module_boundary
from .ending import end_at_once, warn_of_requests
from .haproxy_options import BINARY_OPTION, CONFIG, DOCKER_HOST_OPTION, RELOAD_METHODS, SERVICE_OPTION
from .masking import mask_in_url
from .options import METRIC_NAMES_OPTION, directory_settings
from .sync_options import SYNC_OPTIONS, certificate_source, sync_options

if t.TYPE_CHECKING:
    from .._flows.rotate.rotation import Rotation
    from .sourced import SourcedModule

_RELOAD_HTTP: dict[str, dict[str, t.Any]] = {
    "headers": {"type": "dict", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "status_code": {"type": "list", "elements": "int"},
    "timeout": {"type": "float"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
}
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **SYNC_OPTIONS,
    "path": {"type": "path", "default": "/etc/haproxy/certs"},
    "fail_late": {"type": "bool", "default": False},
    "activate": {"type": "bool", "default": True},
    "activation": {"type": "str", "choices": ["direct", "handlers", "reloaded"], "default": "direct"},
    "reload_error": {"type": "str", "default": ""},
    "reload_log": {"type": "str", "default": ""},
    "socket": {"type": "str", "default": "/run/haproxy/admin.sock"},
    "crt_list": {"type": "str"},
    "timeout": {"type": "float", "default": 10},
    "update_by": {"type": "str", "choices": ["cost", "hot_update", "reload"], "default": "cost"},
    "reload_methods": {
        "type": "list",
        "elements": "str",
        "choices": [*RELOAD_METHODS],
        "default": ["master", "systemd"],
    },
    "reload_timeout": {"type": "float", "default": 90},
    "master_socket": {"type": "str", "default": "/run/haproxy-master.sock"},
    "service": SERVICE_OPTION,
    "container": {"type": "str", "default": "haproxy"},
    "docker_host": DOCKER_HOST_OPTION,
    "pid_file": {"type": "path", "default": "/run/haproxy.pid"},
    "reload_signal": {"type": "str", "choices": ["", "HUP", "USR2"], "default": ""},
    "reload_url": {"type": "str", "no_log": True},
    "reload_http": {"type": "dict", "options": _RELOAD_HTTP},
    "check_config": {"type": "bool", "default": True},
    "binary": BINARY_OPTION,
    "config": {"type": "list", "elements": "path", "default": [CONFIG]},
    "prove": {"type": "bool", "default": True},
    "binds": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "dict", "default": {}},
    "max_names": {"type": "int", "default": 0},
    "allow_unreferenced": {"type": "bool", "default": False},
    "on_unproven": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
    "proof_timeout": {"type": "float", "default": 5},
    "metrics_textfile": {"type": "path"},
    "metrics_names": METRIC_NAMES_OPTION,
    "rollback_names": {"type": "list", "elements": "str"},
    "rollback_expired": {"type": "bool", "default": False},
}
_NOTHING_SELECTED: dict[str, t.Any] = {"names": [], "name_prefix": None, "tags": {}}


def run(module: SourcedModule) -> None:
    """module: a sourced_module with ARGUMENT_SPEC."""
    now = datetime.now(timezone.utc)
    # All that is imported lives as long as the process: spare the collector from looking at it again and again.
    gc.freeze()
    for option in ("docker_host", "reload_url"):
        mask_in_url(module, option)
    with asked_to_end(lambda name: end_at_once(module, name)) as requests, module_boundary(module):
        try:
            rotation = _rotation(module, now, requests)
        except RotationError as error:
            _tell_of_options(error, module, now)
            raise
        try:
            rotation.run()
        except NotProvided as missing:
            module.exit_json(changed=False, questions=missing.questions)
        except RotationError:
            _warn(module, rotation, requests)
            raise
        _warn(module, rotation, requests)
        diff = {"diff": rotation.diff()} if module._diff else {}
        result = {**rotation.result(), **diff}
        if rotation.failure:
            module.fail_json(msg=rotation.failure, **result)
        module.exit_json(**result)


def _rotation(module: SourcedModule, now: datetime, requests: Requests) -> Rotation:
    """Raises InvalidOption."""
    from .._ports.store.directory import CertificateDirectory
    from .rotation_settings import rotation_settings

    params = module.params
    return _walk(params)(
        lambda: certificate_source(module),
        CertificateDirectory(params["path"], directory_settings(params)),
        sync_options(params if params["rollback_names"] is None else {**params, **_NOTHING_SELECTED}),
        rotation_settings(params),
        now=now,
        check_mode=module.check_mode,
        before_change=requests.hold,
    )


def _tell_of_options(error: RotationError, module: SourcedModule, now: datetime) -> None:
    """A run that does not even begin has failed, too: the metrics count it, and what is deployed goes on to expire."""
    from .._flows.metrics import count_failure
    from .._flows.rotate.deployed import also_deployed
    from .._ports.store.directory import CertificateDirectory

    params = module.params
    also_deployed(error, CertificateDirectory(params["path"]), now=now, min_remaining=timedelta(0))
    if params["metrics_textfile"] and not module.check_mode and params["rollback_names"] is None:
        wrong = count_failure(params["path"], params["metrics_textfile"], params["metrics_names"], now)
        error.message = "\n".join(filter(None, (error.message, wrong)))


def _walk(params: t.Mapping[str, t.Any]) -> type[Rotation]:
    if params["rollback_names"] is None:
        from .._flows.rotate.rotation import Rotation

        return Rotation
    from .._flows.rotate.way_back import WayBack

    return WayBack


def _warn(module: SourcedModule, rotation: Rotation, requests: Requests) -> None:
    for warning in rotation.report.warnings:
        module.warn(warning)
    warn_of_requests(module, requests)
