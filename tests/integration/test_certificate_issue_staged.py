# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue with a label: what a real ACME server has issued waits beside what is served for its promotion."""

from __future__ import annotations

import datetime
import json
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_scene import BUCKET, Scene, actions, items, pebble_for
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from cryptography import x509
from cryptography.hazmat.primitives import hashes

NAMES = ["www.example.com", "b.example.com"]
STAGED: t.Final = {"stage": "CANDIDATE"}


@pytest.fixture(scope="module")
def ca(issuing_aws: AwsWithDns) -> t.Iterator[Pebble]:
    with pebble_for(issuing_aws) as pebble:
        yield pebble


@pytest.fixture
def scene(issuing_aws: AwsWithDns, issuing: ModuleServer, ca: Pebble) -> t.Iterator[Scene]:
    """Two certificates that are current, in all stores."""
    made = Scene(issuing_aws, issuing, ca)
    made.begin()
    first = good(made.issue(NAMES, **STAGED))
    assert actions(first) == dict.fromkeys(NAMES, "issued"), "nothing is served that they could wait beside"
    yield made
    made.assert_clean()


def good(run: ModuleRun) -> ModuleRun:
    assert not run.failed, run.result["msg"]
    return run


def orders(scene: Scene) -> int:
    return int(scene.ca.counts()["orders"])


def labels(scene: Scene, name: str) -> dict[str, list[str]]:
    """Of versions that have any."""
    found = scene.aws.client().describe_secret(SecretId=name)["VersionIdsToStages"]
    return {version: sorted(labels) for version, labels in found.items() if labels}


def holder(scene: Scene, name: str, label: str) -> str:
    (version,) = [version for version, found in labels(scene, name).items() if label in found]
    return version


def promote(scene: Scene, name: str) -> None:
    """As certificate_candidate does."""
    client, before = scene.aws.client(), holder(scene, name, "AWSCURRENT")
    candidate = holder(scene, name, "CANDIDATE")
    client.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=candidate, RemoveFromVersionId=before
    )
    withdraw(scene, name, candidate, before)


def withdraw(scene: Scene, name: str, candidate: str, base: str) -> None:
    for label in ("CANDIDATE", f"CANDIDATE-ON-{base}"):
        scene.aws.client().update_secret_version_stage(SecretId=name, VersionStage=label, RemoveFromVersionId=candidate)


def in_s3(scene: Scene, name: str) -> str:
    body = scene.aws.client("s3").get_object(Bucket=BUCKET, Key=f"certs/{name}/cert.pem")["Body"].read()
    return x509.load_pem_x509_certificate(body).fingerprint(hashes.SHA256()).hex()


def test_from_the_order_to_the_stores(scene: Scene) -> None:
    before = {name: scene.secret(name) for name in NAMES}
    served = {name: in_s3(scene, name) for name in NAMES}
    predicted = good(scene.issue(NAMES, check=True, force=True, **STAGED))
    assert actions(predicted) == dict.fromkeys(NAMES, "staged")
    assert items(predicted)[NAMES[0]]["stores"] == {"secrets_manager": "staged", "acm": "current", "s3": "current"}

    staged = good(scene.issue(NAMES, force=True, **STAGED))
    assert actions(staged) == actions(predicted)
    assert {name: item["stores"] for name, item in items(staged).items()} == {
        name: item["stores"] for name, item in items(predicted).items()
    }
    assert {name: scene.secret(name) for name in NAMES} == before
    assert {name: in_s3(scene, name) for name in NAMES} == served
    for name, item in items(staged).items():
        current = holder(scene, name, "AWSCURRENT")
        assert item["version_id"] == current
        assert labels(scene, name)[item["candidate"]["version_id"]] == sorted(["CANDIDATE", f"CANDIDATE-ON-{current}"])
    ordered = orders(scene)

    # It is due by its days, and nothing is ordered as long as the next one waits.
    due = {"renew_before_days": 80, **STAGED}
    scene.aws.forget()
    again = good(scene.issue(NAMES, **due))
    assert actions(again) == dict.fromkeys(NAMES, "unchanged"), "a threshold of half of its life at most"
    wanted = [{"domains": [name, f"more.{name}"], "name": name} for name in NAMES]
    other = good(scene.issue(wanted, **STAGED))
    assert actions(other) == dict.fromkeys(NAMES, "staged"), "other names are wanted by now"
    assert orders(scene) == ordered + 2
    third = good(scene.issue(wanted, **STAGED))
    assert actions(third) == dict.fromkeys(NAMES, "held")
    assert not third.result["changed"]
    assert orders(scene) == ordered + 2
    candidates = {name: item["candidate"] for name, item in items(third).items()}
    assert candidates == {name: item["candidate"] for name, item in items(other).items()}
    assert [len(found) for found in (labels(scene, name) for name in NAMES)] == [2, 2], "old bases are gone"

    promote(scene, NAMES[0])
    filled = good(scene.issue(wanted, **STAGED))
    assert actions(filled) == {NAMES[0]: "stored", NAMES[1]: "held"}
    assert in_s3(scene, NAMES[0]) == candidates[NAMES[0]]["fingerprint_sha256"]
    assert in_s3(scene, NAMES[1]) == served[NAMES[1]]
    assert orders(scene) == ordered + 2


def test_a_withdrawn_one_waits_for_a_day_or_for_somebody(scene: Scene) -> None:
    wanted = [{"domains": [name, f"more.{name}"], "name": name} for name in NAMES]
    good(scene.issue(wanted, **STAGED))
    name, ordered = NAMES[0], orders(scene)
    withdraw(scene, name, holder(scene, name, "CANDIDATE"), holder(scene, name, "AWSCURRENT"))
    for _run in range(2):
        run = good(scene.issue(wanted, **STAGED))
        item = items(run)[name]
        assert (item["action"], item["candidate"]) == ("held", None)
        assert "staged and withdrawn" in item["reason"]
        assert item["held_until"] is not None
        assert orders(scene) == ordered
    assert actions(good(scene.issue(wanted[:1], force=True, **STAGED))) == {name: "staged"}


def test_somebody_stores_another_current_one_meanwhile(scene: Scene) -> None:
    wanted = [{"domains": [NAMES[0], "more.example.com"], "name": NAMES[0]}]
    good(scene.issue(wanted, **STAGED))
    other = pki.CertificateAuthority().issue(NAMES[0])
    scene.aws.put_secret(NAMES[0], document(other))
    run = good(scene.issue(wanted, **STAGED))
    assert actions(run) == {NAMES[0]: "staged"}, "the one that waited was for another current one"
    current = holder(scene, NAMES[0], "AWSCURRENT")
    assert labels(scene, NAMES[0])[holder(scene, NAMES[0], "CANDIDATE")] == ["CANDIDATE", f"CANDIDATE-ON-{current}"]


def test_it_becomes_current_unproven_when_the_current_one_has_ended(scene: Scene) -> None:
    """Nothing is left to be lost. The first one waits, the second one is ordered."""
    authority, ordered = pki.CertificateAuthority(), orders(scene)
    waiting = {}
    for name in NAMES:
        old = authority.issue(name, not_before=days(-90), not_after=days(-1))
        base = scene.aws.put_secret(name, document(old))
        if name == NAMES[0]:
            new = authority.issue(name)
            waiting[name] = new.fingerprint_sha256
            scene.aws.client().put_secret_value(
                SecretId=name,
                SecretString=json.dumps(document(new)),
                VersionStages=["CANDIDATE", f"CANDIDATE-ON-{base}"],
            )
    run = good(scene.issue(NAMES, **STAGED))
    assert actions(run) == {NAMES[0]: "renewed", NAMES[1]: "issued"}
    assert orders(scene) == ordered + 1
    for name in NAMES:
        item = items(run)[name]
        assert item["candidate"] is None
        assert in_s3(scene, name) == item["fingerprint_sha256"] == waiting.get(name, item["fingerprint_sha256"])
        assert labels(scene, name)[item["version_id"]] == ["AWSCURRENT"]
    assert not good(scene.issue(NAMES, **STAGED)).result["changed"]


def days(count: int) -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=count)


def document(issued: pki.IssuedCertificate) -> dict[str, str]:
    return {
        "certificate": issued.certificate_pem,
        "private_key": issued.private_key_pem,
        "certificate_chain": issued.chain_pem,
    }


def test_what_an_order_of_a_killed_run_gave_is_staged_once(scene: Scene) -> None:
    wanted = [{"domains": [NAMES[0], "more.example.com"], "name": NAMES[0]}]
    scene.aws.fail("PutSecretValue", "InternalServiceError", status=500, containing=f'"{NAMES[0]}"', late=True)
    scene.aws.fail("PutSecretValue", "AccessDeniedException", containing="CANDIDATE")
    failed = scene.issue(wanted, **STAGED)
    assert failed.failed
    assert "without another order" in failed.result["msg"]
    scene.aws.forget()
    ordered = orders(scene)
    resumed = good(scene.issue(wanted, **STAGED))
    assert actions(resumed) == {NAMES[0]: "staged"}
    assert orders(scene) == ordered
    assert actions(good(scene.issue(wanted, **STAGED))) == {NAMES[0]: "held"}


@pytest.mark.parametrize("label", ["", "AWSPREVIOUS", "AWSCURRENT-2", "X-ON-Y"])
def test_a_label_that_is_none_is_named(issuing_aws: AwsWithDns, issuing: ModuleServer, ca: Pebble, label: str) -> None:
    run = Scene(issuing_aws, issuing, ca).issue(NAMES, stage=label)
    assert run.failed
    assert "stage" in run.result["msg"]
