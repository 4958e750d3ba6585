# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it takes to push one renewed lineage to 1, 10 and 50 hosts: certdeploy in its parallel mode, and ours.

certdeploy pushes to its own clients, as it is meant to be used, and to the SSH servers that ours pushes to: real ones,
with SFTP in a chroot. Every round begins with a lineage that no host has, and ends with a look at each host. For the
ratio ours does the same job: chain and key in a directory of the lineage's name (protocol directory). Beside it stands
the job that it usually does: uploaded beside, renamed, and confirmed by the host's receipt (protocol receiver). Then:
how long a hook takes while a push is under way, and a queue with 10,000 entries.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.benchmarks.push.receipts import Receivers
from ansible_collections.certops.rotation.benchmarks.push.rival import (
    SERVER,
    CertdeployPeer,
    CertdeployServer,
    certdeploy_clients,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.certbot_directory import CertbotDirectory
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost, ssh_hosts

LINEAGE = "www.example.com"
FILES = ("fullchain.pem", "privkey.pem")
DOMAINS = ("www.example.com", "example.com")
LIMIT = 0.5  # of certdeploy's time
HOOK_SECONDS = 0.05
LONG_HOSTS, LONG_LINEAGES = 200, 50
ROOT = pathlib.Path(__file__).parents[2]
ENV = {"ANSIBLE_HOST_KEY_CHECKING": "0"}


class Scene:
    """certbot's directory and the hosts. Every push is of a lineage that nobody has."""

    def __init__(self, directory: pathlib.Path, hosts: t.Sequence[SshHost]) -> None:
        self.directory = directory
        self.hosts = hosts
        self.certbot = CertbotDirectory(directory / "letsencrypt")
        self.lineage = self.certbot.live / LINEAGE
        self._authority = pki.CertificateAuthority(parent=pki.CertificateAuthority())
        self._number = 0

    def fresh(self) -> pathlib.Path:
        """A renewed lineage, hosts without any, and a new directory for whatever a push needs."""
        self.certbot.put(LINEAGE, self._authority.issue(DOMAINS))
        for host in self.hosts:
            for left in host.staging.iterdir():
                shutil.rmtree(left)
        self._number += 1
        return self.directory / f"push-{self._number}"

    def require_at(self, directories: t.Iterable[pathlib.Path], seconds: float = 10) -> None:
        """RuntimeError unless this very lineage is in, or comes to, each of these directories."""
        wanted = [(self.lineage / name).read_bytes() for name in FILES]
        deadline = time.monotonic() + seconds
        for directory in directories:
            while (held := self._held(directory)) != wanted:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{directory} holds {len(held)} files, and not these")
                time.sleep(0.01)

    def require_pushed(self, size: int) -> None:
        self.require_at([host.staging for host in self.hosts[:size]])

    def _held(self, directory: pathlib.Path) -> list[bytes]:
        below = [path for path in directory.iterdir() if path.name.startswith(LINEAGE)]
        return [(path / name).read_bytes() for path in below for name in FILES if (path / name).exists()]

    def targets(self, size: int, **more: t.Any) -> list[dict[str, t.Any]]:
        """As certificate_push takes them."""
        return [
            {
                "name": host.name,
                "address": host.address,
                "port": host.port,
                "user": host.user,
                "host_key": list(host.host_keys),
                "domains": list(DOMAINS),
                **more,
            }
            for host in self.hosts[:size]
        ]

    def options(self, directory: pathlib.Path, targets: list[dict[str, t.Any]]) -> dict[str, t.Any]:
        """Of certificate_push, with a queue in the directory."""
        directory.mkdir(exist_ok=True)
        return {
            "queue": str(directory / "queue"),
            "lineages": str(self.certbot.live),
            "private_key_file": str(self.hosts[0].private_key_file),
            "mode": "parallel",
            "targets": targets,
        }


def push_by_module(scene: Scene, size: int, **target: t.Any) -> measuring.Cost:
    """The module's whole process, as Ansible starts it."""
    directory = scene.fresh()
    options = scene.options(directory, scene.targets(size, **target))
    hosts = scene.hosts[:size] if target["protocol"] == "receiver" else ()
    with tempfile.TemporaryDirectory() as built, Receivers(hosts):
        module = measuring.module_file("certificate_push", options, pathlib.Path(built), env=ENV)
        shutil.rmtree(options["queue"])  # to have the file Ansible runs it
        scene.fresh()
        cost, output = measuring.run_measured([sys.executable, str(module)], env=ENV)
    require_confirmed(json.loads(output), size)
    scene.require_pushed(size)
    return cost


def push_by_playbook(scene: Scene, size: int) -> measuring.Cost:
    """ansible-playbook certops.rotation.push."""
    directory = scene.fresh()
    options = scene.options(directory, scene.targets(size, protocol="directory", path="/staging"))
    inventory = directory / "inventory.json"
    inventory.write_text(json.dumps(playbook_inventory(options)))
    command = ["ansible-playbook", "certops.rotation.push", "--inventory", str(inventory)]
    cost, _output = measuring.run_ansible(command, env=ENV)
    scene.require_pushed(size)
    return cost


def playbook_inventory(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    variables = {f"certificate_push_{name}": value for name, value in options.items()}
    return {"certificate_pushers": {"hosts": {"localhost": local}, "vars": variables}}


def require_confirmed(result: t.Mapping[str, t.Any], size: int) -> None:
    outcomes = [target["outcome"] for target in result.get("targets", [])]
    if outcomes != ["confirmed"] * size:
        raise RuntimeError(f"not every host is confirmed: {result}"[:2000])


def push_by_certdeploy(scene: Scene, peers: t.Sequence[CertdeployPeer]) -> measuring.Cost:
    server = CertdeployServer(scene.fresh(), peers, scene.hosts[0].private_key_file, DOMAINS)
    cost = server.push(scene.lineage)
    scene.require_at([peer.directory for peer in peers])
    return cost


def compare(
    scene: Scene,
    clients: t.Sequence[CertdeployPeer],
    rounds: int,
    measured: dict[str, t.Any],
    reaches: measuring.Reaches,
) -> None:
    """All ways in turns, to as many hosts as there are clients. clients: of certdeploy."""
    size = len(clients)
    rival, same_hosts, module, receipts, playbook = (measuring.Series() for _way in range(5))
    for _round in range(rounds):
        rival.costs.append(push_by_certdeploy(scene, clients))
        same_hosts.costs.append(push_by_certdeploy(scene, [as_peer(host) for host in scene.hosts[:size]]))
        module.costs.append(push_by_module(scene, size, protocol="directory", path="/staging"))
        receipts.costs.append(push_by_module(scene, size, protocol="receiver"))
        playbook.costs.append(push_by_playbook(scene, size))
    rows = []
    for label, series in (
        ("certdeploy to its clients", rival),
        ("certdeploy to sshd", same_hosts),
        ("certificate_push", module),
        ("certificate_push, with receipts", receipts),
        ("playbook push", playbook),
    ):
        measured[f"{label}, {size}"] = series.as_dict(rival)
        rows.append(
            [
                f"{size}: {label}",
                f"{series.seconds:.2f} s",
                f"{series.seconds / size:.3f} s",
                "1x" if series is rival else measuring.spread(series.ratios_to(rival)),
                "" if series in (rival, same_hosts) else measuring.spread(series.ratios_to(same_hosts)),
                f"{series.cpu_seconds:.1f} s",
                f"{series.peak_mb:.0f} MB",
            ]
        )
    header = ["hosts", "seconds", "a host", "to its clients", "to sshd", "CPU", "peak"]
    print(measuring.table("One renewed lineage, from the command to its end", header, rows), flush=True)
    reaches.at_most(f"{size} hosts, certificate_push to certdeploy", module.ratio_to(rival), LIMIT, digits=2)


def as_peer(host: SshHost) -> CertdeployPeer:
    return CertdeployPeer(host.address, host.port, host.user, host.host_keys[0], "/staging", host.staging)


@contextlib.contextmanager
def running(command: t.Sequence[str]) -> t.Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env={**os.environ, **ENV}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.wait(300)


def measure_hook(scene: Scene, measured: dict[str, t.Any], reaches: measuring.Reaches) -> None:
    """certbot's hook, again and again, from the beginning to the end of a push to all hosts."""
    directory = scene.fresh()
    options = scene.options(directory, scene.targets(len(scene.hosts), protocol="directory", path="/staging"))
    env = {**os.environ, "RENEWED_LINEAGE": str(scene.lineage), "RENEWED_DOMAINS": " ".join(DOMAINS)}
    seconds = []
    with tempfile.TemporaryDirectory() as built:
        module = measuring.module_file("certificate_push", options, pathlib.Path(built), env=ENV)
        shutil.rmtree(options["queue"])  # to have the file Ansible runs it
        scene.fresh()
        hook = write_hook(directory, pathlib.Path(options["queue"], "wake"))
        with running([sys.executable, str(module)]) as push:
            while push.poll() is None:
                start = time.monotonic()
                subprocess.run([hook], env=env, check=True)
                seconds.append(time.monotonic() - start)
    scene.require_pushed(len(scene.hosts))
    median, most = statistics.median(seconds), max(seconds)
    measured["hook"] = {"calls": len(seconds), "median": median, "max": most}
    print(
        f"\n{len(seconds)} calls of certbot's hook during a push to {len(scene.hosts)} hosts: {median * 1000:.1f} ms,"
        f" at most {most * 1000:.1f} ms",
        flush=True,
    )
    reaches.at_most("seconds of a hook during a push, median", median, HOOK_SECONDS, digits=3)


def write_hook(directory: pathlib.Path, wake: pathlib.Path) -> pathlib.Path:
    """The hook of the role certificate_push. wake: where it says that there is something to push."""
    wake.mkdir(mode=0o700, parents=True)
    wake.parent.chmod(0o700)
    text = (ROOT / "roles/certificate_push/templates/hook.j2").read_text()
    text = text.replace("{{ ansible_managed | comment }}", "#")
    text = text.replace("{{ __certificate_push_plan.wake | quote }}", shlex.quote(str(wake)))
    hook = directory / "certops-push"
    hook.write_text(text)
    hook.chmod(0o755)
    return hook


def measure_long_queue(directory: pathlib.Path, measured: dict[str, t.Any], reaches: measuring.Reaches) -> None:
    """So many entries, of hosts that are down and wait for their next attempt: what a look takes, and a run."""
    certbot = CertbotDirectory(directory / "long")
    authority = pki.CertificateAuthority(parent=pki.CertificateAuthority())
    names = [f"w{number:02}.example.com" for number in range(LONG_LINEAGES)]
    fingerprints = {}
    for name in names:
        issued = authority.issue(name)
        certbot.put(name, issued)
        fingerprints[name] = issued.fingerprint_sha256
    queue = PushQueue(str(directory / "long-queue"))
    start = time.monotonic()
    for number in range(LONG_HOSTS):
        host, at = f"host{number:03}", "2026-11-26T08:00:00Z"
        queue.enqueue(OwedEntry(host, name, fingerprints[name], at) for name in names)
    enqueued = time.monotonic() - start
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDzMIvCnpUMhdRUXfaw1Yj8Ml7gIPFj5LgFPBYpBrVjz"
    targets = [
        {"name": f"host{number:03}", "address": "127.0.0.1", "port": 1, "domains": ["*"], "host_key": [key]}
        for number in range(LONG_HOSTS)
    ]
    options: dict[str, t.Any] = {"queue": queue.path, "lineages": str(certbot.live), "targets": targets}
    look = run_module("push_status_info", options)
    push = run_module("certificate_push", {**options, "retries": 0})
    left = len(queue.content().owed)
    entries = LONG_HOSTS * LONG_LINEAGES
    if left != entries:
        raise RuntimeError(f"{left} of {entries} are owed still")
    measured["long queue"] = {"enqueued": enqueued, "look": look._asdict(), "push": push._asdict()}
    print(
        f"\n{entries:,} owed entries ({LONG_HOSTS} hosts, {LONG_LINEAGES} lineages): written in {enqueued:.1f} s,"
        f" looked at in {look.seconds:.1f} s ({look.peak_mb:.0f} MB),"
        f" tried in vain at all hosts in {push.seconds:.1f} s ({push.peak_mb:.0f} MB)",
        flush=True,
    )
    reaches.at_most(f"MB for a run with {entries:,} owed entries", push.peak_mb, 200)
    reaches.at_most(f"seconds to look at {entries:,} owed entries", look.seconds, 10, digits=1)


def run_module(name: str, options: t.Mapping[str, t.Any]) -> measuring.Cost:
    """Whether it fails or not."""
    with tempfile.TemporaryDirectory() as built:
        with contextlib.suppress(RuntimeError):
            measuring.module_file(name, options, pathlib.Path(built), env=ENV)
        (module,) = pathlib.Path(built).rglob(f"AnsiballZ_{name}.py")
        return measuring.run_measured(["sh", "-c", '"$@" || :', "sh", sys.executable, str(module)], env=ENV)[0]


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 50], help="numbers of hosts")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not SERVER.exists():
        parser.error(f"{SERVER} is missing: benchmarks/push/run brings it")
    measured: dict[str, t.Any] = {}
    reaches = measuring.Reaches()
    measure(options, measured, reaches)
    return measuring.finish(options, measured, reaches)


def measure(options: argparse.Namespace, measured: dict[str, t.Any], reaches: measuring.Reaches) -> None:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as directory,
        ssh_hosts(pathlib.Path(directory, "hosts"), max(options.sizes)) as hosts,
        certdeploy_clients(
            pathlib.Path(directory, "clients"), max(options.sizes), free_port(), hosts[0].private_key_file
        ) as clients,
    ):
        scene = Scene(pathlib.Path(directory), hosts)
        for size in options.sizes:
            compare(scene, clients[:size], options.rounds, measured, reaches)
        measure_hook(scene, measured, reaches)
        measure_long_queue(scene.directory, measured, reaches)


if __name__ == "__main__":
    sys.exit(main())
