# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.events.blueprint import (
    Blueprint,
    EventAccount,
    differing,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

HERE = EventAccount("123456789012", "eu-central-1")


def blueprint(*queues: str, name: str = "certificates", **more: t.Any) -> Blueprint:
    return Blueprint(HERE, name, queues or (name,), {"label": "{}", "expiring": "{}"}, **more)


def senders(policy: str) -> dict[str, t.Any]:
    """EventService -> ARNs that it may send for."""
    statements = json.loads(policy)["Statement"]
    for each in statements:
        assert (each["Effect"] == "Allow") is (each["Principal"] != "*")
    allowed = [each for each in statements if each["Effect"] == "Allow"]
    assert {each["Action"] for each in allowed} == {"sqs:SendMessage"}
    return {each["Principal"]["Service"]: each["Condition"]["ArnEquals"]["aws:SourceArn"] for each in allowed}


def test_only_the_rules_may_send_to_a_single_queue() -> None:
    wanted = blueprint()
    rules = [f"arn:aws:events:eu-central-1:123456789012:rule/certificates-{kind}" for kind in ("label", "expiring")]
    assert senders(wanted.queue_attributes("certificates")["Policy"]) == {"events.amazonaws.com": rules}
    assert senders(wanted.dead_attributes()["Policy"]) == {"events.amazonaws.com": rules}
    assert wanted.target()["Arn"] == "arn:aws:sqs:eu-central-1:123456789012:certificates"


def test_only_the_topic_and_the_rules_may_send_to_several() -> None:
    """The rules, too: else nobody may between one queue and several."""
    wanted = blueprint("a", "b")
    topic = "arn:aws:sns:eu-central-1:123456789012:certificates"
    both = {"sns.amazonaws.com": [topic], "events.amazonaws.com": wanted.rule_arns}
    assert senders(wanted.queue_attributes("a")["Policy"]) == both
    assert senders(wanted.dead_attributes()["Policy"]) == both
    assert wanted.target()["Arn"] == topic
    # EventBridge publishes without any context: with a condition, nothing would ever arrive.
    (statement,) = json.loads(wanted.topic_attributes()["Policy"])["Statement"]
    assert "Condition" not in statement
    assert (statement["Principal"], statement["Action"]) == ({"Service": "events.amazonaws.com"}, "sns:Publish")


def test_nobody_speaks_without_tls() -> None:
    for policy in (blueprint().queue_attributes("certificates")["Policy"], blueprint().dead_attributes()["Policy"]):
        (denial,) = [each for each in json.loads(policy)["Statement"] if each["Effect"] == "Deny"]
        assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("key", ["", "alias/certificates"])
def test_messages_are_encrypted(key: str) -> None:
    wanted = blueprint("a", "b", key=key)
    for attributes in (wanted.queue_attributes("a"), wanted.dead_attributes()):
        assert attributes.get("SqsManagedSseEnabled") == (None if key else "true")
        assert attributes.get("KmsMasterKeyId") == (key or None)
    assert wanted.topic_attributes()["KmsMasterKeyId"] == key


def test_many_queues_share_the_dead_letters() -> None:
    few, many = (json.loads(blueprint(*map(str, range(n))).dead_attributes()["RedriveAllowPolicy"]) for n in (10, 11))
    assert len(few["sourceQueueArns"]) == 10
    assert many == {"redrivePermission": "allowAll"}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: blueprint(name="a b"), "name: 'a b' has to be"),
        (lambda: blueprint(name="x" * 56), "1 to 55"),
        (lambda: blueprint(name=""), "name: ''"),
        (lambda: blueprint("lb1.example.com"), "hyphens where its name has dots"),
        (lambda: blueprint("certificates-dead"), "name of the queue of dead letters"),
        (lambda: blueprint("../../x"), "queues: "),
        (lambda: blueprint(retention=59), "retention: SQS takes 60 to 1209600"),
        (lambda: blueprint(hidden=43201), "visibility_timeout"),
        (lambda: blueprint(receives=0), "max_receives"),
        (lambda: Blueprint(HERE, "a", (), {"label": "{}"}), "queues: name at least one"),
        (lambda: Blueprint(HERE, "a", ("a",), {}), "kinds: name at least one"),
    ],
)
def test_what_aws_would_not_take(make: t.Callable[[], Blueprint], says: str) -> None:
    with pytest.raises(InvalidOption, match=says):
        make()


@pytest.mark.parametrize(
    ("present", "is_the_same"),
    [
        ('{"a": ["1", "2"], "n": 10}', True),
        ('{"n":"10","a":["2","1"]}', True),
        ('{"n": 10, "a": ["1"]}', False),
        ('{"n": 9, "a": ["1", "2"]}', False),
        ("{broken", False),
        (None, False),
    ],
)
def test_json_counts_by_what_it_means(present: str | None, is_the_same: bool) -> None:
    wanted = {"Policy": '{"a": ["1", "2"], "n": 10}'}
    assert differing(wanted, {"Policy": present, "Other": "x"}) == ({} if is_the_same else wanted)


def test_a_list_of_one_is_what_is_in_it() -> None:
    assert differing({"Policy": '{"Arn": ["a"]}'}, {"Policy": '{"Arn": "a"}'}) == {}


def test_an_empty_attribute_is_none() -> None:
    assert differing({"KmsMasterKeyId": ""}, {}) == {}
    assert differing({"KmsMasterKeyId": ""}, {"KmsMasterKeyId": "key"}) == {"KmsMasterKeyId": ""}
