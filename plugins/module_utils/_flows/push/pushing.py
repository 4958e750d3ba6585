# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A push: what is owed to all hosts is computed, brought there, proven, and no longer owed. One process."""

from __future__ import annotations

import concurrent.futures
import contextlib
import typing as t
from dataclasses import dataclass, field

from ..._core.instants import parse_isoformat_utc
from ..._core.push.turns import Turn, Turns
from ..._core.text import listed
from ..issue.run_time import RunEnds
from .attempts import AttemptPorts, AttemptSettings, HostAttempts
from .collecting import Collector
from .endpoints import longest_proof

if t.TYPE_CHECKING:
    from ..._core.push.debts import DebtKey
    from ..._core.push.delivery import Deliverer
    from ..._core.push.entries import OwedEntry
    from ..._core.push.push_report import LineageReport, PushReport, TargetReport
    from ..._core.push.targets import PushTarget
    from ..._core.push.turns import AttemptEnd, TurnRules
    from ..._ports.lineages.certbot_live import CertbotLive
    from ..._ports.queue.push_queue import PushQueue
    from ..issue.run_time import RunTime
    from .collecting import OpeningStand

#: Seconds: a signal is seen after a wait, not in it.
_LONGEST_WAIT: t.Final = 0.2
#: Seconds that those who are at work have when the run is over, before their connections are cut.
_GRACE: t.Final = 5.0
#: Seconds beyond its own time limits for which another run at a host is waited for.
_MARGIN: t.Final = 10


@dataclass(frozen=True)
class PushSettings:
    """hosts: names of the targets that the run is about, () for all."""

    rules: TurnRules
    attempts: AttemptSettings = field(default_factory=AttemptSettings)
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class PushPorts:
    """What a push touches."""

    queue: PushQueue
    lineages: CertbotLive
    deliverer: Deliverer


class Push:
    """targets: all there are, also beside settings.hosts, for a canary may be one of those."""

    def __init__(
        self, targets: t.Sequence[PushTarget], settings: PushSettings, ports: PushPorts, run_time: RunTime
    ) -> None:
        self._targets = {target.name: target for target in targets}
        self._settings = settings
        self._ports = ports
        self._time = run_time
        self._collector = Collector(ports.queue, ports.lineages, targets, run_time.now)
        self._attempt_ports = AttemptPorts(ports.queue, ports.deliverer, ports.lineages.read)

    def predict(self) -> PushReport:
        """What a run would push. Connects to nobody, and writes nothing."""
        opening = self._collector.collect(dry=True)
        report = self._report(opening, predicted=True)
        self._withhold_unproven(opening, report)
        return report

    def run(self) -> PushReport:
        """Raises RotationError when it cannot be told what is owed. All else is in the report."""
        opening = self._collector.collect()
        report = self._report(opening)
        order = sorted(
            (name for name in self._hosts if _open(report.targets[name])),
            key=lambda name: _has_failed_before(report.targets[name]),  # whoever hangs keeps nobody waiting
        )
        turns = [self._turn(report.targets[name], opening.queued) for name in order]
        canaries = [turn for turn in turns if self._targets[turn.name].canary]
        state = self._take(Turns(canaries, self._settings.rules, all_hosts=len(order)), report)
        self._withhold_unproven(opening, report)
        others = [turn for turn in turns if turn not in canaries and _open(report.targets[turn.name])]
        self._take(state.followed_by(others), report)
        if self._time.why_over:
            report.problems.append(f"Not finished: {self._time.why_over}. What is left stays owed, for the next run.")
        return report

    @property
    def _hosts(self) -> tuple[str, ...]:
        return self._settings.hosts or tuple(self._targets)

    def _report(self, opening: OpeningStand, *, predicted: bool = False) -> PushReport:
        return opening.report(self._hosts, of_all=not self._settings.hosts, predicted=predicted)

    def _turn(self, report: TargetReport, queued: t.Mapping[DebtKey, OwedEntry]) -> Turn:
        target = self._targets[report.name]
        entries = [queued.get((report.name, lineage)) for lineage in _open(report)]
        return Turn(
            target.name,
            target.retries,
            target.retry_interval,
            not_before=self._time.monotonic() + self._seconds_left(target, entries),
            patience=target.timeout + target.receipt_timeout + longest_proof(target) + _MARGIN,
        )

    def _seconds_left(self, target: PushTarget, entries: t.Sequence[OwedEntry | None]) -> float:
        """Until the next attempt, where a run was killed between two. A clock that was wrong delays nobody long."""
        told = [entry.next_attempt if entry else None for entry in entries]
        instants = [parse_isoformat_utc(text) for text in told if text]
        if len(instants) < len(told):
            return 0
        left = (min(instants) - self._time.now()).total_seconds()
        return left if 0 < left <= target.retry_interval else 0

    def _withhold_unproven(self, opening: OpeningStand, report: PushReport) -> None:
        """From all other hosts, what a canary has not proven. One that this run is not about counts as well."""
        canaries = [target.name for target in self._targets.values() if target.canary]
        stand = {**opening.report(canaries, of_all=False).targets, **report.targets}
        unproven: dict[str, LineageReport] = {}
        whose: dict[str, str] = {}
        others = [target for target in report.targets.values() if target.name not in canaries]
        wanted = {lineage for target in others for lineage in _open(target)}
        for name in canaries:
            taken = []
            for each in stand[name].lineages.values():
                if each.evidence == "upload" and (name, each.lineage) in opening.unprovable:
                    taken.append(each.lineage)
                elif not (each.is_proven or each.fault == "not_a_target" or self._may_yet(each, name, report)):
                    unproven.setdefault(each.lineage, each)
                    whose.setdefault(each.lineage, name)
            if wanted & set(taken):
                report.warnings.append(_proves_nothing(name, sorted(wanted & set(taken))))
        for target in others:
            for lineage in _open(target):
                if lineage in unproven:
                    each = target.lineages[lineage]
                    each.error = (
                        f"{whose[lineage]} comes first, as a canary, and has not proven it. See what keeps it from"
                        " that, and push to it again, or set canary to false there."
                    )
                    each.fault, each.waiting = "canary", unproven[lineage].waiting

    @staticmethod
    def _may_yet(each: LineageReport, host: str, report: PushReport) -> bool:
        """Whether a canary proves it in the run that is predicted, if all goes well."""
        return report.predicted and host in report.targets and each.is_open

    def _take(self, state: Turns, report: PushReport) -> Turns:
        """Push to these hosts. Returns the same, over."""
        if not state.names:
            return state
        attempts = {name: self._attempts(report.targets[name]) for name in state.names}
        running: dict[concurrent.futures.Future[AttemptEnd], str] = {}
        with concurrent.futures.ThreadPoolExecutor(min(self._settings.rules.lanes, len(attempts))) as pool:
            cut_at: float | None = None
            while True:
                if self._time.why_over:
                    state.end()
                    cut_at = cut_at or self._time.monotonic() + _GRACE
                    if self._time.monotonic() >= cut_at:
                        self._ports.deliverer.cut()
                step = state.next(self._time.monotonic())
                if isinstance(step, Turn):
                    running[pool.submit(attempts[step.name].attempt, is_last=step.is_last)] = step.name
                elif step is None and not running:
                    break
                else:
                    seconds = _LONGEST_WAIT if step is None else min(step, _LONGEST_WAIT)
                    for name, end in self._ended(seconds, running):
                        state.ended(name, self._with_work_of_others(report, name, end), self._time.monotonic())
        for name in state.untouched:
            self._note_untouched(report.targets[name], state)
        if any(_is_busy(report.targets[name]) for name in state.names):
            self._collector.note_work_of_others(report)
        return state

    def _ended(
        self, seconds: float, running: dict[concurrent.futures.Future[AttemptEnd], str]
    ) -> list[tuple[str, AttemptEnd]]:
        """Whose attempts have ended, and how. It waits so long at most, or until one has."""
        if not running:
            with contextlib.suppress(RunEnds):
                self._time.pause(seconds)
            return []
        done, _others = concurrent.futures.wait(running, seconds, return_when=concurrent.futures.FIRST_COMPLETED)
        return [(running.pop(future), future.result()) for future in done]

    def _with_work_of_others(self, report: PushReport, name: str, end: AttemptEnd) -> AttemptEnd:
        """What another run has brought to the host meanwhile is no failure of this one."""
        target = report.targets[name]
        if end != "failed" or not _is_busy(target):
            return end
        self._collector.note_work_of_others(report, [name])
        return "failed" if target.has_failed else "settled"

    def _attempts(self, report: TargetReport) -> HostAttempts:
        target = self._targets[report.name]
        return HostAttempts(target, _open(report), report, self._attempt_ports, self._settings.attempts, self._time)

    def _note_untouched(self, report: TargetReport, state: Turns) -> None:
        for lineage in _open(report):
            each = report.lineages[lineage]
            if self._time.why_over:
                each.error, each.fault = "It was not its turn before the run had to end.", "ended"
            elif state.has_too_many_failures:
                each.error = f"It was not its turn: {state.failed} other hosts had failed (max_fail_percentage)."
                each.fault = "stopped"


def _open(report: TargetReport) -> list[str]:
    """Names of the lineages that are to be pushed to it."""
    return [each.lineage for each in report.lineages.values() if each.is_open]


def _proves_nothing(host: str, lineages: t.Sequence[str]) -> str:
    return (
        f"{host} comes first, as a canary, and cannot prove {listed(lineages)}: none of its endpoints has to show that"
        " and nothing else. The others get it all the same. Give it such endpoints."
    )


def _is_busy(report: TargetReport) -> bool:
    """Whether another run has, or had, some of it."""
    return any(each.fault == "busy" for each in report.lineages.values())


def _has_failed_before(report: TargetReport) -> bool:
    return any(report.lineages[lineage].attempts for lineage in _open(report))
