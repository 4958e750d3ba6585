# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS's errors say of secrets, in words for people."""

from __future__ import annotations

import typing as t

from ..._core.pipeline.source import SecretFailure, SecretVersion
from ..._core.promotion import CURRENT
from ..._core.secrets.arn import not_found
from ..._core.x509.problems import Problem

DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
TRANSIENT = THROTTLED | {"InternalServiceError", "InternalServiceErrorException", "InternalFailure"}


def call_failed(operation: str, code: str, text: str, secret: str | None) -> str:
    of = f" of secret {secret}" if secret else ""
    text = text.rstrip(".") or "no message"
    if "PRIVATE KEY" in text:  # AWS quotes values that it finds invalid
        text = "its message is withheld, as it quotes the value"
    return f"secretsmanager:{operation}{of} failed with {code}: {text}. {_advice(code)}".rstrip()


def _advice(code: str) -> str:
    if code in DENIED:
        return "Allow the operation in the IAM policy of these credentials (and kms:Decrypt for the secret's key)."
    if code in THROTTLED:
        return "AWS kept throttling; run again later or spread the hosts' runs."
    if code in ("NoCredentialsError", "PartialCredentialsError"):
        return "Give credentials: an instance role, a profile, environment variables or the module's options."
    if code in ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError", "ReadTimeoutError"):
        return "Check the network path, the region and endpoint_url."
    if code in ("UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException", "ExpiredToken"):
        return "Check the credentials: they are wrong or have expired."
    return ""


def secret_problem(name: str, code: str, text: str) -> Problem:
    """What a failed call says of one secret. text: of the error."""
    if code == "ResourceNotFoundException" and "staging label" in text:
        return no_version(name)
    if code == "ResourceNotFoundException":
        return Problem("secret_missing", "error", f"Secret {name} does not exist ({code}). {not_found(name)}")
    if code in DENIED:
        return Problem("secret_access_denied", "error", text)
    if code == "InvalidRequestException" and "delet" in text.lower():
        return deleted(name)
    return Problem("secret_unreadable", "error", text)


def no_version(name: str, labels: t.Sequence[str] = (CURRENT,)) -> Problem:
    wanted = " or ".join(labels)
    text = f"Secret {name} has no version labelled {wanted}. Store a value (PutSecretValue) or drop the name."
    return Problem("secret_no_current_version", "error", text)


def deleted(name: str) -> Problem:
    return Problem(
        "secret_deleted", "error", f"Secret {name} is marked for deletion. Restore it (RestoreSecret) or drop the name."
    )


def failure_of(secret: SecretVersion, code: str, text: str) -> SecretFailure:
    return SecretFailure(secret.name, secret_problem(secret.name, code, text), secret.arn)
