# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source secret_events on real queues, with real events of an emulated AWS, without a rulebook."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.event_queue import EventQueue
from ansible_collections.certops.rotation.tests.support.event_source import Listening
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer


@pytest.fixture
def faults_events(aws_events: MinistackServer) -> t.Iterator[AwsFaults]:
    proxy = AwsFaults(aws_events.port, aws_events.env)
    proxy.start()
    yield proxy
    proxy.stop()


def candidate(aws: MinistackServer, name: str) -> str:
    """A version with the label CANDIDATE, staged as a promotion does it."""
    current = aws.client().describe_secret(SecretId=name)["VersionIdsToStages"]
    (base,) = (version for version, labels in current.items() if "AWSCURRENT" in labels)
    labels = ["CANDIDATE", f"CANDIDATE-ON-{base}"]
    return str(aws.client().put_secret_value(SecretId=name, SecretString="c", VersionStages=labels)["VersionId"])


@pytest.mark.parametrize(("form", "sns"), [("name", None), ("url", "raw"), ("arn", "enveloped")])
def test_each_way_to_a_queue(aws_events: MinistackServer, form: str, sns: str | None) -> None:
    """What moves within a moment is told as one event for each kind."""
    queue = EventQueue(aws_events, sns=sns)
    aws_events.put_secret("web/a", "1")
    aws_events.put_secret("web/b", "1")
    with Listening({"queue": getattr(queue, form)}, aws_events.env) as source:
        for number in range(3):
            versions = {name: aws_events.put_secret(name, str(number)) for name in ("web/b", "web/a")}
        staged = candidate(aws_events, "web/a")
        source.wait(lambda: source.of("secret") and source.of("candidate"), "both events")
        source.wait(lambda: queue.size == 0, "an empty queue")
    (secret,), (promotion,) = source.of("secret"), source.of("candidate")
    assert (secret["names"], secret["labels"], secret["messages"]) == (["web/a", "web/b"], ["AWSCURRENT"], 6)
    assert {detail["name"]: detail["version_id"] for detail in secret["details"]} == versions
    assert (promotion["names"], promotion["labels"]) == (["web/a"], ["CANDIDATE"])
    assert [detail["version_id"] for detail in promotion["details"]] == [staged]
    assert secret["first_at"] <= secret["last_at"]


def test_promotion_is_told_as_a_new_version_alone(aws_events: MinistackServer) -> None:
    queue = EventQueue(aws_events)
    current = aws_events.put_secret("web/a", "1")
    with Listening({}, aws_events.env) as source:
        staged = candidate(aws_events, "web/a")
        source.wait(lambda: source.of("candidate"), "the candidate")
        move = {"SecretId": "web/a", "VersionStage": "AWSCURRENT", "MoveToVersionId": staged}
        aws_events.client().update_secret_version_stage(**move, RemoveFromVersionId=current)
        source.wait(lambda: source.of("secret"), "the new version")
        source.wait(lambda: queue.size == 0, "an empty queue")
    assert len(source.told) == 2


def test_tags_select(aws_events: MinistackServer, faults_events: AwsFaults) -> None:
    """A secret that may not be described is told of: better once too often."""
    queue = EventQueue(aws_events)
    for name, team in (("a", "web"), ("b", "mail"), ("c", "mail")):
        aws_events.put_secret(name, "1", {"team": team, "more": "x"})
    faults_events.fail("DescribeSecret", "AccessDeniedException", when=lambda body: ":secret:c-" in body["SecretId"])
    with Listening({"tags": {"team": "web"}}, faults_events.env) as source:
        for name in "abc":
            aws_events.put_secret(name, "2")
        source.wait(lambda: source.of("secret"), "the event")
        source.wait(lambda: queue.size == 0, "an empty queue")
    (event,) = source.told
    assert [(detail["name"], detail["is_known"]) for detail in event["details"]] == [("a", True), ("c", False)]
    assert faults_events.counts()["DescribeSecret"] == 3


def test_messages_that_come_again(aws_events: MinistackServer, faults_events: AwsFaults) -> None:
    """Who may not remove messages gets them again and again, and the rulebook hears of each once."""
    queue = EventQueue(aws_events)
    aws_events.put_secret("a", "1")
    aws_events.put_secret("a", "2")
    (body,) = queue.drain()
    faults_events.fail("DeleteMessageBatch", "AccessDenied")
    with Listening({"heartbeat": 0.2}, faults_events.env) as source:
        queue.send(*[body] * 30)
        source.wait(lambda: source.health["received"] == 30, "all of them")
        source.wait(lambda: source.of("secret"), "the event")
        queue.send(body)
        source.wait(lambda: source.health["received"] == 31, "one more")
    assert len(source.of("secret")) == 1
    assert (source.health["dropped"], source.health["told"], queue.size) == (30, 1, 31)


def test_a_rulebook_that_is_busy_gets_all_that_came_meanwhile_as_one(aws_events: MinistackServer) -> None:
    queue = EventQueue(aws_events)
    names = [f"web/{number}" for number in range(40)]
    for name in names:
        aws_events.put_secret(name, "1")
    with Listening({"settle": 0.2, "at_most": 1}, aws_events.env) as source:
        source.takes.clear()
        aws_events.put_secret("web/0", "2")
        source.wait(lambda: queue.size == 1, "the first event")
        for name in names[1:]:
            aws_events.put_secret(name, "2")
        source.wait(lambda: queue.size == 40, "all of them")
        source.takes.set()
        source.wait(lambda: {name for event in source.told for name in event["names"]} == set(names), "all names")
        source.wait(lambda: queue.size == 0, "an empty queue")
    assert len(source.told) <= 4


def test_it_is_told_again_for_lists_that_lag(aws_events: MinistackServer) -> None:
    EventQueue(aws_events)
    aws_events.put_secret("a", "1")
    with Listening({"again": 2, "settle": 0.1}, aws_events.env) as source:
        aws_events.put_secret("a", "2")
        source.wait(lambda: len(source.of("secret")) == 2, "both")
    first, second = source.of("secret")
    assert (first["again"], second["again"], second["messages"]) == (False, True, 0)
    assert first["details"] == second["details"]


def test_a_tick_at_the_start_at_intervals_and_when_the_queue_is_made_again(aws_events: MinistackServer) -> None:
    queue = EventQueue(aws_events)
    queue.delete()
    with Listening({"tick": 2, "heartbeat": 0.2}, aws_events.env) as source:
        source.wait(lambda: source.health["error"], "to miss it")
        assert "NonExistentQueue" in source.health["error"]
        queue.make()
        source.wait(lambda: len({*map(str, (e["causes"] for e in source.of("tick")))}) == 3, "all kinds of ticks")
        assert source.health["well"]
    assert source.of("tick")[0]["causes"] == ["start"]
    assert [event["causes"] for event in source.of("tick")].count(["queue"]) == 1


def test_certificates_and_objects(aws_events: MinistackServer) -> None:
    """As those services tell them: ACM once a day, S3 for each object."""
    queue = EventQueue(aws_events)
    arn = "arn:aws:acm:eu-central-1:000000000000:certificate/1"
    detail = {"DaysToExpiry": 12, "CommonName": "a.example.com"}
    approaching = "ACM Certificate Approaching Expiration"
    ending = {"source": "aws.acm", "detail-type": approaching, "detail": detail, "resources": [arn]}
    storage = aws_events.client("s3")
    place = {"LocationConstraint": "eu-central-1"}
    storage.create_bucket(Bucket="certificates", CreateBucketConfiguration=place)
    told = {"EventBridgeConfiguration": {}}
    storage.put_bucket_notification_configuration(Bucket="certificates", NotificationConfiguration=told)
    with Listening({"objects": ["certificates/web/*"]}, aws_events.env) as source:
        queue.send(ending)  # no emulator tells it, and nobody else may say what AWS says
        for key in ("web/a b.pem", "mail/a.pem"):
            storage.put_object(Bucket="certificates", Key=key, Body=b"x")
        source.wait(lambda: source.of("expiring") and source.of("object"), "both events")
        source.wait(lambda: queue.size == 0, "an empty queue")
    (certificate,), (item,) = source.of("expiring"), source.of("object")
    assert certificate["names"] == ["a.example.com"]
    assert [(detail["arn"], detail["days"]) for detail in certificate["details"]] == [(arn, 12)]
    assert item["names"] == ["certificates/web/a b.pem"]
    assert (certificate["labels"], item["labels"]) == ([], [])
