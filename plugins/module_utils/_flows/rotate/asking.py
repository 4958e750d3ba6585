# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask HAProxy's listeners until they answer rightly or have had their time; and then again, whether all answer so."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ..._core.haproxy.listeners import TlsBind
from ..._core.haproxy.selection import LoadedFile
from ..._core.pipeline.proof_again import (
    Address,
    Share,
    address_of,
    questions_again,
    share_of,
    twins,
)
from ..._core.pipeline.proof_chain import ChainRules
from ..._core.pipeline.proof_report import DeployedCertificate, Mismatch, ProofReport, Unanswered
from ..._core.pipeline.proof_targets import ProofTarget, proof_targets
from ..._core.pipeline.prove import verdicts
from ..._errors import HaproxyError
from ..._ports.haproxy.loaded_files import look_into_memory, read_loaded_files
from ..._ports.haproxy.runtime import RuntimeApi
from ..._ports.host.listening import Listening
from ..._ports.tls.endpoint import Endpoint
from ..._ports.tls.inquiry import Inquiry
from ..._ports.tls.probe import Observation
from .settings import ProofSettings

MEMORY_TIMEOUT = 10.0  # seconds for one answer of HAProxy


class Asked(t.NamedTuple):
    """probes: handshakes that asked what was open; again: those that asked once more what had been answered rightly;
    shares: who listens at the addresses that were asked again."""

    report: ProofReport
    probes: int
    again: int
    shares: t.Mapping[Address, Share]


def ask_listeners(
    certificates: t.Sequence[DeployedCertificate],
    binds: t.Sequence[TlsBind],
    settings: ProofSettings,
    only: t.Collection[str] | None = None,
    rules: ChainRules | None = None,
) -> Asked:
    """What was not answered rightly is asked again, after a delay. What was, is asked again at once."""
    asking = _Asking(certificates, binds, settings, None if only is None else frozenset(only), rules or ChainRules())
    for attempt in range(settings.retries + 1):
        if attempt:
            time.sleep(settings.delay)
        asking.ask(attempt)
        if not asking.open or attempt == settings.retries:
            asking.ask_again()
        if not asking.open:
            break
    return Asked(asking.report, *asking.counts, asking.shares)


class _Asking:
    """report: of what is known by now; open: numbers of the targets that are not answered rightly so far."""

    def __init__(
        self,
        certificates: t.Sequence[DeployedCertificate],
        binds: t.Sequence[TlsBind],
        settings: ProofSettings,
        only: frozenset[str] | None,
        rules: ChainRules,
    ) -> None:
        self._certificates, self._binds, self._only, self._rules = certificates, binds, only, rules
        self._files = _files(certificates, binds, settings.socket)
        self._targets = proof_targets(certificates, binds, settings.max_names, only, self._files)
        self._answers: list[list[Observation]] = [[] for _target in self._targets]
        self._first, self._again = (Inquiry(settings.timeout, settings.concurrency) for _which in range(2))
        self._passing = Inquiry(settings.timeout, settings.concurrency, patient=False)
        self._sure: set[Address] = set()
        self.shares: dict[Address, Share] = {}
        self.open = list(range(len(self._targets)))
        self.report = ProofReport(())

    @property
    def counts(self) -> tuple[int, int]:
        return self._first.asked, self._again.asked + self._passing.asked

    def ask(self, attempt: int) -> None:
        """What is open, each once."""
        questions = [
            (self._targets[number].bind.label, _endpoint(self._targets[number], attempt)) for number in self.open
        ]
        for number, answer in zip(self.open, self._first.ask(questions)):
            self._answers[number] = [answer]
        self._judge()

    def ask_again(self) -> None:
        """What was answered, by new connections: whoever else listens there has to answer alike.

        What was not answered rightly only where several listen, to tell how many of them answer so.
        """
        addresses = [address_of(target.bind) for target in self._targets]
        self._look_who_listens(set(addresses) - self._sure)
        is_open = set(self.open)
        asked = [
            (number, addresses[number])
            for number, answers in enumerate(self._answers)
            if answers[0].fingerprint_sha256
            and addresses[number] not in self._sure
            and (number not in is_open or self.shares[addresses[number]].sockets > 1)
        ]
        numbers = questions_again(asked, self.shares)
        several = [number for number in numbers if self.shares[addresses[number]].sockets > 1]
        self._note(several, self._again)
        self._note([number for number in numbers if self.shares[addresses[number]].sockets < 2], self._passing)
        self._judge()
        self._sure = set(addresses) - {addresses[number] for number in self.open}

    def _note(self, numbers: t.Sequence[int], inquiry: Inquiry) -> None:
        """Ask what these were asked. One that answers, and later turns away whom it sees too often, has a limit."""
        answers = inquiry.ask(
            [(self._targets[number].bind.label, self._answers[number][0].endpoint) for number in numbers]
        )
        for number, answer in zip(numbers, answers):
            if inquiry is not self._passing or not answer.turned_away:
                self._answers[number].append(answer)

    def _look_who_listens(self, addresses: t.Collection[Address]) -> None:
        listening = Listening() if addresses else None
        for address in addresses:
            here = [bind for bind in self._binds if address_of(bind) == address]
            if any(bind.foreign for bind in here):
                self.shares[address] = Share(1)
            elif listening is not None:
                configured = all(bind.known_loads is not None for bind in here)
                sockets = listening.at(*address)
                self.shares[address] = share_of(sockets, twins(self._binds, address), configured=configured)

    def _judge(self) -> None:
        pairs = [(target, answer) for target, answers in zip(self._targets, self._answers) for answer in answers]
        self.report = verdicts(
            self._certificates,
            self._binds,
            [target for target, _answer in pairs],
            [answer for _target, answer in pairs],
            self._only,
            self._files,
            rules=self._rules,
            shares=self.shares,
        )
        self.open = self._still_open()

    def _still_open(self) -> list[int]:
        """All that was not answered rightly, and all of a certificate that another one shadows."""
        astray: set[tuple[str, str, str]] = set()  # certificate, listener, name
        shadowed: set[str] = set()
        for proof in self.report.certificates:
            findings: list[Mismatch | Unanswered] = [*proof.mismatches, *proof.shadowed, *proof.unanswered]
            astray.update((proof.certificate.path, item.bind, item.server_name) for item in findings)
            if findings and proof.answered == proof.probes:
                shadowed.add(proof.certificate.path)
        return [
            number
            for number, target in enumerate(self._targets)
            for path in [target.certificate.path]
            if path in shadowed or (path, target.bind.label, target.server_name or "") in astray
        ]


def _files(
    certificates: t.Sequence[DeployedCertificate], binds: t.Sequence[TlsBind], socket: str | None
) -> dict[str, LoadedFile]:
    """What is in all files that the listeners load. Of those that are deployed here it is known what HAProxy holds.

    What is not on the disk as HAProxy has read it, its process is asked for.
    """
    own = {certificate.path for certificate in certificates}
    found = read_loaded_files(own)
    unknown: set[str] = set()
    for bind in binds:
        if bind.not_probeable is None:
            paths = {reference.path for reference in bind.known_loads or ()} - own - set(found) - unknown
            found.update(read_loaded_files(paths, bind.read_at))
            unknown |= paths - set(found)
    if unknown and socket:
        with contextlib.suppress(HaproxyError):  # then it is not known who answers
            found.update(look_into_memory(RuntimeApi(socket, MEMORY_TIMEOUT), unknown))
    return found


def _endpoint(target: ProofTarget, attempt: int) -> Endpoint:
    """attempt: where only some clients are to send a PROXY header, every second one is with it."""
    bind = target.bind
    return Endpoint(
        bind.host,
        bind.port,
        server_name=target.server_name,
        key_type=target.key_type,
        proxy_protocol=bind.proxy_protocol or (bind.proxy_sometimes and attempt % 2 == 1),
        unix_path=bind.unix_path,
    )
