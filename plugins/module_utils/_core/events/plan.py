# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests bring queues, topic and rules from what they are to what they should be. Pure: it makes none."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._errors import RotationError
from .blueprint import OWNER, Blueprint, differing
from .patterns import KINDS

EventService = t.Literal["sqs", "sns", "events"]


@dataclass(frozen=True)
class FoundQueue:
    name: str
    url: str
    attributes: t.Mapping[str, str]
    tags: t.Mapping[str, str]


@dataclass(frozen=True)
class FoundTopic:
    """subscriptions: ARN of the queue -> ARN of the subscription and its attributes."""

    arn: str
    attributes: t.Mapping[str, str]
    tags: t.Mapping[str, str]
    subscriptions: t.Mapping[str, tuple[str, t.Mapping[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundRule:
    """targets: by their ids."""

    name: str
    arn: str
    pattern: str
    is_enabled: bool
    targets: t.Mapping[str, t.Mapping[str, t.Any]]
    tags: t.Mapping[str, str]


@dataclass(frozen=True)
class FoundPlumbing:
    """What there is under these names. queues: by name, that of dead letters among them; rules: by kind."""

    queues: t.Mapping[str, FoundQueue]
    topic: FoundTopic | None
    rules: t.Mapping[str, FoundRule]


class EventStep(t.NamedTuple):
    """One request. operation: as boto3 names its method; about: for people; before, after: for a diff."""

    service: EventService
    operation: str
    parameters: dict[str, t.Any]
    about: str
    before: t.Any = None
    after: t.Any = None

    @property
    def name(self) -> str:
        """As the API reference names it, with what it is about."""
        return f"{''.join(part.capitalize() for part in self.operation.split('_'))} {self.about}"


def foreign(found: FoundPlumbing, name: str) -> list[str]:
    """What is there, and of another one. For people, sorted."""
    labelled: list[tuple[str, t.Mapping[str, str]]] = [
        (f"queue {queue.name}", queue.tags) for queue in found.queues.values()
    ]
    labelled += [(f"rule {rule.name}", rule.tags) for rule in found.rules.values()]
    labelled += [(f"topic {name}", found.topic.tags)] if found.topic else []
    return sorted(about for about, tags in labelled if tags.get(OWNER) != name)


def plan_present(found: FoundPlumbing, wanted: Blueprint, *, prune: bool = False) -> list[EventStep]:
    """In an order in which each finds what it names. Raises RotationError when something belongs to another one.

    prune: queues of this set that are not wanted any more go, too.
    """
    mine = {wanted.dead, *wanted.queues}
    seen = FoundPlumbing(
        {name: queue for name, queue in found.queues.items() if name in mine},
        found.topic if wanted.is_fanned_out else None,
        {kind: rule for kind, rule in found.rules.items() if kind in wanted.patterns},
    )
    others = foreign(seen, wanted.name)
    if others:
        raise RotationError(
            f"These exist, and are not of this set of queues: {', '.join(others)}. Choose another name, or give them"
            f" the tag {OWNER}={wanted.name}.",
        )
    farewell = [] if wanted.is_fanned_out else list(_without_topic(found.topic, wanted.name))
    steps: list[EventStep] = []
    last: list[EventStep] = []  # a topic that goes may send until the rules do
    for name in (wanted.dead, *wanted.queues):
        attributes = wanted.dead_attributes() if name == wanted.dead else wanted.queue_attributes(name)
        present = found.queues.get(name)
        (last if farewell and present else steps).extend(_queue(present, name, attributes, wanted))
    if wanted.is_fanned_out:
        steps += _topic(found.topic, wanted)
    for kind in wanted.patterns:
        steps += _rule(found.rules.get(kind), kind, wanted)
    left_over = {kind: rule for kind, rule in found.rules.items() if kind not in wanted.patterns}
    steps += _without_rules(left_over, wanted.name)
    steps += [*farewell, *last]
    if prune:
        gone = unlisted(found, wanted)
        for name in gone:
            arn = wanted.queue_arn(name)
            if wanted.is_fanned_out and found.topic and arn in found.topic.subscriptions:
                subscription = found.topic.subscriptions[arn][0]
                steps.append(EventStep("sns", "unsubscribe", {"SubscriptionArn": subscription}, f"{name}", before=arn))
        steps += _without_queues([found.queues[name] for name in gone], wanted.name)
    return steps


def unlisted(found: FoundPlumbing, wanted: Blueprint) -> list[str]:
    """Queues of this set that are not wanted any more."""
    known = {wanted.dead, *wanted.queues}
    mine = (queue for queue in found.queues.values() if queue.tags.get(OWNER) == wanted.name)
    return sorted(queue.name for queue in mine if queue.name not in known)


def plan_absent(found: FoundPlumbing, name: str, dead: str) -> list[EventStep]:
    """What belongs to this set goes, and nothing else: first what sends, at last the queue of dead letters."""
    queues = [found.queues[each] for each in sorted(found.queues) if each != dead]
    last = [found.queues[dead]] if dead in found.queues else []
    return [
        *_without_rules(found.rules, name),
        *_without_topic(found.topic, name),
        *_without_queues([*queues, *last], name),
    ]


def _queue(found: FoundQueue | None, name: str, attributes: dict[str, str], wanted: Blueprint) -> t.Iterator[EventStep]:
    if found is None:
        parameters = {"QueueName": name, "Attributes": attributes, "tags": wanted.owner}
        yield EventStep("sqs", "create_queue", parameters, name, after=attributes)
        return
    other = differing(attributes, found.attributes)
    if other:
        before = {key: found.attributes.get(key) for key in other}
        yield EventStep(
            "sqs", "set_queue_attributes", {"QueueUrl": found.url, "Attributes": other}, name, before, other
        )
    tags = _missing(found.tags, wanted)
    if tags:
        yield EventStep("sqs", "tag_queue", {"QueueUrl": found.url, "Tags": tags}, name, after=tags)


def _topic(found: FoundTopic | None, wanted: Blueprint) -> t.Iterator[EventStep]:
    attributes = wanted.topic_attributes()
    arn = {"TopicArn": wanted.topic_arn}
    if found is None:
        given = {key: value for key, value in attributes.items() if value}
        parameters = {"Name": wanted.name, "Attributes": given, "Tags": _pairs(wanted.owner)}
        yield EventStep("sns", "create_topic", parameters, wanted.name, after=given)
    else:
        for key, value in differing(attributes, found.attributes).items():
            parameters = {**arn, "AttributeName": key, "AttributeValue": value}
            before, after = {key: found.attributes.get(key)}, {key: value}
            yield EventStep("sns", "set_topic_attributes", parameters, wanted.name, before, after)
        tags = _missing(found.tags, wanted)
        if tags:
            parameters = {"ResourceArn": wanted.topic_arn, "Tags": _pairs(tags)}
            yield EventStep("sns", "tag_resource", parameters, wanted.name, after=tags)
    present = found.subscriptions if found else {}
    attributes = wanted.subscription_attributes()
    for name in wanted.queues:
        queue = wanted.queue_arn(name)
        if queue not in present:
            parameters = {**arn, "Protocol": "sqs", "Endpoint": queue, "Attributes": attributes}
            yield EventStep("sns", "subscribe", parameters, name, after=attributes)
            continue
        subscription, told = present[queue]
        for key, value in differing(attributes, told).items():
            parameters = {"SubscriptionArn": subscription, "AttributeName": key, "AttributeValue": value}
            before, after = {key: told.get(key)}, {key: value}
            yield EventStep("sns", "set_subscription_attributes", parameters, name, before, after)


def _rule(found: FoundRule | None, kind: str, wanted: Blueprint) -> t.Iterator[EventStep]:
    name, pattern = wanted.rule_name(kind), wanted.patterns[kind]
    request = {"Name": name, "EventPattern": pattern, "State": "ENABLED", "Description": _DESCRIPTION[kind]}
    after = {"EventPattern": pattern, "State": "ENABLED"}
    if found is None:
        # Of a rule that is there, AWS ignores tags.
        yield EventStep("events", "put_rule", {**request, "Tags": _pairs(wanted.owner)}, name, after=after)
    else:
        if not found.is_enabled or differing({"pattern": pattern}, {"pattern": found.pattern}):
            before = {"EventPattern": found.pattern, "State": "ENABLED" if found.is_enabled else "DISABLED"}
            yield EventStep("events", "put_rule", request, name, before, after)
        tags = _missing(found.tags, wanted)
        if tags:
            parameters = {"ResourceARN": found.arn, "Tags": _pairs(tags)}
            yield EventStep("events", "tag_resource", parameters, name, after=tags)
    target = wanted.target()
    present = found.targets.get(target["Id"]) if found else None
    if present != target:
        yield EventStep("events", "put_targets", {"Rule": name, "Targets": [target]}, name, present, target)


def _without_rules(rules: t.Mapping[str, FoundRule], owner: str) -> t.Iterator[EventStep]:
    for kind in KINDS:
        rule = rules.get(kind)
        if rule is None or rule.tags.get(OWNER) != owner:
            continue
        if rule.targets:
            yield EventStep("events", "remove_targets", {"Rule": rule.name, "Ids": sorted(rule.targets)}, rule.name)
        yield EventStep("events", "delete_rule", {"Name": rule.name}, rule.name, before={"EventPattern": rule.pattern})


def _without_topic(topic: FoundTopic | None, owner: str) -> t.Iterator[EventStep]:
    """Its subscriptions go with it."""
    if topic and topic.tags.get(OWNER) == owner:
        yield EventStep("sns", "delete_topic", {"TopicArn": topic.arn}, owner, before=topic.arn)


def _without_queues(queues: t.Iterable[FoundQueue], owner: str) -> t.Iterator[EventStep]:
    for queue in queues:
        if queue.tags.get(OWNER) == owner:
            yield EventStep("sqs", "delete_queue", {"QueueUrl": queue.url}, queue.name, before=queue.url)


def _missing(present: t.Mapping[str, str], wanted: Blueprint) -> dict[str, str]:
    return {key: value for key, value in wanted.owner.items() if present.get(key) != value}


def _pairs(tags: t.Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


_DESCRIPTION: t.Final = {
    "label": "A label of a secret has moved to another version",
    "call": "Secrets Manager was called, as CloudTrail says",
    "expiring": "A certificate in ACM ends soon, or has ended",
    "object": "A bucket has a new object",
}
