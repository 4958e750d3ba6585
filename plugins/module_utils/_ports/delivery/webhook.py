# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events to a URL: one POST each, with a deadline for all of it. Redirections are answers, and followed by nobody."""

from __future__ import annotations

import base64
import http.client
import ssl
import typing as t
import urllib.parse

from ..._core.text import shown
from ..._core.watch.delivery import event_body, fault_of_status, signature_of
from ..._core.watch.events import WatchEvent
from ..._errors import DeliveryError, InvalidOption
from ..deadline import Deadline
from ..exchange import Connect, exchange, http_url, over_tcp
from ..proxies import HttpProxy, ProxyRefusal, proxy_for, through_proxy

_HINTS: t.Final = {
    401: " Correct headers, username and password, or secret.",
    403: " Correct headers, username and password, or secret.",
    404: " Correct url.",
    407: " The proxy wants a user and password: http://user:password@proxy:3128.",
}


class WebhookAddress(t.NamedTuple):
    """url: https or http; its path may be a secret. headers: of the user's; username: "" for none; secret: by which
    the body is signed, "" for no signature; body_format: of _core.watch.delivery; tls: None for http."""

    url: str
    headers: t.Mapping[str, str]
    username: str
    password: str
    secret: str
    body_format: str
    tls: ssl.SSLContext


class WebhookReceiver:
    """An EventReceiver. Raises InvalidOption for a URL, or a proxy of the environment, that cannot be used."""

    def __init__(self, address: WebhookAddress) -> None:
        self._address = address
        #: For messages: the rest of a URL may be a secret.
        self.shown = shown_origin(address.url)
        self._parts = urllib.parse.urlsplit(address.url)
        self._is_https = self._parts.scheme == "https"
        self._proxy = proxy_for(address.url)
        self._connect = self._connection(self._proxy)

    def _connection(self, proxy: HttpProxy | None) -> Connect:
        host, port = self._parts.hostname or "", self._parts.port or (443 if self._is_https else 80)
        if proxy is None:
            return over_tcp(host, port, self._address.tls if self._is_https else None)
        return (
            through_proxy(proxy, host, port, self._address.tls) if self._is_https else over_tcp(proxy.host, proxy.port)
        )

    def send(self, event: WatchEvent, timeout: float) -> None:
        body = event_body(event, self._address.body_format)
        try:
            status, _body = exchange(
                self._connect,
                f"POST {self._target}",
                self._headers(event, body),
                deadline=Deadline(timeout),
                most=0,  # the status says it all
                body=body,
            )
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"{self.shown}: {self._reason(error, timeout)}", "unavailable") from None
        except ValueError:
            raise DeliveryError(
                f"{self.shown}: url or headers have something that DNS or HTTP cannot carry. Correct them.",
                "unavailable",
            ) from None
        fault = fault_of_status(status)
        if fault is not None:
            name = http.client.responses.get(status, "no known status")
            hint = _HINTS.get(status, "")
            if 300 <= status < 400:
                hint = " It sends elsewhere, where nothing is sent to: give the right url."
            raise DeliveryError(f"{self.shown} answers {status} ({name}).{hint}", fault)

    @property
    def _target(self) -> str:
        path = urllib.parse.urlunsplit(("", "", self._parts.path or "/", self._parts.query, ""))
        is_proxied = self._proxy is not None and not self._is_https
        return f"http://{self._parts.netloc}{path}" if is_proxied else path

    def _headers(self, event: WatchEvent, body: bytes) -> dict[str, str]:
        """What the user gives comes before what is ours, but for what makes an event this one."""
        address = self._address
        fixed = {"Content-Type": "application/json", "Idempotency-Key": event.id}
        if address.secret:
            fixed["X-Hub-Signature-256"] = signature_of(body, address.secret)
        if address.username:
            credentials = f"{address.username}:{address.password}".encode()
            fixed["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        if self._proxy is not None and not self._is_https:
            fixed.update(self._proxy.headers)
        own = {"Host": self._parts.netloc, "User-Agent": "certops.rotation"}
        headers = {**_without(own, address.headers), **_without(address.headers, fixed), **fixed}
        # http.client would write any of them twice.
        return _without(headers, ("Content-Length", "Transfer-Encoding", "Connection"))

    def _reason(self, error: Exception, timeout: float) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {timeout:g} seconds. It may have the event all the same."
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = shown(error.verify_message)
            return f"its certificate is not valid ({reason}). Give its CA in ca_path or correct url."
        if isinstance(error, ProxyRefusal):
            return f"{error.strerror}. Correct the environment's {self._parts.scheme}_proxy, or ask who runs the proxy."
        if isinstance(error, (ConnectionResetError, BrokenPipeError)):
            return "it ends the connection without an answer. It may have the event all the same."
        if isinstance(error, OSError):
            reason = shown(error.strerror or type(error).__name__)
            through = " through the proxy" if self._proxy else ""
            return f"not reached{through} ({reason}). Is url right, and does the receiver run?"
        return f"it does not speak HTTP ({type(error).__name__}). Correct url."


def shown_origin(url: str) -> str:
    """Scheme, host and port: the rest is the like of a password with many services. Raises InvalidOption."""
    parts = http_url(url)
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidOption(
            "url has characters that HTTP cannot carry. Write a name in A-labels (xn--...), the rest percent-encoded."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _without(headers: t.Mapping[str, str], others: t.Iterable[str]) -> dict[str, str]:
    """Names are compared without case (RFC 9110, section 5.1)."""
    taken = {name.lower() for name in others}
    return {name: value for name, value in headers.items() if name.lower() not in taken}
