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
from ..haproxy.selection import ClientKeys, LoadedFile, Selector
from .proof_report import DeployedCertificate

_CLIENTS: tuple[ClientKeys, ...] = ("any", "rsa", "ecdsa")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_MAX_NAME = 253  # RFC 1035


@dataclasses.dataclass(frozen=True)
class ProofTarget:
    """One handshake to make, and what it may get.

    server_name: None for none. key_type: limit the handshake to it, "any" for no limit. accepted: fingerprints that
    are right; accepted_any_key_type: the same where the server cannot be limited to a key type. others: files that
    nobody deployed here, and that answer by HAProxy's rules, by fingerprint. holders: deployed certificates that may
    answer by these rules; holders_any_key_type: as of accepted. goes_first: whether it is the certificate itself
    that answers once HAProxy has read its files anew. certain: whether another certificate than these is wrong; where
    it is not known who must answer, it tells nothing. unknown: the files of which it is not known what HAProxy has of
    them, which is why.
    """

    certificate: DeployedCertificate
    bind: TlsBind
    server_name: str | None
    key_type: str
    accepted: frozenset[str]
    accepted_any_key_type: frozenset[str]
    certain: bool = True
    others: t.Mapping[str, LoadedFile] = dataclasses.field(default_factory=dict)
    goes_first: bool = False
    holders: tuple[DeployedCertificate, ...] = ()
    holders_any_key_type: tuple[DeployedCertificate, ...] = ()
    unknown: tuple[str, ...] = ()

    def rivals_of(self, answer: Answer) -> t.Iterator[DeployedCertificate]:
        """Other deployed certificates that may have answered so in its place."""
        holders = self.holders_any_key_type if answer.key_type_ignored else self.holders
        return (holder for holder in holders if holder.path != self.certificate.path)

    def has_rivals(self, answer: Answer) -> bool:
        return next(self.rivals_of(answer), None) is not None

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
    files: t.Mapping[str, LoadedFile] | None = None,
) -> list[ProofTarget]:
    """The handshakes that prove these certificates: each name of each certificate on each listener that loads it.

    A wildcard is asked for by a made-up label. The listener's default certificate is also asked for without SNI. An IP
    address cannot be asked for by SNI (RFC 6066), so a certificate with nothing else is proven as the default one only.
    A name that no client can send is not asked for. max_names: at most so many names of one certificate on one
    listener. only: names of the certificates to prove; the others are known to be deployed, so they too may be served
    for a name that they share. files: what is in the files that the listeners load, as far as it is known, by path;
    None: those that are not deployed here have no name that matters.
    """
    return [
        target
        for bind in binds
        if bind.not_probeable is None
        for target in _bind_targets(certificates, bind, max_names, only, files)
    ]


@dataclasses.dataclass
class SelectedBy:
    """The names by which one listener may select one certificate. odd: names that no client can send, and why."""

    certificate: DeployedCertificate
    names: dict[str, None]  # an ordered set
    odd: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add(self.names)

    def add(self, names: t.Mapping[str, None]) -> None:
        self.odd.update((name, reason) for name in names for reason in [_why_odd(name)] if reason)
        self.names = {name: None for name in (*self.names, *names) if name not in self.odd}


def selections(certificates: t.Sequence[DeployedCertificate], bind: TlsBind) -> list[SelectedBy]:
    if bind.references is None:
        served = (certificate for certificate in certificates if certificate.path not in bind.elsewhere)
        return [SelectedBy(certificate, _own_names(certificate)) for certificate in served]
    by_path = {certificate.path: certificate for certificate in certificates}
    found: dict[str, SelectedBy] = {}
    for reference in bind.references:
        certificate = by_path.get(reference.path)
        if certificate is not None:
            selection = found.setdefault(reference.path, SelectedBy(certificate, {}))
            selection.add(_filter_names(reference) if reference.filtered else _own_names(certificate))
    return list(found.values())


def _own_names(certificate: DeployedCertificate) -> dict[str, None]:
    return {name.lower(): None for name in certificate.subject_alternative_names if not _is_ip(name)}


def _filter_names(reference: CertificateReference) -> dict[str, None]:
    """The names that the filters select. Filters that only exclude leave nothing, seen on HAProxy 2.6. They take names
    out of the wildcards of their line, and no exact one.
    """
    return {name: None for name in reference.filters if not name.startswith("!") and name != "*"}


def _bind_targets(
    certificates: t.Sequence[DeployedCertificate],
    bind: TlsBind,
    max_names: int | None,
    only: t.Collection[str] | None,
    files: t.Mapping[str, LoadedFile] | None,
) -> t.Iterator[ProofTarget]:
    inquirer = _Inquirer(certificates, bind, files)
    for selection in selections(certificates, bind):
        certificate = selection.certificate
        if only is not None and certificate.name not in only:
            continue
        for name in list(selection.names)[:max_names]:
            yield inquirer.target(certificate, _server_name(name, certificate))
        if inquirer.is_default(certificate, selection):
            yield inquirer.target(certificate, None)


class _Answering:
    """Who may answer to some name: the same for thousands of certificates that have it."""

    def __init__(
        self, by_client: t.Mapping[ClientKeys, t.Sequence[LoadedFile]], deployed: t.Mapping[str, DeployedCertificate]
    ) -> None:
        self._deployed = deployed
        everyone = list(dict.fromkeys(file for files in by_client.values() for file in files))
        self.first = {client: [file.path for file in files[:1]] for client, files in by_client.items()}
        self.paths = {client: frozenset(file.path for file in files) for client, files in by_client.items()}
        self.is_one = by_client["any"] == by_client["rsa"]
        self.accepted = {client: self._fingerprints(files) for client, files in by_client.items()}
        self.accepted_any = self._fingerprints(everyone)
        self.unknown = tuple(file.path for file in everyone if not file.fingerprint_sha256)
        self.holders = {client: self._certificates(files) for client, files in by_client.items()}
        self.holders_any = self._certificates(everyone)
        self.others = {
            file.fingerprint_sha256: file for file in everyone if file.path not in deployed and file.fingerprint_sha256
        }

    def _fingerprints(self, files: t.Iterable[LoadedFile]) -> frozenset[str]:
        return frozenset(file.fingerprint_sha256 for file in files if file.path in self._deployed)

    def _certificates(self, files: t.Iterable[LoadedFile]) -> tuple[DeployedCertificate, ...]:
        paths = dict.fromkeys(file.path for file in files)
        return tuple(self._deployed[path] for path in paths if path in self._deployed)


class _Inquirer:
    """Makes the questions for one listener, and knows who may answer them."""

    def __init__(
        self,
        certificates: t.Sequence[DeployedCertificate],
        bind: TlsBind,
        files: t.Mapping[str, LoadedFile] | None,
    ) -> None:
        self._bind = bind
        self._deployed = {certificate.path: certificate for certificate in certificates}
        self._alone = len(certificates) == 1
        own = {certificate.path: _file(certificate, files or {}) for certificate in certificates}
        references = bind.references
        if references is None:
            references = tuple(CertificateReference(path) for path in own)
        known = {**(files or {}), **own}
        self._selector = Selector(references, known, strict_sni=bind.strict_sni, version=bind.version)
        self._unknown = () if files is None else self._selector.unknown
        self._answering: dict[str, _Answering] = {}

    def is_default(self, certificate: DeployedCertificate, selection: SelectedBy) -> bool:
        if self._bind.references is None:
            return self._alone and not selection.names and not selection.odd
        return self._selector.is_default(certificate.path)

    def target(self, certificate: DeployedCertificate, server_name: str | None) -> ProofTarget:
        who = self._who(server_name)
        client = self._client(certificate, who, server_name)
        unknown = self._unknown + who.unknown
        return ProofTarget(
            certificate,
            self._bind,
            server_name,
            client,
            _with(who.accepted[client], certificate.fingerprint_sha256),
            _with(who.accepted_any, certificate.fingerprint_sha256),
            certain=not (self._bind.incomplete or unknown) and (server_name is not None or self._default_known),
            unknown=unknown,
            goes_first=self._knows_order and who.first[client] == [certificate.path],
            others=who.others,
            holders=who.holders[client],
            holders_any_key_type=who.holders_any,
        )

    def _who(self, server_name: str | None) -> _Answering:
        key = self._selector.found_by(server_name)
        if key not in self._answering:
            by_client = {client: self._selector.answering(server_name, client) for client in _CLIENTS}
            self._answering[key] = _Answering(by_client, self._deployed)
        return self._answering[key]

    def _client(self, certificate: DeployedCertificate, who: _Answering, server_name: str | None) -> ClientKeys:
        """The client to be, so that it is this certificate that answers: any one, where all get the same."""
        if who.is_one or (server_name is None and self._bind.version is None):
            return "any"
        for client in _CLIENTS:
            if client == certificate.key_type and certificate.path in who.paths[client]:
                return client
        return "any"

    @property
    def _knows_order(self) -> bool:
        return self._bind.references is not None

    @property
    def _default_known(self) -> bool:
        return self._bind.default_known and self._knows_order


def _with(fingerprints: frozenset[str], another: str) -> frozenset[str]:
    return fingerprints if another in fingerprints else fingerprints | {another}


def _file(certificate: DeployedCertificate, files: t.Mapping[str, LoadedFile]) -> LoadedFile:
    """What HAProxy makes of it; without its file on disk that is what is known of it: not its common names."""
    found = files.get(certificate.path)
    if found is not None and found.fingerprint_sha256 == certificate.fingerprint_sha256:
        return found
    names = tuple(_own_names(certificate))
    return LoadedFile(certificate.path, certificate.fingerprint_sha256, names, certificate.key_type)


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
