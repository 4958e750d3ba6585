# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_doctor_info: parameters to what is to be looked at, findings to the result."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._core.push.given_targets import checked_number
from .._flows.doctor.findings import table, to_mend
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .push_options import TARGETS_OPTIONS, targets_of

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "queue": {"type": "path", "default": "/var/lib/certops-push"},
    "lineages": {"type": "path", "default": "/etc/letsencrypt/live"},
    **TARGETS_OPTIONS,
    "concurrency": {"type": "int", "default": 8},
}


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        require_library("cryptography")
        from .._flows.doctor.push import PushDoctor
        from .._ports.lineages.certbot_live import CertbotLive
        from .._ports.queue.push_queue import PushQueue
        from .._ports.sftp.openssh import OpensshDeliverer

        params = module.params
        with OpensshDeliverer(params["passphrase"]) as deliverer:
            doctor = PushDoctor(
                PushQueue(params["queue"]),
                CertbotLive(params["lineages"]),
                targets_of(params),
                deliverer,
                checked_number("concurrency", params["concurrency"], 256, 1),
            )
            findings = list(doctor.findings(datetime.now(timezone.utc)))
        module.exit_json(
            changed=False,
            ok=not any(finding.severity == "error" for finding in findings),
            checks=[finding.as_result() for finding in findings],
            table=table(findings),
            msg=to_mend(findings, "pushed from"),
        )
