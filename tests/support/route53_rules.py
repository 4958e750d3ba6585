# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ChangeResourceRecordSets as AWS does it, where moto is not strict: all of a batch or nothing. Pure.

API reference: ChangeResourceRecordSets, "Limits on ChangeResourceRecordSets requests", "Supported DNS record types".
"""

from __future__ import annotations

import typing as t

from .dns_answers import RecordSets, character_strings, normal

MOST_VALUES, MOST_CHARACTERS, MOST_VALUES_OF_A_SET = 1000, 32000, 400
_Sets = dict[tuple[str, str], tuple[int, t.Sequence[str]]]


class RefusedBatch(Exception):
    """The message of InvalidChangeBatch."""


def change(before: RecordSets, zone: str, changes: t.Sequence[t.Mapping[str, t.Any]]) -> _Sets:
    """The zone's record sets after this batch. zone: its name. Raises RefusedBatch."""
    _check_size(changes)
    after: _Sets = dict(before)
    problems: list[str] = []
    done: set[tuple[str, str, str]] = set()
    for item in changes:
        wanted = item["ResourceRecordSet"]
        name, kind, action = normal(wanted["Name"]), wanted["Type"], item["Action"]
        values = [record["Value"] for record in wanted.get("ResourceRecords") or []]
        if (action, name, kind) in done:
            raise RefusedBatch(
                f"The request contains an invalid set of changes for a resource record set '{kind} {name}'"
            )
        done.add((action, name, kind))
        problem = _value_problem(name, kind, zone, values)
        if problem is None:
            problem = _apply(after, action, (name, kind), (int(wanted.get("TTL") or 0), values))
        if problem is not None:
            problems.append(problem)
    problems += _alias_conflicts(after, zone)
    if problems:
        raise RefusedBatch(f"[{', '.join(problems)}]")
    return after


def _check_size(changes: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """UPSERT counts twice."""
    count = characters = 0
    for item in changes:
        weight = 2 if item["Action"] == "UPSERT" else 1
        for record in item["ResourceRecordSet"].get("ResourceRecords") or []:
            count += weight
            characters += weight * len(record["Value"])
    if count > MOST_VALUES:
        raise RefusedBatch(f"[Number of records limit of {MOST_VALUES} exceeded.]")
    if characters > MOST_CHARACTERS:
        raise RefusedBatch(f"[Number of characters limit of {MOST_CHARACTERS} exceeded.]")


def _value_problem(name: str, kind: str, zone: str, values: t.Sequence[str]) -> str | None:
    if name != normal(zone) and not name.endswith(f".{normal(zone)}"):
        return f"RRSet with DNS name {name} is not permitted in zone {normal(zone)}"
    if not values:
        return (
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found none in Change with [Name={name}, Type={kind}]"
        )
    if len(values) > MOST_VALUES_OF_A_SET:
        return f"Record set {name} {kind} has more than {MOST_VALUES_OF_A_SET} values"
    for value in values:
        if values.count(value) > 1:
            return f"Duplicate Resource Record: '{value}'"
        problem = _text_problem(value) if kind == "TXT" else None
        if problem:
            return f"Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"
    return None


def _text_problem(value: str) -> str | None:
    try:
        strings = character_strings(value)
    except ValueError as error:
        return f"InvalidCharacterString ({error})"
    return "CharacterStringTooLong (Value is too long)" if any(len(string) > 255 for string in strings) else None


def _apply(after: _Sets, action: str, key: tuple[str, str], content: tuple[int, list[str]]) -> str | None:
    """One change; what is wrong with it."""
    named = f"resource record set [name='{key[0]}', type='{key[1]}']"
    current = after.get(key)
    if action == "CREATE" and current is not None:
        return f"Tried to create {named} but it already exists"
    if action != "DELETE":
        after[key] = content
        return None
    if current is None:
        return f"Tried to delete {named} but it was not found"
    if current[0] != content[0] or sorted(current[1]) != sorted(content[1]):
        return f"Tried to delete {named} but the values provided do not match the current values"
    del after[key]
    return None


def _alias_conflicts(after: _Sets, zone: str) -> list[str]:
    """Where there is a CNAME there is nothing else (RFC 1034 section 3.6.2)."""
    aliased = {name for name, kind in after if kind == "CNAME"}
    return [
        f"RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet of type CNAME with "
        f"the same DNS name already exists in zone {normal(zone)}"
        for name, kind in after
        if name in aliased and kind != "CNAME"
    ]
