# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run services as a module would, in another system: JSON in, JSON out. Run as a program, inside a SystemdHost.

Input: services (the option), lineages (those just pushed), live (as LiveLineage). Output: what outcomes say.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import LiveLineage
from ansible_collections.certops.rotation.plugins.module_utils._core.services.pending import PendingLineage
from ansible_collections.certops.rotation.plugins.module_utils._flows.deploy.services import run_services
from ansible_collections.certops.rotation.plugins.module_utils._module.service_options import service_definitions


def main() -> None:
    given = json.load(sys.stdin)
    live = [
        LiveLineage(each["name"], each["fingerprint_sha256"], tuple(each["subject_alternative_names"]), each["path"])
        for each in given["live"]
    ]
    now = datetime.now(timezone.utc)
    pushed = [each for each in live if each.name in given["lineages"]]
    pending = [PendingLineage(each.name, each.fingerprint_sha256, now) for each in pushed]
    outcomes = run_services(service_definitions(given["services"]), pending, live)
    json.dump([outcome.as_result() for outcome in outcomes], sys.stdout)


if __name__ == "__main__":
    main()
