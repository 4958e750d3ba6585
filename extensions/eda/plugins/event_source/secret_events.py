# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: secret_events
short_description: Tell of new versions of secrets, certificates that end, and new objects, from an SQS queue
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - An event source of ansible-rulebook. It reads an SQS queue that EventBridge fills, directly or through SNS, and
    tells a rulebook what is new now.
  - It understands C(Secret Label Updated) of Secrets Manager, calls of Secrets Manager in C(AWS API Call via
    CloudTrail), C(ACM Certificate Approaching Expiration), C(ACM Certificate Expired) and C(ACM Certificate Renewal
    Action Required), and C(Object Created) of S3. Messages of SNS may be raw or in their envelope. The playbook
    P(certops.rotation.events_setup#playbook) makes rule, queue and policies.
  - EventBridge delivers at least once and in any order, and CloudTrail tells the same change again, minutes later. So
    messages are gathered for a moment, and each secret is asked once what is true now, by C(DescribeSecret). What has
    been told already is not told again, and neither is a version that has been superseded. A secret that may not be
    described is told of, and so is what takes longer than 15 seconds for all of them.
  - Events make a rotation fast, and guarantee nothing. A message is removed from the queue when the rulebook has
    taken the event, not when its action has ended, for a source never learns that. Had it to wait, one playbook that
    fails would be started again for ever, and one that takes longer than messages stay hidden would be started twice.
    What is lost when a rulebook dies in between, the tick at its next start makes up for, and the schedule of the
    hosts.
  - It runs for ever, for a source that ends takes the whole rulebook with it. What it cannot do now, such as reach
    SQS, it tries again, later and later up to 30 seconds apart. It says so once in the log, and once when it is well
    again. The queue may be deleted and made again, and credentials that expire are read anew.
  - Only options that are wrong end it, at once.
  - A message that is not understood is counted, said once for each kind, and removed.
options:
  queue:
    description: Name, ARN or URL of a queue that nobody else reads.
    type: str
    required: true
  region:
    description: Region of the queue. Without it that of an ARN, else that which boto3 finds.
    type: str
  profile:
    description: Profile of the AWS configuration, for example one that assumes a role.
    type: str
  access_key:
    description:
      - Access key. Without it, and without O(profile), the usual chain of boto3 is asked, such as environment, web
        identity or instance role, which also renews what expires.
    type: str
  secret_key:
    description: Secret key that belongs to O(access_key).
    type: str
  session_token:
    description: Session token that belongs to O(access_key).
    type: str
  endpoint_url:
    description: Another endpoint for SQS and Secrets Manager, for an emulator.
    type: str
  kinds:
    description: What is told. Messages of other kinds are removed.
    type: list
    elements: str
    choices: [secret, candidate, expiring, object]
    default: [secret, candidate, expiring, object]
  labels:
    description:
      - Labels of secrets whose moves are told. C(AWSCURRENT) makes events of kind V(secret), each other label makes
        events of kind V(candidate).
      - For C(AWSPENDING) there is no event but that of CloudTrail.
    type: list
    elements: str
    default: [AWSCURRENT, CANDIDATE]
  names:
    description:
      - Only secrets with these names or ARNs. C(*), C(?) and C([...]) stand for what they do in a shell, and C(*) also
        for slashes.
      - Whatever O(names) or O(name_prefix) includes is told. Without both, all are.
    type: list
    elements: str
    default: []
  name_prefix:
    description: Only secrets whose names begin with one of these.
    type: list
    elements: str
    default: []
  tags:
    description:
      - Only secrets that have all these tags, exactly. It takes the right to describe them.
    type: dict
    default: {}
  objects:
    description: Only objects whose bucket and key, joined by a slash, match one of these, as with O(names).
    type: list
    elements: str
    default: []
  settle:
    description:
      - Seconds without a further message after which what was gathered is told.
      - After ten messages at once, the most that SQS gives, there are more, and one second is waited for them at least.
    type: float
    default: 0.2
  at_most:
    description:
      - Seconds after which it is told, though messages keep coming. About as long as a run takes is a good choice.
      - While the rulebook is busy and takes no event, all that comes is gathered into the next one.
    type: float
    default: 10
  again:
    description:
      - Seconds after which secrets that were told are told once more, all that are due in one event with C(again)
        true. Lists of secrets may lag by up to five minutes, so a run may have come too early to see what it was
        started for. Of more than 5000 within that time the last are told so, and the tick has to do for the others.
      - V(0) for never.
    type: float
    default: 330
  tick:
    description:
      - Seconds between events of kind V(tick), for a run that looks at everything whatever was told. One is put at
        the start, and one when the queue was missing and is there again.
      - V(0) for none at all.
    type: float
    default: 3600
  heartbeat:
    description: Seconds between events of kind V(heartbeat), which say how the source is. V(0) for none.
    type: float
    default: 0
notes:
  - "Each event has one key, C(secret_events), with the same keys for each kind:"
  - "C(kind): V(secret) (AWSCURRENT moved), V(candidate) (another label moved), V(expiring) (an ACM certificate ends),
    V(object) (S3 has a new object), V(tick), V(heartbeat)."
  - "C(names): a list of what it is about, sorted, each once. Names of secrets; common names of certificates; buckets
    and keys joined by a slash; empty with V(tick) and V(heartbeat)."
  - "C(labels): the labels that moved, sorted. Empty for what are no secrets."
  - "C(details): a list with one dictionary for each thing. Secrets: C(name), C(arn), C(account), C(region), C(label),
    C(version_id) (which has the label now; where AWS does not answer that, or not yet, which the message named; else
    null), C(is_known) (whether AWS has answered it). Certificates: C(name), C(arn), C(account), C(region), C(days).
    Objects: C(name), C(arn) (null), C(bucket), C(key), C(version_id), C(account), C(region)."
  - "C(causes): what was told, such as C(Secret Label Updated) or C(PutSecretValue), sorted. With V(tick): C(start),
    C(interval) or C(queue)."
  - "C(again): whether this was told before, see O(again)."
  - "C(messages): how many messages became this event. C(first_at), C(last_at): when the first and the last of what
    they tell happened, as ISO 8601 in UTC, or null."
  - "C(health): with V(heartbeat) a dictionary: C(well), C(since) (of that), C(error) (why it is not well, else
    empty), and the counters C(received), C(told), C(dropped) (told before, superseded or not wanted) and
    C(not_understood), since the start. Else null."
  - No event has content of a secret.
requirements:
  - botocore
"""

EXAMPLES = r"""
- name: Rotate as soon as a secret of this fleet has a new version
  hosts: haproxy
  sources:
    - name: Secrets
      certops.rotation.secret_events:
        queue: certificates
        region: eu-central-1
        name_prefix: [web/]
  rules:
    - name: Rotate
      condition: event.secret_events.kind in ["secret", "tick"]
      action:
        run_playbook:
          name: certops.rotation.rotate

# What an event looks like:
#
# secret_events:
#   kind: secret
#   names: [web/a, web/b]
#   labels: [AWSCURRENT]
#   details:
#     - name: web/a
#       arn: arn:aws:secretsmanager:eu-central-1:012345678901:secret:web/a-a1b2c3
#       account: "012345678901"
#       region: eu-central-1
#       label: AWSCURRENT
#       version_id: 11111111-2222-3333-4444-555555555555
#       is_known: true
#     - ...
#   causes: [PutSecretValue, Secret Label Updated]
#   again: false
#   messages: 3
#   first_at: "2026-11-27T02:43:48Z"
#   last_at: "2026-11-27T02:43:49Z"
#   health: null
"""

import asyncio
import contextlib
import fnmatch
import json
import logging
import math
import random
import re
import threading
import time
import typing as t
import urllib.parse
from collections import OrderedDict
from datetime import datetime, timezone

# One file, for ansible-rulebook runs a source by its path: nothing of the collection can be imported here.
_LOG = logging.getLogger("certops.rotation.secret_events")

_KINDS = ("secret", "candidate", "expiring", "object")
_CURRENT = "AWSCURRENT"
_LISTS = {"kinds": list(_KINDS), "labels": [_CURRENT, "CANDIDATE"], "names": [], "name_prefix": [], "objects": []}
_SECONDS = {"settle": 0.2, "at_most": 10.0, "again": 330.0, "tick": 3600.0, "heartbeat": 0.0}
_TEXTS = ("queue", "region", "profile", "access_key", "secret_key", "session_token", "endpoint_url")

_MOST_MESSAGES = 10  # that SQS gives at once
_NEXT_ANSWER = 1.0  # seconds that one which brings more may take, over a slow line
_MOST_THINGS = 1000  # in one event: then it is told, though messages keep coming
_MOST_IDS, _MOST_SECRETS, _MOST_VERSIONS = 20_000, 5_000, 20  # that are remembered
_SAME_CHANGE = 2.0  # seconds between the times that two services give one change
_LONGEST_PAUSE = 30.0
_LONGEST_REQUEST = 75.0  # seconds: with a connection that breaks, and a second one
_LONGEST_LOOK = 15.0  # for all secrets of one event together
_MOST_THREADS = 64  # that may wait for answers which drip
_MOST_CLIENTS = 20  # one for each region

_SECRET_NAME = re.compile(r"[\w/+=.@-]{1,512}", re.ASCII)
_SECRET_ARN = re.compile(
    r"arn:[\w-]{1,20}:secretsmanager:([\w-]{1,40}):(\d{1,20}):secret:([\w/+=.@-]{1,520})", re.ASCII
)
_QUEUE_ARN = re.compile(r"arn:[\w-]{1,20}:sqs:([\w-]{1,40}):(\d{1,20}):([\w.-]{1,90})", re.ASCII)
_QUEUE_URL = re.compile(r"https?://(?:sqs(?:-fips)?\.)?([\w-]{1,40})\.(?:queue\.)?(?:amazonaws|api)\.\S+", re.ASCII)
_WORD = re.compile(r"[\w:.-]{1,128}", re.ASCII)

Json = dict[str, t.Any]


# -- options ------------------------------------------------------------------------------------------------------


class Options(t.NamedTuple):
    """As documented above."""

    queue: str
    region: str
    profile: str
    access_key: str
    secret_key: str
    session_token: str
    endpoint_url: str
    kinds: list[str]
    labels: list[str]
    names: list[str]
    name_prefix: list[str]
    objects: list[str]
    settle: float
    at_most: float
    again: float
    tick: float
    heartbeat: float
    tags: dict[str, str]

    def wants(self, change: Change) -> bool:
        """Whether it is to be told, as far as the message says."""
        if change.kind not in self.kinds:
            return False
        if change.kind == "object":
            return not self.objects or any(fnmatch.fnmatchcase(change.name, pattern) for pattern in self.objects)
        if change.kind == "expiring":
            return True
        if change.label not in self.labels or (change.cause in ("TagResource", "UntagResource") and not self.tags):
            return False
        if not self.names and not self.name_prefix:
            return True
        return change.name.startswith(tuple(self.name_prefix)) or any(
            _matches(change, pattern) for pattern in self.names
        )


def _matches(change: Change, pattern: str) -> bool:
    """Whether a secret is meant by this pattern of names or ARNs. One whose ARN is not told may be."""
    if not pattern.startswith("arn:"):
        return fnmatch.fnmatchcase(change.name, pattern)
    return not change.arn or fnmatch.fnmatchcase(change.arn, pattern)


def options_of(args: t.Mapping[str, t.Any]) -> Options:
    """Raises ValueError, which names what is wrong."""
    known = (*_TEXTS, *_LISTS, *_SECONDS, "tags")
    if args.get("feedback"):
        raise ValueError("secret_events: feedback: this source has no use for it, remove the option")
    unknown = sorted(set(args) - {*known, "feedback", "eda_feedback_queue"})
    if unknown:
        raise ValueError(f"secret_events: no such option: {', '.join(unknown)}. There are: {', '.join(sorted(known))}")
    values: Json = {name: _text(name, args.get(name)) for name in _TEXTS}
    values.update({name: _list(name, args.get(name), default) for name, default in _LISTS.items()})
    values.update({name: _number(name, args.get(name), default) for name, default in _SECONDS.items()})
    made = Options(**values, tags=_tags(args.get("tags")))
    if not made.queue:
        raise ValueError("secret_events: queue: the name, ARN or URL of an SQS queue is needed")
    if bool(made.access_key) != bool(made.secret_key):
        raise ValueError("secret_events: access_key and secret_key belong together: give both, or neither")
    if made.access_key and made.profile:
        raise ValueError("secret_events: profile and access_key: give one of them")
    if made.endpoint_url and not re.match(r"https?://[^/\s]", made.endpoint_url):
        raise ValueError("secret_events: endpoint_url: it begins with http:// or https://")
    if not made.kinds or set(made.kinds) - set(_KINDS):
        raise ValueError(f"secret_events: kinds: some of {', '.join(_KINDS)}, not {', '.join(made.kinds) or 'none'}")
    if not made.labels:
        raise ValueError("secret_events: labels: at least one is needed")
    if made.at_most < made.settle:
        raise ValueError("secret_events: at_most: it is not less than settle")
    return made


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ValueError(f"secret_events: {name}: text is needed")
    return str(value).strip()


def _list(name: str, value: object, default: list[str]) -> list[str]:
    if value is None:
        return list(default)
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        raise ValueError(f"secret_events: {name}: a list is needed")
    return list(filter(None, (_text(name, item) for item in items)))


def _number(name: str, value: object, default: float) -> float:
    if value is None:
        return default
    try:
        number = math.nan if isinstance(value, bool) else float(t.cast("t.Any", value))
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 30 * 86400:
        raise ValueError(f"secret_events: {name}: seconds are needed, from 0 to 2592000, not {value!r}")
    return number


def _tags(value: object) -> dict[str, str]:
    if isinstance(value, str) and value.strip():
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if not value:
        return {}
    if not isinstance(value, dict):
        raise ValueError("secret_events: tags: a dictionary is needed")
    return {str(key): _text("tags", text) for key, text in value.items()}


# -- what messages tell -------------------------------------------------------------------------------------------


class NotUnderstood(Exception):
    """Its text is the kind of message."""


class Change(t.NamedTuple):
    """What a message tells of one thing. id: of the message; at: seconds since 1970 or None; more: further details."""

    kind: str
    name: str
    cause: str
    id: str
    at: float | None
    account: str
    region: str
    arn: str = ""
    label: str = ""
    version_id: str = ""
    is_other: bool = False  # nothing of labels: it is told though the version is the one that was told
    more: tuple[tuple[str, t.Any], ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The same for two changes of the same thing."""
        return (self.kind, self.account, self.region, self.name, self.label, "" if self.label else self.arn)


def understand(body: str) -> list[Change]:
    """What a message tells; nothing, where it is understood and tells nothing new. Raises NotUnderstood."""
    message = _json(body)
    if isinstance(message.get("TopicArn"), str):  # an envelope of SNS
        if message.get("Type", "Notification") != "Notification":
            raise NotUnderstood(f"SNS {message['Type']}")
        message = _json(message.get("Message"))
    if message.get("Event") == "s3:TestEvent":
        return []
    if isinstance(message.get("Records"), list):
        return [change for record in message["Records"] for change in _s3_record(record)]
    source, kind, detail = (message.get(key) for key in ("source", "detail-type", "detail"))
    if not (isinstance(source, str) and isinstance(kind, str) and isinstance(detail, dict)):
        raise NotUnderstood("JSON that is no event of EventBridge")
    reader = _READERS.get((source, kind))
    if not reader:
        raise NotUnderstood(f"{source}: {kind}")
    about = {
        "id": message["id"] if _is_safe(message.get("id")) else "",
        "at": _instant(message.get("time")),
        "account": _word(message.get("account")),
        "region": _word(message.get("region")),
    }
    resources = message.get("resources")
    arns = [arn for arn in resources if _is_safe(arn)] if isinstance(resources, list) else []
    return reader(kind, detail, about, arns[0] if arns else "")


def _json(text: object) -> Json:
    try:
        message = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        raise NotUnderstood("no JSON") from None
    if not isinstance(message, dict):
        raise NotUnderstood("JSON that is no object")
    return message


def _label_updated(kind: str, detail: Json, about: Json, arn: str) -> list[Change]:
    return [_secret(kind, about, detail.get("name") or arn, arn, detail.get("labelUpdated"), detail.get("versionId"))]


def _secret(
    cause: str, about: Json, secret: object, arn: object, label: object, version: object, *, is_other: bool = False
) -> Change:
    """secret: its name or ARN."""
    own = _SECRET_ARN.fullmatch(secret) if isinstance(secret, str) else None
    found = (_SECRET_ARN.fullmatch(arn) if isinstance(arn, str) else None) or own
    name = re.sub(r"-[A-Za-z0-9]{6}\Z", "", found.group(3)) if found and (own or not secret) else secret
    if not isinstance(name, str) or not _SECRET_NAME.fullmatch(name) or not isinstance(label, str) or not label:
        raise NotUnderstood(f"{cause} without a name and a label as Secrets Manager has them")
    if found:
        about = {**about, "region": found.group(1), "account": found.group(2)}
    return Change(
        kind="secret" if label == _CURRENT else "candidate",
        name=name,
        cause=cause,
        arn=found.group() if found else "",
        label=label,
        version_id=_word(version),
        is_other=is_other,
        **about,
    )


def _cloudtrail(kind: str, detail: Json, about: Json, _arn: str) -> list[Change]:
    """A call of Secrets Manager, or its own word of a rotation (CloudTrail's record)."""
    cause = detail.get("eventName")
    if detail.get("eventSource") != "secretsmanager.amazonaws.com" or not isinstance(cause, str):
        raise NotUnderstood(f"aws.secretsmanager: {kind} of another service")
    asked, answered, more = (
        value if isinstance(value := detail.get(key), dict) else {}
        for key in ("requestParameters", "responseElements", "additionalEventData")
    )
    if detail.get("errorCode") or cause not in _CALLS:
        return []
    arn = answered.get("arn") or answered.get("aRN") or answered.get("ARN")
    secret = asked.get("secretId") or asked.get("name") or more.get("SecretId") or arn
    made = answered.get("versionId") or answered.get("VersionId")
    token = asked.get("clientRequestToken")
    if cause == "PutSecretValue":
        labels = asked.get("versionStages")
        labels = labels if isinstance(labels, list) and labels else [_CURRENT]
        return [_secret(cause, about, secret, arn, label, made or token) for label in labels]
    if cause == "UpdateSecretVersionStage":
        return [_secret(cause, about, secret, arn, asked.get("versionStage"), asked.get("moveToVersionId"))]
    if cause == "CreateSecret":
        return [_secret(cause, about, secret, arn, _CURRENT, made or token)]
    # The token of an UpdateSecret is there without a new version, too.
    return [_secret(cause, about, secret, arn, _CURRENT, made, is_other=cause in _OTHER_CALLS)]


_OTHER_CALLS = ("RestoreSecret", "TagResource", "UntagResource")
_CALLS = (
    "CreateSecret",
    "PutSecretValue",
    "RotationSucceeded",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    *_OTHER_CALLS,
)


def _expiring(kind: str, detail: Json, about: Json, arn: str) -> list[Change]:
    name, days = detail.get("CommonName"), detail.get("DaysToExpiry")
    name = name if _is_safe(name) else arn
    if not name:
        raise NotUnderstood(f"{kind} without a name and an ARN")
    number = days if isinstance(days, int) and not isinstance(days, bool) and abs(days) < 100_000 else None
    return [Change("expiring", name, kind, arn=arn, more=(("days", 0 if "Expired" in kind else number),), **about)]


def _object_created(kind: str, detail: Json, about: Json, _arn: str) -> list[Change]:
    bucket, item = detail.get("bucket"), detail.get("object")
    if not isinstance(bucket, dict) or not isinstance(item, dict):
        raise NotUnderstood(f"{kind} without bucket and object")
    return [_object(kind, about, bucket.get("name"), item.get("key"), item.get("version-id"))]


def _object(cause: str, about: Json, bucket: object, key: object, version: object) -> Change:
    if not (_is_safe(bucket) and _is_safe(key)):
        raise NotUnderstood(f"{cause} of an object whose name no rulebook should see")
    more = (("bucket", bucket), ("key", key), ("version_id", _word(version) or None))
    return Change("object", f"{bucket}/{key}", cause, more=more, **about)


def _s3_record(record: object) -> list[Change]:
    """A notification that S3 sends by itself, without EventBridge."""
    if not isinstance(record, dict) or not str(record.get("eventName")).startswith("ObjectCreated:"):
        raise NotUnderstood("a record that is no new object of S3")
    told = record.get("s3")
    told = told if isinstance(told, dict) else {}
    bucket, item = (value if isinstance(value := told.get(key), dict) else {} for key in ("bucket", "object"))
    key = urllib.parse.unquote_plus(str(item.get("key")))
    about = {
        "id": f"{bucket.get('name')}/{key}/{item.get('sequencer')}" if item.get("sequencer") else "",
        "at": _instant(record.get("eventTime")),
        "account": "",
        "region": _word(record.get("awsRegion")),
    }
    return [_object("ObjectCreated", about, bucket.get("name"), key, item.get("versionId"))]


_READERS: dict[tuple[str, str], t.Callable[[str, Json, Json, str], list[Change]]] = {
    ("aws.secretsmanager", "Secret Label Updated"): _label_updated,
    ("aws.secretsmanager", "AWS API Call via CloudTrail"): _cloudtrail,
    ("aws.secretsmanager", "AWS Service Event via CloudTrail"): _cloudtrail,
    ("aws.acm", "ACM Certificate Approaching Expiration"): _expiring,
    ("aws.acm", "ACM Certificate Expired"): _expiring,
    ("aws.acm", "ACM Certificate Renewal Action Required"): _expiring,
    ("aws.s3", "Object Created"): _object_created,
}


def _is_safe(value: object) -> t.TypeGuard[str]:
    """Whether text may become a variable of a playbook: Ansible would run what is a template in it."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 2048
        and value.isprintable()
        and not any(begin in value for begin in ("{{", "{%", "{#"))
    )


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _instant(value: object) -> float | None:
    try:
        return datetime.strptime(str(value)[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


# -- what of it is new --------------------------------------------------------------------------------------------


class Pending:
    """What messages have told of one thing since it was told last. change: the latest."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.causes: set[str] = set()
        self.versions: dict[str, float] = {}  # id -> when it got the label
        self.times: list[float] = []  # first and last
        self.messages = 0
        self.is_other = False
        self.add(change)

    def add(self, change: Change) -> None:
        at = change.at or 0.0
        if at >= (self.change.at or 0.0):
            self.change = change._replace(arn=change.arn or self.change.arn)
        self.causes.add(change.cause)
        if change.version_id:
            self.versions[change.version_id] = max(at, self.versions.get(change.version_id, 0.0))
        if at:
            self.times = [min(at, *self.times), max(at, *self.times)] if self.times else [at, at]
        self.messages += 1
        self.is_other = self.is_other or change.is_other


class Described(t.NamedTuple):
    """What DescribeSecret says. versions: id -> labels."""

    arn: str
    versions: dict[str, list[str]]
    tags: dict[str, str]

    def having(self, label: str) -> str:
        return next((version for version, labels in self.versions.items() if label in labels), "")


class _Last:
    """version: of the label, as it was told; newest: when it moved; seen: versions that are done, and since when."""

    def __init__(self) -> None:
        self.version: str | None = None
        self.newest = 0.0
        self.seen: OrderedDict[str, float] = OrderedDict()


class Told:
    """What a rulebook knows already. Its size is limited: what is forgotten is told once more than needed."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lasts: OrderedDict[tuple[str, ...], _Last] = OrderedDict()

    def is_again(self, message_id: str) -> bool:
        """Whether a message was here before. From now on it was. (Without an id it never was.)"""
        if not message_id:
            return False
        known = message_id in self._ids
        self._ids[message_id] = None
        self._ids.move_to_end(message_id)
        if len(self._ids) > _MOST_IDS:
            self._ids.popitem(last=False)
        return known

    def forget(self, message_id: str) -> None:
        self._ids.pop(message_id, None)

    def is_news(self, pending: Pending, now: Described | None) -> bool:
        """Whether a label moved, as far as a rulebook knows. now: None when it could not be asked."""
        change = pending.change
        last = self._lasts.get(change.key) or _Last()
        if pending.is_other:
            return True
        if now:
            version = now.having(change.label)
            if change.kind == "candidate" and not version and self._is_promoted(pending, last, now):
                return False
            if version != last.version:
                return True
        elif not pending.versions:
            return True
        return any(self._is_ahead(version, at, last, now) for version, at in pending.versions.items())

    @staticmethod
    def _is_promoted(pending: Pending, last: _Last, now: Described) -> bool:
        """A candidate that has become the current version: its other event tells that."""
        current = now.having(_CURRENT)
        return bool(current) and (list(pending.versions) or [last.version or ""]) == [current]

    @staticmethod
    def _is_ahead(version: str, at: float, last: _Last, now: Described | None) -> bool:
        """Whether a message knows more than what was told, and than an answer that may be older than the message."""
        if at and at < last.newest:
            return False
        if version == last.version:  # later once more: it was without the label, of which there is no event
            return 0 < last.seen.get(version, 0.0) < at - _SAME_CHANGE
        if now and now.versions.get(version) and at <= last.newest:  # other labels: it has been replaced
            return False
        return version not in last.seen or at > last.seen[version] + _SAME_CHANGE

    def answer(self, pending: Pending, now: Described | None) -> tuple[str, bool]:
        """The version that has the label, and whether that is what AWS has answered."""
        version = now.having(pending.change.label) if now else ""
        before = self._lasts.get(pending.change.key) or _Last()
        named = pending.change.version_id or version
        if now and (version == named or version != before.version or pending.is_other):
            return version, True
        return named, False  # the latest message is ahead of the answer, or there is none

    def remember(self, pending: Pending, version: str) -> None:
        """Note that it is told, with this version."""
        last = self.note(pending)
        if version:
            last.seen.setdefault(version, 0.0)
        last.version = version

    def note(self, pending: Pending) -> _Last:
        """Note what messages have said, told or not."""
        key = pending.change.key
        last = self._lasts.setdefault(key, _Last())
        self._lasts.move_to_end(key)
        if len(self._lasts) > _MOST_SECRETS:
            self._lasts.popitem(last=False)
        for seen, at in sorted(pending.versions.items(), key=lambda item: item[1]):
            last.seen[seen] = max(at, last.seen.get(seen, 0.0))
            last.seen.move_to_end(seen)
            last.newest = max(last.newest, at)
        while len(last.seen) > _MOST_VERSIONS:
            last.seen.popitem(last=False)
        return last


# -- events -------------------------------------------------------------------------------------------------------


def event_of(
    kind: str,
    details: t.Sequence[Json] = (),
    *,
    causes: t.Iterable[str] = (),
    again: bool = False,
    messages: int = 0,
    times: t.Sequence[float] = (),
    health: Json | None = None,
) -> Json:
    """times: when what is told happened."""
    content = {
        "kind": kind,
        "names": sorted({detail["name"] for detail in details}),
        "labels": sorted({detail["label"] for detail in details if "label" in detail}),
        "details": list(details),
        "causes": sorted(set(causes)),
        "again": again,
        "messages": messages,
        "first_at": _iso(min(times)) if times else None,
        "last_at": _iso(max(times)) if times else None,
        "health": health,
    }
    return {"secret_events": content}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def detail_of(pending: Pending, version: str = "", is_known: bool = False, *, arn: str = "") -> Json:
    """One entry of an event's details."""
    change = pending.change
    detail: Json = {"name": change.name, "arn": arn or change.arn or None}
    detail.update(account=change.account, region=change.region)
    if change.label:
        detail.update(label=change.label, version_id=version or None, is_known=is_known)
    detail.update(change.more)
    return detail


# -- AWS, in threads ----------------------------------------------------------------------------------------------


_waiting: set[threading.Thread] = set()


async def _in_thread(function: t.Callable[..., t.Any], *args: t.Any, seconds: float | None = None) -> t.Any:
    """In a daemon: ansible-rulebook ends at once, and does not wait until SQS has answered. Nor does it wait for an
    answer that never ends: time limits of botocore are between two of its bytes."""
    _waiting.difference_update([thread for thread in _waiting if not thread.is_alive()])
    if len(_waiting) >= _MOST_THREADS:
        raise TimeoutError(f"{_MOST_THREADS} answers have begun and do not end")
    seconds = _LONGEST_REQUEST if seconds is None else seconds
    loop = asyncio.get_running_loop()
    future: asyncio.Future[t.Any] = loop.create_future()

    def settle(setter: t.Callable[[t.Any], None], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: None if future.done() else setter(value))

    def run() -> None:
        try:
            result = function(*args)
        except Exception as error:
            settle(future.set_exception, error)
        else:
            settle(future.set_result, result)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    _waiting.add(thread)
    try:
        return await asyncio.wait_for(future, seconds)
    except asyncio.TimeoutError:
        raise TimeoutError(f"no whole answer within {seconds:.0f} s") from None


def code_of(error: BaseException) -> str:
    """AWS's code, or the name of the exception."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return _word(code) or error.__class__.__name__


def text_of(error: BaseException) -> str:
    """For the log. What AWS says of a wrong signature has the session token in it: its code has to do."""
    code = code_of(error)
    if hasattr(error, "response"):
        return f"{getattr(error, 'operation_name', 'AWS')} answers {code}"[:300]
    return " ".join(f"{code}: {error}"[:300].split())


def _is_of_credentials(error: BaseException) -> bool:
    return bool(
        re.search(
            r"Expired|InvalidClientTokenId|UnrecognizedClient|InvalidSecurity|InvalidAccessKey|Signature|AuthFailure"
            r"|Credential|Token|SSO|NotAuthorized",
            code_of(error),
        )
    )


def _is_missing_queue(error: BaseException) -> bool:
    return "NonExistentQueue" in code_of(error) or "QueueDoesNotExist" in code_of(error)


class Aws:
    """What is asked of AWS. All of it blocks."""

    def __init__(self, options: Options) -> None:
        self._options = options
        found = _QUEUE_ARN.fullmatch(options.queue)
        self._queue = {"QueueName": options.queue}
        region = ""
        if found:
            region, account, name = found.groups()
            self._queue = {"QueueName": name, "QueueOwnerAWSAccountId": account}
        self._given_url = options.queue if "://" in options.queue else ""
        if match := _QUEUE_URL.fullmatch(self._given_url):
            region = match.group(1)
        self._region = options.region or region
        # Seconds until what is not removed comes again: also what an answer brought that got lost on its way.
        self._hidden = min(43200, math.ceil(options.at_most) + 20)
        self._url = ""
        self._lock = threading.Lock()
        self._session: t.Any = None
        self._clients: dict[tuple[str, str], t.Any] = {}

    def check(self) -> None:
        """Raises ValueError for options that cannot be right here."""
        try:
            from botocore.exceptions import ProfileNotFound
        except ImportError:
            raise ValueError("secret_events: the Python library botocore is needed") from None
        try:
            region = self._made_session().get_config_variable("region")
        except ProfileNotFound as error:
            raise ValueError(f"secret_events: profile: {error}") from None
        if not (self._region or region):
            raise ValueError("secret_events: region: it is needed, here or in the configuration of AWS")

    def forget(self) -> None:
        """Read credentials anew, when they are needed next."""
        with self._lock:
            clients, self._clients, self._session = self._clients, {}, None
        for client in clients.values():
            client.close()

    def receive(self, wait: int = 20) -> list[Json]:
        """Messages, as soon as there are any. None after so many seconds."""
        options: Json = {"MaxNumberOfMessages": _MOST_MESSAGES, "WaitTimeSeconds": wait}
        options["VisibilityTimeout"] = self._hidden
        try:
            answer = self._call("sqs", "receive_message", QueueUrl=self._queue_url(), **options)
        except Exception as error:
            # When it is made again, it may have another one; and where AWS has not answered, it may not be AWS's.
            if _is_missing_queue(error) or not hasattr(error, "response"):
                self._url = ""
            raise
        return list(answer.get("Messages") or [])

    def remove(self, receipts: t.Sequence[str]) -> None:
        """What fails here comes again, and is known then."""
        for begin in range(0, len(receipts), 10):
            entries = [{"Id": str(n), "ReceiptHandle": text} for n, text in enumerate(receipts[begin : begin + 10])]
            self._call("sqs", "delete_message_batch", QueueUrl=self._queue_url(), Entries=entries)

    def _queue_url(self) -> str:
        if not self._url:
            self._url = self._given_url or self._call("sqs", "get_queue_url", **self._queue)["QueueUrl"]
        return self._url

    def describe(self, change: Change) -> Described | None:
        """None if it is another account's."""
        region = change.region if change.region and not self._options.endpoint_url else ""
        answer = self._call("secretsmanager", "describe_secret", region, SecretId=change.arn or change.name)
        found = _SECRET_ARN.fullmatch(answer["ARN"])
        if change.account and found and found.group(2) != change.account:
            return None
        tags = {tag["Key"]: tag["Value"] for tag in answer.get("Tags") or []}
        return Described(answer["ARN"], answer.get("VersionIdsToStages") or {}, tags)

    def _call(self, service: str, operation: str, region: str = "", **parameters: t.Any) -> Json:
        try:
            return t.cast("Json", getattr(self._client(service, region), operation)(**parameters))
        except Exception as error:
            if not _is_of_credentials(error):
                raise
            self.forget()
        return t.cast("Json", getattr(self._client(service, region), operation)(**parameters))

    def _client(self, service: str, region: str) -> t.Any:
        from botocore.config import Config

        with self._lock:
            key = (service, region or self._region)
            if len(self._clients) > _MOST_CLIENTS:
                self._clients.clear()
            if key not in self._clients:
                self._clients[key] = self._made_session().create_client(
                    service,
                    region_name=key[1] or None,
                    endpoint_url=self._options.endpoint_url or None,
                    config=Config(
                        connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 2}
                    ),
                )
            return self._clients[key]

    def _made_session(self) -> t.Any:
        from botocore.session import Session

        if not self._session:
            options = self._options
            session = Session(profile=options.profile or None)
            if options.access_key:
                session.set_credentials(options.access_key, options.secret_key, options.session_token or None)
            self._session = session
        return self._session


# -- the source ---------------------------------------------------------------------------------------------------


class Health:
    """How the source is: said once when that changes."""

    def __init__(self) -> None:
        self.error, self._attempts, self._since, self._began = "", 0, time.time(), 0.0
        self._codes: set[str] = set()
        self.counts = dict.fromkeys(("received", "told", "dropped", "not_understood"), 0)
        self._said: set[str] = set()

    def failed(self, error: BaseException) -> float:
        """Returns the seconds until the next attempt."""
        if not self.error:
            self._since, self._began, self._codes = time.time(), time.monotonic(), set()
            _LOG.warning("secret_events cannot read the queue: %s. It tries again until it can.", text_of(error))
        elif code_of(error) not in self._codes:
            _LOG.warning("secret_events is kept from the queue by something else now: %s", text_of(error))
        self.error = text_of(error)
        self._codes.add(code_of(error))
        self._attempts += 1
        return min(_LONGEST_PAUSE, 2.0 ** min(self._attempts - 1, 10)) * random.uniform(0.75, 1)  # noqa: S311

    @property
    def attempts(self) -> int:
        return self._attempts

    def worked(self) -> None:
        if self.error:
            took = time.monotonic() - self._began
            _LOG.warning("secret_events reads the queue again, after %.0f s (%d attempts)", took, self._attempts)
            self.error, self._attempts, self._since = "", 0, time.time()

    def say_once(self, text: str) -> None:
        """For trouble that ends nothing."""
        if text not in self._said and len(self._said) < 100:
            self._said.add(text)
            _LOG.warning("secret_events: %s", text)

    def told(self) -> Json:
        return {"well": not self.error, "since": _iso(self._since), "error": self.error, **self.counts}


class Source:
    """It reads, gathers and tells, for ever."""

    def __init__(self, options: Options, queue: t.Any, aws: Aws) -> None:
        self._options, self._queue, self._aws = options, queue, aws
        self._told, self.health = Told(), Health()
        self._arrived: asyncio.Queue[list[Json]] = asyncio.Queue(1)
        self._pending: dict[tuple[str, ...], Pending] = {}
        self._receipts: list[str] = []  # of what is pending
        self._ids: set[str] = set()  # likewise
        self._again: dict[tuple[str, ...], tuple[float, Json]] = {}
        self._was_missing = self._has_begun = False

    async def run(self) -> None:
        """Never returns, and raises nothing but what cancels it."""
        steps = [self._read, self._gather]
        if self._options.tick:
            steps.append(self._tick)
        if self._options.heartbeat:
            steps.append(self._beat)
        if self._options.again:
            steps.append(self._tell_again)
        await asyncio.gather(*map(self._for_ever, steps))

    async def _for_ever(self, step: t.Callable[[], t.Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except Exception as error:  # a source that ends takes the whole rulebook with it
                self.health.say_once(f"unexpected {error.__class__.__name__}")
                _LOG.debug("secret_events", exc_info=True)
                await asyncio.sleep(1)

    async def _put(self, event: Json) -> None:
        await self._queue.put(event)

    async def _tick(self) -> None:
        await self._put(event_of("tick", causes=["interval" if self._has_begun else "start"]))
        self._has_begun = True
        await asyncio.sleep(self._options.tick)

    async def _beat(self) -> None:
        await self._put(event_of("heartbeat", health=self.health.told()))
        await asyncio.sleep(self._options.heartbeat)

    async def _read(self) -> None:
        begin = time.monotonic()
        try:
            messages = await _in_thread(self._aws.receive, *([0] if self.health.error else []))
        except Exception as error:
            self._was_missing = self._was_missing or _is_missing_queue(error)
            pause = self.health.failed(error)
            if self.health.attempts % 5 == 0:
                self._aws.forget()
            await asyncio.sleep(pause)
            return
        self.health.worked()
        if self._was_missing:
            self._was_missing = False
            if self._options.tick:  # what was told meanwhile had no queue to go to
                await self._put(event_of("tick", causes=["queue"]))
        if messages:
            await self._arrived.put(messages)
        elif time.monotonic() - begin < 0.5:  # a server that knows of no waiting
            await asyncio.sleep(1)

    async def _gather(self) -> None:
        messages: list[Json] = []
        if not self._pending:
            messages = await self._arrived.get()
            await self._take(messages)
        first = last = time.monotonic()
        while self._pending:
            has_more = len(messages) >= _MOST_MESSAGES
            settle = max(self._options.settle, _NEXT_ANSWER) if has_more else self._options.settle
            left = min(last + settle, first + self._options.at_most) - time.monotonic()
            if left <= 0 or len(self._pending) >= _MOST_THINGS:
                await self._tell()
                return
            try:
                messages = await asyncio.wait_for(self._arrived.get(), left)
            except asyncio.TimeoutError:
                continue
            is_new = await self._take(messages)
            last = time.monotonic() if is_new else last

    async def _take(self, messages: list[Json]) -> bool:
        """Note what is to be told, and remove the rest. Returns whether there was any."""
        done, is_new = [], False
        for message in messages:
            self.health.counts["received"] += 1
            changes, is_pending = self._changes(message)
            for change in changes:
                key = change.key
                if key in self._pending:
                    self._pending[key].add(change)
                else:
                    self._pending[key] = Pending(change)
                self._ids.add(change.id)
            # What comes again before the rulebook has it stays in the queue as long as it does.
            (self._receipts if changes or is_pending else done).append(message["ReceiptHandle"])
            is_new = is_new or bool(changes)
        await self._remove(done)
        return is_new

    def _changes(self, message: Json) -> tuple[list[Change], bool]:
        """What is to be told, and whether some of the rest waits for that already."""
        try:
            changes = understand(message.get("Body", ""))
        except NotUnderstood as error:
            self.health.counts["not_understood"] += 1
            self.health.say_once(f"messages that are not understood are removed: {str(error)[:150]!r}")
            return [], False
        except Exception as error:  # one such message would keep all others from being told
            self.health.counts["not_understood"] += 1
            self.health.say_once(f"messages that are not understood are removed: {error.__class__.__name__}")
            return [], False
        # A time that is to come would make all that happens until then look old.
        latest = time.time() + 60
        changes = [change._replace(at=min(change.at, latest) if change.at else None) for change in changes]
        wanted = [change for change in changes if self._options.wants(change)]
        again = {name for name in {change.id for change in wanted} if self._told.is_again(name)}
        news = [change for change in wanted if change.id not in again]
        if not news:
            self.health.counts["dropped"] += 1
        return news, not self._ids.isdisjoint(again)

    async def _remove(self, receipts: list[str]) -> None:
        if not receipts:
            return
        try:
            await _in_thread(self._aws.remove, receipts)
        except Exception as error:
            self.health.say_once(f"messages could not be removed, and come again: {text_of(error)}")

    async def _tell(self) -> None:
        pending, self._pending = list(self._pending.values()), {}
        receipts, self._receipts = self._receipts, []
        ids, self._ids = self._ids, set()
        try:
            described = await self._described([one for one in pending if one.change.label])
            for kind in _KINDS:
                await self._tell_kind(kind, [one for one in pending if one.change.kind == kind], described)
        except Exception:
            for message_id in ids:
                self._told.forget(message_id)  # they come again, until they are dead letters
            raise
        # Not after the action: see the documentation above.
        await self._remove(receipts)

    async def _tell_kind(self, kind: str, pending: list[Pending], described: dict[str, Described | None]) -> None:
        news, details = [], []
        for one in pending:
            now = described.get(_identity(one.change))
            if one.change.label:
                tags = now.tags if now else self._options.tags
                if not self._options.tags.items() <= tags.items() or not self._told.is_news(one, now):
                    self.health.counts["dropped"] += one.messages
                    self._told.note(one)
                    continue
                details.append(detail_of(one, *self._told.answer(one, now), arn=now.arn if now else ""))
            else:
                details.append(detail_of(one))
            news.append(one)
        if not news:
            return
        causes = [cause for one in news for cause in one.causes]
        times = [at for one in news for at in one.times]
        messages = sum(one.messages for one in news)
        await self._put(event_of(kind, details, causes=causes, messages=messages, times=times))
        self.health.counts["told"] += messages
        for one, detail in zip(news, details):
            if one.change.label:
                self._told.remember(one, detail["version_id"] or "")
                self._tell_later(one.change.key, detail)

    def _tell_later(self, key: tuple[str, ...], detail: Json) -> None:
        """Once more: see again. Of so many at once the earliest are left to the tick."""
        if not self._options.again:
            return
        self._again.pop(key, None)  # so that the first is the earliest
        self._again[key] = (time.monotonic() + self._options.again, detail)
        if len(self._again) > _MOST_SECRETS:
            del self._again[next(iter(self._again))]

    async def _described(self, pending: list[Pending]) -> dict[str, Described | None]:
        """What is true now of each secret, asked once; None where that is not known."""
        distinct = {_identity(one.change): one.change for one in pending}
        slots, down = asyncio.Semaphore(8), set()
        end = time.monotonic() + _LONGEST_LOOK

        async def describe(change: Change) -> Described | None:
            async with slots:
                left = end - time.monotonic()
                if change.region in down or left <= 0:
                    return None
                try:
                    return t.cast("Described | None", await _in_thread(self._aws.describe, change, seconds=left))
                except Exception as error:
                    if not hasattr(error, "response"):
                        down.add(change.region)
                    text = "secrets that cannot be described are told of, whatever is true of them"
                    self.health.say_once(f"{text}: {text_of(error)}")
                    return None

        answers = await asyncio.gather(*map(describe, distinct.values()))
        return dict(zip(distinct, answers))

    async def _tell_again(self) -> None:
        at_once = min(self._options.at_most, self._options.again / 20)
        first = next((due for due, _detail in self._again.values()), math.inf)
        if first > time.monotonic():
            await asyncio.sleep(min(1.0, first - time.monotonic(), self._options.again))
            return
        due = [key for key, (at, _detail) in self._again.items() if at <= time.monotonic() + at_once][:_MOST_THINGS]
        details = [self._again.pop(key)[1] for key in due]
        for kind in ("secret", "candidate"):
            mine = [detail for detail in details if (detail["label"] == _CURRENT) == (kind == "secret")]
            if mine:
                await self._put(event_of(kind, mine, again=True))


def _identity(change: Change) -> str:
    return change.arn or "/".join((change.account, change.region, change.name))


async def main(queue: t.Any, args: Json) -> None:
    """What ansible-rulebook calls. Raises ValueError for options that are wrong, and never returns."""
    options = options_of(args)
    aws = Aws(options)
    await _in_thread(aws.check)
    await Source(options, queue, aws).run()
