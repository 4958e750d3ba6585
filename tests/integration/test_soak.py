# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation and proof in random configurations of HAProxy: no false "proven", no needless rollback, by what clients get.

"make soak" goes on for as long as one likes. The text of a failure tells the seed, by which scripts/soak does it again.
"""

from __future__ import annotations

import os

import pytest
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.haproxy import default_binary
from ansible_collections.certops.rotation.tests.support.soak.processes import Refused
from ansible_collections.certops.rotation.tests.support.soak.walk import Soak


def soak(seed: int, version: str, modules: ModuleServer) -> Soak:
    """With the first seed from here on whose configuration this HAProxy takes."""
    for another in range(20):
        try:
            return Soak(seed + 1000 * another, version, default_binary(), modules).run(steps=2)
        except Refused as refused:
            reason = str(refused)
    raise AssertionError(reason)


@pytest.mark.parametrize("number", range(4))
def test_what_is_said_is_what_clients_get(haproxy_version: str, modules: ModuleServer, number: int) -> None:
    case = soak(int(os.environ.get("SOAK_SEED", "0")) + number, haproxy_version, modules)
    assert not case.faults, "\n\n".join(fault.text for fault in case.faults)
    assert case.judged
