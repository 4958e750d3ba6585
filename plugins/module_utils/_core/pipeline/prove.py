# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what was seen over TLS proves a deployment. Pure.

There are three answers: right, wrong, and not to be had. Only a handshake that got another certificate is wrong, and
where HAProxy's configuration wants that other one there, the certificate is shadowed: nothing that was deployed brought
it there, and so nothing is taken back. What was asked and not answered is one thing, what cannot be asked by its nature
another: no time will bring its answer.
"""

from __future__ import annotations

import typing as t

from ..haproxy.listeners import TlsBind
from ..haproxy.selection import CertificateFile
from .proof_report import (
    CertificateProof,
    DeployedCertificate,
    Mismatch,
    ProofReport,
    Shadowed,
    Unanswered,
    Unasked,
)
from .proof_targets import Answer, ProofTarget, selections


def verdicts(
    certificates: t.Sequence[DeployedCertificate],
    binds: t.Sequence[TlsBind],
    targets: t.Sequence[ProofTarget],
    answers: t.Sequence[Answer],
    only: t.Collection[str] | None = None,
    files: t.Mapping[str, CertificateFile] | None = None,
) -> ProofReport:
    """Judge the answers, given in the targets' order. only, files: as for proof_targets.

    A name may be answered by any deployed certificate that has this very name (and key type, where two share it); but
    each certificate must be seen itself, on at least one of its names on each listener, else it is shadowed.
    """
    seen: dict[DeployedCertificate, list[tuple[ProofTarget, Answer]]] = {
        item: [] for item in certificates if only is None or item.name in only
    }
    for target, answer in zip(targets, answers):
        seen[target.certificate].append((target, answer))
    names = {file.fingerprint_sha256: f"that of {path}" for path, file in (files or {}).items()}
    names.update(
        (certificate.fingerprint_sha256, f"another deployed certificate, {certificate.name}")
        for certificate in certificates
    )
    unasked = _unasked(certificates, binds)
    return ProofReport(
        tuple(
            _judge(certificate, pairs, binds, names, unasked.get(certificate, ()))
            for certificate, pairs in seen.items()
        )
    )


def _unasked(
    certificates: t.Sequence[DeployedCertificate], binds: t.Sequence[TlsBind]
) -> dict[DeployedCertificate, tuple[Unasked, ...]]:
    """What cannot be asked by its nature: listeners that no handshake reaches, names that no client can send."""
    found: dict[DeployedCertificate, list[Unasked]] = {}
    by_path = {certificate.path: certificate for certificate in certificates}
    for bind in binds:
        if bind.not_probeable is None:
            for selection in selections(certificates, bind):
                for name, reason in selection.odd.items():
                    found.setdefault(selection.certificate, []).append(Unasked(bind.label, name, reason))
            continue
        for path in dict.fromkeys(reference.path for reference in bind.references or ()):
            if path in by_path:
                found.setdefault(by_path[path], []).append(Unasked(bind.label, None, bind.not_probeable))
    return {certificate: tuple(items) for certificate, items in found.items()}


def _judge(
    certificate: DeployedCertificate,
    pairs: t.Sequence[tuple[ProofTarget, Answer]],
    binds: t.Sequence[TlsBind],
    names: t.Mapping[str, str],
    unasked: tuple[Unasked, ...],
) -> CertificateProof:
    if not pairs:
        unasked = unasked or tuple(
            Unasked(bind.label, None, bind.not_probeable) for bind in binds if bind.incomplete and bind.not_probeable
        )
        reason = None if unasked else _unreferenced_reason(certificate, binds)
        return CertificateProof(certificate, 0, unasked=unasked, unreferenced=not unasked, reason=reason)
    right = [(target, answer) for target, answer in pairs if target.accepts(answer)]
    has_names = any(target.server_name for target, _answer in pairs)
    found = [_finding(target, answer, names, has_names) for target, answer in pairs if not target.accepts(answer)]
    shadowed = [item for item in found if isinstance(item, Shadowed)]
    mismatches = [item for item in found if isinstance(item, Mismatch) and not isinstance(item, Shadowed)]
    unanswered = [item for item in found if isinstance(item, Unanswered)]
    unsure = [item for item in found if isinstance(item, Unasked)]
    silent = {item.bind for item in unanswered if item.server_name}
    by_bind: dict[str, list[tuple[ProofTarget, Answer]]] = {}
    for target, answer in right:
        by_bind.setdefault(target.bind.label, []).append((target, answer))
    for label, all_pairs in by_bind.items():
        accepted_pairs = [pair for pair in all_pairs if pair[0].server_name] or all_pairs
        itself = any(answer.fingerprint_sha256 == certificate.fingerprint_sha256 for _target, answer in accepted_pairs)
        # Over TLS 1.3 alone the twin of the other key type hides it from us, not from clients that need it. And while
        # names are without an answer, one of them may be its own.
        undecidable = label in silent or any(answer.key_type_ignored for _target, answer in accepted_pairs)
        if not itself and not undecidable:
            shadowed.append(_shadowed_by_deployed(*accepted_pairs[0], names))
    return CertificateProof(
        certificate,
        len(pairs),
        tuple(mismatches),
        tuple(unanswered),
        (*unasked, *unsure),
        answered=len(right),
        shadowed=tuple(shadowed),
    )


def _finding(
    target: ProofTarget, answer: Answer, names: t.Mapping[str, str], has_names: bool
) -> Mismatch | Unanswered | Unasked | None:
    """What speaks against a certificate. has_names: it was also asked for by name; then any default one may answer."""
    label, name, served = target.bind.label, target.server_name or "", answer.fingerprint_sha256
    if served is None:
        return Unanswered(label, name, answer.error or "no certificate")
    if target.bind.foreign:
        error = f"its address is none of this host's, and who answers there serves {served}"
        return Unanswered(label, name, error)
    if served in target.others:
        other = target.others[served]
        if answer.key_type_ignored and target.key_type != "any":
            reason = f"cannot be asked for with one type of key alone, and serves {other.path} to who takes any"
            return Unasked(label, name, reason)
        return _shadowed(target, other) if target.server_name or not has_names else None
    if not target.certain:
        which = "who answers" if target.server_name else "which one is the default"
        return Unasked(label, name, f"serves {served}, and {which} is not known here")
    return _mismatch(target, served, names)


def _mismatch(target: ProofTarget, served: str, names: t.Mapping[str, str]) -> Mismatch:
    error = names.get(served, "a certificate that is not deployed now")
    expected = target.certificate.fingerprint_sha256
    return Mismatch(target.bind.label, target.server_name or "", expected, served, error)


def _shadowed(target: ProofTarget, file: CertificateFile) -> Shadowed:
    """By a file that nobody deployed here."""
    valid = f" (valid until {file.not_after})" if file.not_after else ""
    if file.key_type != target.certificate.key_type:
        why = "whose type of key HAProxy prefers"
    else:
        why = "which HAProxy puts before it: it is loaded before, or was not updated as late while HAProxy runs"
    return Shadowed(
        target.bind.label,
        target.server_name or "",
        target.certificate.fingerprint_sha256,
        file.fingerprint_sha256,
        f"that of {file.path}{valid}, {why}. Remove that file, or leave the name to one of the two by SNI filters in a"
        " crt-list; then reload HAProxy",
        file.path,
    )


def _shadowed_by_deployed(target: ProofTarget, answer: Answer, names: t.Mapping[str, str]) -> Shadowed:
    served = answer.fingerprint_sha256 or ""
    return Shadowed(
        target.bind.label,
        target.server_name or "",
        target.certificate.fingerprint_sha256,
        served,
        f"shadowed, for {names.get(served, 'another certificate')} answers each of its names; remove one of the two",
    )


def _unreferenced_reason(certificate: DeployedCertificate, binds: t.Sequence[TlsBind]) -> str:
    loaded = any(certificate.path == item.path for bind in binds for item in bind.references or ())
    if loaded or any(bind.references is None for bind in binds):
        return "no server name selects it: it has IP addresses alone, or its SNI filters exclude its names"
    return "no TLS bind of HAProxy loads this file"
