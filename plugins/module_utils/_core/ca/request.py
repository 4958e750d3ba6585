# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests for server certificates (PKCS #10, RFC 2986), from hosts that may not read the authority's key."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption
from ..x509.pem import parse_pem
from ..x509.problems import MaterialError
from ..x509.reading import material_errors
from .issue import signature_hash
from .names import alternative_names

_LABEL: t.Final = "CERTIFICATE REQUEST"

Network = t.Union["ipaddress.IPv4Network", "ipaddress.IPv6Network"]


@dataclass(frozen=True)
class ServerRequest:
    """names: that the certificate is to have."""

    public_key: t.Any
    names: tuple[x509.GeneralName, ...]


@dataclass(frozen=True)
class Allowed:
    """What a host may ask for. names: as they are; domains: such as ".x.y", names below them; networks: addresses."""

    names: frozenset[str]
    domains: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def refused(self, request: ServerRequest) -> list[str]:
        """Names of the request that this host may not have."""
        return [str(name.value) for name in request.names if not self._has(name)]

    def _has(self, name: x509.GeneralName) -> bool:
        if str(name.value) in self.names:
            return True
        if isinstance(name, x509.IPAddress):
            return any(name.value in network for network in self.networks)
        # A wildcard stands for hosts that nobody has thought of: only where it is named.
        return "*" not in name.value and name.value.lower().endswith(self.domains)


def allowed(names: t.Iterable[x509.GeneralName], others: t.Iterable[str]) -> Allowed:
    """others: domains such as ``*.example.com``, and networks such as ``10.0.0.0/8``.

    Raises InvalidOption for a text that is neither.
    """
    domains, networks = [], []
    for text in (other.strip() for other in others):
        domain = text.removeprefix("*.")
        if domain != text and "*" not in domain:
            (name,) = alternative_names([domain])
            domains.append(f".{name.value}")
            continue
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as why:
            raise InvalidOption(
                f"{text!r} is neither a domain such as *.example.com nor a network such as 10.0.0.0/8: {why}."
            ) from None
    return Allowed(frozenset(str(name.value) for name in names), tuple(domains), tuple(networks))


def request_pem(key: t.Any, names: t.Iterable[x509.GeneralName]) -> str:
    """Signed with the key. The subject is left to who issues."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    return builder.sign(key, signature_hash(key)).public_bytes(serialization.Encoding.PEM).decode()


def read_request(text: str) -> ServerRequest:
    """Raises InvalidOption for what is none, or is not signed with its own key."""
    try:
        blocks = [block for block in parse_pem(text) if block.label == _LABEL]
        with material_errors():
            request = x509.load_der_x509_csr(blocks[0].der) if len(blocks) == 1 else None
            is_signed = request is not None and request.is_signature_valid
            names = _names(request) if request else ()
            key = request.public_key() if request else None
    except MaterialError:
        request = None
    if request is None:
        raise InvalidOption("request: give one certificate request as PEM ('BEGIN CERTIFICATE REQUEST').")
    if not is_signed:
        raise InvalidOption("request: it is not signed with its own key.")
    if not names:
        raise InvalidOption("request: it asks for no host name and no IP address.")
    return ServerRequest(key, names)


def _names(request: x509.CertificateSigningRequest) -> tuple[x509.GeneralName, ...]:
    found = [each.value for each in request.extensions if isinstance(each.value, x509.SubjectAlternativeName)]
    names = [name for extension in found for name in extension]
    if any(not isinstance(name, (x509.DNSName, x509.IPAddress)) for name in names):
        raise InvalidOption("request: it asks for a name that is neither a host name nor an IP address.")
    return tuple(dict.fromkeys(names))
