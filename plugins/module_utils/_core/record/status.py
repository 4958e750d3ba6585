# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is all as it should be? One verdict from the last run and from the layers that a certificate is in. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..instants import format_duration, from_timestamp, is_ahead, isoformat_utc, parse_isoformat_utc
from ..renewal import renewal_due
from ..text import listed

#: From where a certificate comes to who asks for it.
LAYERS: t.Final = ("source", "disk", "memory", "wire")
Verdict = t.Literal["ok", "differs", "absent", "unknown", "unanswered", "unasked"]
VERDICTS: t.Final[tuple[str, ...]] = t.get_args(Verdict)


@dataclass(frozen=True)
class LayerFinding:
    """One layer of one certificate. unknown: it was not asked about, or could not be read; then reason says why.

    Of the wire also unanswered, where a question got no answer, and unasked, where by its nature none can be asked.
    """

    verdict: Verdict
    reason: str = ""


UNASKED: t.Final = LayerFinding("unknown")


@dataclass(frozen=True)
class OldWorker:
    """A worker that a reload has left behind. reloads, uptime: None where they are not known; findings: certificate ->
    finding; open_transaction: as of Status; reason: why it could not be asked, "" when it could."""

    pid: int
    reloads: int | None = None
    uptime: timedelta | None = None
    findings: t.Mapping[str, LayerFinding] = field(default_factory=dict)
    open_transaction: str | None = None
    reason: str = ""

    @property
    def differing(self) -> list[str]:
        return [name for name, finding in self.findings.items() if finding.verdict == "differs"]

    def as_result(self) -> dict[str, t.Any]:
        return {
            "pid": self.pid,
            "reloads": self.reloads,
            "uptime_seconds": None if self.uptime is None else int(self.uptime.total_seconds()),
            "open_transaction": self.open_transaction,
            "differing": self.differing,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class CertificateStatus:
    """One deployed certificate. summary: what is remembered of it; layers: layer -> finding; uncommitted: whether
    HAProxy's open transaction is about it."""

    name: str
    path: str
    version_id: str
    proven: bool
    summary: t.Mapping[str, t.Any]
    layers: t.Mapping[str, LayerFinding]
    uncommitted: bool = False

    def as_result(self, now: datetime) -> dict[str, t.Any]:
        begin, end = self.validity
        return {
            "name": self.name,
            "path": self.path,
            "version_id": self.version_id,
            "proven": self.proven,
            "fingerprint_sha256": self.summary.get("fingerprint_sha256"),
            "not_before": self.summary.get("not_before"),
            "not_after": self.summary.get("not_after"),
            "expired": end is not None and end <= now,
            "renewal_due": begin is not None and end is not None and renewal_due(begin, end, now),
            "uncommitted": self.uncommitted,
            "layers": {layer: self.layers.get(layer, UNASKED).verdict for layer in LAYERS},
        }

    @property
    def validity(self) -> tuple[datetime | None, datetime | None]:
        begin, end = (self.summary.get(name) for name in ("not_before", "not_after"))
        return (parse_isoformat_utc(begin) if begin else None, parse_isoformat_utc(end) if end else None)


@dataclass(frozen=True)
class RunStatus:
    """The runs so far. None where nothing is known; errors: of the last recorded run; ahead: the furthest instant that
    was noted for one of them and does not count, for it lies in the future."""

    last_run_at: datetime | None = None
    last_run_succeeded: bool | None = None
    last_success_at: datetime | None = None
    errors: t.Sequence[str] = ()
    ahead: datetime | None = None


@dataclass(frozen=True)
class Status:
    """open_transaction: certificate of HAProxy that somebody has begun to change; max_age: of the last success.

    old_workers: None where they are not known, why_unknown says why; blind: whether that is a problem; nothing: where
    no certificate is deployed, what is there instead; unasked: why no worker could be asked what it holds;
    allow_unanswered: whether a listener that does not answer is a warning only.
    """

    certificates: t.Sequence[CertificateStatus]
    runs: RunStatus
    now: datetime
    max_age: timedelta | None = None
    open_transaction: str | None = None
    allow_unreferenced: bool = False
    damage: str | None = None
    old_workers: t.Sequence[OldWorker] | None = None
    why_unknown: str = ""
    blind: bool = False
    nothing: str = ""
    unasked: str = ""
    allow_unanswered: bool = False

    @property
    def last_success_age(self) -> timedelta | None:
        return None if self.runs.last_success_at is None else self.now - self.runs.last_success_at

    def problems(self) -> list[dict[str, t.Any]]:
        """All that is not as it should be: code, severity error or warning, message."""
        found = [*self._run_problems()]
        if self.open_transaction is not None:
            text = f"A change of {self.open_transaction} was begun in HAProxy and not committed."
            found.append(_problem("open_transaction", "warning", text))
        found += self._absence_problems()
        found += self._worker_problems()
        for certificate in self.certificates:
            found += self._certificate_problems(certificate)
        return found

    def _run_problems(self) -> t.Iterator[dict[str, t.Any]]:
        if self.damage:
            yield _problem("manifest_damaged", "error", self.damage)
        if self.runs.last_run_succeeded is False:
            why = "; ".join(self.runs.errors) or "its output tells why"
            yield _problem("last_run_failed", "error", f"The last run did not end well: {why}")
        age = self.last_success_age
        if self.runs.ahead is not None:
            text = (
                f"The time that was noted for a run, {isoformat_utc(self.runs.ahead)}, lies in the future, so it does"
                " not count. This host's clock was wrong then, or is wrong now: see to it, then run the rotation."
            )
            yield _problem("time_in_future", "error" if age is None else "warning", text)
        elif age is None:
            yield _problem("never_succeeded", "error", "No run has ended well yet.")
        elif self.max_age is not None and age > self.max_age:
            text = f"The last run that ended well was {format_duration(age)} ago"
            yield _problem("last_success_too_old", "error", f"{text}, the limit is {format_duration(self.max_age)}.")

    def _absence_problems(self) -> t.Iterator[dict[str, t.Any]]:
        """Where nothing is left that could differ, nothing does: that alone is not healthy."""
        if self.nothing:
            yield _problem("nothing_deployed", "error", self.nothing)
        if self.unasked:
            yield _problem("memory_unknown", "warning", f"HAProxy was not asked what it holds: {self.unasked}")
        sources = [certificate.layers.get("source", UNASKED) for certificate in self.certificates]
        asked = [finding for finding in sources if finding != UNASKED]
        if asked and all(finding.verdict == "absent" for finding in asked):
            text = (
                f"None of the secrets of {len(asked)} deployed certificates is there any more, so nothing renews them."
            )
            yield _problem("sources_absent", "error", text)

    def _worker_problems(self) -> t.Iterator[dict[str, t.Any]]:
        if self.blind:
            yield _problem("old_workers_unknown", "warning", f"Old workers of HAProxy: {self.why_unknown}")
        for worker in self.old_workers or ():
            who = f"HAProxy's old worker {worker.pid}" + (
                f", started {format_duration(worker.uptime)} ago," if worker.uptime else ""
            )
            if worker.reason:
                yield _problem("old_worker_unknown", "warning", f"{who} could not be asked: {worker.reason}")
            if worker.open_transaction is not None:
                text = f"A change of {worker.open_transaction} was begun in {who} and not committed."
                yield _problem("open_transaction", "warning", text)
            if worker.differing:
                names = listed(worker.differing)
                text = f"{who} still holds another version of {names}, for connections that were open at the reload."
                yield _problem(
                    "old_worker_differs", "warning", f"{text} It ends with the last one; see hard-stop-after."
                )

    def _certificate_problems(self, certificate: CertificateStatus) -> t.Iterator[dict[str, t.Any]]:
        result = certificate.as_result(self.now)
        if result["expired"]:
            yield _problem("expired", "error", f"{certificate.name} expired at {result['not_after']}.")
        elif result["renewal_due"]:
            text = f"{certificate.name} should have been renewed by now; it expires at {result['not_after']}."
            yield _problem("renewal_due", "warning", text)
        for layer, finding in certificate.layers.items():
            if finding.verdict == "ok" or finding == UNASKED:
                continue
            # What is in the source comes with the next run; where nobody refers to a certificate nobody misses it.
            unreferenced = finding.verdict == "absent" and layer in ("memory", "wire") and self.allow_unreferenced
            waits = layer == "source" and finding.verdict != "unknown"
            silent = finding.verdict == "unasked" or (finding.verdict == "unanswered" and self.allow_unanswered)
            severity = "warning" if waits or unreferenced or silent else "error"
            text = f"{certificate.name}, {layer}: {finding.verdict}" + (f", {finding.reason}" if finding.reason else "")
            yield _problem(f"{layer}_{finding.verdict}", severity, f"{text.rstrip('.')}.")

    def as_result(self) -> dict[str, t.Any]:
        problems = self.problems()
        age = self.last_success_age
        runs = self.runs
        return {
            "healthy": not any(problem["severity"] == "error" for problem in problems),
            "problems": problems,
            "last_run_at": isoformat_utc(runs.last_run_at) if runs.last_run_at else None,
            "last_run_succeeded": runs.last_run_succeeded,
            "last_success_at": isoformat_utc(runs.last_success_at) if runs.last_success_at else None,
            "last_success_age_seconds": None if age is None else int(age.total_seconds()),
            "open_transaction": self.open_transaction,
            "old_workers": None if self.old_workers is None else [worker.as_result() for worker in self.old_workers],
            "old_workers_unknown": self.why_unknown or None,
            "certificates": [self._certificate(certificate) for certificate in self.certificates],
            "msg": self._text(problems),
        }

    def _certificate(self, certificate: CertificateStatus) -> dict[str, t.Any]:
        old = [
            {"pid": worker.pid, "verdict": worker.findings.get(certificate.name, UNASKED).verdict}
            for worker in self.old_workers or ()
        ]
        return {**certificate.as_result(self.now), "old_workers": old}

    def _text(self, problems: t.Sequence[t.Mapping[str, t.Any]]) -> str:
        """A table for people, worst news first."""
        errors = sum(problem["severity"] == "error" for problem in problems)
        verdict = "Healthy" if not errors else f"Not healthy, {errors} problem{'s' if errors > 1 else ''}"
        age = self.last_success_age
        none = "not known" if self.runs.ahead else "never"
        success = none if age is None else f"{format_duration(age)} ago" if age.total_seconds() >= 1 else "just now"
        lines = [f"{verdict}: {len(self.certificates)} certificates, last success {success}."]
        lines += [f"{problem['severity']}: {problem['message']}" for problem in problems]
        if self.why_unknown and not self.blind:
            lines.append(f"Not looked at, old workers of HAProxy: {self.why_unknown}")
        rows = [("certificate", "not after", *LAYERS)]
        for certificate in self.certificates:
            result = self._certificate(certificate)
            differing = sum(worker["verdict"] == "differs" for worker in result["old_workers"])
            if differing:
                result["layers"]["memory"] += f", {differing} old differs"
            layers = (result["layers"][layer] for layer in LAYERS)
            rows.append((certificate.name, result["not_after"] or "", *layers))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join(lines)


def run_status(
    state: t.Mapping[str, t.Any],
    last_run: int | None,
    last_success: int | None,
    succeeded: bool | None,
    stamps: t.Iterable[int] = (),
    *,
    now: datetime,
) -> RunStatus:
    """state: of the state file, which tells of runs that changed something; the others: of the metrics, in seconds
    since 1970; stamps: when success files were touched; now: aware.

    Where several know of a run, the latest one counts. A failure counts even where nobody knows when it was.
    """
    read = [state.get("finished_at"), state.get("last_success_at"), last_run, last_success, *stamps]
    instants = [_instant(value) for value in read]
    ahead = max((instant for instant in instants if instant and is_ahead(instant, now)), default=None)
    finished, noted, counted, succeeded_at, *touched = (
        None if instant and is_ahead(instant, now) else instant for instant in instants
    )
    success = max((instant for instant in (noted, succeeded_at, *touched) if instant), default=None)
    stamped = max((instant for instant in touched if instant), default=None)
    undated = [
        failed
        for when, known, failed in (
            (instants[0], finished, _well(state) is False),
            (instants[2], counted, succeeded is False),
        )
        if when and not known
    ]
    if stamped is not None and not any(undated) and stamped >= (counted or stamped):
        counted, succeeded = stamped, True
    errors = [str(text) for text in state.get("failures") or ()]
    recent = state.get("recent_errors") or ()
    if not errors and recent and state.get("outcome") != "proven":
        errors = [str(recent[-1].get("message", ""))]
    if any(undated):
        return RunStatus(None, False, success, errors, ahead)
    if counted and (not finished or counted >= finished):
        # The state file of a run is written a moment before it is counted.
        return RunStatus(counted, succeeded, success, errors if succeeded is False else (), ahead)
    well = _well(state)
    return RunStatus(finished, well, success, errors if well is False else (), ahead)


def _well(state: t.Mapping[str, t.Any]) -> bool | None:
    """Whether the run of the state file ended well; None where there is none."""
    return None if not state else state.get("outcome") == "proven" and not state.get("failures")


def _instant(value: str | int | None) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        return parse_isoformat_utc(value)
    return from_timestamp(value)


def _problem(code: str, severity: str, message: str) -> dict[str, t.Any]:
    return {"code": code, "severity": severity, "message": message}
