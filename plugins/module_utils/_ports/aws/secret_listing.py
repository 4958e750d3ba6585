# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets as ListSecrets and DescribeSecret tell of them, and the filters that narrow a listing. Pure."""

from __future__ import annotations

import re
import typing as t

from ..._core.pipeline.source import Discovery, SecretFailure, SecretVersion
from ..._core.promotion import CURRENT, LabelReading, Versions, readings_of, version_of
from ..._core.x509.problems import Problem
from .prefixes import covering_prefixes
from .secret_failures import deleted, no_version

_FILTER_VALUE = re.compile(r"[a-zA-Z0-9 :_@/+=.\-!]+")


def discovery_of(listed: t.Iterable[dict[str, t.Any]], labels: t.Sequence[str]) -> Discovery:
    secrets: dict[str, SecretVersion] = {}
    failures: dict[str, SecretFailure] = {}
    for secret in listed:
        name, arn = secret["Name"], secret["ARN"]
        readings = _readings(secret.get("SecretVersionsToStages") or {}, labels)
        other = secrets.get(name)
        if secret.get("DeletedDate"):
            failures[arn] = SecretFailure(name, deleted(name), arn, secret)
        elif not readings:
            failures[arn] = SecretFailure(name, no_version(name, labels), arn, secret)
        elif other and other.arn != arn:
            text = f"Secrets {other.arn} and {arn} have one name. Sync them to different directories."
            failures[arn] = SecretFailure(name, Problem("file_name_collision", "error", text), arn)
        else:
            first = readings[0]
            others = () if first.label == CURRENT else tuple(readings)
            secrets[name] = SecretVersion(name, arn, first.version_id, tags_of_listed(secret), secret, others)
    collided = {failure.name for failure in failures.values() if failure.problem.code == "file_name_collision"}
    return Discovery(tuple(secrets[name] for name in sorted(secrets) if name not in collided), tuple(failures.values()))


def _readings(versions: Versions, labels: t.Sequence[str]) -> list[LabelReading]:
    if tuple(labels) != (CURRENT,):
        return readings_of(versions, labels)
    current = version_of(versions, CURRENT)  # of thousands of secrets, most of the time
    return [LabelReading(CURRENT, current)] if current else []


def tags_of_listed(secret: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in secret.get("Tags") or []}


def prefix_filter(prefix: str | None) -> list[dict[str, t.Any]]:
    return [{"Key": "name", "Values": [prefix]}] if prefix and _filterable(prefix) else []


def names_filter(names: t.Sequence[str]) -> list[dict[str, t.Any]]:
    prefixes = covering_prefixes(names)
    return [{"Key": "name", "Values": prefixes}] if prefixes and all(map(_filterable, prefixes)) else []


def tag_filters(tags: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """One pair narrows the listing; further pairs are left to the check of each secret's own tags."""
    key, value = next(iter(sorted(tags.items())))
    pairs = (("tag-key", key), ("tag-value", value))
    return [{"Key": name, "Values": [text]} for name, text in pairs if _filterable(text)]


def _filterable(value: str) -> bool:
    """Whether ListSecrets takes it as a filter value and does not read it as a negation."""
    return bool(_FILTER_VALUE.fullmatch(value)) and not value.startswith("!")
