# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_rollback: parameters to the store, what was put back to the result."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._errors import InvalidOption
from .._flows.rotate.rollback import go_back, has_changed, stage_moves, take_back
from .._ports.store.directory import CertificateDirectory
from .boundary import module_boundary
from .options import duration_option

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "names": {"type": "list", "elements": "str"},
    "unproven_only": {"type": "bool"},
    "allow_expired": {"type": "bool", "default": False},
    "lock_timeout": {"type": "str", "default": "60s"},
}


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        items = _rolled_back(module.params, module.check_mode)
        for item in items:
            if item["action"] == "kept":
                module.warn(
                    f"{item['name']}: no earlier version is kept, so {item['path']} stays as it is."
                    " Set keep_previous to 1 or more for certificate_sync."
                )
        before = {item["name"]: item["rolled_back_fingerprint_sha256"] for item in items}
        after = {item["name"]: item["fingerprint_sha256"] for item in items}
        diff = {"diff": {"before": before, "after": after}} if module._diff else {}
        module.exit_json(changed=has_changed(items), certificates=items, stage_moves=stage_moves(items), **diff)


def _rolled_back(params: t.Mapping[str, t.Any], check_mode: bool) -> list[dict[str, t.Any]]:
    directory = CertificateDirectory(params["path"])
    timeout = duration_option(params, "lock_timeout").total_seconds()
    names = None if params["names"] is None else [name.strip() for name in params["names"] if name.strip()]
    unproven_only = names is None if params["unproven_only"] is None else params["unproven_only"]
    if unproven_only:
        return take_back(directory, names, lock_timeout=timeout, check_mode=check_mode)
    if not names:
        raise InvalidOption("names: name the secrets whose certificates are to go back to the version before.")
    return go_back(
        directory,
        names,
        now=datetime.now(timezone.utc),
        allow_expired=params["allow_expired"],
        lock_timeout=timeout,
        check_mode=check_mode,
    )
