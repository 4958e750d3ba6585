# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between one queue and several: after each request, whoever sends to a queue may."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.events.blueprint import Blueprint, EventAccount
from ansible_collections.certops.rotation.plugins.module_utils._core.events.plan import (
    EventStep,
    FoundPlumbing,
    FoundQueue,
    FoundRule,
    FoundTopic,
    plan_present,
)

HERE = EventAccount("123456789012", "eu-central-1")


def blueprint(*queues: str, kinds: tuple[str, ...] = ("label", "call")) -> Blueprint:
    return Blueprint(HERE, "certificates", queues, dict.fromkeys(kinds, "{}"))


def made(wanted: Blueprint) -> FoundPlumbing:
    """What is there when a plan has been carried out."""
    attributes = {name: wanted.queue_attributes(name) for name in wanted.queues}
    attributes[wanted.dead] = wanted.dead_attributes()
    subscriptions = {wanted.queue_arn(name): (name, wanted.subscription_attributes()) for name in wanted.queues}
    topic = FoundTopic(wanted.topic_arn, wanted.topic_attributes(), wanted.owner, subscriptions)
    return FoundPlumbing(
        {name: FoundQueue(name, f"https://sqs/{name}", given, wanted.owner) for name, given in attributes.items()},
        topic if wanted.is_fanned_out else None,
        {
            kind: FoundRule(wanted.rule_name(kind), arn, "{}", True, {"certops": wanted.target()}, wanted.owner)
            for kind, arn in zip(wanted.patterns, wanted.rule_arns)
        },
    )


class World:
    """Who may send to the queue a, and to that of dead letters, and who does."""

    def __init__(self, found: FoundPlumbing) -> None:
        self._policies = {name: queue.attributes["Policy"] for name, queue in found.queues.items()}
        self._targets = {rule.name: rule.targets["certops"]["Arn"] for rule in found.rules.values()}

    def do(self, step: EventStep) -> None:
        given = step.parameters
        if step.operation in ("create_queue", "set_queue_attributes"):
            name = given.get("QueueName") or given["QueueUrl"].rpartition("/")[2]
            self._policies[name] = given["Attributes"].get("Policy", self._policies.get(name))
        elif step.operation == "put_targets":
            self._targets[given["Rule"]] = given["Targets"][0]["Arn"]

    def locked_out(self) -> set[tuple[str, str]]:
        """Sender and queue."""
        topic = HERE.arn("sns", "certificates")
        senders = {
            topic if target == topic else HERE.arn("events", f"rule/{rule}") for rule, target in self._targets.items()
        }
        return {
            (sender, name)
            for name in ("a", "certificates-dead")
            for sender in senders
            if sender not in self._may_send(name)
        }

    def _may_send(self, name: str) -> set[str]:
        allowed = [each for each in json.loads(self._policies[name])["Statement"] if each["Effect"] == "Allow"]
        return {arn for each in allowed for arn in each["Condition"]["ArnEquals"]["aws:SourceArn"]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (blueprint("a"), blueprint("a", "b")),
        (blueprint("a", "b"), blueprint("a")),
        (blueprint("a", "b"), blueprint("a", "c")),
        (blueprint("a", kinds=("label",)), blueprint("a")),
    ],
    ids=["to several", "to one", "to others", "another rule"],
)
def test_who_sends_may(before: Blueprint, after: Blueprint) -> None:
    steps = plan_present(made(before), after)
    world = World(made(before))
    for step in steps:
        world.do(step)
        assert world.locked_out() == set(), step.name
    assert plan_present(made(after), after) == []


def test_when_the_topic_is_gone_it_may_not_send_any_more() -> None:
    steps: t.Sequence[EventStep] = plan_present(made(blueprint("a", "b")), blueprint("a"))
    assert [step.name for step in steps] == [
        "PutTargets certificates-label",
        "PutTargets certificates-call",
        "DeleteTopic certificates",
        "SetQueueAttributes certificates-dead",
        "SetQueueAttributes a",
    ]
    assert all("sns" not in step.parameters["Attributes"]["Policy"] for step in steps[-2:])


def test_one_queue_of_another_name_is_made_first() -> None:
    names = [step.name for step in plan_present(made(blueprint("a", "b")), blueprint("c"))]
    assert names.index("CreateQueue c") < names.index("PutTargets certificates-label")
