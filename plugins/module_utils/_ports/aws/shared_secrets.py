# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that many hosts share and may write at once: created if absent, succeeded once, labelled.

AWS facts used here (API reference of Secrets Manager): CreateSecret of a name that exists fails, atomically; a
ClientRequestToken becomes the version's id, and PutSecretValue with the token of a version that holds something else
fails, so that of all who write a successor under one token exactly one succeeds. Values are read by version id, for the
labels may move at any moment, and a version's value never changes.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._core.pipeline.source import Selection
from ..._core.secrets.arn import why_replica_stays
from ..._core.secrets.plan import CURRENT, WantedSecret, plan_absent, plan_present, require_other_regions
from ..._core.secrets.shared import PENDING, SecretText, SharedSecret
from ..._errors import SecretsManagerError
from .secret_versions import SecretVersions
from .secrets_manager import Retry

_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "DecryptionFailure"})


@dataclass(frozen=True)
class Properties:
    """What new secrets get. tags_given: whether the tags are wanted on secrets that exist, too."""

    tags: t.Mapping[str, str] = field(default_factory=dict)
    tags_given: bool = False
    kms_key_id: str | None = None
    description: str | None = None
    replica_regions: tuple[str, ...] | None = None


class SharedSecrets(SecretVersions):
    """The SecretStore in AWS Secrets Manager.

    labels: versions without any of these are not read. Raises InvalidOption for a replica in the own region.
    """

    def __init__(
        self,
        client: t.Any,
        retry: Retry,
        properties: Properties | None = None,
        labels: t.Iterable[str] = (CURRENT, PENDING),
    ) -> None:
        super().__init__(client, retry)
        self._properties = properties or Properties()
        require_other_regions(self.place.region, self._properties.replica_regions)
        self._labels = frozenset(labels)
        self._texts: dict[tuple[str, str], str] = {}
        self._fetched: dict[str, SharedSecret] = {}

    def fetch(self, name: str) -> SharedSecret | None:
        described = self.describe(name)
        if described is None:
            return None
        if described.get("DeletedDate"):
            raise _deleted(name)
        versions: t.Mapping[str, list[str]] = described.get("VersionIdsToStages") or {}
        labels = {label: version_id for version_id, labels in versions.items() for label in labels}
        wanted = {version_id: labels for version_id, labels in versions.items() if self._labels & set(labels)}
        texts = tuple(
            SecretText(version_id, frozenset(labels), self._text(described, version_id))
            for version_id, labels in wanted.items()
        )
        secret = SharedSecret(name, described["ARN"], labels, texts, why_replica_stays(name, described))
        self._fetched[name] = secret
        return secret

    def every_text(self, name: str) -> list[str]:
        described = self.describe(name)
        if described is None:
            return []
        return [self._text(described, version_id) for version_id in sorted(self.version_ids(name))]

    def create(self, name: str, text: str) -> bool:
        try:
            self.apply(plan_present(None, self._wanted(name, text), same_content=False), name)
        except SecretsManagerError as error:
            if error.code == "ResourceExistsException":
                return False
            if failure_kind(error) == "deleted":
                raise _deleted(name) from None
            raise
        return True

    def succeed(self, name: str, text: str, *, token: str, label: str) -> bool:
        self._require_changeable(name)
        request = {"SecretId": name, "SecretString": text, "ClientRequestToken": token, "VersionStages": [label]}
        try:
            self._call("put_secret_value", secret=name, **request)
        except SecretsManagerError as error:
            if error.code != "ResourceExistsException":
                raise
            return False
        return True

    def move(self, name: str, label: str, version_id: str | None, holder: str | None) -> None:
        self._require_changeable(name)
        request = {"SecretId": name, "VersionStage": label}
        if version_id is not None:
            request["MoveToVersionId"] = version_id
        if holder is not None:
            request["RemoveFromVersionId"] = holder
        self._call("update_secret_version_stage", secret=name, **request)

    def _require_changeable(self, name: str) -> None:
        """Raises RotationError for a replica that was fetched."""
        if name in self._fetched:
            self._fetched[name].require_changeable()

    def names(self, prefix: str) -> list[str]:
        """Names of the secrets below a prefix, as ListSecrets knows them: some minutes late."""
        return [secret.name for secret in self.discover(Selection(name_prefix=prefix)).secrets]

    def bring_properties(self, name: str, *, restore: bool, dry: bool) -> list[str]:
        """Make an existing secret have the properties, where they are given. Returns the operations.

        restore: take back a deletion, too; dry: only tell.
        """
        described = self.describe(name)
        if described is None or (described.get("DeletedDate") and not restore):
            return []
        requests = plan_present(described, self._wanted(name, "", existing=True), same_content=True)
        # Without a current version there would be one to put.
        requests = [request for request in requests if request.operation != "put_secret_value"]
        if not dry:
            self.apply(requests, name)
        return [request.name for request in requests]

    def delete(self, name: str, recovery_window: int, *, dry: bool) -> bool:
        """Mark it for deletion. False when there is nothing to delete."""
        requests = plan_absent(self.describe(name), recovery_window=recovery_window, force=False)
        if not dry:
            self.apply(requests, name)
        return bool(requests)

    def _text(self, described: t.Mapping[str, t.Any], version_id: str) -> str:
        key = (described["ARN"], version_id)
        if key not in self._texts:
            value = self.value_of(described, version_id)
            self._texts[key] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return self._texts[key]

    def _wanted(self, name: str, text: str, *, existing: bool = False) -> WantedSecret:
        properties = self._properties
        replicas = None if properties.replica_regions is None else dict.fromkeys(properties.replica_regions)
        return WantedSecret(
            name=name,
            document=text,
            description=None if existing else properties.description,
            tags=properties.tags if properties.tags_given or not existing else None,
            purge_tags=False,
            kms_key_id=properties.kms_key_id,
            replicas=replicas,
        )


FailureKind = t.Literal["denied", "unreachable", "deleted", "absent", "other"]


def failure_kind(error: SecretsManagerError) -> FailureKind:
    """What a failure of a SecretStore means. (Absence of a secret is none; "absent" is a version that has vanished.)"""
    if error.code in _DENIED:
        return "denied"
    if error.code == "InvalidRequestException" and "delet" in error.message.lower():
        return "deleted"
    if error.code == "ResourceNotFoundException":
        return "absent"
    # botocore's own errors are named so; AWS's are exceptions, or have no suffix.
    if error.code.endswith("Error") and error.code not in ("InternalServiceError", "ServiceUnavailableError"):
        return "unreachable"
    return "other"


def _deleted(name: str) -> SecretsManagerError:
    return SecretsManagerError(
        f"Secret {name} is marked for deletion. Restore it (aws secretsmanager restore-secret, or the option"
        " on_deleted: restore where a module has it), or wait until it is gone.",
        "InvalidRequestException",
        name,
    )
