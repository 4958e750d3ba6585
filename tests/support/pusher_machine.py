# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pusher's machine for tests of the flow: a real queue, real lineages, and hosts that answer as they are told to."""

from __future__ import annotations

import dataclasses
import pathlib
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.push.delivery import Delivery
from ansible_collections.certops.rotation.plugins.module_utils._core.push.lineage import Lineage
from ansible_collections.certops.rotation.plugins.module_utils._core.push.push_report import PushReport
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import Receipt, ReceiptState
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._core.push.turns import TurnRules
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError, PushFault
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.run_time import RunTime
from ansible_collections.certops.rotation.plugins.module_utils._flows.push.attempts import AttemptSettings
from ansible_collections.certops.rotation.plugins.module_utils._flows.push.pushing import Push, PushPorts, PushSettings
from ansible_collections.certops.rotation.plugins.module_utils._ports.lineages.certbot_live import CertbotLive
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue

from .lineages import CertbotSteps
from .pki import CertificateAuthority, IssuedCertificate

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDzMIvCnpUMhdRUXfaw1Yj8Ml7gIPFj5LgFPBYpBrVjz"

#: What a host does with a lineage: its receipt, None for none, all that is told of it, or how the connection ends.
Answer = t.Callable[[Lineage], t.Union[Receipt, Delivery, None]]


def taken(state: ReceiptState = "deployed", **more: t.Any) -> Answer:
    return lambda lineage: Receipt(lineage.name, lineage.fingerprint_sha256, state, "2026-06-01T12:00:00Z", **more)


def silent(_lineage: Lineage) -> None:
    """It takes the upload and gives no receipt."""


def broken(fault: PushFault = "unreachable", message: str = "no route to host") -> Answer:
    def answer(_lineage: Lineage) -> None:
        raise PushError(message, fault)

    return answer


def broken_off(lineage: Lineage) -> Delivery:
    """It takes the upload, and the connection ends before a receipt comes."""
    return Delivery(lineage.name, uploaded=True, error="it ended the connection", fault="unreachable")


def slow(seconds: float, then: Answer | None = None) -> Answer:
    def answer(lineage: Lineage) -> Receipt | Delivery | None:
        time.sleep(seconds)
        return (then or taken())(lineage)

    return answer


@dataclasses.dataclass
class Visit:
    """One connection. at: of time.monotonic(); asked: names that lay there already; earlier: marks of the receipts that
    are no answer for them."""

    host: str
    lineages: tuple[str, ...]
    asked: tuple[str, ...]
    waited: bool
    at: float
    ended: float = 0.0
    earlier: t.Mapping[str, str | None] = dataclasses.field(default_factory=dict)


class FakeHosts:
    """A Deliverer. answers: by host, for its connections in turn, the last one for all further ones."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.visits: list[Visit] = []
        self.has: dict[str, dict[str, str]] = {}
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def deliver(
        self, target: PushTarget, lineages: t.Sequence[Lineage], *, uploaded: t.Mapping[str, str | None], wait: bool
    ) -> t.Sequence[Delivery]:
        names = tuple(lineage.name for lineage in lineages)
        visit = Visit(target.name, names, tuple(sorted(uploaded)), wait, time.monotonic(), earlier=dict(uploaded))
        with self._lock:
            self.visits.append(visit)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            script = self.answers.setdefault(target.name, [taken()])
            answer = script.pop(0) if len(script) > 1 else script[0]
        try:
            return [self._one(target.name, lineage, answer, uploaded) for lineage in lineages]
        finally:
            visit.ended = time.monotonic()
            with self._lock:
                self._at_once -= 1

    def cut(self) -> None:
        """Nothing here waits for long."""

    def _one(self, host: str, lineage: Lineage, answer: Answer, uploaded: t.Mapping[str, str | None]) -> Delivery:
        receipt = answer(lineage)
        self.has.setdefault(host, {})[lineage.name] = lineage.fingerprint_sha256
        if isinstance(receipt, Delivery):
            return receipt
        name = lineage.name
        return Delivery(name, uploaded=name not in uploaded, receipt=receipt, earlier_receipt=uploaded.get(name))

    def visited(self, host: str | None = None) -> list[str]:
        return [visit.host for visit in self.visits if host in (None, visit.host)]


class PusherMachine:
    """directory: for the queue and the lineages."""

    def __init__(self, directory: pathlib.Path) -> None:
        root = CertificateAuthority()
        self.authority = CertificateAuthority("Test Intermediate", parent=root)
        self.certbot = CertbotSteps(directory / "letsencrypt")
        self.queue = PushQueue(str(directory / "queue"))
        self.lineages = CertbotLive(str(self.certbot.live), patience=0.2)
        self.hosts = FakeHosts()
        self.targets: list[PushTarget] = []
        self.now: t.Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def issue(self, name: str, *domains: str) -> IssuedCertificate:
        """A lineage, or its renewal."""
        issued = self.authority.issue(domains or (name,))
        self.certbot.issue(name, issued)
        return issued

    def fingerprint(self, name: str) -> str:
        return self.lineages.read(name).fingerprint_sha256

    def add(self, *names: str, **settings: t.Any) -> None:
        """Hosts that get everything, unless they say otherwise, and are tried once."""
        settings = {"domains": ("*",), "retries": 0, "retry_interval": 0.05, **settings}
        self.targets += [PushTarget(name, name, host_keys=(HOST_KEY,), **settings) for name in names]

    def push(self, *, rules: TurnRules | None = None, hosts: t.Sequence[str] = (), **settings: t.Any) -> PushReport:
        return self.planned(rules=rules, hosts=hosts, **settings).run()

    def planned(
        self,
        *,
        rules: TurnRules | None = None,
        hosts: t.Sequence[str] = (),
        limit: float = 60,
        run_time: RunTime | None = None,
        **settings: t.Any,
    ) -> Push:
        run_time = run_time or RunTime(timedelta(seconds=limit), option="time_limit", now=self.now)
        push_settings = PushSettings(rules or TurnRules(lanes=4), AttemptSettings(**settings), tuple(hosts))
        return Push(self.targets, push_settings, PushPorts(self.queue, self.lineages, self.hosts), run_time)

    def stand(self, kind: str) -> list[tuple[str, str]]:
        """Host and lineage of what the queue has of a kind, such as owed."""
        return [(entry.host, entry.lineage) for entry in getattr(self.queue.content(), kind)]
