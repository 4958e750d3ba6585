# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions whose answers prove a deployment: which name to ask for on which listener, and what is right. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import re
import typing as t

from ..haproxy.listeners import CertificateReference, TlsBind
from .proof_report import DeployedCertificate

_RESTRICTABLE = ("rsa", "ecdsa")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_MAX_NAME = 253  # RFC 1035


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

    @property
    def chain(self) -> tuple[bytes, ...]: ...


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
        for target in _bind_targets(selections(certificates, bind), bind, max_names)
        if only is None or target.certificate.name in only
    ]


@dataclasses.dataclass
class SelectedBy:
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


def selections(certificates: t.Sequence[DeployedCertificate], bind: TlsBind) -> list[SelectedBy]:
    if bind.references is None:
        alone = len(certificates) == 1
        return [
            SelectedBy(certificate, names, default=alone and not names)
            for certificate in certificates
            for names in [_own_names(certificate)]
        ]
    by_path = {certificate.path: certificate for certificate in certificates}
    found: dict[str, SelectedBy] = {}
    for position, reference in enumerate(bind.references):
        certificate = by_path.get(reference.path)
        if certificate is None:
            continue
        selection = found.setdefault(reference.path, SelectedBy(certificate, {}, default=False))
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


def _bind_targets(selections: t.Sequence[SelectedBy], bind: TlsBind, max_names: int | None) -> t.Iterator[ProofTarget]:
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


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
