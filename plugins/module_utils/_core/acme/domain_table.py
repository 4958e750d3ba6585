# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DynamoDB table of domains itself: which requests bring it from what it is to what it should be."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._errors import RotationError
from ..secrets.plan import Request
from .domain_rows import DOMAINS

_PROVISIONED: t.Final = "PROVISIONED"
#: What a new table gets, as an older system made it.
_CAPACITY_UNITS: t.Final = 25

BillingMode = t.Literal["provisioned", "pay_per_request"]
Described = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class WantedTable:
    """What the table should be. None leaves a property as it is, or for a new table at its default.

    read_units, write_units: of provisioned capacity; kms_key_id: for encryption at rest, else a key that AWS owns does.
    """

    name: str
    billing_mode: BillingMode | None = None
    read_units: int | None = None
    write_units: int | None = None
    kms_key_id: str | None = None
    deletion_protection: bool | None = None
    tags: t.Mapping[str, str] | None = None

    @property
    def capacity(self) -> dict[str, int]:
        read, write = self.read_units or _CAPACITY_UNITS, self.write_units or _CAPACITY_UNITS
        return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


def why_not_usable(described: Described) -> str | None:
    """Why rows cannot be written by their domains. described: field Table of DescribeTable."""
    keys = [(key["AttributeName"], key["KeyType"]) for key in described["KeySchema"]]
    types = {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}
    if keys == [(DOMAINS, "HASH")] and types.get(DOMAINS) == "S":
        return None
    told = ", ".join(f"{name} ({kind}, type {types.get(name, 'unknown')})" for name, kind in keys)
    return (
        f"Table {described['TableName']} has the key {told}, and rows of domains need {DOMAINS} (HASH, type S) alone."
        " Use another table."
    )


def plan_table(described: Described | None, tags: t.Mapping[str, str], wanted: WantedTable) -> list[Request]:
    """In an order in which each one finds the table active. tags: that it has. Raises RotationError when it cannot be
    used."""
    if described is None:
        return [_creation(wanted)]
    problem = why_not_usable(described)
    if problem:
        raise RotationError(problem)
    name = {"TableName": wanted.name}
    requests = [Request("update_table", {**name, **change}) for change in _changes(described, wanted)]
    missing = {key: value for key, value in (wanted.tags or {}).items() if tags.get(key) != value}
    if missing:
        requests.append(Request("tag_resource", {"ResourceArn": described["TableArn"], "Tags": _tag_list(missing)}))
    return requests


def _creation(wanted: WantedTable) -> Request:
    request: dict[str, t.Any] = {
        "TableName": wanted.name,
        "AttributeDefinitions": [{"AttributeName": DOMAINS, "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": DOMAINS, "KeyType": "HASH"}],
        "BillingMode": _mode(wanted.billing_mode or "provisioned"),
    }
    if request["BillingMode"] == _PROVISIONED:
        request["ProvisionedThroughput"] = wanted.capacity
    if wanted.kms_key_id:
        request["SSESpecification"] = _encryption(wanted.kms_key_id)
    if wanted.deletion_protection is not None:
        request["DeletionProtectionEnabled"] = wanted.deletion_protection
    if wanted.tags:
        request["Tags"] = _tag_list(wanted.tags)
    return Request("create_table", request)


def _changes(described: Described, wanted: WantedTable) -> t.Iterator[dict[str, t.Any]]:
    """One UpdateTable each: AWS takes one kind of change at a time."""
    present_mode = (described.get("BillingModeSummary") or {}).get("BillingMode", _PROVISIONED)
    mode = _mode(wanted.billing_mode) if wanted.billing_mode else present_mode
    given = {"ReadCapacityUnits": wanted.read_units, "WriteCapacityUnits": wanted.write_units}
    if mode != present_mode:
        yield {"BillingMode": mode, **({"ProvisionedThroughput": wanted.capacity} if mode == _PROVISIONED else {})}
    elif mode == _PROVISIONED:
        throughput = described.get("ProvisionedThroughput") or {}
        present = {name: throughput.get(name, _CAPACITY_UNITS) for name in given}
        capacity = {**present, **{name: units for name, units in given.items() if units is not None}}
        if capacity != present:
            yield {"ProvisionedThroughput": capacity}
    if wanted.kms_key_id and not _is_encrypted(described.get("SSEDescription") or {}, wanted.kms_key_id):
        yield {"SSESpecification": _encryption(wanted.kms_key_id)}
    protected = wanted.deletion_protection
    if protected is not None and protected != bool(described.get("DeletionProtectionEnabled")):
        yield {"DeletionProtectionEnabled": protected}


def _is_encrypted(told: t.Mapping[str, t.Any], key: str) -> bool:
    """An alias is not resolved: any KMS key counts as the one that it stands for."""
    present = str(told.get("KMSMasterKeyArn", ""))
    if told.get("SSEType") != "KMS" or not present:
        return False
    return key == present or present.endswith(f"/{key}") or key.startswith("alias/") or ":alias/" in key


def _encryption(key: str) -> dict[str, t.Any]:
    return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}


def _mode(mode: BillingMode) -> str:
    return mode.upper()


def _tag_list(tags: t.Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
