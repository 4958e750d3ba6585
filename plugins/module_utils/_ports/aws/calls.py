# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls of any AWS service: repeated while AWS throttles, counted, and failing with a text that is safe to print."""

from __future__ import annotations

import collections
import threading
import typing as t
import urllib.parse

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # who makes the client reports it
    pass

from ..._errors import AwsError
from .secrets_manager import Retry

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"})
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown"})
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError"})
_UNREACHABLE = frozenset(
    {"EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError", "ReadTimeoutError"}
)


class AwsCalls:
    """One service. client: of boto3; name: of the service in IAM policies; api_calls: requests sent so far by
    operation, repeated ones included."""

    def __init__(self, client: t.Any, retry: Retry, name: str) -> None:
        self._client = client
        self._retry = retry
        self._name = name
        self._lock = threading.Lock()
        self.api_calls: collections.Counter[str] = collections.Counter()
        client.meta.events.register_first(
            f"before-send.{client.meta.service_model.service_id.hyphenize()}", self._count
        )

    @property
    def region(self) -> str:
        return str(self._client.meta.region_name)

    @property
    def where(self) -> str:
        """For people: which service is asked."""
        endpoint = urllib.parse.urlsplit(str(self._client.meta.endpoint_url)).netloc.rpartition("@")[2]
        return f"region {self.region} ({endpoint})"

    def call(self, operation: str, *, about: str = "", **request: t.Any) -> dict[str, t.Any]:
        """operation: as boto3 calls it; about: what it is about, for people. Raises AwsError."""
        name = "".join(part.capitalize() for part in operation.split("_"))
        try:
            reply: dict[str, t.Any] = self._retry(getattr(self._client, operation))(**request)
            return reply
        except ClientError as error:
            told = error.response.get("Error", {})
            raise self._failed(name, about, told.get("Code", "Unknown"), told.get("Message", "")) from None
        except BotoCoreError as error:  # no credentials, no connection, time-outs, parameters that are not valid
            raise self._failed(name, about, type(error).__name__, str(error)) from None

    def pages(self, operation: str, *, token: tuple[str, str], about: str = "", **request: t.Any) -> t.Iterator[t.Any]:
        """The replies, one by one. token: names of the reply's and of the request's field that lead to the next."""
        while True:
            reply = self.call(operation, about=about, **request)
            yield reply
            if not reply.get(token[0]):
                return
            request[token[1]] = reply[token[0]]

    def _failed(self, operation: str, about: str, code: str, text: str) -> AwsError:
        text = text.rstrip(".") or "no message"
        if "PRIVATE KEY" in text or code == "ParamValidationError":  # such texts quote what they find invalid
            text = "its message is withheld, as it may quote a private key"
        of = f" for {about}" if about else ""
        action = f"{self._name}:{operation}"
        return AwsError(f"{action}{of} failed with {code}: {text}. {self._advice(code, action)}".rstrip(), code)

    def _advice(self, code: str, action: str) -> str:
        if code in _DENIED:
            return f"Allow {action} in the IAM policy of these credentials."
        if code in _THROTTLED:
            return "AWS kept throttling; run again later."
        if code in _NO_CREDENTIALS:
            return "Give credentials: an instance role, a profile, environment variables or the module's options."
        return "Check the network path, the region and endpoint_url." if code in _UNREACHABLE else ""

    def _count(self, event_name: str, **_event: t.Any) -> None:
        with self._lock:
            self.api_calls[event_name.rpartition(".")[2]] += 1


def is_denied(error: AwsError) -> bool:
    return error.code in _DENIED
