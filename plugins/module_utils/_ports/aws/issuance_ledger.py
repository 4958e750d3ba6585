# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger in a secret, or in an object of S3 where it is larger than a secret. Runs that write at once are merged.

A ledger keeps no renewal back: what goes wrong with it is a warning, and the run goes on without a memory.
AWS facts used here: see secret_chain.py; PutObject with If-Match or If-None-Match fails with PreconditionFailed, or
with ConditionalRequestConflict while another one is under way; without s3:ListBucket a missing object is AccessDenied.
"""

from __future__ import annotations

import re
import typing as t
import uuid
from datetime import datetime

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # who makes the client reports it
    pass

from ..._core.acme.ledger import MAX_BYTES, Ledger
from ..._errors import InvalidOption, RotationError
from .secret_chain import SecretChain, chain_store
from .secrets_manager import Retry
from .shared_secrets import Properties

_ATTEMPTS: t.Final = 8
_MAX_OBJECT_BYTES: t.Final = 4 * 1024 * 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LOST: t.Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_DESCRIPTION: t.Final = "Ledger of certificate issuance (certops.rotation): limits, failures and renewal windows."


class LedgerPlace(t.Protocol):
    """Where the text is. Methods raise RotationError."""

    max_bytes: int

    @property
    def name(self) -> str: ...

    def read(self) -> str | None:
        """None when there is none yet."""

    def succeed(self, text: str) -> bool:
        """Replace what was read last. False when it is not that any more."""


class SecretPlace(SecretChain):
    """In a secret."""

    max_bytes = MAX_BYTES


class ObjectPlace:
    """In an object of S3. client: of boto3, for ``s3``; kms_key_id: for SSE-KMS, None for the bucket's default."""

    max_bytes = _MAX_OBJECT_BYTES

    def __init__(self, client: t.Any, retry: Retry, bucket: str, key: str, kms_key_id: str | None = None) -> None:
        self.name = f"s3://{bucket}/{key}"
        self._client, self._retry = client, retry
        self._object = {"Bucket": bucket, "Key": key}
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}
        self._etag: str | None = None

    def read(self) -> str | None:
        self._etag = None
        try:
            reply = self._retry(self._client.get_object)(**self._object)
            content: bytes = reply["Body"].read(_MAX_OBJECT_BYTES + 1)
        except (BotoCoreError, ClientError) as error:
            if _code(error) in ("NoSuchKey", "404"):
                return None
            raise self._failed("GetObject", error) from None
        self._etag = reply["ETag"]
        return content.decode("utf-8", "replace")

    def succeed(self, text: str) -> bool:
        condition = {"IfMatch": self._etag} if self._etag else {"IfNoneMatch": "*"}
        try:
            reply = self._retry(self._client.put_object)(
                **self._object, **condition, **self._encryption, Body=text.encode(), ContentType="application/json"
            )
        except (BotoCoreError, ClientError) as error:
            if _code(error) in _LOST or (self._etag and _code(error) in ("NoSuchKey", "404")):
                return False
            raise self._failed("PutObject", error) from None
        self._etag = reply["ETag"]
        return True

    def _failed(self, operation: str, error: Exception) -> RotationError:
        advice = ""
        if _code(error) in ("AccessDenied", "403"):
            advice = " Allow s3:GetObject and s3:PutObject, and s3:ListBucket: without it a missing object is denied."
        return RotationError(f"s3:{operation} of {self.name} failed: {str(error).rstrip('.')}.{advice}")


class IssuanceLedger:
    """Neither method raises what AWS or a document has done: they return warnings."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place
        self._run = uuid.uuid4().hex  # Secrets Manager takes the same text of two runs for one
        self._is_known = False

    def read(self) -> tuple[Ledger, str | None]:
        """A new one, with a warning, where none can be read."""
        try:
            text = self._place.read()
        except RotationError as error:
            return Ledger(), f"The ledger of certificate issuance cannot be read, and is left alone: {error.message}"
        self._is_known = True
        if text is None:
            return Ledger(), None
        ledger, problem = Ledger.from_json(text)
        return ledger, f"The ledger of certificate issuance in {self._place.name}: {problem}" if problem else None

    def write(self, ledger: Ledger, now: datetime) -> str | None:
        """Where this run has changed something. After read() only."""
        if not ledger.changes or ledger.foreign or not self._is_known:
            return None
        latest = ledger
        try:
            for _attempt in range(_ATTEMPTS):
                if self._place.succeed(latest.to_json(now, self._place.max_bytes, self._run)):
                    return None
                text = self._place.read()
                latest = Ledger.from_json(text)[0] if text is not None else Ledger()
                if latest.foreign:
                    return None
                latest.replay(ledger)
        except RotationError as error:
            return f"The ledger of certificate issuance cannot be written: {error.message}"
        return f"The ledger of certificate issuance in {self._place.name} is written by too many runs at once."


def ledger_place(
    address: str, client: t.Callable[[str], t.Any], retry: Retry, kms_key_id: str | None = None
) -> LedgerPlace:
    """address: name of a secret, or s3://bucket/key; client: makes one of boto3 for a service. Raises InvalidOption."""
    if not address.startswith("s3://"):
        properties = Properties(kms_key_id=kms_key_id, description=_DESCRIPTION)
        return SecretPlace(chain_store(client("secretsmanager"), retry, properties), address)
    bucket, _slash, key = address[len("s3://") :].partition("/")
    if not _BUCKET.fullmatch(bucket) or not key or key.endswith("/"):
        raise InvalidOption(f"ledger {address!r} names no object: write s3://BUCKET/KEY, or the name of a secret.")
    return ObjectPlace(client("s3"), retry, bucket, key, kms_key_id)


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__
