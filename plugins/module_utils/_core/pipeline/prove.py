# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what was seen over TLS proves a deployment. Pure.

There are three answers: right, wrong, and not to be had. Only a handshake that got another certificate is wrong. What
was asked and not answered is one thing, what cannot be asked by its nature another: no time will bring its answer.
"""

from __future__ import annotations

import collections
import typing as t

from ..haproxy.listeners import TlsBind
from .proof_again import Address, Share, address_of
from .proof_chain import ChainRules, wrong_chain
from .proof_report import CertificateProof, DeployedCertificate, Mismatch, ProofReport, Unanswered, Unasked
from .proof_targets import Answer, ProofTarget, selections


def verdicts(
    certificates: t.Sequence[DeployedCertificate],
    binds: t.Sequence[TlsBind],
    targets: t.Sequence[ProofTarget],
    answers: t.Sequence[Answer],
    only: t.Collection[str] | None = None,
    *,
    rules: ChainRules | None = None,
    shares: t.Mapping[Address, Share] | None = None,
) -> ProofReport:
    """Judge the answers, given in the targets' order. only: as for proof_targets.

    One target may be there several times, once for each connection: then all of its answers have to be right. rules:
    what HAProxy makes of chains; shares: who listens at each address, for the messages.

    A name may be answered by any deployed certificate that has this very name (and key type, where two share it); but
    each certificate must be seen itself, on at least one of its names on each listener, else it is shadowed.
    """
    seen: dict[DeployedCertificate, dict[int, _Question]] = {
        item: {} for item in certificates if only is None or item.name in only
    }
    for target, answer in zip(targets, answers):
        # By identity: to compare all that a listener loads takes long.
        seen[target.certificate].setdefault(id(target), _Question(target, [])).answers.append(answer)
    unasked = _unasked(certificates, binds)
    judge = _Judge(certificates, binds, rules or ChainRules(), shares or {})
    return ProofReport(
        tuple(
            judge.proof(certificate, list(asked.values()), unasked.get(certificate, ()))
            for certificate, asked in seen.items()
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


class _Question(t.NamedTuple):
    target: ProofTarget
    answers: list[Answer]


class _Judge:
    def __init__(
        self,
        certificates: t.Sequence[DeployedCertificate],
        binds: t.Sequence[TlsBind],
        rules: ChainRules,
        shares: t.Mapping[Address, Share],
    ) -> None:
        self._binds = binds
        self._rules = rules
        self._shares = shares
        self._deployed: dict[str, list[DeployedCertificate]] = {}
        for certificate in certificates:
            self._deployed.setdefault(certificate.fingerprint_sha256, []).append(certificate)

    def proof(
        self,
        certificate: DeployedCertificate,
        asked: t.Sequence[_Question],
        unasked: tuple[Unasked, ...],
    ) -> CertificateProof:
        if not asked:
            reason = None if unasked else _unreferenced_reason(certificate, self._binds)
            return CertificateProof(certificate, 0, unasked=unasked, unreferenced=not unasked, reason=reason)
        mismatches: list[Mismatch] = []
        unanswered: list[Unanswered] = []
        unsure: list[Unasked] = []
        by_bind: dict[str, list[tuple[ProofTarget, Answer]]] = {}
        answered = 0
        for target, answers in asked:
            finding = self._finding(target, answers)
            if finding is None:
                answered += 1
                by_bind.setdefault(target.bind.label, []).extend((target, answer) for answer in answers)
            elif isinstance(finding, Mismatch):
                mismatches.append(finding)
            elif isinstance(finding, Unanswered):
                unanswered.append(finding)
            else:
                unsure.append(finding)
        silent = {item.bind for item in unanswered if item.server_name}
        for label, all_pairs in by_bind.items():
            pairs = [pair for pair in all_pairs if pair[0].server_name] or all_pairs
            itself = any(answer.fingerprint_sha256 == certificate.fingerprint_sha256 for _target, answer in pairs)
            # Over TLS 1.3 alone the twin of the other key type hides it from us, not from clients that need it. And
            # while names are without an answer, one of them may be its own.
            undecidable = label in silent or any(answer.key_type_ignored for _target, answer in pairs)
            if not itself and not undecidable:
                mismatches.append(self._shadowed(*pairs[0]))
        return CertificateProof(
            certificate,
            len(asked),
            tuple(mismatches),
            tuple(unanswered),
            (*unasked, *unsure),
            answered=answered,
        )

    def _finding(self, target: ProofTarget, answers: t.Sequence[Answer]) -> Mismatch | Unanswered | Unasked | None:
        """None where all of the answers are right; else what was wrong, and what was so most often."""
        label, name = target.bind.label, target.server_name or ""
        whys = [self._wrong(target, answer) for answer in answers]
        wrong = collections.Counter(
            (answer.fingerprint_sha256, error)
            for answer, error in zip(answers, whys)
            if error is not None and answer.fingerprint_sha256 is not None
        )
        if wrong:
            ((served, error), _count), total = wrong.most_common(1)[0], sum(wrong.values())
            served = served or ""
            if target.bind.foreign:
                said = f"its address is none of this host's, and who answers there serves {served}"
                return Unanswered(label, name, said)
            if not target.certain and served != target.certificate.fingerprint_sha256:
                return Unasked(label, name, f"serves {served}, and which one is the default is not known here")
            share = self._shares.get(address_of(target.bind), Share(1))
            said = _of(total, len(answers), f"got {error}") if total < len(answers) else error
            expected = target.certificate.fingerprint_sha256
            return Mismatch(label, name, expected, served, f"{said}{_who(share)}")
        errors = collections.Counter(error for error in whys if error is not None)
        if not errors:
            return None
        ((said, _count),) = errors.most_common(1)
        total = sum(errors.values())
        return Unanswered(label, name, _of(total, len(answers), said, ": ") if total < len(answers) else said)

    def _wrong(self, target: ProofTarget, answer: Answer) -> str | None:
        """Why an answer is not right; None when it is."""
        served = answer.fingerprint_sha256
        if served is None:
            return answer.error or "no certificate"
        known = self._deployed.get(served, [])
        if not target.accepts(answer):
            return (
                f"another deployed certificate, {known[0].name}" if known else "a certificate that is not deployed now"
            )
        chains = [certificate.chain for certificate in known]
        found = [
            None if chain is None else wrong_chain(answer.chain[0], chain, answer.chain[1:], self._rules)
            for chain in chains
            if answer.chain
        ]
        if not found or None in found:
            return None
        return f"the right certificate with another chain: {found[0]}"

    def _shadowed(self, target: ProofTarget, answer: Answer) -> Mismatch:
        served = answer.fingerprint_sha256 or ""
        named = self._deployed[served][0].name if served in self._deployed else "another certificate"
        return Mismatch(
            target.bind.label,
            target.server_name or "",
            target.certificate.fingerprint_sha256,
            served,
            f"shadowed, for {named} answers each of its names; remove one of the two",
        )


def _of(count: int, total: int, what: str, joint: str = " ") -> str:
    return f"{count} of {total} connections{joint}{what}"


def _who(share: Share) -> str:
    """Who listens there, where that may be why."""
    if share.shared:
        return f". Several listen there, and any of them may answer: {', '.join(share.by)}; leave one"
    return f". {share.by[0]} listens there, which is not HAProxy" if share.strange and share.by else ""


def _unreferenced_reason(certificate: DeployedCertificate, binds: t.Sequence[TlsBind]) -> str:
    loaded = any(certificate.path == item.path for bind in binds for item in bind.references or ())
    if loaded or any(bind.references is None for bind in binds):
        return "no server name selects it: it has IP addresses alone, or its SNI filters exclude its names"
    return "no TLS bind of HAProxy loads this file"
