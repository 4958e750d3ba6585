# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random configurations of HAProxy and random renewals, for minutes, each compared with what clients get.

Every case is a seed and a version, and can be had again: python scripts/soak --seed 17 --cases 1 --version 3.0
"""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import signal
import sys
import time
import typing as t

# As tests/conftest.py: for this process, and for those of the modules.
COLLECTIONS = pathlib.Path(__file__).parents[2] / ".dev/collections"
sys.path.insert(0, str(COLLECTIONS))
os.environ["PYTHONPATH"] = str(COLLECTIONS)

from ansible_collections.certops.rotation.tests.support import haproxy  # noqa: E402
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer  # noqa: E402
from ansible_collections.certops.rotation.tests.support.soak.processes import Refused  # noqa: E402
from ansible_collections.certops.rotation.tests.support.soak.walk import Soak  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="begin no case after so many (10)")
    parser.add_argument("--cases", type=int, default=0, help="seeds to use, each with every version (no limit)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the first seed (a random one)")
    parser.add_argument("--steps", type=int, default=3, help="renewals of each case (3)")
    parser.add_argument("--version", action="append", help="of HAProxy, as 3.0; may be given several times (all)")
    parser.add_argument("--out", type=pathlib.Path, help="where to write what was wrong, too")
    options = parser.parse_args()
    versions = [each for each in haproxy.versions() if each.program and each.name in (options.version or [each.name])]
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(1))  # not without ending the HAProxys
    modules = ModuleServer()
    try:
        return _soak(options, versions, modules)
    finally:
        modules.close()


def _soak(options: argparse.Namespace, versions: t.Sequence[haproxy.Version], modules: ModuleServer) -> int:
    end = time.monotonic() + options.minutes * 60
    counts: collections.Counter[str] = collections.Counter()
    faults: collections.Counter[str] = collections.Counter()
    seed = options.seed
    while time.monotonic() < end and (not options.cases or seed < options.seed + options.cases):
        for version in versions:
            begun = time.monotonic()
            case = Soak(seed, version.name, version.program, modules)
            try:
                case.run(options.steps)
            except Refused:
                counts["refused by HAProxy"] += 1
                continue
            counts.update(cases=1, judged=case.judged, undecided=case.undecided, handshakes=case.judge.handshakes)
            faults.update(fault.kind for fault in case.faults)
            for fault in case.faults:
                print(fault.text, "=" * 100, sep="\n")
                if options.out:
                    with options.out.open("a") as file:
                        print(fault.text, "=" * 100, sep="\n", file=file)
            kinds = ", ".join(fault.kind for fault in case.faults)
            print(f"seed {seed}, {version.name}: {time.monotonic() - begun:.1f} s {kinds or 'right'}", flush=True)
        seed += 1
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    print(", ".join(f"{count} {kind}" for kind, count in faults.most_common()) or "All was right.")
    return 1 if faults or not counts["cases"] else 0


if __name__ == "__main__":
    sys.exit(main())
