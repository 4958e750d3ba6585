# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issued certificates in an emulated Secrets Manager, and all stores together: what is there, put there, left alone."""

from __future__ import annotations

import base64
import datetime
import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.stores import StoreStanding
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.stores import CertificateStores
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.issue_stores import (
    DIRECTORY,
    Cloud,
    bundle_of,
    wanted_of,
)
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.pki import (
    CertificateAuthority,
    IssuedCertificate,
    new_key,
    now,
    private_key_pem,
)
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.secrets_scan import assert_no_private_key
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget

NAME = "www.example.com"


@pytest.fixture
def cloud(aws: MotoServer, faults: AwsFaults) -> Cloud:
    return Cloud(aws, faults)


@pytest.fixture
def issued(intermediate: CertificateAuthority) -> IssuedCertificate:
    return intermediate.issue(NAME)


# What is held


def test_many_are_looked_at_in_few_calls(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    names = [f"{number}.example.com" for number in range(45)]
    for name in names[:40]:
        cloud.aws.put_secret(f"web/{name}", intermediate.issue(name).secret_document())
    truth = cloud.truth(prefix="web/")
    held = truth.look(names, now=now())
    assert set(held) == set(names[:40])
    assert all(each.bundle and not each.refusal and not each.why for each in held.values())
    assert held["7.example.com"].bundle.subject_alternative_names == ("7.example.com",)  # type: ignore[union-attr]
    assert cloud.faults.counts() == {"BatchGetSecretValue": 3}


def test_each_is_told_for_itself(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    good, ended = intermediate.issue(NAME), intermediate.issue(NAME, not_after=now() - datetime.timedelta(hours=1))
    values: dict[str, t.Any] = {
        "good": good.secret_document(acme={"directory": DIRECTORY, "profile": "classic"}),
        "ended": ended.secret_document(),
        "mismatch": good.secret_document(private_key=private_key_pem(new_key())),
        "password": {"username": "admin", "password": "hunter2"},
        "key": private_key_pem(new_key()),
        "denied": good.secret_document(),
        "deleted": good.secret_document(),
        "empty": "",
    }
    versions = {name: cloud.aws.put_secret(name, value) for name, value in values.items() if name != "empty"}
    cloud.secrets.create_secret(Name="empty")
    cloud.secrets.delete_secret(SecretId="deleted", RecoveryWindowInDays=7)
    cloud.faults.fail_in_batch("denied", "AccessDeniedException")
    # The emulator answers a whole batch with an error because of the one without a value; then each is asked for.
    cloud.faults.fail("GetSecretValue", "AccessDeniedException", when=lambda body: body["SecretId"] == "denied")
    held = cloud.truth().look([*values, "missing"], now=now())
    assert set(held) == set(values)
    assert {name for name, each in held.items() if each.bundle} == {"good"}
    assert {name for name, each in held.items() if each.refusal} == {"password", "key", "denied", "deleted"}
    assert (held["good"].directory, held["good"].profile) == (DIRECTORY, "classic")
    assert held["good"].version_id == versions["good"]
    assert ":secret:good-" in str(held["good"].arn)
    assert held["deleted"].arn is None
    assert "[expired]" in str(held["ended"].why)
    assert "[private_key_mismatch]" in str(held["mismatch"].why)
    assert "Secret password is not one for a certificate, and stays as it is" in str(held["password"].refusal)
    assert "Allow the operation" in str(held["denied"].refusal)
    assert "Restore it (RestoreSecret)" in str(held["deleted"].refusal)
    for each in held.values():
        assert "hunter2" not in repr(each)
        assert_no_private_key(f"{each!r}{each.why}{each.refusal}")


def test_nothing_is_asked_for_nothing(cloud: Cloud) -> None:
    assert cloud.truth().look([], now=now()) == {}
    assert cloud.faults.counts() == {}


# What is put there


def test_a_new_one_is_one_call(cloud: Cloud, issued: IssuedCertificate) -> None:
    truth = cloud.truth(prefix="web/", tags={"Environment": "production"}, kms_key_id="alias/certificates")
    assert truth.look([NAME], now=now()) == {}
    cloud.faults.heal()
    bundle = bundle_of(issued)
    stored = truth.put(wanted_of(NAME), bundle, DIRECTORY, "tlsserver")
    assert cloud.faults.counts() == {"CreateSecret": 1}
    described = cloud.secrets.describe_secret(SecretId=f"web/{NAME}")
    assert stored == (described["ARN"], next(iter(described["VersionIdsToStages"])), True, "AWSCURRENT")
    assert (described["KmsKeyId"], cloud.tags(f"web/{NAME}")) == ("alias/certificates", {"Environment": "production"})
    assert cloud.document(f"web/{NAME}")["acme"] == {"directory": DIRECTORY, "profile": "tlsserver"}
    held = truth.look([NAME], now=now())[NAME]
    assert (held.bundle, held.directory, held.profile, held.version_id) == (
        bundle,
        DIRECTORY,
        "tlsserver",
        stored.version_id,
    )


def test_storing_twice_makes_one_version(cloud: Cloud, issued: IssuedCertificate) -> None:
    """A run that was killed after it has stored is finished by another one, which stores again."""
    bundle, versions = bundle_of(issued), []
    for _run in range(2):
        truth = cloud.truth()
        versions.append(truth.put(wanted_of(NAME), bundle, DIRECTORY, None))
        truth.look([NAME], now=now())
        versions += [truth.put(wanted_of(NAME), bundle, DIRECTORY, None) for _again in range(2)]
    assert len({version.version_id for version in versions}) == 1
    # CreateSecret of what there is already is no error to AWS when the content is the same.
    assert [version.written for version in versions] == [True, False, False] * 2
    assert len(cloud.secrets.list_secret_version_ids(SecretId=NAME, IncludeDeprecated=True)["Versions"]) == 1


def test_a_secret_of_another_schema_keeps_it(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    """What reads it as Kubernetes does finds the issued certificate there; and hosts find the same one."""
    first, second = (intermediate.issue(NAME) for dummy in range(2))

    def document(issued: IssuedCertificate) -> dict[str, t.Any]:
        texts = {"tls.crt": issued.certificate_pem + issued.chain_pem, "tls.key": issued.private_key_pem}
        data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        return {"data": data, "team": "web"}

    cloud.aws.put_secret(NAME, document(first))
    truth = cloud.truth()
    assert truth.look([NAME], now=now())[NAME].bundle == bundle_of(first)
    truth.put(wanted_of(NAME), bundle_of(second), DIRECTORY, None)
    acme = {"directory": DIRECTORY, "profile": None}
    assert cloud.document(NAME) == {**document(second), "acme": acme, "domain_name": NAME}
    held = cloud.truth().look([NAME], now=now())[NAME]
    assert (held.bundle, held.directory) == (bundle_of(second), DIRECTORY)


def test_a_replica_is_told_of_before_anything_is_ordered(cloud: Cloud, issued: IssuedCertificate) -> None:
    primary = cloud.client("secretsmanager", "us-east-1")
    document = issued.secret_string()
    primary.create_secret(Name=NAME, SecretString=document, AddReplicaRegions=[{"Region": REGION}])
    truth = cloud.truth()
    assert truth.look([NAME], now=now())[NAME].bundle == bundle_of(issued)
    assert "its primary in region us-east-1" in str(truth.why_not(NAME))
    assert truth.why_not("new.example.com") is None
    with pytest.raises(RotationError, match="its primary in region us-east-1"):
        truth.put(wanted_of(NAME), bundle_of(issued), DIRECTORY, None)


def test_a_renewal_is_the_current_version_and_keeps_what_is_the_users(
    cloud: Cloud, intermediate: CertificateAuthority
) -> None:
    first, second = (intermediate.issue([NAME, "api.example.com"]) for dummy in range(2))
    cloud.aws.put_secret(NAME, first.secret_document(team="web", domain_name="api.example.com"), {"Owner": "team"})
    truth = cloud.truth(tags={"Environment": "production"})
    truth.look([NAME], now=now())
    cloud.faults.heal()
    stored = truth.put(wanted_of(NAME, NAME, "api.example.com"), bundle_of(second), DIRECTORY, None)
    assert stored.written
    assert cloud.faults.counts() == {"DescribeSecret": 1, "TagResource": 1, "PutSecretValue": 1}
    document = cloud.document(NAME)
    assert document["certificate"] == second.certificate_pem
    assert (document["team"], document["description"]) == ("web", "made by a test")
    assert document["domain_name"] == "api.example.com"
    assert cloud.tags(NAME) == {"Owner": "team", "Environment": "production"}
    assert cloud.secrets.describe_secret(SecretId=NAME)["VersionIdsToStages"][stored.version_id] == ["AWSCURRENT"]


def test_what_somebody_else_has_stored_meanwhile_is_merged(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    first, second = intermediate.issue(NAME), intermediate.issue(NAME)
    cloud.aws.put_secret(NAME, first.secret_document())
    truth = cloud.truth()
    truth.look([NAME], now=now())
    cloud.aws.put_secret(NAME, first.secret_document(team="new"))
    truth.put(wanted_of(NAME), bundle_of(second), DIRECTORY, None)
    assert cloud.document(NAME)["team"] == "new"
    # And a secret that was not there at all.
    other = cloud.truth()
    other.look(["other"], now=now())
    cloud.aws.put_secret("other", first.secret_document(team="other"))
    assert other.put(wanted_of("other", NAME), bundle_of(second), DIRECTORY, None).written
    assert cloud.document("other")["team"] == "other"


@pytest.mark.parametrize("value", ['{"password": "hunter2"}', "hunter2"])
@pytest.mark.parametrize("seen", [True, False])
def test_what_is_no_certificate_is_never_replaced(
    cloud: Cloud, issued: IssuedCertificate, value: str, seen: bool
) -> None:
    truth = cloud.truth()
    if not seen:
        truth.look([NAME], now=now())
    cloud.aws.put_secret(NAME, value)
    if seen:
        assert truth.look([NAME], now=now())[NAME].refusal
    with pytest.raises(RotationError, match="is not one for a certificate, and stays as it is") as caught:
        truth.put(wanted_of(NAME), bundle_of(issued), DIRECTORY, None)
    assert "hunter2" not in caught.value.message
    assert cloud.secrets.get_secret_value(SecretId=NAME)["SecretString"] == value


def test_a_secret_without_a_version_gets_one(cloud: Cloud, issued: IssuedCertificate) -> None:
    cloud.secrets.create_secret(Name=NAME)
    truth = cloud.truth()
    held = truth.look([NAME], now=now())[NAME]
    assert (held.bundle, held.refusal) == (None, None)
    assert truth.put(wanted_of(NAME), bundle_of(issued), DIRECTORY, None).written
    assert cloud.document(NAME)["certificate"] == issued.certificate_pem


def test_what_is_marked_for_deletion_is_left_alone_or_restored(cloud: Cloud, issued: IssuedCertificate) -> None:
    cloud.aws.put_secret(NAME, issued.secret_document())
    cloud.secrets.delete_secret(SecretId=NAME, RecoveryWindowInDays=7)
    truth = cloud.truth()
    assert truth.look([NAME], now=now())[NAME].refusal
    with pytest.raises(RotationError, match="marked for deletion"):
        truth.put(wanted_of(NAME), bundle_of(issued), DIRECTORY, None)
    assert cloud.secrets.describe_secret(SecretId=NAME).get("DeletedDate")
    predicted = cloud.truth(on_deleted="predict").look([NAME], now=now())[NAME]
    assert "A run restores it" in str(predicted.refusal)
    cloud.faults.fail("RestoreSecret", "AccessDeniedException", "no", times=1)
    assert "Allow the operation" in str(cloud.truth(on_deleted="restore").look([NAME], now=now())[NAME].refusal)
    held = cloud.truth(on_deleted="restore").look([NAME], now=now())[NAME]
    assert held.bundle == bundle_of(issued), "what was deleted is there again: nothing is to be ordered"
    assert not cloud.secrets.describe_secret(SecretId=NAME).get("DeletedDate")


def test_a_secret_that_is_deleted_for_good_meanwhile_is_made_again(cloud: Cloud, issued: IssuedCertificate) -> None:
    cloud.aws.put_secret(NAME, issued.secret_document(team="web"))
    truth = cloud.truth()
    truth.look([NAME], now=now())
    cloud.secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
    assert truth.put(wanted_of(NAME), bundle_of(issued), DIRECTORY, None).written
    assert "team" not in cloud.document(NAME)


def test_replicas(cloud: Cloud, issued: IssuedCertificate) -> None:
    truth = cloud.truth(replica_regions=("eu-west-1",))
    truth.put(wanted_of(NAME), bundle_of(issued), DIRECTORY, None)
    described = cloud.secrets.describe_secret(SecretId=NAME)
    assert [replica["Region"] for replica in described["ReplicationStatus"]] == ["eu-west-1"]


def test_an_error_of_aws_that_quotes_the_value_shows_no_key(cloud: Cloud, issued: IssuedCertificate) -> None:
    cloud.faults.fail("CreateSecret", "ValidationException", f"bad value {issued.private_key_pem}")
    with pytest.raises(RotationError) as caught:
        cloud.truth().put(wanted_of(NAME), bundle_of(issued), DIRECTORY, None)
    assert "secretsmanager:CreateSecret of secret www.example.com failed" in caught.value.message
    assert_no_private_key(repr(caught.value) + caught.value.message)


# Who reads it


def test_everything_else_here_goes_on_reading_such_a_document(
    cloud: Cloud, target: SyncTarget, issued: IssuedCertificate
) -> None:
    stored = cloud.truth().put(wanted_of(NAME), bundle_of(issued), DIRECTORY, "tlsserver")
    target.sync_four_times(names=[NAME])
    (content,) = target.live_files().values()
    assert issued.certificate_pem.encode() in content
    info = target.modules.run("certificate_secret_info", {"names": [NAME]}, env=target.env)
    (item,) = info.result["secrets"]
    assert (item["valid"], item["problems"], item["version_id"]) == (True, [], stored.version_id)
    # The same certificate by hand is no change, and what belongs to its origin stays.
    given = {
        "name": NAME,
        "certificate": issued.certificate_pem,
        "certificate_chain": issued.chain_pem,
        "private_key": issued.private_key_pem,
    }
    run = target.modules.run("certificate_secret", given, env=target.env)
    assert (run.result["changed"], run.result["action"]) == (False, "unchanged")
    assert cloud.document(NAME)["acme"] == {"directory": DIRECTORY, "profile": "tlsserver"}


def test_the_lookup_reads_it(cloud: Cloud, issued: IssuedCertificate) -> None:
    cloud.truth().put(wanted_of(NAME), bundle_of(issued), DIRECTORY, None)
    term = f"lookup('certops.rotation.certificate_secret', '{NAME}').fingerprint_sha256"
    task = {"ansible.builtin.assert": {"that": [f"{term} == '{issued.fingerprint_sha256}'"]}}
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
    assert run_playbook({}, playbook=plays, env=cloud.aws.env).returncode == 0


# All together


class Broken:
    """A store that fails as no real one can be made to."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        self._error = error

    def look(self, _wanted: t.Any) -> t.Any:
        raise self._error

    def why_not(self, _wanted: t.Any, _standing: StoreStanding, _profile: str | None) -> str | None:
        return None

    def put(self, _wanted: t.Any, _bundle: t.Any, _standing: t.Any) -> str:
        raise self._error


def test_missing_stores_are_filled_from_the_truth(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    names = ["a.example.com", "b.example.com"]
    both = {name: bundle_of(intermediate.issue(name)) for name in names}
    truth = cloud.truth()
    for name in names:
        truth.put(wanted_of(name), both[name], DIRECTORY, None)
    held = {name: each.bundle for name, each in truth.look(names, now=now()).items()}
    stores = CertificateStores([cloud.acm_store(truth), cloud.s3_store()])
    assert stores.names == ("acm", "s3")
    wanted = [wanted_of("a.example.com"), wanted_of("b.example.com", stores=("s3",))]
    standings = stores.look(wanted, held)
    assert {name: {store: each.kind for store, each in found.items()} for name, found in standings.items()} == {
        "a.example.com": {"acm": "absent", "s3": "absent"},
        "b.example.com": {"s3": "absent"},
    }
    assert stores.lacking(standings["a.example.com"]) == ["acm", "s3"]
    for each in wanted:
        outcomes = stores.put(each, both[each.name], standings[each.name], is_new=False)
        assert {outcome.state for outcome in outcomes.values()} == {"stored"}
    assert len(cloud.imported()) == 1
    assert len(cloud.objects()) == 8
    again = stores.look(wanted, held)
    assert {each.kind for found in again.values() for each in found.values()} == {"current"}
    before = dict(stores.api_calls)
    outcomes = stores.put(wanted[0], both["a.example.com"], again["a.example.com"], is_new=False)
    assert {outcome.state for outcome in outcomes.values()} == {"current"}
    assert dict(stores.api_calls) == before


def test_a_new_one_goes_to_all_stores_whatever_they_have(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    first, second = (bundle_of(intermediate.issue(NAME)) for dummy in range(2))
    wanted, truth = wanted_of(NAME), cloud.truth()
    truth.put(wanted, first, DIRECTORY, None)
    stores = CertificateStores([cloud.acm_store(truth), cloud.s3_store()])
    stores.put(wanted, first, stores.look([wanted], {NAME: first})[NAME], is_new=True)
    standings = stores.look([wanted], {NAME: first})[NAME]
    assert {each.kind for each in standings.values()} == {"current"}
    outcomes = stores.put(wanted, second, standings, is_new=True)
    assert {outcome.state for outcome in outcomes.values()} == {"stored"}
    assert {each.kind for each in stores.look([wanted], {NAME: second})[NAME].values()} == {"current"}


def test_a_store_that_fails_stops_no_other(cloud: Cloud, issued: IssuedCertificate) -> None:
    wanted, truth, bundle = wanted_of(NAME), cloud.truth(), bundle_of(issued)
    truth.put(wanted, bundle, DIRECTORY, None)
    failing = [
        Broken("told", RotationError("it is told")),
        Broken("odd", ValueError(issued.private_key_pem)),
    ]
    stores = CertificateStores([*failing, cloud.acm_store(truth)])
    standings = stores.look([wanted], {NAME: bundle})[NAME]
    assert {store: each.kind for store, each in standings.items()} == {
        "told": "unknown",
        "odd": "unknown",
        "acm": "absent",
    }
    assert standings["told"].why == "it is told"
    assert stores.lacking(standings) == ["acm"]
    outcomes = stores.put(wanted, bundle, standings, is_new=True)
    assert {store: each.state for store, each in outcomes.items()} == {
        "told": "failed",
        "odd": "failed",
        "acm": "stored",
    }
    shown = json.dumps([*map(repr, standings.values()), *map(repr, outcomes.values())])
    assert "Unexpected ValueError" in shown
    assert_no_private_key(shown)


def test_without_stores_nothing_is_asked(cloud: Cloud) -> None:
    stores = CertificateStores([])
    assert stores.look([wanted_of(NAME)], {}) == {NAME: {}}
    assert stores.lacking({}) == []
    assert stores.why_not(wanted_of(NAME), {}, None) is None
    assert cloud.faults.counts() == {}
