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

import collections
import dataclasses
import typing as t

from ..haproxy.listeners import TlsBind
from ..haproxy.selection import LoadedFile
from ..text import listed
from ..x509.certificate import load_certificate
from ..x509.names import covers
from ..x509.problems import MaterialError
from .proof_again import Address, Share, address_of
from .proof_chain import ChainRules, wrong_chain
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

_MAY_BE_RIGHT = (
    "which has this name, too, and what this listener loads is not known here: name HAProxy's files in config, and its"
    " stats socket in socket"
)
_FORWARDER = "docker-proxy"  # HAProxy may be behind it
_DEPLOYED = "another deployed certificate, "


def verdicts(
    certificates: t.Sequence[DeployedCertificate],
    binds: t.Sequence[TlsBind],
    targets: t.Sequence[ProofTarget],
    answers: t.Sequence[Answer],
    only: t.Collection[str] | None = None,
    files: t.Mapping[str, LoadedFile] | None = None,
    *,
    rules: ChainRules | None = None,
    shares: t.Mapping[Address, Share] | None = None,
) -> ProofReport:
    """Judge the answers, given in the targets' order. only, files: as for proof_targets.

    One target may be there several times, once for each connection: then all of its answers have to be right. rules:
    what HAProxy makes of chains; shares: who listens at each address, for the messages.

    A name may be answered by any deployed certificate that has this very name (and key type, where two share it); but
    each certificate must be seen itself, on at least one of its names on each listener, else it is shadowed.
    """
    seen: dict[DeployedCertificate, dict[int, _AnsweredTarget]] = {
        item: {} for item in certificates if only is None or item.name in only
    }
    for target, answer in zip(targets, answers):
        # By identity: to compare all that a listener loads takes long.
        seen[target.certificate].setdefault(id(target), _AnsweredTarget(target, [])).answers.append(answer)
    unasked = _unasked(certificates, binds)
    judge = _Judge(certificates, binds, files or {}, rules or ChainRules(), shares or {})
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


_Finding = t.Union[Mismatch, Unanswered, Unasked]


class _AnsweredTarget(t.NamedTuple):
    target: ProofTarget
    answers: list[Answer]


class _Judge:
    def __init__(
        self,
        certificates: t.Sequence[DeployedCertificate],
        binds: t.Sequence[TlsBind],
        files: t.Mapping[str, LoadedFile],
        rules: ChainRules,
        shares: t.Mapping[Address, Share],
    ) -> None:
        self._binds, self._rules, self._shares = binds, rules, shares
        self._names = {file.fingerprint_sha256: f"that of {path}" for path, file in files.items()}
        self._chains: dict[str, list[tuple[bytes, ...] | None]] = {}
        for certificate in certificates:
            self._names[certificate.fingerprint_sha256] = f"{_DEPLOYED}{certificate.name}"
            self._chains.setdefault(certificate.fingerprint_sha256, []).append(certificate.chain)

    def proof(
        self, certificate: DeployedCertificate, asked: t.Sequence[_AnsweredTarget], unasked: tuple[Unasked, ...]
    ) -> CertificateProof:
        if not asked:
            unasked = unasked or tuple(
                Unasked(bind.label, None, bind.not_probeable)
                for bind in self._binds
                if bind.incomplete and bind.not_probeable
            )
            reason = None if unasked else _unreferenced_reason(certificate, self._binds)
            return CertificateProof(certificate, 0, unasked=unasked, unreferenced=not unasked, reason=reason)
        has_names = any(question.target.server_name for question in asked)
        alone = _served_alone(asked)
        findings = [self._finding(question, has_names, alone) for question in asked]
        found = [finding for finding in findings if finding is not None]
        right = [question for question, finding in zip(asked, findings) if finding is None and _accepted(question)]
        shadowed = [item for item in found if isinstance(item, Shadowed)]
        unanswered = [item for item in found if isinstance(item, Unanswered)]
        silent = {item.bind for item in unanswered if item.server_name}
        by_bind: dict[str, list[_AnsweredTarget]] = {}
        for question in right:
            by_bind.setdefault(question.target.bind.label, []).append(question)
        for label, questions in by_bind.items():
            counting = [question for question in questions if question.target.server_name] or questions
            answers = [answer for question in counting for answer in question.answers]
            itself = any(answer.fingerprint_sha256 == certificate.fingerprint_sha256 for answer in answers)
            if itself:
                continue
            if any(answer.key_type_ignored for answer in answers):
                # The twin of the other key type hides it from us, not from clients that need it.
                hidden = "has TLS 1.3 alone, where it cannot be asked for beside one with another type of key"
                found.append(Unasked(label, None, hidden))
                right = [question for question in right if question.target.bind.label != label]
            elif label not in silent:  # while names are without an answer, one of them may be its own
                shadowed.append(_shadowed_by_deployed(counting[0].target, counting[0].answers[0], self._names))
        return CertificateProof(
            certificate,
            len(asked),
            tuple(item for item in found if isinstance(item, Mismatch) and not isinstance(item, Shadowed)),
            tuple(unanswered),
            (*unasked, *(item for item in found if isinstance(item, Unasked))),
            answered=len(right),
            shadowed=tuple(shadowed),
        )

    def _finding(self, question: _AnsweredTarget, has_names: bool, alone: t.Collection[str]) -> _Finding | None:
        """What speaks against a certificate most, of all answers to a question; None where nothing does.

        has_names: it was also asked for by name; then any default one may answer. alone: as of _served_alone.
        """
        target, answers = question
        # Who answers rightly once has no reason of HAProxy's to answer otherwise: somebody else does.
        is_sure = target.certain or any(map(target.accepts, answers)) or self._is_strange(target)
        found = []
        for answer in answers:
            knows = is_sure or not _may_be_right(target, answer)
            finding = self._of_answer(target, answer, has_names=has_names, is_sure=knows)
            found.append(self._of_whom(target, answer, finding, alone))
        wrong = [item for item in found if isinstance(item, Mismatch) and not isinstance(item, Shadowed)]
        kinds: tuple[t.Sequence[_Finding | None], ...] = (
            wrong,
            [item for item in found if isinstance(item, Shadowed)],
            [item for item in found if isinstance(item, Unanswered)],
            [item for item in found if item is not None] or found,
        )
        what = next(items for items in kinds if items)
        ((finding, _count),) = collections.Counter(what).most_common(1)
        if isinstance(finding, (Mismatch, Unanswered)):
            got = " got " if isinstance(finding, Mismatch) else ": "
            often = f"{len(what)} of {len(answers)} connections{got}" if len(what) < len(answers) else ""
            who = _who(self._shares.get(address_of(target.bind), Share(1))) if wrong else ""
            return dataclasses.replace(finding, error=f"{often}{finding.error}{who}")
        return finding

    def _is_strange(self, target: ProofTarget) -> bool:
        """Whether it is no choice of HAProxy's who answers at a user's bind."""
        share = self._shares.get(address_of(target.bind), Share(1))
        is_stranger = target.bind.known_loads is None and (share.strange or target.bind.unconfigured)
        return is_stranger and len(share.by) == 1 and not share.by[0].startswith(_FORWARDER)

    def _of_whom(
        self, target: ProofTarget, answer: Answer, finding: _Finding | None, alone: t.Collection[str]
    ) -> _Finding | None:
        """A wrong answer where several may answer is the fault of one of them: not of one whose place another one's
        version before has taken, nor of one that is served wherever it alone may answer."""
        served = answer.fingerprint_sha256 or ""
        if not isinstance(finding, Mismatch) or isinstance(finding, Shadowed):
            return finding
        if served == target.certificate.previous_fingerprint_sha256:
            return finding
        rivals = tuple(target.rivals_of(answer))
        if not rivals:
            return finding
        stale = [rival for rival in rivals if rival.previous_fingerprint_sha256 == served]
        if stale:
            error = f"that of {stale[0].name} before, which has this name, too"
        elif target.bind.label in alone:
            error = f"{finding.error}, which is the fault of {rivals[0].name}: it has this name, too"
        else:
            return finding
        return dataclasses.replace(_shadow(target, served, error), reload_helps=False)

    def _of_answer(self, target: ProofTarget, answer: Answer, *, has_names: bool, is_sure: bool) -> _Finding | None:
        label, name, served = target.bind.label, target.server_name or "", answer.fingerprint_sha256
        if target.accepts(answer):
            # What comes along with another one that is right here is asked for by its own names.
            odd = self._odd_chain(answer) if served == target.certificate.fingerprint_sha256 else None
            if odd is None:
                return None
            if target.bind.foreign:
                return Unanswered(label, name, f"its address is none of this host's, and {odd}")
            return Mismatch(label, name, served or "", served or "", f"the right certificate, but {odd}")
        if served is None:
            return Unanswered(label, name, answer.error or "no certificate")
        if target.bind.foreign:
            error = f"its address is none of this host's, and who answers there serves {served}"
            return Unanswered(label, name, error)
        # Another file with the version before: then that was served everywhere, and is again when it comes back.
        if served in target.others and served != target.certificate.previous_fingerprint_sha256:
            other = target.others[served]
            if answer.key_type_ignored and target.key_type != "any":
                reason = f"cannot be asked for with one type of key alone, and serves {other.path} to who takes any"
                return Unasked(label, name, reason)
            return _shadowed(target, other) if target.server_name or not has_names else None
        if not is_sure and served != target.certificate.previous_fingerprint_sha256:
            if target.bind.known_loads is None and name:
                return Unanswered(label, name, f"serves {served}, {_MAY_BE_RIGHT}")
            which = "who answers" if target.server_name else "which one is the default"
            return Unasked(label, name, f"serves {served}, and {which} is not known here{_why_unknown(target.unknown)}")
        error = self._names.get(served, "a certificate that is not deployed now")
        return Mismatch(label, name, target.certificate.fingerprint_sha256, served, error)

    def _odd_chain(self, answer: Answer) -> str | None:
        """What is wrong with the certificates that came along with a right one."""
        chains = self._chains.get(answer.fingerprint_sha256 or "", [])
        if not answer.chain or None in chains:
            return None
        found = [wrong_chain(answer.chain[0], chain or (), answer.chain[1:], self._rules) for chain in chains]
        return None if None in found or not found else found[0]


def _served_alone(asked: t.Iterable[_AnsweredTarget]) -> frozenset[str]:
    """Listeners at which a certificate is served for all of its names for which no other one may answer."""
    by_bind: dict[str, list[bool]] = {}
    for target, answers in asked:
        if target.server_name and not any(map(target.has_rivals, answers)):
            itself = all(target.certificate.fingerprint_sha256 == answer.fingerprint_sha256 for answer in answers)
            by_bind.setdefault(target.bind.label, []).append(itself)
    return frozenset(label for label, served in by_bind.items() if all(served))


def _may_be_right(target: ProofTarget, answer: Answer) -> bool:
    """Whether HAProxy may have chosen this one, as far as the configuration tells. Where it tells nothing, whatever has
    the name that was asked for may have been loaded before.
    """
    if target.bind.known_loads is not None or target.server_name is None:
        return True
    try:
        other = load_certificate(answer.chain[0]) if answer.chain else None
        return other is not None and covers((*other.dns_names, *other.common_names), (), target.server_name)
    except MaterialError:
        return False


def _accepted(question: _AnsweredTarget) -> bool:
    return all(question.target.accepts(answer) for answer in question.answers)


def _who(share: Share) -> str:
    """Who listens there, where that may be why."""
    if share.shared:
        several = ", ".join(share.by)
        return f". Several listen there, and any of them may answer: {several}. Stop all but one, or move them"
    return f". {share.by[0]} listens there, which is not HAProxy" if share.strange and share.by else ""


def _why_unknown(paths: t.Sequence[str]) -> str:
    if not paths:
        return ""
    return (
        f": it may be {listed(paths)}, which cannot be read, or has changed since HAProxy read it. Put that right, and"
        " reload HAProxy"
    )


def _shadowed(target: ProofTarget, file: LoadedFile) -> Shadowed:
    """By a file that nobody deployed here."""
    valid = f" (valid until {file.not_after})" if file.not_after else ""
    if file.key_type != target.certificate.key_type:
        why = "whose type of key HAProxy prefers"
    elif target.goes_first:
        why = "which has this name, too, and got before it when this one was updated while HAProxy runs"
    else:
        why = "which has this name, too, and is loaded before it"
    error = (
        f"that of {file.path}{valid}, {why}. Remove that file, or leave the name to one of the two by SNI filters in a"
        " crt-list; then reload HAProxy"
    )
    return _shadow(target, file.fingerprint_sha256, error, file.path)


def _shadowed_by_deployed(target: ProofTarget, answer: Answer, names: t.Mapping[str, str]) -> Shadowed:
    served = answer.fingerprint_sha256 or ""
    by = names.get(served, "another certificate").removeprefix(_DEPLOYED)
    return _shadow(target, served, f"shadowed, for {by} answers each of its names; remove one of the two")


def _shadow(target: ProofTarget, served: str, error: str, path: str = "") -> Shadowed:
    expected = target.certificate.fingerprint_sha256
    name = target.server_name or ""
    return Shadowed(target.bind.label, name, expected, served, error, path, reload_helps=target.goes_first)


def _unreferenced_reason(certificate: DeployedCertificate, binds: t.Sequence[TlsBind]) -> str:
    loaded = any(certificate.path == item.path for bind in binds for item in bind.references or ())
    if loaded or any(bind.references is None for bind in binds):
        return "no server name selects it: it has IP addresses or a common name alone, or SNI filters exclude its names"
    return "no TLS bind of HAProxy loads this file"
