# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of certificate_proof_info."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core.pipeline.proof_report import CertificateProof, DeployedCertificate, ProofReport
from .._core.x509.bundle import describe_pem
from .._errors import InvalidOption, RotationError
from .._ports.store.atomic import read_regular_file
from .boundary import module_boundary
from .dependencies import require_library
from .proving import find_binds, prove
from .tls_endpoint_info import check_limits

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "certificates": {"type": "list", "elements": "dict", "required": True},
    "only": {"type": "list", "elements": "str"},
    "binds": {"type": "list", "elements": "str"},
    "config": {"type": "list", "elements": "path", "default": ["/etc/haproxy/haproxy.cfg"]},
    "environment": {"type": "dict", "default": {}},
    "max_names": {"type": "int"},
    "socket": {"type": "str"},
    "reloaded": {"type": "bool", "default": False},
    "allow_unreferenced": {"type": "bool", "default": False},
    "on_unproven": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
    "timeout": {"type": "float", "default": 5.0},
    "concurrency": {"type": "int", "default": 32},
    "retries": {"type": "int", "default": 3},
    "delay": {"type": "float", "default": 0.5},
    "on_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}
_SHOWN_CERTIFICATES, _SHOWN_FINDINGS = 10, 3


def run(module: t.Any) -> None:
    with module_boundary(module):
        params = module.params
        check_limits(params)
        if params["retries"] < 0 or params["delay"] < 0 or (params["max_names"] or 1) < 1:
            raise InvalidOption("retries and delay must not be negative, and max_names must be at least 1.")
        require_library("cryptography")
        unreadable: list[CertificateProof] = []
        certificates = [item for entry in params["certificates"] for item in _certificate(entry, unreadable)]
        given = certificates + [proof.certificate for proof in unreadable]
        unknown = sorted(set(params["only"] or ()) - {certificate.name for certificate in given})
        if unknown:
            raise InvalidOption(f"only: {', '.join(unknown)} is not among the certificates, or deployed nothing.")
        binds = find_binds(params)
        report, probes = prove(certificates, binds, params)
        wanted = (proof for proof in unreadable if params["only"] is None or proof.certificate.name in params["only"])
        report = ProofReport((*report.certificates, *wanted))
        failures = report.failures(params["allow_unreferenced"], params["on_unproven"] == "warn")
        unproven = report.unproven(params["allow_unreferenced"])
        probed = [bind.label for bind in binds if bind.not_probeable is None]
        result = {
            "changed": False,
            "proven": not unproven,
            "outcome": _worst(report),
            "probes": probes,
            "binds": probed,
            "not_probed": [{"bind": bind.label, "reason": bind.not_probeable} for bind in binds if bind.not_probeable],
            "certificates": [_result(proof) for proof in report.certificates],
        }
        message = _message(report, unproven, probed)
        if failures and params["on_failure"] == "fail":
            module.fail_json(msg=message, **result)
        if unproven and not failures:
            module.warn(message)
        module.exit_json(msg=message, **result)


def _worst(report: ProofReport) -> str:
    outcomes = {proof.outcome for proof in report.certificates}
    return next((outcome for outcome in ("wrong", "unasked") if outcome in outcomes), "right")


def _certificate(entry: t.Mapping[str, t.Any], unreadable: list[CertificateProof]) -> t.Iterator[DeployedCertificate]:
    """The certificate of an entry; none for an entry of certificate_sync that deployed nothing.

    One whose file does not tell its names goes to unreadable, and does not keep the others from being proven.
    """
    if entry.get("action") in ("removed", "refused", "failed"):
        return
    path, fingerprint = str(entry.get("path") or ""), entry.get("fingerprint_sha256")
    if not path or not fingerprint:
        raise InvalidOption(f"certificates: each needs path and fingerprint_sha256; {entry.get('name')!r} lacks one.")
    fingerprint = str(fingerprint).replace(":", "").lower()
    names, key_type, key = entry.get("subject_alternative_names"), entry.get("key_type"), entry.get("key")
    if names is None or (key_type is None and not key):
        try:
            facts = _facts_of_file(path)
        except RotationError as error:
            unknown = DeployedCertificate(str(entry.get("name") or path), os.path.realpath(path), fingerprint, ())
            unreadable.append(CertificateProof(unknown, 0, reason=error.message))
            return
        names = facts["subject_alternative_names"] if names is None else names
        key = key or facts["key"]
    yield DeployedCertificate(
        name=str(entry.get("name") or path),
        path=os.path.realpath(path),
        fingerprint_sha256=fingerprint,
        subject_alternative_names=tuple(str(name) for name in names),
        key_type=str(key_type or {"RSA": "rsa", "EC": "ecdsa"}.get(str(key).split()[0], "other")).lower(),
    )


def _facts_of_file(path: str) -> dict[str, t.Any]:
    try:
        return describe_pem(read_regular_file(path))
    except OSError as error:
        raise InvalidOption(
            f"Cannot read {path}: {error.strerror}. Run this where the certificates are, or give key_type and"
            " subject_alternative_names for each."
        ) from None
    except RotationError as error:
        raise InvalidOption(f"{path}: {error.message}") from None


def _result(proof: CertificateProof) -> dict[str, t.Any]:
    return {
        "name": proof.certificate.name,
        "path": proof.certificate.path,
        "fingerprint_sha256": proof.certificate.fingerprint_sha256,
        "outcome": proof.outcome,
        "proven": proof.proven,
        "unreferenced": proof.unreferenced,
        "reason": proof.reason,
        "not_proven_because": list(proof.because),
        "mismatches": [dataclasses.asdict(mismatch) for mismatch in proof.mismatches],
        "unanswered": [dataclasses.asdict(question) for question in proof.unanswered],
        "unasked": [{**dataclasses.asdict(item), "server_name": item.server_name or ""} for item in proof.unasked],
    }


def _message(report: ProofReport, unproven: t.Sequence[CertificateProof], binds: t.Sequence[str]) -> str:
    total = len(report.certificates)
    if not unproven:
        proven = sum(proof.proven for proof in report.certificates)
        return f"{proven} of {total} certificates proven on {len(binds)} binds."
    wrong = [proof for proof in unproven if proof.mismatches]
    others = [proof for proof in unproven if not proof.mismatches]
    lines = []
    if wrong:
        lines += [f"{len(wrong)} of {total} certificates are not served:", *_findings(wrong)]
    if others:
        lines += [f"{len(others)} of {total} certificates are not proven, because", *_findings(others)]
    if not binds:
        lines.append("There is no TLS bind to probe: name HAProxy's files in config, or its listeners in binds")
    return "\n".join(lines)


def _findings(proofs: t.Sequence[CertificateProof]) -> list[str]:
    lines = []
    for proof in proofs[:_SHOWN_CERTIFICATES]:
        findings = list(proof.because[:_SHOWN_FINDINGS])
        if len(proof.because) > _SHOWN_FINDINGS:
            findings.append(f"and {len(proof.because) - _SHOWN_FINDINGS} more")
        lines.append(f"{proof.certificate.name}: {'; '.join(findings)}")
    if len(proofs) > _SHOWN_CERTIFICATES:
        lines.append(f"and {len(proofs) - _SHOWN_CERTIFICATES} more certificates")
    return lines
