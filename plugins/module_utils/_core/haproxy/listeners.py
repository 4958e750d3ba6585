# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's TLS listeners load, as far as its configuration and its process tell. Pure."""

from __future__ import annotations

import dataclasses


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
    in another way, such as a server line. elsewhere: of a user's bind, files that are known to be at such places alone.
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
    version: tuple[int, int] | None = None
    read_at: int | None = None
