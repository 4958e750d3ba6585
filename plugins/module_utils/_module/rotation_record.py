# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_record: parameters to an outcome, what is remembered of it to the result."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._flows.rotate.record import RunOutcome, record
from .._ports.store.directory import CertificateDirectory
from .boundary import module_boundary
from .options import duration_option

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "outcome": {"type": "str", "choices": ["proven", "rolled_back", "unproven", "failed"], "required": True},
    "activation": {"type": "str", "choices": ["none", "hot_update", "reload"], "default": "none"},
    "names": {"type": "list", "elements": "str"},
    "retired": {"type": "list", "elements": "path", "default": []},
    "reason": {"type": "str", "default": ""},
    "failures": {"type": "list", "elements": "str", "default": []},
    "not_proven": {"type": "dict", "default": {}},
    "loaded": {"type": "list", "elements": "str"},
    "lock_timeout": {"type": "str", "default": "60s"},
}


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        outcome = RunOutcome(
            params["outcome"],
            params["activation"],
            params["names"],
            frozenset(params["retired"]),
            params["reason"],
            params["failures"],
            {str(name): str(reason) for name, reason in params["not_proven"].items()},
            params["loaded"],
        )
        changed, state = record(
            CertificateDirectory(params["path"]),
            outcome,
            now=datetime.now(timezone.utc),
            lock_timeout=duration_option(params, "lock_timeout").total_seconds(),
            check_mode=module.check_mode,
        )
        diff = (
            {"diff": {"before": {}, "after": {"newly_proven": state["newly_proven"]}}}
            if module._diff and changed
            else {}
        )
        module.exit_json(changed=changed, state=state, **diff)
