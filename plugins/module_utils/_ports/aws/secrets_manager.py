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
import threading
import typing as t
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from ..._core.promotion import CURRENT, counts_still, empty_candidate, outdated_candidate
from ..._core.secrets.arn import AwsPlace, why_elsewhere
from ..._core.x509.problems import Problem
from ..._errors import SecretsManagerError
from .secret_failures import DENIED, THROTTLED, TRANSIENT, call_failed, failure_of, no_version, secret_problem
from .secret_listing import discovery_of, names_filter, prefix_filter, tag_filters, tags_of_listed

LIST_PAGE_SIZE = 100
BATCH_SIZE = 20
_CONCURRENT_CALLS = 4


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
            listed = self._list(tag_filters(selection.tags) + prefix_filter(prefix))
            matching = [
                secret
                for secret in listed
                if secret["Name"].startswith(prefix) and selection.tags.items() <= tags_of_listed(secret).items()
            ]
            return discovery_of(matching, selection.labels)._replace(where=self.where)
        found: list[dict[str, t.Any]] = []
        failures: list[SecretFailure] = []
        warnings: list[str] = []
        if selection.name_prefix is not None:
            found += [secret for secret in self._list(prefix_filter(prefix)) if secret["Name"].startswith(prefix)]
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
            if error.code not in DENIED:
                raise
            named = {}
            warnings.append(
                f"secretsmanager:ListSecrets is denied ({error.code}), so every name costs one DescribeSecret call."
                " Allow ListSecrets on resource * to make unchanged runs cheap."
            )
        found += named.values()
        for described in self._map(self._describe, [name for name in wanted if name not in named]):
            (failures if isinstance(described, SecretFailure) else found).append(described)  # type: ignore[arg-type]
        discovery = discovery_of(found, selection.labels)
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
        """The values of these secrets, in any order, a few batches ahead of the consumer.

        The version of a value is the one AWS delivered, which may be newer than the one asked for.
        """
        for _secret, result in self.answers(secrets):
            yield result

    def answers(
        self, secrets: t.Sequence[SecretVersion]
    ) -> t.Iterator[tuple[SecretVersion, SecretValue | SecretFailure]]:
        """As read, each with what was asked for. Current ones come 20 in a request, the others each in their own."""
        current = [secret for secret in secrets if secret.label == CURRENT]
        batches = [current[start : start + BATCH_SIZE] for start in range(0, len(current), BATCH_SIZE)]
        asked = [*batches, *([secret] for secret in secrets if secret.label != CURRENT)]
        for some, results in zip(asked, self._map(self._read_some, asked)):
            yield from zip(some, results)

    # -- listing ------------------------------------------------------------------------------------------------

    def _list(self, filters: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        """All that match. A secret that is marked for deletion is not one of them, whatever an emulator says."""
        pages = self._pages(filters)
        return [secret for page in pages for secret in page if not secret.get("DeletedDate")]

    def _list_named(self, identifiers: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
        """By name or ARN, those that a listing finds for no more calls than asking for each of the others costs."""
        wanted = set(identifiers)
        found: dict[str, dict[str, t.Any]] = {}
        pages = self._pages(names_filter([name_in_arn(identifier) for identifier in identifiers]))
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

    def _read_some(self, secrets: t.Sequence[SecretVersion]) -> list[SecretValue | SecretFailure]:
        if secrets[0].label == CURRENT:
            return self._read_batch(secrets)
        return [self._read_first(secret) for secret in secrets]

    def _read_first(self, secret: SecretVersion) -> SecretValue | SecretFailure:
        """By the first of its labels that stands for a value, and still does when that is read."""
        passed: list[Problem] = []
        for place, reading in enumerate(secret.readings):
            if reading.label == CURRENT:
                result, _created = self._read_dated(secret)
                return replace(result, problems=tuple(passed)) if isinstance(result, SecretValue) else result
            try:
                read = self.version_value(secret.name, secret.arn, reading.version_id)
            except SecretsManagerError as error:
                return failure_of(secret, error.code, error.message)
            if read.value is None:
                passed.append(empty_candidate(secret.name, reading.label, reading.version_id))
                continue
            is_current = CURRENT in read.labels  # it was promoted since it was listed
            other = next((each.version_id for each in secret.readings[place:] if each.label == CURRENT), None)
            if not is_current and not counts_still(read.labels, reading.label, other):
                continue
            if not is_current and not reading.based and other:
                current, created = self._read_dated(secret)
                if created and read.created and read.created < created:
                    passed.append(outdated_candidate(secret.name, reading.label, reading.version_id))
                    return replace(current, problems=tuple(passed)) if isinstance(current, SecretValue) else current
            readings = () if is_current else (reading,)
            version = secret._replace(version_id=reading.version_id, described={}, readings=readings)
            return SecretValue(version, read.value, tuple(passed))
        labels = [reading.label for reading in secret.readings]
        return SecretFailure(secret.name, no_version(secret.name, labels), secret.arn)

    def _read_dated(self, secret: SecretVersion) -> tuple[SecretValue | SecretFailure, datetime | None]:
        """What is current, and since when it is there."""
        try:
            reply = self._call("get_secret_value", secret=secret.name, SecretId=secret.arn)
        except SecretsManagerError as error:
            return failure_of(secret, error.code, error.message), None
        return _value(secret, reply), reply.get("CreatedDate")

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
            if error.code in DENIED or error.code == "ResourceNotFoundException":
                return {}
            return {secret.arn: failure_of(secret, error.code, error.message) for secret in secrets}
        silent = "BatchGetSecretValue did not mention it."
        results: dict[str, SecretValue | SecretFailure] = {
            secret.arn: failure_of(secret, "NoAnswer", silent) for secret in secrets
        }
        for value in reply["SecretValues"]:
            secret = _asked_for(by_id, value["ARN"])
            results[secret.arn] = _value(secret, value)
        for failed in reply.get("Errors") or []:
            secret = _asked_for(by_id, failed["SecretId"])
            code = failed.get("ErrorCode", "Unknown")
            if code in TRANSIENT:
                results[secret.arn] = self._read_one(secret)
            else:
                text = call_failed("BatchGetSecretValue", code, failed.get("Message", ""), secret.name)
                results[secret.arn] = failure_of(secret, code, text)
        return results

    def _read_one(self, secret: SecretVersion) -> SecretValue | SecretFailure:
        return self._read_dated(secret)[0]

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
            raise SecretsManagerError(call_failed(name, code, str(error), secret), code, secret) from None

    def _failed(self, operation: str, secret: str | None, error: ClientError) -> SecretsManagerError:
        code = error.response.get("Error", {}).get("Code", "Unknown")
        text = error.response.get("Error", {}).get("Message", "")
        self._throttled_for_good |= code in THROTTLED
        return SecretsManagerError(call_failed(operation, code, text, secret), code, secret)

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


def _asked_for(by_id: t.Mapping[str, SecretVersion], answered: str) -> SecretVersion:
    """Asked for by name, by ARN, or by an ARN without its suffix; AWS answers with the full ARN."""
    candidates = (answered, name_in_arn(answered), partial_arn(answered))
    return next(by_id[key] for key in candidates if key in by_id)


def _value(secret: SecretVersion, reply: t.Mapping[str, t.Any]) -> SecretValue:
    value = reply["SecretString"] if "SecretString" in reply else reply.get("SecretBinary", b"")
    name, arn = reply.get("Name", secret.name), reply.get("ARN", secret.arn)
    return SecretValue(SecretVersion(name, arn, reply["VersionId"], secret.tags), value)
