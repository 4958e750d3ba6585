# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret with a label of its own: a candidate beside what is current, in one request."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.candidates import LABEL, Candidates, on
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.sync import warnings


@pytest.fixture
def issued(intermediate: CertificateAuthority) -> list[IssuedCertificate]:
    return [intermediate.issue("www.example.com") for _number in range(4)]


def test_check_run_check_run(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    first = candidates.current(issued[0])
    before = candidates.labels()
    check = candidates.stage(issued[1], check=True)
    assert candidates.labels() == before
    run = candidates.stage(issued[1])
    second = run.result["version_id"]
    assert candidates.labels() == {first: ["AWSCURRENT"], second: [LABEL, on(first)]}
    assert run.result["changes"] == ["PutSecretValue"]
    for each in (check, run):
        told = {name: each.result[name] for name in ("changed", "version_id", "stage", "base_version_id", "action")}
        assert told == {
            "changed": True,
            "version_id": second,
            "stage": LABEL,
            "base_version_id": first,
            "action": "updated",
        }
    assert check.result["diff"] == run.result["diff"]
    assert run.result["diff"]["after"]["fingerprint_sha256"] == issued[1].fingerprint_sha256
    for is_check in (True, False):
        again = candidates.stage(issued[1], check=is_check)
        assert (again.result["changed"], again.result["action"]) == (False, "unchanged")
        assert (again.result["version_id"], again.result["base_version_id"]) == (second, first)
    assert candidates.labels() == {first: ["AWSCURRENT"], second: [LABEL, on(first)]}
    value = candidates.aws.client().get_secret_value(SecretId=candidates.name, VersionId=second)
    assert json.loads(value["SecretString"])["certificate"] == issued[1].certificate_pem


def test_what_is_current_is_no_candidate(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    first = candidates.current(issued[0])
    run = candidates.stage(issued[0])
    assert not run.result["changed"]
    assert (run.result["version_id"], run.result["stage"], run.result["base_version_id"]) == (first, "AWSCURRENT", None)
    assert candidates.labels() == {first: ["AWSCURRENT"]}


def test_a_second_candidate_takes_the_place_of_the_first(
    candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    first, second = candidates.current(issued[0]), candidates.staged(issued[1])
    third = candidates.staged(issued[2])
    assert candidates.labels() == {first: ["AWSCURRENT"], third: [LABEL, on(first)]}
    # And the first one again: what was a candidate before is one of today.
    run = candidates.stage(issued[1])
    assert run.result["version_id"] not in (second, third)
    assert candidates.labels() == {first: ["AWSCURRENT"], run.result["version_id"]: [LABEL, on(first)]}
    assert not candidates.stage(issued[1]).result["changed"]


def test_superseded_and_staged_anew(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    first, second = candidates.current(issued[0]), candidates.staged(issued[1])
    third = candidates.current(issued[2])
    assert candidates.labels() == {first: ["AWSPREVIOUS"], second: [LABEL, on(first)], third: ["AWSCURRENT"]}
    run = candidates.stage(issued[1])
    fourth = run.result["version_id"]
    assert run.result["changes"] == ["PutSecretValue", "UpdateSecretVersionStage"]
    assert candidates.labels() == {first: ["AWSPREVIOUS"], third: ["AWSCURRENT"], fourth: [LABEL, on(third)]}


def test_back_to_what_was_current_before(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    """As a candidate it is a version of its own: what has been current before is none."""
    first = candidates.current(issued[0])
    second = candidates.current(issued[1])
    third = candidates.staged(issued[0])
    assert candidates.labels() == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"], third: [LABEL, on(second)]}


def test_bases_do_not_pile_up(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    """AWS takes 20 labels of all versions of a secret: here 16 of them are somebody else's."""
    candidates.current(issued[0])
    client = candidates.aws.client()
    for number in range(15):
        client.put_secret_value(SecretId=candidates.name, SecretString="x", VersionStages=[f"OTHER-{number}"])
    for number in range(4):
        candidate = candidates.staged(issued[2 + number % 2])
        current = candidates.current(issued[1 - number % 2])
        labels = candidates.labels()
        assert LABEL in labels[candidate]
        assert sum(map(len, labels.values())) <= 20
        assert on(current) not in labels[candidate]


def test_a_label_that_cannot_be_tidied_away_is_a_warning(
    candidates: Candidates, issued: list[IssuedCertificate]
) -> None:
    candidates.current(issued[0])
    candidates.staged(issued[1])
    current = candidates.current(issued[2])
    candidates.faults.fail("UpdateSecretVersionStage", "AccessDeniedException")
    run = candidates.stage(issued[1])
    assert not run.failed
    assert "A label that an earlier candidate has left was not removed" in warnings(run)
    assert candidates.labels()[run.result["version_id"]] == [LABEL, on(current)]


def test_what_the_document_has_beside_stays(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    document = {**issued[0].secret_document(), "team": "shop"}
    candidates.aws.put_secret(candidates.name, document)
    version = candidates.staged(issued[1])
    value = candidates.aws.client().get_secret_value(SecretId=candidates.name, VersionId=version)["SecretString"]
    assert json.loads(value)["team"] == "shop"
    assert not candidates.stage(issued[1]).result["changed"]


def test_of_another_tool(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    """Put there without a base, and with a version id of its own: the same certificate is the same candidate."""
    first = candidates.current(issued[0])
    client = candidates.aws.client()
    same = {"SecretString": json.dumps(json.loads(current_value(candidates, first)) | certificate_of(issued[1]))}
    version = client.put_secret_value(SecretId=candidates.name, VersionStages=["AWSPENDING"], **same)["VersionId"]
    run = candidates.stage(issued[1], stage="AWSPENDING")
    assert (run.result["changed"], run.result["version_id"]) == (False, version)


def current_value(candidates: Candidates, version: str) -> str:
    return str(candidates.aws.client().get_secret_value(SecretId=candidates.name, VersionId=version)["SecretString"])


def certificate_of(issued: IssuedCertificate) -> dict[str, t.Any]:
    return {
        "certificate": issued.certificate_pem,
        "certificate_chain": issued.chain_pem,
        "private_key": issued.private_key_pem,
    }


def test_the_first_version_is_current(candidates: Candidates, issued: list[IssuedCertificate]) -> None:
    run = candidates.stage(issued[0])
    assert run.result["changes"] == ["CreateSecret", "PutSecretValue"]
    assert candidates.labels() == {run.result["version_id"]: ["AWSCURRENT", LABEL]}
    assert not candidates.stage(issued[0]).result["changed"]


@pytest.mark.parametrize("stage", ["AWSPREVIOUS", "awspending", "", "A-ON-b", "x" * 200])
def test_labels_that_cannot_be(candidates: Candidates, issued: list[IssuedCertificate], stage: str) -> None:
    candidates.current(issued[0])
    run = candidates.stage(issued[1], stage=stage)
    assert run.failed
    assert run.result["msg"].startswith("stage: ")
    assert len(candidates.labels()) == 1
