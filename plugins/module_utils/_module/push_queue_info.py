# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_queue_info: what is in the queue, as a result."""

from __future__ import annotations

import dataclasses
import typing as t

from .._ports.queue.push_queue import PushQueue
from .boundary import module_boundary
from .push_queue_options import QUEUE_OPTIONS, scope_of

if t.TYPE_CHECKING:
    from .._core.push.entries import Confirmation, OwedEntry
    from .guarded import GuardedModule

_STATES: t.Final = ("owed", "claimed", "dead", "confirmed")
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **QUEUE_OPTIONS,
    "state": {"type": "list", "elements": "str", "choices": [*_STATES], "default": ["owed", "claimed", "dead"]},
}


def run(module: GuardedModule) -> None:
    """module: a GuardedModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        scope = scope_of(params)
        content = PushQueue(params["path"]).content()
        found: dict[str, list[dict[str, t.Any]]] = {
            state: [_shown(each, state) for each in getattr(content, state) if (each.host, each.lineage) in scope]
            for state in _STATES
        }
        waiting = [entry["queued_at"] for state in ("owed", "claimed") for entry in found[state]]
        module.exit_json(
            changed=False,
            entries=[entry for state in _STATES if state in params["state"] for entry in found[state]],
            counts={state: len(entries) for state, entries in found.items()},
            oldest=min(waiting, default=None),
            damaged=[{"file": damaged.path, "reason": damaged.reason} for damaged in content.damaged],
            bad=list(content.bad),
            foreign=list(content.foreign),
            woken=bool(content.woken),
        )


def _shown(entry: OwedEntry | Confirmation, state: str) -> dict[str, t.Any]:
    """All states have the same fields."""
    empty = {
        "queued_at": None,
        "attempts": 0,
        "last_error": "",
        "next_attempt": None,
        "uploaded": None,
        "forced": False,
    }
    return {"state": state, "confirmed_at": None, "evidence": None, **empty, **_fields(entry)}


def _fields(entry: OwedEntry | Confirmation) -> dict[str, t.Any]:
    fields = dataclasses.asdict(entry)
    if "at" in fields:
        fields["confirmed_at"] = fields.pop("at")
    return fields
