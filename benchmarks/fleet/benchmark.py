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
UNCHANGED, CHANGED = "unchanged", "1 of 10 changed"
# Times the ping: for one host, and for more.
LIMITS = {UNCHANGED: (1.7, 2.2), CHANGED: (2.3, 3.2)}
PUSH_LIMIT = 1.1  # times the pull
# Ways to divide a fleet -> variables of the play; slices are jobs side by side, as AWX makes them.
ALL_AT_ONCE = "all at once"
DIVISIONS: dict[str, dict[str, t.Any]] = {
    ALL_AT_ONCE: {"rotation_batches": ["100%"]},
    "the usual batches": {},
    "batches of 5": {"rotation_batches": [5]},
    "one after the other": {"rotation_batches": [1]},
}
SLICES = 2


class Account:
    """CERTIFICATES in AWS, by a counter of the requests. variables: of the role, to get them."""

    def __init__(self, aws: moto.MotoServer, counter: AwsFaults) -> None:
        self.counter = counter
        self.authority = pki.CertificateAuthority("Fleet Intermediate", parent=pki.CertificateAuthority("Fleet Root"))
        keys = {"access_key": "test", "secret_key": counter.env["AWS_SECRET_ACCESS_KEY"]}
        account = {"region": moto.REGION, "endpoint_url": counter.env["AWS_ENDPOINT_URL"], **keys}
        self.variables = {"haproxy_certificates_name_prefix": PREFIX, "haproxy_certificates_aws": account}
        self._aws = aws
        for number in range(CERTIFICATES):
            self.renew(number)

    def renew(self, number: int) -> None:
        self._aws.put_secret(f"{PREFIX}{number}", self.authority.issue(f"n{number}.example.com").secret_document())


class Scenario:
    """So many hosts of the fleet. series: what was run -> costs; requests: what was run -> AWS operation -> count."""

    def __init__(self, size: int, fleet: Fleet, account: Account, forks: int) -> None:
        self.size = size
        self.series: dict[str, measuring.Series] = {"ping": measuring.Series()}
        self.requests: dict[str, dict[str, int]] = {}
        self.divided: dict[str, measuring.Series] = {}
        self._fleet = fleet
        self._account = account
        self._forks = forks

    def run(self, rounds: int, sources: t.Sequence[str], divide: bool) -> None:
        """Each host must have all certificates, as they are now."""
        for number in range(rounds):
            self.series["ping"].costs.append(self._playbook(PING, {}))
            for source in sources:
                self._measure(source, UNCHANGED)
                self._account.renew(number % CERTIFICATES)
                self._measure(source, CHANGED)
            if divide:
                self._divide()

    def _measure(self, source: str, what: str) -> None:
        name = f"{SOURCES[source]}, {what}"
        self._account.counter.requests.clear()
        cost = self.rotate(source, "unchanged" if what == UNCHANGED else "rotated")
        self.series.setdefault(name, measuring.Series()).costs.append(cost)
        self.requests[name] = self._account.counter.counts()

    def rotate(self, source: str, outcome: str) -> measuring.Cost:
        """outcome: what it must be on each host."""
        report = self._fleet.directory / "report.json"
        extra = {"haproxy_certificates_source": source, "rotation_report_file": str(report)}
        cost = self._playbook(ROTATE, extra)
        outcomes = [facts["outcome"] for facts in json.loads(report.read_text())["hosts"].values()]
        if outcomes != [outcome] * self.size:
            raise RuntimeError(f"not every host is {outcome}: {outcomes}")
        return cost

    def _divide(self) -> None:
        """An unchanged fleet in all the ways to divide it."""
        for what, variables in DIVISIONS.items():
            cost = self._playbook(ROTATE, variables)
            self.divided.setdefault(what, measuring.Series()).costs.append(cost)
        addresses = self._fleet.addresses[: self.size]
        parts = [",".join(addresses[number::SLICES]) for number in range(SLICES)]
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(SLICES) as pool:
            jobs = [pool.submit(self._playbook, ROTATE, {"rotation_hosts": part}) for part in parts]
            costs = [job.result() for job in jobs]
        seconds = time.monotonic() - started
        cost = measuring.Cost(seconds, sum(cost.cpu_seconds for cost in costs), max(cost.peak_mb for cost in costs))
        self.divided.setdefault(f"{SLICES} slices", measuring.Series()).costs.append(cost)

    def _playbook(self, playbook: str, extra: t.Mapping[str, t.Any]) -> measuring.Cost:
        """With connections of its own, so that no playbook finds those of the one before."""
        sockets = pathlib.Path(tempfile.mkdtemp(dir=self._fleet.directory))
        env = {
            "ANSIBLE_FORKS": str(self._forks),
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        }
        command = ["ansible-playbook", playbook, "--inventory", str(self._fleet.inventory(self.size))]
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
        hosts = "1 host" if scenario.size == 1 else f"{scenario.size} hosts"
        for what, (one, more) in LIMITS.items():
            series = {source: scenario.series.get(f"{source}, {what}") for source in SOURCES.values()}
            for source, its in series.items():
                if its:
                    ratio = its.ratio_to(scenario.series["ping"])
                    limit = one if scenario.size == 1 else more
                    reaches.at_most(f"{hosts}, {source}, {what}, to the ping", ratio, limit, digits=2)
            if all(series.values()):
                ratio = t.cast("measuring.Series", series["push"]).ratio_to(t.cast("measuring.Series", series["pull"]))
                reaches.at_most(f"{hosts}, {what}, push to pull", ratio, PUSH_LIMIT, digits=2)
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
    with moto.moto_server() as aws:
        counter = AwsFaults(aws.port, aws.env)
        counter.start()
        try:
            scenarios = measured(options, Account(aws, counter))
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


def measured(options: argparse.Namespace, account: Account) -> list[Scenario]:
    """The same hosts for all sizes, the largest first: so those of the smaller ones have had all that was renewed."""
    sizes = sorted(options.sizes, reverse=True)
    with Fleet(sizes[0], account.variables, account.authority) as fleet:
        scenarios = [Scenario(size, fleet, account, options.forks) for size in sizes]
        scenarios[0].rotate("host", "rotated")
        for scenario in scenarios:
            scenario.run(options.rounds, options.sources, options.divide)
    return scenarios[::-1]


if __name__ == "__main__":
    sys.exit(main())
