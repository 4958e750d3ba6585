# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS Secrets Manager as this collection needs it: few list calls, batched reads, an answer for each secret.

AWS facts used here (API reference of Secrets Manager): ListSecrets filters match by prefix and independently of each
other, so every match is checked again; it may lag five minutes behind, so a name that it lacks is asked for with
DescribeSecret; BatchGetSecretValue takes 1-20 ids and reports failures of single secrets in ``Errors``.
"""

from __future__ import annotations

import collections
import itertools
import re
import threading
import typing as t
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # who makes the client reports it
    pass

from ..._core.pipeline.source import (
    Discovery,
    SecretFailure,
    SecretValue,
    SecretVersion,
    Selection,
    name_in_arn,
    partial_arn,
)
from ..._core.secrets.arn import AwsPlace, not_found, why_elsewhere
from ..._core.x509.problems import Problem
from ..._errors import SecretsManagerError
from .prefixes import covering_prefixes

LIST_PAGE_SIZE = 100
BATCH_SIZE = 20
_CONCURRENT_CALLS = 4
_FILTER_VALUE = re.compile(r"[a-zA-Z0-9 :_@/+=.\-!]+")
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
_TRANSIENT = _THROTTLED | {"InternalServiceError", "InternalServiceErrorException", "InternalFailure"}


class VersionValue(t.NamedTuple):
    """One version of a secret. value: None where it holds none, or is gone; labels: that it has; created: aware, None
    where AWS does not say so. Never shown."""

    value: str | bytes | None
    labels: t.Sequence[str] = ()
    created: datetime | None = None

    def __repr__(self) -> str:
        return f"VersionValue(labels={list(self.labels)!r})"


T = t.TypeVar("T")
R = t.TypeVar("R")
#: Wraps a function so that throttled calls are repeated with backoff.
Retry = t.Callable[[t.Callable[..., t.Any]], t.Callable[..., t.Any]]


class SecretsManager:
    """Reads secrets through a boto3 client.

    client: of boto3, for ``secretsmanager``.
    api_calls: requests sent so far by operation, repeated ones included; api_errors: those of them that failed.
    """

    def __init__(self, client: t.Any, retry: Retry) -> None:
        self._client = client
        self._retry = retry
        self._throttled_for_good = False
        self._lock = threading.Lock()
        self.api_calls: collections.Counter[str] = collections.Counter()
        self.api_errors: collections.Counter[str] = collections.Counter()
        client.meta.events.register_first("before-send.secretsmanager", self._count)
        client.meta.events.register_first("response-received.secretsmanager", self._count_error)

    def discover(self, selection: Selection) -> Discovery:
        """The selected secrets. Raises SecretsManagerError when the selection itself cannot be read."""
        prefix = selection.name_prefix or ""
        if selection.tags:
            listed = self._list(_tag_filters(selection.tags) + _prefix_filter(prefix))
            return _discovery(
                secret
                for secret in listed
                if secret["Name"].startswith(prefix) and selection.tags.items() <= _tags(secret).items()
            )._replace(where=self.where)
        found: list[dict[str, t.Any]] = []
        failures: list[SecretFailure] = []
        warnings: list[str] = []
        if selection.name_prefix is not None:
            found += [secret for secret in self._list(_prefix_filter(prefix)) if secret["Name"].startswith(prefix)]
        known = {identifier for secret in found for identifier in (secret["Name"], secret["ARN"])}
        wanted = []
        for name in dict.fromkeys(selection.names):
            elsewhere = self._elsewhere(name)
            if elsewhere:
                failures.append(elsewhere)
            elif name not in known:
                wanted.append(name)
        try:
            named = self._list_named(wanted) if wanted else {}
        except SecretsManagerError as error:
            if error.code not in _DENIED:
                raise
            named = {}
            warnings.append(
                f"secretsmanager:ListSecrets is denied ({error.code}), so every name costs one DescribeSecret call."
                " Allow ListSecrets on resource * to make unchanged runs cheap."
            )
        found += named.values()
        for described in self._map(self._describe, [name for name in wanted if name not in named]):
            (failures if isinstance(described, SecretFailure) else found).append(described)  # type: ignore[arg-type]
        discovery = _discovery(found)
        return Discovery(discovery.secrets, (*failures, *discovery.failures), tuple(warnings), self.where)

    @property
    def where(self) -> str:
        """For people: which Secrets Manager is asked."""
        endpoint = urllib.parse.urlsplit(str(self._client.meta.endpoint_url)).netloc.rpartition("@")[2]
        return f"region {self._client.meta.region_name} ({endpoint})"

    @property
    def place(self) -> AwsPlace:
        return AwsPlace(str(self._client.meta.partition), str(self._client.meta.region_name))

    def read(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[SecretValue | SecretFailure]:
        """The current values of these secrets, in any order, a few batches ahead of the consumer.

        The version of a value is the one AWS delivered, which may be newer than the one asked for.
        """
        batches = [secrets[start : start + BATCH_SIZE] for start in range(0, len(secrets), BATCH_SIZE)]
        for results in self._map(self._read_batch, batches):
            yield from results

    # -- listing ------------------------------------------------------------------------------------------------

    def _list(self, filters: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        """All that match. A secret that is marked for deletion is not one of them, whatever an emulator says."""
        pages = self._pages(filters)
        return [secret for page in pages for secret in page if not secret.get("DeletedDate")]

    def _list_named(self, identifiers: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
        """By name or ARN, those that a listing finds for no more calls than asking for each of the others costs."""
        wanted = set(identifiers)
        found: dict[str, dict[str, t.Any]] = {}
        pages = self._pages(_names_filter([name_in_arn(identifier) for identifier in identifiers]))
        for number, page in enumerate(pages, start=1):
            for secret in page:
                found.update({key: secret for key in (secret["Name"], secret["ARN"]) if key in wanted})
            if number >= len(wanted) - len(found):
                break
        return found

    def _pages(self, filters: list[dict[str, t.Any]]) -> t.Iterator[list[dict[str, t.Any]]]:
        request: dict[str, t.Any] = {"MaxResults": LIST_PAGE_SIZE, **({"Filters": filters} if filters else {})}
        while True:
            reply = self._call("list_secrets", **request)
            yield reply["SecretList"]
            if not reply.get("NextToken"):
                return
            request["NextToken"] = reply["NextToken"]

    def _elsewhere(self, identifier: str) -> SecretFailure | None:
        """AWS would say of the ARN of another region that there is no such secret."""
        why = why_elsewhere(identifier, self.place)
        return SecretFailure(identifier, Problem("secret_elsewhere", "error", why), identifier) if why else None

    def _describe(self, name: str) -> dict[str, t.Any] | SecretFailure:
        try:
            reply: dict[str, t.Any] = self._call("describe_secret", secret=name, SecretId=name)
        except SecretsManagerError as error:
            arn = name if name.startswith("arn:") else None
            return SecretFailure(name, secret_problem(name, error.code, error.message), arn)
        # DescribeSecret names this field otherwise than ListSecrets does.
        reply["SecretVersionsToStages"] = reply.get("VersionIdsToStages") or {}
        return reply

    # -- reading ------------------------------------------------------------------------------------------------

    def _read_batch(self, secrets: t.Sequence[SecretVersion]) -> list[SecretValue | SecretFailure]:
        results: dict[str, SecretValue | SecretFailure] = {}
        once: dict[str, SecretVersion] = {}
        # Names first: a name is of one's own account, and an ARN of another one may hold the same.
        for secret in sorted(secrets, key=lambda secret: secret.arn.startswith("arn:")):
            elsewhere = self._elsewhere(secret.arn)
            if elsewhere:
                results[secret.arn] = elsewhere
            else:  # one may be asked for by its name, its ARN and a part of that: AWS answers once
                once.setdefault(name_in_arn(secret.arn), secret)
        if once:
            by_id = {key: secret for secret in once.values() for key in (secret.arn, secret.name) if key}
            results.update(self._read_different(list(once.values()), by_id))
            read = [each for each in results.values() if isinstance(each, SecretValue)]
            # A part of one secret's ARN may be another one's whole ARN, which counts first.
            called = {partial_arn(each.secret.arn): each for each in read}
            called.update({key: each for each in read for key in (each.secret.name, each.secret.arn)})
            results = {**called, **results}
        return [results.get(secret.arn) or self._read_one(secret) for secret in secrets]

    def _read_different(
        self, secrets: t.Sequence[SecretVersion], by_id: t.Mapping[str, SecretVersion]
    ) -> dict[str, SecretValue | SecretFailure]:
        """By the ARN, or name, that was asked for; what is left out has to be asked for by itself."""
        try:
            reply = self._call("batch_get_secret_value", SecretIdList=[secret.arn for secret in secrets])
        except SecretsManagerError as error:
            # Policies written before BatchGetSecretValue existed allow only the single read; and what one secret lacks
            # must not be said of all.
            if error.code in _DENIED or error.code == "ResourceNotFoundException":
                return {}
            return {secret.arn: _failure(secret, error.code, error.message) for secret in secrets}
        silent = "BatchGetSecretValue did not mention it."
        results: dict[str, SecretValue | SecretFailure] = {
            secret.arn: _failure(secret, "NoAnswer", silent) for secret in secrets
        }
        for value in reply["SecretValues"]:
            secret = _asked_for(by_id, value["ARN"])
            results[secret.arn] = _value(secret, value)
        for failed in reply.get("Errors") or []:
            secret = _asked_for(by_id, failed["SecretId"])
            code = failed.get("ErrorCode", "Unknown")
            if code in _TRANSIENT:
                results[secret.arn] = self._read_one(secret)
            else:
                text = _call_failed("BatchGetSecretValue", code, failed.get("Message", ""), secret.name)
                results[secret.arn] = _failure(secret, code, text)
        return results

    def _read_one(self, secret: SecretVersion) -> SecretValue | SecretFailure:
        try:
            return _value(secret, self._call("get_secret_value", secret=secret.name, SecretId=secret.arn))
        except SecretsManagerError as error:
            return _failure(secret, error.code, error.message)

    def version_value(self, name: str, arn: str, version_id: str) -> VersionValue:
        """Raises SecretsManagerError. (BatchGetSecretValue reads what is current, and nothing else.)"""
        try:
            reply = self._call("get_secret_value", secret=name, SecretId=arn, VersionId=version_id)
        except SecretsManagerError as error:
            # Of a version without a value AWS says that it cannot find the value.
            if error.code == "ResourceNotFoundException":
                return VersionValue(None)
            raise
        value: str | bytes = reply.get("SecretString") or reply.get("SecretBinary") or ""
        return VersionValue(
            value if value.strip() else None, reply.get("VersionStages") or (), reply.get("CreatedDate")
        )

    # -- calls --------------------------------------------------------------------------------------------------

    def _call(self, operation: str, *, secret: str | None = None, **request: t.Any) -> dict[str, t.Any]:
        name = "".join(part.capitalize() for part in operation.split("_"))

        def attempt() -> dict[str, t.Any]:
            try:
                reply: dict[str, t.Any] = getattr(self._client, operation)(**request)
                return reply
            except ClientError as error:
                if self._throttled_for_good:  # one wait through all repetitions is enough for a run
                    raise self._failed(name, secret, error) from None
                raise

        try:
            reply: dict[str, t.Any] = self._retry(attempt)()
            return reply
        except ClientError as error:
            raise self._failed(name, secret, error) from None
        except BotoCoreError as error:  # no credentials, no connection, time-outs: their texts hold no values
            code = type(error).__name__
            raise SecretsManagerError(_call_failed(name, code, str(error), secret), code, secret) from None

    def _failed(self, operation: str, secret: str | None, error: ClientError) -> SecretsManagerError:
        code = error.response.get("Error", {}).get("Code", "Unknown")
        text = error.response.get("Error", {}).get("Message", "")
        self._throttled_for_good |= code in _THROTTLED
        return SecretsManagerError(_call_failed(operation, code, text, secret), code, secret)

    def _count(self, event_name: str, **_event: t.Any) -> None:
        with self._lock:
            self.api_calls[event_name.rpartition(".")[2]] += 1

    def _count_error(self, event_name: str, parsed_response: t.Any = None, **_event: t.Any) -> None:
        """An answer that is an error, or none at all."""
        if parsed_response is None or "Error" in parsed_response:
            with self._lock:
                self.api_errors[event_name.rpartition(".")[2]] += 1

    @staticmethod
    def _map(function: t.Callable[[T], R], items: t.Sequence[T]) -> t.Iterator[R]:
        """Concurrent map, in order, that stays only a few items ahead: values are not piled up in memory."""
        if len(items) < 2:
            yield from map(function, items)
            return
        with ThreadPoolExecutor(min(_CONCURRENT_CALLS, len(items))) as pool:
            pending = collections.deque(pool.submit(function, item) for item in items[: _CONCURRENT_CALLS + 1])
            rest = itertools.islice(items, len(pending), None)
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(function, item) for item in itertools.islice(rest, 1))
                yield result


def _call_failed(operation: str, code: str, text: str, secret: str | None) -> str:
    of = f" of secret {secret}" if secret else ""
    text = text.rstrip(".") or "no message"
    if "PRIVATE KEY" in text:  # AWS quotes values that it finds invalid
        text = "its message is withheld, as it quotes the value"
    return f"secretsmanager:{operation}{of} failed with {code}: {text}. {_advice(code)}".rstrip()


def _advice(code: str) -> str:
    if code in _DENIED:
        return "Allow the operation in the IAM policy of these credentials (and kms:Decrypt for the secret's key)."
    if code in _THROTTLED:
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
        return _no_current_version(name)
    if code == "ResourceNotFoundException":
        return Problem("secret_missing", "error", f"Secret {name} does not exist ({code}). {not_found(name)}")
    if code in _DENIED:
        return Problem("secret_access_denied", "error", text)
    if code == "InvalidRequestException" and "delet" in text.lower():
        return _deleted(name)
    return Problem("secret_unreadable", "error", text)


def _no_current_version(name: str) -> Problem:
    text = f"Secret {name} has no version labelled AWSCURRENT. Store a value (PutSecretValue) or drop the name."
    return Problem("secret_no_current_version", "error", text)


def _deleted(name: str) -> Problem:
    return Problem(
        "secret_deleted", "error", f"Secret {name} is marked for deletion. Restore it (RestoreSecret) or drop the name."
    )


def _failure(secret: SecretVersion, code: str, text: str) -> SecretFailure:
    return SecretFailure(secret.name, secret_problem(secret.name, code, text), secret.arn)


def _asked_for(by_id: t.Mapping[str, SecretVersion], answered: str) -> SecretVersion:
    """Asked for by name, by ARN, or by an ARN without its suffix; AWS answers with the full ARN."""
    candidates = (answered, name_in_arn(answered), partial_arn(answered))
    return next(by_id[key] for key in candidates if key in by_id)


def _value(secret: SecretVersion, reply: t.Mapping[str, t.Any]) -> SecretValue:
    value = reply["SecretString"] if "SecretString" in reply else reply.get("SecretBinary", b"")
    name, arn = reply.get("Name", secret.name), reply.get("ARN", secret.arn)
    return SecretValue(SecretVersion(name, arn, reply["VersionId"], secret.tags), value)


def _discovery(listed: t.Iterable[dict[str, t.Any]]) -> Discovery:
    secrets: dict[str, SecretVersion] = {}
    failures: dict[str, SecretFailure] = {}
    for secret in listed:
        name, arn = secret["Name"], secret["ARN"]
        versions: t.Mapping[str, list[str]] = secret.get("SecretVersionsToStages") or {}
        current = next((version for version, labels in versions.items() if "AWSCURRENT" in labels), None)
        other = secrets.get(name)
        if secret.get("DeletedDate"):
            failures[arn] = SecretFailure(name, _deleted(name), arn, secret)
        elif current is None:
            failures[arn] = SecretFailure(name, _no_current_version(name), arn, secret)
        elif other and other.arn != arn:
            text = f"Secrets {other.arn} and {arn} have one name. Sync them to different directories."
            failures[arn] = SecretFailure(name, Problem("file_name_collision", "error", text), arn)
        else:
            secrets[name] = SecretVersion(name, arn, current, _tags(secret), secret)
    collided = {failure.name for failure in failures.values() if failure.problem.code == "file_name_collision"}
    return Discovery(tuple(secrets[name] for name in sorted(secrets) if name not in collided), tuple(failures.values()))


def _tags(secret: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in secret.get("Tags") or []}


def _prefix_filter(prefix: str | None) -> list[dict[str, t.Any]]:
    return [{"Key": "name", "Values": [prefix]}] if prefix and _filterable(prefix) else []


def _names_filter(names: t.Sequence[str]) -> list[dict[str, t.Any]]:
    prefixes = covering_prefixes(names)
    return [{"Key": "name", "Values": prefixes}] if prefixes and all(map(_filterable, prefixes)) else []


def _tag_filters(tags: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """One pair narrows the listing; further pairs are left to the check of each secret's own tags."""
    key, value = next(iter(sorted(tags.items())))
    pairs = (("tag-key", key), ("tag-value", value))
    return [{"Key": name, "Values": [text]} for name, text in pairs if _filterable(text)]


def _filterable(value: str) -> bool:
    """Whether ListSecrets takes it as a filter value and does not read it as a negation."""
    return bool(_FILTER_VALUE.fullmatch(value)) and not value.startswith("!")
