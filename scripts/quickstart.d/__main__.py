# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart: one certificate rotation from end to end, on this machine, in half a minute.

A real HAProxy serves, an emulated AWS Secrets Manager stores, and the playbook certops.rotation.rotate does what it
does in production. Every line that the screen marks was checked before it was printed: where one is not true, this
ends with exit code 1 and shows all logs. Whatever was started or written is gone at the end, however it ends.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import sys
import time
import typing as t

import boto3
from authority import Authority, Issued, secret_document
from claims import claim, snapshot, wait_until
from occasion import Occasion, hold
from playbook import COMMAND_LINE, INVENTORY, Playbook, inventory
from screen import Screen
from stage import EmulatedAws, Haproxy
from visitors import Client, Visitors

DOMAINS = ("shop.example.com", "api.example.com")
RENEWED = DOMAINS[0]
NEXT_COMMANDS = (
    "less docs/getting-started.md",
    "ANSIBLE_COLLECTIONS_PATH=.dev/collections .dev/venv/bin/ansible-doc certops.rotation.certificate_sync",
    "make test",
)


class Quickstart:
    """The four steps. Made within the life of AWS and HAProxy."""

    def __init__(self, screen: Screen, directory: pathlib.Path, authority: Authority) -> None:
        self._screen = screen
        self._directory = directory
        self._authority = authority
        self._issued: dict[str, Issued] = {}
        self._key_lines: set[str] = set()
        self._logs: dict[str, t.Callable[[], str]] = {}

    def logs(self) -> dict[str, str]:
        """All that the programs have printed so far, by name."""
        return {name: log for name, read in self._logs.items() if (log := read())}

    def run(self) -> None:
        with contextlib.ExitStack() as life:
            aws = EmulatedAws(self._directory)
            self._logs["moto"] = lambda: aws.log
            life.enter_context(aws)
            os.environ.update(aws.environment)
            placeholder = self._authority.issue("placeholder.invalid", days=1)
            haproxy = Haproxy(self._directory, placeholder.certificate_pem + placeholder.private_key_pem)
            self._logs["HAProxy"] = lambda: haproxy.log
            life.enter_context(haproxy)
            playbook = Playbook(self._directory)
            self._logs["ansible-playbook"] = lambda: playbook.log
            client = Client(haproxy.port, self._authority.certificate_pem)

            self._set_the_stage(aws, haproxy)
            worker = haproxy.worker_pid()
            self._deliver(haproxy, playbook, client)
            self._renew(haproxy, playbook, client, worker)
            self._repeat(aws, haproxy, playbook, worker)

    def _set_the_stage(self, aws: EmulatedAws, haproxy: Haproxy) -> None:
        screen = self._screen
        screen.step(1, "Set the stage")
        secrets = boto3.client("secretsmanager")
        for domain in DOMAINS:
            self._issued[domain] = self._issue(domain)
            secrets.create_secret(Name=domain, SecretString=secret_document(domain, self._issued[domain]))
        screen.fact("Secrets Manager", f"emulated by moto, {aws.url}")
        screen.fact("secrets", ", ".join(DOMAINS))
        screen.fact(
            f"HAProxy {haproxy.version}", f"https://127.0.0.1:{haproxy.port}, worker process {haproxy.worker_pid()}"
        )
        text = inventory(DOMAINS, haproxy.certificates, haproxy.socket, haproxy.config)
        (self._directory / INVENTORY).write_text(text)
        screen.gap()
        screen.command(f"cat {INVENTORY}")
        screen.file(text)

    def _deliver(self, haproxy: Haproxy, playbook: Playbook, client: Client) -> None:
        screen = self._screen
        screen.step(2, "Deliver both certificates")
        screen.command(COMMAND_LINE)
        run = playbook.run()
        claim(run.changed > 0, "The first run changed nothing.")
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        for domain in DOMAINS:
            served = client.handshake(domain)
            claim(
                served.fingerprint == self._issued[domain].fingerprint,
                f"HAProxy serves {served.fingerprint} for {domain}, not the certificate of its secret.",
            )
            until = time.strftime("%d %B %Y", time.gmtime(served.not_after)).lstrip("0")
            screen.proven(domain, f"served, trusted by the client, valid until {until}")
            mode = (haproxy.certificates / f"{domain}.pem").stat().st_mode & 0o777
            claim(mode == 0o600, f"{domain}.pem has mode {mode:04o}.")
        screen.proven("files", "only their owner can read them (0600)")

    def _renew(self, haproxy: Haproxy, playbook: Playbook, client: Client, worker: int) -> None:
        screen = self._screen
        screen.step(3, f"Renew {RENEWED} while clients keep making handshakes")
        old, new = self._issued[RENEWED].fingerprint, self._issue(RENEWED)
        with Visitors(client, DOMAINS) as visitors:
            wait_until(lambda: visitors.total >= 100, "Clients cannot make handshakes.")
            boto3.client("secretsmanager").put_secret_value(
                SecretId=RENEWED, SecretString=secret_document(RENEWED, new)
            )
            self._issued[RENEWED] = new
            screen.fact("secret", f"a new version of {RENEWED} is stored")
            screen.command(COMMAND_LINE)
            run = playbook.run()
            after = visitors.total
            wait_until(lambda: visitors.total >= after + 100, "Clients can no longer make handshakes.")
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        seen = visitors.made[RENEWED]
        claim(
            not visitors.failures,
            f"{len(visitors.failures)} handshakes failed, the first with {visitors.failures[:1]}.",
        )
        claim(set(seen) == {old, new.fingerprint}, f"Clients saw these certificates for {RENEWED}: {sorted(seen)}.")
        claim(client.handshake(RENEWED).fingerprint == new.fingerprint, f"The old certificate is back for {RENEWED}.")
        claim(set(visitors.made[DOMAINS[1]]) == {self._issued[DOMAINS[1]].fingerprint}, f"{DOMAINS[1]} changed, too.")
        claim(haproxy.worker_pid() == worker, f"HAProxy's worker is {haproxy.worker_pid()} now, it was {worker}.")
        screen.proven("old certificate", old)
        screen.proven("new certificate", new.fingerprint)
        screen.proven("handshakes", f"{visitors.total:,} made, {len(visitors.failures)} failed")
        screen.proven(RENEWED, f"{seen[old]:,} saw the old certificate, then {seen[new.fingerprint]:,} the new one")
        screen.proven("HAProxy", f"worker process {worker} as before: no restart, no reload")

    def _repeat(self, aws: EmulatedAws, haproxy: Haproxy, playbook: Playbook, worker: int) -> None:
        screen = self._screen
        screen.step(4, "Run it again: nothing is left to do")
        before = snapshot(haproxy.certificates)
        screen.command(COMMAND_LINE)
        with aws.counting() as calls:
            run = playbook.run()
        claim(run.changed == 0, f"The third run reports changed={run.changed}.")
        claim(snapshot(haproxy.certificates) == before, "The third run touched files.")
        claim(haproxy.worker_pid() == worker, "The third run reloaded HAProxy.")
        claim(calls == collections.Counter(ListSecrets=1), f"The third run made these API calls: {dict(calls)}.")
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        screen.proven("changed", f"changed={run.changed}, no file touched, HAProxy left alone")
        screen.proven(
            "AWS API calls",
            f"{', '.join(f'{count} {name}' for name, count in calls.items())}; no secret value was read",
        )
        claim(not any(line in playbook.log for line in self._key_lines), "Ansible printed private key material.")
        screen.proven("private keys", "none in all that the three runs printed")

    def _issue(self, domain: str) -> Issued:
        issued = self._authority.issue(domain)
        self._key_lines.update(issued.private_key_pem.splitlines())
        return issued


if __name__ == "__main__":
    sys.exit(
        hold(
            Occasion(
                "certops.rotation: from Secrets Manager to a certificate that HAProxy is proven to serve",
                ["All of it on this machine, on loopback, as your user, in half a minute."],
                lambda screen, directory: Quickstart(screen, directory, Authority()),
                NEXT_COMMANDS,
            )
        )
    )
