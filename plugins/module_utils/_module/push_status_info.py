# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_status_info: what hosts are owed, as one verdict."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .options import duration_option
from .push_options import TARGETS_OPTIONS, targets_of

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "queue": {"type": "path", "default": "/var/lib/certops-push"},
    "lineages": {"type": "path", "default": "/etc/letsencrypt/live"},
    **TARGETS_OPTIONS,
    "max_age": {"type": "str"},
    "success_files": {"type": "list", "elements": "path", "default": []},
}


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        require_library("cryptography")
        from .._flows.push.status import look_at_pushes
        from .._ports.lineages.certbot_live import CertbotLive
        from .._ports.queue.push_queue import PushQueue

        params = module.params
        found = look_at_pushes(
            PushQueue(params["queue"]),
            CertbotLive(params["lineages"]),
            targets_of(params),
            success_files=params["success_files"],
            max_age=duration_option(params, "max_age") if params["max_age"] else None,
            now=datetime.now(timezone.utc),
        )
        module.exit_json(changed=False, **found.as_result())
