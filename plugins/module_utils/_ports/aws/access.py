# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Raw questions to AWS whose answers are kept apart: who are we, what may we do, what time is it there."""

from __future__ import annotations

import email.utils
import typing as t
from datetime import datetime, timedelta, timezone

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # the doctor says so
    pass

_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
_AFTER_AUTHORIZATION = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
_REJECTED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class AwsAnswer(t.NamedTuple):
    """What became of one request. code: of AWS's error, or the name of botocore's; "" for success.

    answered: whether AWS was reached at all; reply: never shown, for it may hold a secret's value.
    """

    code: str
    text: str
    answered: bool
    reply: t.Mapping[str, t.Any]

    @property
    def succeeded(self) -> bool:
        return not self.code

    @property
    def denied(self) -> bool:
        """AWS knows who asks and does not allow it."""
        return self.code in _DENIED

    @property
    def allowed(self) -> bool:
        """AWS looked for the secret at least, which it does only when the caller may do that."""
        return self.succeeded or self.denied_by_key or self.code in _AFTER_AUTHORIZATION

    @property
    def denied_by_key(self) -> bool:
        """The secret may be read, but not decrypted."""
        return self.code == "DecryptionFailure" or (self.denied and "kms" in self.text.lower())

    @property
    def rejected(self) -> bool:
        """AWS does not accept the credentials, or there are none."""
        return self.code in _REJECTED or (not self.answered and "Credential" in self.code)

    def __repr__(self) -> str:
        return f"AwsAnswer({self.code!r})"


class AwsAccess:
    """clients: of boto3, by name of the service.

    clock_offset: AWS's clock minus this host's by the latest answer, None before there was one.
    """

    def __init__(self, **clients: t.Any) -> None:
        self.clock_offset: timedelta | None = None
        self._clients = clients
        for client in clients.values():
            client.meta.events.register("after-call", self._read_clock)

    def ask(self, service: str, operation: str, **request: t.Any) -> AwsAnswer:
        """One request, whatever comes of it. operation: as boto3 calls it."""
        try:
            reply = getattr(self._clients[service], operation)(**request)
        except ClientError as error:
            told = error.response.get("Error", {})
            return AwsAnswer(told.get("Code", "Unknown"), told.get("Message", ""), True, {})
        except BotoCoreError as error:  # no credentials, no connection, time-outs: their texts hold no values
            return AwsAnswer(type(error).__name__, str(error), False, {})
        return AwsAnswer("", "", True, reply)

    def _read_clock(self, http_response: t.Any, **_event: t.Any) -> None:
        try:
            theirs = email.utils.parsedate_to_datetime(http_response.headers["date"])
        except (KeyError, TypeError, ValueError):  # an emulator without a clock
            return
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=timezone.utc)
        self.clock_offset = theirs - datetime.now(timezone.utc)
