# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the source of events makes of options and messages, and what it takes for news."""

from __future__ import annotations

import asyncio
import json
import pathlib
import re

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support.event_source import secret_events

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "events.md"
ARN = "arn:aws:secretsmanager:eu-central-1:012345678901:secret:web/a-a1B2c3"
AT = "2026-11-27T02:43:48Z"
ENVELOPE = {
    "version": "0",
    "id": "1",
    "account": "012345678901",
    "region": "eu-central-1",
    "time": AT,
    "resources": [ARN],
}


def options(**given):
    return secret_events.options_of({"queue": "q", **given})


def event(source, kind, detail, **more):
    return json.dumps({**ENVELOPE, "source": source, "detail-type": kind, "detail": detail, **more})


def label_updated(version="v1", label="AWSCURRENT", name="web/a", **more):
    detail = {"name": name, "labelUpdated": label, "versionId": version}
    return event("aws.secretsmanager", "Secret Label Updated", detail, **more)


def call(name, asked=None, answered=None, **more):
    detail = {"eventSource": "secretsmanager.amazonaws.com", "eventName": name, "requestParameters": asked}
    detail = {**detail, "responseElements": answered, **more}
    return event("aws.secretsmanager", "AWS API Call via CloudTrail", detail, resources=[])


def changes(body):
    return [(one.kind, one.name, one.label, one.version_id) for one in secret_events.understand(body)]


# -- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"queue": ""}, "queue: the name"),
        ({"queue": ["q"]}, "queue: text"),
        ({"que": "q"}, "no such option: que. There are: access_key"),
        ({"feedback": True}, "feedback: this source has no use"),
        ({"kinds": ["secrets"]}, "kinds: some of secret, candidate, expiring, object, not secrets"),
        ({"kinds": []}, "kinds: .* not none"),
        ({"labels": " , "}, "labels: at least one"),
        ({"names": {"a": 1}}, "names: a list"),
        ({"names": [["a"]]}, "names: text"),
        ({"tags": ["a"]}, "tags: a dictionary"),
        ({"tags": "a=b"}, "tags: a dictionary"),
        ({"settle": "soon"}, "settle: seconds .* not 'soon'"),
        ({"settle": True}, "settle: seconds"),
        ({"settle": float("nan")}, "settle: seconds"),
        ({"again": -1}, "again: seconds"),
        ({"tick": "1e99"}, "tick: seconds"),
        ({"settle": 20}, "at_most: it is not less than settle"),
        ({"access_key": "a"}, "access_key and secret_key belong together"),
        ({"access_key": "a", "secret_key": "b", "profile": "p"}, "profile and access_key: give one"),
        ({"endpoint_url": "localhost:4566"}, "endpoint_url: it begins with"),
    ],
)
def test_an_option_that_is_wrong_is_named_at_once(given, named):
    with pytest.raises(ValueError, match=named):
        asyncio.run(secret_events.main(None, {"queue": "q", **given}))


def test_a_profile_and_a_region_that_are_not_there(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="region: it is needed"):
        secret_events.Aws(options()).check()
    with pytest.raises(ValueError, match=r"profile: The config profile \(p\) could not be found"):
        secret_events.Aws(options(profile="p", region="eu-west-1")).check()
    for queue in (
        "arn:aws:sqs:eu-west-1:012345678901:q",
        "https://sqs.eu-west-1.amazonaws.com/012345678901/q",
        "https://eu-west-1.queue.amazonaws.com/012345678901/q",
    ):
        secret_events.Aws(options(queue=queue)).check()


def test_options_come_as_text_as_well():
    made = options(
        queue=5, names="a, b,", settle="0.1", tags='{"team": "web"}', name_prefix="web/", eda_feedback_queue=1
    )
    assert (made.queue, made.names, made.settle) == ("5", ["a", "b"], 0.1)
    assert (made.tags, made.name_prefix) == ({"team": "web"}, ["web/"])


def test_the_documentation_tells_all_options_and_their_defaults():
    documented = yaml.safe_load(secret_events.DOCUMENTATION)["options"]
    made = options()
    assert set(documented) == set(made._fields)
    for name, option in documented.items():
        if "default" in option:
            assert getattr(made, name) == option["default"], name
    (rulebook,) = yaml.safe_load(secret_events.EXAMPLES)
    secret_events.options_of(rulebook["sources"][0]["certops.rotation.secret_events"])


def test_the_page_tells_all_keys_and_its_rulebook_has_right_options():
    section = PAGE.read_text(encoding="utf-8").partition("\n## A rulebook of your own\n")[2].partition("\n## ")[0]
    keys = {key for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    assert keys == set(secret_events.event_of("tick")["secret_events"])
    (rulebook,) = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[0])
    secret_events.options_of(rulebook["sources"][0]["certops.rotation.secret_events"])


# -- messages -----------------------------------------------------------------------------------------------------


def test_a_label_that_moved():
    (change,) = secret_events.understand(label_updated())
    assert change == secret_events.Change(
        kind="secret",
        name="web/a",
        cause="Secret Label Updated",
        id="1",
        at=1795747428.0,
        account="012345678901",
        region="eu-central-1",
        arn=ARN,
        label="AWSCURRENT",
        version_id="v1",
    )
    assert changes(label_updated(label="CANDIDATE")) == [("candidate", "web/a", "CANDIDATE", "v1")]


def test_an_envelope_of_sns():
    inside = label_updated()
    envelope = {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:012345678901:t", "Message": inside}
    assert secret_events.understand(json.dumps(envelope)) == secret_events.understand(inside)
    with pytest.raises(secret_events.NotUnderstood, match="SNS SubscriptionConfirmation"):
        secret_events.understand(json.dumps({**envelope, "Type": "SubscriptionConfirmation"}))


NEW = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("body", "understood"),
    [
        (call("PutSecretValue", {"secretId": "web/a", "clientRequestToken": NEW}), [("AWSCURRENT", NEW)]),
        (call("PutSecretValue", {"secretId": ARN}, {"arn": ARN, "versionId": NEW}), [("AWSCURRENT", NEW)]),
        (call("PutSecretValue", {"secretId": ARN[:-7]}, {"aRN": ARN}), [("AWSCURRENT", "")]),
        (
            call("PutSecretValue", {"secretId": "web/a", "versionStages": ["CANDIDATE", "CANDIDATE-ON-x"]}),
            [("CANDIDATE", ""), ("CANDIDATE-ON-x", "")],
        ),
        (call("CreateSecret", {"name": "web/a", "clientRequestToken": NEW}, {"arn": ARN}), [("AWSCURRENT", NEW)]),
        (call("UpdateSecret", {"secretId": "web/a", "clientRequestToken": NEW}), [("AWSCURRENT", "")]),
        (call("UpdateSecret", {"secretId": "web/a"}, {"versionId": NEW}), [("AWSCURRENT", NEW)]),
        (
            call("UpdateSecretVersionStage", {"secretId": ARN, "versionStage": "X", "moveToVersionId": NEW}),
            [("X", NEW)],
        ),
        (
            call("UpdateSecretVersionStage", {"secretId": ARN, "versionStage": "X", "removeFromVersionId": NEW}),
            [("X", "")],
        ),
        (call("RestoreSecret", {"secretId": "web/a"}), [("AWSCURRENT", "")]),
        (call("TagResource", {"secretId": "web/a"}), [("AWSCURRENT", "")]),
        (call("RotationSucceeded", None, None, additionalEventData={"SecretId": ARN}), [("AWSCURRENT", "")]),
        (call("PutSecretValue", {"secretId": "web/a"}, errorCode="AccessDenied"), []),
        (call("GetSecretValue", {"secretId": "web/a"}), []),
        (call("DeleteSecret", {"secretId": "web/a"}), []),
    ],
)
def test_calls_that_cloudtrail_tells(body, understood):
    assert [(label, version) for _kind, name, label, version in changes(body) if name == "web/a"] == understood


@pytest.mark.parametrize("name", ["a-b1c2d3", "b", "../../x", "web/a-a1B2c3"])
def test_names_that_look_like_others(name):
    """What the message names is the name; of an ARN, what is before the six characters that AWS adds."""
    arn = f"arn:aws:secretsmanager:eu-central-1:012345678901:secret:{name}-Z9y8X7"
    for body in (
        label_updated(name=name, resources=[arn]),
        call("PutSecretValue", {"secretId": arn}),
        call("PutSecretValue", {"secretId": name}, {"arn": arn}),
        call("RotationSucceeded", None, None, additionalEventData={"SecretId": arn}),
    ):
        (change,) = secret_events.understand(body)
        assert (change.name, change.arn) == (name, arn)


def test_certificates_and_objects():
    arn = "arn:aws:acm:eu-central-1:012345678901:certificate/1"
    approaching = "ACM Certificate Approaching Expiration"
    body = event("aws.acm", approaching, {"DaysToExpiry": 31, "CommonName": "*.example.com"}, resources=[arn])
    (change,) = secret_events.understand(body)
    assert (change.kind, change.name, change.arn, dict(change.more)) == ("expiring", "*.example.com", arn, {"days": 31})
    (change,) = secret_events.understand(event("aws.acm", "ACM Certificate Expired", {}, resources=[arn]))
    assert (change.name, dict(change.more)) == (arn, {"days": 0})
    (change,) = secret_events.understand(event("aws.acm", approaching, {"DaysToExpiry": 10**400}, resources=[arn]))
    assert dict(change.more) == {"days": None}, "no number that a rule engine could not read"

    detail = {"bucket": {"name": "b"}, "object": {"key": "a b/c.pem", "version-id": "v"}}
    (change,) = secret_events.understand(event("aws.s3", "Object Created", detail, resources=[]))
    assert (change.kind, change.name) == ("object", "b/a b/c.pem")
    assert dict(change.more) == {"bucket": "b", "key": "a b/c.pem", "version_id": "v"}
    record = {"eventName": "ObjectCreated:Put", "eventTime": AT, "awsRegion": "eu-central-1"}
    record["s3"] = {"bucket": {"name": "b"}, "object": {"key": "a+b/c.pem", "versionId": "v", "sequencer": "1"}}
    (sent,) = secret_events.understand(json.dumps({"Records": [record]}))
    assert (sent.name, sent.more, sent.at) == (change.name, change.more, change.at)
    assert secret_events.understand('{"Service": "Amazon S3", "Event": "s3:TestEvent"}') == []


TEMPLATE = "{{ lookup('pipe', 'id') }}"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("9" * 10_000, "no JSON"),
        ("[]", "no object"),
        ("{}", "no event"),
        ('{"Records": [5]}', "no new object"),
        ('{"Records": [{"eventName": "ObjectCreated:Put", "s3": 5}]}', "whose name no rulebook"),
        ('{"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]}', "whose name no rulebook"),
        (event("odd", "Odd", {}), "odd: Odd"),
        (event(["odd"], "Odd", {}), "no event"),
        (event("aws.secretsmanager", "Secret Label Updated", {}, resources=5), "without a name"),
        (label_updated(label=5), "without a name and a label"),
        (label_updated(name=TEMPLATE), "without a name"),
        (label_updated(name="a\nb"), "without a name"),
        (call("PutSecretValue", {"secretId": ["a"]}), "without a name"),
        (call("PutSecretValue", "asked"), "without a name"),
        (call(None), "of another service"),
        (event("aws.secretsmanager", "AWS API Call via CloudTrail", {"eventSource": "s3"}), "of another service"),
        (event("aws.acm", "ACM Certificate Expired", {"CommonName": TEMPLATE}, resources=[]), "without a name"),
        (event("aws.s3", "Object Created", {"bucket": {"name": "b"}, "object": {"key": TEMPLATE}}), "no rulebook"),
        (event("aws.s3", "Object Created", {"bucket": {"name": "b"}, "object": {"key": "{% x %}"}}), "no rulebook"),
        (event("aws.s3", "Object Created", {"bucket": {"name": "b"}, "object": {"key": "a\u202eb"}}), "no rulebook"),
        (event("aws.s3", "Object Created", {"bucket": {"name": "b"}, "object": []}), "without bucket and object"),
    ],
)
def test_what_is_not_understood_says_of_which_kind_it_is(body, kind):
    """Above all what would be a template: an event's content becomes a variable, and Ansible would run it."""
    with pytest.raises(secret_events.NotUnderstood, match=kind):
        secret_events.understand(body)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "abcdg"),
        ({"name_prefix": ["web/"]}, "abd"),
        ({"name_prefix": "web/a,mail/"}, "acd"),
        ({"names": ["web/?"]}, "abd"),
        ({"names": ["web/b"], "name_prefix": ["mail"]}, "bc"),
        ({"names": ["[!m]*"]}, "abdg"),
        ({"names": ["WEB/*"]}, ""),
        ({"names": [ARN]}, "abcdg"),
        ({"names": ["arn:*:secret:mail/*"]}, "g"),
        ({"labels": ["CANDIDATE"]}, "d"),
        ({"kinds": "secret"}, "abcg"),
    ],
)
def test_only_what_is_wanted(given, wanted):
    bodies = {
        "a": label_updated(name="web/a"),
        "b": label_updated(name="web/b"),
        "c": label_updated(name="mail/a"),
        "d": label_updated(name="web/a", label="CANDIDATE"),
        "e": label_updated(name="web/a", label="CANDIDATE-ON-x"),
        "f": call("TagResource", {"secretId": "web/a"}),
        "g": call("RestoreSecret", {"secretId": "odd"}),  # whose ARN is not known
    }
    made = options(**given)
    assert "".join(key for key, body in bodies.items() if made.wants(secret_events.understand(body)[0])) == wanted


def test_tags_that_change_are_told_where_tags_select():
    (change,) = secret_events.understand(call("TagResource", {"secretId": "web/a"}))
    assert options(tags={"a": "b"}).wants(change)
    made = options(objects=["b/*.pem"])
    for key, wanted in (("x/y.pem", True), ("y.key", False)):
        detail = {"bucket": {"name": "b"}, "object": {"key": key}}
        assert made.wants(secret_events.understand(event("aws.s3", "Object Created", detail))[0]) == wanted


# -- news ---------------------------------------------------------------------------------------------------------


class Rulebook:
    """What a rulebook is told. tell: what AWS says now (version -> labels) and messages (version, second)."""

    def __init__(self, label="AWSCURRENT"):
        self.told, self.label = secret_events.Told(), label

    def tell(self, now, *messages, cause=None):
        pending = None
        for version, second in messages:
            body = label_updated(version, self.label, time=f"2026-11-27T02:43:{second:02}Z")
            if cause:
                body = call(cause, {"secretId": "web/a", "versionStage": self.label})
            (change,) = secret_events.understand(body)
            if pending:
                pending.add(change)
            else:
                pending = secret_events.Pending(change)
        described = None if now is None else secret_events.Described(ARN, now, {})
        is_news = self.told.is_news(pending, described)
        if is_news:
            self.version, self.is_known = self.told.answer(pending, described)
            self.told.remember(pending, self.version)
        else:
            self.told.note(pending)
        return is_news


V1, V2, V3 = ({"v1": ["AWSCURRENT"]}, {"v1": ["AWSPREVIOUS"], "v2": ["AWSCURRENT"]}, {"v3": ["AWSCURRENT"]})


def test_a_version_is_told_once():
    rulebook = Rulebook()
    assert rulebook.tell(V1, ("v1", 1))
    assert not rulebook.tell(V1, ("v1", 1))
    assert not rulebook.tell(V1, ("v1", 3)), "the other service gives another time"
    assert rulebook.tell(V2, ("v2", 9))
    assert not rulebook.tell(V2, ("v1", 1), ("v2", 9), ("v1", 1))


def test_versions_in_any_order():
    rulebook = Rulebook()
    assert rulebook.tell(V3, ("v2", 2))
    assert not rulebook.tell(V3, ("v3", 3)), "AWS has said so already"
    assert not rulebook.tell(V3, ("v1", 1)), "superseded"
    assert not rulebook.tell(V3, ("v2", 2))


def test_a_way_back_is_news():
    rulebook = Rulebook()
    assert rulebook.tell(V1, ("v1", 1))
    assert rulebook.tell(V2, ("v2", 5))
    assert rulebook.tell({"v1": ["AWSCURRENT"], "v2": ["AWSPREVIOUS"]}, ("v1", 9))


def test_an_answer_that_is_older_than_the_message():
    """DescribeSecret may not know yet what EventBridge has told."""
    rulebook = Rulebook()
    assert rulebook.tell(V1, ("v1", 1))
    assert (rulebook.version, rulebook.is_known) == ("v1", True)
    assert rulebook.tell(V1, ("v2", 5)), "told, though AWS still says v1"
    assert (rulebook.version, rulebook.is_known) == ("v2", False)
    assert not rulebook.tell(V2, ("v2", 5))
    assert rulebook.tell(V2, ("v1", 20)), "a way back that AWS does not know yet"


@pytest.mark.parametrize("first", [None, {}])
def test_what_cannot_be_asked_is_told_and_once(first):
    rulebook = Rulebook()
    assert rulebook.tell(first, ("v1", 1))
    assert not rulebook.tell(None, ("v1", 1))
    assert rulebook.tell(None, ("v2", 5))
    assert not rulebook.tell(None, ("v1", 1))
    assert rulebook.tell(None, ("v1", 1), cause="RotationSucceeded"), "which version is not said"


def test_a_candidate_that_became_current_is_the_other_events_news():
    rulebook = Rulebook("CANDIDATE")
    assert rulebook.tell({"v1": ["AWSCURRENT"], "v2": ["CANDIDATE"]}, ("v2", 2))
    assert not rulebook.tell({"v2": ["AWSCURRENT"]}, ("v2", 2))
    assert not rulebook.tell({"v2": ["AWSCURRENT"]}, ("", 9), cause="UpdateSecretVersionStage")


def test_a_candidate_that_was_withdrawn():
    rulebook = Rulebook("CANDIDATE")
    assert rulebook.tell({"v1": ["AWSCURRENT"], "v2": ["CANDIDATE"]}, ("v2", 2))
    assert rulebook.tell({"v1": ["AWSCURRENT"]}, ("", 9), cause="UpdateSecretVersionStage")
    assert not rulebook.tell({"v1": ["AWSCURRENT"]}, ("", 9), cause="UpdateSecretVersionStage")


def test_a_candidate_that_is_staged_once_more():
    """Of a label that is taken away there is no event."""
    rulebook, staged = Rulebook("CANDIDATE"), {"v1": ["AWSCURRENT"], "v2": ["CANDIDATE"]}
    assert rulebook.tell(staged, ("v2", 2))
    assert not rulebook.tell(staged, ("v2", 4)), "told by CloudTrail"
    assert rulebook.tell(staged, ("v2", 20))
    assert (rulebook.version, rulebook.is_known) == ("v2", True)
    assert not rulebook.tell(staged, ("v2", 20))


def test_tags_and_restored_secrets_are_news_though_the_version_is_the_same():
    rulebook = Rulebook()
    assert rulebook.tell(V1, ("v1", 1))
    assert rulebook.tell(V1, ("", 0), cause="RestoreSecret")
    assert not rulebook.tell(V1, ("", 0), cause="UpdateSecret")


def test_what_is_remembered_is_limited():
    told = secret_events.Told()
    for number in range(secret_events._MOST_IDS + 1):
        assert not told.is_again(str(number))
    assert told.is_again(str(secret_events._MOST_IDS))
    assert not told.is_again("0")
    assert not told.is_again("")
    assert not told.is_again("")
    for number in range(secret_events._MOST_SECRETS + 5):
        (change,) = secret_events.understand(label_updated(name=f"web/{number}"))
        told.remember(secret_events.Pending(change), "v1")
    assert len(told._lasts) == secret_events._MOST_SECRETS
    rulebook = Rulebook()
    rulebook.tell(None, *((f"v{number}", number % 60) for number in range(500)))
    (last,) = rulebook.told._lasts.values()
    assert len(last.seen) <= secret_events._MOST_VERSIONS


# -- what is said -------------------------------------------------------------------------------------------------


def test_an_event_has_the_same_keys_for_each_kind():
    documented = yaml.safe_load(secret_events.DOCUMENTATION)["notes"]
    for kind in ("secret", "tick"):
        content = secret_events.event_of(kind)["secret_events"]
        assert set(content) == {
            "kind",
            "names",
            "labels",
            "details",
            "causes",
            "again",
            "messages",
            "first_at",
            "last_at",
            "health",
        }
    assert [key for key in content if not any(f"C({key})" in note for note in documented)] == []


def test_trouble_is_said_once_and_its_end_once(caplog):
    health = secret_events.Health()
    pauses = [health.failed(OSError("no way")) for _attempt in range(12)]
    health.worked()
    health.worked()
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "secret_events cannot read the queue: OSError: no way. It tries again until it can.",
        "secret_events reads the queue again",
    ]
    assert all(0.75 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:5]))
    assert all(22.5 <= pause <= 30 for pause in pauses[5:])
    assert health.failed(OSError("again")) <= 1


def test_trouble_that_becomes_another_one_is_said_too(caplog):
    health = secret_events.Health()
    for error in (OSError("gone"), OSError("gone\nstill"), ValueError("denied"), OSError("gone"), ValueError("denied")):
        health.failed(error)
    assert [record.message for record in caplog.records] == [
        "secret_events cannot read the queue: OSError: gone. It tries again until it can.",
        "secret_events is kept from the queue by something else now: ValueError: denied",
    ]
    assert health.told()["error"] == "ValueError: denied"


def test_what_aws_says_of_a_signature_is_not_shown():
    from botocore.exceptions import ClientError

    response = {"Error": {"Code": "SignatureDoesNotMatch", "Message": "x-amz-security-token:SECRET"}}
    assert (
        secret_events.text_of(ClientError(response, "ReceiveMessage")) == "ReceiveMessage answers SignatureDoesNotMatch"
    )
