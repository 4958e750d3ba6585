# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""event_queues and event_queues_info against an emulated AWS, whose events arrive where they should."""

from __future__ import annotations

import json
import re
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults, Request
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.iam import DOCS, Policy
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer
from ansible_collections.certops.rotation.tests.support.module import ModuleRun


class Proxy(AwsFaults):
    """Knows whose dead letters a queue gets, which the emulator does not."""

    def __init__(self, aws: MinistackServer) -> None:
        super().__init__(aws.port, aws.env)
        self._sqs = aws.client("sqs")

    def _answer(self, request: Request, raw: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if request.operation != "ListDeadLetterSourceQueues":
            return super()._answer(request, raw, headers)
        dead = request.body["QueueUrl"].rpartition("/")[2]
        sources = []
        for url in self._sqs.list_queues().get("QueueUrls", []):
            attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
            policy = json.loads(attributes.get("Attributes", {}).get("RedrivePolicy", "{}"))
            if policy.get("deadLetterTargetArn", "").rpartition(":")[2] == dead:
                sources.append(url)
        return 200, json.dumps({"queueUrls": sources}).encode()


READS = ("Get", "List", "Describe", "Receive")


class Queues:
    """What the module makes, seen by boto3."""

    def __init__(self, aws: MinistackServer, modules: ModuleServer, env: t.Mapping[str, str] | None = None) -> None:
        self.aws, self._modules, self._env = aws, modules, env or aws.env
        self.sqs, self.sns, self.events = (aws.client(name) for name in ("sqs", "sns", "events"))

    def run(self, *, check: bool = False, **args: t.Any) -> ModuleRun:
        return self._modules.run("event_queues", {"_ansible_diff": True, **args}, check=check, env=self._env)

    def info(self, **args: t.Any) -> ModuleRun:
        return self._modules.run("event_queues_info", args, env=self._env)

    def state(self) -> dict[str, t.Any]:
        """All that there is."""
        urls = self.sqs.list_queues().get("QueueUrls", [])
        changing = ("CreatedTimestamp", "LastModifiedTimestamp", "ApproximateNumberOfMessages")
        queues = {
            url.rpartition("/")[2]: {
                key: value
                for key, value in self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
                    "Attributes"
                ].items()
                if not key.startswith(changing)
            }
            for url in urls
        }
        rules = {
            rule["Name"]: (
                rule["EventPattern"],
                rule["State"],
                self.events.list_targets_by_rule(Rule=rule["Name"])["Targets"],
            )
            for rule in self.events.list_rules()["Rules"]
        }
        topics = [topic["TopicArn"] for topic in self.sns.list_topics()["Topics"]]
        subscribed = sorted(each["Endpoint"] for each in self.sns.list_subscriptions()["Subscriptions"])
        return {"queues": queues, "rules": rules, "topics": topics, "subscribed": subscribed}

    def url(self, name: str) -> str:
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def arrived(self, name: str, count: int) -> list[dict[str, t.Any]]:
        """So many messages, and no more a moment later."""
        found: list[dict[str, t.Any]] = []
        end = time.monotonic() + 20
        while len(found) < count and time.monotonic() < end:
            reply = self.sqs.receive_message(QueueUrl=self.url(name), MaxNumberOfMessages=10, WaitTimeSeconds=1)
            found += [json.loads(message["Body"]) for message in reply.get("Messages", [])]
        assert len(found) == count, found
        return found


@pytest.fixture
def queues(aws_events: MinistackServer, modules: ModuleServer) -> Queues:
    return Queues(aws_events, modules)


@pytest.fixture
def proxy(aws_events: MinistackServer) -> t.Iterator[Proxy]:
    made = Proxy(aws_events)
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize(
    "args",
    [
        {"name_prefix": ["web/"]},
        {"queues": ["controller", "lb1-example-com"], "kinds": ["label", "expiring", "call"], "tags": {"Team": "web"}},
        {"name": "x", "kinds": ["object"], "objects": ["bucket/live/", "other"], "kms_key_id": "alias/key"},
    ],
)
def test_check_run_check_run(queues: Queues, args: dict[str, t.Any]) -> None:
    nothing = queues.state()
    foreseen = queues.run(check=True, **args)
    assert (foreseen.failed, foreseen.result["changed"]) == (False, True), foreseen.output
    assert queues.state() == nothing
    assert {queue["url"] for queue in foreseen.result["queues"]} == {None}

    first = queues.run(**args)
    assert not first.failed, first.output
    for told in ("changes", "diff", "rules", "topic_arn"):
        assert first.result[told] == foreseen.result[told], told
    assert [queue["url"] for queue in first.result["queues"]] == [
        queues.url(name) for name in args.get("queues", [args.get("name", "certificates")])
    ]
    made = queues.state()
    for again in (queues.run(check=True, **args), queues.run(**args)):
        assert not again.failed, again.result["msg"]
        assert (again.result["changed"], again.result["changes"]) == (False, [])
        assert all(call.partition(":")[2].startswith(READS) for call in again.result["api_calls"]), "it only looks"
    assert queues.state() == made

    names = {"name": args.get("name", "certificates"), "state": "absent", "queues": args.get("queues")}
    foreseen = queues.run(check=True, **names)
    assert queues.state() == made
    gone = queues.run(**names)
    assert (gone.failed, gone.result["changes"]) == (False, foreseen.result["changes"])
    assert queues.state() == nothing
    assert not queues.run(**names).result["changed"]


def test_what_is_chosen_arrives(queues: Queues) -> None:
    assert not queues.run(name_prefix=["web/"], labels=["AWSCURRENT", "CANDIDATE"]).failed
    version = queues.aws.put_secret("web/a", "1")  # of a new secret, nothing is told
    queues.aws.put_secret("other/a", "1")
    queues.aws.put_secret("other/a", "2")
    current = queues.aws.put_secret("web/a", "2")
    secrets = queues.aws.client()
    secrets.update_secret_version_stage(SecretId="web/a", VersionStage="MINE", MoveToVersionId=version)
    secrets.update_secret_version_stage(SecretId="web/a", VersionStage="CANDIDATE", MoveToVersionId=version)
    told = queues.arrived("certificates", 2)
    assert [(each["detail"]["labelUpdated"], each["detail"]["versionId"]) for each in told] == [
        ("AWSCURRENT", current),
        ("CANDIDATE", version),
    ]


def test_each_queue_is_told_by_way_of_the_topic(queues: Queues) -> None:
    names = ["certificates", "lb1-example-com", "lb2-example-com"]
    assert not queues.run(queues=names).failed
    queues.aws.put_secret("web/a", "1")
    queues.aws.put_secret("web/a", "2")
    for name in names:
        (told,) = queues.arrived(name, 1)
        assert told["detail"]["name"] == "web/a", "raw, without an envelope"


def test_from_one_queue_to_several_and_back(aws_events: MinistackServer, modules: ModuleServer, proxy: Proxy) -> None:
    queues = Queues(aws_events, modules, proxy.env)
    queues.run()
    single = queues.state()
    more = queues.run(queues=["certificates", "lb1"])
    assert not more.failed
    assert [change.partition(" ")[0] for change in more.result["changes"]] == [
        "SetQueueAttributes",  # who may send to it, and to the dead letters
        "SetQueueAttributes",
        "CreateQueue",
        "CreateTopic",
        "Subscribe",
        "Subscribe",
        "PutTargets",
    ]
    back = queues.run()
    assert back.result["unlisted"] == ["lb1"]
    assert "lb1" in queues.state()["queues"], "what waits in it is not lost by a list that was too short"
    assert queues.run().result["unlisted"] == ["lb1"], "nothing tells it, and it is still known"
    pruned = queues.run(prune=True)
    assert (pruned.result["changes"], pruned.result["unlisted"]) == (["DeleteQueue lb1"], [])
    assert queues.state() == single


def test_a_host_that_is_gone(queues: Queues) -> None:
    queues.run(queues=["lb1", "lb2", "lb3"])
    run = queues.run(queues=["lb1", "lb2"], prune=True)
    assert set(run.result["changes"]) == {"SetQueueAttributes certificates-dead", "Unsubscribe lb3", "DeleteQueue lb3"}
    assert [arn.rpartition(":")[2] for arn in queues.state()["subscribed"]] == ["lb1", "lb2"]


def test_what_others_have_made_is_left(queues: Queues) -> None:
    """One of the same name without the tag, and another set whose name begins alike."""
    assert not queues.run(name="web").failed
    assert "queue web-dead" in queues.run(name="web-dead").result["msg"], "which has the dead letters of the other"
    queues.sqs.create_queue(QueueName="certificates")
    before = queues.state()
    run = queues.run()
    assert run.failed
    assert "queue certificates" in run.result["msg"]
    assert "certops:events=certificates" in run.result["msg"]
    gone = queues.run(state="absent")
    assert (gone.result["changed"], gone.result["left"]) == (False, ["queue certificates"])
    assert queues.state() == before
    assert queues.run(name="web", state="absent").result["left"] == []
    assert list(queues.state()["queues"]) == ["certificates"]


def test_all_queues_of_a_set_go_also_those_that_nobody_names(queues: Queues) -> None:
    queues.run(queues=["lb1", "lb2"])
    gone = queues.run(state="absent")
    assert gone.result["changes"][-3:] == ["DeleteQueue lb1", "DeleteQueue lb2", "DeleteQueue certificates-dead"]
    assert queues.state() == {"queues": {}, "rules": {}, "topics": [], "subscribed": []}


def test_what_somebody_has_changed_is_put_right(queues: Queues) -> None:
    queues.run(queues=["lb1", "lb2"])
    made = queues.state()
    queues.events.disable_rule(Name="certificates-label")
    queues.events.remove_targets(Rule="certificates-label", Ids=["certops"])
    queues.sqs.set_queue_attributes(QueueUrl=queues.url("lb1"), Attributes={"Policy": "", "VisibilityTimeout": "1"})
    (subscription,) = [
        each["SubscriptionArn"]
        for each in queues.sns.list_subscriptions()["Subscriptions"]
        if each["Endpoint"].endswith("lb1")
    ]
    queues.sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="false"
    )
    run = queues.run(queues=["lb1", "lb2"])
    assert run.result["diff"]["before"]["PutRule certificates-label"]["State"] == "DISABLED"
    assert queues.state() == made
    assert not queues.run(queues=["lb1", "lb2"]).result["changed"]


def test_another_rule_comes_and_goes(queues: Queues) -> None:
    queues.run(kinds=["label", "expiring"])
    run = queues.run(kinds=["expiring"])
    assert run.result["changes"][-2:] == ["RemoveTargets certificates-label", "DeleteRule certificates-label"]
    assert list(queues.state()["rules"]) == ["certificates-expiring"]


def test_stopped_anywhere_the_next_run_finishes(
    queues: Queues, aws_events: MinistackServer, modules: ModuleServer, proxy: Proxy
) -> None:
    """At the beginning, between and at the end: what was done so far is ours, and is gone on with, or removed."""
    args = {"queues": ["lb1", "lb2"], "kinds": ["label"]}
    wanted = queues.run(**args).result["changes"]
    made = queues.state()
    queues.run(state="absent")
    behind = Queues(aws_events, modules, proxy.env)
    assert [wanted[0], wanted[-1]] == ["CreateQueue certificates-dead", "PutTargets certificates-label"]
    for operation in ("CreateQueue", "Subscribe", "PutTargets"):
        proxy.fail(operation, "AccessDenied")
        run = behind.run(**args)
        assert run.failed
        assert run.result["changed"] is bool(run.result["changes"])
        assert operation in run.result["msg"]
        assert "Allow " in run.result["msg"], "what to do"
        proxy.heal()
        assert not behind.run(**args).failed
        assert queues.state() == made
        behind.run(state="absent")


def test_a_name_that_was_in_use_a_moment_ago(aws_events: MinistackServer, modules: ModuleServer, proxy: Proxy) -> None:
    """AWS gives it again after a minute, which is waited for."""
    proxy.fail("CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", times=1)
    run = Queues(aws_events, modules, proxy.env).run()
    assert not run.failed, run.result["msg"]
    assert run.result["api_calls"]["sqs:CreateQueue"] == 3


def test_dead_letters_are_shown_and_stay(queues: Queues) -> None:
    queues.run()
    assert queues.info(dead_letters=10).result["dead_letters"] == []
    for number in range(12):
        queues.sqs.send_message(QueueUrl=queues.url("certificates-dead"), MessageBody=f'{{"number": {number}}}')
    seen = queues.info(dead_letters=11)
    assert len(seen.result["dead_letters"]) == 11
    assert seen.result["dead_letter_queue"]["waiting"] == 12
    assert queues.run().result["dead_letter_queue"]["waiting"] == 12 - 11  # hidden for half a minute
    assert queues.info(name="nothing").failed


def test_options_are_refused_before_anything_is_asked(modules: ModuleServer) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "eu-central-1"}
    for args, says in (
        ({"labels": ["AWSPENDING"]}, "labels: "),
        ({"name": "a.b"}, "name: 'a.b'"),
        ({"queues": ["lb1.example.com"]}, "queues: 'lb1.example.com'"),
        ({"name_prefix": ["web/", ""]}, "name_prefix: "),
        ({"retention": "15d"}, "retention: "),
        ({"visibility_timeout": "30"}, "visibility_timeout: "),
        ({"tags": {"Owner": True}}, "tags: "),
    ):
        run = modules.run("event_queues", args, env=nowhere)
        assert run.failed
        assert says in run.result["msg"], run.result["msg"]


def allowed(name: str) -> set[str]:
    return {action for each in Policy(name).statements for action in each["Action"]}


def test_exactly_the_calls_made_are_allowed(queues: Queues) -> None:
    """By who sets them up, and by who only looks."""
    called: set[str] = set()

    def run(**args: t.Any) -> None:
        ended = queues.run(**args)
        assert not ended.failed, ended.output
        called.update(ended.result["api_calls"])

    run(queues=["a", "b"], tags={"Team": "one"})
    run(queues=["a", "b"], tags={"Team": "two"}, retention="1d")
    (first, _second) = queues.sns.list_subscriptions()["Subscriptions"]
    queues.sns.set_subscription_attributes(
        SubscriptionArn=first["SubscriptionArn"], AttributeName="RawMessageDelivery", AttributeValue="false"
    )
    run(queues=["a", "b"], kms_key_id="alias/key")
    run(queues=["a", "b", "c"], kms_key_id="alias/key")
    run(queues=["a", "b"], prune=True)
    looked = set(queues.info(dead_letters=1).result["api_calls"])
    run(state="absent")
    free = {"sts:GetCallerIdentity"}  # needs no permission
    assert called - free == allowed("events-setup.json")
    assert looked - free == allowed("events-look.json")
    source = (DOCS.parents[1] / "extensions/eda/plugins/event_source/secret_events.py").read_text()
    read = {f"{service}:{call}" for service, call in re.findall(r'\b_call\(\s*"(\w+)", "(\w+)"', source)}
    names = {
        "sqs:get_queue_url": "sqs:GetQueueUrl",
        "sqs:receive_message": "sqs:ReceiveMessage",
        "sqs:delete_message_batch": "sqs:DeleteMessage",  # a batch needs no right of its own
        "secretsmanager:describe_secret": "secretsmanager:DescribeSecret",
    }
    assert {names[call] for call in read} == allowed("events-consume.json")
    for name in ("events-setup.json", "events-look.json", "events-consume.json"):
        for statement in json.loads((DOCS / name).read_text())["Statement"]:
            assert statement["Effect"] == "Allow"
            assert "*" not in statement["Resource"], "nothing is for all resources"
