# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_sync on a canary: candidates come and go by themselves, whatever became of who staged them."""

from __future__ import annotations

import datetime
import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.candidates import LABEL, Candidates, on
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, problem_codes, warnings

CANARY = {"labels": [LABEL, "AWSCURRENT"]}
PENDING = {"labels": ["AWSPENDING", "AWSCURRENT"]}


@pytest.fixture
def issued(intermediate: CertificateAuthority) -> list[IssuedCertificate]:
    return [intermediate.issue("www.example.com") for _number in range(3)]


@pytest.fixture
def target(candidates: Candidates, tmp_path: pathlib.Path) -> SyncTarget:
    return SyncTarget(candidates.modules, candidates.faults.env, tmp_path / "certs")


def canary(target: SyncTarget, *, check: bool = False, **options: t.Any) -> ModuleRun:
    return target.sync(check=check, **{"names": ["web/a"], **CANARY, **options})


def told(run: ModuleRun) -> tuple[str, str, str]:
    """action, version and label of the only certificate."""
    (item,) = run.result["certificates"]
    return item["action"], item["version_id"], item["label"]


def move(candidates: Candidates, state: str, version: str, **options: t.Any) -> None:
    given = {"candidates": [{"name": "web/a", "version_id": version}], "state": state, **options}
    run = candidates.run("certificate_candidate", given)
    assert not run.failed, run.result["msg"]


def live(target: SyncTarget) -> bytes:
    return target.live_files()["web_a.pem"]


def pem(issued: IssuedCertificate) -> bytes:
    return issued.combined_pem.encode()


def test_staged_and_promoted(target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    first = candidates.current(issued[0])
    assert told(canary(target)) == ("created", first, "AWSCURRENT")
    second = candidates.staged(issued[1])
    run = target.sync_four_times(names=["web/a"], **CANARY)[1]
    assert told(run) == ("updated", second, LABEL)
    assert live(target) == pem(issued[1])
    assert run.result["api_calls"] == {"ListSecrets": 1, "GetSecretValue": 1}
    # All others are as they were.
    other = SyncTarget(candidates.modules, candidates.faults.env, target.path.with_name("other"))
    assert told(other.sync(names=["web/a"])) == ("created", first, "AWSCURRENT")
    move(candidates, "promoted", second)
    for check in (True, False):
        run = canary(target, check=check)
        assert told(run) == ("unchanged", second, "AWSCURRENT")
        assert run.result["api_calls"] == {"ListSecrets": 1}
    assert told(other.sync(names=["web/a"])) == ("updated", second, "AWSCURRENT")
    # From now on it is what renewals are compared with.
    shorter = candidates.current(issued[2])
    assert told(canary(target)) == ("updated", shorter, "AWSCURRENT")


@pytest.mark.parametrize("keep", [0, 1])
def test_withdrawn(
    target: SyncTarget,
    candidates: Candidates,
    intermediate: CertificateAuthority,
    issued: list[IssuedCertificate],
    keep: int,
) -> None:
    """Back to what was there before, though that expires earlier, and has fewer names, and its file is not kept."""
    longer = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=300)
    better = intermediate.issue(["www.example.com", "more.example.com"], not_after=longer)
    best = intermediate.issue(["www.example.com", "more.example.com"], not_after=longer)
    first = candidates.current(issued[0])
    canary(target, keep_previous=keep)
    for candidate in (better, best):
        version = candidates.staged(candidate)
        assert told(canary(target, keep_previous=keep)) == ("updated", version, LABEL)
    move(candidates, "withdrawn", version)
    assert told(canary(target, keep_previous=keep, check=True)) == ("updated", first, "AWSCURRENT")
    run = canary(target, keep_previous=keep)
    assert told(run) == ("updated", first, "AWSCURRENT")
    assert live(target) == pem(issued[0])
    assert told(canary(target, keep_previous=keep)) == ("unchanged", first, "AWSCURRENT")


def test_the_guards_compare_with_what_was_current(
    target: SyncTarget, candidates: Candidates, intermediate: CertificateAuthority, issued: list[IssuedCertificate]
) -> None:
    both = intermediate.issue(["www.example.com", "api.example.com"])
    first = candidates.current(both)
    canary(target)
    # A candidate that lacks a name is refused, and what is served stays.
    candidates.staged(issued[0])
    run = canary(target)
    assert run.failed
    assert told(run)[::2] == ("refused", LABEL)
    assert problem_codes(run) == {"web/a": ["san_dropped"]}
    assert live(target) == pem(both)
    # One that has a name more is taken, and one after it without that name again, too.
    more = intermediate.issue(["www.example.com", "api.example.com", "more.example.com"])
    for candidate in (more, intermediate.issue(["www.example.com", "api.example.com"])):
        version = candidates.staged(candidate)
        assert told(canary(target)) == ("updated", version, LABEL)
    # What becomes current meanwhile is a renewal of what was current before.
    candidates.current(issued[1])
    run = canary(target)
    assert run.failed
    assert problem_codes(run) == {"web/a": ["san_dropped"]}
    third = candidates.current(intermediate.issue(["www.example.com", "api.example.com"]))
    assert told(canary(target)) == ("updated", third, "AWSCURRENT")
    assert first != third


def test_superseded(target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    candidates.current(issued[0])
    second = candidates.staged(issued[1])
    assert told(canary(target)) == ("created", second, LABEL)
    third = candidates.current(issued[2])
    assert told(canary(target)) == ("updated", third, "AWSCURRENT")
    assert candidates.labels()[second][0] == LABEL, "the label is there still, and pins nobody"


def test_a_second_candidate(target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    candidates.current(issued[0])
    for candidate in (issued[1], issued[2], issued[1]):
        version = candidates.staged(candidate)
        assert told(canary(target))[1:] == (version, LABEL)
        assert live(target) == pem(candidate)


def test_one_that_must_not_be_served(
    target: SyncTarget, candidates: Candidates, intermediate: CertificateAuthority, issued: list[IssuedCertificate]
) -> None:
    """The others go on, and the way it is on_invalid."""
    now = datetime.datetime.now(datetime.timezone.utc)
    old = intermediate.issue("www.example.com", not_before=now - datetime.timedelta(days=9), not_after=now)
    first = candidates.current(issued[0])
    candidates.current(issued[0], "web/b")
    canary(target, names=["web/a", "web/b"])
    value = json.dumps(old.secret_document())
    client = candidates.aws.client()
    client.put_secret_value(SecretId="web/a", SecretString=value, VersionStages=[LABEL, on(first)])
    other = candidates.staged(issued[1], "web/b")
    for options, failed in (({}, True), ({"on_invalid": "skip"}, False)):
        run = canary(target, names=["web/a", "web/b"], **options)
        assert run.failed == failed
        items = {item["name"]: item for item in run.result["certificates"]}
        assert items["web/a"]["action"] == "refused"
        assert (items["web/b"]["version_id"], items["web/b"]["label"]) == (other, LABEL)
    assert live(target) == pem(issued[0])


def test_a_new_canary_serves_what_is_current_while_the_candidate_is_refused(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    first = candidates.current(issued[0])
    document = {**issued[1].secret_document(), "private_key": "none"}
    bad = candidates.aws.client().put_secret_value(
        SecretId="web/a", SecretString=json.dumps(document), VersionStages=[LABEL, on(first)]
    )["VersionId"]
    for check in (True, False):
        run = canary(target, check=check)
        assert run.failed
        assert told(run) == ("created", first, "AWSCURRENT")
        assert f"The candidate (version {bad}, label {LABEL}) is passed over" in run.result["msg"]
    assert live(target) == pem(issued[0])
    run = canary(target)
    assert told(run) == ("refused", bad, LABEL)
    assert live(target) == pem(issued[0])
    move(candidates, "withdrawn", bad)
    run = canary(target)
    assert not run.failed, run.result["msg"]
    assert told(run) == ("unchanged", first, "AWSCURRENT")
    assert problem_codes(run) == {}


def test_an_empty_one_is_passed_over(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    """As a rotation begins, and perhaps ends: the next label counts."""
    first = candidates.current(issued[0])
    client = candidates.aws.client()
    client.put_secret_value(SecretId="web/a", SecretString=" ", VersionStages=["AWSPENDING"])
    for action in ("created", "unchanged"):
        run = canary(target, **PENDING)
        assert not run.failed, run.result["msg"]
        assert told(run) == (action, first, "AWSCURRENT")
        assert "holds no value" in warnings(run)
        assert problem_codes(run) == {"web/a": ["candidate_empty"]}
    empty = next(version for version, labels in candidates.labels().items() if "AWSPENDING" in labels)
    move(candidates, "withdrawn", empty, label="AWSPENDING")
    assert problem_codes(canary(target, **PENDING)) == {}  # nothing is left of it
    client.put_secret_value(SecretId="web/a", SecretString=" ", VersionStages=["AWSPENDING"])
    # The next one in the list may be a candidate, too.
    second = candidates.staged(issued[1])
    run = canary(target, labels=["AWSPENDING", LABEL, "AWSCURRENT"])
    assert told(run) == ("updated", second, LABEL)
    pending = client.put_secret_value(
        SecretId="web/a", SecretString=json.dumps(issued[2].secret_document()), VersionStages=["AWSPENDING"]
    )["VersionId"]
    run = canary(target, labels=["AWSPENDING", LABEL, "AWSCURRENT"])
    assert told(run) == ("updated", pending, "AWSPENDING")
    assert problem_codes(run) == {}


def test_a_label_left_behind_on_an_old_version(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    """Nobody has noted its base, and it is so old that AWS has no other label for it: its age tells."""
    client = candidates.aws.client()
    candidates.current(issued[0])
    left = client.put_secret_value(
        SecretId="web/a", SecretString=json.dumps(issued[2].secret_document()), VersionStages=["AWSPENDING"]
    )["VersionId"]
    candidates.current(issued[1])
    current = candidates.current(issued[0])

    def created(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        return {**reply, "CreatedDate": 1_000_000_000} if reply.get("VersionId") == left else reply

    candidates.faults.change("GetSecretValue", created)
    run = canary(target, **PENDING)
    assert told(run) == ("created", current, "AWSCURRENT")
    assert problem_codes(run) == {"web/a": ["candidate_outdated"]}
    assert "left the label behind" in warnings(run)


def test_a_base_that_never_was(target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    first = candidates.current(issued[0])
    client = candidates.aws.client()
    value = json.dumps(issued[1].secret_document())
    client.put_secret_value(SecretId="web/a", SecretString=value, VersionStages=[LABEL, on("0" * 32)])
    assert told(canary(target)) == ("created", first, "AWSCURRENT")


def lag(candidates: Candidates) -> t.Callable[[], None]:
    """From the call of what is returned on, listings tell what is true now."""
    listed = candidates.aws.client().list_secrets()["SecretList"]
    old = {each["Name"]: each["SecretVersionsToStages"] for each in listed}

    def change(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        found = [{**each, "SecretVersionsToStages": old[each["Name"]]} for each in reply["SecretList"]]
        return {**reply, "SecretList": found}

    def begin() -> None:
        candidates.faults.change("ListSecrets", change)

    return begin


def test_a_listing_that_does_not_know_of_the_candidate_yet(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    """One listing told of it, and the next one, of another server, does not: the host does not go back and forth."""
    candidates.current(issued[0])
    begin = lag(candidates)
    second = candidates.staged(issued[1])
    assert told(canary(target)) == ("created", second, LABEL)
    begin()
    run = canary(target)
    assert told(run) == ("unchanged", second, LABEL)
    assert run.result["api_calls"] == {"ListSecrets": 1, "GetSecretValue": 1}
    # Really withdrawn: it goes back at once.
    candidates.faults.heal()
    move(candidates, "withdrawn", second)
    begin()
    assert told(canary(target))[::2] == ("updated", "AWSCURRENT")


def test_a_listing_that_knows_of_an_older_candidate(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    candidates.current(issued[0])
    candidates.staged(issued[1])
    begin = lag(candidates)
    third = candidates.staged(issued[2])
    assert told(canary(target)) == ("created", third, LABEL)
    begin()
    assert told(canary(target)) == ("unchanged", third, LABEL)


def test_a_listing_that_does_not_know_of_the_promotion(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    first = candidates.current(issued[0])
    old = lag(candidates)
    second = candidates.staged(issued[1])
    canary(target)
    move(candidates, "promoted", second)
    old()
    assert told(canary(target)) == ("unchanged", second, "AWSCURRENT")
    assert live(target) == pem(issued[1])
    candidates.faults.heal()
    assert told(canary(target)) == ("unchanged", second, "AWSCURRENT")
    assert first != second


def test_a_listing_that_tells_of_a_candidate_that_is_gone(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    """Withdrawn, and superseded, since: the version itself says so."""
    first = candidates.current(issued[0])
    second = candidates.staged(issued[1])
    begin = lag(candidates)
    move(candidates, "withdrawn", second)
    begin()
    assert told(canary(target)) == ("created", first, "AWSCURRENT")
    candidates.faults.heal()
    third = candidates.staged(issued[1])
    begin = lag(candidates)
    move(candidates, "promoted", third)
    begin()
    assert told(canary(target)) == ("updated", third, "AWSCURRENT")


def test_denied_and_throttled(target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    """Who cannot read a candidate does not take another certificate for it."""
    candidates.current(issued[0])
    canary(target)
    candidates.staged(issued[1])
    candidates.faults.fail("GetSecretValue", "AccessDeniedException")
    run = canary(target)
    assert run.failed
    assert problem_codes(run) == {"web/a": ["secret_access_denied"]}
    assert live(target) == pem(issued[0])


def test_many_at_once_by_tags_and_pruned(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    """One listing, one batch of what is current, one request for each candidate. Candidates are what is found, too."""
    names = [f"web/{number:02}" for number in range(24)]
    for name in names:
        candidates.aws.put_secret(name, issued[0].secret_document(), {"team": "web"})
    staged = {name: candidates.staged(issued[1], name) for name in names[::8]}
    options = {"names": None, "tags": {"team": "web"}, "prune": True}
    run = canary(target, **options)
    assert run.result["api_calls"] == {"ListSecrets": 1, "BatchGetSecretValue": 2, "GetSecretValue": 3}
    labels = {item["name"]: item["label"] for item in run.result["certificates"]}
    assert {name for name, label in labels.items() if label == LABEL} == set(staged)
    candidates.aws.client().delete_secret(SecretId=names[0], ForceDeleteWithoutRecovery=True)
    run = canary(target, **options)
    assert [item["name"] for item in run.result["certificates"] if item["action"] == "removed"] == [names[0]]
    assert len(target.live_files()) == 23


def test_by_its_arn(target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    candidates.current(issued[0])
    arn = candidates.aws.client().describe_secret(SecretId="web/a")["ARN"]
    version = candidates.staged(issued[1])
    assert told(canary(target, names=[arn])) == ("created", version, LABEL)
    assert told(canary(target, names=[arn])) == ("unchanged", version, LABEL)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "labels: an empty list does not end with AWSCURRENT"),
        ([LABEL], f"labels: {LABEL} does not end with AWSCURRENT"),
        (["AWSCURRENT", LABEL], "does not end with AWSCURRENT. It comes last"),
        (["AWSPREVIOUS", "AWSCURRENT"], "labels: AWSPREVIOUS is no label for a candidate"),
        (["", "AWSCURRENT"], "labels: a label is empty"),
        (["A-ON-b", "AWSCURRENT"], "must not hold -ON-"),
    ],
)
def test_labels_that_no_host_can_have(target: SyncTarget, labels: list[str], reason: str) -> None:
    run = canary(target, labels=labels)
    assert run.failed
    assert reason in run.result["msg"]


def test_labels_that_nobody_uses(target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    first = candidates.current(issued[0])
    candidates.staged(issued[1])
    labels = ["candidate", "OTHER", "OTHER", "AWSCURRENT"]
    assert told(canary(target, labels=labels)) == ("created", first, "AWSCURRENT")


def test_a_host_that_is_no_canary_any_more(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    first = candidates.current(issued[0])
    candidates.staged(issued[1])
    canary(target)
    assert told(target.sync(names=["web/a"])) == ("updated", first, "AWSCURRENT")
    assert live(target) == pem(issued[0])


def test_from_the_controller_and_by_the_lookup(
    candidates: Candidates, issued: list[IssuedCertificate], tmp_path: pathlib.Path
) -> None:
    """The controller reads a candidate once for all hosts that are canaries; its lookup knows labels, too."""
    candidates.current(issued[0])
    candidates.current(issued[0], "web/b")
    begin = lag(candidates)
    version = candidates.staged(issued[1])
    arn = candidates.aws.client().describe_secret(SecretId="web/a")["ARN"]
    sync = {
        "source": "controller",
        "names": ["web/a", arn, "web/b"],
        "path": str(tmp_path / "{{ inventory_hostname }}"),
    }
    query = "query('certops.rotation.certificate_secret', 'web/a', 'web/b', 'gone', labels=labels, on_missing='skip')"
    facts = f"{query} | map(attribute='label') | list"
    tasks: list[dict[str, t.Any]] = [
        {"certops.rotation.certificate_sync": {**sync, **CANARY}},
        {"ansible.builtin.assert": {"that": f"{facts} == ['{LABEL}', 'AWSCURRENT']"}, "vars": CANARY},
        {"ansible.builtin.assert": {"that": f"{facts} == ['AWSCURRENT'] * 2"}, "vars": {"labels": ["AWSCURRENT"]}},
    ]

    def run() -> dict[str, t.Any]:
        candidates.faults.requests.clear()
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        done = run_playbook({}, playbook=play, hosts=["lb0", "lb1"], env=candidates.faults.env)
        assert done.returncode == 0, done.output
        told = [
            {item["name"]: (item["action"], item["label"]) for item in each.result["certificates"]}
            for each in done.of("certificate_sync")
        ]
        assert told[0] == told[1]
        return told[0]

    assert run() == {"web/a": ("created", LABEL), "web/b": ("created", "AWSCURRENT")}
    reads = [each.body for each in candidates.faults.requests if each.operation == "GetSecretValue"]
    assert [body["VersionId"] for body in reads[:1]] == [version]
    assert {(tmp_path / host / "web_a.pem").read_bytes() for host in ("lb0", "lb1")} == {pem(issued[1])}
    # What the lookups of two hosts read is theirs; the hosts' certificates are not read again.
    assert run() == {"web/a": ("unchanged", LABEL), "web/b": ("unchanged", "AWSCURRENT")}
    tasks[1:] = []
    # A listing that does not know of the candidate yet sends nobody back, and costs one call for all hosts.
    begin()
    assert run() == {"web/a": ("unchanged", LABEL), "web/b": ("unchanged", "AWSCURRENT")}
    reads = [each.body for each in candidates.faults.requests if each.operation == "GetSecretValue"]
    assert [body["VersionId"] for body in reads] == [version]
    candidates.faults.heal()
    candidates.aws.client().put_secret_value(SecretId="web/a", SecretString=" ", VersionStages=[LABEL])
    assert run() == {"web/a": ("updated", "AWSCURRENT"), "web/b": ("unchanged", "AWSCURRENT")}
    assert {(tmp_path / host / "web_a.pem").read_bytes() for host in ("lb0", "lb1")} == {pem(issued[0])}


def test_status_tells_of_a_candidate(
    target: SyncTarget, candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    candidates.current(issued[0])
    version = candidates.staged(issued[1])
    canary(target)

    def layer() -> tuple[str, str]:
        run = target.module("rotation_status_info", check_source=True)
        assert not run.failed, run.result["msg"]
        (item,) = run.result["certificates"]
        return item["layers"]["source"], json.dumps(run.result["problems"])

    assert layer()[0] == "ok"
    move(candidates, "withdrawn", version)
    state, problems = layer()
    assert state == "differs"
    assert f"no longer the candidate with the label {LABEL}" in problems
    again = candidates.staged(issued[1])
    canary(target)
    move(candidates, "promoted", again)
    assert layer()[0] == "ok"
