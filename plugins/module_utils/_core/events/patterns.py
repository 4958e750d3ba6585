# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What EventBridge is asked to tell of: the patterns of its rules, each named after what it tells."""

from __future__ import annotations

import json
import typing as t

from ..._errors import InvalidOption

#: What a rule can tell of, which is also the end of its name.
KINDS: t.Final = ("label", "call", "expiring", "object")
#: Calls of Secrets Manager after which a secret has another content, or is chosen by its tags where it was not.
CALLS: t.Final = (
    "CreateSecret",
    "PutSecretValue",
    "ReplicateSecretToRegions",
    "RestoreSecret",
    "TagResource",
    "UntagResource",
    "UpdateSecret",
    "UpdateSecretVersionStage",
)
EXPIRING: t.Final = (
    "ACM Certificate Approaching Expiration",
    "ACM Certificate Expired",
    "ACM Certificate Renewal Action Required",
)
#: No event comes for these labels.
SILENT: t.Final = ("AWSPENDING", "AWSPREVIOUS")
MAX_PATTERN: t.Final = 2048  # characters, in the quotas of EventBridge


class EventChoice(t.NamedTuple):
    """What is to be told.

    kinds: of KINDS; labels: whose moves are told; prefixes: of names of secrets, none for all; objects: buckets, each
    alone or with the beginning of keys after a slash.
    """

    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    prefixes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


def event_patterns(choice: EventChoice) -> dict[str, str]:
    """Kind -> pattern, as JSON. Raises InvalidOption."""
    makers = {"label": _of_labels, "call": _of_calls, "expiring": _of_expiry, "object": _of_objects}
    found: dict[str, str] = {}
    for kind in KINDS:
        if kind not in choice.kinds:
            continue
        text = json.dumps(makers[kind](choice), sort_keys=True)
        if len(text) > MAX_PATTERN:
            option = "objects" if kind == "object" else "name_prefix"
            raise InvalidOption(
                f"{option}: the pattern of a rule has {MAX_PATTERN} characters at most, and this one would have"
                f" {len(text)}. Give fewer or shorter ones, or none: what reads the queue can select, too."
            )
        found[kind] = text
    return found


def _of_labels(choice: EventChoice) -> dict[str, t.Any]:
    silent = [label for label in choice.labels if label in SILENT]
    if silent:
        raise InvalidOption(
            f"labels: AWS sends no event when {' or '.join(silent)} moves. Leave it out, and add the kind call, by"
            " which CloudTrail tells of it, minutes later."
        )
    if not choice.labels:
        raise InvalidOption("labels: name at least one, such as AWSCURRENT, or leave out the kind label.")
    detail: dict[str, t.Any] = {"labelUpdated": sorted(set(choice.labels))}
    if choice.prefixes:
        detail["name"] = [{"prefix": prefix} for prefix in sorted(set(choice.prefixes))]
    return {"source": ["aws.secretsmanager"], "detail-type": ["Secret Label Updated"], "detail": detail}


def _of_calls(_choice: EventChoice) -> dict[str, t.Any]:
    """All secrets: a call names one by its name, a part of its ARN or all of it."""
    return {
        "source": ["aws.secretsmanager"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {"eventSource": ["secretsmanager.amazonaws.com"], "eventName": list(CALLS)},
    }


def _of_expiry(_choice: EventChoice) -> dict[str, t.Any]:
    return {"source": ["aws.acm"], "detail-type": list(EXPIRING)}


def _of_objects(choice: EventChoice) -> dict[str, t.Any]:
    if not choice.objects:
        raise InvalidOption("objects: name the buckets whose objects are to be told, or leave out the kind object.")
    each = []
    for text in sorted(set(choice.objects)):
        bucket, _slash, beginning = text.partition("/")
        if not bucket:
            raise InvalidOption(f"objects: {text!r} names no bucket. Write bucket, or bucket/beginning-of-keys.")
        one: dict[str, t.Any] = {"bucket": {"name": [bucket]}}
        if beginning:
            one["object"] = {"key": [{"prefix": beginning}]}
        each.append(one)
    detail = each[0] if len(each) == 1 else {"$or": each}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
