# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_queue: parameters to what is done to the queue, its report to the result."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._errors import InvalidOption, RotationError
from .._flows.push.queueing import QueueKeeper, QueueScope
from .._ports.host.libraries import require_library
from .._ports.queue.push_queue import PushQueue
from .boundary import module_boundary
from .push_options import TARGETS_OPTIONS, targets_of
from .push_queue_options import QUEUE_OPTIONS, scope_of

if t.TYPE_CHECKING:
    from .._core.push.queue_report import QueueReport
    from .._core.push.targets import PushTarget
    from .guarded import GuardedModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **QUEUE_OPTIONS,
    "state": {"type": "str", "choices": ["queued", "requeued", "forgotten"], "default": "queued"},
    **TARGETS_OPTIONS,
    "targets": {**TARGETS_OPTIONS["targets"], "required": False},
    "lineages": {"type": "path", "default": "/etc/letsencrypt/live"},
    "force": {"type": "bool", "default": False},
}
REQUIRED_IF = [("state", "queued", ("targets",))]


def run(module: GuardedModule) -> None:
    """module: a GuardedModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        scope, targets = scope_of(params), None if params["targets"] is None else targets_of(params)
        _check(params, scope, targets)
        now = datetime.now(timezone.utc)
        keeper = QueueKeeper(PushQueue(params["path"]), scope, now=now, check_mode=module.check_mode)
        report = _report(keeper, scope, targets, params)
        for warning in report.warnings:
            module.warn(warning)
        result = report.as_result()
        if module._diff:
            result["diff"] = report.diff(keeper.before)
        if report.message:
            raise RotationError(report.message, **result)
        module.exit_json(**result)


def _check(params: t.Mapping[str, t.Any], scope: QueueScope, targets: list[PushTarget] | None) -> None:
    """Raises InvalidOption for options that mean nothing together."""
    if params["force"] and params["state"] != "queued":
        raise InvalidOption(f"force has no meaning with state={params['state']}.")
    if params["state"] == "forgotten" and scope.is_all == (targets is None):
        raise InvalidOption(
            "state=forgotten needs either host or lineage, whose entries are forgotten, or targets alone: then what"
            " none of them wants any more is."
        )
    names = {target.name for target in targets or ()}
    strangers = [host for host in scope.hosts if host not in names]
    if params["state"] == "queued" and strangers:
        raise InvalidOption(f"host: there is no target of the name {', '.join(strangers)}.")


def _report(
    keeper: QueueKeeper, scope: QueueScope, targets: list[PushTarget] | None, params: t.Mapping[str, t.Any]
) -> QueueReport:
    if params["state"] == "requeued":
        return keeper.requeue()
    if params["state"] == "forgotten" and not scope.is_all:
        return keeper.forget()
    require_library("cryptography")
    from .._ports.lineages.certbot_live import CertbotLive

    lineages = CertbotLive(params["lineages"])
    if params["state"] == "forgotten":
        return keeper.forget_strays(targets or (), lineages)
    return keeper.queue_debts(targets or (), lineages, force=params["force"])
