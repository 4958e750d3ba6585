# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_reload: check HAProxy's configuration, reload in the way that was asked for, and know the result."""

from __future__ import annotations

import typing as t

from .._errors import InvalidOption
from .._flows.rotate.reload import Attempt, reload_by_first_way
from .._flows.rotate.settings import ReloadSettings
from .boundary import module_boundary
from .masking import mask_in_url
from .reload_options import ReloadOptions, reloader_of


def run(module: t.Any) -> None:
    """module: an AnsibleModule with the options of haproxy_reload."""
    for option in ("url", "docker_host"):
        mask_in_url(module, option)
    with module_boundary(module):
        attempts = reload_by_first_way(reload_settings(module.params), check_mode=module.check_mode)
        for warning in dict.fromkeys(attempt.warning for attempt in attempts if attempt.warning):
            module.warn(warning)
        last = attempts[-1]
        result = {
            "reloaded": last.reloaded,
            "log": last.log,
            "method": last.method,
            "reload_attempts": [attempt.as_result() for attempt in attempts],
        }
        if last.error is not None:
            module.fail_json(msg=_message(attempts), **{**last.error.details, **result})
        module.exit_json(
            changed=True,
            worker_pid_before=last.worker_pid_before,
            worker_pid_after=last.worker_pid_after,
            **result,
        )


def _message(attempts: t.Sequence[Attempt]) -> str:
    told = [(attempt.method, attempt.error.message) for attempt in attempts if attempt.error is not None]
    return told[0][1] if len(told) == 1 else "\n".join(f"Reload by {method}: {message}" for method, message in told)


def reload_settings(params: t.Mapping[str, t.Any]) -> ReloadSettings:
    """From the options of haproxy_reload. In a list of methods the socket is that of the method master alone."""
    fields = set(ReloadOptions._fields) & params.keys()
    options = ReloadOptions(**{name: params[name] for name in fields})
    without_socket = options._replace(socket=None)
    in_list: list[str] | None = params["methods"]
    if in_list == []:
        raise InvalidOption("methods is empty: name at least one way to reload HAProxy.")
    return ReloadSettings(
        methods=in_list or [params["method"]],
        reloader=lambda method: reloader_of(method, options if method == "master" or not in_list else without_socket),
        check_config=params["check_config"],
        binary=params["binary"],
        config=params["config"],
        timeout=params["timeout"],
        environment=params["environment"],
        service=params["service"],
    )
