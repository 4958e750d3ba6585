# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload through an HTTP endpoint that somebody offers for it."""

from __future__ import annotations

import base64
import http.client
import ssl
import typing as t
import urllib.parse

from ..._core.text import shown
from ..._errors import InvalidOption, ReloadError
from ..deadline import Deadline
from ..exchange import exchange, http_url, over_tcp
from ..trusting import trust_as_given
from .master import MasterReloader
from .reloader import Reload

_MAX_ANSWER = 65536
_MAX_QUOTED = 300


class ReloadEndpoint(t.NamedTuple):
    """statuses: those that mean a reload has worked; username: "" for none; timeout: seconds for the whole exchange."""

    url: str
    headers: t.Mapping[str, str]
    username: str
    password: str
    statuses: t.Collection[int]
    timeout: float
    tls: ssl.SSLContext


def client_context(ca_path: str | None, certificate: str | None, private_key: str | None) -> ssl.SSLContext:
    """A context that validates the server. ca_path: PEM file of CAs, None: the system's. Raises InvalidOption."""
    try:
        context = ssl.create_default_context(cafile=ca_path)
        trust_as_given(context)
        if certificate:
            # Without a password an encrypted key would be asked for on the terminal.
            context.load_cert_chain(certificate, private_key, password="")
    except (OSError, ssl.SSLError) as error:
        name = error.strerror or error.__class__.__name__
        raise InvalidOption(
            f"Cannot load {ca_path or 'the CAs of this host'}"
            + (f" or {certificate} with its key" if certificate else "")
            + f": {name}. ca_path, client_cert and client_key name PEM files; the key is not encrypted."
        ) from None
    return context


class HttpReloader:
    """master: the master's socket where it is known; without it the endpoint's status is the result."""

    def __init__(self, endpoint: ReloadEndpoint, master: MasterReloader | None = None) -> None:
        self._endpoint = endpoint
        self._master = master
        self._shown = without_secrets(endpoint.url)

    def worker_pid(self) -> int | None:
        return self._master.worker_pid() if self._master else None

    def reload(self) -> Reload:
        answers: list[str] = []
        if self._master:
            result = self._master.reload_by(lambda: answers.append(self._post()))
            return result._replace(log=answers[0])
        return Reload(None, None, self._post())

    def _post(self) -> str:
        """The answer's text, "" where it might repeat a secret that was sent. A redirection is an answer, too.

        Raises ReloadError; its details have no log, for HAProxy has said nothing.
        """
        endpoint = self._endpoint
        parts = urllib.parse.urlsplit(endpoint.url)
        is_https = parts.scheme == "https"
        connect = over_tcp(
            parts.hostname or "", parts.port or (443 if is_https else 80), endpoint.tls if is_https else None
        )
        given = {name.lower() for name in endpoint.headers}
        own = {"Host": parts.netloc, "User-Agent": "certops.rotation"}
        headers = {name: value for name, value in own.items() if name.lower() not in given} | dict(endpoint.headers)
        if endpoint.username:
            credentials = f"{endpoint.username}:{endpoint.password}".encode()
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            deadline = Deadline(endpoint.timeout)
            status, body = exchange(connect, f"POST {target}", headers, deadline=deadline, most=_MAX_ANSWER)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ReloadError(f"POST to {self._shown} failed: {self._reason(error)}") from None
        # In whatever form: as it is, in base64, quoted, reversed.
        text = "" if self._sends_secrets else shown(body.decode("utf-8", "replace").strip())
        if status not in endpoint.statuses:
            wanted = ", ".join(str(wanted) for wanted in endpoint.statuses)
            said = f": {text[:_MAX_QUOTED]}" if text else f" ({http.client.responses.get(status, 'unknown')})."
            raise ReloadError(f"POST to {self._shown} was answered with status {status} instead of {wanted}{said}")
        return text

    @property
    def _sends_secrets(self) -> bool:
        endpoint = self._endpoint
        return bool(endpoint.headers or endpoint.username or urllib.parse.urlsplit(endpoint.url).query)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._endpoint.timeout:g} seconds. Whether HAProxy was reloaded is not known."
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({error.verify_message}). Give its CA in ca_path or correct the URL."
        if isinstance(error, OSError):
            return f"{error.strerror or error.__class__.__name__}. Is the URL right, and does the endpoint run?"
        if isinstance(error, (ValueError, http.client.InvalidURL)):
            return "the URL or a header holds characters that HTTP cannot carry. Correct it."
        return f"it does not speak HTTP ({error.__class__.__name__}). Correct the URL."


def without_secrets(url: str) -> str:
    """For messages: no query, which may hold a token. Raises InvalidOption."""
    parts = http_url(url)
    return shown(urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")))
