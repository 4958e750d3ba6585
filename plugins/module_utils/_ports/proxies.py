# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP proxy that http_proxy, https_proxy and no_proxy name for a URL, and connections through it."""

from __future__ import annotations

import base64
import ssl
import typing as t
import urllib.parse
import urllib.request

from .._errors import InvalidOption
from .exchange import Connect, over_tcp

if t.TYPE_CHECKING:
    import socket

    from .deadline import Deadline

_MOST_OF_AN_ANSWER = 64 * 1024


class ProxyRefusal(OSError):
    """The proxy is there, and leads nowhere."""


class HttpProxy(t.NamedTuple):
    """authorization: value of the header Proxy-Authorization, "" for none."""

    host: str
    port: int
    authorization: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(url: str) -> HttpProxy | None:
    """None: none is named, or no_proxy has the host. Raises InvalidOption for one that is no HTTP proxy."""
    parts = urllib.parse.urlsplit(url)
    named = urllib.request.getproxies().get(parts.scheme)
    if not named or urllib.request.proxy_bypass(parts.netloc):
        return None
    try:
        proxy = urllib.parse.urlsplit(named if "://" in named else f"http://{named}")
        port = proxy.port or 80
    except ValueError:
        proxy, port = urllib.parse.SplitResult("", "", "", "", ""), 0
    if proxy.scheme != "http" or not proxy.hostname:
        # Not quoted: it may hold a password.
        raise InvalidOption(
            f"The environment's {parts.scheme}_proxy is no HTTP proxy such as http://proxy:3128. Correct it, or name"
            f" {parts.hostname} in no_proxy."
        )
    credentials = ""
    if proxy.username is not None:
        pair = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
        credentials = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return HttpProxy(proxy.hostname, port, credentials)


def through_proxy(proxy: HttpProxy, host: str, port: int, tls: ssl.SSLContext) -> Connect:
    """A TLS connection in a tunnel (RFC 9110, section 9.3.6)."""

    def connect(deadline: Deadline) -> socket.socket:
        connection = over_tcp(proxy.host, proxy.port)(deadline)
        try:
            _open_tunnel(connection, proxy, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", deadline)
            connection.settimeout(deadline.remaining())
            return tls.wrap_socket(connection, server_hostname=host)
        except OSError:
            connection.close()
            raise

    return connect


def _open_tunnel(connection: socket.socket, proxy: HttpProxy, target: str, deadline: Deadline) -> None:
    headers = {"Host": target, **proxy.headers}
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    connection.settimeout(deadline.remaining())
    connection.sendall("\r\n".join(lines).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        connection.settimeout(deadline.remaining())
        some = connection.recv(4096)
        if not some or len(answer) > _MOST_OF_AN_ANSWER:
            raise ProxyRefusal(0, "the proxy does not speak HTTP")
        answer += some
    version, _space, rest = answer.partition(b" ")
    if not version.startswith(b"HTTP/") or not rest[:3].isdigit():
        raise ProxyRefusal(0, "the proxy does not speak HTTP")
    if not rest.startswith(b"2"):
        raise ProxyRefusal(0, f"the proxy answers {rest[:3].decode()}")
