# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queues of SQS, topics of SNS and rules of EventBridge: looked at, and changed step by step."""

from __future__ import annotations

import collections
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..._core.events.blueprint import EventAccount
from ..._core.events.plan import EventStep, FoundPlumbing, FoundQueue, FoundRule, FoundTopic
from ..._errors import AwsError
from .calls import AwsCalls

if t.TYPE_CHECKING:
    from .secrets_manager import Retry

_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue"})
_NO_TOPIC = frozenset({"NotFound", "NotFoundException"})
_NO_RULE = frozenset({"ResourceNotFoundException"})
_TOO_SOON = frozenset({"AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"})
_NOT_OFFERED = frozenset({"InvalidAction", "UnknownOperationException"})  # by some emulators
_FORGOTTEN = 75.0  # seconds: a name may be had again a minute after its queue is gone
_PAUSE = 2.0
_AT_ONCE = 8

Found = t.TypeVar("Found")


class EventServices:
    """client: makes a client of boto3 for a service. Every method raises AwsError."""

    def __init__(self, client: t.Callable[[str], t.Any], retry: Retry) -> None:
        self._calls = {name: AwsCalls(client(name), retry, name) for name in ("sqs", "sns", "events", "sts")}

    @property
    def api_calls(self) -> dict[str, int]:
        """Requests sent so far, repeated ones included, by what IAM policies call them."""
        counted: collections.Counter[str] = collections.Counter()
        for name, calls in self._calls.items():
            counted.update({f"{name}:{operation}": count for operation, count in calls.api_calls.items()})
        return dict(sorted(counted.items()))

    def account(self) -> EventAccount:
        told = self._calls["sts"].call("get_caller_identity")
        partition = str(told["Arn"]).split(":")[1]
        return EventAccount(str(told["Account"]), self._calls["sqs"].region, partition)

    def look(self, topic_arn: str, dead: str, queues: t.Iterable[str], rules: t.Mapping[str, str]) -> FoundPlumbing:
        """queues: names, to which those are added that the topic or a rule tells, and whose dead letters go to the
        queue dead; rules: kind -> name."""
        first = self.queue(dead)
        ruled = {kind: self._rule(name) for kind, name in rules.items()}
        told = [target["Arn"] for rule in ruled.values() if rule for target in rule.targets.values()]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            topic = self._topic(topic_arn, pool)
            told += topic.subscriptions if topic else ()
            # Of another account or region they are not ours.
            here = topic_arn.split(":")[3:5]
            names = [arn.rpartition(":")[2] for arn in told if [":sqs:" in arn, arn.split(":")[3:5]] == [True, here]]
            sources = self._sources(first.url) if first else []
            found = [queue for queue in pool.map(self.queue, dict.fromkeys([*queues, *names, *sources])) if queue]
        return FoundPlumbing(
            {queue.name: queue for queue in [*([first] if first else []), *found]},
            topic,
            {kind: rule for kind, rule in ruled.items() if rule},
        )

    def queue(self, name: str) -> FoundQueue | None:
        """None when there is no such queue, also when it goes while it is looked at."""
        return _unless(_NO_QUEUE, lambda: self._queue(name))

    def letters(self, url: str, count: int) -> list[str]:
        """Bodies of some messages of a queue, which stay in it. Each look counts as having been received."""
        found: list[str] = []
        while len(found) < count:
            reply = self._calls["sqs"].call(
                "receive_message",
                about=url,
                QueueUrl=url,
                MaxNumberOfMessages=min(count - len(found), 10),
                VisibilityTimeout=30,
            )
            messages = reply.get("Messages") or []
            if not messages:
                break
            found += [message["Body"] for message in messages]
        return found

    def apply(self, step: EventStep) -> None:
        end = time.monotonic() + _FORGOTTEN
        while True:
            try:
                reply = self._calls[step.service].call(step.operation, about=step.about, **step.parameters)
                break
            except AwsError as error:
                if step.operation in ("delete_queue", "unsubscribe") and error.code in {*_NO_QUEUE, *_NO_TOPIC}:
                    return
                if error.code not in _TOO_SOON or time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)
        for failed in reply.get("FailedEntries") or []:
            code, text = failed.get("ErrorCode", "Unknown"), failed.get("ErrorMessage", "no message")
            raise AwsError(f"events:{step.name} failed with {code}: {text}", code)

    def _queue(self, name: str) -> FoundQueue:
        sqs = self._calls["sqs"]
        url = sqs.call("get_queue_url", about=name, QueueName=name)["QueueUrl"]
        told = sqs.call("get_queue_attributes", about=name, QueueUrl=url, AttributeNames=["All"])
        tags = sqs.call("list_queue_tags", about=name, QueueUrl=url)
        return FoundQueue(name, url, told.get("Attributes") or {}, tags.get("Tags") or {})

    def _sources(self, url: str) -> list[str]:
        """Names of the queues whose dead letters go to a queue."""
        pages = self._calls["sqs"].pages(
            "list_dead_letter_source_queues",
            token=("NextToken", "NextToken"),
            about=url,
            QueueUrl=url,
            MaxResults=1000,
        )
        found = _unless(_NOT_OFFERED, lambda: [url for page in pages for url in page.get("queueUrls") or []])
        return [each.rpartition("/")[2] for each in found or []]

    def _topic(self, arn: str, pool: ThreadPoolExecutor) -> FoundTopic | None:
        sns = self._calls["sns"]
        told = _unless(_NO_TOPIC, lambda: sns.call("get_topic_attributes", about=arn, TopicArn=arn))
        if told is None:
            return None
        tags = sns.call("list_tags_for_resource", about=arn, ResourceArn=arn)["Tags"]
        pages = sns.pages("list_subscriptions_by_topic", token=("NextToken", "NextToken"), about=arn, TopicArn=arn)
        told_of = [each for page in pages for each in page["Subscriptions"]]
        # One that waits to be confirmed has a word in the place of its ARN.
        listed = [each for each in told_of if each["Protocol"] == "sqs" and each["SubscriptionArn"].startswith("arn:")]
        arns = [each["SubscriptionArn"] for each in listed]
        attributes = pool.map(self._subscription, arns)
        by_queue = {
            each["Endpoint"]: (each["SubscriptionArn"], own) for each, own in zip(listed, attributes) if own is not None
        }
        return FoundTopic(arn, told["Attributes"], _texts(tags), by_queue)

    def _subscription(self, arn: str) -> dict[str, str] | None:
        """None when it is gone, though it may be listed for a while."""
        sns = self._calls["sns"]
        told = _unless(_NO_TOPIC, lambda: sns.call("get_subscription_attributes", about=arn, SubscriptionArn=arn))
        return None if told is None else told["Attributes"]

    def _rule(self, name: str) -> FoundRule | None:
        events = self._calls["events"]
        told = _unless(_NO_RULE, lambda: events.call("describe_rule", about=name, Name=name))
        if told is None:
            return None
        tags = events.call("list_tags_for_resource", about=name, ResourceARN=told["Arn"])["Tags"]
        targets = events.call("list_targets_by_rule", about=name, Rule=name)["Targets"]
        return FoundRule(
            name,
            told["Arn"],
            told.get("EventPattern", ""),
            told.get("State") == "ENABLED",
            {target["Id"]: target for target in targets},
            _texts(tags),
        )


def _unless(codes: t.Container[str], ask: t.Callable[[], Found]) -> Found | None:
    """None when AWS answers with one of these errors."""
    try:
        return ask()
    except AwsError as error:
        if error.code in codes:
            return None
        raise


def _texts(tags: t.Iterable[t.Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
