# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page that does not answer as it should has failed; a Prometheus that does not answer could not be asked."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion_checks import check_requests, judged
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

URL = "https://www.example.com/health"
PROMETHEUS = {"prometheus": "http://prometheus:9090/", "query": "rate(errors[5m])", "expected": "< 0.01"}


def vector(*values: str) -> str:
    found = [{"metric": {}, "value": [1700000000, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}})


@pytest.mark.parametrize(
    ("given", "result", "outcome", "why"),
    [
        ({"url": URL}, {"status": 200}, "passed", ""),
        ({"url": URL}, {"status": 503}, "failed", "status 503 instead of 200"),
        ({"url": URL, "status": [200, "503"]}, {"status": 503}, "passed", ""),
        ({"url": URL, "status": "204, 503"}, {"status": 503}, "passed", ""),
        ({"url": URL}, {"status": -1, "msg": "Connection refused"}, "failed", "no answer: Connection refused"),
        ({"url": URL}, {"msg": "Timed out", "timedout": {"period": 40}}, "failed", "no answer: Timed out"),
        ({"url": URL}, {"msg": "no Python", "rc": 127}, "unasked", "nobody could ask: no Python"),
        ({"url": URL}, {"status": 302}, "failed", "status 302 instead of 200"),
        ({"url": URL, "body": "all is well"}, {"status": 200, "content": "Here all is well."}, "passed", ""),
        (
            {"url": URL, "body": "all is well"},
            {"status": 200, "content": "no"},
            "failed",
            "does not hold what it should",
        ),
        (PROMETHEUS, {"status": 200, "content": vector("0.001", "0")}, "passed", ""),
        (
            PROMETHEUS,
            {"status": 200, "content": vector("0.001", "0.5", "1")},
            "failed",
            "0.5 is not < 0.01, and 1 more",
        ),
        (PROMETHEUS, {"status": 200, "content": vector("NaN")}, "unasked", "no number"),
        ({**PROMETHEUS, "expected": "!= 1"}, {"status": 200, "content": vector("2", "NaN")}, "unasked", "no number"),
        (PROMETHEUS, {"status": 200, "content": vector()}, "unasked", "no result"),
        ({**PROMETHEUS, "expected": "nothing"}, {"status": 200, "content": vector()}, "passed", ""),
        ({**PROMETHEUS, "expected": "nothing"}, {"status": 200, "content": vector("1")}, "failed", "1 results"),
        ({**PROMETHEUS, "expected": 1}, {"status": 200, "content": vector("1")}, "passed", ""),
        (
            {**PROMETHEUS, "expected": "== 2"},
            {"status": 200, "content": '{"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}'},
            "passed",
            "",
        ),
        (PROMETHEUS, {"status": -1, "msg": "Connection refused"}, "unasked", "no answer: Connection refused"),
        (PROMETHEUS, {"status": 503, "content": "starting"}, "unasked", "status 503"),
        (PROMETHEUS, {"status": 400, "content": '{"status": "error"}'}, "unasked", "status 400"),
        (PROMETHEUS, {"status": 200, "content": "[]"}, "unasked", "status 200"),
        (PROMETHEUS, {}, "unasked", "nobody was asked"),
    ],
)
def test_what_an_answer_means(given: dict[str, t.Any], result: dict[str, t.Any], outcome: str, why: str) -> None:
    (request,) = check_requests([given])
    check = judged(request, result)
    assert check.outcome == outcome
    assert why in check.why


def test_a_query_is_sent_as_prometheus_takes_it() -> None:
    (request,) = check_requests([PROMETHEUS])
    assert request.url == "http://prometheus:9090/api/v1/query?query=rate%28errors%5B5m%5D%29"
    assert request.name == "rate(errors[5m])"


def test_values_of_any_type() -> None:
    given = json.dumps([{"url": URL, "certificates": "web/a, web/b", "retries": "0", "validate_certs": "no"}])
    (request,) = check_requests(given)
    assert (request.certificates, request.retries, request.validate_certs) == (("web/a", "web/b"), 0, False)
    assert request.name == "www.example.com"
    assert [one.url for one in check_requests({"url": URL})] == [URL]
    assert check_requests("") == check_requests([]) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nonsense", "list of dictionaries"),
        ([URL], "list of dictionaries"),
        (5, "list of dictionaries"),
        ([{}], "item 1: give url, or prometheus"),
        ([{"url": URL}, {"url": URL, **PROMETHEUS}], "item 2: give url, or prometheus"),
        ([{"prometheus": "http://p"}], "give url, or prometheus (its address) and query"),
        ([{"url": "www.example.com"}], "no URL"),
        ([{"url": "https:///health"}], "no URL"),
        ([{"url": "file:///etc/passwd"}], "no URL"),
        ([{"url": URL, "expect": 1}], "there is no expect here"),
        ([{"url": URL, "expected": "< 1"}], "there is no expected here"),
        ([{**PROMETHEUS, "status": 200}], "there is no status here"),
        ([{**PROMETHEUS, "expected": "few"}], "expected is to be a comparison"),
        ([{**PROMETHEUS, "expected": None}], "expected is to be a comparison"),
        ([{**PROMETHEUS, "expected": "< 1e999"}], "expected is to be a comparison"),
        ([{"url": URL, "status": "fine"}], "status is to be"),
        ([{"url": URL, "status": 20}], "status is to be"),
        ([{"url": URL, "timeout": 0}], "timeout is to be a whole number of seconds"),
        ([{"url": URL, "retries": True}], "retries is to be a whole number of times"),
        ([{"url": URL, "headers": "a"}], "headers is to be a dictionary"),
        ([{"url": URL, "certificates": {"a": 1}}], "certificates is to be a list"),
    ],
)
def test_what_has_no_meaning_is_named(given: t.Any, message: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        check_requests(given)
    assert message in refused.value.message


def test_headers_are_not_shown() -> None:
    (request,) = check_requests([{"url": URL, "headers": {"Authorization": "Bearer s3cret"}}])
    assert "s3cret" not in repr(request)
