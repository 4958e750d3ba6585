# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart of pushing: from certbot to three hosts, one of which is down, and a renewal under load.

certbot and the ACME server (Pebble), the SSH servers, nginx and HAProxy are real. The playbooks certops.rotation.push
and certops.rotation.deploy do what they do in production. There a path unit of systemd starts the second one when
something is uploaded; here a thread does that. As in the other quickstarts, every line that the screen marks was
checked before it was printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shlex
import sys
import time
import typing as t

import yaml
from authority import Authority
from claims import claim, snapshot, wait_until
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from issuing import Pebble
from occasion import Occasion, hold
from playbook import INVENTORY, Playbook
from pushing import (
    Balancer,
    Certbot,
    Names,
    Nginx,
    ReceivingHost,
    Watch,
    Watchers,
    install_hook,
    make_ssh_key,
    put_lineage,
)
from screen import Screen
from visitors import Client, Visitors

DOMAINS = ("shop.example.com", "www.shop.example.com")
LINEAGE = DOMAINS[0]
WEB, BALANCER, LATE = HOSTS = ("web1", "lb1", "web2")
ISSUE = ["certbot", "certonly", "-c", "certbot.ini", "--standalone", *(f"--domain={domain}" for domain in DOMAINS)]
RENEW = ["certbot", "renew", "-c", "certbot.ini", "--force-renewal"]
DEPLOY = ["ansible-playbook", "certops.rotation.deploy", "-i", INVENTORY]
PUSH = ["ansible-playbook", "certops.rotation.push", "-i", INVENTORY]
NEXT_COMMANDS = (
    "less docs/pushing.md",
    "ANSIBLE_COLLECTIONS_PATH=.dev/collections .dev/venv/bin/ansible-doc certops.rotation.certificate_push",
    "make test",
)


class Served(t.NamedTuple):
    """Who serves on a host."""

    port: int
    service: dict[str, t.Any]


class PushQuickstart:
    """The six steps. Made within the life of all programs."""

    def __init__(self, screen: Screen, directory: pathlib.Path) -> None:
        self._screen = screen
        self._directory = directory
        self._logs: dict[str, t.Callable[[], str]] = {}

    def logs(self) -> dict[str, str]:
        """All that the programs have printed so far, by name."""
        return {name: log for name, read in self._logs.items() if (log := read())}

    def run(self) -> None:
        os.environ["PEBBLE_WFE_NONCEREJECT"] = "0"  # certbot gives up at the second of two in a row
        with contextlib.ExitStack() as life:
            authority = Authority()
            names = life.enter_context(Names())
            self._pebble = Pebble(self._directory, names.address, authority)
            self._logs["Pebble"] = lambda: self._pebble.log
            life.enter_context(self._pebble)
            self._certbot = Certbot(self._directory, self._pebble)
            self._logs["certbot"] = lambda: self._certbot.log
            self._hosts = self._start_hosts(life, authority)
            self._playbook = Playbook(self._directory)
            self._logs["Ansible"] = lambda: self._playbook.log
            self._queue = self._directory / "queue"
            self._hook = install_hook(self._certbot, self._queue / "wake")
            self._watchers = Watchers(self._directory, self._watches())
            self._logs["Ansible, started by watches"] = lambda: self._watchers.log
            life.enter_context(self._watchers)
            self._client = {name: Client(port, self._pebble.root) for name, (port, _service) in self._served.items()}

            self._set_the_stage()
            self._issue()
            self._push_to_two()
            self._push_to_the_third()
            self._renew()
            self._repeat()

    def _start_hosts(self, life: contextlib.ExitStack, authority: Authority) -> dict[str, ReceivingHost]:
        """All three serve a placeholder at first, and the last one takes no uploads."""
        make_ssh_key(self._directory / "id_ed25519")
        hosts: dict[str, ReceivingHost] = {}
        self._served: dict[str, Served] = {}
        for name in HOSTS:
            hosts[name] = host = ReceivingHost(self._directory, name, self._directory / "id_ed25519.pub")
            self._logs[f"sshd of {name}"] = lambda host=host: host.log
            life.enter_context(host)
            placeholder = authority.issue("placeholder.invalid", days=1)
            server: Balancer | Nginx
            if name == BALANCER:
                self._haproxy = server = Balancer(
                    host.directory, placeholder.certificate_pem + placeholder.private_key_pem
                )
            else:
                put_lineage(host.live / LINEAGE, placeholder)
                server = Nginx(host.directory, host.live / LINEAGE)
            self._logs[server.name] = lambda server=server: server.log
            life.enter_context(server)
            endpoint = {"host": "127.0.0.1", "port": server.port, "server_name": LINEAGE}
            self._served[name] = Served(server.port, {**server.service, "endpoints": [endpoint]})
            if name != LATE:
                host.start()
        return hosts

    def _watches(self) -> t.Iterator[Watch]:
        """What the path units are there for that the roles install: on the pusher, and on each host."""
        yield Watch("push", self._queue / "wake", PUSH)
        for name, host in self._hosts.items():
            yield Watch(name, host.staging, [*DEPLOY, "--limit", name])

    def _set_the_stage(self) -> None:
        screen = self._screen
        screen.step(1, "Set the stage")
        screen.fact(f"Pebble {self._pebble.version}", f"an ACME authority, {self._pebble.directory_url}")
        for name, host in self._hosts.items():
            server = f"HAProxy {self._haproxy.version}" if name == BALANCER else "nginx"
            state = "its SSH server is down" if name == LATE else f"sshd at port {host.port}"
            screen.fact(name, f"{server}, https://127.0.0.1:{self._served[name].port}, with a placeholder; {state}")
        (self._directory / "authority.pem").write_text(self._pebble.root)
        text = self._inventory()
        (self._directory / INVENTORY).write_text(text)
        screen.gap()
        screen.command(f"cat {INVENTORY}")
        screen.file(text)

    def _inventory(self) -> str:
        own = f"{self._directory}/{{{{ inventory_hostname }}}}"
        authority = f"{{{{ lookup('ansible.builtin.file', '{self._directory}/authority.pem') }}}}"
        pusher = {
            "certificate_push_lineages": str(self._certbot.live),
            "certificate_push_queue": str(self._queue),
            "certificate_push_private_key_file": str(self._directory / "id_ed25519"),
            "certificate_push_retries": 0,
        }
        receivers = {
            "certificate_receiver_path": f"{own}/receiver",
            "certificate_receiver_destination": f"{own}/live",
            "certificate_receiver_trust_anchors": authority,
        }
        hosts = {
            name: {"certificate_push_target": host.target([LINEAGE]), "certificate_receiver_services": [service]}
            for (name, host), (_port, service) in zip(self._hosts.items(), self._served.values())
        }
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        inventory = {
            "all": {"vars": local},
            "certificate_pushers": {"hosts": {"localhost": pusher}},
            "certificate_receivers": {"hosts": hosts, "vars": receivers},
        }
        return str(yaml.safe_dump(inventory, sort_keys=False, width=200))

    def _issue(self) -> None:
        screen = self._screen
        screen.step(2, "Let certbot issue a certificate")
        screen.command(shlex.join(ISSUE))
        self._certbot.run(ISSUE)
        self._first = self._issued()
        screen.proven("certbot", f"{LINEAGE}, {self._first}")

    def _push_to_two(self) -> None:
        screen = self._screen
        screen.step(3, f"Push it, while {LATE} is down")
        screen.command(shlex.join(PUSH))
        run = self._playbook.run(PUSH, code=2)
        screen.fact("done in", f"{run.seconds:.0f} s, with exit code 2: {LATE} has nothing yet")
        screen.gap()
        for name in (WEB, BALANCER):
            self._require_served(name, self._first)
            screen.proven(name, "serves it, trusted by the client")
        owed = json.loads((self._queue / "owed" / LATE / f"{LINEAGE}.json").read_text())
        claim(owed["fingerprint_sha256"] == self._first, f"The queue says {owed}.")
        claim(bool(owed["last_error"]), "The queue does not say why.")
        screen.proven(LATE, f"is owed it: {owed['last_error'].splitlines()[0][:90]}")

    def _push_to_the_third(self) -> None:
        screen = self._screen
        screen.step(4, f"{LATE} comes back")
        self._hosts[LATE].start()
        uploads = {name: self._watchers.runs[name] for name in (WEB, BALANCER)}
        screen.command(shlex.join(PUSH))
        run = self._playbook.run(PUSH)
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        self._require_served(LATE, self._first)
        screen.proven(LATE, "serves it")
        claim(uploads == {name: self._watchers.runs[name] for name in uploads}, "The others were pushed to again.")
        screen.proven("the others", "nothing was uploaded to them again")
        self._require_nothing_owed()

    def _renew(self) -> None:
        screen = self._screen
        screen.step(5, "certbot renews it, while clients keep making handshakes with all three")
        worker = self._haproxy.worker_pid()
        with contextlib.ExitStack() as life:
            visitors = {name: life.enter_context(Visitors(self._client[name], DOMAINS, 1)) for name in HOSTS}
            for name, each in visitors.items():
                wait_until(lambda each=each: each.total >= 50, f"Clients cannot make handshakes with {name}.")
            screen.command(shlex.join(RENEW))
            self._certbot.run(RENEW)
            second = self._issued()
            claim(second != self._first, "It was not renewed.")
            start = time.monotonic()
            wait_until(lambda: self._serve(second) and not self._owed(), "Not all hosts have the new one.", 120)
            seconds = time.monotonic() - start
            after = {name: each.total for name, each in visitors.items()}
            for name, each in visitors.items():
                wait_until(
                    lambda name=name, each=each: each.total >= after[name] + 50, f"{name} takes no handshakes any more."
                )
        screen.fact("hook", f"{self._hook.name} has started the push; {seconds:.0f} s later all hosts have confirmed")
        screen.gap()
        failures = [failure for each in visitors.values() for failure in each.failures]
        claim(not failures, f"{len(failures)} handshakes failed, the first with {failures[:1]}.")
        for name, each in visitors.items():
            for domain in DOMAINS:
                claim(set(each.made[domain]) == {self._first, second}, f"Clients of {name} saw {each.made[domain]}.")
            self._require_served(name, second)
            screen.proven(name, f"serves the new one, {second[:16]}...; {each.total:,} handshakes made, 0 failed")
        claim(self._haproxy.worker_pid() == worker, "HAProxy was reloaded.")
        screen.proven("HAProxy", f"worker process {worker} as before: no restart, no reload")
        self._require_nothing_owed()

    def _repeat(self) -> None:
        screen = self._screen
        screen.step(6, "Push again: nothing is left to do")
        before = {name: snapshot(host.live) for name, host in self._hosts.items()}
        screen.command(shlex.join(PUSH))
        run = self._playbook.run(PUSH)
        claim(run.changed == 0, f"The run reports changed={run.changed}.")
        claim(before == {name: snapshot(host.live) for name, host in self._hosts.items()}, "The run touched files.")
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        screen.proven("changed", "changed=0: no host was connected to")
        printed = "".join(self.logs().values())
        claim(not any(line in printed for line in self._key_lines()), "A private key was printed.")
        screen.proven("private keys", "none in all that the programs printed")

    def _require_served(self, name: str, fingerprint: str) -> None:
        for domain in DOMAINS:
            served = self._client[name].handshake(domain).fingerprint
            claim(served == fingerprint, f"{name} serves {served} for {domain}.")

    def _serve(self, fingerprint: str) -> bool:
        """All of them, now."""
        return all(self._client[name].handshake(LINEAGE).fingerprint == fingerprint for name in HOSTS)

    def _owed(self) -> list[str]:
        return [str(path) for state in ("owed", "claimed") for path in (self._queue / state).rglob("*.json")]

    def _require_nothing_owed(self) -> None:
        claim(not self._owed(), f"Something is owed still: {self._owed()}.")
        self._screen.proven("queue", "empty: every host has confirmed what it has")

    def _issued(self) -> str:
        pem = (self._certbot.live / LINEAGE / "cert.pem").read_bytes()
        return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()

    def _key_lines(self) -> set[str]:
        files = [*self._certbot.directory.rglob("privkey*.pem"), self._directory / "id_ed25519"]
        return {
            line for file in files for line in file.read_text().splitlines() if not re.match("-----", line) and line
        }


if __name__ == "__main__":
    sys.exit(
        hold(
            Occasion(
                "certops.rotation: certbot's certificates on every host that needs them, and nothing forgotten",
                ["All of it on this machine, on loopback, as your user, in less than a minute."],
                PushQuickstart,
                NEXT_COMMANDS,
            )
        )
    )
