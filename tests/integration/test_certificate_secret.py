# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret against an emulated AWS: verified, changed once, told in requests and facts, never in keys."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget

NAME = "web/www"
READS = {"DescribeSecret", "GetSecretValue"}


@pytest.fixture
def certificate(intermediate: CertificateAuthority) -> IssuedCertificate:
    return intermediate.issue(["www.example.com", "*.example.com"])


@pytest.fixture
def secret(target: SyncTarget, aws: MotoServer) -> Secret:
    return Secret(target, aws)


class Secret:
    """The secret NAME, written by the module and looked at by boto3."""

    def __init__(self, target: SyncTarget, aws: MotoServer) -> None:
        self._target = target
        self.client = aws.client()

    def run(self, issued: IssuedCertificate | None, *, check: bool = False, **args: t.Any) -> ModuleRun:
        given: dict[str, str] = {}
        if issued:
            given = {
                "certificate": issued.certificate_pem,
                "certificate_chain": issued.chain_pem,
                "private_key": issued.private_key_pem,
            }
        arguments = {"name": NAME, **given, **args}
        return self._target.modules.run("certificate_secret", arguments, check=check, env=self._target.env)

    def four_times(self, issued: IssuedCertificate | None, changes: list[str], **args: t.Any) -> ModuleRun:
        """Check, run, check, run. Returns the first run."""
        before = self.state()
        check = self.run(issued, check=True, **args)
        assert self.state() == before, "check mode has changed something"
        run = self.run(issued, **args)
        after = self.state()
        rest = [self.run(issued, check=True, **args), self.run(issued, **args)]
        assert self.state() == after, "the second run has changed something"
        runs = [check, run, *rest]
        assert [each.failed for each in runs] == [False] * 4, [each.result.get("msg") for each in runs]
        assert [each.result["changes"] for each in runs] == [changes, changes, [], []]
        assert [each.result["changed"] for each in runs] == [bool(changes)] * 2 + [False] * 2
        assert check.result["diff"] == run.result["diff"]
        assert set(rest[1].result["api_calls"]) <= READS
        return run

    def state(self) -> dict[str, t.Any] | None:
        try:
            described: dict[str, t.Any] = self.client.describe_secret(SecretId=NAME)
        except self.client.exceptions.ResourceNotFoundException:
            return None
        for volatile in ("ResponseMetadata", "LastChangedDate", "LastAccessedDate"):
            described.pop(volatile, None)
        return described

    def described(self) -> dict[str, t.Any]:
        state = self.state()
        assert state is not None
        return state

    def value(self, stage: str = "AWSCURRENT") -> dict[str, t.Any]:
        reply = self.client.get_secret_value(SecretId=NAME, VersionStage=stage)
        document: dict[str, t.Any] = json.loads(reply["SecretString"])
        return document

    def stages(self) -> dict[str, list[str]]:
        versions: dict[str, list[str]] = self.described()["VersionIdsToStages"]
        return {version: sorted(stages) for version, stages in versions.items()}


def test_create_and_renew(
    secret: Secret, intermediate: CertificateAuthority, certificate: IssuedCertificate, target: SyncTarget
) -> None:
    created = secret.four_times(certificate, ["CreateSecret"])
    assert created.result["action"] == "created"
    assert created.result["fingerprint_sha256"] == certificate.fingerprint_sha256
    assert secret.value() == {
        "certificate": certificate.certificate_pem,
        "certificate_chain": certificate.chain_pem,
        "private_key": certificate.private_key_pem,
        "domain_name": "www.example.com",
    }
    renewed = intermediate.issue(["www.example.com"])
    updated = secret.four_times(renewed, ["PutSecretValue"])
    assert updated.result["action"] == "updated"
    first, second = created.result["version_id"], updated.result["version_id"]
    assert updated.result["previous_version_id"] == first
    assert secret.stages() == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}
    diff = updated.result["diff"]
    assert diff["before"]["fingerprint_sha256"] == certificate.fingerprint_sha256
    assert diff["after"]["fingerprint_sha256"] == renewed.fingerprint_sha256
    # What is stored is what certificate_sync takes.
    assert not target.sync(names=[NAME]).failed
    assert target.live_files() == {"web_www.pem": renewed.combined_pem.encode()}


def test_back_to_an_earlier_certificate(
    secret: Secret, intermediate: CertificateAuthority, certificate: IssuedCertificate
) -> None:
    first = secret.run(certificate).result["version_id"]
    second = secret.run(intermediate.issue("www.example.com")).result["version_id"]
    back = secret.four_times(certificate, ["UpdateSecretVersionStage"])
    assert back.result["version_id"] == first
    assert secret.stages() == {first: ["AWSCURRENT"], second: ["AWSPREVIOUS"]}
    assert secret.value()["certificate"] == certificate.certificate_pem


@pytest.mark.parametrize("form", ["bundle", "CRLF", "PKCS#12", "other domain", "extra fields"])
def test_the_same_in_another_form_is_no_change(
    secret: Secret, aws: MotoServer, certificate: IssuedCertificate, form: str
) -> None:
    stored: dict[str, t.Any] = {
        "bundle": certificate.private_key_pem + certificate.chain_pem + certificate.certificate_pem,
        "CRLF": {name: text.replace("\n", "\r\n") for name, text in certificate.secret_document().items()},
        "PKCS#12": certificate.pkcs12(),
        "other domain": certificate.secret_document(domain_name="a.example.com"),
        "extra fields": {**certificate.secret_document(), "owner": "shop"},
    }
    aws.put_secret(NAME, stored[form])
    secret.four_times(certificate, [])
    if form == "other domain":
        secret.four_times(certificate, ["PutSecretValue"], domain_name="b.example.com")
        assert secret.value()["domain_name"] == "b.example.com"


@pytest.mark.parametrize("stored", ["not a certificate", b"\xff\x00 noise", "expired", "other chain"])
def test_what_is_stored_and_cannot_be_used_is_replaced(
    secret: Secret,
    aws: MotoServer,
    intermediate: CertificateAuthority,
    certificate: IssuedCertificate,
    stored: str | bytes,
) -> None:
    value: t.Any = stored
    if stored == "expired":
        ended = intermediate.issue("www.example.com", not_before=pki.now().replace(year=2020), not_after=pki.now())
        value = ended.secret_document()
    elif stored == "other chain":
        value = certificate.secret_document(certificate_chain=None)
    aws.put_secret(NAME, value)
    secret.four_times(certificate, ["PutSecretValue"])


def test_secret_without_a_version(secret: Secret, certificate: IssuedCertificate) -> None:
    secret.client.create_secret(Name=NAME)
    secret.four_times(certificate, ["PutSecretValue"])


def test_properties_by_four_runs(secret: Secret, certificate: IssuedCertificate) -> None:
    """Each option is set at once, changed once, and left alone when it is absent."""
    first = {
        "description": "Web shop",
        "tags": {"Environment": "production", "Number": 7},
        "kms_key_id": "alias/one",
        "replicas": [{"region": "eu-west-1"}],
    }
    secret.four_times(certificate, ["CreateSecret"], **first)
    described = secret.described()
    assert described["Description"] == "Web shop"
    assert described["KmsKeyId"] == "alias/one"
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == {"Environment": "production", "Number": "7"}
    assert [replica["Region"] for replica in described["ReplicationStatus"]] == ["eu-west-1"]
    secret.four_times(certificate, [])
    secret.four_times(certificate, ["UpdateSecret"], description="Shop", kms_key_id="alias/two")
    run = secret.four_times(certificate, ["TagResource"], tags={"Environment": "test"}, purge_tags=False)
    assert run.result["diff"]["before"]["tags"] == {"Environment": "production", "Number": "7"}
    assert run.result["diff"]["after"]["tags"] == {"Environment": "test", "Number": "7"}
    secret.four_times(certificate, ["TagResource", "UntagResource"], tags={"Team": "web"})
    regions = [{"region": "us-east-1"}]
    secret.four_times(certificate, ["RemoveRegionsFromReplication", "ReplicateSecretToRegions"], replicas=regions)
    assert len(secret.stages()) == 1, "properties must not make a version"
    secret.four_times(None, ["RemoveRegionsFromReplication", "DeleteSecret"], state="absent", force=True)


def test_stages(secret: Secret, intermediate: CertificateAuthority, certificate: IssuedCertificate) -> None:
    secret.run(certificate)
    renewed = intermediate.issue("www.example.com")
    pending = secret.four_times(renewed, ["PutSecretValue"], stage="AWSPENDING")
    assert secret.value()["certificate"] == certificate.certificate_pem
    assert secret.value("AWSPENDING")["certificate"] == renewed.certificate_pem
    promoted = secret.four_times(renewed, ["UpdateSecretVersionStage"])
    assert promoted.result["version_id"] == pending.result["version_id"]
    assert secret.value()["certificate"] == renewed.certificate_pem


def test_new_secret_with_another_stage(secret: Secret, certificate: IssuedCertificate) -> None:
    secret.four_times(certificate, ["CreateSecret", "PutSecretValue"], stage="AWSPENDING")
    assert secret.value("AWSPENDING")["certificate"] == certificate.certificate_pem


def test_absent(secret: Secret, certificate: IssuedCertificate) -> None:
    secret.four_times(None, [], state="absent")
    secret.run(certificate)
    run = secret.four_times(None, ["DeleteSecret"], state="absent", recovery_window=7)
    assert run.result["action"] == "removed"
    assert secret.described()["DeletedDate"]
    refused = secret.run(certificate)
    assert refused.failed
    assert "marked for deletion" in refused.result["msg"]
    secret.four_times(certificate, ["RestoreSecret"], on_deleted="restore")
    secret.four_times(None, ["DeleteSecret"], state="absent", force=True)
    assert secret.state() is None
    assert "7 to 30" in secret.run(None, state="absent", recovery_window=3).result["msg"]


def test_verification_refuses(
    secret: Secret, intermediate: CertificateAuthority, certificate: IssuedCertificate, faults: AwsFaults
) -> None:
    other = intermediate.issue("www.example.com")
    wrong: dict[str, dict[str, t.Any]] = {
        "private_key_mismatch": {"private_key": other.private_key_pem},
        "private_key_missing": {"private_key": ""},
        "domain_not_covered": {"domain_name": "example.org"},
        "expires_too_soon": {"min_remaining": "52w"},
        "untrusted": {"trust_anchors": CertificateAuthority("Elsewhere").certificate_pem},
        "pem_invalid": {"certificate": certificate.certificate_pem[:-30]},
    }
    for code, args in wrong.items():
        for check in (True, False):
            run = secret.run(certificate, check=check, **args)
            assert run.failed
            assert f"[{code}]" in run.result["msg"]
            assert run.result["action"] == "refused"
    assert faults.counts() == {}, "what is refused must not even be asked about"


def test_too_long_for_a_secret(secret: Secret, intermediate: CertificateAuthority, faults: AwsFaults) -> None:
    many = intermediate.issue([f"host-{index:05}.some-rather-long-domain.example.com" for index in range(1200)])
    for check in (True, False):
        run = secret.run(many, check=check)
        assert run.failed
        assert "65536" in run.result["msg"]
    assert faults.counts() == {}


def test_another_run_creates_it_first(
    secret: Secret, aws: MotoServer, faults: AwsFaults, certificate: IssuedCertificate
) -> None:
    def other_run_is_quicker(body: dict[str, t.Any]) -> bool:
        aws.put_secret(NAME, certificate.secret_document())
        return True

    faults.fail("CreateSecret", "ResourceExistsException", times=1, when=other_run_is_quicker)
    run = secret.run(certificate)
    assert not run.failed, run.result["msg"]
    assert run.result["action"] == "unchanged"
    assert len(secret.stages()) == 1


def test_version_that_is_no_longer_listed(
    secret: Secret, faults: AwsFaults, intermediate: CertificateAuthority, certificate: IssuedCertificate
) -> None:
    """AWS answers PutSecretValue of a known token without moving a stage, and describes no version without one."""
    first = secret.run(certificate).result["version_id"]
    secret.run(intermediate.issue("www.example.com"))

    def hide(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        versions = reply["VersionIdsToStages"]
        return {**reply, "VersionIdsToStages": {key: value for key, value in versions.items() if key != first}}

    faults.change("DescribeSecret", hide)
    assert secret.run(certificate).result["changes"] == ["PutSecretValue"]
    assert "AWSCURRENT" in secret.stages()[first]


def test_token_that_holds_something_else(
    secret: Secret, intermediate: CertificateAuthority, certificate: IssuedCertificate, faults: AwsFaults
) -> None:
    secret.run(certificate)
    faults.fail("PutSecretValue", "ResourceExistsException")
    run = secret.run(intermediate.issue("www.example.com"))
    assert run.failed
    assert "holds something else" in run.result["msg"]


def test_rights(
    secret: Secret,
    aws: MotoServer,
    faults: AwsFaults,
    intermediate: CertificateAuthority,
    certificate: IssuedCertificate,
) -> None:
    """Who may write and not read still makes no second version of the same."""
    secret.run(certificate)
    faults.fail("GetSecretValue", "AccessDeniedException", "no reading")
    secret.four_times(certificate, [])
    secret.four_times(intermediate.issue("www.example.com"), ["PutSecretValue"])
    faults.fail("PutSecretValue", "AccessDeniedException", "no writing")
    denied = secret.run(intermediate.issue("www.example.com"))
    assert denied.failed
    assert f"secretsmanager:PutSecretValue of secret {NAME}" in denied.result["msg"]
    assert "IAM policy" in denied.result["msg"]


def test_errors_that_quote_the_value_are_withheld(
    secret: Secret, faults: AwsFaults, certificate: IssuedCertificate
) -> None:
    quoted = f"Value '{certificate.private_key_pem}' at 'secretString' failed to satisfy constraint"
    faults.fail("CreateSecret", "ValidationException", quoted)
    run = secret.run(certificate)
    assert run.failed
    assert "ValidationException" in run.result["msg"]
    assert "withheld" in run.result["msg"]


# -- what is stored already --------------------------------------------------------------------------------------------


def test_what_others_have_stored_stays(
    secret: Secret, aws: MotoServer, intermediate: CertificateAuthority, certificate: IssuedCertificate
) -> None:
    more = {"description": 5, "owner": {"team": ["web"]}, "domain_name": "www.example.com"}
    aws.put_secret(NAME, certificate.secret_document(**more))
    renewed = intermediate.issue(["www.example.com", "*.example.com"])
    run = secret.four_times(renewed, ["PutSecretValue"])
    assert secret.value() == {**renewed.secret_document(), **more}
    assert run.result["diff"]["after"]["domain_name"] == "www.example.com"
    assert "team" not in run.output
    # Another document beside it, with a description of its own.
    given = {**renewed.secret_document(), "description": "shop", "domain_name": "a.example.com"}
    secret.four_times(None, ["PutSecretValue"], certificate=given)
    assert secret.value() == {
        **renewed.secret_document(),
        **more,
        "description": "shop",
        "domain_name": "a.example.com",
    }
    secret.four_times(certificate, ["PutSecretValue"], merge=False)
    assert set(secret.value()) == {"certificate", "certificate_chain", "private_key", "domain_name"}


def test_the_stored_domain_name_guards(
    secret: Secret, aws: MotoServer, intermediate: CertificateAuthority, certificate: IssuedCertificate
) -> None:
    aws.put_secret(NAME, certificate.secret_document(domain_name="www.example.com"))
    other = intermediate.issue("shop.example.org")
    for args in ({}, {"merge": False}, {"stage": "AWSPENDING"}):
        before = secret.state()
        for check in (True, False):
            run = secret.run(other, check=check, **args)
            assert run.failed
            assert "[domain_not_covered]" in run.result["msg"]
            assert "give domain_name" in run.result["msg"]
            assert (run.result["changed"], run.result["action"]) == (False, "refused")
        assert secret.state() == before
    secret.four_times(other, ["PutSecretValue"], domain_name="shop.example.org")
    assert secret.value()["domain_name"] == "shop.example.org"


def test_a_key_in_the_place_of_a_name_is_not_shown(
    secret: Secret, aws: MotoServer, certificate: IssuedCertificate
) -> None:
    """The run's output is searched for it."""
    aws.put_secret(NAME, certificate.secret_document(domain_name=certificate.private_key_pem))
    for check in (True, False):
        run = secret.run(certificate, check=check)
        assert run.failed
        assert "[domain_not_covered]" in run.result["msg"]
    secret.four_times(certificate, ["PutSecretValue"], domain_name="www.example.com")


def test_guarded_changes_compare_with_what_is_stored(
    secret: Secret, aws: MotoServer, intermediate: CertificateAuthority
) -> None:
    root = intermediate.parent
    assert root is not None
    aws.put_secret(NAME, intermediate.issue(["www.example.com", "a.example.com"]).secret_document())
    fewer = intermediate.issue("www.example.com")
    refused = secret.run(fewer, allow_changes=[])
    assert refused.failed
    assert "[san_dropped]" in refused.result["msg"]
    without = root.issue(["www.example.com", "a.example.com"])
    refused = secret.run(without)
    assert refused.failed
    assert "[chain_dropped]" in refused.result["msg"]
    stored = secret.four_times(fewer, ["PutSecretValue"])
    assert "Hosts refuse this renewal by default" in stored.output
    secret.four_times(root.issue("www.example.com"), ["PutSecretValue"], allow_changes=["all"])


def test_binary_secrets_and_bundles_keep_their_form(
    secret: Secret, aws: MotoServer, intermediate: CertificateAuthority, certificate: IssuedCertificate
) -> None:
    aws.put_secret(NAME, json.dumps(certificate.secret_document(owner="x")).encode())
    renewed = intermediate.issue(["www.example.com", "*.example.com"])
    secret.four_times(renewed, ["PutSecretValue"])
    value = secret.client.get_secret_value(SecretId=NAME)["SecretBinary"]
    assert json.loads(value) == renewed.secret_document(owner="x", domain_name="www.example.com")
    aws.put_secret(NAME, renewed.combined_pem)
    secret.four_times(certificate, ["PutSecretValue"])
    assert secret.client.get_secret_value(SecretId=NAME)["SecretString"] == certificate.combined_pem


def test_what_cannot_be_renewed_in_place_is_told(
    secret: Secret, aws: MotoServer, intermediate: CertificateAuthority, certificate: IssuedCertificate
) -> None:
    aws.put_secret(NAME, f"# the shop\n{certificate.combined_pem}")
    renewed = intermediate.issue(["www.example.com", "*.example.com"])
    assert "text around" in secret.four_times(renewed, ["PutSecretValue"]).output
    aws.put_secret(NAME, {**certificate.secret_document(), "pfx": base64.b64encode(certificate.pkcs12()).decode()})
    assert "PKCS#12 in the field 'pfx'" in secret.four_times(renewed, ["PutSecretValue"]).output
    aws.put_secret(NAME, f"owner: x\npem: |\n  {renewed.combined_pem.replace(chr(10), chr(10) + '  ')}")
    for check in (True, False):
        run = secret.run(certificate, check=check)
        assert run.failed
        assert "part of something else" in run.result["msg"]
    secret.four_times(certificate, ["PutSecretValue"], merge=False)


def test_schemas_by_expressions(
    secret: Secret, aws: MotoServer, intermediate: CertificateAuthority, certificate: IssuedCertificate
) -> None:
    def document(issued: IssuedCertificate) -> dict[str, t.Any]:
        return {"mine": {"a": issued.certificate_pem + issued.chain_pem, "b": issued.private_key_pem}, "c": 1}

    fields = {"certificate": "mine.a", "private_key": "mine.b"}
    for check in (True, False):
        assert "in which fields finds nothing" in secret.run(certificate, check=check, fields=fields).result["msg"]
    aws.put_secret(NAME, document(certificate))
    renewed = intermediate.issue(["www.example.com", "*.example.com"])
    secret.four_times(renewed, ["PutSecretValue"], fields=fields)
    assert secret.value() == document(renewed)


def test_an_authority_is_not_overwritten(secret: Secret, aws: MotoServer, certificate: IssuedCertificate) -> None:
    authority = CertificateAuthority("Shared")
    aws.put_secret(NAME, {"certificate": authority.certificate_pem, "private_key": pki.private_key_pem(authority.key)})
    for check in (True, False):
        run = secret.run(certificate, check=check)
        assert run.failed
        assert "a certificate authority with its key" in run.result["msg"]


def test_a_document_that_contradicts_itself_is_told_of(
    secret: Secret, aws: MotoServer, certificate: IssuedCertificate
) -> None:
    aws.put_secret(NAME, {**certificate.secret_document(), "domain_name": ["a.example.com", "b.example.com"]})
    for check in (True, False):
        run = secret.run(certificate, check=check)
        assert run.failed
        assert "merge: false" in run.result["msg"]
    secret.four_times(certificate, ["PutSecretValue"], merge=False)


# -- where it is -------------------------------------------------------------------------------------------------------


def test_nothing_is_created_by_an_arn(secret: Secret, certificate: IssuedCertificate) -> None:
    missing = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:web/gone-AbCdEf"
    elsewhere = "arn:aws:secretsmanager:us-east-1:123456789012:secret:web/gone-AbCdEf"
    for name, said in ((missing, "there is no secret with this ARN"), (elsewhere, "Set the region to us-east-1")):
        for state in ("present", "absent"):
            for check in (True, False):
                run = secret.run(certificate, check=check, name=name, state=state)
                if (name, state) == (missing, "absent"):
                    assert (run.failed, run.result["changed"]) == (False, False)
                else:
                    assert run.failed
                    assert said in run.result["msg"]
    assert secret.client.list_secrets()["SecretList"] == []


def test_a_replica_says_so_in_check_mode_too(
    secret: Secret, aws: MotoServer, intermediate: CertificateAuthority, certificate: IssuedCertificate
) -> None:
    primary = aws.client(region="us-east-1")
    document = json.dumps(certificate.secret_document())
    primary.create_secret(Name=NAME, SecretString=document, AddReplicaRegions=[{"Region": REGION}])
    renewed = intermediate.issue(["www.example.com", "*.example.com"])
    for issued, args in ((renewed, {}), (certificate, {"description": "x"}), (None, {"state": "absent"})):
        for check in (True, False):
            run = secret.run(issued, check=check, **args)
            assert run.failed, args
            assert "its primary in region us-east-1" in run.result["msg"]
    assert not secret.run(certificate).result["changed"]
    run = secret.run(renewed, name="web/new", replicas=[{"region": REGION}], check=True)
    assert "the secret itself" in run.result["msg"]
