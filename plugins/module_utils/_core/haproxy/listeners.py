# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's TLS listeners load, as far as its configuration and its process tell. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t


@dataclasses.dataclass(frozen=True)
class CertificateReference:
    """One certificate file that a listener loads. path: with symbolic links resolved.

    filtered: a crt-list gives it SNI filters, and then these alone select it, not its own names. filters: as written,
    in lower case; "!" excludes. fallback: the configuration makes it a default one, beside the first that is loaded
    (HAProxy 3.0: "default-crt", and all of the bundle that is loaded first).
    """

    path: str
    filters: tuple[str, ...] = ()
    filtered: bool = False
    fallback: bool = False


@dataclasses.dataclass(frozen=True)
class TlsBind:
    """A TLS listener. references: in the order HAProxy loads them; None: any certificate may be there (user's bind).

    label: how messages call it. not_probeable: why no handshake can be made with it from this host, or None.
    unix_path: of its unix socket, with a zero byte first for an abstract one; then host and port say nothing.
    proxy_sometimes: whether it expects the PROXY protocol depends on the client. default_known: whether the first of
    the references is known to be what HAProxy's process has as its default. foreign: its address is none of this
    host's, so another host may answer. everywhere: it listens on all addresses of the host, and host is just one.
    incomplete: it may load other certificates than these references. listens: False for a place that uses certificates
    in another way, such as a server line. elsewhere: of a user's bind, files that are known to be at such places alone;
    loads: what the configuration has at its address, as references, None where it tells nothing; unconfigured: whether
    it is known to have nothing there.
    version: of the HAProxy that listens; read_at: when it read its files, seconds since 1970. None: not known.
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
    incomplete: bool = False
    listens: bool = True
    elsewhere: frozenset[str] = frozenset()
    loads: tuple[CertificateReference, ...] | None = None
    unconfigured: bool = False
    version: tuple[int, int] | None = None
    read_at: int | None = None

    @property
    def known_loads(self) -> tuple[CertificateReference, ...] | None:
        """What it loads, in this order; None where nobody knows."""
        return self.loads if self.references is None else self.references


def as_configured(named: TlsBind, binds: t.Sequence[TlsBind], taken: t.Collection[str] = ()) -> TlsBind:
    """A user's bind with what the configuration says of the listener at its address; itself where it says nothing, or
    two things. binds: of the configuration; taken: addresses at which somebody listens on the same port.
    """
    is_legible = any(bind.listens for bind in binds) and not any(bind.not_probeable for bind in binds if bind.listens)
    for found in _at(named, binds, taken):
        said = {(bind.references, bind.strict_sni, bind.proxy_protocol) for bind in found}
        if len(said) == 1:
            return dataclasses.replace(
                found[0],
                label=named.label,
                host=named.host,
                everywhere=False,
                references=None,
                loads=found[0].references,
            )
        if found:
            return named
    return dataclasses.replace(named, unconfigured=is_legible and not named.foreign)


def _at(named: TlsBind, binds: t.Sequence[TlsBind], taken: t.Collection[str]) -> t.Iterator[list[TlsBind]]:
    """Those that get a connection to its address, the most specific ones first."""
    here = [bind for bind in binds if bind.listens and bind.not_probeable is None and bind.port == named.port]
    if named.unix_path is not None:
        yield [bind for bind in here if bind.unix_path == named.unix_path]
        return
    here = [bind for bind in here if bind.unix_path is None]
    host = _canonical(named.host)
    if named.foreign:
        return
    yield [bind for bind in here if not bind.everywhere and _canonical(bind.host) == host]
    if host in taken:  # by another program
        return
    everywhere = [bind for bind in here if bind.everywhere]
    yield [bind for bind in everywhere if (":" in bind.host) == (":" in host)]
    if ":" not in host:
        yield everywhere


def _canonical(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()
