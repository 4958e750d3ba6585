# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of certificate_proof_info."""

from __future__ import annotations

import os
import time
import typing as t

from .._errors import InvalidOption, RotationError
from .._haproxy.binds import endpoint_label, listening_address, tls_binds
from .._proof import CertificateProof, DeployedCertificate, ProofReport, ProofTarget, TlsBind, proof_targets, verdicts
from .._store.atomic import read_regular_file
from .._tls.endpoint import Endpoint
from .._tls.probe import Observation, probe_many
from .._x509.bundle import describe_pem
from .boundary import module_boundary
from .dependencies import require_library
from .tls_endpoint_info import check_limits

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "certificates": {"type": "list", "elements": "dict", "required": True},
    "only": {"type": "list", "elements": "str"},
    "binds": {"type": "list", "elements": "str"},
    "config": {"type": "list", "elements": "path", "default": ["/etc/haproxy/haproxy.cfg"]},
    "environment": {"type": "dict", "default": {}},
    "max_names": {"type": "int"},
    "allow_unreferenced": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 5.0},
    "concurrency": {"type": "int", "default": 32},
    "retries": {"type": "int", "default": 3},
    "delay": {"type": "float", "default": 0.5},
    "on_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}
_SHOWN_CERTIFICATES, _SHOWN_MISMATCHES = 10, 3


def run(module: t.Any) -> None:
    with module_boundary(module):
        params = module.params
        check_limits(params)
        if params["retries"] < 0 or params["delay"] < 0 or (params["max_names"] or 1) < 1:
            raise InvalidOption("retries and delay must not be negative, and max_names must be at least 1.")
        require_library("cryptography")
        certificates = [item for entry in params["certificates"] for item in _certificate(entry)]
        unknown = sorted(set(params["only"] or ()) - {certificate.name for certificate in certificates})
        if unknown:
            raise InvalidOption(f"only: {', '.join(unknown)} is not among the certificates, or deployed nothing.")
        binds = probed_binds(params)
        report, probes = prove(certificates, binds, params)
        failures = report.failures(params["allow_unreferenced"])
        probed = [bind.label for bind in binds if bind.not_probeable is None]
        result = {
            "changed": False,
            "proven": not failures,
            "probes": probes,
            "binds": probed,
            "not_probed": [{"bind": bind.label, "reason": bind.not_probeable} for bind in binds if bind.not_probeable],
            "certificates": [_result(proof) for proof in report.certificates],
        }
        message = _message(report, failures, probed)
        if failures and params["on_failure"] == "fail":
            module.fail_json(msg=message, **result)
        module.exit_json(msg=message, **result)


def _certificate(entry: t.Mapping[str, t.Any]) -> t.Iterator[DeployedCertificate]:
    """The certificate of an entry; none for an entry of certificate_sync that deployed nothing."""
    if entry.get("action") in ("removed", "refused", "failed"):
        return
    path, fingerprint = str(entry.get("path") or ""), entry.get("fingerprint_sha256")
    if not path or not fingerprint:
        raise InvalidOption(f"certificates: each needs path and fingerprint_sha256; {entry.get('name')!r} lacks one.")
    names, key_type, key = entry.get("subject_alternative_names"), entry.get("key_type"), entry.get("key")
    if names is None or (key_type is None and not key):
        facts = _facts_of_file(path)
        names = facts["subject_alternative_names"] if names is None else names
        key = key or facts["key"]
    yield DeployedCertificate(
        name=str(entry.get("name") or path),
        path=os.path.realpath(path),
        fingerprint_sha256=str(fingerprint).replace(":", "").lower(),
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


def probed_binds(params: t.Mapping[str, t.Any]) -> list[TlsBind]:
    """The listeners that the options binds, or else config and environment, name."""
    if params["binds"] is None:
        return tls_binds(params["config"], {**os.environ, **{k: str(v) for k, v in params["environment"].items()}})
    binds = []
    for text in params["binds"]:
        host, ports, reason = listening_address(text)
        if reason:
            raise InvalidOption(f"binds: {text!r} {reason}; give address:port, such as 127.0.0.1:443 or [::1]:443.")
        binds += [TlsBind(endpoint_label(host, port), host, port) for port in ports]
    return binds


def prove(
    certificates: t.Sequence[DeployedCertificate], binds: t.Sequence[TlsBind], params: t.Mapping[str, t.Any]
) -> tuple[ProofReport, int]:
    """The report, and the number of handshakes. Only what is not proven is probed again, after a delay each time.

    params: max_names, only, timeout, concurrency, retries and delay, as in ARGUMENT_SPEC.
    """
    only = None if params["only"] is None else frozenset(params["only"])
    targets = proof_targets(certificates, binds, params["max_names"], only)
    answers: dict[int, Observation] = {}
    pending = list(range(len(targets)))
    probes = 0
    for attempt in range(params["retries"] + 1):
        if attempt:
            time.sleep(params["delay"])
        answered, asked = _ask([targets[index] for index in pending], params)
        answers.update(zip(pending, answered))
        probes += asked
        report = verdicts(certificates, binds, targets, [answers[index] for index in range(len(targets))], only)
        unproven = {proof.certificate for proof in report.certificates if proof.mismatches}
        pending = [index for index, target in enumerate(targets) if target.certificate in unproven]
        if not pending:
            break
    return report, probes


def _ask(targets: t.Sequence[ProofTarget], params: t.Mapping[str, t.Any]) -> tuple[list[Observation], int]:
    """An answer for each target, and the number of handshakes made.

    One target of each listener goes first: where it times out the others would too, one after the other, for hours.
    """

    def ask(some: t.Sequence[ProofTarget]) -> list[Observation]:
        return probe_many([_endpoint(target) for target in some], params["timeout"], params["concurrency"])

    scouts = {target.bind.label: target for target in reversed(targets)}
    first = dict(zip(scouts, ask(list(scouts.values()))))
    silent = {label: answer for label, answer in first.items() if (answer.error or "").startswith("timeout")}
    others = [
        target for target in targets if target.bind.label not in silent and target is not scouts[target.bind.label]
    ]
    answers = dict(zip(map(id, others), ask(others)))
    return [answers.get(id(target), first[target.bind.label]) for target in targets], len(scouts) + len(others)


def _endpoint(target: ProofTarget) -> Endpoint:
    bind = target.bind
    return Endpoint(
        bind.host,
        bind.port,
        server_name=target.server_name,
        key_type=target.key_type,
        proxy_protocol=bind.proxy_protocol,
    )


def _result(proof: CertificateProof) -> dict[str, t.Any]:
    return {
        "name": proof.certificate.name,
        "path": proof.certificate.path,
        "fingerprint_sha256": proof.certificate.fingerprint_sha256,
        "proven": proof.proven,
        "unreferenced": proof.unreferenced,
        "reason": proof.reason,
        "mismatches": [
            {
                "bind": mismatch.bind,
                "server_name": mismatch.server_name,
                "expected_fingerprint_sha256": mismatch.expected_fingerprint_sha256,
                "served_fingerprint_sha256": mismatch.served_fingerprint_sha256,
                "error": mismatch.error,
            }
            for mismatch in proof.mismatches
        ],
    }


def _message(report: ProofReport, failures: t.Sequence[CertificateProof], binds: t.Sequence[str]) -> str:
    total = len(report.certificates)
    if not failures:
        proven = sum(proof.proven for proof in report.certificates)
        return f"{proven} of {total} certificates proven on {len(binds)} binds."
    lines = [f"{len(failures)} of {total} certificates are not proven to be served:"]
    for proof in failures[:_SHOWN_CERTIFICATES]:
        findings = [str(mismatch) for mismatch in proof.mismatches[:_SHOWN_MISMATCHES]]
        if len(proof.mismatches) > _SHOWN_MISMATCHES:
            findings.append(f"and {len(proof.mismatches) - _SHOWN_MISMATCHES} more")
        lines.append(f"{proof.certificate.name}: {'; '.join(findings) or proof.reason}")
    if len(failures) > _SHOWN_CERTIFICATES:
        lines.append(f"and {len(failures) - _SHOWN_CERTIFICATES} more certificates")
    if not binds:
        lines.append("There is no TLS bind to probe: name HAProxy's files in config, or its listeners in binds")
    return "\n".join(lines)
