# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of certificate_push."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from .._core.push.given_targets import checked_number
from .._core.push.turns import TurnRules
from .._core.unexpected import only_rotation_errors
from .._errors import InvalidOption, RotationError, StoreError
from .._ports.host.libraries import require_library
from .._ports.host.signals import asked_to_end
from .boundary import module_boundary
from .options import duration_option
from .push_options import TARGETS_OPTIONS, names_of, targets_of

if t.TYPE_CHECKING:
    from .._core.push.push_report import PushReport
    from .._core.push.targets import PushTarget
    from .._ports.queue.push_queue import PushQueue
    from .guarded import GuardedModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **TARGETS_OPTIONS,
    "queue": {"type": "path", "default": "/var/lib/certops-push"},
    "lineages": {"type": "path", "default": "/etc/letsencrypt/live"},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "mode": {"type": "str", "choices": ["parallel", "serial"], "default": "parallel"},
    "concurrency": {"type": "int", "default": 16},
    "interval": {"type": "float", "default": 0.0},
    "max_fail_percentage": {"type": "float", "default": 100.0},
    "fail_fast": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": True},
    "give_up_after": {"type": "str", "default": "30d"},
    "drop_on_failure": {"type": "bool", "default": False},
    "time_limit": {"type": "int", "default": 3600},
    "metrics_textfile": {"type": "path"},
}
_LONGEST: t.Final = 7 * 86400


def run(module: GuardedModule) -> None:
    with module_boundary(module):
        require_library("cryptography")
        targets: list[PushTarget] = []
        try:
            targets = targets_of(module.params)
            report = _push(module, targets)
        except RotationError as error:
            error.message = "\n".join(filter(None, (error.message, _count(module, targets))))
            raise
        for warning in report.warnings:
            module.warn(warning)
        result = report.as_result()
        if module._diff:
            result["diff"] = report.diff()
        wrong = _count(module, targets, result["targets"], succeeded=not report.failure)
        failure = "\n".join(filter(None, (report.failure, wrong)))
        if failure:
            module.fail_json(msg=failure, **result)
        module.exit_json(**result)


def _push(module: GuardedModule, targets: t.Sequence[PushTarget]) -> PushReport:
    """Raises RotationError."""
    from .._flows.issue.run_time import RunTime
    from .._flows.push.attempts import AttemptSettings
    from .._flows.push.pushing import Push, PushPorts, PushSettings
    from .._ports.lineages.certbot_live import CertbotLive
    from .._ports.queue.push_queue import PushQueue
    from .._ports.sftp.openssh import OpensshDeliverer

    params = module.params
    hosts = names_of("hosts", params["hosts"])
    strangers = sorted(set(hosts) - {target.name for target in targets})
    if strangers:
        raise InvalidOption(f"hosts: there is no target {', '.join(strangers)}.")
    settings = PushSettings(
        _rules(params),
        AttemptSettings(
            wait=params["wait"],
            give_up_after=duration_option(params, "give_up_after") or None,
            drop_on_failure=params["drop_on_failure"],
        ),
        hosts,
    )
    limit = checked_number("time_limit", params["time_limit"], _LONGEST, 1)
    run_time = RunTime(timedelta(seconds=limit), option="time_limit")
    queue, lineages = PushQueue(params["queue"]), CertbotLive(params["lineages"])
    with OpensshDeliverer(params["passphrase"]) as deliverer, asked_to_end(run_time.ask_to_end):
        push = Push(targets, settings, PushPorts(queue, lineages, deliverer), run_time)
        if module.check_mode:
            return push.predict()
        report = push.run()
        if not (report.failure or hosts):
            _remember_success(queue, report)
        return report


def _remember_success(queue: PushQueue, report: PushReport) -> None:
    """The run has ended well also where that cannot be noted."""
    try:
        queue.remember_success(datetime.now(timezone.utc).timestamp())
    except StoreError as error:
        text = "That this run ended well is not remembered, so the status may miss it:"
        report.warnings.append(f"{text} {error.message}")


def _count(
    module: GuardedModule,
    targets: t.Sequence[PushTarget],
    outcomes: t.Sequence[t.Mapping[str, t.Any]] = (),
    *,
    succeeded: bool = False,
) -> str:
    """In the metrics. What went wrong with that; "" when nothing did: lineages are pushed all the same."""
    params = module.params
    textfile = params["metrics_textfile"]
    if not textfile:
        return ""
    from .._flows.push.counting import count_push
    from .._ports.lineages.certbot_live import CertbotLive
    from .._ports.queue.push_queue import PushQueue

    try:
        with only_rotation_errors():
            found = count_push(
                outcomes,
                textfile,
                queue=PushQueue(params["queue"]),
                lineages=CertbotLive(params["lineages"]),
                hosts=[target.name for target in targets],
                succeeded=succeeded,
                now=datetime.now(timezone.utc),
                check_mode=module.check_mode,
            )
    except RotationError as error:
        return f"The metrics were not written: {error.message}"
    for warning in found.warnings:
        module.warn(warning)
    return ""


def _rules(params: t.Mapping[str, t.Any]) -> TurnRules:
    lanes = checked_number("concurrency", params["concurrency"], 256, 1)
    percentage = checked_number("max_fail_percentage", params["max_fail_percentage"], 100)
    return TurnRules(
        lanes=1 if params["mode"] == "serial" else lanes,
        interval=checked_number("interval", params["interval"], _LONGEST),
        max_fail_percentage=0 if params["fail_fast"] else percentage,
    )
