# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that writes to a registry, one of several: python -m ...registry_writer URL NAME ROUNDS."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import typing as t
from datetime import timedelta

from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import Sighting
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.sql_registry import SqlRegistry

from .watching import ADDRESS, START, seen

OF_ALL = WatchedEndpoint("of all", "shared.example.com")
OWN = 10  # endpoints of each writer


def own_endpoints(name: str) -> list[WatchedEndpoint]:
    return [WatchedEndpoint(name, f"{number}.{name}.example.com") for number in range(OWN)]


def write(url: str, name: str, rounds: int) -> None:
    """In each round, its own endpoints serve another certificate, as does the one that all watch, and one event is
    delivered. "ready" is written after the first."""
    registry, policy = SqlRegistry(url), WatchPolicy()
    registry.put([*own_endpoints(name), OF_ALL], START)
    ca = seen("ca", -1, 1000)
    for number in range(rounds):
        at = START + timedelta(seconds=number)
        own = seen(f"{name} {number}", -1, 90)
        chains = [(endpoint.key, (own, ca)) for endpoint in own_endpoints(name)] + [(OF_ALL.key, (ca,))]
        registry.record([Sighting(key, ADDRESS, at, chain, trusted=True) for key, chain in chains], policy, at)
        registry.delivered(name, [event.id for event in registry.undelivered(name, 1)], at)
        if not number:
            sys.stdout.write("ready\n")
            sys.stdout.flush()


@contextlib.contextmanager
def writers(url: str, names: t.Sequence[str], rounds: int) -> t.Iterator[list[subprocess.Popen[str]]]:
    """At the same time. Those that still run at the end are killed."""
    (root, *_rest) = [path for path in sys.path if pathlib.Path(path, "ansible_collections/certops").exists()]
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-m", __name__, url, name, str(rounds)],
            env={**os.environ, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
