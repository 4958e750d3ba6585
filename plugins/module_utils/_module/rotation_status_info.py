# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_status_info: the state files and the four layers to one status. It only looks."""

from __future__ import annotations

import contextlib
import os
import typing as t
from datetime import datetime, timezone

from .._core.pipeline.manifest import Entry, Manifest
from .._core.pipeline.proof_report import CertificateProof, DeployedCertificate
from .._core.pipeline.source import Selection
from .._core.record.status import UNASKED, CertificateStatus, LayerFinding, Status, Verdict, listed, run_status
from .._errors import InvalidOption, RotationError, SecretsManagerError
from .._flows.metrics import load_totals
from .._flows.rotate.prove import ProofSettings, ask_listeners, find_binds, kind_of_key
from .._flows.rotate.record import read_state
from .._ports.aws.secrets_manager import SecretsManager
from .._ports.store.atomic import store_errors
from .._ports.store.directory import CertificateDirectory
from .._ports.tls.probe import check_limits
from .boundary import module_boundary
from .options import duration_option
from .status_memory import look_at_memory

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "max_age": {"type": "str"},
    "success_files": {"type": "list", "elements": "path", "default": []},
    "check_source": {"type": "bool", "default": False},
    "socket": {"type": "str"},
    "master_socket": {"type": "str"},
    "config": {"type": "list", "elements": "path"},
    "environment": {"type": "dict", "default": {}},
    "binds": {"type": "list", "elements": "str"},
    "max_names": {"type": "int"},
    "allow_unreferenced": {"type": "bool", "default": False},
    "on_unproven": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
    "timeout": {"type": "float", "default": 5.0},
    "concurrency": {"type": "int", "default": 32},
}
_LayerFindings = t.Mapping[str, LayerFinding]


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        check_limits(params["timeout"], params["concurrency"])
        max_age = duration_option(params, "max_age") if params["max_age"] else None
        directory = CertificateDirectory(params["path"])
        manifest, damage = directory.load()
        totals, lost = load_totals(directory.path)
        if lost:
            module.warn(lost)
        memory = look_at_memory(manifest, directory.path, params)
        layers = {
            "source": _source(manifest, module) if params["check_source"] else {},
            "disk": _disk(manifest, directory),
            "memory": memory.findings,
            "wire": _wire(manifest, directory, params) if params["config"] or params["binds"] else {},
        }
        state = read_state(directory.path)
        status = Status(
            [
                _certificate(name, entry, directory, layers, memory.open_transaction)
                for name, entry in sorted(manifest.entries.items())
            ],
            run_status(
                state,
                totals.last_run,
                totals.last_success,
                totals.last_run_succeeded,
                _last_touched(params["success_files"]),
            ),
            datetime.now(timezone.utc),
            max_age,
            memory.open_transaction,
            params["allow_unreferenced"],
            damage,
            memory.old_workers,
            memory.why_unknown,
            memory.blind,
            "" if manifest.entries or damage else _nothing(directory.path, memory.names),
            memory.unasked,
            params["on_unproven"] == "warn",
        )
        module.exit_json(changed=False, recent_errors=state.get("recent_errors", []), **status.as_result())


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


def _last_touched(paths: t.Sequence[str]) -> int | None:
    """When the newest of the files was touched, in seconds since 1970. Those that do not exist tell nothing."""
    times = []
    for path in paths:
        with store_errors(f"read {path}"), contextlib.suppress(FileNotFoundError):
            times.append(int(os.stat(path).st_mtime))
    return max(times, default=None)


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


def _source(manifest: Manifest, module: AwsModule) -> _LayerFindings:
    """By ListSecrets: no value is read. What was not taken from Secrets Manager has no version there."""
    entries = {entry.arn: entry for entry in manifest.entries.values() if entry.arn}
    if not entries:
        return {}
    try:
        found = SecretsManager(module.client("secretsmanager"), module.retry).discover(Selection(names=tuple(entries)))
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
            newer = secret.version_id != entry.version_id
            findings[entry.name] = (
                LayerFinding("differs", "another version is current") if newer else LayerFinding("ok")
            )
    return findings


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


def _wire(manifest: Manifest, directory: CertificateDirectory, params: t.Mapping[str, t.Any]) -> _LayerFindings:
    names = ("config", "environment", "binds", "socket", "max_names", "timeout", "concurrency")
    settings = ProofSettings(retries=1, delay=0.2, **{name: params[name] for name in names if name in params}).check()
    deployed = [
        DeployedCertificate(
            name=name,
            path=os.path.realpath(os.path.join(directory.path, entry.main_path)),
            fingerprint_sha256=str(summary.get("fingerprint_sha256")),
            subject_alternative_names=tuple(summary.get("subject_alternative_names", ())),
            key_type=kind_of_key(summary.get("key")),
        )
        for name, entry in manifest.entries.items()
        for summary in [entry.current.summary]
    ]
    try:
        report, _probes = ask_listeners(deployed, find_binds(settings), settings)
    except InvalidOption:
        raise
    except RotationError as error:
        return dict.fromkeys(manifest.entries, LayerFinding("unknown", error.message))
    return {proof.certificate.name: _seen(proof) for proof in report.certificates}


def _seen(proof: CertificateProof) -> LayerFinding:
    if proof.unreferenced:
        return LayerFinding("absent", proof.reason or "")
    verdicts: dict[str, Verdict] = {"right": "ok", "wrong": "differs"}
    verdict = verdicts.get(proof.outcome, "unanswered" if proof.unanswered else "unasked")
    return LayerFinding(verdict, next(iter(proof.because), ""))
