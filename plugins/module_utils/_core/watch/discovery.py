# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The endpoints that a host should be watched at, from its HAProxy's listeners and the certificates on it. Pure."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import typing as t
from datetime import datetime

from ..._errors import InvalidOption
from ..haproxy.listeners import CertificateReference, TlsBind
from ..x509.certificate import load_certificate
from .endpoints import WatchedEndpoint
from .imports import STILL_SERVED
from .reading import canonical_host, read_endpoint
from .seen import seen_certificate
from .sightings import SeenCertificate

_SERVER: t.Final = "1.3.6.1.5.5.7.3.1"  # id-kp-serverAuth, RFC 5280, 4.2.1.12
_ANY_USAGE: t.Final = "2.5.29.37.0"
_LOCAL_NAMES: t.Final = ("localhost", "localhost.localdomain")


@dataclasses.dataclass(frozen=True)
class FoundCertificate:
    """A certificate in files or in HAProxy's memory, which tells of one that lies in no file less than its bytes would.

    seen: its facts, of memory alone with empty der and "" for all fingerprints but SHA-1; is_ca: of an authority;
    for_servers: whether its usage allows servers to present it. paths: files; memory: names in HAProxy.
    """

    seen: SeenCertificate
    is_ca: bool = False
    for_servers: bool = True
    paths: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its identity: the one fingerprint that HAProxy tells."""
        return self.seen.fingerprint_sha1

    def presentable(self, now: datetime) -> bool:
        """Whether a server may present it now, or may have forgotten it."""
        end = self.seen.not_after
        return not self.is_ca and self.for_servers and (end is None or end + STILL_SERVED > now)


@dataclasses.dataclass(frozen=True)
class DiscoverySettings:
    """now: aware time. host: by which others reach this host; address: its IP address, for all endpoints instead of
    asking DNS; ports: where certificates are served that no listener of the configuration loads; tags: of them all.
    """

    now: datetime
    host: str | None = None
    address: str | None = None
    ports: tuple[int, ...] = (443,)
    tags: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class DiscoveredEndpoints:
    """endpoints: in the order of host and port; serving: key of a certificate -> the endpoints that should present it;
    covering: key of a certificate -> the same for its wildcards, such as "*.example.com:443", which stand for hosts
    that nobody here knows; passed_over: what cannot be watched, and why."""

    endpoints: tuple[WatchedEndpoint, ...] = ()
    serving: t.Mapping[str, tuple[WatchedEndpoint, ...]] = dataclasses.field(default_factory=dict)
    covering: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    passed_over: tuple[tuple[str, str], ...] = ()


def certificate_of(der: bytes, path: str) -> FoundCertificate:
    """Raises MaterialError where it is none."""
    certificate = load_certificate(der)
    usage = certificate.extended_key_usage
    return FoundCertificate(
        seen_certificate(der),
        is_ca=certificate.is_ca,
        for_servers=usage is None or _SERVER in usage or _ANY_USAGE in usage,
        paths=(path,),
    )


class EndpointDiscovery:
    """Takes listeners and certificates one by one, and makes endpoints of them."""

    def __init__(self, settings: DiscoverySettings) -> None:
        self._settings = settings
        self._endpoints: dict[tuple[str, int], WatchedEndpoint] = {}
        self._serving: dict[str, dict[tuple[str, int], None]] = {}
        self._covering: dict[str, dict[str, None]] = {}
        self._passed_over: dict[tuple[str, str], None] = {}
        address = settings.address
        self._at_home = address is not None and ipaddress.ip_address(address).is_loopback

    def result(self) -> DiscoveredEndpoints:
        return DiscoveredEndpoints(
            tuple(self._endpoints[key] for key in sorted(self._endpoints)),
            {key: tuple(self._endpoints[each] for each in sorted(keys)) for key, keys in self._serving.items()},
            {key: tuple(names) for key, names in self._covering.items()},
            tuple(self._passed_over),
        )

    def listener(self, bind: TlsBind, loaded: t.Sequence[tuple[CertificateReference, FoundCertificate]]) -> None:
        """loaded: what it loads, in that order, as far as it could be read."""
        reason = self._unreachable(bind)
        if reason:
            self.pass_over(bind.label, reason)
            return
        # Who asks DNS finds what stands before HAProxy, and that one sends the header by itself.
        proxy = bind.proxy_protocol and self._settings.address is not None
        named = False
        for reference, certificate in loaded:
            for name in _asked_names(reference, certificate):
                named |= self._add(name, bind.port, certificate, bind.label, proxy_protocol=proxy)
        if not named and loaded:
            self._add_itself(bind, [certificate for _reference, certificate in loaded])

    def waiting(self, bind: TlsBind, reference: CertificateReference, certificate: FoundCertificate) -> None:
        """One that lies where the listener loads it from, which holds another one: it should be at the endpoints that
        there are."""
        if self._unreachable(bind):
            return
        for name in _asked_names(reference, certificate):
            if self._cover(name, bind.port, certificate):
                continue
            with contextlib.suppress(InvalidOption):
                key = (canonical_host(name), bind.port)
                if key in self._endpoints:
                    self._serving.setdefault(certificate.key, {})[key] = None

    def certificate(self, certificate: FoundCertificate, names: t.Iterable[str] | None = None) -> None:
        """One that no listener of the configuration loads. names: by which clients get it, its own where None."""
        if not certificate.presentable(self._settings.now):
            return
        where = (*certificate.paths, *certificate.memory)[0]
        for name in certificate.seen.subject_alternative_names if names is None else names:
            for port in self._settings.ports:
                self._add(name, port, certificate, where)

    def pass_over(self, what: str, reason: str) -> None:
        """Say that this cannot be watched, or read, and why."""
        self._passed_over[what, reason] = None

    def _unreachable(self, bind: TlsBind) -> str | None:
        if bind.not_probeable:
            return bind.not_probeable
        if bind.unix_path:
            return "is a unix socket"
        if not bind.everywhere and not self._at_home and _is_loopback(bind.host):
            return "listens on loopback only: give an address of loopback to watch it from this host"
        return None

    def _add(
        self, name: str, port: int, certificate: FoundCertificate, where: str, *, proxy_protocol: bool = False
    ) -> bool:
        """Whether there is an endpoint for this name now."""
        try:
            host = canonical_host(name)
            if not self._at_home and (host in _LOCAL_NAMES or _is_loopback(host)):
                raise InvalidOption(f"{host} is another host for each that asks.")
            entry = {"host": host, "port": port, "proxy_protocol": proxy_protocol, "address": self._settings.address}
            self._keep(read_endpoint(entry, (), tags=self._settings.tags), certificate)
        except InvalidOption as error:
            self._cover(name, port, certificate)
            self.pass_over(f"{name} of {where}", error.message)
            return False
        return True

    def _cover(self, name: str, port: int, certificate: FoundCertificate) -> bool:
        """Whether it is a name with a wildcard that somebody can be below."""
        if not name.startswith("*.") or "*" in name[2:]:
            return False
        self._covering.setdefault(certificate.key, {})[f"{name.lower()}:{port}"] = None
        return True

    def _add_itself(self, bind: TlsBind, certificates: t.Sequence[FoundCertificate]) -> None:
        """By no name of a certificate, as they have none that can be asked for: what it presents without SNI."""
        own = self._settings.host or self._settings.address
        host = own if bind.everywhere or _is_loopback(bind.host) else bind.host
        if host is None or bind.strict_sni:
            why = "takes no handshake without SNI (strict-sni)" if bind.strict_sni else "has no address of its own"
            self.pass_over(bind.label, f"{why}, and its certificates have no names that can be asked for.")
            return
        entry = {
            "host": host,
            "port": bind.port,
            "server_name": "",
            "proxy_protocol": bind.proxy_protocol and self._settings.address is not None,
            "address": None if host == self._settings.address else self._settings.address,
        }
        endpoint = read_endpoint(entry, (), tags=self._settings.tags)
        for certificate in certificates:
            self._keep(endpoint, certificate)

    def _keep(self, endpoint: WatchedEndpoint, certificate: FoundCertificate) -> None:
        self._endpoints.setdefault(endpoint.key, endpoint)
        self._serving.setdefault(certificate.key, {})[endpoint.key] = None


def _asked_names(reference: CertificateReference, certificate: FoundCertificate) -> list[str]:
    """By which clients get it: the filters of a crt-list, where there are any, take the place of its own."""
    names = reference.filters if reference.filtered else certificate.seen.subject_alternative_names
    return [name for name in names if not name.startswith("!")]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
