# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_doctor_info: every check of every part, each with its own result; none keeps the next from being made."""

from __future__ import annotations

import functools
import platform
import sys
import typing as t
from datetime import datetime, timezone

from .._errors import ReloadError, RotationError
from .._flows.doctor.aws import AwsDoctor
from .._flows.doctor.files import directory_findings
from .._flows.doctor.findings import Finding, clock_finding, error, warning
from .._flows.doctor.haproxy import (
    configuration_findings,
    listener_finding,
    look_at_endpoint,
    look_at_reloader,
    reload_findings,
    socket_findings,
)
from .._flows.preflight import preflight, reload_problem
from .._ports.host.libraries import MINIMUM_VERSIONS, missing_library
from .boundary import module_boundary
from .certificate_sync import ARGUMENT_SPEC as SYNC_SPEC
from .haproxy_options import SERVICE_OPTION
from .masking import mask_in_url
from .options import FILE_OPTIONS, directory_settings
from .reload_options import ReloadOptions, reloader_of
from .rotation_preflight_info import ARGUMENT_SPEC as PREFLIGHT_SPEC
from .selection import CONTENT_OPTIONS, SELECTION_OPTIONS, secret_selection, secret_verifier

if t.TYPE_CHECKING:
    from .._core.pipeline.source import Selection
    from .._core.pipeline.verify import SecretVerifier
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
        findings = list(_findings(module))
        module.exit_json(
            changed=False,
            ok=not any(finding.severity == "error" for finding in findings),
            checks=[finding.as_result() for finding in findings],
        )


def _findings(module: AwsModule) -> t.Iterator[Finding]:
    params = module.params
    libraries = list(_library_findings(params))
    yield from libraries
    missing = {finding.check.rpartition(" ")[2] for finding in libraries if not finding.ok}
    options = _Options(params, can_verify="cryptography" not in missing)
    yield from options.findings
    if missing & {"boto3", "botocore"}:
        yield warning("secrets", "Not looked at, because AWS cannot be asked without boto3. Install it first.")
    elif options.selection is not None:
        yield from _aws_findings(module, options.selection, options.verifier)
    yield from _host_findings(params)


def _library_findings(params: t.Mapping[str, t.Any]) -> t.Iterator[Finding]:
    yield Finding("python", f"{sys.executable} is Python {platform.python_version()}.")
    schema = ("jmespath",) if any((params["fields"] or {}).values()) else ()
    for name in ("boto3", "botocore", "cryptography", *schema):
        problem = missing_library(name)
        text = f"{MINIMUM_VERSIONS[name]} or newer is installed."
        yield error(f"library {name}", problem) if problem else Finding(f"library {name}", text)


class _Options:
    """What the options mean; findings: those that have no meaning. selection, verifier: None where they have none."""

    def __init__(self, params: t.Mapping[str, t.Any], *, can_verify: bool) -> None:
        self.findings: list[Finding] = []
        self.selection = self._tried(secret_selection, params)
        unselected = self.selection is None and not self.findings
        self.verifier = self._tried(secret_verifier, params) if can_verify else None
        self._tried(directory_settings, params)
        if not self.findings:
            self.findings.append(Finding("options", "They have a meaning."))
        if unselected:
            text = "Nothing is selected. Set haproxy_certificates_tags, haproxy_certificates_names or _name_prefix."
            self.findings.append(error("secrets", text))

    def _tried(self, read: t.Callable[[t.Mapping[str, t.Any]], t.Any], params: t.Mapping[str, t.Any]) -> t.Any:
        try:
            return read(params)
        except RotationError as failed:
            self.findings.append(error("options", failed.message))
            return None


# -- AWS --------------------------------------------------------------------------------------------------------


def _aws_findings(module: AwsModule, selection: Selection, verifier: SecretVerifier | None) -> t.Iterator[Finding]:
    from .._ports.aws.access import AwsAccess
    from .._ports.aws.secrets_manager import SecretsManager

    try:
        clients = {name: module.client(name, config=_AWS_PATIENCE) for name in ("secretsmanager", "sts")}
    except RotationError as failed:
        text = f"{failed.message.rstrip('.')}."
        if "region" in text:
            yield error(
                "region", f"{text} Set haproxy_certificates_aws.region, or AWS_REGION in the host's environment."
            )
        else:
            yield error("credentials", f"{text} Correct haproxy_certificates_aws or the host's AWS configuration.")
        yield warning("secrets", "Not looked at, because AWS cannot be asked. Mend that first.")
        return
    access = AwsAccess(**clients)
    doctor = AwsDoctor(
        access=access,
        source=SecretsManager(clients["secretsmanager"], module.retry),
        selection=selection,
        region=clients["secretsmanager"].meta.region_name,
        policies=module.params,
        verifier=verifier,
    )
    now = datetime.now(timezone.utc)
    yield from doctor.findings(now)
    yield clock_finding(access.clock_offset, doctor.newest, now)


# -- the host ---------------------------------------------------------------------------------------------------


def _host_findings(params: t.Mapping[str, t.Any]) -> t.Iterator[Finding]:
    """The preflight's checks, and where they find nothing wrong, a closer look than they take."""
    defaults = {name: option.get("default") for name, option in PREFLIGHT_SPEC.items()}
    params = {**defaults, **params, "libraries": []}
    first_look = {check.name: check for check in preflight(params)}
    for check in first_look.values():
        if check.problem and check.name != "reload_methods":  # looked at one by one below
            yield (error if check.required else warning)(check.name, check.problem)
    if not first_look["path"].problem:
        yield Finding("path", f"{params['path']} can be written.")
    yield from directory_findings(params["path"], datetime.now(timezone.utc))
    if not params["activate"]:
        return
    timeout = params["timeout"]
    socket_works = False
    if params["socket"] and not first_look["socket"].problem:
        found = list(socket_findings(params["socket"], timeout))
        socket_works = found[0].ok
        yield from found
    yield from reload_findings(_ways_to_reload(params), required=not socket_works)
    if params["check_config"]:
        yield from configuration_findings(params["binary"], params["config"], 3 * timeout)
    if params["prove"] and params["config"] and not params["binds"] and not first_look["prove"].problem:
        yield listener_finding(params["config"], params["environment"], params["path"])


def _ways_to_reload(params: t.Mapping[str, t.Any]) -> dict[str, t.Callable[[], str]]:
    return {method: functools.partial(_look_at_way, method, params) for method in params["reload_methods"]}


def _look_at_way(method: str, params: t.Mapping[str, t.Any]) -> str:
    problem = reload_problem(method, params)
    if problem:
        raise ReloadError(problem)
    if method == "http":
        return look_at_endpoint(params["reload_url"], params["timeout"])
    master = params["master_socket"] if method == "master" else None
    shared = ("timeout", "service", "container", "docker_host", "pid_file", "ca_path", "client_cert", "client_key")
    options = ReloadOptions(socket=master, **{name: params[name] for name in shared})
    return look_at_reloader(reloader_of(method, options))
