# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue with a real ACME server that resolves the emulated zone, and AWS over HTTP: when it issues what."""

from __future__ import annotations

import datetime
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_scene import (
    BUCKET,
    JOURNAL,
    STORES,
    Scene,
    actions,
    items,
    pebble_for,
)
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from cryptography import x509

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
NAMES = ["www.example.com", ["example.com", "*.example.com"]]


@pytest.fixture(scope="module")
def ca(issuing_aws: AwsWithDns) -> t.Iterator[AcmeFaults]:
    """Pebble 2.6 behind a proxy that counts."""
    with pebble_for(issuing_aws) as pebble, AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


@pytest.fixture
def scene(issuing_aws: AwsWithDns, issuing: ModuleServer, ca: AcmeFaults) -> t.Iterator[Scene]:
    made = Scene(issuing_aws, issuing, ca)
    made.begin()
    ca.heal()
    yield made
    made.assert_clean()


def good(run: ModuleRun) -> ModuleRun:
    assert not run.failed, run.result["msg"]
    return run


def certificate(document: t.Mapping[str, t.Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(document["certificate"].encode())


def names_in(document: t.Mapping[str, t.Any]) -> set[str]:
    found = certificate(document).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(found.get_values_for_type(x509.DNSName))


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def held(scene: Scene, name: str, *, remaining: datetime.timedelta, lifetime: datetime.timedelta = 90 * DAY) -> str:
    """One in the stores that ends so soon. Returns its fingerprint."""
    end = now() + remaining
    issued = pki.CertificateAuthority("Old CA").issue(name, not_before=end - lifetime, not_after=end)
    document = {
        "certificate": issued.certificate_pem,
        "certificate_chain": issued.chain_pem,
        "private_key": issued.private_key_pem,
        "domain_name": name,
        "acme": {"directory": scene.ca.directory_url, "profile": None},
    }
    scene.aws.put_secret(name, {key: value for key, value in document.items() if value})
    return issued.fingerprint_sha256


# The usual


def test_first_issue_then_nothing_to_do(scene: Scene) -> None:
    first = good(scene.issue(NAMES))
    assert actions(first) == {"www.example.com": "issued", "example.com": "issued"}
    assert first.result["changed"]
    assert first.result["changes"] == ["www.example.com", "example.com"]
    told = items(first)["www.example.com"]
    assert told["message"] == (
        "A new certificate has been provisioned and uploaded to both S3 and ACM for: www.example.com"
    )
    assert told["status"] == "success"
    assert told["issuer"] == scene.ca.directory_url
    assert told["stores"] == {"secrets_manager": "stored", "acm": "stored", "s3": "stored"}
    document = scene.secret("www.example.com")
    assert document["acme"] == {"directory": scene.ca.directory_url, "profile": None}
    assert document["domain_name"] == "www.example.com"
    in_acm = scene.aws.client("acm").get_certificate(CertificateArn=told["acm_arn"])
    assert in_acm["Certificate"].strip() == document["certificate"].strip()
    in_s3 = scene.aws.client("s3").get_object(Bucket=BUCKET, Key="certs/www.example.com/fullchain.pem")["Body"].read()
    assert in_s3.decode().startswith(document["certificate"])

    scene.ca.heal()
    scene.aws.forget()
    second = good(scene.issue(NAMES))
    assert not second.result["changed"]
    assert actions(second) == {"www.example.com": "unchanged", "example.com": "unchanged"}
    assert "already exists in both S3 and ACM for: www.example.com" in items(second)["www.example.com"]["message"]
    assert scene.ca.counts().get("newOrder", 0) == 0

    scene.ca.heal()
    scene.aws.forget()
    third = good(scene.issue(NAMES))
    assert not third.result["changed"]
    # The CA has said when it wants to be asked about renewals again.
    assert scene.ca.counts() == {}
    assert third.result["acme_requests"] == 0
    assert not {"ChangeResourceRecordSets", "ListHostedZones", "PutSecretValue"} & set(scene.aws.operations())
    calls = third.result["api_calls"]
    assert calls.pop("GetCallerIdentity") == 1
    assert calls == {name: count for name, count in scene.aws.operations().items() if name != "POST /"}


def test_what_is_issued_is_what_hosts_sync(scene: Scene, modules: ModuleServer, tmp_path: pathlib.Path) -> None:
    good(scene.issue(NAMES, stores=[{"type": "secrets_manager", "prefix": "web/", "tags": {"Environment": "test"}}]))
    scene.secret("web/example.com")
    synced = modules.run(
        "certificate_sync", {"tags": {"Environment": "test"}, "path": str(tmp_path / "certs")}, env=scene.aws.env
    )
    assert not synced.failed, synced.result
    assert {item["action"] for item in synced.result["certificates"]} == {"created"}
    assert len(synced.result["certificates"]) == 2


def test_check_mode_orders_nothing_and_predicts_the_run(scene: Scene) -> None:
    predicted = good(scene.issue(NAMES, check=True))
    assert "newOrder" not in scene.ca.counts()
    assert "newAccount" not in scene.ca.counts()
    assert scene.aws.client().list_secrets()["SecretList"] == []
    done = good(scene.issue(NAMES))
    assert actions(predicted) == actions(done)
    assert predicted.result["changed"]
    assert {name: item["stores"] for name, item in items(predicted).items()} == {
        name: item["stores"] for name, item in items(done).items()
    }
    assert "There is none yet" in items(predicted)["example.com"]["reason"]
    assert not good(scene.issue(NAMES, check=True)).result["changed"]


def test_wildcard_and_base_get_both_values_and_keep_others(scene: Scene) -> None:
    good(scene.issue([["example.com", "*.example.com"]]))
    assert names_in(scene.secret("example.com")) == {"example.com", "*.example.com"}
    (added, *_rest) = [change for change in scene.aws.queries("TXT") if change[1].startswith("_acme-challenge")]
    assert added


def test_a_wildcard_alone_is_named_so_that_it_can_be_a_secret(scene: Scene) -> None:
    run = good(scene.issue(["*.shop.example.com, shop.example.com"]))
    assert actions(run) == {"wildcard.shop.example.com": "issued"}
    assert names_in(scene.secret("wildcard.shop.example.com")) == {"*.shop.example.com", "shop.example.com"}


@pytest.mark.parametrize(
    ("key_type", "size"), [("ec256", 256), ("ec384", 384), ("rsa2048", 2048), ("rsa3072", 3072), ("rsa4096", 4096)]
)
def test_kinds_of_keys(scene: Scene, key_type: str, size: int) -> None:
    run = good(scene.issue([{"domains": ["k.example.com"], "key_type": key_type}]))
    key: t.Any = certificate(scene.secret("k.example.com")).public_key()
    assert key.key_size == size
    assert not scene.issue([{"domains": ["k.example.com"], "key_type": key_type}]).result["changed"]
    assert items(run)["k.example.com"]["stores"]["acm"] == "stored"


# When


def test_renewed_when_30_days_or_less_are_left(scene: Scene) -> None:
    early = held(scene, "early.example.com", remaining=30 * DAY + HOUR)
    due = held(scene, "due.example.com", remaining=30 * DAY - HOUR)
    wanted = ["early.example.com", "due.example.com"]
    run = good(scene.issue(wanted, renew_before_days=30, renewal_info=False, stores=[]))
    assert actions(run) == {"early.example.com": "unchanged", "due.example.com": "renewed"}
    assert items(run)["early.example.com"]["fingerprint_sha256"] == early
    assert items(run)["due.example.com"]["fingerprint_sha256"] != due
    assert items(run)["early.example.com"]["message"] == (
        "A certificate with at least 30 days until expiration already exists in Secrets Manager for: early.example.com"
    )


def test_a_certificate_of_six_days_is_not_renewed_in_each_run(scene: Scene) -> None:
    """NginxProxyManager 5483: a threshold of 30 days is capped by the lifetime, with a warning."""
    held(scene, "short.example.com", remaining=5 * DAY, lifetime=6 * DAY)
    run = good(scene.issue(["short.example.com"], renew_before_days=30, renewal_info=False, stores=[]))
    assert actions(run) == {"short.example.com": "unchanged"}
    assert any("lives for" in str(warning) for warning in run.result["warnings"])


def test_renewed_in_the_window_that_the_ca_suggests_and_replaces_is_told(scene: Scene) -> None:
    good(scene.issue(["www.example.com"]))
    before = scene.secret("www.example.com")
    scene.ca.heal()
    scene.ca.renewal_info(now() - 2 * HOUR, now() - HOUR, explanation_url="https://ca.example/why")
    scene.aws.client().delete_secret(SecretId="certops/issuance/ledger", ForceDeleteWithoutRecovery=True)
    run = good(scene.issue(["www.example.com"]))
    assert actions(run) == {"www.example.com": "renewed"}
    assert "https://ca.example/why" in items(run)["www.example.com"]["reason"]
    (ordered,) = scene.ca.payloads("newOrder")
    assert ordered["replaces"]
    assert scene.secret("www.example.com")["certificate"] != before["certificate"]


def test_a_window_to_come_keeps_it_and_the_ca_is_left_alone_meanwhile(scene: Scene) -> None:
    """mod_md 318: nobody asks before Retry-After."""
    good(scene.issue(["www.example.com"]))
    scene.ca.heal()
    scene.ca.renewal_info(now() + 5 * DAY, now() + 6 * DAY, retry_after=now() + 6 * HOUR)
    for _run in range(3):
        run = good(scene.issue(["www.example.com"]))
        assert actions(run) == {"www.example.com": "unchanged"}
    assert scene.ca.counts().get("renewalInfo") == 1
    assert run.result["next_due"]


def test_the_emergency_floor_overrides_the_window(scene: Scene) -> None:
    held(scene, "late.example.com", remaining=5 * DAY)
    scene.ca.renewal_info(now() + 3 * DAY, now() + 4 * DAY)
    assert actions(good(scene.issue(["late.example.com"], stores=[]))) == {"late.example.com": "renewed"}


def test_names_as_sets(scene: Scene) -> None:
    """Another order is no change; one more name is, and one less."""
    acm = [{"type": "acm"}]
    good(scene.issue([{"name": "web", "domains": "a.example.com, b.example.com"}], stores=acm))
    same = good(scene.issue([{"name": "web", "domains": ["b.example.com", " A.example.com."]}], stores=acm))
    assert not same.result["changed"]
    more = good(scene.issue([{"name": "web", "domains": "a.example.com,b.example.com,c.example.com"}], stores=acm))
    assert actions(more) == {"web": "renewed"}
    assert "c.example.com" in items(more)["web"]["reason"]
    assert names_in(scene.secret("web")) == {"a.example.com", "b.example.com", "c.example.com"}
    less = good(scene.issue([{"name": "web", "domains": "a.example.com"}], stores=acm))
    assert actions(less) == {"web": "renewed"}
    assert items(more)["web"]["acm_arn"] == items(less)["web"]["acm_arn"]


def test_another_directory_is_another_issuer(scene: Scene, issuing_aws: AwsWithDns) -> None:
    """terraform-provider-acme 440: who goes from staging to production gets certificates of production."""
    good(scene.issue(["www.example.com"]))
    with pebble_for(issuing_aws) as production:
        run = good(scene.issue(["www.example.com"], issuers=[scene.issuer(production)]))
        assert actions(run) == {"www.example.com": "renewed"}
        assert items(run)["www.example.com"]["issuer"] == production.directory_url
        assert not scene.issue(["www.example.com"], issuers=[scene.issuer(production)]).result["changed"]


def test_force_issues_again_and_the_arn_stays(scene: Scene) -> None:
    """terraform-provider-aws 29634."""
    first = good(scene.issue(["www.example.com"]))
    again = good(scene.issue(["www.example.com"], force=True))
    assert actions(again) == {"www.example.com": "renewed"}
    one, other = items(first)["www.example.com"], items(again)["www.example.com"]
    assert one["acm_arn"] == other["acm_arn"]
    assert one["fingerprint_sha256"] != other["fingerprint_sha256"]
    assert len(scene.aws.client("acm").list_certificates()["CertificateSummaryList"]) <= 1


# Stores


def test_a_store_that_lacks_it_is_filled_without_an_order(scene: Scene) -> None:
    good(scene.issue(["www.example.com"], stores=[]))
    scene.ca.heal()
    run = good(scene.issue(["www.example.com"]))
    assert actions(run) == {"www.example.com": "stored"}
    assert items(run)["www.example.com"]["stores"] == {"secrets_manager": "current", "acm": "stored", "s3": "stored"}
    assert scene.ca.counts().get("newOrder", 0) == 0
    scene.aws.client("s3").delete_object(Bucket=BUCKET, Key="certs/www.example.com/privkey.pem")
    assert actions(good(scene.issue(["www.example.com"]))) == {"www.example.com": "stored"}
    assert not scene.issue(["www.example.com"]).result["changed"]


def test_issued_but_not_saved_is_saved_by_the_next_run(scene: Scene) -> None:
    """certbot 3553: no second order."""
    scene.aws.fail("CreateSecret", "AccessDeniedException", containing='"Name": "www.example.com"')
    run = scene.issue(["www.example.com", "other.example.com"])
    assert run.failed
    assert actions(run) == {"www.example.com": "failed", "other.example.com": "issued"}
    assert "did not take it" in run.result["msg"]
    assert [entry["name"] for entry in scene.journal()] == ["www.example.com"]
    scene.aws.forget()
    scene.ca.heal()
    run = good(scene.issue(["www.example.com", "other.example.com"]))
    assert actions(run) == {"www.example.com": "resumed", "other.example.com": "unchanged"}
    assert scene.ca.counts().get("newOrder", 0) == scene.ca.counts().get("finalize", 0) == 0
    assert "PRIVATE" not in scene.labelled_journal()
    assert '"key"' not in scene.labelled_journal()


def test_a_failed_renewal_leaves_the_pair_that_is_there(scene: Scene) -> None:
    """acme.sh 6621: no key without its certificate."""
    good(scene.issue(["www.example.com"]))
    before = scene.secret("www.example.com")
    scene.ca.answer("finalize", 403, "badCSR")
    run = scene.issue(["www.example.com"], force=True)
    assert run.failed
    assert scene.secret("www.example.com") == before


def test_a_store_that_fails_is_told_and_the_others_have_it(scene: Scene) -> None:
    scene.aws.fail("ImportCertificate", "AccessDeniedException")
    run = scene.issue(["www.example.com"])
    assert run.failed
    assert run.result["changed"]
    assert items(run)["www.example.com"]["stores"] == {"secrets_manager": "stored", "acm": "failed", "s3": "stored"}
    scene.aws.forget()
    scene.ca.heal()
    assert actions(good(scene.issue(["www.example.com"]))) == {"www.example.com": "stored"}
    assert "newOrder" not in scene.ca.counts()


# What is wrong


def test_one_bad_entry_stops_no_other(scene: Scene) -> None:
    run = scene.issue(["www.example.com", "under_score.example.com", ["*.*.example.com"], {"domains": ""}])
    assert run.failed
    told = items(run)
    assert told["www.example.com"]["action"] == "issued"
    assert [item["action"] for item in run.result["certificates"]].count("failed") == 3
    assert run.result["changed"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"issuers": []}, "issuers"),
        ({"emergency_floor": "soon"}, "duration"),
        ({"concurrency": 0}, "concurrency"),
        ({"timeout": 0}, "timeout"),
        ({"renew_before_days": 0}, "renew_before_days"),
        ({"stores": [{"type": "s3"}]}, "bucket"),
        ({"nameservers": ["127.0.0.1:x"]}, "nameservers"),
        ({"ledger": "s3://"}, "ledger"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_anything_is_done(
    scene: Scene, more: dict[str, t.Any], text: str
) -> None:
    run = scene.issue(["www.example.com"], **more)
    assert run.failed
    assert text in run.result["msg"]
    assert "newOrder" not in scene.ca.counts()


def test_a_journal_that_is_none_is_left_alone(scene: Scene) -> None:
    scene.aws.put_secret(JOURNAL, '{"somebody": "else"}')
    run = scene.issue(["www.example.com"])
    assert run.failed
    assert JOURNAL in run.result["msg"]
    assert "newOrder" not in scene.ca.counts()
    scene.aws.client().delete_secret(SecretId=JOURNAL, ForceDeleteWithoutRecovery=True)


def test_no_key_is_shown(scene: Scene) -> None:
    """Of certificates and of the account, in all that a run prints at the highest verbosity, with diff."""
    good(scene.issue(NAMES, stores=STORES))
    for name in ("www.example.com", "example.com"):
        scene.secret(name)
    account = scene.aws.client().get_secret_value(SecretId=scene.issuer()["account_secret"])["SecretString"]
    secrets_scan.register_private_key(account.replace("\\n", "\n"))
    run = scene.issue(NAMES, force=True)
    secrets_scan.assert_no_private_key(run.output)
    assert run.result["diff"]["after"]["example.com"]["fingerprint_sha256"]


def test_nothing_is_left_on_the_controller(scene: Scene, tmp_path: pathlib.Path) -> None:
    homes = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    good(scene.issue(NAMES, env=homes))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
