# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How events come into queues: rules, perhaps a topic, queues and the queue of dead letters, as they should be.

ARNs follow from names, so that each can be told of the others before it is there.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from ..._errors import InvalidOption

#: The tag that says which set of queues a resource belongs to. Without it, nothing is touched.
OWNER: t.Final = "certops:events"
DEAD: t.Final = "-dead"
DEAD_RETENTION: t.Final = 14 * 86400  # seconds, the most that SQS has
WAIT: t.Final = 20  # seconds, the most that SQS has
_NAME = re.compile(r"[A-Za-z0-9_-]{1,55}")  # a rule's name has 64 characters, and an ending of ours
_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,80}")
_MOST_SOURCES = 10  # that a queue of dead letters can name


@dataclass(frozen=True)
class EventAccount:
    """Where it all is. partition: aws, or another one, such as aws-cn."""

    number: str
    region: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.number}:{resource}"


@dataclass(frozen=True)
class Blueprint:
    """patterns: kind -> pattern; queues: their names; retention, hidden: seconds; receives: how often a message is
    given out until it is dead; key: a KMS key, "" for encryption by a key of SQS; tags: that all get."""

    account: EventAccount
    name: str
    queues: tuple[str, ...]
    patterns: t.Mapping[str, str]
    retention: int = 4 * 86400
    hidden: int = 120
    receives: int = 10
    key: str = ""
    tags: t.Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises InvalidOption."""
        if not _NAME.fullmatch(self.name):
            raise InvalidOption(f"name: {self.name!r} has to be 1 to 55 letters, digits, hyphens and underscores.")
        if not self.queues:
            raise InvalidOption("queues: name at least one.")
        for queue in self.queues:
            if not _QUEUE.fullmatch(queue):
                raise InvalidOption(
                    f"queues: {queue!r} has to be 1 to 80 letters, digits, hyphens and underscores. For a host, put"
                    " hyphens where its name has dots."
                )
            if queue == self.dead:
                raise InvalidOption(f"queues: {queue} is the name of the queue of dead letters.")
        if not self.patterns:
            raise InvalidOption("kinds: name at least one.")
        for option, value, least, most in (
            ("retention", self.retention, 60, DEAD_RETENTION),
            ("visibility_timeout", self.hidden, 0, 43200),
            ("max_receives", self.receives, 1, 1000),
        ):
            if not least <= value <= most:
                raise InvalidOption(f"{option}: SQS takes {least} to {most}, and not {value}.")

    @property
    def dead(self) -> str:
        """The name of the queue of dead letters."""
        return self.name + DEAD

    @property
    def owner(self) -> dict[str, str]:
        """All tags."""
        return {**self.tags, OWNER: self.name}

    @property
    def is_fanned_out(self) -> bool:
        """By a topic: a rule of EventBridge has five targets, and a topic has millions of queues."""
        return len(self.queues) > 1

    @property
    def topic_arn(self) -> str:
        return self.account.arn("sns", self.name)

    @property
    def target_arn(self) -> str:
        """Of what the rules send to."""
        return self.topic_arn if self.is_fanned_out else self.queue_arn(self.queues[0])

    def queue_arn(self, name: str) -> str:
        return self.account.arn("sqs", name)

    def rule_name(self, kind: str) -> str:
        return f"{self.name}-{kind}"

    @property
    def rule_arns(self) -> list[str]:
        return [self.account.arn("events", f"rule/{self.rule_name(kind)}") for kind in self.patterns]

    def queue_attributes(self, name: str) -> dict[str, str]:
        """By a topic, the rules may still send: between one queue and several there is no moment when nobody may."""
        dead = {"deadLetterTargetArn": self.queue_arn(self.dead), "maxReceiveCount": self.receives}
        return {
            **self._common(self.retention, self._policy(name)),
            "VisibilityTimeout": str(self.hidden),
            "ReceiveMessageWaitTimeSeconds": str(WAIT),
            "RedrivePolicy": _text(dead),
        }

    def dead_attributes(self) -> dict[str, str]:
        """What EventBridge or the topic could not deliver arrives here, too."""
        arns = [self.queue_arn(name) for name in self.queues]
        by_queue = {"redrivePermission": "byQueue", "sourceQueueArns": arns}
        allowed = by_queue if len(arns) <= _MOST_SOURCES else {"redrivePermission": "allowAll"}
        return {
            **self._common(DEAD_RETENTION, self._policy(self.dead)),
            "RedriveAllowPolicy": _text(allowed),
        }

    def topic_attributes(self) -> dict[str, str]:
        """Without a condition: EventBridge sends none of its context to a topic, and what has one lets nothing in.

        Who forges an event gets no more than that secrets are looked at.
        """
        statements = [
            {
                "Sid": "EventBridge",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": self.topic_arn,
            }
        ]
        policy = _text({"Version": "2012-10-17", "Statement": statements})
        return {"Policy": policy, "KmsMasterKeyId": self.key}

    def subscription_attributes(self) -> dict[str, str]:
        """Raw: a message is what EventBridge has sent."""
        return {
            "RawMessageDelivery": "true",
            "RedrivePolicy": _text({"deadLetterTargetArn": self.queue_arn(self.dead)}),
        }

    def target(self) -> dict[str, t.Any]:
        dead = {"DeadLetterConfig": {"Arn": self.queue_arn(self.dead)}}
        return {"Id": "certops", "Arn": self.target_arn, **dead}

    def _common(self, retention: int, policy: str) -> dict[str, str]:
        encryption = {"KmsMasterKeyId": self.key} if self.key else {"SqsManagedSseEnabled": "true"}
        return {"MessageRetentionPeriod": str(retention), "Policy": policy, **encryption}

    def _policy(self, queue: str) -> str:
        """Who may send to a queue: the rules and the topic, and nobody without TLS."""
        arn = self.queue_arn(queue)
        senders = [("events", self.rule_arns), *([("sns", [self.topic_arn])] if self.is_fanned_out else [])]
        statements: list[dict[str, t.Any]] = [
            {
                "Sid": {"events": "EventBridge", "sns": "Topic"}[service],
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": arns}},
            }
            for service, arns in senders
        ]
        statements.append(
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        )
        return _text({"Version": "2012-10-17", "Statement": statements})


def differing(wanted: t.Mapping[str, str], present: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The wanted attributes that are not there with the same meaning: AWS writes JSON in its own way."""
    return {name: text for name, text in wanted.items() if _meaning(text) != _meaning(present.get(name) or "")}


def _meaning(value: t.Any) -> t.Any:
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    try:
        return _plain(json.loads(value))
    except ValueError:
        return value


def _plain(value: t.Any) -> t.Any:
    """Lists of one are what is in them, the order of others does not matter, and numbers are their digits."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        plain = sorted((_plain(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
        return plain[0] if len(plain) == 1 else plain
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: t.Mapping[str, t.Any]) -> str:
    return json.dumps(value, sort_keys=True)
