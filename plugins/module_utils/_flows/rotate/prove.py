# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage prove: find HAProxy's listeners, and ask them until they answer rightly or have had their time."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import typing as t

from ..._core.haproxy.addresses import endpoint_label, listening_address, unix_path, ways_to_all
from ..._core.haproxy.listeners import CertificateReference, TlsBind, as_configured
from ..._core.pipeline.proof_again import Share, address_of
from ..._core.pipeline.proof_chain import ChainRules
from ..._core.pipeline.proof_report import CertificateProof, DeployedCertificate, ProofReport, proof_message
from ..._core.x509.bundle import describe_pem
from ..._core.x509.pem import CERTIFICATE, parse_pem
from ..._errors import HaproxyError, InvalidOption, RotationError
from ..._ports.haproxy.binds import tls_uses
from ..._ports.haproxy.config_files import config_files, config_lines
from ..._ports.haproxy.loaded import Loaded, look_at_loaded, number_of
from ..._ports.haproxy.loaded_files import kind_of_key, used_files
from ..._ports.haproxy.runtime import RuntimeApi
from ..._ports.haproxy.surroundings import look_at_surroundings
from ..._ports.host.listening import listening_addresses, own_ipv6_addresses
from ..._ports.host.own_address import is_own_address
from ..._ports.store.atomic import read_regular_file
from ..._ports.tls.endpoint import is_ip
from .asking import MEMORY_TIMEOUT, Asked, ask_listeners
from .settings import ProofSettings

_BESIDES = (
    "uses the certificate at a place that is in no configuration which is known here, such as a server that was added"
    " while it runs"
)


class Proof(t.NamedTuple):
    """asked: of the listeners, with the report; binds: all of them, those that cannot be asked among them."""

    report: ProofReport
    binds: t.Sequence[TlsBind]
    asked: Asked

    def message(self, allow_unreferenced: bool) -> str:
        return proof_message(self.report, allow_unreferenced, self._probed)

    def as_result(self, allow_unreferenced: bool) -> dict[str, t.Any]:
        """What the module certificate_proof_info returns."""
        return {
            "changed": False,
            "proven": not self.report.unproven(allow_unreferenced),
            "outcome": self.report.outcome,
            "probes": self.asked.probes,
            "probes_again": self.asked.again,
            "binds": self._probed,
            "not_probed": [
                {"bind": bind.label, "reason": bind.not_probeable} for bind in self.binds if bind.not_probeable
            ],
            "shared": [
                {"bind": label, "listeners": list(share.by)} for label, share in self._shares.items() if share.shared
            ],
            "certificates": [proof.as_result() for proof in self.report.certificates],
        }

    @property
    def warnings(self) -> list[str]:
        """Of what is right today and may be wrong tomorrow: addresses at which several listen."""
        return [
            f"Several listen at {label}, and any of them may get a connection: {', '.join(share.by)}. Leave one."
            for label, share in self._shares.items()
            if share.shared
        ]

    @property
    def _shares(self) -> dict[str, Share]:
        return {
            bind.label: self.asked.shares[address_of(bind)]
            for bind in self.binds
            if bind.not_probeable is None and address_of(bind) in self.asked.shares
        }

    @property
    def _probed(self) -> list[str]:
        return [bind.label for bind in self.binds if bind.not_probeable is None]


def prove_deployed(
    entries: t.Iterable[t.Mapping[str, t.Any]],
    settings: ProofSettings,
    *,
    only: t.Collection[str] | None = None,
    reloaded: bool = False,
) -> Proof:
    """entries: certificates as certificate_sync returns them; only: names of those to ask for, None for all.

    reloaded: whether HAProxy has just read what is on disk. Raises InvalidOption, HaproxyError.
    """
    unreadable: list[CertificateProof] = []
    certificates = [item for entry in entries for item in _certificate(entry, unreadable)]
    given = certificates + [proof.certificate for proof in unreadable]
    unknown = sorted(set(only or ()) - {certificate.name for certificate in given})
    if unknown:
        raise InvalidOption(f"only: {', '.join(unknown)} is not among the certificates, or deployed nothing.")
    settings = with_all_files(settings)
    binds = find_binds(settings, reloaded=reloaded)
    binds += used_besides(certificates, binds, settings)
    asked = ask_listeners(certificates, binds, settings, only, chain_rules(settings, binds))
    wanted = (proof for proof in unreadable if only is None or proof.certificate.name in only)
    return Proof(ProofReport((*asked.report.certificates, *wanted)), binds, asked)


def with_all_files(settings: ProofSettings) -> ProofSettings:
    """HAProxy's process may have been started with more files than option config names: then these, in its order.

    A socket that does not answer is left out, so that nobody waits for it again.
    """
    try:
        api = _api(settings.socket)
        pid = number_of(api.info().get("Pid", "")) if api else None
    except HaproxyError:
        return settings._replace(socket=None)
    if pid is not None:
        with contextlib.suppress(HaproxyError):
            paths = look_at_surroundings(settings.environment, pid, settings.service).files
            files = _real_files(paths)
            if _real_files(settings.config) < files and all(os.access(file, os.R_OK) for file in files):
                return settings._replace(config=paths)
    return settings


def _real_files(config: t.Sequence[str]) -> set[str]:
    return {os.path.realpath(file) for path in config for file in config_files(path)}


def find_binds(settings: ProofSettings, *, reloaded: bool = False) -> list[TlsBind]:
    """The listeners that are named, or else those of the configuration.

    Without a stats socket, and without a reload just now, it is not known which certificate is the default one.
    """
    named = None if settings.binds is None else [bind for text in settings.binds for bind in _given(text)]
    loaded = _loaded(settings.socket)
    try:
        binds = _uses(settings, loaded, reloaded=reloaded)
    except HaproxyError:
        if named is None:
            raise
        return named  # who names the listeners need not have the configuration here
    taken = listening_addresses() if any(bind.everywhere for bind in binds) else {}
    if named is not None:
        return _named_binds(named, binds, taken)
    return [_reachable(bind, taken.get(bind.port, ())) for bind in binds]


def _uses(settings: ProofSettings, loaded: Loaded | None, *, reloaded: bool) -> list[TlsBind]:
    pid = None if loaded is None else loaded.pid
    if loaded is None:
        known = reloaded
    else:
        known = loaded.started_at is None or _last_change(settings.config) <= loaded.started_at
    return [
        dataclasses.replace(
            bind,
            default_known=known,
            version=None if loaded is None else loaded.version,
            read_at=None if loaded is None or reloaded else loaded.started_at,
        )
        for bind in tls_uses(settings.config, look_at_surroundings(settings.environment, pid, settings.service), loaded)
    ]


def used_besides(
    certificates: t.Iterable[DeployedCertificate], binds: t.Sequence[TlsBind], settings: ProofSettings
) -> list[TlsBind]:
    """The place of certificates that no configuration loads, and that HAProxy's process uses all the same."""
    paths = {certificate.path for certificate in certificates}
    paths -= {reference.path for bind in binds for reference in bind.references or ()}
    used: tuple[str, ...] = ()
    if paths and settings.binds is None and all(bind.version for bind in binds):
        with contextlib.suppress(HaproxyError):
            api = _api(settings.socket)
            used = used_files(api, paths) if api else ()
    references = tuple(map(CertificateReference, used))
    label = f"HAProxy's process ({settings.socket})"
    return [TlsBind(label, "", 0, references, not_probeable=_BESIDES, listens=False)] if references else []


def _named_binds(
    named: t.Sequence[TlsBind], uses: t.Sequence[TlsBind], taken: t.Mapping[int, t.Collection[str]]
) -> list[TlsBind]:
    """With what the configuration says of them; and the places that use certificates which no listener loads.

    taken: addresses at which somebody listens, by port.
    """
    served = {reference.path for use in uses if use.listens for reference in use.references or ()}
    others = [use for use in uses if not use.listens]
    elsewhere = frozenset(item.path for use in others for item in use.references or ()) - served
    at_places = [_at_real_place(use) for use in uses]
    found = (as_configured(_at_real_place(bind), at_places, taken.get(bind.port, ())) for bind in named)
    return [*(dataclasses.replace(bind, elsewhere=elsewhere) for bind in found), *others]


def _at_real_place(bind: TlsBind) -> TlsBind:
    """Its unix socket without symbolic links: /var/run is one."""
    path = bind.unix_path
    is_file = path is not None and not path.startswith("\0")
    return dataclasses.replace(bind, unix_path=os.path.realpath(path or "")) if is_file else bind


def chain_rules(settings: ProofSettings, binds: t.Sequence[TlsBind]) -> ChainRules:
    """What the configuration that was read lets HAProxy make of chains, conditional lines and all; anything where none
    tells of these listeners. Raises HaproxyError when a file cannot be read.
    """
    if any(bind.known_loads is None for bind in binds):
        return ChainRules()
    lines = (line for path in settings.config for file in config_files(path) for line in config_lines(file))
    keywords = {word for line in lines for word in line.split(None, 1)[:1]}
    return ChainRules(completes="issuers-chain-path" in keywords, builds="ssl-skip-self-issued-ca" in keywords)


def _given(text: str) -> t.Iterator[TlsBind]:
    path = unix_path(text)
    if path is not None:
        yield TlsBind(text, "", 0, unix_path=path)
        return
    host, ports, reason = listening_address(text)
    if reason:
        raise InvalidOption(
            f"binds: {text!r} {reason}; give address:port, such as 127.0.0.1:443 or [::1]:443, or a unix socket."
        )
    foreign = is_ip(host) and not is_own_address(host)
    for port in ports:
        yield TlsBind(endpoint_label(host, port), host, port, foreign=foreign)


def _reachable(bind: TlsBind, taken: t.Collection[str]) -> TlsBind:
    """With keepalived, a listener's address may be another host's now. Who answers there proves nothing here.

    And at an address of its own another listener answers for one that listens on all addresses. taken: the addresses
    at which somebody listens on the same port.
    """
    if bind.not_probeable is not None or not is_ip(bind.host):
        return bind
    if bind.everywhere and bind.host in taken:
        ways = ways_to_all(bind.host, own_ipv6_addresses())
        host = next((host for host in ways if host not in taken and is_own_address(host)), None)
        if host is None:
            return dataclasses.replace(bind, not_probeable="is behind other listeners at each address of this host")
        return dataclasses.replace(bind, host=host, label=endpoint_label(host, bind.port))
    if not is_own_address(bind.host):
        return dataclasses.replace(bind, not_probeable="is no address of this host now")
    return bind


def _loaded(address: str | None) -> Loaded | None:
    """What HAProxy has loaded; None where nobody tells: the proof then goes by what is on disk."""
    try:
        api = _api(address)
        return look_at_loaded(api) if api else None
    except HaproxyError:
        return None


def _api(address: str | None) -> RuntimeApi | None:
    """None without a socket. Raises HaproxyError."""
    api = RuntimeApi(address, MEMORY_TIMEOUT) if address else None
    return api if api and (api.path is None or os.path.exists(api.path)) else None


def _last_change(config: t.Sequence[str]) -> int:
    """Of HAProxy's configuration, in seconds since 1970. One that cannot be read is complained about later."""
    times = []
    for path in config:
        for file in config_files(path):
            try:
                times.append(int(os.stat(file).st_mtime))
            except OSError:
                continue
    return max(times, default=0)


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
        chain=chain_of_file(path, fingerprint),
        subject_alternative_names=tuple(str(name) for name in names),
        key_type=str(key_type or kind_of_key(key)).lower(),
        previous_fingerprint_sha256=str(entry.get("previous_fingerprint_sha256") or ""),
    )


def chain_of_file(path: str, fingerprint: str) -> tuple[bytes, ...] | None:
    """The certificates that follow the leaf, in DER. None where the file cannot be read, or has another leaf by now."""
    try:
        blocks = parse_pem(read_regular_file(path))
    except (OSError, RotationError):
        return None
    found = [block.der for block in blocks if block.label == CERTIFICATE]
    return tuple(found[1:]) if found and hashlib.sha256(found[0]).hexdigest() == fingerprint else None


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
