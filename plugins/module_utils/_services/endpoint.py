# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload through an HTTP endpoint that somebody offers for it."""

from __future__ import annotations

import base64
import http.client
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request

from .._errors import InvalidOption, ReloadError
from .master import MasterReloader
from .reloader import Reload

_MAX_ANSWER = 65536
_MAX_QUOTED = 300


class Endpoint(t.NamedTuple):
    """statuses: those that mean a reload has worked; username: "" for none; timeout: seconds."""

    url: str
    headers: t.Mapping[str, str]
    username: str
    password: str
    statuses: t.Collection[int]
    timeout: float
    tls: ssl.SSLContext


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, which reloads nothing; and headers are for one host only."""

    def redirect_request(self, *_arguments: t.Any) -> None:
        return None


def client_context(ca_path: str | None, certificate: str | None, private_key: str | None) -> ssl.SSLContext:
    """A context that validates the server. ca_path: PEM file of CAs, None: the system's. Raises InvalidOption."""
    try:
        context = ssl.create_default_context(cafile=ca_path)
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

    def __init__(self, endpoint: Endpoint, master: MasterReloader | None = None) -> None:
        self._endpoint = endpoint
        self._master = master
        self._shown = _without_secrets(endpoint.url)

    def worker_pid(self) -> int | None:
        return self._master.worker_pid() if self._master else None

    def reload(self) -> Reload:
        answers: list[str] = []
        if self._master:
            result = self._master.reload_by(lambda: answers.append(self._post()))
            return result._replace(log=answers[0])
        return Reload(None, None, self._post())

    def _post(self) -> str:
        """The answer's text. Raises ReloadError; its details have no log, for HAProxy has said nothing."""
        endpoint = self._endpoint
        request = urllib.request.Request(  # noqa: S310  # the scheme is checked
            endpoint.url, data=b"", headers=dict(endpoint.headers), method="POST"
        )
        if endpoint.username:
            credentials = f"{endpoint.username}:{endpoint.password}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
        opener = urllib.request.build_opener(_NoRedirect(), urllib.request.HTTPSHandler(context=endpoint.tls))
        try:
            try:
                response = opener.open(request, timeout=endpoint.timeout)
            except urllib.error.HTTPError as error:
                response = error  # it is the answer
            with response:
                status = response.status
                text = str(response.read(_MAX_ANSWER), "utf-8", "replace").strip()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ReloadError(f"POST to {self._shown} failed: {self._reason(error)}") from None
        if status not in endpoint.statuses:
            wanted = ", ".join(str(wanted) for wanted in endpoint.statuses)
            raise ReloadError(
                f"POST to {self._shown} was answered with status {status} instead of {wanted}"
                + (f": {text[:_MAX_QUOTED]}" if text else ".")
            )
        return text

    def _reason(self, error: Exception) -> str:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            return f"no answer within {self._endpoint.timeout:g} seconds. Whether HAProxy was reloaded is not known."
        if isinstance(reason, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({reason.verify_message}). Give its CA in ca_path or correct the URL."
        if isinstance(reason, OSError):
            return f"{reason.strerror or reason}. Is the URL right, and does the endpoint run?"
        return f"it does not speak HTTP ({reason.__class__.__name__}). Correct the URL."


def _without_secrets(url: str) -> str:
    """For messages: no query, which may hold a token. Raises InvalidOption."""
    try:
        parts = urllib.parse.urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_good = urllib.parse.SplitResult("", "", "", "", ""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise InvalidOption("The method http needs a url like https://host:port/path.")
    if parts.username or parts.password:
        raise InvalidOption("The url holds credentials. Give them in username and password, where nothing prints them.")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
