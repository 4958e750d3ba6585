# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_certificate: parameters to the update of HAProxy's memory, its report to the result."""

from __future__ import annotations

import typing as t

from .._errors import InvalidOption
from .._flows.rotate.activate import update_memory
from .._flows.rotate.memory_items import MemoryItem
from .._flows.rotate.settings import MemorySettings
from .boundary import module_boundary


def run(module: t.Any) -> None:
    """The module haproxy_certificate."""
    with module_boundary(module):
        params = module.params
        settings = MemorySettings(
            params["socket"], params["timeout"], params["config"] or (), remove_stale_ocsp=params["remove_stale_ocsp"]
        )
        report = update_memory(settings, wanted_certificates(params), check_mode=module.check_mode)
        for outcome in report.outcomes:
            if outcome.warning:
                module.warn(outcome.warning)
        if report.message:
            module.fail_json(msg=report.message, **report.as_result())
        module.exit_json(**report.as_result())


def wanted_certificates(params: t.Mapping[str, t.Any]) -> list[MemoryItem]:
    """The module's options as items. Raises InvalidOption."""
    items = []
    for number, item in enumerate(params["certificates"], start=1):
        name = item["name"] or item["src"]
        state = item["state"] or params["state"]
        if not name:
            raise InvalidOption(
                f"Item {number} of certificates has neither name nor src: HAProxy knows certificates by their name."
            )
        if state == "present" and (item["src"] is None) == (item["content"] is None):
            raise InvalidOption(f"{name}: give either src or content.")
        items.append(
            MemoryItem(
                name=name,
                state=state,
                source=item["src"],
                content=item["content"],
                crt_list=item["crt_list"] or params["crt_list"],
                force=params["force"] if item["force"] is None else item["force"],
            )
        )
    names = [item.name for item in items]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidOption(f"Named more than once in certificates: {', '.join(twice)}.")
    return items
