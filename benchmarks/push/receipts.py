# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that confirm at once what was uploaded, so that a benchmark measures the pusher alone."""

from __future__ import annotations

import json
import threading
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.push.staging import parse_staged_name
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost

_PAUSE = 0.02


class Receivers:
    """A thread that writes receipts, while the context is open."""

    def __init__(self, hosts: t.Sequence[SshHost]) -> None:
        self._hosts = hosts
        self._told: set[tuple[str, str]] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Receivers:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ending.wait(_PAUSE):
            for host in self._hosts:
                for name in sorted(path.name for path in host.staging.iterdir()):
                    staged = parse_staged_name(name)
                    if staged and staged.fingerprint_sha256 and (host.name, name) not in self._told:
                        self._told.add((host.name, name))
                        receipt = {
                            "lineage": staged.lineage,
                            "fingerprint_sha256": staged.fingerprint_sha256,
                            "state": "deployed",
                            "at": "2026-01-01T00:00:00Z",
                        }
                        host.write_receipt(f"{staged.lineage}.json", json.dumps(receipt))
