# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_push with real SSH servers, and a receiving side that says what a test wants it to say."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import threading
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import (
    Receipt,
    ReceiptState,
    receipt_file_name,
    receipt_to_json,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.push.staging import parse_staged_name
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue, QueueContent

from .lineages import CertbotSteps
from .module import ModuleRun, run_module
from .pki import IssuedCertificate
from .ssh_hosts import SshHost
from .systemd_host import become

_PAUSE = 0.02


class ScriptedReceiver:
    """Takes what is uploaded to a host, and writes receipts, while the context is open. taken: lineage -> its files.

    state: of its receipts, None for none; of a lineage, where states has it; more: of its fields. Staging is emptied by
    it, as by the real one.
    """

    def __init__(self, host: SshHost, state: ReceiptState | None = "deployed", **more: t.Any) -> None:
        self.host = host
        self.state = state
        self.states: dict[str, ReceiptState | None] = {}
        self.taken: dict[str, dict[str, bytes]] = {}
        self.fingerprints: dict[str, list[str]] = {}
        self.more = more
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> ScriptedReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.set()
        self._thread.join()

    def say(self, lineage: str, state: ReceiptState, **more: t.Any) -> None:
        """A receipt for what was uploaded last."""
        receipt = Receipt(lineage, self.fingerprints[lineage][-1], state, "2026-06-01T12:00:00Z", **more)
        self.host.write_receipt(receipt_file_name(lineage), receipt_to_json(receipt).decode())

    def _work(self) -> None:
        while not self._ending.wait(_PAUSE):
            self.take()

    def take(self) -> None:
        """All that is there."""
        for path in sorted(self.host.staging.iterdir()):
            staged = parse_staged_name(path.name)
            if staged and staged.fingerprint_sha256:
                files = {file.name: file.read_bytes() for file in path.iterdir()}
                subprocess.run([*become(), "rm", "-rf", str(path)], check=True)
                self.taken[staged.lineage] = files
                self.fingerprints.setdefault(staged.lineage, []).append(staged.fingerprint_sha256)
                state = self.states.get(staged.lineage, self.state)
                if state:
                    self.say(staged.lineage, state, **self.more)


class PushScene:
    """directory: of one test, for the queue and the lineages."""

    def __init__(self, directory: pathlib.Path, hosts: t.Sequence[SshHost]) -> None:
        self.directory = directory
        self.certbot = CertbotSteps(directory / "letsencrypt")
        self.queue = PushQueue(str(directory / "queue"))
        self.hosts = list(hosts)
        self.targets = [self.target(host) for host in hosts]

    def renew(self, name: str, *domains: str) -> IssuedCertificate:
        return self.certbot.renew(name, domains)

    @staticmethod
    def target(host: SshHost, **more: t.Any) -> dict[str, t.Any]:
        """As the module takes it: everything, one attempt."""
        return {
            "name": host.name,
            "address": host.address,
            "port": host.port,
            "user": host.user,
            "host_key": list(host.host_keys),
            "domains": ["*"],
            "retries": 0,
            "timeout": 20,
            "receipt_timeout": 20,
            **more,
        }

    def options(self, **more: t.Any) -> dict[str, t.Any]:
        return {
            "queue": self.queue.path,
            "lineages": str(self.certbot.live),
            "private_key_file": str(self.hosts[0].private_key_file),
            "targets": self.targets,
            **more,
        }

    def push(self, *, check: bool = False, **more: t.Any) -> ModuleRun:
        return run_module("certificate_push", self.options(**more), check=check)

    @property
    def content(self) -> QueueContent:
        return self.queue.content()

    def clean(self) -> None:
        """The hosts, for the next test."""
        for host in self.hosts:
            for directory in (host.staging, host.receipts):
                for path in directory.iterdir():
                    subprocess.run([*become(), "rm", "-rf", str(path)], check=True)
        shutil.rmtree(self.queue.path, ignore_errors=True)


def outcomes_of(run: ModuleRun) -> dict[str, str]:
    return {target["name"]: target["outcome"] for target in run.result["targets"]}


def lineages_of(run: ModuleRun, host: str) -> dict[str, dict[str, t.Any]]:
    (found,) = (target["lineages"] for target in run.result["targets"] if target["name"] == host)
    return {each["lineage"]: each for each in found}
