# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates a second into a running HAProxy, while clients make handshakes without a pause: none may fail.

Every round renews all certificates twice: a bare script of set and commit loads the first renewal, haproxy_certificate
the second, each with the same clients at work. Only the rounds' updates by haproxy_certificate count as its updates.
"""

from __future__ import annotations

import collections
import json
import pathlib
import statistics
import subprocess
import sys
import time
import typing as t
from hashlib import sha256

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance

HERE = pathlib.Path(__file__).parent
THREADS = 2
LIMIT = 2.5  # times the bare script, with 1,000 certificates


class Load:
    """The clients, a process of their own. After the block: made, failures (reason -> count), seconds."""

    def __init__(self, port: int, names: t.Sequence[str]) -> None:
        self._command = [sys.executable, str(HERE / "load.py"), str(port), str(THREADS), *names]
        self.made = 0
        self.failures: collections.Counter[str] = collections.Counter()
        self.seconds = 0.0

    def __enter__(self) -> Load:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._start = time.monotonic()
        return self

    def __exit__(self, *_exception: object) -> None:
        output, _nothing = self._process.communicate(timeout=60)
        self.seconds = time.monotonic() - self._start
        counts = json.loads(output)
        self.made = counts["made"]
        self.failures.update(counts["failures"])


class Fleet:
    """A HAProxy with many certificates, each renewed at will."""

    def __init__(self, size: int) -> None:
        self.names = [f"w{number:04}.example.com" for number in range(size)]
        self._issuer = pki.CertificateAuthority(
            "Benchmark Intermediate", parent=pki.CertificateAuthority("Benchmark Root")
        )
        self.current = self._issued()
        self.haproxy = HaproxyInstance({f"{name}.pem": made.combined_pem for name, made in self.current.items()})

    def _issued(self) -> dict[str, pki.IssuedCertificate]:
        return {name: self._issuer.issue([name]) for name in self.names}

    @property
    def paths(self) -> list[str]:
        return [self.haproxy.certificate_name(f"{name}.pem") for name in self.names]

    def renew_on_disk(self) -> None:
        self.current = self._issued()
        for name, made in self.current.items():
            self.haproxy.write_certificate(f"{name}.pem", made.combined_pem)

    def not_served(self) -> int:
        """How many names are not served with their current certificate."""
        return sum(
            sha256(self.haproxy.served_leaf(name)).hexdigest() != made.fingerprint_sha256
            for name, made in self.current.items()
        )


def update(module: pathlib.Path) -> measuring.Cost:
    """One run of haproxy_certificate over all certificates, each of which it must update."""
    cost, output = measuring.run_measured([sys.executable, str(module)], env={})
    actions = {item["action"] for item in json.loads(output)["certificates"]}
    if actions != {"updated"}:
        raise RuntimeError(f"not every certificate was updated: {actions}")
    return cost


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--certificates", type=int, default=1000, help="in HAProxy")
    parser.add_argument("--rounds", type=int, default=3, help="renewals of each by haproxy_certificate")
    options = parser.parse_args()
    fleet = Fleet(options.certificates)
    bare, ours = measuring.Series(), measuring.Series()
    not_served = 0
    with fleet.haproxy:
        arguments = {"socket": fleet.haproxy.socket, "certificates": [{"src": path} for path in fleet.paths]}
        module = measuring.module_file("haproxy_certificate", arguments, fleet.haproxy.directory / "remote", env={})
        worker = fleet.haproxy.worker_pid()
        with Load(fleet.haproxy.port, fleet.names) as idle:
            time.sleep(3)
        with Load(fleet.haproxy.port, fleet.names) as load:
            for _round in range(options.rounds):
                fleet.renew_on_disk()
                script = [sys.executable, str(HERE / "bare.py"), fleet.haproxy.socket, *fleet.paths]
                bare.costs.append(measuring.run_measured(script, env={})[0])
                fleet.renew_on_disk()
                ours.costs.append(update(module))
                not_served += fleet.not_served()
        same_worker = fleet.haproxy.worker_pid() == worker

    updates = options.certificates * options.rounds
    rates = [options.certificates / cost.seconds for cost in ours.costs]
    rows = [
        ["bare script of set and commit", f"{bare.seconds:.2f} s", f"{options.certificates / bare.seconds:.0f}", "1x"],
        [
            "haproxy_certificate",
            f"{ours.seconds:.2f} s",
            f"{statistics.median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})",
            measuring.spread(ours.ratios_to(bare)),
        ],
    ]
    title = f"{options.certificates} certificates updated in one run, whole process, {THREADS} clients at work"
    header = ["", "seconds", "certificates/s (min-max)", "ratio (min-max)"]
    print(measuring.table(title, header, rows))
    print(
        f"\n{updates:,} updates by haproxy_certificate and {updates:,} by the bare script in {load.seconds:.0f} s:"
        f" {load.made:,} handshakes made, {load.failures.total()} failed"
        f" ({load.made / load.seconds:.0f} a second; {idle.made / idle.seconds:.0f} without updates)"
    )
    for reason, count in load.failures.most_common():
        print(f"  {count} x {reason}")
    reaches = measuring.Reaches()
    what = f"{options.certificates} certificates in one run, to the bare script"
    reaches.at_most(what, ours.ratio_to(bare), LIMIT, digits=2)
    reaches.at_least("updates under load", updates, 1000)
    reaches.at_most("failed handshakes", load.failures.total() + idle.failures.total(), 0)
    reaches.at_most("certificates not served as renewed, after each round", not_served, 0)
    reaches.at_most("changes of HAProxy's worker process", int(not same_worker), 0)
    handshakes = {"made": load.made, "failures": load.failures, "seconds": load.seconds}
    measurements = {"bare": bare.as_dict(), "module": ours.as_dict(bare), "updates": updates, "handshakes": handshakes}
    return measuring.finish(options, measurements, reaches)


if __name__ == "__main__":
    sys.exit(main())
