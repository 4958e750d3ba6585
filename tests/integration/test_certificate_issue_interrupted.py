# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue ended at any point: nothing issued is lost, nothing is issued twice, and the DNS is clean again."""

from __future__ import annotations

import signal
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_interruption import (
    InterruptedIssue,
    IssueInterruptions,
    Point,
)
from ansible_collections.certops.rotation.tests.support.issuing_scene import (
    BUCKET,
    FOREIGN,
    PROGRAM,
    Scene,
    actions,
    items,
    pebble_for,
)
from ansible_collections.certops.rotation.tests.support.module import ModuleRun

# The base of the second one has a value of somebody else.
WANTED: t.Final = [["a.example.com", "b.a.example.com"], ["example.com", "*.example.com"]]
NAMES: t.Final = ("a.example.com", "example.com")
KILLS: t.Final = 50
TERMS: t.Final = 8


@pytest.fixture(scope="module")
def ca(issuing_aws: AwsWithDns) -> t.Iterator[AcmeFaults]:
    with pebble_for(issuing_aws) as pebble, AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


@pytest.fixture(scope="module")
def interruptions() -> t.Iterator[IssueInterruptions]:
    made = IssueInterruptions()
    yield made
    made.close()


@pytest.fixture
def scene(issuing_aws: AwsWithDns, issuing: ModuleServer, ca: AcmeFaults) -> Scene:
    made = Scene(issuing_aws, issuing, ca)
    anew(made)
    return made


def anew(scene: Scene) -> None:
    """Nothing was ever issued, but there is an account."""
    account = scene.aws.client().list_secrets()["SecretList"]
    kept = [
        (secret["Name"], scene.aws.client().get_secret_value(SecretId=secret["Name"])["SecretString"])
        for secret in account
        if secret["Name"] == scene.issuer()["account_secret"]
    ]
    scene.begin()
    for name, text in kept:
        scene.aws.put_secret(name, text)
    scene.ca.heal()


def run(
    scene: Scene, interruptions: IssueInterruptions, at: int | None = None, name: str = "SIGKILL"
) -> InterruptedIssue:
    return interruptions.run(scene.args(WANTED), scene.aws.env, at=at, name=name)


def spread(points: t.Sequence[Point], count: int) -> list[int]:
    """Numbers of that many points: one before and after each kind of request, the others evenly over the run.

    How many requests there are may differ a bit from run to run, so the last ones are left out.
    """
    usable = points[:-4]
    kinds = {(point.step, point.request): point.number for point in reversed(usable)}
    chosen = dict.fromkeys(sorted(kinds.values())[:: max(1, -(-len(kinds) // count))])
    step = max(1, len(usable) // count)
    for start in range(step):
        for point in usable[start::step]:
            if len(chosen) < count:
                chosen[point.number] = None
    return sorted(chosen)


def assert_finished(scene: Scene, done: ModuleRun, where: object) -> None:
    """The next run has made everything right."""
    assert not done.failed, f"{where}: {done.result['msg']}"
    counts = scene.ca.counts()
    assert counts["finalize"] == len(WANTED), f"{where}: issued {counts['finalize']} times"
    assert counts["newOrder"] <= 2 * len(WANTED), where
    assert scene.aws.txt(scene.zone) == FOREIGN, where
    assert scene.journal() == [], where
    assert '"key"' not in scene.labelled_journal(), where
    in_acm = {
        scene.aws.client("acm").get_certificate(CertificateArn=entry["CertificateArn"])["Certificate"].strip()
        for entry in scene.aws.client("acm").list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})[
            "CertificateSummaryList"
        ]
    }
    stored = {name: scene.secret(name)["certificate"].strip() for name in NAMES}
    assert in_acm == set(stored.values()), where
    for name, pem in stored.items():
        held = scene.aws.client("s3").get_object(Bucket=BUCKET, Key=f"certs/{name}/cert.pem")["Body"].read().decode()
        assert held.strip() == pem, where


def test_killed_anywhere_and_finished_by_the_next_run(scene: Scene, interruptions: IssueInterruptions) -> None:
    run(scene, interruptions)  # registers the account
    anew(scene)
    points = run(scene, interruptions).points
    places = spread(points, KILLS)
    assert len(places) >= KILLS
    killed: list[Point] = []
    for turn, place in enumerate(places):
        anew(scene)
        ended = run(scene, interruptions, at=place)
        assert ended.returncode == -signal.SIGKILL, f"{place}: {ended.output}"
        killed += ended.signalled
        where = ended.signalled
        if turn % 10 == 9:  # and once more
            run(scene, interruptions, at=len(points) // 2)
        assert_finished(scene, scene.issue(WANTED), where)
        if turn % 10 == 0:
            assert not scene.issue(WANTED).result["changed"], where
    assert len(killed) == len(places)
    requests = {point.request for point in killed}
    assert {"CreateSecret", "PutSecretValue", "ImportCertificate"} <= requests
    assert len(requests) >= 10, requests


def test_asked_to_end_anywhere_and_clean_at_once(scene: Scene, interruptions: IssueInterruptions) -> None:
    """SIGTERM and SIGHUP: the DNS is clean and the journal is true when the process has ended."""
    run(scene, interruptions)
    anew(scene)
    points = run(scene, interruptions).points
    for turn, place in enumerate(spread(points, TERMS)):
        anew(scene)
        ended = run(scene, interruptions, at=place, name=("SIGTERM", "SIGHUP")[turn % 2])
        assert ended.returncode >= 0, f"{place}: {ended.output}"
        assert scene.aws.txt(scene.zone) == FOREIGN, ended.signalled
        if ended.told.failed:
            assert "came, so the run ended" in ended.told.result["msg"], ended.output
        assert_finished(scene, scene.issue(WANTED), ended.signalled)


def test_values_of_a_killed_run_are_removed_by_one_with_nothing_else_to_do(
    scene: Scene, interruptions: IssueInterruptions
) -> None:
    """The order that it leaves belongs to another certificate, and waits for that one's next run."""
    scene.issue(["quiet.example.com"])
    points = run(scene, interruptions).points
    shown = next(point.number for point in points if point.request == "POST chalZ")
    anew(scene)
    scene.issue(["quiet.example.com"])
    run(scene, interruptions, at=shown)
    assert scene.aws.txt(scene.zone) != FOREIGN
    quiet = scene.issue(["quiet.example.com"])
    assert not quiet.failed
    assert not quiet.result["changed"]
    assert scene.aws.txt(scene.zone) == FOREIGN


def test_the_time_limit_ends_a_run_and_the_next_one_finishes(scene: Scene) -> None:
    scene.ca.processing(1000)
    ended = scene.issue(WANTED, timeout=6)
    assert ended.failed
    assert "option timeout" in ended.result["msg"]
    assert scene.aws.txt(scene.zone) == FOREIGN
    finalized = scene.ca.counts()["finalize"]
    assert finalized == len(WANTED)
    scene.ca.heal()
    done = scene.issue(WANTED)
    assert not done.failed, done.result["msg"]
    assert set(actions(done).values()) == {"resumed"}
    assert "finalize" not in scene.ca.counts()
    assert "newOrder" not in scene.ca.counts()


def test_of_two_runs_at_once_one_issues(scene: Scene) -> None:
    """The other one stops before it does harm, and says why; or finds all of it done."""
    other = ModuleServer(PROGRAM)
    try:
        runs: list[ModuleRun] = []
        scene.ca.slow("newOrder", 1.0)

        def second() -> None:
            runs.append(other.run("certificate_issue", scene.args(WANTED), env=scene.aws.env))

        thread = threading.Thread(target=second)
        thread.start()
        runs.append(scene.issue(WANTED))
        thread.join()
    finally:
        other.close()
    failed = [each for each in runs if each.failed]
    assert len(failed) <= 1
    for each in failed:
        assert "nother run" in each.result["msg"], each.result["msg"]
    assert_finished(scene, scene.issue(WANTED), "two at once")
    assert {item["status"] for item in items(scene.issue(WANTED)).values()} == {"success"}
