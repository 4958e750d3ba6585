# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the certificates of one directory fare in the four layers, and how its last runs ended. It only looks."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._core.limits import check_limits
from .._core.pipeline.manifest import Entry, Manifest
from .._core.pipeline.proof_report import CertificateProof, DeployedCertificate
from .._core.pipeline.source import CertificateSource, SecretVersion, Selection
from .._core.promotion import CURRENT, LabelReading
from .._core.record.status import UNASKED, CertificateStatus, LayerFinding, Status, Verdict, run_status
from .._core.text import listed
from .._errors import InvalidOption, RotationError, SecretsManagerError
from .._ports.haproxy.loaded_files import kind_of_key
from .._ports.store import last_success
from .._ports.store.atomic import store_errors
from .._ports.store.directory import CertificateDirectory
from .metrics import load_totals
from .rotate.asking import ask_listeners
from .rotate.prove import chain_of_file, chain_rules, find_binds, used_besides, with_all_files
from .rotate.record import read_state
from .rotate.settings import ProofSettings
from .status_memory import look_at_memory

_LayerFindings = t.Mapping[str, LayerFinding]


@dataclass(frozen=True)
class StatusSettings:
    """Where to look, and what is a problem.

    listeners: of HAProxy, asked when there are files of its configuration or binds; with their stats socket its memory
    is asked, too; success_files: touched by runs that ended well; max_age: of the last success; allow_unreferenced,
    allow_unanswered: whether a certificate that no listener loads, or a listener that does not answer, is a warning.
    """

    listeners: ProofSettings
    master_socket: str | None = None
    success_files: t.Sequence[str] = ()
    max_age: timedelta | None = None
    allow_unreferenced: bool = False
    allow_unanswered: bool = False


class FoundStatus(t.NamedTuple):
    """recent_errors: of earlier runs, as they were recorded; warning: what is not known any more, "" for nothing."""

    status: Status
    recent_errors: t.Sequence[t.Any]
    warning: str

    def as_result(self) -> dict[str, t.Any]:
        return {"recent_errors": self.recent_errors, **self.status.as_result()}


def look_at_status(
    path: str, settings: StatusSettings, make_source: t.Callable[[], CertificateSource] | None, now: datetime
) -> FoundStatus:
    """path: of the certificate directory; make_source: called when there is something to ask it, None asks it nothing.

    Raises InvalidOption, and RotationError for what keeps all from being looked at.
    """
    listeners = settings.listeners
    check_limits(listeners.timeout, listeners.concurrency)
    directory = CertificateDirectory(path)
    manifest, damage = directory.load()
    totals, lost = load_totals(directory.path)
    memory = look_at_memory(
        manifest, directory.path, listeners.socket, settings.master_socket, listeners.config, listeners.timeout
    )
    layers = {
        "source": _source(manifest, make_source) if make_source else {},
        "disk": _disk(manifest, directory),
        "memory": memory.findings,
        "wire": _wire(manifest, directory, listeners) if listeners.config or listeners.binds else {},
    }
    state = read_state(directory.path)
    touched = _touched(settings.success_files, last_success.touched(directory))
    status = Status(
        certificates=[
            _certificate(name, entry, directory, layers, memory.open_transaction)
            for name, entry in sorted(manifest.entries.items())
        ],
        runs=run_status(state, totals.last_run, totals.last_success, totals.last_run_succeeded, touched, now=now),
        now=now,
        max_age=settings.max_age,
        open_transaction=memory.open_transaction,
        allow_unreferenced=settings.allow_unreferenced,
        damage=damage,
        old_workers=memory.old_workers,
        why_unknown=memory.why_unknown,
        blind=memory.blind,
        nothing="" if manifest.entries or damage else _nothing(directory.path, memory.names),
        unasked=memory.unasked,
        allow_unanswered=settings.allow_unanswered,
    )
    return FoundStatus(status, state.get("recent_errors", []), lost or "")


def _nothing(directory: str, held: t.Sequence[str]) -> str:
    """What there is instead: files of others, or ours that the manifest has forgotten."""
    text = f"No certificate is deployed to {directory}"
    with store_errors(f"list {directory}"):
        try:
            files = sorted(name for name in os.listdir(directory) if not name.startswith("."))
        except FileNotFoundError:
            return f"{text}: there is no such directory."
    there = f", though {listed(files)} {'is' if len(files) == 1 else 'are'} there" if files else ""
    served = f" HAProxy holds {listed(sorted(held))}." if held else ""
    return f"{text}{there}.{served}"


def _touched(paths: t.Sequence[str], own: float | None) -> list[int]:
    """When the files were touched, in seconds since 1970. Those that do not exist tell nothing.

    own: when the directory's own stamp was.
    """
    times = [] if own is None else [int(own)]
    for path in paths:
        with store_errors(f"read {path}"), contextlib.suppress(FileNotFoundError):
            times.append(int(os.stat(path).st_mtime))
    return times


def _certificate(
    name: str,
    entry: Entry,
    directory: CertificateDirectory,
    layers: t.Mapping[str, _LayerFindings],
    transaction: str | None,
) -> CertificateStatus:
    path = os.path.join(directory.path, entry.main_path)
    return CertificateStatus(
        name,
        path,
        entry.version_id,
        entry.proven == entry.current.digest,
        entry.current.summary,
        {layer: findings.get(name, UNASKED) for layer, findings in layers.items()},
        transaction is not None and os.path.realpath(transaction) == os.path.realpath(path),
    )


def _source(manifest: Manifest, make_source: t.Callable[[], CertificateSource]) -> _LayerFindings:
    """By ListSecrets: no value is read. What was not taken from Secrets Manager has no version there."""
    entries = {entry.arn: entry for entry in manifest.entries.values() if entry.arn}
    if not entries:
        return {}
    try:
        # By the labels that they were read by: how far others have come is for those to know who configure the host.
        labels = dict.fromkeys(entry.label for entry in entries.values() if entry.label != CURRENT)
        found = make_source().discover(Selection(names=tuple(entries), labels=(*labels, CURRENT)))
    except SecretsManagerError as error:
        return {entry.name: LayerFinding("unknown", error.message) for entry in entries.values()}
    findings = {}
    for failure in found.failures:
        entry = entries.get(failure.arn or failure.name) or entries.get(failure.name)
        if entry:
            gone = failure.problem.code in ("secret_missing", "secret_deleted")
            place = f" It was looked for in {found.where}." if gone else ""
            findings[entry.name] = LayerFinding("absent" if gone else "unknown", f"{failure.problem.message}{place}")
    for secret in found.secrets:
        entry = entries.get(secret.arn)
        if entry:
            findings[entry.name] = _beside_source(entry, secret)
    return findings


def _beside_source(entry: Entry, secret: SecretVersion) -> LayerFinding:
    readings = secret.readings or (LabelReading(CURRENT, secret.version_id),)
    versions = {reading.label: reading.version_id for reading in readings}
    if entry.version_id in (versions.get(entry.label), versions.get(CURRENT)):
        return LayerFinding("ok")
    if entry.label != CURRENT:
        return LayerFinding("differs", f"it is no longer the candidate with the label {entry.label}")
    return LayerFinding("differs", "another version is current")


def _disk(manifest: Manifest, directory: CertificateDirectory) -> _LayerFindings:
    findings = {}
    with directory.looking():
        for name, entry in manifest.entries.items():
            if directory.intact(entry):
                findings[name] = LayerFinding("ok")
            elif directory.live_file(entry.layout, entry.stem):
                findings[name] = LayerFinding("differs", "the file is not the one that was written")
            else:
                findings[name] = LayerFinding("absent", "the file is gone")
    return findings


def _wire(manifest: Manifest, directory: CertificateDirectory, listeners: ProofSettings) -> _LayerFindings:
    listeners.check()
    deployed = [
        DeployedCertificate(
            name=name,
            path=path,
            fingerprint_sha256=str(summary.get("fingerprint_sha256")),
            subject_alternative_names=tuple(summary.get("subject_alternative_names", ())),
            key_type=kind_of_key(summary.get("key")),
            previous_fingerprint_sha256=str(before.summary.get("fingerprint_sha256") or "") if before else "",
            chain=chain_of_file(path, str(summary.get("fingerprint_sha256"))),
        )
        for name, entry in manifest.entries.items()
        for summary, before in [(entry.current.summary, entry.served_before or next(iter(entry.previous), None))]
        for path in [os.path.realpath(os.path.join(directory.path, entry.main_path))]
    ]
    try:
        listeners = with_all_files(listeners)
        binds = find_binds(listeners)
        binds += used_besides(deployed, binds, listeners)
        report = ask_listeners(deployed, binds, listeners, rules=chain_rules(listeners, binds)).report
    except InvalidOption:
        raise
    except RotationError as error:
        return dict.fromkeys(manifest.entries, LayerFinding("unknown", error.message))
    return {proof.certificate.name: _seen(proof) for proof in report.certificates}


def _seen(proof: CertificateProof) -> LayerFinding:
    if proof.unreferenced:
        return LayerFinding("absent", proof.reason or "")
    verdicts: dict[str, Verdict] = {"right": "ok", "wrong": "differs", "shadowed": "differs"}
    verdict = verdicts.get(proof.outcome, "unanswered" if proof.unanswered else "unasked")
    return LayerFinding(verdict, next(iter(proof.because), ""))
