# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it takes to have certificates issued by dns-01: certificate_issue, lego in a loop, certbot in a loop.

The CA is a real Pebble 2.6 that resolves the zone of an emulated Route53; nothing is always valid. Ours must live with
5 % of good nonces refused; the others, of which one gives up at that, with none. Every round begins with an empty AWS
and without an account at the CA. A change of the zone is pending for half a second, which with AWS is up to a minute.
Rivals have their usual settings, but lego does not ask the zone's servers itself whether the record is there, as they
are not at port 53.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import tempfile
import typing as t

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.benchmarks.issue.aws_proxy import AwsProxy
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns, aws_with_dns
from ansible_collections.certops.rotation.tests.support.pebble import Pebble

DEV = pathlib.Path(__file__).parents[2] / ".dev"
LEGO = str(DEV / "lego/4/lego")
PENDING = 0.5  # seconds until a change is INSYNC; with AWS up to a minute
CERTBOT = str(DEV / "certbot/bin/certbot")
ROUTE53 = (
    "ListHostedZones",
    "ListHostedZonesByName",
    "ListResourceRecordSets",
    "ChangeResourceRecordSets",
    "GetChange",
)


def names(size: int) -> list[str]:
    return [f"w{number:03}.example.com" for number in range(size)]


class Way:
    """One way to get certificates. costs: one for each round; zone_calls, requests: of the last round."""

    def __init__(self, aws: AwsWithDns, pebble: Pebble) -> None:
        self.aws = aws
        self.pebble = pebble
        self.series = measuring.Series()
        self.zone_calls: dict[str, int] = {}
        self.requests = 0

    def round(self, size: int) -> None:
        """RuntimeError unless all were issued, and nothing of them is left in the zone."""
        self._begin()
        with tempfile.TemporaryDirectory() as directory:
            run = self.prepare(size, pathlib.Path(directory))
            zone = self._begin()
            before = self.pebble.counts()
            self.series.costs.append(run())
        after = self.pebble.counts()
        operations = self.aws.operations()
        self.zone_calls = {name: operations[name] for name in ROUTE53 if name in operations}
        self.requests = after["requests"] - before["requests"]
        issued = after["certificates"] - before["certificates"]
        if issued != size or self.aws.txt(zone):
            raise RuntimeError(f"{issued} of {size} were issued, and the zone holds {self.aws.txt(zone)}")

    def _begin(self) -> str:
        """The id of the zone, of which AWS holds nothing else; the CA knows nobody."""
        self.aws.reset()
        zone = self.aws.zone("example.com")
        self.pebble.restart()
        self.aws.forget()
        self.aws.configure(pending=PENDING)
        return zone

    def prepare(self, size: int, directory: pathlib.Path) -> t.Callable[[], measuring.Cost]:
        """What is to be measured. directory: for its files."""
        raise NotImplementedError

    def row(self, label: str, size: int, ours: Way) -> list[str]:
        calls = ", ".join(f"{count} {name}" for name, count in self.zone_calls.items())
        ratio = "" if self is ours else f"{self.series.seconds / ours.series.seconds:.0f}x"
        facts = [f"{self.series.seconds:.1f} s", ratio, calls, str(self.requests), f"{self.series.peak_mb:.0f} MB"]
        return [f"{size}: {label}", *facts]

    def as_dict(self) -> dict[str, t.Any]:
        return {**self.series.as_dict(), "route53": self.zone_calls, "acme_requests": self.requests}


class Module(Way):
    """The module's whole process, as Ansible starts it."""

    def prepare(self, size: int, directory: pathlib.Path) -> t.Callable[[], measuring.Cost]:
        issuer = {
            "directory": self.pebble.directory_url,
            "account_secret": "benchmark/account",
            "ca_bundle": self.pebble.ca_bundle,
        }
        arguments = {
            "certificates": [{"domains": [name]} for name in names(size)],
            "issuers": [issuer],
            "terms_agreed": True,
            "nameservers": self.aws.nameservers,
        }
        module = measuring.module_file("certificate_issue", arguments, directory, env=self.aws.env)
        return lambda: self._run(module, size)

    def _run(self, module: pathlib.Path, size: int) -> measuring.Cost:
        cost, output = measuring.run_measured([sys.executable, str(module)], env=self.aws.env)
        actions = [item["action"] for item in json.loads(output)["certificates"]]
        if actions != ["issued"] * size:
            raise RuntimeError(f"not every certificate is issued: {actions}")
        return cost


class Loop(Way):
    """A program for one certificate, called once for each."""

    def loop(self, size: int, command: t.Callable[[str], list[str]], env: t.Mapping[str, str]) -> measuring.Cost:
        costs = [measuring.run_measured(command(name), env=env)[0] for name in names(size)]
        return measuring.Cost(
            sum(cost.seconds for cost in costs),
            sum(cost.cpu_seconds for cost in costs),
            max(cost.peak_mb for cost in costs),
        )


class Lego(Loop):
    def prepare(self, size: int, directory: pathlib.Path) -> t.Callable[[], measuring.Cost]:
        options = ["--path", str(directory), "--server", self.pebble.directory_url, "--email", "a@example.com"]
        options += ["--accept-tos", "--dns", "route53", "--dns.resolvers", self.aws.nameservers[0], "--dns.disable-cp"]
        proxy = AwsProxy(self.aws.port, directory)
        env = {**self.aws.env, **proxy.env, "LEGO_CA_CERTIFICATES": self.pebble.ca_bundle}

        def run() -> measuring.Cost:
            with proxy:
                return self.loop(size, lambda name: [LEGO, *options, "--domains", name, "run"], env)

        return run


class Certbot(Loop):
    def prepare(self, size: int, directory: pathlib.Path) -> t.Callable[[], measuring.Cost]:
        options = ["certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email"]
        options += ["--server", self.pebble.directory_url, "--dns-route53", "--key-type", "ecdsa"]
        for kind in ("config", "work", "logs"):
            options += [f"--{kind}-dir", str(directory / kind)]
        # Its own environment: what this process may import is none of its business.
        env = {**self.aws.env, "REQUESTS_CA_BUNDLE": self.pebble.ca_bundle, "PYTHONPATH": ""}
        return lambda: self.loop(size, lambda name: [CERTBOT, *options, "--domains", name], env)


def measure(
    aws: AwsWithDns, options: argparse.Namespace, measurements: dict[str, t.Any], reaches: measuring.Reaches
) -> None:
    ours: dict[int, Way] = {}
    rows: list[list[str]] = []
    dns = aws.nameservers[0]
    with Pebble(dns, "2.6", bad_nonces=5) as picky, Pebble(dns, "2.6", bad_nonces=0) as mild:
        for size in options.sizes:
            ours[size] = Module(aws, picky)
            for _round in range(options.rounds):
                ours[size].round(size)
            measurements[f"certificate_issue_{size}"] = ours[size].as_dict()
            rows.append(ours[size].row("certificate_issue", size, ours[size]))
            for label, way, limit in (("lego", Lego, 15), ("certbot", Certbot, 30)):
                if size not in (options.lego if label == "lego" else options.certbot):
                    continue
                rival = way(aws, mild)
                rival.round(size)
                measurements[f"{label}_{size}"] = rival.as_dict()
                rows.append(rival.row(f"{label} in a loop", size, ours[size]))
                if size >= 10:
                    ratio = rival.series.seconds / ours[size].series.seconds
                    reaches.at_least(f"{size} certificates, {label} in a loop to ours", ratio, limit, digits=1)
    header = ["certificates", "seconds", "to ours", "Route 53", "ACME requests", "peak"]
    print(measuring.table("Certificates issued by dns-01 in one zone", header, rows), flush=True)
    if {10, 100} <= set(ours):
        limit = 4 * ours[10].series.seconds + 3
        reaches.at_most(
            "seconds for 100, four times those for 10 and 3 more", ours[100].series.seconds, limit, digits=1
        )
        calls = sum(ours[100].zone_calls.values())
        reaches.at_most("Route 53 calls for 100 names of one zone", calls, 6)


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100], help="numbers of certificates")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of certificate_issue; the others run once, they are slow"
    )
    parser.add_argument("--lego", type=int, nargs="*", default=[10], help="sizes at which lego is run, too")
    parser.add_argument("--certbot", type=int, nargs="*", default=[10], help="the same for certbot")
    options = parser.parse_args()
    for program in (LEGO, CERTBOT):
        if not os.access(program, os.X_OK):
            parser.error(f"{program} is missing: benchmarks/issue/run brings it")
    measurements: dict[str, t.Any] = {}
    reaches = measuring.Reaches()
    with aws_with_dns() as aws:
        measure(aws, options, measurements, reaches)
    return measuring.finish(options, measurements, reaches)


if __name__ == "__main__":
    sys.exit(main())
