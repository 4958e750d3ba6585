# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_doctor_info: parameters to what is to be looked at, findings to the result."""

from __future__ import annotations

import functools
import typing as t
from datetime import datetime, timezone

from .._flows.doctor.doctor import AwsAccount, Doctor
from .._flows.doctor.findings import table, to_mend
from .._ports.reload.reloader import Reloader
from .boundary import module_boundary
from .certificate_sync import ARGUMENT_SPEC as SYNC_SPEC
from .haproxy_options import SERVICE_OPTION
from .masking import mask_in_url
from .options import FILE_OPTIONS, directory_settings
from .reload_options import ReloadOptions, reloader_of
from .rotation_preflight_info import ARGUMENT_SPEC as PREFLIGHT_SPEC
from .selection import CONTENT_OPTIONS, LABELS_OPTION, SELECTION_OPTIONS, secret_selection, secret_verifier

if t.TYPE_CHECKING:
    from .aws import AwsModule

_FROM_SYNC = ("on_invalid", "on_missing", "on_deleted")
_FROM_PREFLIGHT = (
    "path",
    "layout",
    "activate",
    "prove",
    "socket",
    "reload_methods",
    "master_socket",
    "container",
    "docker_host",
    "pid_file",
    "reload_url",
    "check_config",
    "binary",
    "config",
    "binds",
)
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **SELECTION_OPTIONS,
    **LABELS_OPTION,
    **CONTENT_OPTIONS,
    **{name: SYNC_SPEC[name] for name in _FROM_SYNC},
    **FILE_OPTIONS,
    **{name: PREFLIGHT_SPEC[name] for name in _FROM_PREFLIGHT},
    "service": SERVICE_OPTION,
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "environment": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 10},
}
# Seconds. A doctor who waits for minutes is no help; aws_config of the user goes before.
_AWS_PATIENCE = {"connect_timeout": 5, "read_timeout": 20, "retries": {"total_max_attempts": 2}}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    for option in ("docker_host", "reload_url"):
        mask_in_url(module, option)
    with module_boundary(module):
        findings = list(_doctor(module).findings(datetime.now(timezone.utc)))
        module.exit_json(
            changed=False,
            ok=not any(finding.severity == "error" for finding in findings),
            checks=[finding.as_result() for finding in findings],
            table=table(findings),
            msg=to_mend(findings),
        )


def _doctor(module: AwsModule) -> Doctor:
    params = module.params
    defaults = {name: option.get("default") for name, option in PREFLIGHT_SPEC.items()}
    schema = ("jmespath",) if any((params["fields"] or {}).values()) else ()
    return Doctor(
        host={**defaults, **params, "libraries": []},
        libraries=("boto3", "botocore", "cryptography", *schema),
        selection=functools.partial(secret_selection, params),
        verifier=functools.partial(secret_verifier, params),
        files=functools.partial(directory_settings, params),
        account=functools.partial(_account, module),
        policies=params,
        reloader=functools.partial(_reloader, params),
    )


def _account(module: AwsModule) -> AwsAccount:
    """Raises RotationError."""
    from .._ports.aws.access import AwsAccess
    from .._ports.aws.secrets_manager import SecretsManager

    clients = {name: module.client(name, config=_AWS_PATIENCE) for name in ("secretsmanager", "sts")}
    source = SecretsManager(clients["secretsmanager"], module.retry)
    return AwsAccount(AwsAccess(**clients), source, clients["secretsmanager"].meta.region_name)


def _reloader(params: t.Mapping[str, t.Any], method: str) -> Reloader:
    """Raises InvalidOption."""
    master = params["master_socket"] if method == "master" else None
    shared = ("timeout", "service", "container", "docker_host", "pid_file", "ca_path", "client_cert", "client_key")
    return reloader_of(method, ReloadOptions(socket=master, **{name: params[name] for name in shared}))
