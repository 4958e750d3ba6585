# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation is told beside what to sync, made from options: of haproxy_rotation, and of services of HAProxy."""

from __future__ import annotations

import functools
import typing as t

from .._errors import InvalidOption
from .._flows.rotate.settings import MemorySettings, ProofSettings, ReloadSettings, RotationSettings

if t.TYPE_CHECKING:
    from .._ports.reload.reloader import Reloader


def rotation_settings(params: t.Mapping[str, t.Any]) -> RotationSettings:
    """Raises InvalidOption."""
    textfile = params["metrics_textfile"] or None
    socket = params["socket"] or None
    proof = ProofSettings(
        config=params["config"],
        environment=params["environment"],
        binds=params["binds"] or None,
        socket=socket,
        max_names=params["max_names"] or None,
        timeout=params["proof_timeout"],
        service=params["service"],
    ).check()
    return RotationSettings(
        needs={
            **params,
            "libraries": _libraries(params),
            "wished_libraries": ["prometheus_client"] if textfile else [],
        },
        source=params["source"],
        activation=params["activation"] if params["activate"] else "none",
        reload_error=params["reload_error"],
        reload_log=params["reload_log"],
        memory=MemorySettings(socket, params["timeout"], params["config"]) if socket else None,
        crt_list=params["crt_list"] or None,
        reload=_reload_settings(params),
        proof=proof if params["prove"] else None,
        allow_unreferenced=params["allow_unreferenced"],
        on_unproven=params["on_unproven"],
        textfile=textfile,
        metrics_names=params["metrics_names"],
        fail_late=params["fail_late"],
        update_by=_update_by(params),
        rollback_names=_rollback_names(params["rollback_names"]),
        rollback_expired=params["rollback_expired"],
    )


def _update_by(params: t.Mapping[str, t.Any]) -> str:
    if params["update_by"] == "reload" and params["activate"] and not params["reload_methods"]:
        raise InvalidOption("update_by is reload, and reload_methods is empty: name a way to reload HAProxy.")
    return str(params["update_by"])


def _rollback_names(given: t.Sequence[str] | None) -> list[str]:
    names = [name.strip() for name in given or () if name.strip()]
    if given is not None and not names:
        raise InvalidOption("rollback_names: name the secrets whose certificates are to go back to the version before.")
    return names


def _libraries(params: t.Mapping[str, t.Any]) -> list[str]:
    of_aws = ["boto3", "botocore"] if params["source"] == "host" else []
    return ["cryptography", *of_aws, *(["jmespath"] if any((params["fields"] or {}).values()) else [])]


def _reload_settings(params: t.Mapping[str, t.Any]) -> ReloadSettings:
    return ReloadSettings(
        methods=params["reload_methods"],
        reloader=functools.partial(_reloader, params),
        check_config=params["check_config"],
        binary=params["binary"],
        config=params["config"],
        timeout=params["reload_timeout"],
        environment=params["environment"],
        service=params["service"],
    )


def _reloader(params: t.Mapping[str, t.Any], method: str) -> Reloader:
    """The master's socket is for the method master alone, as the others may be there because it is not."""
    from .reload_options import ReloadOptions, reloader_of

    http = {name: value for name, value in (params["reload_http"] or {}).items() if value is not None}
    if "timeout" in http:
        http["url_timeout"] = http.pop("timeout")
    options = ReloadOptions(
        timeout=params["reload_timeout"],
        socket=params["master_socket"] if method == "master" else None,
        service=params["service"],
        container=params["container"],
        docker_host=params["docker_host"],
        pid_file=params["pid_file"],
        signal=params["reload_signal"] or None,
        url=params["reload_url"],
        **http,
    )
    return reloader_of(method, options)
