# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbook rotate costs on many hosts, next to a playbook with one ping on the same hosts.

Hosts are SSH servers on loopback addresses, each with a HAProxy of its own, and 10 certificates. Controller and hosts
share this machine's cores. Both playbooks run with the same forks, with pipelining, and with new connections.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import pathlib
import shutil
import sys
import tempfile
import time
import typing as t

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.benchmarks.fleet.hosts import Fleet
from ansible_collections.certops.rotation.tests.support import moto, pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults

HERE = pathlib.Path(__file__).parent
PREFIX = "fleet/"
CERTIFICATES = 10
PING = str(HERE / "ping.yml")
ROTATE = "certops.rotation.rotate"
SOURCES = {"host": "pull", "controller": "push"}
# Times the ping, for an unchanged fleet of this size.
LIMITS = {1: 2.5}
LIMIT = 3.0
# Ways to divide a fleet -> variables of the play; slices are jobs side by side, as AWX makes them.
ALL_AT_ONCE = "all at once"
DIVISIONS: dict[str, dict[str, t.Any]] = {
    ALL_AT_ONCE: {"rotation_batches": ["100%"]},
    "the usual batches": {},
    "batches of 5": {"rotation_batches": [5]},
    "one after the other": {"rotation_batches": [1]},
}
SLICES = 2


class Scenario:
    """One number of hosts. series: what was run -> costs; requests: what was run -> AWS operation -> count."""

    def __init__(self, size: int, forks: int, aws: moto.MotoServer, counter: AwsFaults) -> None:
        self.size = size
        self.series: dict[str, measuring.Series] = {"ping": measuring.Series()}
        self.requests: dict[str, dict[str, int]] = {}
        self.divided: dict[str, measuring.Series] = {}
        self._forks = forks
        self._aws = aws
        self._counter = counter
        self._authority = pki.CertificateAuthority("Fleet Intermediate", parent=pki.CertificateAuthority("Fleet Root"))

    def run(self, rounds: int, sources: t.Sequence[str], divide: bool) -> None:
        self._aws.reset()
        for number in range(CERTIFICATES):
            self._store(number)
        account = {"region": moto.REGION, "endpoint_url": self._counter.env["AWS_ENDPOINT_URL"]}
        keys = {"access_key": "test", "secret_key": self._counter.env["AWS_SECRET_ACCESS_KEY"]}
        variables = {"haproxy_certificates_name_prefix": PREFIX, "haproxy_certificates_aws": {**account, **keys}}
        with Fleet(self.size, variables, self._authority) as fleet:
            self._rotate(fleet, "host", "rotated")
            for number in range(rounds):
                self.series["ping"].costs.append(self._playbook(fleet, PING, {}))
                for source in sources:
                    self._measure(fleet, source, "unchanged")
                    self._store(number % CERTIFICATES)
                    self._measure(fleet, source, "rotated")
                if divide:
                    self._divide(fleet)

    def _store(self, number: int) -> None:
        self._aws.put_secret(f"{PREFIX}{number}", self._authority.issue(f"n{number}.example.com").secret_document())

    def _measure(self, fleet: Fleet, source: str, outcome: str) -> None:
        what = f"{SOURCES[source]}, {'unchanged' if outcome == 'unchanged' else '1 of 10 changed'}"
        self._counter.requests.clear()
        cost = self._rotate(fleet, source, outcome)
        self.series.setdefault(what, measuring.Series()).costs.append(cost)
        self.requests[what] = self._counter.counts()

    def _rotate(self, fleet: Fleet, source: str, outcome: str) -> measuring.Cost:
        report = fleet.directory / "report.json"
        extra = {"haproxy_certificates_source": source, "rotation_report_file": str(report)}
        cost = self._playbook(fleet, ROTATE, extra)
        outcomes = [facts["outcome"] for facts in json.loads(report.read_text())["hosts"].values()]
        if outcomes != [outcome] * self.size:
            raise RuntimeError(f"not every host is {outcome}: {outcomes}")
        return cost

    def _divide(self, fleet: Fleet) -> None:
        """An unchanged fleet in all the ways to divide it."""
        for what, variables in DIVISIONS.items():
            cost = self._playbook(fleet, ROTATE, variables)
            self.divided.setdefault(what, measuring.Series()).costs.append(cost)
        parts = [",".join(fleet.addresses[number::SLICES]) for number in range(SLICES)]
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(SLICES) as pool:
            jobs = [pool.submit(self._playbook, fleet, ROTATE, {"rotation_hosts": part}) for part in parts]
            costs = [job.result() for job in jobs]
        seconds = time.monotonic() - started
        cost = measuring.Cost(seconds, sum(cost.cpu_seconds for cost in costs), max(cost.peak_mb for cost in costs))
        self.divided.setdefault(f"{SLICES} slices", measuring.Series()).costs.append(cost)

    def _playbook(self, fleet: Fleet, playbook: str, extra: t.Mapping[str, t.Any]) -> measuring.Cost:
        """With connections of its own, so that no playbook finds those of the one before."""
        sockets = pathlib.Path(tempfile.mkdtemp(dir=fleet.directory))
        env = {
            "ANSIBLE_FORKS": str(self._forks),
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        }
        command = ["ansible-playbook", playbook, "--inventory", str(fleet.inventory)]
        try:
            cost, _output = measuring.run_ansible([*command, "--extra-vars", json.dumps(extra)], env=env)
        finally:
            shutil.rmtree(sockets)
        return cost

    def rows(self) -> list[list[str]]:
        ping = self.series["ping"]
        rows = []
        for what, series in self.series.items():
            calls = ", ".join(f"{count} {name}" for name, count in self.requests.get(what, {}).items())
            ratio = measuring.spread(series.ratios_to(ping)) if series is not ping else "1x"
            rows.append([f"{self.size}: {what}", f"{series.seconds:.1f} s", ratio, calls])
        return rows

    def divided_rows(self) -> list[list[str]]:
        baseline = self.divided.get(ALL_AT_ONCE)
        return [
            [f"{self.size}: {what}", f"{series.seconds:.1f} s", measuring.spread(series.ratios_to(baseline))]
            for what, series in self.divided.items()
            if baseline
        ]

    def as_dict(self) -> dict[str, t.Any]:
        costs = {what: series.as_dict(self.series["ping"]) for what, series in self.series.items()}
        divided = {what: series.as_dict(self.divided[ALL_AT_ONCE]) for what, series in self.divided.items()}
        return {"costs": costs, "requests": self.requests, "divided": divided}


def reach(reaches: measuring.Reaches, scenarios: t.Sequence[Scenario]) -> None:
    for scenario in scenarios:
        for what, series in scenario.series.items():
            if what.endswith("unchanged"):
                ratio = series.ratio_to(scenario.series["ping"])
                hosts = "1 host" if scenario.size == 1 else f"{scenario.size} hosts"
                reaches.at_most(f"{hosts}, {what}, to the ping", ratio, LIMITS.get(scenario.size, LIMIT), digits=2)
    for what in scenarios[0].requests:
        if what.startswith("push"):
            counts = [sum(scenario.requests[what].values()) for scenario in scenarios]
            reaches.at_most(f"{what}, most requests for any number of hosts", max(counts), min(counts))


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 50], help="numbers of hosts, 254 at most")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument("--forks", type=int, default=20, help="of both playbooks")
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES), help="who asks AWS")
    parser.add_argument("--divide", action="store_true", help="also measure batches and slices, unchanged")
    options = parser.parse_args()
    reaches = measuring.Reaches()
    scenarios = []
    with moto.moto_server() as aws:
        counter = AwsFaults(aws.port, aws.env)
        counter.start()
        try:
            scenarios = [measured(size, options, aws, counter) for size in options.sizes]
        finally:
            counter.stop()
    rows = [row for scenario in scenarios for row in scenario.rows()]
    header = ["hosts", "seconds", "ratio (min-max)", "requests to AWS"]
    print(measuring.table("The playbook rotate next to a playbook with one ping", header, rows))
    divided = [row for scenario in scenarios for row in scenario.divided_rows()]
    if divided:
        print(measuring.table("Unchanged, divided", ["hosts", "seconds", "ratio (min-max)"], divided))
    reach(reaches, scenarios)
    return measuring.finish(options, {f"hosts_{one.size}": one.as_dict() for one in scenarios}, reaches)


def measured(size: int, options: argparse.Namespace, aws: moto.MotoServer, counter: AwsFaults) -> Scenario:
    scenario = Scenario(size, options.forks, aws, counter)
    scenario.run(options.rounds, options.sources, options.divide)
    return scenario


if __name__ == "__main__":
    sys.exit(main())
