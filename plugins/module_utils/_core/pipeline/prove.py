# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be seen over TLS before a deployment counts as done, and whether what was seen proves it. Pure.

There are three answers: right, wrong, and not to be had. Only a handshake that got another certificate is wrong. What
was asked and not answered is one thing, what cannot be asked by its nature another: no time will bring its answer.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import re
import typing as t

from .proof_report import CertificateProof, DeployedCertificate, Mismatch, ProofReport, Unanswered, Unasked

_RESTRICTABLE = ("rsa", "ecdsa")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_MAX_NAME = 253  # RFC 1035


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
    unix_path: of its unix socket, with a zero byte first for an abstract one; then host and port say nothing.
    proxy_sometimes: whether it expects the PROXY protocol depends on the client. default_known: whether the first of
    the references is known to be what HAProxy's process has as its default. foreign: its address is none of this
    host's, so another host may answer. everywhere: it listens on all addresses of the host, and host is just one.
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
    unix_path: str | None = None
    proxy_sometimes: bool = False
    default_known: bool = True
    foreign: bool = False
    everywhere: bool = False


@dataclasses.dataclass(frozen=True)
class ProofTarget:
    """One handshake to make, and what it may get.

    server_name: None for none. key_type: limit the handshake to it, "any" for no limit. accepted: fingerprints that
    are right; accepted_any_key_type: the same where the server cannot be limited to a key type. certain: whether
    another certificate than these is wrong; where it is not known who must answer, it tells nothing.
    """

    certificate: DeployedCertificate
    bind: TlsBind
    server_name: str | None
    key_type: str
    accepted: frozenset[str]
    accepted_any_key_type: frozenset[str]
    certain: bool = True

    def accepts(self, answer: Answer) -> bool:
        accepted = self.accepted_any_key_type if answer.key_type_ignored else self.accepted
        return answer.fingerprint_sha256 in accepted


class Answer(t.Protocol):
    """What a probe saw; _tls.probe.Observation is one."""

    @property
    def fingerprint_sha256(self) -> str | None: ...

    @property
    def error(self) -> str | None: ...

    @property
    def key_type_ignored(self) -> bool: ...


def proof_targets(
    certificates: t.Sequence[DeployedCertificate],
    binds: t.Sequence[TlsBind],
    max_names: int | None = None,
    only: t.Collection[str] | None = None,
) -> list[ProofTarget]:
    """The handshakes that prove these certificates: each name of each certificate on each listener that loads it.

    A wildcard is asked for by a made-up label. The listener's default certificate is also asked for without SNI. An IP
    address cannot be asked for by SNI (RFC 6066), so a certificate with nothing else is proven as the default one only.
    A name that no client can send is not asked for. max_names: at most so many names of one certificate on one
    listener. only: names of the certificates to prove; the others are known to be deployed, so they too may be served
    for a name that they share.
    """
    return [
        target
        for bind in binds
        if bind.not_probeable is None
        for target in _bind_targets(_selections(certificates, bind), bind, max_names)
        if only is None or target.certificate.name in only
    ]


@dataclasses.dataclass
class _SelectedBy:
    """The names by which one listener selects one certificate; default: also for handshakes that name nothing.

    odd: names that no client can send, and why.
    """

    certificate: DeployedCertificate
    names: dict[str, None]  # an ordered set
    default: bool
    odd: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add(self.names)

    def add(self, names: t.Mapping[str, None]) -> None:
        self.odd.update((name, reason) for name in names for reason in [_why_odd(name)] if reason)
        self.names = {name: None for name in (*self.names, *names) if name not in self.odd}


def _selections(certificates: t.Sequence[DeployedCertificate], bind: TlsBind) -> list[_SelectedBy]:
    if bind.references is None:
        alone = len(certificates) == 1
        return [
            _SelectedBy(certificate, names, default=alone and not names)
            for certificate in certificates
            for names in [_own_names(certificate)]
        ]
    by_path = {certificate.path: certificate for certificate in certificates}
    found: dict[str, _SelectedBy] = {}
    for position, reference in enumerate(bind.references):
        certificate = by_path.get(reference.path)
        if certificate is None:
            continue
        selection = found.setdefault(reference.path, _SelectedBy(certificate, {}, default=False))
        selection.default |= position == 0 and not bind.strict_sni
        selection.add(_filter_names(reference) if reference.filtered else _own_names(certificate))
    return list(found.values())


def _own_names(certificate: DeployedCertificate) -> dict[str, None]:
    return {name.lower(): None for name in certificate.subject_alternative_names if not _is_ip(name)}


def _filter_names(reference: CertificateReference) -> dict[str, None]:
    """The names that the filters select. Filters that only exclude leave nothing, seen on HAProxy 2.6."""
    excluded = {name[1:] for name in reference.filters if name.startswith("!")}
    return {
        name: None for name in reference.filters if not name.startswith("!") and name not in excluded and name != "*"
    }


def _bind_targets(selections: t.Sequence[_SelectedBy], bind: TlsBind, max_names: int | None) -> t.Iterator[ProofTarget]:
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
            certain = bind.default_known and bind.references is not None
            yield ProofTarget(certificate, bind, None, "any", accepted, accepted, certain)


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
    digest = hashlib.sha256(f"{certificate.fingerprint_sha256} {name}".encode()).hexdigest()
    label = f"rotation-proof-{digest[:8]}"
    room = _MAX_NAME - len(name[1:])
    return f"{label if len(label) <= room else digest[:room]}{name[1:]}"


def _why_odd(name: str) -> str | None:
    """Why no client can send a name that selects this one, or None. Tried with HAProxy 2.6 to 3.2.

    For HAProxy "*." at the begin stands for one label, and any other asterisk for itself; a dot at the end counts,
    and clients leave it out.
    """
    rest = name.removeprefix("*.")
    if _is_ip(name):
        return "is an IP address, which clients do not send"
    if "*" in rest:
        return "is a name that clients cannot send: an asterisk stands for the whole first label only"
    if rest.endswith("."):
        return "is a name that clients cannot send: they leave out a dot at the end"
    if len(rest) > _MAX_NAME - (2 if rest != name else 0):
        return "is a name that clients cannot send: it is longer than 253 characters"
    if not all(map(_LABEL.fullmatch, rest.split("."))):
        return "is a name that clients cannot send: it is no host name"
    return None


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
            for selection in _selections(certificates, bind):
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
        reason = None if unasked else _unreferenced_reason(certificate, binds)
        return CertificateProof(certificate, 0, unasked=unasked, unreferenced=not unasked, reason=reason)
    mismatches: list[Mismatch] = []
    unanswered: list[Unanswered] = []
    unsure: list[Unasked] = []
    right: list[tuple[ProofTarget, Answer]] = []
    for target, answer in pairs:
        label, name, served = target.bind.label, target.server_name or "", answer.fingerprint_sha256
        if target.accepts(answer):
            right.append((target, answer))
        elif served is None:
            unanswered.append(Unanswered(label, name, answer.error or "no certificate"))
        elif target.bind.foreign:
            error = f"its address is none of this host's, and who answers there serves {served}"
            unanswered.append(Unanswered(label, name, error))
        elif not target.certain:
            unsure.append(Unasked(label, name, f"serves {served}, and which one is the default is not known here"))
        else:
            mismatches.append(_mismatch(target, served, names))
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
            mismatches.append(_shadowed(*accepted_pairs[0], names))
    return CertificateProof(
        certificate,
        len(pairs),
        tuple(mismatches),
        tuple(unanswered),
        (*unasked, *unsure),
        answered=len(right),
    )


def _mismatch(target: ProofTarget, served: str, names: t.Mapping[str, str]) -> Mismatch:
    known = served in names
    error = f"another deployed certificate, {names[served]}" if known else "a certificate that is not deployed now"
    expected = target.certificate.fingerprint_sha256
    return Mismatch(target.bind.label, target.server_name or "", expected, served, error)


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
    loaded = any(certificate.path == item.path for bind in binds for item in bind.references or ())
    if loaded or any(bind.references is None for bind in binds):
        return "no server name selects it: it has IP addresses alone, or its SNI filters exclude its names"
    return "no TLS bind of HAProxy loads this file"


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
