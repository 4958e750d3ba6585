# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages about secrets: what they say, whom they concern, and which of them say nothing."""

from __future__ import annotations

import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.host_events import (
    OddMessage,
    SecretNews,
    WantedSecrets,
    aws_options,
    read,
    wanted,
)

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:web/a-AbCdEf"
VERSION = "11111111-2222-3333-4444-555555555555"
LABEL = {
    "source": "aws.secretsmanager",
    "detail-type": "Secret Label Updated",
    "resources": [ARN],
    "detail": {"name": "web/a", "labelUpdated": "AWSCURRENT", "versionId": VERSION},
}
CURRENT = SecretNews("web/a", ARN, "AWSCURRENT", VERSION)


def call(name, **detail):
    detail = {"eventSource": "secretsmanager.amazonaws.com", "eventName": name, **detail}
    return {"source": "aws.secretsmanager", "detail-type": "AWS API Call via CloudTrail", "detail": detail}


def test_a_label_that_moved():
    assert read(json.dumps(LABEL)) == CURRENT
    without_name = {**LABEL, "detail": {"labelUpdated": "X"}}
    assert read(json.dumps(without_name)) == SecretNews(ARN, ARN, "X")


def test_in_the_envelope_of_sns():
    assert read(json.dumps({"Type": "Notification", "Message": json.dumps(LABEL)})) == CURRENT


@pytest.mark.parametrize("key", ["arn", "aRN"])
def test_calls_that_cloudtrail_tells_of(key):
    put = call(
        "PutSecretValue", requestParameters={"secretId": "web/a"}, responseElements={key: ARN, "versionId": VERSION}
    )
    assert read(json.dumps(put)) == SecretNews("web/a", ARN, "", VERSION)
    created = call("CreateSecret", requestParameters={"name": "web/b"}, responseElements=None)
    assert read(json.dumps(created)) == SecretNews("web/b")


def test_what_concerns_no_host_is_no_news():
    assert read(json.dumps(call("GetSecretValue", requestParameters={"secretId": "web/a"}))) is None
    assert read(json.dumps(call("PutSecretValue", errorCode="AccessDenied"))) is None
    assert read(json.dumps({"source": "aws.acm", "detail-type": "x", "detail": {}})) is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[1, 2]",
        "null",
        "{}",
        "[" * 100_000,
        '{"a": ' * 50_000,
        '{"Message": "[]"}',
        '{"Message": {"detail-type": 1}}',
        '{"source": "aws.secretsmanager", "detail-type": 7, "detail": {}}',
        '{"source": "aws.secretsmanager", "detail-type": "Secret Label Updated", "detail": []}',
        '{"source": "aws.secretsmanager", "detail-type": "Something New", "detail": {}}',
        json.dumps(call(["PutSecretValue"])),
        json.dumps(call({}, errorCode={})),
        f'{{"n": {"9" * 5000}}}',
        "\ud800",
    ],
)
def test_garbage_is_told_by_kind(body):
    odd = read(body)
    assert isinstance(odd, OddMessage)
    assert len(odd.kind) < 300


@pytest.mark.parametrize(
    "detail",
    [
        {"name": 7, "labelUpdated": ["AWSCURRENT"], "versionId": {}},
        {"name": None},
        {},
    ],
)
def test_fields_of_another_type_are_not_there(detail):
    news = read(json.dumps({**LABEL, "detail": detail, "resources": "none"}))
    assert news == SecretNews("")
    assert WantedSecrets(("web/a",)).concerns(news), "what is not told is no reason to stay"


CONCERNS = {
    "all, where nothing is selected": ({}, True),
    "by name": ({"names": ["web/a"]}, True),
    "by name among others": ({"names": ["web/b", "web/a"]}, True),
    "by ARN": ({"names": [ARN]}, True),
    "by ARN without its suffix": ({"names": [ARN[:-7]]}, True),
    "a name that is the prefix of it": ({"names": ["web/"]}, False),
    "a name that it is the prefix of": ({"names": ["web/ab"]}, False),
    "as text": ({"names": "web/b, web/a"}, True),
    "as JSON": ({"names": '["web/a"]'}, True),
    "by prefix": ({"name_prefix": "web/"}, True),
    "another prefix": ({"name_prefix": "api/"}, False),
    "one of both": ({"names": ["web/a"], "name_prefix": "api/"}, True),
    "by tags": ({"tags": {"Environment": "production"}}, True),
    "tags and another prefix": ({"tags": {"Environment": "production"}, "name_prefix": "api/"}, False),
    "tags and other names": ({"tags": {"Environment": "production"}, "names": ["api/b"]}, True),
    "tags, another prefix and other names": ({"tags": {"a": "b"}, "name_prefix": "api/", "names": ["api/b"]}, False),
    "tags and another prefix, but by name": ({"tags": {"a": "b"}, "name_prefix": "api/", "names": ["web/a"]}, True),
    "no tags and other names": ({"tags": {}, "names": ["api/b"]}, False),
    "another label": ({"labels": ["CANDIDATE"]}, False),
    "one of its labels": ({"labels": "CANDIDATE,AWSCURRENT"}, True),
    "no label": ({"labels": []}, True),
}


@pytest.mark.parametrize(("options", "expected"), CONCERNS.values(), ids=CONCERNS)
def test_whom_it_concerns(options, expected):
    assert wanted(options).concerns(CURRENT) is expected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"name_prefix": "{{ stage }}/"},
        {"names": ["{{ stage }}/b"], "labels": "{{ labels }}"},
        {"names": "{% if x %}[]{% endif %}", "name_prefix": "api/"},
    ],
)
def test_what_only_ansible_can_tell_leaves_nothing_out(options):
    """Where a repository, an inventory or a template says what is read, each label may count, and each name."""
    candidate = SecretNews("web/a", ARN, "CANDIDATE", VERSION)
    assert wanted(options, is_all=False).concerns(candidate)
    assert wanted(options).concerns(CURRENT)


def test_what_is_said_counts_though_there_may_be_more():
    said = wanted({"name_prefix": "web/", "labels": ["AWSCURRENT"]}, is_all=False)
    assert said.concerns(CURRENT)
    assert not said.concerns(SecretNews("api/a", "", "AWSCURRENT"))
    assert not said.concerns(SecretNews("web/a", "", "CANDIDATE"))


def test_base_labels_of_candidates_are_not_read():
    assert not wanted({"labels": ["CANDIDATE", "AWSCURRENT"]}).concerns(
        SecretNews("web/a", ARN, f"CANDIDATE-ON-{VERSION}")
    )


def test_options_of_aws():
    others = {
        "aws_region": "eu-west-1",
        "endpoint_url": "https://secrets.example.com",
        "access_key": "a",
        "secret_key": "b",
    }
    assert aws_options({}, others) == {"region": "eu-west-1", "access_key": "a", "secret_key": "b"}
    assert aws_options({"endpoint_url": "https://sqs.example.com", "profile": "events"}, json.dumps(others)) == {
        "region": "eu-west-1",
        "endpoint_url": "https://sqs.example.com",
        "profile": "events",
    }
    proxies = {"aws_config": {"proxies": {"https": "http://proxy.example.com"}}}
    assert aws_options({"region": "x"}, proxies) == {"region": "x", **proxies}
    for nothing in (None, "", [], "nonsense"):
        assert aws_options({"region": "x", "secret_key": ""}, nothing) == {"region": "x"}
