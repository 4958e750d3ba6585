# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it takes to see many endpoints: the scanner, a bare asyncio script, sslyze, and a loop of get_certificate.

The endpoints are names of one HAProxy on loopback, with 1,000 certificates, signed by an intermediate. Of
the scanner's and the script's, a tenth accepts connections and says nothing, until the time-out. Both make the same
handshakes, with the same verification, and read the leaf; the scanner reads the whole chain, and until when it is
needed, and knows a certificate also when it is not trusted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import socket
import sys
import tempfile
import typing as t

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance

HERE = pathlib.Path(__file__).parent
SSLYZE = HERE.parents[1] / ".dev/sslyze/bin/sslyze"
TIMEOUT = 5
CERTIFICATES = 1000  # of which larger numbers of endpoints have one again
IDIOM = 100  # endpoints of the playbooks and of sslyze, none of them silent


def name(number: int) -> str:
    return f"e{number:04}.bench.example"


class Endpoints(t.NamedTuple):
    """port: of HAProxy; silent_port: of what accepts and is silent; anchors: a PEM file."""

    port: int
    silent_port: int
    anchors: pathlib.Path


@contextlib.contextmanager
def served(most: int) -> t.Iterator[Endpoints]:
    root = pki.CertificateAuthority("Bench Root")
    issuer = pki.CertificateAuthority("Bench Issuer", parent=root)
    files = {f"{number:04}.pem": issuer.issue(name(number)).combined_pem for number in range(most)}
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        anchors = directory / "anchors.pem"
        anchors.write_text(root.root_pem)
        haproxy = stack.enter_context(HaproxyInstance(files, tls=["crt {certs}"], extra_global=["maxconn 4000"]))
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        yield Endpoints(haproxy.ports[0], silent.getsockname()[1], anchors)


class Comparison:
    """The scanner next to the script. silent: whether a tenth of the endpoints are."""

    def __init__(self, endpoints: Endpoints, size: int, *, silent: bool) -> None:
        self.label = f"{size:,}" + (", a tenth hanging" if silent else "")
        self._size = size
        self._silent = silent
        self._arguments = [
            str(endpoints.port),
            str(endpoints.silent_port if silent else 0),
            str(size),
            str(endpoints.anchors),
            str(TIMEOUT),
        ]
        self.series = {"bare": measuring.Series(), "ours": measuring.Series()}

    def run(self, rounds: int) -> None:
        for number in range(rounds):
            for way in ("bare", "ours") if number % 2 else ("ours", "bare"):
                cost, output = measuring.run_measured(
                    [sys.executable, str(HERE / f"{way}.py"), *self._arguments], env={}
                )
                self._check(way, json.loads(output))
                self.series[way].costs.append(cost)

    def _check(self, way: str, found: dict[str, int]) -> None:
        good = [number for number in range(self._size) if not self._silent or number % 10 != 3]
        expected = {"served": len(good), "certificates": len({number % CERTIFICATES for number in good})}
        if self._silent:
            expected["silent"] = self._size - len(good)
        if found != expected:
            raise RuntimeError(f"{way} has not seen all {self._size} endpoints as they are: {found}")

    @property
    def cpu_ratio(self) -> float:
        return self.series["ours"].cpu_seconds / self.series["bare"].cpu_seconds

    @property
    def wall_ratio(self) -> float:
        return self.series["ours"].ratio_to(self.series["bare"])

    def row(self) -> list[str]:
        bare, ours = self.series["bare"], self.series["ours"]
        return [
            self.label,
            f"{bare.seconds:.2f} s",
            f"{ours.seconds:.2f} s",
            measuring.spread(ours.ratios_to(bare)),
            f"{bare.cpu_seconds:.2f} s",
            f"{ours.cpu_seconds:.2f} s",
            f"{self.cpu_ratio:.2f}x",
            f"{bare.peak_mb:.0f} MB",
            f"{ours.peak_mb:.0f} MB",
        ]


def playbook(file: str, endpoints: Endpoints, rounds: int = 1) -> measuring.Series:
    variables: dict[str, t.Any] = {
        "ansible_python_interpreter": sys.executable,
        "port": endpoints.port,
        "anchors": str(endpoints.anchors),
        "names": [name(number) for number in range(IDIOM)],
        "endpoints": [
            {"name": name(number), "host": name(number), "port": endpoints.port, "address": "127.0.0.1"}
            for number in range(IDIOM)
        ],
    }
    series = measuring.Series()
    command = ["ansible-playbook", str(HERE / file), "--extra-vars", json.dumps(variables)]
    for _round in range(rounds):
        cost, _output = measuring.run_ansible(command, env={})
        series.costs.append(cost)
    return series


def sslyze(endpoints: Endpoints) -> measuring.Series:
    """Only the certificates, which is the least that it does."""
    series = measuring.Series()
    with tempfile.TemporaryDirectory() as directory:
        result = pathlib.Path(directory, "result.json")
        targets = [f"{name(number)}:{endpoints.port}{{127.0.0.1}}" for number in range(IDIOM)]
        command = [str(SSLYZE), "--certinfo", "--json_out", str(result), *targets]
        cost, _output = measuring.run_measured(command, env={"PYTHONPATH": ""})
        seen = json.loads(result.read_text("utf-8"))["server_scan_results"]
        deployments = [each["scan_result"]["certificate_info"]["result"]["certificate_deployments"] for each in seen]
        leaves = {each[0]["received_certificate_chain"][0]["fingerprint_sha256"] for each in deployments}
        if len(leaves) != IDIOM:
            raise RuntimeError("sslyze has not seen all endpoints")
        series.costs.append(cost)
    return series


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 5000], help="numbers of endpoints")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-scanner", action="store_true", help="without playbooks and sslyze")
    options = parser.parse_args()
    with served(min(max([IDIOM, *options.sizes]), CERTIFICATES)) as endpoints:
        return run(options, endpoints)


def run(options: argparse.Namespace, endpoints: Endpoints) -> int:
    reaches = measuring.Reaches()
    measurements: dict[str, t.Any] = {}
    comparisons = []
    for size in options.sizes:
        for silent in (False, True):
            comparison = Comparison(endpoints, size, silent=silent)
            comparison.run(options.rounds)
            comparisons.append(comparison)
            bare, ours = comparison.series["bare"], comparison.series["ours"]
            measurements[comparison.label] = {"bare": bare.as_dict(), "ours": ours.as_dict(bare)}
            reaches.at_most(f"{comparison.label}: CPU to the bare script's", comparison.cpu_ratio, 1.2, 2)
            reaches.at_most(f"{comparison.label}: time to the bare script's", comparison.wall_ratio, 1.2, 2)
    header = ["endpoints", "bare", "ours", "ratio", "bare CPU", "ours", "ratio", "bare peak", "ours"]
    print(measuring.table("The scanner next to a bare asyncio script:", header, [each.row() for each in comparisons]))
    growth = comparisons[-1].series["ours"].peak_mb - comparisons[0].series["ours"].peak_mb
    reaches.at_most(f"MB more for {options.sizes[-1]:,} endpoints than for {options.sizes[0]:,}", growth, 60)
    if not options.only_scanner:
        ways = {
            "one ping": playbook("ping.yml", endpoints, options.rounds),
            "endpoint_scan": playbook("ours.yml", endpoints, options.rounds),
            "sslyze": sslyze(endpoints),
            "get_certificate in a loop": playbook("idiom.yml", endpoints),
        }
        ping, ours, idiom = ways["one ping"], ways["endpoint_scan"], ways["get_certificate in a loop"]
        rows = [
            [way, f"{each.seconds:.1f} s", f"{each.seconds / ours.seconds:.1f}x", f"{each.cpu_seconds:.1f} s"]
            for way, each in ways.items()
        ]
        title = f"{IDIOM} endpoints that all answer, from the command to its end:"
        print(measuring.table(title, ["way", "seconds", "to ours", "CPU"], rows))
        measurements["ways"] = {way: each.as_dict() for way, each in ways.items()}
        print(f"\nWithout what a ping takes: {(idiom.seconds - ping.seconds) / (ours.seconds - ping.seconds):.0f}x")
        scanner = next((each.series["ours"] for each in comparisons if each.label == str(IDIOM)), None)
        if scanner is not None:
            factor = (idiom.seconds - ping.seconds) / scanner.seconds
            reaches.at_least("get_certificate in a loop, without what a ping takes, to the scanner", factor, 50)
    return measuring.finish(options, measurements, reaches)


if __name__ == "__main__":
    sys.exit(main())
