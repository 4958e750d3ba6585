# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hot updates and a reload cost, and whether the cheaper one is chosen.

For each HAProxy and each number of certificates in it: a part of them or all change on disk, and are loaded by hot
updates, or by a reload with its check of the configuration. Both are what a rotation does, without what is the same for
both. Before that it is asked which way it would go, knowing nothing of this HAProxy, and knowing what it has shown.
"""

from __future__ import annotations

import collections
import contextlib
import socket
import ssl
import sys
import time
import typing as t

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.benchmarks.hot_update.benchmark import Load
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.update_cost import (
    FASTER,
    FEW,
    GAIN,
    Measured,
    UpdateWay,
    keep_costs,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.activate import update_memory
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.memory_items import of_files
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.reload import reload_by_first_way
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.settings import (
    MemorySettings,
    ReloadSettings,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.update_way import WayQuestion
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.memory import memory_room
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.processes import children_of
from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.master import MasterReloader
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance, versions

_TIMEOUT = 300.0


class PatientInstance(HaproxyInstance):
    """One with thousands of certificates takes its time."""

    def _wait(self, condition: t.Callable[[], bool], purpose: str, seconds: float = _TIMEOUT) -> None:
        super()._wait(condition, purpose, seconds)


class Loaded:
    """A HAProxy with so many certificates, of which each has two that take turns."""

    def __init__(self, program: str, names: t.Sequence[str], turns: t.Sequence[t.Mapping[str, str]]) -> None:
        self.names = names
        self._turns = turns
        self._turn = 0
        self.haproxy = PatientInstance({f"{name}.pem": turns[0][name] for name in names}, binary=program)

    def renew(self, number: int) -> list[dict[str, str]]:
        """On disk; the items of an update."""
        self._turn = 1 - self._turn
        paths = [
            self.haproxy.write_certificate(f"{name}.pem", self._turns[self._turn][name]) for name in self.names[:number]
        ]
        return [{"src": path, "state": "present"} for path in paths]

    def question(self, items: t.Sequence[t.Mapping[str, str]], kept: object) -> UpdateWay:
        return WayQuestion(items, "direct", "cost", self.memory, self.reloading, len(self.names), kept).answer()

    def hot_update(self, items: t.Sequence[t.Mapping[str, str]]) -> float:
        start = time.monotonic()
        report = update_memory(self.memory, of_files(items, None), check_mode=False)
        if report.message:
            raise RuntimeError(report.message)
        return time.monotonic() - start

    def reload(self) -> float:
        start = time.monotonic()
        attempt = reload_by_first_way(self.reloading)[-1]
        if attempt.error is not None:
            raise RuntimeError(attempt.error.message)
        return time.monotonic() - start

    @property
    def memory(self) -> MemorySettings:
        return MemorySettings(self.haproxy.socket, _TIMEOUT, [str(self.haproxy.config_path)])

    @property
    def reloading(self) -> ReloadSettings:
        config = [str(self.haproxy.config_path)]

        def reloader(_method: str) -> MasterReloader:
            return MasterReloader(self.haproxy.master_socket, _TIMEOUT)

        return ReloadSettings(["master"], reloader, True, self.haproxy.binary, config, _TIMEOUT)

    @property
    def workers_mb(self) -> float:
        """Of all workers, the old ones too."""
        return sum(memory_room(worker.pid).own or 0 for worker in children_of(self.haproxy.master_pid))

    @contextlib.contextmanager
    def client_that_stays(self) -> t.Iterator[None]:
        """An old worker lives as long as its request has not come to an end."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        address = ("127.0.0.1", self.haproxy.port)
        with socket.create_connection(address) as raw, context.wrap_socket(raw) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            yield


class Row(t.NamedTuple):
    """One comparison. seconds: by way; choices: by what is known."""

    version: str
    loaded: int
    changed: int
    seconds: dict[str, float]
    choices: dict[str, str]

    def is_right(self, known: str) -> bool:
        """The better way, or one that is within what a reload has to save."""
        chosen, best = self.seconds[self.choices[known]], min(self.seconds.values())
        return chosen - best <= GAIN or chosen <= best * FASTER


def compare(version: str, fleet: Loaded, parts: t.Sequence[float]) -> t.Iterator[Row]:
    size = len(fleet.names)
    kept: dict[str, dict[str, t.Any]] = {}
    for number in sorted({max(1, int(size * part)) for part in parts}):
        items = fleet.renew(number)
        choices = {"nothing": fleet.question(items, {}).way, "shown": fleet.question(items, kept).way}
        seconds = {"hot_update": fleet.hot_update(items)}
        fleet.renew(number)
        seconds["reload"] = fleet.reload()
        measured = {"reload": Measured(size, seconds["reload"])}
        if number >= FEW:
            measured["hot_update"] = Measured(number, seconds["hot_update"])
        kept = keep_costs(kept, measured)
        yield Row(version, size, number, seconds, choices)


def memory_of(fleet: Loaded) -> dict[str, float]:
    """In MB: after a start, after all certificates were updated, and while a client keeps the worker before."""
    found = {"loaded": fleet.workers_mb}
    fleet.hot_update(fleet.renew(len(fleet.names)))
    found["all updated"] = fleet.workers_mb
    with fleet.client_that_stays():
        fleet.renew(len(fleet.names))
        fleet.reload()
        found["reloaded, a client stays"] = fleet.workers_mb
    return found


def handshakes(fleet: Loaded) -> dict[str, t.Any]:
    """Clients at work, by way: how many handshakes were made and failed meanwhile, and the seconds that it took."""
    found: dict[str, t.Any] = {}
    for way in ("hot_update", "reload"):
        with Load(fleet.haproxy.port, fleet.names) as load:
            items = fleet.renew(len(fleet.names))
            seconds = fleet.hot_update(items) if way == "hot_update" else fleet.reload()
        found[way] = {"made": load.made, "failures": load.failures, "seconds": seconds}
    return found


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 5000], help="certificates in HAProxy")
    parser.add_argument("--parts", type=float, nargs="+", default=[0.01, 0.1, 0.5, 1], help="that change, of all")
    parser.add_argument("--versions", nargs="+", help="of HAProxy; all that are there")
    parser.add_argument("--loaded-to", type=int, default=1000, help="the most for updates with clients at work")
    options = parser.parse_args()
    issuer = pki.CertificateAuthority("Benchmark Intermediate", parent=pki.CertificateAuthority("Benchmark Root"))
    names = [f"w{number:04}.example.com" for number in range(max(options.sizes))]
    turns = [{name: issuer.issue([name]).combined_pem for name in names} for _turn in range(2)]
    rows: list[Row] = []
    memory: list[list[str]] = []
    failures: collections.Counter[str] = collections.Counter()
    clients: list[list[str]] = []
    for version in versions():
        if not version.program or (options.versions and version.name not in options.versions):
            continue
        for size in options.sizes:
            fleet = Loaded(version.program, names[:size], turns)
            with fleet.haproxy:
                told = memory_of(fleet)
                memory.append([version.name, f"{size:,}", *(f"{value:.0f} MB" for value in told.values())])
                for row in compare(version.name, fleet, options.parts):
                    rows.append(row)
                    print(f"# {row}", file=sys.stderr, flush=True)
                if size <= options.loaded_to:
                    for way, counts in handshakes(fleet).items():
                        failed = counts["failures"].total()
                        failures.update(counts["failures"])
                        seconds = f"{counts['seconds']:.1f} s"
                        clients.append([version.name, f"{size:,}", way, seconds, f"{counts['made']:,}", str(failed)])
    told_rows = [
        [
            row.version,
            f"{row.loaded:,}",
            f"{row.changed:,}",
            *(f"{row.seconds[way]:.2f} s" for way in ("hot_update", "reload")),
            *(row.choices[known] for known in ("nothing", "shown")),
        ]
        for row in rows
    ]
    header = ["HAProxy", "loaded", "changed", "hot updates", "reload", "chosen at first", "chosen by what it showed"]
    print(measuring.table("Time", header, told_rows))
    header = ["HAProxy", "loaded", "after a start", "all updated", "then reloaded, a client stays"]
    print(measuring.table("Memory of all workers", header, memory))
    header = ["HAProxy", "loaded, all changed", "way", "time", "handshakes", "failed"]
    print(measuring.table("With clients at work", header, clients))
    for reason, count in failures.most_common():
        print(f"  {count} x {reason}")
    reaches = measuring.Reaches()
    few = [row for row in rows if row.changed < FEW]
    reaches.at_most("failed handshakes", failures.total(), 0)
    reaches.at_most(f"reloads for less than {FEW} changes", sum(row.choices["shown"] == "reload" for row in few), 0)
    many = [row for row in rows if row.changed >= FEW]
    wrong = {known: sum(not row.is_right(known) for row in many) for known in ("nothing", "shown")}
    print(f"\nWrong choices of {len(many)}, at first: {wrong['nothing']}. Machines differ: the next run knows better.")
    reaches.at_most(f"wrong choices of {len(many)}, by what it showed", wrong["shown"], len(many) // 10)
    measurements = {"rows": [row._asdict() for row in rows], "memory": memory, "clients": clients}
    return measuring.finish(options, measurements, reaches)


if __name__ == "__main__":
    sys.exit(main())
