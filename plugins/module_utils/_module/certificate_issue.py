# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue: parameters to what is to be issued, what became of it to the result."""

from __future__ import annotations

import gc
import typing as t
from datetime import datetime, timedelta, timezone

from .._core.acme.wanted import CHALLENGES
from .._core.unexpected import only_rotation_errors
from .._errors import InvalidOption, RotationError
from .._ports.host.libraries import require_library
from .._ports.host.signals import asked_to_end
from .boundary import module_boundary
from .dns_options import DNS_OPTIONS
from .issuing_options import ISSUING_OPTIONS
from .store_options import STORE_OPTIONS

if t.TYPE_CHECKING:
    from .._core.record.issuance import LimitLeft
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **ISSUING_OPTIONS,
    "contacts": {"type": "list", "elements": "str", "default": []},
    "terms_agreed": {"type": "bool", "default": False},
    "challenge": {"type": "str", "choices": [*CHALLENGES], "default": "dns-01"},
    "dns": {
        "type": "list",
        "elements": "dict",
        "options": DNS_OPTIONS,
        "default": [{"provider": "route53"}],
    },
    "nameservers": {"type": "list", "elements": "str", "default": []},
    "caa": {"type": "str", "choices": ["warn", "refuse", "ignore"], "default": "warn"},
    "stores": {"type": "list", "elements": "dict", "options": STORE_OPTIONS, "default": []},
    "force": {"type": "bool", "default": False},
    "concurrency": {"type": "int", "default": 16},
    "timeout": {"type": "int", "default": 1800},
    "metrics_textfile": {"type": "path"},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    # All that is imported lives as long as the process: spare the collector from looking at it again and again.
    gc.freeze()
    with module_boundary(module):
        for library in ("cryptography", "acme"):
            require_library(library)
        try:
            failure, result = _issue(module)
        except RotationError as error:
            error.message = "\n".join(filter(None, (error.message, _count(module))))
            raise
        if failure:
            module.fail_json(msg=failure, **result)
        module.exit_json(**result)


def _issue(module: AwsModule) -> tuple[str, dict[str, t.Any]]:
    """What the run fails with, "" when it does not, and its result. Raises RotationError."""
    from .._flows.issue.issuance import Issuance
    from .._flows.issue.run_time import RunTime
    from .issuing import ports_of, settings_of, wanted_of

    params = module.params
    if params["timeout"] < 1:
        raise InvalidOption("timeout is a number of seconds from 1.")
    run_time = RunTime(timedelta(seconds=params["timeout"]))
    with asked_to_end(run_time.ask_to_end):
        settings = settings_of(params, run_time.now())
        ports = ports_of(module, params, settings.issuers, run_time, dry=module.check_mode)
        issuance = Issuance(wanted_of(params), settings, ports, run_time, check_mode=module.check_mode)
        report = issuance.run()
    limits = issuance.foresight().limits_left() if params["metrics_textfile"] else []
    diff = {"diff": report.diff()} if module._diff else {}
    result = {**report.as_result(), "api_calls": dict(module.api_calls), **diff}
    wrong = _count(module, result, limits, succeeded=not report.failure)
    return "\n".join(filter(None, (report.failure, wrong))), result


def _count(
    module: AwsModule,
    result: t.Mapping[str, t.Any] | None = None,
    limits: t.Iterable[LimitLeft] = (),
    *,
    succeeded: bool = False,
) -> str:
    """In the metrics. What went wrong with that; "" when nothing did: certificates are issued all the same."""
    textfile = module.params["metrics_textfile"]
    if not textfile:
        return ""
    from .._flows.issue.metrics import record_issuance

    try:
        with only_rotation_errors():
            found = record_issuance(
                result,
                textfile,
                journal=module.params["journal_secret"],
                succeeded=succeeded,
                now=datetime.now(timezone.utc),
                limits=limits,
                check_mode=module.check_mode,
            )
    except RotationError as error:
        return f"The metrics were not written: {error.message}"
    for warning in found.warnings:
        module.warn(warning)
    return ""
