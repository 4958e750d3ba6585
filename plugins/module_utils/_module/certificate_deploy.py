# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_deploy: parameters to the deployment, what became of it to the result."""

from __future__ import annotations

import functools
import gc
import os
import typing as t
from datetime import datetime, timezone

from .._core.pipeline.source import Selection
from .._core.services.debounce import parse_update_delay
from .._core.services.definitions import ServiceDefinition
from .._core.x509.changes import GUARDED_CHANGES
from .._errors import InvalidOption, RotationError
from .._flows.deploy.deployment import CertificateDeployment
from .._flows.deploy.intake import ISSUED_EARLIER
from .._flows.deploy.settings import DeploymentSettings
from .._flows.rotate.deployed import also_deployed
from .._flows.rotate.sync_options import SyncOptions
from .._ports.host.signals import asked_to_end
from .._ports.staging.directory import StagingDirectory
from .._ports.store.directory import CertificateDirectory
from .boundary import module_boundary
from .ending import end_at_once, warn_of_requests
from .options import (
    FILE_OPTIONS,
    VERIFY_OPTIONS,
    allowed_changes,
    directory_settings,
    duration_option,
    verification_rules,
)
from .selection import secret_verifier
from .service_options import SERVICES_OPTION, service_definitions

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "source": {"type": "path", "required": True},
    "path": {"type": "path", "required": True},
    "receipts": {"type": "path"},
    "services": SERVICES_OPTION,
    "update_delay": {"type": "str", "default": "0"},
    "run_pending": {"type": "bool", "default": False},
    "settle": {"type": "str", "default": "1m"},
    "allow_changes": {
        "type": "list",
        "elements": "str",
        "choices": [*GUARDED_CHANGES, ISSUED_EARLIER, "all"],
        "default": [code for code in GUARDED_CHANGES if code != "chain_dropped"],
    },
    **FILE_OPTIONS,
    **VERIFY_OPTIONS,
}


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    gc.freeze()
    with asked_to_end(lambda name: end_at_once(module, name)) as requests, module_boundary(module):
        deployment = make_deployment(
            module.params, now=datetime.now(timezone.utc), check_mode=module.check_mode, before_change=requests.hold
        )
        try:
            report = deployment.run()
        except RotationError as error:
            directory, min_remaining = (
                CertificateDirectory(module.params["path"]),
                duration_option(module.params, "min_remaining"),
            )
            also_deployed(error, directory, now=datetime.now(timezone.utc), min_remaining=min_remaining)
            raise
        for warning in report.warnings:
            module.warn(warning)
        warn_of_requests(module, requests)
        diff = {"diff": report.diff()} if module._diff else {}
        result = {**deployment.result(), **diff}
        if report.failures:
            module.fail_json(msg=report.message, **result)
        module.exit_json(**result)


def make_deployment(
    given: t.Mapping[str, t.Any],
    *,
    now: datetime,
    check_mode: bool,
    before_change: t.Callable[[], None] = lambda: None,
) -> CertificateDeployment:
    """given: parameters by ARGUMENT_SPEC. Raises InvalidOption."""
    params = {**given, "layout": "lineage", "fields": None, "passphrase": None}
    services = service_definitions(params["services"])
    _keep_apart(params, services)
    if params["min_rsa_bits"] < 1024:
        raise InvalidOption("min_rsa_bits: keys below 1024 bits are broken and never accepted.")
    duration_option(params, "clock_skew")
    options = SyncOptions(
        selection=Selection(),
        layout="lineage",
        rules=verification_rules(params, "lineage", None),
        verifier=functools.lru_cache(maxsize=1)(lambda: secret_verifier(params)),
        min_remaining=duration_option(params, "min_remaining"),
        allow_changes=allowed_changes(params),
        lock_timeout=duration_option(params, "lock_timeout").total_seconds(),
    )
    settings = DeploymentSettings(
        receipts=os.path.abspath(params["receipts"]) if params["receipts"] else None,
        settle=duration_option(params, "settle"),
        services=services,
        update_delay=parse_update_delay(params["update_delay"]),
        run_pending=params["run_pending"],
        allow_older=bool({ISSUED_EARLIER, "all"}.intersection(params["allow_changes"])),
    )
    return CertificateDeployment(
        StagingDirectory(params["source"]),
        CertificateDirectory(params["path"], directory_settings(params)._replace(adopts=True)),
        options,
        settings,
        now=now,
        check_mode=check_mode,
        before_change=before_change,
    )


def _keep_apart(params: t.Mapping[str, t.Any], services: t.Iterable[ServiceDefinition]) -> None:
    """What was uploaded, what is live, the receipts, and what HAProxy reads: each belongs to somebody else. Raises
    InvalidOption."""
    given = {name: os.path.realpath(params[name]) for name in ("source", "path", "receipts") if params[name]}
    for name, place in given.items():
        for other, elsewhere in given.items():
            if name != other and os.path.commonpath((place, elsewhere)) == elsewhere:
                raise InvalidOption(f"{name} ({place}) is in {other} ({elsewhere}): give it a directory of its own.")
    for service in services:
        if service.type != "haproxy":
            continue
        own = os.path.realpath(service.settings["path"])
        for name, place in given.items():
            if os.path.commonpath((own, place)) in (own, place):
                raise InvalidOption(
                    f"{service.title}: path ({own}) and {name} ({place}) are not to be inside each other: what is in"
                    " HAProxy's directory and is no file of this service would be removed. Give it one of its own."
                )
