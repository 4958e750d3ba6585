# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests bring a secret from what it is to what it should be. Pure: it makes none of them."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass, field, replace

from ..._errors import InvalidOption, RotationError
from .. import promotion
from ..x509.problems import MaterialError
from .arn import require_creatable, why_replica_stays

CURRENT: t.Final = promotion.CURRENT
MAX_AGAIN: t.Final = 100  # versions that AWS keeps of a secret
MAX_VALUE_BYTES = 65536  # of SecretString, in the API reference of Secrets Manager


@dataclass(frozen=True)
class Request:
    """One request. operation: as boto3 names its method; parameters: as its, which may hold the value."""

    operation: str
    parameters: t.Mapping[str, t.Any] = field(repr=False)

    @property
    def name(self) -> str:
        """As the API reference names it."""
        return "".join(part.capitalize() for part in self.operation.split("_"))


@dataclass(frozen=True)
class WantedSecret:
    """What a secret should be. None leaves a property as it is.

    document: the value, bytes for a binary secret; label: the label of its version; base: of a candidate, the version
    that is current while it is staged; again: how many versions of this content there are already that cannot become
    this one; replicas: region -> KMS key, None for the default key.
    """

    name: str
    document: str | bytes = field(repr=False)
    label: str = CURRENT
    base: str | None = None
    again: int = 0
    description: str | None = None
    tags: t.Mapping[str, str] | None = None
    purge_tags: bool = True
    kms_key_id: str | None = None
    replicas: t.Mapping[str, str | None] | None = None

    @property
    def token(self) -> str:
        """The id of the version that holds this value: one content is one version, however often it is written."""
        token = hashlib.sha256(_bytes(self.document)).hexdigest()
        for _time in range(self.again):
            token = hashlib.sha256(token.encode()).hexdigest()
        return token

    @property
    def once_more(self) -> WantedSecret:
        """The same content as another version."""
        return replace(self, again=self.again + 1)

    @property
    def labels(self) -> list[str]:
        """All that its version gets."""
        return [self.label, *([promotion.base_label(self.label, self.base)] if self.base else [])]


def secret_document(parts: t.Mapping[str, t.Any]) -> str:
    """The JSON document, the same text for the same parts. Raises RotationError when AWS would not take it, and
    MaterialError, see json_document."""
    document = json_document(parts)
    require_room(document)
    return document


def json_document(parts: t.Any) -> str:
    """The same text for the same parts. Raises MaterialError for what only Python takes for a number."""
    try:
        return json.dumps(parts, sort_keys=True, allow_nan=False)
    except ValueError:
        raise MaterialError(
            "document_invalid",
            "The document holds a number that JSON does not know, such as NaN or 1e999: write it as text.",
        ) from None


def require_room(document: str | bytes) -> None:
    """Raises RotationError when AWS would not take it."""
    size = len(_bytes(document))
    if size > MAX_VALUE_BYTES:
        raise RotationError(
            f"Certificate, chain and key have {size} bytes as a document, and a secret holds {MAX_VALUE_BYTES} at most."
            " Leave out what does not belong to the chain, or have a certificate with fewer names issued."
        )


def _bytes(document: str | bytes) -> bytes:
    return document if isinstance(document, bytes) else document.encode()


def _value(document: str | bytes) -> dict[str, str | bytes]:
    """The parameter for it."""
    return {"SecretBinary" if isinstance(document, bytes) else "SecretString": document}


def require_other_regions(region: str, replicas: t.Iterable[str] | None) -> None:
    """Raises InvalidOption where a secret is to be a replica of itself. region: where it is."""
    if replicas is not None and region in replicas:
        raise InvalidOption(
            f"replicas: {region} is the region of the secret itself. Name the other regions alone, or set the region to"
            " that of the primary."
        )


def version_with(described: t.Mapping[str, t.Any] | None, label: str) -> str | None:
    """Id of the version that carries the label. described: a reply of DescribeSecret, None when there is no secret."""
    versions: t.Mapping[str, list[str]] = (described or {}).get("VersionIdsToStages") or {}
    return next((version for version, labels in versions.items() if label in labels), None)


def plan_present(described: t.Mapping[str, t.Any] | None, wanted: WantedSecret, *, same_content: bool) -> list[Request]:
    """same_content: whether the version with the label holds the same certificate, whatever its text.

    Raises InvalidOption for a replica whose key would have to change, and for a new secret with a name that AWS would
    not take; RotationError where the secret is a replica itself, and would have to change.
    """
    if described is None:
        require_creatable(wanted.name)
        return _creation(wanted)
    requests = _changes(described, wanted, same_content=same_content)
    require_primary(wanted.name, described, requests)
    return requests


def _changes(described: t.Mapping[str, t.Any], wanted: WantedSecret, *, same_content: bool) -> list[Request]:
    identifier = {"SecretId": described["ARN"]}
    requests = plan_properties(described, wanted)
    holder = version_with(described, wanted.label)
    if holder is not None and (same_content or holder == wanted.token):
        return requests
    if wanted.token in (described.get("VersionIdsToStages") or {}):
        return [*requests, label_move(identifier, wanted, holder)]
    return [*requests, put_version(identifier, wanted)]


def plan_properties(described: t.Mapping[str, t.Any], wanted: WantedSecret) -> list[Request]:
    """All that is no matter of its versions."""
    identifier = {"SecretId": described["ARN"]}
    restored = [Request("restore_secret", identifier)] if described.get("DeletedDate") else []
    return [*restored, *_properties(described, wanted, identifier)]


def plan_absent(described: t.Mapping[str, t.Any] | None, *, recovery_window: int, force: bool) -> list[Request]:
    """recovery_window: days in which it can be restored; force: it cannot. Raises RotationError for a replica."""
    if described is None or (described.get("DeletedDate") and not force):
        return []
    identifier = {"SecretId": described["ARN"]}
    regions = [replica["Region"] for replica in described.get("ReplicationStatus") or []]
    requests = [_remove_replicas(identifier, regions)] if regions else []
    how = {"ForceDeleteWithoutRecovery": True} if force else {"RecoveryWindowInDays": recovery_window}
    requests = [*requests, Request("delete_secret", {**identifier, **how})]
    require_primary(str(described["Name"]), described, requests)
    return requests


def require_primary(name: str, described: t.Mapping[str, t.Any], requests: t.Collection[Request]) -> None:
    """Raises RotationError where a replica would have to change."""
    why = why_replica_stays(name, described) if requests else None
    if why:
        raise RotationError(why, changed=False)


def label_move(identifier: t.Mapping[str, str], wanted: WantedSecret, holder: str | None) -> Request:
    """Give the label to a version that is there already. holder: the version that has it now."""
    request = {**identifier, "VersionStage": wanted.label, "MoveToVersionId": wanted.token}
    return Request("update_secret_version_stage", {**request, **({"RemoveFromVersionId": holder} if holder else {})})


def _creation(wanted: WantedSecret) -> list[Request]:
    request: dict[str, t.Any] = {"Name": wanted.name, "ClientRequestToken": wanted.token}
    if wanted.description:
        request["Description"] = wanted.description
    if wanted.kms_key_id:
        request["KmsKeyId"] = wanted.kms_key_id
    if wanted.tags:
        request["Tags"] = _tag_list(wanted.tags)
    if wanted.replicas:
        request["AddReplicaRegions"] = _replica_list(wanted.replicas)
    if wanted.label == CURRENT:
        return [Request("create_secret", {**request, **_value(wanted.document)})]
    del request["ClientRequestToken"]  # CreateSecret labels what it stores AWSCURRENT: store nothing yet
    return [Request("create_secret", request), put_version({"SecretId": wanted.name}, wanted)]


def put_version(identifier: t.Mapping[str, str], wanted: WantedSecret) -> Request:
    """Store the value with all its labels at once."""
    version = {"ClientRequestToken": wanted.token, "VersionStages": wanted.labels}
    return Request("put_secret_value", {**identifier, **_value(wanted.document), **version})


def _properties(
    described: t.Mapping[str, t.Any], wanted: WantedSecret, identifier: t.Mapping[str, str]
) -> t.Iterator[Request]:
    update = {}
    if wanted.description is not None and wanted.description != (described.get("Description") or ""):
        update["Description"] = wanted.description
    if wanted.kms_key_id is not None and not _same_kms_key(described.get("KmsKeyId"), wanted.kms_key_id):
        update["KmsKeyId"] = wanted.kms_key_id
    if update:
        yield Request("update_secret", {**identifier, **update})
    if wanted.tags is not None:
        yield from _tagging(described, wanted.tags, wanted.purge_tags, identifier)
    if wanted.replicas is not None:
        yield from _replication(described, wanted.replicas, identifier)


def _tagging(
    described: t.Mapping[str, t.Any], tags: t.Mapping[str, str], purge: bool, identifier: t.Mapping[str, str]
) -> t.Iterator[Request]:
    present = tags_of(described)
    missing = {key: value for key, value in tags.items() if present.get(key) != value}
    surplus = sorted(key for key in present if key not in tags and not key.startswith("aws:")) if purge else []
    if missing:
        yield Request("tag_resource", {**identifier, "Tags": _tag_list(missing)})
    if surplus:
        yield Request("untag_resource", {**identifier, "TagKeys": surplus})


def _replication(
    described: t.Mapping[str, t.Any], replicas: t.Mapping[str, str | None], identifier: t.Mapping[str, str]
) -> t.Iterator[Request]:
    present = {replica["Region"]: replica.get("KmsKeyId") for replica in described.get("ReplicationStatus") or []}
    for region, key in replicas.items():
        if region in present and key is not None and not _same_kms_key(present[region], key):
            raise InvalidOption(
                f"replicas: the replica in {region} is encrypted with another key ({present[region] or 'the default'})."
                " Remove the replica in one run, and add it with the new key in the next one."
            )
    surplus = sorted(set(present) - set(replicas))
    missing = {region: key for region, key in replicas.items() if region not in present}
    if surplus:
        yield _remove_replicas(identifier, surplus)
    if missing:
        yield Request("replicate_secret_to_regions", {**identifier, "AddReplicaRegions": _replica_list(missing)})


def failed_replicas(described: t.Mapping[str, t.Any] | None) -> list[str]:
    """What AWS says of replicas that have not come about, for nothing else tells of them."""
    return [
        f"AWS has not replicated the secret to {replica['Region']}: {replica.get('StatusMessage') or 'no reason'}."
        " Remove that replica in one run, and add it again in the next one."
        for replica in (described or {}).get("ReplicationStatus") or []
        if replica.get("Status") == "Failed"
    ]


def _remove_replicas(identifier: t.Mapping[str, str], regions: list[str]) -> Request:
    return Request("remove_regions_from_replication", {**identifier, "RemoveReplicaRegions": regions})


def tags_of(described: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in described.get("Tags") or []}


def _tag_list(tags: t.Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def _replica_list(replicas: t.Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"Region": region, **({"KmsKeyId": key} if key else {})} for region, key in sorted(replicas.items())]


def _same_kms_key(present: str | None, wanted: str) -> bool:
    """A key is named by its id, its alias, or the ARN of either."""
    present = present or "alias/aws/secretsmanager"
    return present == wanted or present.endswith((f"/{wanted}", f":{wanted}")) or wanted.endswith(f":{present}")
