# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_ca_file: parameters to wanted files, what became of each to the result."""

from __future__ import annotations

import datetime
import typing as t

from .._errors import InvalidOption
from .._flows.haproxy_failures import RELOAD_HELPS, failure_message, process_facts
from .._flows.haproxy_trust import WantedFile, apply_files, sorted_facts
from .._ports.haproxy.runtime import RuntimeApi
from .._ports.haproxy.trust_files import TrustFiles
from .._ports.haproxy.turn import take_turn
from .boundary import module_boundary


def run(module: t.Any) -> None:
    """The module haproxy_ca_file."""
    with module_boundary(module):
        wanted = wanted_files(module.params["files"], module.params["state"])
        timeout = module.params["timeout"]
        api = RuntimeApi(module.params["socket"], timeout)
        info = api.info()
        with take_turn(api, timeout):
            files = TrustFiles(api, info.get("Version", ""))
            now = datetime.datetime.now(datetime.timezone.utc)
            outcomes = apply_files(files, wanted, now, check_mode=module.check_mode)
        for outcome in outcomes:
            for warning in outcome.warnings:
                module.warn(f"{outcome.name}: {warning}")
        changed = [outcome for outcome in outcomes if outcome.action in ("added", "updated", "removed")]
        result: dict[str, t.Any] = {
            "changed": bool(changed),
            "files": [outcome.as_result() for outcome in outcomes],
            "needs_reload": any(isinstance(outcome.error, RELOAD_HELPS) for outcome in outcomes),
            "haproxy": process_facts(info),
            "diff": {
                "before": {outcome.name: sorted_facts(outcome.before) for outcome in changed},
                "after": {outcome.name: sorted_facts(outcome.after) for outcome in changed},
            },
        }
        failed = [(outcome.name, outcome.error.message) for outcome in outcomes if outcome.error]
        if failed:
            module.fail_json(msg=failure_message(failed, len(outcomes), "files"), **result)
        module.exit_json(**result)


def wanted_files(items: t.Sequence[t.Mapping[str, t.Any]], state: str) -> list[WantedFile]:
    """The module's options. state: of those that have none of their own. Raises InvalidOption."""
    wanted = []
    for number, item in enumerate(items, start=1):
        one = WantedFile(
            item["name"] or item["src"] or "", item["kind"], item["src"], item["content"], item["state"] or state
        )
        if not one.name:
            raise InvalidOption(f"Item {number} of files has no name: say which file of HAProxy it is.")
        if one.state != "absent" and one.source is None and one.content is None:
            raise InvalidOption(f"{one.name} in files has neither src nor content: say what is to be in it.")
        wanted.append(one)
    names = [item.name for item in wanted]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidOption(f"Named more than once in files: {', '.join(twice)}.")
    return wanted
