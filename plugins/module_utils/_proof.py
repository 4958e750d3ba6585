# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be seen over TLS before a deployment counts as done, and whether what was seen proves it. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import typing as t

_RESTRICTABLE = ("rsa", "ecdsa")


@dataclasses.dataclass(frozen=True)
class CertificateReference:
    """One certificate file that a listener loads. path: with symbolic links resolved.

    filtered: a crt-list gives it SNI filters, and then these alone select it, not its own names. filters: as written,
    in lower case; "!" excludes.
    """

    path: str
    filters: tuple[str, ...] = ()
    filtered: bool = False


@dataclasses.dataclass(frozen=True)
class TlsBind:
    """A TLS listener. references: in the order HAProxy loads them; None: any certificate may be there (user's bind).

    label: how messages call it. not_probeable: why no handshake can be made with it from this host, or None.
    """

    label: str
    host: str
    port: int
    references: tuple[CertificateReference, ...] | None = None
    strict_sni: bool = False
    proxy_protocol: bool = False
    section: str = ""
    line: str = ""
    not_probeable: str | None = None


@dataclasses.dataclass(frozen=True)
class DeployedCertificate:
    """A certificate that should be served. path: with symbolic links resolved. key_type: "rsa", "ecdsa" or another."""

    name: str
    path: str
    fingerprint_sha256: str
    subject_alternative_names: tuple[str, ...]
    key_type: str = "other"


@dataclasses.dataclass(frozen=True)
class ProofTarget:
    """One handshake to make, and what it may get.

    server_name: None for none. key_type: limit the handshake to it, "any" for no limit. accepted: fingerprints that
    are right; accepted_any_key_type: the same where the server cannot be limited to a key type.
    """

    certificate: DeployedCertificate
    bind: TlsBind
    server_name: str | None
    key_type: str
    accepted: frozenset[str]
    accepted_any_key_type: frozenset[str]


class Answer(t.Protocol):
    """What a probe saw; _tls.probe.Observation is one."""

    @property
    def fingerprint_sha256(self) -> str | None: ...

    @property
    def error(self) -> str | None: ...

    @property
    def key_type_ignored(self) -> bool: ...


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """server_name: "" for a handshake without SNI. served: None when no certificate came; then error says why."""

    bind: str
    server_name: str
    expected_fingerprint_sha256: str
    served_fingerprint_sha256: str | None
    error: str

    def __str__(self) -> str:
        name = f"for {self.server_name}" if self.server_name else "without SNI"
        served = self.served_fingerprint_sha256
        if served is None:
            return f"{self.bind} {name}: {self.error} (expected {self.expected_fingerprint_sha256})"
        return f"{self.bind} {name} serves {served} instead of {self.expected_fingerprint_sha256}: {self.error}"


@dataclasses.dataclass(frozen=True)
class CertificateProof:
    """unreferenced: no listener would ever select it; reason says why."""

    certificate: DeployedCertificate
    probes: int
    mismatches: tuple[Mismatch, ...]
    unreferenced: bool = False
    reason: str | None = None

    @property
    def proven(self) -> bool:
        return self.probes > 0 and not self.mismatches


@dataclasses.dataclass(frozen=True)
class ProofReport:
    certificates: tuple[CertificateProof, ...]

    def failures(self, allow_unreferenced: bool) -> list[CertificateProof]:
        """The certificates for which the proof fails."""
        return [
            proof for proof in self.certificates if not proof.proven and not (proof.unreferenced and allow_unreferenced)
        ]


def proof_targets(
    certificates: t.Sequence[DeployedCertificate],
    binds: t.Sequence[TlsBind],
    max_names: int | None = None,
    only: t.Collection[str] | None = None,
) -> list[ProofTarget]:
    """The handshakes that prove these certificates: each name of each certificate on each listener that loads it.

    A wildcard is asked for by a made-up label. The listener's default certificate is also asked for without SNI. An IP
    address cannot be asked for by SNI (RFC 6066), so a certificate with nothing else is proven as the default one only.
    max_names: at most so many names of one certificate on one listener. only: names of the certificates to prove; the
    others are known to be deployed, so they too may be served for a name that they share.
    """
    return [
        target
        for bind in binds
        if bind.not_probeable is None
        for target in _bind_targets(_selections(certificates, bind), bind, max_names)
        if only is None or target.certificate.name in only
    ]


@dataclasses.dataclass
class _Selection:
    """The names by which one listener selects one certificate; default: also for handshakes that name nothing."""

    certificate: DeployedCertificate
    names: dict[str, None]  # an ordered set
    default: bool


def _selections(certificates: t.Sequence[DeployedCertificate], bind: TlsBind) -> list[_Selection]:
    if bind.references is None:
        alone = len(certificates) == 1
        return [
            _Selection(certificate, names, default=alone and not names)
            for certificate in certificates
            for names in [_own_names(certificate)]
        ]
    by_path = {certificate.path: certificate for certificate in certificates}
    found: dict[str, _Selection] = {}
    for position, reference in enumerate(bind.references):
        certificate = by_path.get(reference.path)
        if certificate is None:
            continue
        selection = found.setdefault(reference.path, _Selection(certificate, {}, default=False))
        selection.default |= position == 0 and not bind.strict_sni
        selection.names.update(_filter_names(reference) if reference.filtered else _own_names(certificate))
    return list(found.values())


def _own_names(certificate: DeployedCertificate) -> dict[str, None]:
    return {name.lower(): None for name in certificate.subject_alternative_names if not _is_ip(name)}


def _filter_names(reference: CertificateReference) -> dict[str, None]:
    """The names that the filters select. Filters that only exclude leave nothing, seen on HAProxy 2.6."""
    excluded = {name[1:] for name in reference.filters if name.startswith("!")}
    return {
        name: None for name in reference.filters if not name.startswith("!") and name not in excluded and name != "*"
    }


def _bind_targets(selections: t.Sequence[_Selection], bind: TlsBind, max_names: int | None) -> t.Iterator[ProofTarget]:
    holders: dict[str, list[DeployedCertificate]] = {}
    for selection in selections:
        for name in selection.names:
            holders.setdefault(name, []).append(selection.certificate)
    for selection in selections:
        certificate = selection.certificate
        for name in list(selection.names)[:max_names]:
            yield _target(certificate, bind, _server_name(name, certificate), holders[name])
        if selection.default:
            # Of an RSA and ECDSA pair either may be the default, by HAProxy's version.
            twins = [twin for name in selection.names for twin in holders[name]] or [certificate]
            accepted = frozenset(twin.fingerprint_sha256 for twin in twins)
            yield ProofTarget(certificate, bind, None, "any", accepted, accepted)


def _target(
    certificate: DeployedCertificate, bind: TlsBind, server_name: str, holders: t.Sequence[DeployedCertificate]
) -> ProofTarget:
    everyone = frozenset(holder.fingerprint_sha256 for holder in holders)
    own_type = certificate.key_type
    if own_type not in _RESTRICTABLE or all(holder.key_type == own_type for holder in holders):
        return ProofTarget(certificate, bind, server_name, "any", everyone, everyone)
    accepted = frozenset(holder.fingerprint_sha256 for holder in holders if holder.key_type == own_type)
    return ProofTarget(certificate, bind, server_name, own_type, accepted, everyone)


def _server_name(name: str, certificate: DeployedCertificate) -> str:
    """The name itself; for a wildcard one that it covers and nobody else has, the same for the same certificate."""
    if not name.startswith("*."):
        return name
    label = hashlib.sha256(f"{certificate.fingerprint_sha256} {name}".encode()).hexdigest()[:8]
    return f"rotation-proof-{label}{name[1:]}"


def verdicts(
    certificates: t.Sequence[DeployedCertificate],
    binds: t.Sequence[TlsBind],
    targets: t.Sequence[ProofTarget],
    answers: t.Sequence[Answer],
    only: t.Collection[str] | None = None,
) -> ProofReport:
    """Judge the answers, given in the targets' order. only: as for proof_targets.

    A name may be answered by any deployed certificate that has this very name (and key type, where two share it); but
    each certificate must be seen itself, on at least one of its names on each listener, else it is shadowed.
    """
    seen: dict[DeployedCertificate, list[tuple[ProofTarget, Answer]]] = {
        item: [] for item in certificates if only is None or item.name in only
    }
    for target, answer in zip(targets, answers):
        seen[target.certificate].append((target, answer))
    names = {certificate.fingerprint_sha256: certificate.name for certificate in certificates}
    return ProofReport(tuple(_judge(certificate, pairs, binds, names) for certificate, pairs in seen.items()))


def _judge(
    certificate: DeployedCertificate,
    pairs: t.Sequence[tuple[ProofTarget, Answer]],
    binds: t.Sequence[TlsBind],
    names: t.Mapping[str, str],
) -> CertificateProof:
    if not pairs:
        reason = _unreferenced_reason(certificate, binds)
        return CertificateProof(certificate, 0, (), unreferenced=True, reason=reason)
    mismatches = []
    by_bind: dict[str, list[tuple[ProofTarget, Answer]]] = {}
    for target, answer in pairs:
        accepted = target.accepted_any_key_type if answer.key_type_ignored else target.accepted
        if answer.fingerprint_sha256 not in accepted:
            mismatches.append(_mismatch(target, answer, names))
        else:
            by_bind.setdefault(target.bind.label, []).append((target, answer))
    for all_pairs in by_bind.values():
        accepted_pairs = [pair for pair in all_pairs if pair[0].server_name] or all_pairs
        itself = any(answer.fingerprint_sha256 == certificate.fingerprint_sha256 for _target, answer in accepted_pairs)
        # Over TLS 1.3 alone the twin of the other key type hides it from us, not from clients that need it.
        undecidable = any(answer.key_type_ignored for _target, answer in accepted_pairs)
        if not itself and not undecidable:
            mismatches.append(_shadowed(*accepted_pairs[0], names))
    return CertificateProof(certificate, len(pairs), tuple(mismatches))


def _mismatch(target: ProofTarget, answer: Answer, names: t.Mapping[str, str]) -> Mismatch:
    served = answer.fingerprint_sha256
    if served is None:
        error = answer.error or "no certificate"
    elif served in names:
        error = f"another deployed certificate, {names[served]}"
    else:
        error = "a certificate that is not deployed now"
    server_name = target.server_name or ""
    return Mismatch(target.bind.label, server_name, target.certificate.fingerprint_sha256, served, error)


def _shadowed(target: ProofTarget, answer: Answer, names: t.Mapping[str, str]) -> Mismatch:
    served = answer.fingerprint_sha256 or ""
    return Mismatch(
        target.bind.label,
        target.server_name or "",
        target.certificate.fingerprint_sha256,
        served,
        f"shadowed, for {names.get(served, 'another certificate')} answers each of its names; remove one of the two",
    )


def _unreferenced_reason(certificate: DeployedCertificate, binds: t.Sequence[TlsBind]) -> str:
    loading = [bind for bind in binds if any(certificate.path == item.path for item in bind.references or ())]
    silent = [f"{bind.label} {bind.not_probeable}" for bind in loading if bind.not_probeable]
    if silent and len(silent) == len(loading):
        return f"loaded only where no handshake can be made: {'; '.join(silent)}"
    if loading or any(bind.references is None for bind in binds):
        return "no server name selects it: it has IP addresses alone, or its SNI filters exclude its names"
    return "no TLS bind of HAProxy loads this file"


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
