# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scanner by itself, as the module endpoint_scan has it: all facts of the whole chain, the verdict, what is needed.

Usage: ours.py PORT SILENT_PORT COUNT ANCHORS_FILE TIMEOUT
"""

from __future__ import annotations

import collections
import json
import pathlib
import sys
from datetime import datetime, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.trust import load_trust_anchors
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.observation import Trust
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.scanner import ScannerSettings, scan


def main(port: int, silent_port: int, count: int, anchors: str, timeout: float) -> dict[str, int]:
    pem = pathlib.Path(anchors).read_text("utf-8")
    endpoints = [
        WatchedEndpoint(
            f"e{number:04}",
            f"e{number % 1000:04}.bench.example",
            silent_port if number % 10 == 3 and silent_port else port,
            address="127.0.0.1",
        )
        for number in range(count)
    ]
    settings = ScannerSettings(
        datetime.now(timezone.utc), timeout=timeout, trust=Trust(pem), anchors=load_trust_anchors(pem)
    )
    found: collections.Counter[str] = collections.Counter()
    certificates = set()
    for seen in scan(endpoints, settings):
        if seen.leaf and seen.trusted and seen.needed_until:
            found["served"] += 1
            certificates.add(seen.leaf.fingerprint_sha256)
        else:
            found["silent" if (seen.error or "").startswith("timeout") else seen.error or "odd"] += 1
    return {**found, "certificates": len(certificates)}


if __name__ == "__main__":
    port, silent_port, count = map(int, sys.argv[1:4])
    print(json.dumps(main(port, silent_port, count, sys.argv[4], float(sys.argv[5]))))
