# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a proof found of each certificate: right, wrong, shadowed by another one, or not to be asked. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

ProofOutcome = t.Literal["right", "wrong", "shadowed", "unasked"]
_SHOWN_CERTIFICATES, _SHOWN_FINDINGS = 10, 3


@dataclasses.dataclass(frozen=True)
class DeployedCertificate:
    """A certificate that should be served. path: with symbolic links resolved. key_type: "rsa", "ecdsa" or another.

    previous_fingerprint_sha256: of the certificate that its file held before, "" when that is not known.
    chain: the certificates that follow it in its file, in DER; None where that is not known.
    """

    name: str
    path: str
    fingerprint_sha256: str
    subject_alternative_names: tuple[str, ...]
    key_type: str = "other"
    previous_fingerprint_sha256: str = ""
    chain: tuple[bytes, ...] | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """A handshake that got another certificate, or another chain, and then both fingerprints are the same.

    server_name: "" for a handshake without SNI.
    """

    bind: str
    server_name: str
    expected_fingerprint_sha256: str
    served_fingerprint_sha256: str
    error: str

    def __str__(self) -> str:
        served, expected = self.served_fingerprint_sha256, self.expected_fingerprint_sha256
        instead = "" if served == expected else f" instead of {expected}"
        return f"{self.bind} {_asked_for(self.server_name)} serves {served}{instead}: {self.error}"


@dataclasses.dataclass(frozen=True)
class Shadowed(Mismatch):
    """A handshake that got another certificate by HAProxy's own rules. To go back to a previous version mends nothing.

    path: of the file that is in the way. reload_helps: it is that only because HAProxy puts what is updated while it
    runs behind the others.
    """

    path: str = ""
    reload_helps: bool = False


@dataclasses.dataclass(frozen=True)
class Unanswered:
    """A question that got no certificate. server_name: as of Mismatch; error: why, as the probe tells it."""

    bind: str
    server_name: str
    error: str

    def __str__(self) -> str:
        return f"{self.bind} {_asked_for(self.server_name)}: {self.error}"


@dataclasses.dataclass(frozen=True)
class Unasked:
    """What cannot be asked by its nature. server_name: None for all that could be asked of this listener."""

    bind: str
    server_name: str | None
    reason: str

    def __str__(self) -> str:
        name = "" if self.server_name is None else f" {_asked_for(self.server_name)}"
        return f"{self.bind}{name} {self.reason}"


def _asked_for(server_name: str) -> str:
    return f"for {_printable(server_name)}" if server_name else "without SNI"


def _printable(name: str) -> str:
    """A name of a certificate may hold control characters, which are shown and not sent to a terminal."""
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


@dataclasses.dataclass(frozen=True)
class CertificateProof:
    """probes: questions that were asked; mismatches, unanswered: those that went wrong, or got no answer; unasked: what
    could not be asked. unreferenced: no listener would ever select it; reason says why. With a reason alone it is not
    known what to ask for. answered: questions that were answered with it. shadowed: those to which HAProxy's
    configuration has another certificate answer.
    """

    certificate: DeployedCertificate
    probes: int
    mismatches: tuple[Mismatch, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()
    unasked: tuple[Unasked, ...] = ()
    unreferenced: bool = False
    reason: str | None = None
    answered: int = 0
    shadowed: tuple[Shadowed, ...] = ()

    @property
    def outcome(self) -> ProofOutcome:
        """right: all that can be asked was answered rightly. wrong: a handshake got another certificate.

        shadowed: it got one that HAProxy is configured to serve, so that there is nothing to take back.
        """
        if self.mismatches:
            return "wrong"
        if self.shadowed:
            return "shadowed"
        return "right" if self.answered and not self.unanswered else "unasked"

    @property
    def proven(self) -> bool:
        return self.outcome == "right"

    @property
    def because(self) -> tuple[str, ...]:
        """Why it is not proven; () when it is."""
        if self.proven:
            return ()
        findings: tuple[object, ...] = self.mismatches or self.shadowed or self.unanswered or self.unasked
        return tuple(map(str, findings)) or (self.reason or "",)

    def as_result(self) -> dict[str, t.Any]:
        """For the result of certificate_proof_info."""
        return {
            "name": self.certificate.name,
            "path": self.certificate.path,
            "fingerprint_sha256": self.certificate.fingerprint_sha256,
            "outcome": self.outcome,
            "proven": self.proven,
            "unreferenced": self.unreferenced,
            "reason": self.reason,
            "not_proven_because": list(self.because),
            "mismatches": [dataclasses.asdict(mismatch) for mismatch in self.mismatches],
            "shadowed": [dataclasses.asdict(item) for item in self.shadowed],
            "unanswered": [dataclasses.asdict(question) for question in self.unanswered],
            "unasked": [{**dataclasses.asdict(item), "server_name": item.server_name or ""} for item in self.unasked],
        }

    def fails(self, *, allow_unreferenced: bool, allow_unanswered: bool) -> bool:
        """Whether the proof fails for it. What cannot be asked by its nature is no failure."""
        if self.unreferenced:
            return not allow_unreferenced
        unseen = bool(self.unanswered or self.shadowed) and not allow_unanswered
        return bool(self.mismatches) or bool(self.reason) or unseen


@dataclasses.dataclass(frozen=True)
class ProofReport:
    certificates: tuple[CertificateProof, ...]

    def failures(self, allow_unreferenced: bool, allow_unanswered: bool = False) -> list[CertificateProof]:
        """The certificates for which the proof fails."""
        return [
            proof
            for proof in self.certificates
            if proof.fails(allow_unreferenced=allow_unreferenced, allow_unanswered=allow_unanswered)
        ]

    def unproven(self, allow_unreferenced: bool) -> list[CertificateProof]:
        """The certificates that nobody has seen served, failures or not."""
        return [
            proof for proof in self.certificates if not proof.proven and not (proof.unreferenced and allow_unreferenced)
        ]

    @property
    def outcome(self) -> ProofOutcome:
        """The worst one."""
        outcomes = {proof.outcome for proof in self.certificates}
        worst: tuple[ProofOutcome, ...] = ("wrong", "shadowed", "unasked")
        return next((outcome for outcome in worst if outcome in outcomes), "right")


def proof_message(report: ProofReport, allow_unreferenced: bool, binds: t.Sequence[str]) -> str:
    """For people. binds: labels of the listeners that were asked."""
    unproven = report.unproven(allow_unreferenced)
    total = len(report.certificates)
    if not unproven:
        proven = sum(proof.proven for proof in report.certificates)
        return f"{proven} of {total} certificates proven on {len(binds)} binds."
    wrong = [proof for proof in unproven if proof.mismatches or proof.shadowed]
    others = [proof for proof in unproven if not (proof.mismatches or proof.shadowed)]
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
