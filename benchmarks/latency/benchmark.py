# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long it takes from PutSecretValue to a handshake with the new certificate, next to a playbook with one ping.

The host is this machine's system, booted once more, with the distribution's HAProxy and a schedule. Its service waits
at a queue of its own (the light form); an ansible-rulebook waits at another queue and runs the playbook rotate; and the
timer runs the same. Each of them looks after certificates of its own, so all of them are there all the time. A client
makes handshakes without a pause.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import pathlib
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
import typing as t

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.event_queue import EventQueue
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer, ministack_server
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
PING, RULEBOOK, LIGHT, TIMER = "playbook with one ping", "event, ansible-rulebook", "event, light form", "timer"
# Times the ping.
LIMITS = {RULEBOOK: 3, LIGHT: 1.5}
WAYS = {RULEBOOK: "rulebook", LIGHT: "light", TIMER: "timer"}
PATIENCE = 300  # seconds
PAUSE = 0.01  # seconds between two handshakes: they share the cores with what is measured
GAP = 5  # seconds after a run of the light form in which others wait: here each event comes alone
_CONFIG = """
global
    stats socket /run/haproxy/admin.sock mode 660 level admin
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend tls
    bind 127.0.0.1:{port} ssl {certificates}
    http-request return status 200
"""


class Client(threading.Thread):
    """Handshakes without a pause, for one name at a time."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._context = ssl.create_default_context()
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._wanted = ("", "")
        self._seen = threading.Event()
        self._seen_at = 0.0
        self._end = threading.Event()
        self._lock = threading.Lock()
        self.made = 0
        self.failures: collections.Counter[str] = collections.Counter()

    def run(self) -> None:
        while not self._end.is_set():
            wanted = self._wanted
            try:
                served = self.served(wanted[0])
                self.made += 1
            except OSError as error:
                self.failures[str(error)] += 1
                served = ""
            with self._lock:  # what is looked for may be something else by now
                if served == wanted[1] and wanted == self._wanted and not self._seen.is_set():
                    self._seen_at = time.monotonic()
                    self._seen.set()
            time.sleep(PAUSE)

    def look_for(self, name: str, fingerprint: str) -> None:
        with self._lock:
            self._seen.clear()
            self._wanted = (name, fingerprint)

    def seen_at(self, timeout: float) -> float:
        """When the first handshake ended that got it, by time.monotonic."""
        if not self._seen.wait(timeout):
            raise RuntimeError(f"{self._wanted[0]} was not served with its new certificate within {timeout} s")
        return self._seen_at

    def stop(self) -> None:
        self._end.set()
        self.join(30)

    def served(self, name: str) -> str:
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=10) as connection,
            self._context.wrap_socket(connection, server_hostname=name or "default.example.com") as tls,
        ):
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()


class Host:
    """With a HAProxy that serves a certificate for each way, and nothing yet that renews them."""

    def __init__(self, system: SystemdHost, aws: MinistackServer) -> None:
        self.system = system
        self._aws = aws
        self._authority = pki.CertificateAuthority("Latency Intermediate", parent=pki.CertificateAuthority("Root"))
        self._stored: dict[str, str] = {}
        port = free_port()
        directories = {way: f"/etc/haproxy/{way}" for way in WAYS.values()}
        for way, directory in directories.items():
            default = self._authority.issue("default.example.com").combined_pem
            system.write(f"{directory}/00-default.pem", default)
            aws.put_secret(f"{way}/a", self._issue(way))
        certificates = " ".join(f"crt {directory}/" for directory in directories.values())
        system.write("/etc/haproxy/haproxy.cfg", _CONFIG.format(port=port, certificates=certificates))
        system.write("/etc/default/haproxy", "")
        system.run("mkdir", "-p", "/run/haproxy")
        system.run("systemctl", "restart", "haproxy")
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        rotating = self.variables("rulebook")
        system.write("/root/inventory.json", json.dumps({"haproxy": {"hosts": {"host": here}, "vars": rotating}}))
        self.client = Client(port)
        self.client.start()

    def variables(self, way: str) -> dict[str, t.Any]:
        """Of the role, for the certificates of this way."""
        return {
            "haproxy_certificates_name_prefix": f"{way}/",
            "haproxy_certificates_path": f"/etc/haproxy/{way}",
            "haproxy_certificates_crt_list": "",
        }

    def schedule(self, way: str, **more: t.Any) -> None:
        """Install it. more: of the role, without its prefix."""
        variables: dict[str, t.Any] = {
            "name": way,
            "environment": self._aws.env,
            "variables": self.variables(way),
            "retries": 0,
            "watch": [],
            "virtualenv": sys.prefix,
            "requirements": [],
            "collections": [],
            "collections_path": str(ROOT / ".dev" / "collections"),
            "service_options": visible_in_services(),
            **more,
        }
        given = {f"rotation_schedule_{name}": value for name, value in variables.items()}
        self.system.write("/root/variables.json", json.dumps(given))
        self.playbook("certops.rotation.schedule", "--extra-vars", "@/root/variables.json")
        self.served(way)

    def playbook(self, *words: str) -> float:
        """Seconds that it took."""
        program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
        started = time.monotonic()
        env = {**self._aws.env, "ANSIBLE_PIPELINING": "true"}
        self.system.run(program, "--inventory", "/root/inventory.json", *words, env=env, timeout=PATIENCE)
        return time.monotonic() - started

    def _issue(self, way: str) -> dict[str, t.Any]:
        """What is to be stored next."""
        issued = self._authority.issue(f"{way}.example.com")
        self._stored[way] = issued.fingerprint_sha256
        return issued.secret_document()

    def served(self, way: str) -> None:
        """Wait until what is stored now is served."""
        self.client.look_for(f"{way}.example.com", self._stored[way])
        self.client.seen_at(PATIENCE)
        self.settle(way)

    def renew(self, way: str) -> float:
        """Seconds from PutSecretValue to a handshake with the new certificate."""
        document = self._issue(way)
        self.client.look_for(f"{way}.example.com", self._stored[way])
        started = time.monotonic()
        self._aws.put_secret(f"{way}/a", document)
        seconds = self.client.seen_at(PATIENCE) - started
        self.settle(way)
        return seconds

    def settle(self, way: str) -> None:
        """Until the run has ended, so that it is in nobody's way."""
        deadline = time.monotonic() + PATIENCE
        show = ["systemctl", "show", "--property=ActiveState", f"{way}.service"]
        while "activating" in self.system.run(*show).stdout or self._plays():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the run of {way} does not end")
            time.sleep(0.1)

    def _plays(self) -> bool:
        return not self.system.run("pgrep", "--full", "ansible-playbook.*certops", check=False).returncode


@contextlib.contextmanager
def rulebook(host: Host, aws: MinistackServer, settle: float) -> t.Iterator[None]:
    """An ansible-rulebook that waits. settle: see secret_events."""
    host.system.write("/root/rulebook.yml", (HERE / "rulebook.yml").read_text(encoding="utf-8"))
    host.system.write("/root/vars.yml", json.dumps({"settle": settle}))
    program = str(pathlib.Path(sys.executable).with_name("ansible-rulebook"))
    words = [program, "--rulebook", "/root/rulebook.yml", "--inventory", "/root/inventory.json"]
    env = {**aws.env, "ANSIBLE_PIPELINING": "true", "ANSIBLE_NOCOLOR": "true"}
    log = host.system.shared / "rulebook.log"
    with log.open("wb") as output:
        command = host.system.command([*words, "--vars", "/root/vars.yml"], env)
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield
    except BaseException:
        sys.stderr.write(log.read_text(errors="replace")[-4000:])
        raise
    finally:
        process.terminate()
        process.wait(60)


def cost(seconds: float) -> measuring.Cost:
    return measuring.Cost(seconds, 0, 0)


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="of each event, interleaved with the ping")
    parser.add_argument("--timer-rounds", type=int, default=5, help="by timer, which take half its interval each")
    parser.add_argument("--interval", type=int, default=1, help="minutes, of the timer")
    parser.add_argument("--settle", type=float, default=0.2, help="seconds for which the rulebook's source gathers")
    options = parser.parse_args()
    series = {way: measuring.Series() for way in (PING, *WAYS)}
    with ministack_server() as aws, SystemdHost() as system:
        queues = [EventQueue(aws, "rulebook"), EventQueue(aws, "light")]
        host = Host(system, aws)
        host.schedule("light", events=queues[1].arn, events_gap=GAP, interval=60, random_delay=0)
        with rulebook(host, aws, options.settle):
            host.renew("rulebook")  # when it serves this, it is ready
            host.playbook(str(HERE / "ping.yml"))
            for _round in range(options.rounds):
                series[PING].costs.append(cost(host.playbook(str(HERE / "ping.yml"))))
                series[RULEBOOK].costs.append(cost(host.renew("rulebook")))
                series[LIGHT].costs.append(cost(host.renew("light")))
                time.sleep(GAP)
            memory = poller_memory(system)
        if options.timer_rounds:
            host.schedule("timer", interval=options.interval)
        for _round in range(options.timer_rounds):
            series[TIMER].costs.append(cost(host.renew("timer")))
        client = host.client
        client.stop()
    return report(options, series, memory, client)


def poller_memory(system: SystemdHost) -> float:
    """Of the service that waits, in MB, as it is and not what it was once."""
    pid = system.run("systemctl", "show", "--property=MainPID", "--value", "light-events.service").stdout.strip()
    status = system.run("cat", f"/proc/{pid}/status").stdout
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def report(options: t.Any, series: t.Mapping[str, measuring.Series], memory: float, client: Client) -> int:
    ping = series[PING]
    rows = []
    reaches = measuring.Reaches()
    for way, its in series.items():
        if not its.costs:
            continue
        seconds = [cost.seconds for cost in its.costs]
        ratio = "1x" if its is ping else "" if way == TIMER else measuring.spread(its.ratios_to(ping))
        rows.append([way, f"{statistics.median(seconds):.2f} s", f"{max(seconds):.2f} s", str(len(seconds)), ratio])
        if way in LIMITS:
            reaches.at_most(f"{way}, median, to the ping", its.ratio_to(ping), LIMITS[way], digits=2)
    if series[TIMER].costs:
        slowest = max(by_timer.seconds for by_timer in series[TIMER].costs)
        # Its random delay is a tenth of the interval; and the run may take a minute.
        reaches.at_most("timer, worst, seconds", slowest, options.interval * 66 + 60)
    failed = client.failures.total()
    reaches.at_most("failed handshakes", failed, 0)
    title = f"From PutSecretValue to a handshake with the new certificate (timer: every {options.interval} min)"
    print(measuring.table(title, ["", "median", "worst", "rounds", "ratio (min-max)"], rows))
    print(f"\n{client.made:,} handshakes made, {failed} failed. The service that waits takes {memory:.0f} MB.")
    for reason, count in client.failures.most_common():
        print(f"  {count} x {reason}")
    measurements = {
        way: its.as_dict(ping if its is not ping and way != TIMER else None) for way, its in series.items() if its.costs
    }
    return measuring.finish(options, {**measurements, "memory_mb": memory}, reaches)


if __name__ == "__main__":
    sys.exit(main())
