# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_candidate and certificate_candidate_info: what is staged, made current or taken back, each on its own."""

from __future__ import annotations

import collections
import datetime
import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.candidates import LABEL, Candidates, on
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate

POLICIES = pathlib.Path(__file__).parents[2] / "docs" / "iam"


@pytest.fixture
def issued(intermediate: CertificateAuthority) -> list[IssuedCertificate]:
    return [intermediate.issue("www.example.com") for _number in range(3)]


@pytest.fixture
def versions(candidates: Candidates, issued: list[IssuedCertificate]) -> list[str]:
    """Of web/a: the current one and a candidate."""
    return [candidates.current(issued[0]), candidates.staged(issued[1])]


def info(candidates: Candidates, **options: t.Any) -> ModuleRun:
    options = options or {"name": candidates.name}
    return candidates.run("certificate_candidate_info", options)


def states(run: ModuleRun) -> dict[str, str]:
    return {item["name"]: item["state"] for item in run.result["candidates"]}


def move(
    candidates: Candidates, state: str, *items: t.Mapping[str, t.Any], check: bool = False, **options: t.Any
) -> ModuleRun:
    given = {"candidates": [dict(item) for item in items], "state": state, **options}
    return candidates.run("certificate_candidate", given, check=check)


def named(version: str, current: str | None = None, name: str = "web/a") -> dict[str, t.Any]:
    return {"name": name, "version_id": version, "current_version_id": current}


def test_a_life(candidates: Candidates, issued: list[IssuedCertificate], versions: list[str]) -> None:
    first, second = versions
    (item,) = info(candidates).result["candidates"]
    told = {name: item[name] for name in ("state", "version_id", "base_version_id", "current_version_id", "label")}
    assert told == {
        "state": "staged",
        "version_id": second,
        "base_version_id": first,
        "current_version_id": first,
        "label": LABEL,
    }
    assert item["fingerprint_sha256"] == issued[1].fingerprint_sha256
    assert item["subject_alternative_names"] == ["www.example.com"]
    created = datetime.datetime.fromisoformat(item["created_at"])
    assert abs(datetime.datetime.now(datetime.timezone.utc) - created) < datetime.timedelta(minutes=5)
    before = candidates.labels()
    check = move(candidates, "promoted", item, check=True)
    assert candidates.labels() == before
    run = move(candidates, "promoted", item)
    assert candidates.labels() == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}
    for each in (check, run):
        (moved,) = each.result["candidates"]
        assert (each.result["changed"], moved["action"], moved["previous_version_id"]) == (True, "promoted", first)
        assert each.result["diff"]["after"] == {"web/a": {"AWSCURRENT": second}}
        assert [line.split()[1] for line in moved["changes"]] == ["AWSCURRENT", LABEL, on(first)]
    for is_check in (True, False):
        again = move(candidates, "promoted", item, check=is_check)
        assert (again.result["changed"], again.result["candidates"][0]["action"]) == (False, "unchanged")
    assert states(info(candidates)) == {"web/a": "none"}
    value = candidates.aws.client().get_secret_value(SecretId="web/a")["SecretString"]
    assert json.loads(value)["certificate"] == issued[1].certificate_pem


def test_withdrawn(candidates: Candidates, versions: list[str]) -> None:
    first, second = versions
    before = candidates.labels()
    assert move(candidates, "withdrawn", named(second), check=True).result["changed"]
    assert candidates.labels() == before
    run = move(candidates, "withdrawn", named(second))
    assert (run.result["changed"], run.result["candidates"][0]["action"]) == (True, "withdrawn")
    assert candidates.labels() == {first: ["AWSCURRENT"]}
    for is_check in (True, False):
        assert not move(candidates, "withdrawn", named(second), check=is_check).result["changed"]


@pytest.mark.parametrize("state", ["promoted", "withdrawn"])
@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_death_after_any_request(candidates: Candidates, versions: list[str], state: str, done: int) -> None:
    """The next run with the same options ends where it would have ended."""
    first, second = versions
    counted = collections.Counter[str]()

    def dead(_body: dict[str, t.Any]) -> bool:
        counted["requests"] += 1
        return counted["requests"] > done

    candidates.faults.fail("UpdateSecretVersionStage", "AccessDeniedException", when=dead)
    run = move(candidates, state, named(second, first))
    assert run.failed == (state == "promoted" or done < 2)
    assert run.result["changed"] == (done > 0)
    candidates.faults.heal()
    rest = move(candidates, state, named(second, first))
    assert not rest.failed, rest.result["msg"]
    promoted = {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}
    assert candidates.labels() == (promoted if state == "promoted" else {first: ["AWSCURRENT"]})


def test_superseded(candidates: Candidates, issued: list[IssuedCertificate], versions: list[str]) -> None:
    first, second = versions
    third = candidates.current(issued[2])
    assert states(info(candidates)) == {"web/a": "superseded"}
    for current in (first, third, None):
        run = move(candidates, "promoted", named(second, current))
        assert run.failed
        assert f"version {second} is superseded" in run.result["msg"]
    assert candidates.labels()[third] == ["AWSCURRENT"]
    assert move(candidates, "withdrawn", named(second)).result["changed"]
    assert candidates.labels() == {first: ["AWSPREVIOUS"], third: ["AWSCURRENT"]}


def test_somebody_stores_another_one_in_the_last_moment(
    candidates: Candidates, issued: list[IssuedCertificate], versions: list[str]
) -> None:
    """After it was looked at: AWS itself refuses."""
    first, second = versions
    stored: list[str] = []

    def store(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        if not stored:
            stored.append(candidates.aws.put_secret("web/a", issued[2].secret_document()))
        return reply

    candidates.faults.change("DescribeSecret", store)
    run = move(candidates, "promoted", named(second, first))
    assert run.failed
    assert f"version {second} is superseded: AWSCURRENT is at version {stored[0]}" in run.result["msg"]
    assert candidates.labels() == {first: ["AWSPREVIOUS"], second: [LABEL, on(first)], stored[0]: ["AWSCURRENT"]}


def test_somebody_else_promotes_the_same_at_the_same_time(candidates: Candidates, versions: list[str]) -> None:
    first, second = versions
    moved: list[bool] = []

    def promote(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        if not moved:
            moved.append(True)
            candidates.aws.client().update_secret_version_stage(
                SecretId="web/a", VersionStage="AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first
            )
        return reply

    candidates.faults.change("DescribeSecret", promote)
    run = move(candidates, "promoted", named(second, first))
    assert not run.failed, run.result["msg"]
    assert candidates.labels() == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}


def test_a_second_candidate_stays(candidates: Candidates, issued: list[IssuedCertificate], versions: list[str]) -> None:
    """The one that was looked at is no candidate any more."""
    first, second = versions
    third = candidates.staged(issued[2])
    run = move(candidates, "promoted", named(second, first))
    assert run.failed
    assert f"version {third} has the label now" in run.result["msg"]
    assert not move(candidates, "withdrawn", named(second, first)).result["changed"]
    assert candidates.labels() == {first: ["AWSCURRENT"], third: [LABEL, on(first)]}


def test_promoted_is_not_withdrawn(candidates: Candidates, versions: list[str]) -> None:
    first, second = versions
    move(candidates, "promoted", named(second, first))
    run = move(candidates, "withdrawn", named(second, first))
    assert run.failed
    assert "it has been promoted" in run.result["msg"]


def test_each_secret_on_its_own(candidates: Candidates, issued: list[IssuedCertificate], versions: list[str]) -> None:
    first, second = versions
    other = [candidates.current(issued[0], "web/b"), candidates.staged(issued[2], "web/b")]
    candidates.current(issued[2], "web/c")
    gone = named("0" * 32, first, "web/gone")
    arn, of_c = (candidates.aws.client().describe_secret(SecretId=name)["ARN"] for name in ("web/b", "web/c"))
    superseded = named(second, "0" * 32, of_c)
    elsewhere = named(second, None, arn.replace("eu-central-1", "eu-west-9"))
    run = move(candidates, "promoted", gone, superseded, elsewhere, named(second, first), named(other[1], None, arn))
    assert run.failed
    assert run.result["msg"].startswith("3 of 5 candidates failed, the others are done:\nweb/gone: there is no such")
    assert [item["action"] for item in run.result["candidates"]] == ["failed"] * 3 + ["promoted"] * 2
    # Called by its ARN, it is told of by its name, and by the ARN where the name is not known.
    assert f"\nweb/c: version {second} is not the candidate" in run.result["msg"]
    assert [item["arn"] for item in run.result["candidates"][:3]] == [None, of_c, elsewhere["name"]]
    assert run.result["candidates"][4]["name"] == "web/b"
    assert candidates.labels("web/b") == {other[0]: ["AWSPREVIOUS"], other[1]: ["AWSCURRENT"]}


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([{"name": "web/a"}], "candidates: web/a has no version_id"),
        ([{"version_id": "x", "name": "  "}], "candidates: an item has no name"),
        ([named("v1"), named("v2")], "candidates: web/a is named twice, with version v1 and with v2"),
        ([named(t.cast("str", True))], "candidates: version_id: true is a boolean"),
    ],
)
def test_candidates_that_are_none(candidates: Candidates, items: list[dict[str, t.Any]], reason: str) -> None:
    run = move(candidates, "promoted", *items)
    assert run.failed
    assert reason in run.result["msg"]
    assert not move(candidates, "promoted").failed


def test_found_by_prefix_and_tags_whatever_the_listing_says(
    candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    """A listing that lags behind: of web/a it says staged, which was withdrawn."""
    for name in ("web/a", "web/b", "web/c", "api/d"):
        candidates.aws.put_secret(name, issued[0].secret_document(), {"team": "web" if name != "web/b" else "other"})
    staged = {name: candidates.staged(issued[1], name) for name in ("web/a", "web/b", "api/d")}
    listed = candidates.aws.client().list_secrets()["SecretList"]
    old = {each["Name"]: each["SecretVersionsToStages"] for each in listed}
    move(candidates, "withdrawn", named(staged["web/a"]))

    def lag(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        found = [{**each, "SecretVersionsToStages": old[each["Name"]]} for each in reply["SecretList"]]
        return {**reply, "SecretList": found}

    candidates.faults.change("ListSecrets", lag)
    run = info(candidates, name_prefix="web/")
    assert states(run) == {"web/a": "none", "web/b": "staged"}
    assert run.result["api_calls"] == {"ListSecrets": 1, "DescribeSecret": 2, "GetSecretValue": 1}
    assert states(info(candidates, tags={"team": "web"})) == {"web/a": "none", "api/d": "staged"}
    assert states(info(candidates, name_prefix="")) == {"web/a": "none", "web/b": "staged", "api/d": "staged"}
    # Who names a secret is told of it.
    run = info(candidates, names=["web/c", "web/gone"], name_prefix="api")
    assert states(run) == {"web/c": "none", "web/gone": "unknown", "api/d": "staged"}
    assert [each["code"] for each in run.result["candidates"][2]["problems"]] == ["secret_missing"]


def test_one_secret_by_its_name_and_its_arn(candidates: Candidates, versions: list[str]) -> None:
    arn = candidates.aws.client().describe_secret(SecretId="web/a")["ARN"]
    run = info(candidates, names=[arn, "web/a", arn.replace("eu-central-1", "eu-west-9")])
    (elsewhere, item) = run.result["candidates"]
    assert (item["version_id"], item["arn"]) == (versions[1], arn)
    assert elsewhere["problems"][0]["code"] == "secret_elsewhere"


def test_what_may_be_wrong_with_it(
    candidates: Candidates, intermediate: CertificateAuthority, issued: list[IssuedCertificate]
) -> None:
    client = candidates.aws.client()
    now = datetime.datetime.now(datetime.timezone.utc)
    old = intermediate.issue("www.example.com", not_before=now - datetime.timedelta(days=9), not_after=now)
    values = {
        "web/empty": {"SecretString": " "},
        "web/expired": {"SecretString": json.dumps(old.secret_document())},
        "web/invalid": {"SecretString": json.dumps({**issued[1].secret_document(), "private_key": "none"})},
        "web/odd": {"SecretBinary": b"\xff\x00"},
    }
    for name, value in values.items():
        first = candidates.current(issued[0], name)
        client.put_secret_value(SecretId=name, VersionStages=[LABEL, on(first)], **value)
    candidates.current(issued[0], "web/denied")
    candidates.staged(issued[1], "web/denied")
    candidates.faults.fail(
        "GetSecretValue", "AccessDeniedException", when=lambda body: "web/denied" in body["SecretId"]
    )
    run = info(candidates, name_prefix="web/")
    assert states(run) == {
        "web/denied": "unknown",
        "web/empty": "empty",
        "web/expired": "expired",
        "web/invalid": "invalid",
        "web/odd": "invalid",
    }
    items = {item["name"]: item for item in run.result["candidates"]}
    assert items["web/denied"]["problems"][0]["code"] == "secret_access_denied"
    assert items["web/expired"]["not_after"][:19] <= now.isoformat()[:19]
    assert not run.failed


def test_pending_of_a_rotation(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    """By somebody who notes no base; empty, as RotateSecret begins; and left behind on an old version."""
    client = candidates.aws.client()
    first = candidates.current(issued[0])
    pending = client.put_secret_value(
        SecretId="web/a", VersionStages=["AWSPENDING"], SecretString=json.dumps(issued[1].secret_document())
    )["VersionId"]
    (item,) = info(candidates, name="web/a", label="AWSPENDING").result["candidates"]
    assert (item["state"], item["version_id"], item["base_version_id"]) == ("staged", pending, None)
    assert states(info(candidates)) == {"web/a": "none"}
    run = move(candidates, "promoted", item, label="AWSPENDING")
    assert not run.failed, run.result["msg"]
    assert candidates.labels() == {first: ["AWSPREVIOUS"], pending: ["AWSCURRENT"]}
    # Empty.
    candidates.faults.fail(
        "GetSecretValue", "ResourceNotFoundException", when=lambda body: body.get("VersionId") == "e" * 32
    )
    client.put_secret_value(
        SecretId="web/a", VersionStages=["AWSPENDING"], SecretString="hidden", ClientRequestToken="e" * 32
    )
    (item,) = info(candidates, name="web/a", label="AWSPENDING").result["candidates"]
    assert (item["state"], item["problems"][0]["code"]) == ("empty", "candidate_empty")
    assert item["created_at"] is not None  # or it would be held for ever
    assert not move(candidates, "withdrawn", item, label="AWSPENDING").failed
    # Left behind: two others have become current since, so that no label of AWS tells.
    left = client.put_secret_value(
        SecretId="web/a", VersionStages=["AWSPENDING"], SecretString=json.dumps(issued[2].secret_document())
    )["VersionId"]
    candidates.faults.change("GetSecretValue", created_long_ago(left))
    (item,) = info(candidates, name="web/a", label="AWSPENDING").result["candidates"]
    assert (item["state"], item["problems"][-1]["code"]) == ("superseded", "candidate_outdated")


def created_long_ago(version: str) -> t.Callable[[dict[str, t.Any], dict[str, t.Any]], dict[str, t.Any]]:
    def change(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        return {**reply, "CreatedDate": 1_000_000_000} if reply.get("VersionId") == version else reply

    return change


def test_exactly_the_calls_made_are_allowed(candidates: Candidates, versions: list[str]) -> None:
    first, second = versions
    assert not info(candidates, name_prefix="web/").failed
    assert not info(candidates).failed
    assert not move(candidates, "promoted", named(second, first)).failed
    policy = json.loads((POLICIES / "promote.json").read_text(encoding="utf-8"))
    actions = [statement["Action"] for statement in policy["Statement"]]
    allowed = {action for some in actions for action in ([some] if isinstance(some, str) else some)}
    # The fixture has staged by certificate_secret, whose policy is another one.
    staging = {"CreateSecret", "PutSecretValue"}
    assert allowed == {f"secretsmanager:{name}" for name in candidates.faults.counts() if name not in staging}


def test_an_emulator_that_guards_less(candidates: Candidates, versions: list[str]) -> None:
    """Whatever AWS answers where the label is not at the version that is to be left: it is looked at again."""
    first, second = versions
    for code in ("InvalidParameterException", "ResourceNotFoundException", "InvalidRequestException"):
        candidates.faults.fail("UpdateSecretVersionStage", code, times=1)
        run = move(candidates, "promoted", named(second, first))
        assert run.failed
        assert code in run.result["msg"]
        assert candidates.labels()[first] == ["AWSCURRENT"]
