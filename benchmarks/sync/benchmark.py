# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What certificate_sync costs, next to a bare boto3 script and next to a playbook that loops over a lookup.

AWS is moto's server on loopback, so that no network hides the difference. Every round measures the baseline and then
ours; a ratio is the median over the rounds. "module" is the file that Ansible sends to a host and runs there.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.tests.support import moto, pki

HERE = pathlib.Path(__file__).parent
PREFIX = "benchmark/"
# Sizes at which a whole playbook is compared with the idiom; the reach is for the last.
IDIOM_SIZES = (25, 100)


def names(size: int) -> list[str]:
    return [f"{PREFIX}{number:05}" for number in range(size)]


def store_secrets(aws: moto.MotoServer, size: int) -> None:
    """Certificates of one intermediate, each with a key (EC P-256) of its own."""
    issuer = pki.CertificateAuthority("Benchmark Intermediate", parent=pki.CertificateAuthority("Benchmark Root"))
    aws.reset()
    client = aws.client()

    def store(name: str) -> None:
        value = issuer.issue([f"{name.rpartition('/')[2]}.example.com"]).secret_string()
        client.create_secret(Name=name, SecretString=value)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(store, names(size)))


class Scenario:
    """One number of certificates, cold and unchanged: {"bare": series, "module": series} for each."""

    def __init__(self, size: int, env: t.Mapping[str, str]) -> None:
        self.size = size
        self._env = env
        self.series = {
            state: {"bare": measuring.Series(), "module": measuring.Series()} for state in ("cold", "unchanged")
        }
        self.api_calls: dict[str, dict[str, int]] = {}

    def run(self, rounds: int) -> None:
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            ours, bare = directory / "ours", directory / "bare"
            arguments = {"name_prefix": PREFIX, "path": str(ours)}
            module = measuring.module_file("certificate_sync", arguments, directory / "remote", env=self._env)
            for _round in range(rounds):
                shutil.rmtree(ours)
                shutil.rmtree(bare, ignore_errors=True)
                for state, action in (("cold", "created"), ("unchanged", "unchanged")):
                    script = [sys.executable, str(HERE / "bare.py"), state, PREFIX, str(bare)]
                    cost, _output = measuring.run_measured(script, env=self._env)
                    self.series[state]["bare"].costs.append(cost)
                    cost, output = measuring.run_measured([sys.executable, str(module)], env=self._env)
                    self.series[state]["module"].costs.append(cost)
                    self._check(json.loads(output), state, action)
            if len(list(ours.glob("*.pem"))) != self.size or len(list(bare.iterdir())) != self.size:
                raise RuntimeError("not every certificate was written")

    def _check(self, result: dict[str, t.Any], state: str, action: str) -> None:
        if {item["action"] for item in result["certificates"]} != {action} or len(result["certificates"]) != self.size:
            raise RuntimeError(f"not every certificate is {action}")
        self.api_calls[state] = result["api_calls"]

    def rows(self) -> list[list[str]]:
        rows = []
        for state, series in self.series.items():
            bare, module = series["bare"], series["module"]
            rows.append(
                [
                    f"{self.size:,} {state}",
                    ", ".join(f"{count} {operation}" for operation, count in self.api_calls[state].items()),
                    f"{bare.seconds:.2f} s",
                    f"{module.seconds:.2f} s",
                    measuring.spread(module.ratios_to(bare)),
                    f"{bare.peak_mb:.0f} MB",
                    f"{module.peak_mb:.0f} MB",
                    f"{module.peak_mb / bare.peak_mb:.2f}x",
                ]
            )
        return rows

    def as_dict(self) -> dict[str, t.Any]:
        return {
            state: {
                "api_calls": self.api_calls[state],
                "bare": series["bare"].as_dict(),
                "module": series["module"].as_dict(series["bare"]),
            }
            for state, series in self.series.items()
        }


def playbook(name: str, size: int, path: pathlib.Path, env: t.Mapping[str, str]) -> measuring.Cost:
    variables = {"names": names(size), "path": str(path), "ansible_python_interpreter": sys.executable}
    command = ["ansible-playbook", str(HERE / name), "--extra-vars", json.dumps(variables)]
    cost, _output = measuring.run_ansible(command, env=env)
    if len(list(path.glob("*.pem"))) != size:
        raise RuntimeError(f"{name} did not write every certificate")
    return cost


def compare_with_idiom(size: int, env: t.Mapping[str, str], rounds: int) -> tuple[measuring.Series, measuring.Series]:
    """Whole playbooks that write all certificates: (idiom, run once, for it is slow; ours, before and after that)."""
    idiom, ours = measuring.Series(), measuring.Series()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)

        def run_ours() -> None:
            ours.costs.append(playbook("ours.yml", size, directory / f"ours{len(ours.costs)}", env))

        for _round in range(rounds):
            run_ours()
        idiom.costs.append(playbook("idiom.yml", size, directory / "idiom", env))
        for _round in range(rounds):
            run_ours()
    return idiom, ours


def reach(reaches: measuring.Reaches, scenario: Scenario) -> None:
    """What is asked of 1,000 certificates."""
    calls = scenario.api_calls["unchanged"]
    reads = sum(count for operation, count in calls.items() if operation != "ListSecrets")
    for state, limit in (("unchanged", 1.5), ("cold", 2.0)):
        series = scenario.series[state]
        ratio = series["module"].ratio_to(series["bare"])
        reaches.at_most(f"1,000 {state}, module to bare script", ratio, limit, digits=2)
    reaches.at_most("1,000 unchanged, ListSecrets calls", calls["ListSecrets"], 10)
    reaches.at_most("1,000 unchanged, value reads and other calls", reads, 0)


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 5000], help="numbers of certificates")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (3 at most for 5,000 certificates)")
    parser.add_argument("--no-idiom", action="store_true", help="leave out the slow playbook of the usual idiom")
    options = parser.parse_args()
    reaches = measuring.Reaches()
    measurements: dict[str, t.Any] = {}
    with moto.moto_server() as aws:
        run(aws, options, measurements, reaches)
    return measuring.finish(options, measurements, reaches)


def run(
    aws: moto.MotoServer, options: argparse.Namespace, measurements: dict[str, t.Any], reaches: measuring.Reaches
) -> None:
    rows: list[list[str]] = []
    for size in options.sizes:
        store_secrets(aws, size)
        scenario = Scenario(size, aws.env)
        scenario.run(options.rounds if size < 5000 else min(3, options.rounds))
        measurements[f"certificates_{size}"] = scenario.as_dict()
        rows += scenario.rows()
        if size == 1000:
            reach(reaches, scenario)
    header = ["certificates", "API calls of ours", "bare script", "module", "ratio (min-max)"]
    header += ["bare peak", "module peak", "ratio"]
    print(measuring.table("certificate_sync next to a bare boto3 script", header, rows), flush=True)
    if options.no_idiom:
        return
    factors = []
    rows = []
    for size in IDIOM_SIZES:
        store_secrets(aws, size)
        idiom, ours = compare_with_idiom(size, aws.env, 3)
        factors.append(idiom.seconds / ours.seconds)
        rows.append([str(size), f"{idiom.seconds:.1f} s", f"{ours.seconds:.1f} s", f"{factors[-1]:.1f}x slower"])
        measurements[f"idiom_{size}"] = {"idiom": idiom.as_dict(), "ours": ours.as_dict()}
    header = ["certificates", "idiom", "certificate_sync", "idiom is"]
    print(measuring.table("Whole playbooks: a loop of copy over a lookup, and one task of ours", header, rows))
    reaches.at_least(f"{IDIOM_SIZES[-1]} certificates, the idiom's playbook to ours", factors[-1], 25, digits=1)
    growth = factors[-1] / factors[0]
    reaches.at_least(
        f"growth of that factor from {IDIOM_SIZES[0]} to {IDIOM_SIZES[-1]} certificates", growth, 1, digits=1
    )


if __name__ == "__main__":
    sys.exit(main())
