# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which endpoints and certificates does this host have? By HAProxy's configuration and memory, and by files."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.haproxy.listeners import TlsBind
from ..._core.haproxy.parsing import StoredCertificate, parse_server_names
from ..._core.instants import parse_isoformat_utc
from ..._core.watch.discovery import (
    DiscoveredEndpoints,
    DiscoverySettings,
    EndpointDiscovery,
    FoundCertificate,
    certificate_of,
)
from ..._core.watch.sightings import SeenCertificate
from ..._ports.certificate_files import CertificateFiles
from ..._ports.haproxy.binds import tls_uses
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.errors import UnsupportedCommand
from ..._ports.haproxy.load_paths import FileNames, KnownNames, read_load_paths
from ..._ports.haproxy.loaded import Loaded, look_at_loaded
from ..._ports.haproxy.runtime import RuntimeApi
from ..._ports.haproxy.surroundings import look_at_surroundings


@dataclasses.dataclass(frozen=True)
class DiscoveryPlaces:
    """Where to look. config: of HAProxy, files and directories; environment: variables that it uses; socket: of its
    stats; timeout: seconds for one answer; paths: files and directories with certificates, without those of exclude
    (patterns); deadline: seconds for all files."""

    config: t.Sequence[str] = ()
    environment: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    socket: str | None = None
    timeout: float = 10
    paths: t.Sequence[str] = ()
    exclude: t.Sequence[str] = ()
    deadline: float = 300


class HostDiscovery(t.NamedTuple):
    """certificates: each once, with all places of it; files: how many were read; unfinished: "" or why not all."""

    endpoints: DiscoveredEndpoints
    certificates: t.Sequence[FoundCertificate]
    files: int
    unfinished: str


def discover_endpoints(places: DiscoveryPlaces, settings: DiscoverySettings) -> HostDiscovery:
    """Raises RotationError where HAProxy's configuration or socket, which were named, cannot be read."""
    return _HostSearch(places, settings).run()


class _HostSearch:
    def __init__(self, places: DiscoveryPlaces, settings: DiscoverySettings) -> None:
        self._places = places
        self._files = CertificateFiles(places.exclude, seconds=places.deadline)
        self._endpoints = EndpointDiscovery(settings)
        self._found: dict[str, FoundCertificate] = {}
        self._listened: set[str] = set()
        self._stored: dict[str, FoundCertificate] = {}  # name in HAProxy -> what it holds
        api = RuntimeApi(places.socket, places.timeout) if places.socket else None
        self._known = KnownNames(FileNames(read_load_paths(places.config, api)), ())

    def run(self) -> HostDiscovery:
        loaded = self._memory(self._places.socket) if self._places.socket else None
        for bind in self._binds(loaded):
            self._listener(bind)
        for file in self._files.walk(self._places.paths):
            if file.problem:
                self._endpoints.pass_over(file.path, file.problem)
            for der in file.certificates:
                self._keep(certificate_of(der, file.path))
        for key, certificate in self._found.items():
            if key not in self._listened and not (certificate.memory and not self._places.config):
                self._endpoints.certificate(certificate)
        return HostDiscovery(
            self._endpoints.result(), list(self._found.values()), self._files.files, self._files.unfinished
        )

    # HAProxy

    def _binds(self, loaded: Loaded | None) -> list[TlsBind]:
        pid = None if loaded is None else loaded.pid
        return tls_uses(self._places.config, look_at_surroundings(self._places.environment, pid), loaded)

    def _memory(self, socket: str) -> Loaded:
        """What HAProxy has loaded. Without its configuration nobody knows at which ports it serves that."""
        api = RuntimeApi(socket, self._places.timeout)
        loaded = look_at_loaded(api)
        memory = CertificateMemory(api)
        memory.expect(loaded.names)
        names: t.Mapping[str, t.Mapping[str, None]] = {}
        with contextlib.suppress(UnsupportedCommand):  # before HAProxy 3.2
            names = parse_server_names(api.execute("show ssl sni"))
        for name in sorted(loaded.names):
            stored = memory.describe(name)
            if stored is None or stored.fingerprint_sha1 is None:  # an empty one
                continue
            self._known.add(name)
            found = self._keep(_of_memory(stored))
            self._stored[name] = found
            if not self._places.config and stored.status == "Used":
                asked = [each for each in names.get(name, ()) if each != "*"]
                self._endpoints.certificate(found, asked or None)
        return loaded

    def _listener(self, bind: TlsBind) -> None:
        loaded, waiting = [], []
        for reference in bind.references or ():
            held, lying = self._held(reference.path), self._lying(reference.path)
            served = held or lying
            if served is None:
                continue
            loaded.append((reference, served))
            if lying is not None and lying.key != served.key:
                waiting.append((reference, lying))
        self._listened.update(certificate.key for _reference, certificate in [*loaded, *waiting])
        self._endpoints.listener(bind, loaded)
        for reference, certificate in waiting:
            self._endpoints.waiting(bind, reference, certificate)

    def _held(self, path: str) -> FoundCertificate | None:
        """What HAProxy holds of this file."""
        return next((self._stored[name] for name in self._known.of(path) if name in self._stored), None)

    def _lying(self, path: str) -> FoundCertificate | None:
        """The leaf that lies there now."""
        file = self._files.read(path)
        if file.certificates:
            return self._keep(certificate_of(file.certificates[0], path))
        if self._held(path) is None:
            self._endpoints.pass_over(path, file.problem or "It holds no certificate.")
        return None

    def _keep(self, certificate: FoundCertificate) -> FoundCertificate:
        """One that is there already gets one more place; of its facts those that its bytes tell."""
        former = self._found.get(certificate.key)
        if former is not None:
            certificate = dataclasses.replace(
                certificate if certificate.seen.der else former,
                paths=tuple(dict.fromkeys((*former.paths, *certificate.paths))),
                memory=tuple(dict.fromkeys((*former.memory, *certificate.memory))),
            )
        self._found[certificate.key] = certificate
        return certificate


def _of_memory(stored: StoredCertificate) -> FoundCertificate:
    begin, end = stored.not_before, stored.not_after
    seen = SeenCertificate(
        fingerprint_sha256="",
        fingerprint_sha1=stored.fingerprint_sha1 or "",
        fingerprint_md5="",
        der=b"",
        not_before=parse_isoformat_utc(begin) if begin else None,
        not_after=parse_isoformat_utc(end) if end else None,
        subject=stored.subject,
        issuer=stored.issuer,
        serial_number=stored.serial_number,
        subject_alternative_names=stored.subject_alternative_names,
    )
    return FoundCertificate(seen, memory=(stored.name,))
