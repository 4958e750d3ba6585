# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca and shared_ca_info against an emulated AWS: made once, told apart what fails, never a key in the output."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.shared_authority import FIRST_FOUR, SharedAuthority
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

READS = {"DescribeSecret", "GetSecretValue"}
ADMIN_AND_CI = [{"name": "admin"}, {"name": "ci", "role": "maintainer"}]


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    return SharedAuthority(modules, faults, aws)


# Created and retrieved


def test_the_first_host_creates_and_the_second_one_retrieves(shared: SharedAuthority) -> None:
    run = shared.four_times(True)
    assert run.result["items"] == dict.fromkeys(FIRST_FOUR, "generated")
    assert run.result["stage"] == "settled"
    shared.assert_whole()
    shared.faults.requests.clear()
    second = shared.good()
    assert second["items"] == dict.fromkeys(FIRST_FOUR, "retrieved")
    assert second["ca_certificate"] == run.result["ca_certificate"] == second["trust_bundle"]
    assert set(shared.faults.counts()) == READS
    assert shared.versions() == dict.fromkeys(FIRST_FOUR, 1)


def test_the_defaults_are_those_of_joblet(shared: SharedAuthority) -> None:
    shared.good(key_type="rsa")
    authority, client = shared.certificate("ca-cert"), shared.certificate("client-cert")
    assert authority.subject.rfc4514_string() == "CN=Joblet-CA,OU=CA,O=Joblet,L=Los Angeles,ST=CA,C=US"
    assert client.subject.rfc4514_string() == "CN=admin-client,OU=admin,O=Joblet,L=Los Angeles,ST=CA,C=US"
    for certificate, bits, days in ((authority, 4096, 1095), (client, 2048, 365)):
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == bits
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == days
        assert certificate.version is x509.Version.v3
    tags = {tag["Key"]: tag["Value"] for tag in shared.state()["joblet/ca-key"]["Tags"]}
    assert tags == {"Application": "Joblet", "Type": "Certificate"}


def test_options_of_what_is_issued(shared: SharedAuthority) -> None:
    subject = {"organization": "Example", "country": "DE", "state": "", "locality": "", "common_name": "Example CA"}
    clients = [{"name": "ci", "role": "maintainer", "common_name": "builder", "validity_days": 10}]
    shared.four_times(True, subject=subject, clients=clients, key_size=384, client_key_size=521, validity_days=20)
    authority, client = shared.certificate("ca-cert"), shared.certificate("client-cert-ci")
    assert authority.subject.rfc4514_string() == "CN=Example CA,OU=CA,O=Example,C=DE"
    assert client.subject.rfc4514_string() == "CN=builder,OU=maintainer,O=Example,C=DE"
    assert (authority.public_key().key_size, client.public_key().key_size) == (384, 521)  # type: ignore[union-attr]
    assert (client.not_valid_after_utc - client.not_valid_before_utc).days == 10
    assert sorted(shared.versions()) == ["ca-cert", "ca-key", "client-cert-ci", "client-key-ci"]


def test_prefixes_are_separate(shared: SharedAuthority, aws: MotoServer) -> None:
    shared.good()
    other = SharedAuthority(shared.modules, shared.faults, aws, "joblet/blue")
    other.good()
    assert other.certificate("ca-cert") != shared.certificate("ca-cert")
    assert [each["name"] for each in shared.info()["certificates"]] == ["ca", "admin"]
    other.assert_whole()


def test_another_client_is_added(shared: SharedAuthority) -> None:
    shared.good()
    run = shared.four_times(True, clients=ADMIN_AND_CI)
    assert run.result["items"] == {
        **dict.fromkeys(FIRST_FOUR, "retrieved"),
        "client-cert-ci": "generated",
        "client-key-ci": "generated",
    }
    shared.assert_whole("-ci")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"key_size": 1024}, "not 1024"),
        ({"validity_days": 0}, "validity_days"),
        ({"clients": [{"name": "a/b"}]}, "cannot be part of a secret's name"),
        ({"clients": [{"name": "a"}, {"name": "a"}]}, "more than once"),
        ({"subject": {"country": "Germany"}}, "subject"),
        ({"prefix": "/"}, "prefix"),
        ({"warn_days": -1}, "warn_days"),
        ({"state": "absent", "recovery_window_days": 3}, "7 to 30"),
        ({"import_from": {"certificate": "x"}}, "neither a JSON document, nor PEM"),
    ],
)
def test_bad_options_are_refused_before_anything_is_stored(
    shared: SharedAuthority, args: dict[str, t.Any], why: str
) -> None:
    run = shared.run(**args)
    assert run.failed
    assert why in run.result["msg"]
    assert shared.state() == {}


# What fails is told apart; nothing is generated then


@pytest.mark.parametrize("operation", ["DescribeSecret", "GetSecretValue"])
@pytest.mark.parametrize(
    ("code", "reason"), [("AccessDeniedException", "denied"), ("InvalidRequestException", "other")]
)
def test_what_cannot_be_read_is_not_generated(shared: SharedAuthority, operation: str, code: str, reason: str) -> None:
    shared.good()
    before = shared.state()
    shared.faults.fail(operation, code)
    run = shared.run()
    assert run.failed
    assert run.result["reason"] == reason
    assert run.result["aws_error_code"] == code
    assert shared.state() == before


def test_an_empty_store_that_may_not_be_written(shared: SharedAuthority) -> None:
    shared.faults.fail("CreateSecret", "AccessDeniedException")
    run = shared.run()
    assert run.failed
    assert run.result["reason"] == "denied"
    assert shared.state() == {}


def test_an_aws_that_is_not_there(shared: SharedAuthority) -> None:
    shared.faults.env["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
    shared.faults.env["AWS_MAX_ATTEMPTS"] = "1"
    run = shared.run()
    assert run.failed
    assert run.result["reason"] == "unreachable"


@pytest.mark.parametrize("name", FIRST_FOUR)
def test_a_deleted_secret_is_restored_or_fails(shared: SharedAuthority, name: str) -> None:
    first = shared.good()
    shared.client.delete_secret(SecretId=f"joblet/{name}", RecoveryWindowInDays=7)
    before = shared.state()
    run = shared.run()
    assert run.failed
    assert run.result["reason"] == "deleted"
    assert f"joblet/{name}" in run.result["msg"]
    assert shared.state() == before
    restored = [shared.run(on_deleted="restore", check=check) for check in (True, False, True, False)]
    assert [each.result["changed"] for each in restored] == [True, True, False, False]
    assert restored[1].result["changes"] == ["RestoreSecret"]
    assert restored[3].result["ca_certificate"] == first["ca_certificate"]
    assert shared.versions() == dict.fromkeys(FIRST_FOUR, 1)


@pytest.mark.parametrize("name", ["ca-key", "client-key"])
def test_a_certificate_without_its_key_is_not_guessed_about(shared: SharedAuthority, name: str) -> None:
    first = shared.good()
    shared.client.delete_secret(SecretId=f"joblet/{name}", ForceDeleteWithoutRecovery=True)
    before = shared.state()
    run = shared.run()
    assert run.failed
    assert "Its private key is not stored" in run.result["msg"]
    assert "force: true" in run.result["msg"]
    assert shared.state() == before
    (problem,) = shared.info()["problems"]
    assert problem["code"] == "private_key_missing"
    forced = shared.good(force=True)
    assert forced["fingerprint_sha256"] != first["fingerprint_sha256"]
    assert shared.good()["changed"] is False
    shared.assert_whole()


@pytest.mark.parametrize("name", ["ca-key", "client-key"])
def test_a_key_of_another_certificate(shared: SharedAuthority, aws: MotoServer, name: str) -> None:
    shared.good()
    aws.put_secret(f"joblet/{name}", pki.private_key_pem(pki.new_key()))
    shared.client.update_secret_version_stage(
        SecretId=f"joblet/{name}",
        VersionStage="AWSPREVIOUS",
        RemoveFromVersionId=next(
            version
            for version, stages in shared.state()[f"joblet/{name}"]["VersionIdsToStages"].items()
            if "AWSPREVIOUS" in stages
        ),
    )
    run = shared.run()
    assert run.failed
    assert "is its private key" in run.result["msg"]


@pytest.mark.parametrize("name", ["ca-cert", "client-cert", "ca-key"])
def test_what_is_no_pem(shared: SharedAuthority, aws: MotoServer, name: str) -> None:
    shared.good()
    aws.put_secret(f"joblet/{name}", "no PEM at all")
    run = shared.run()
    if name == "ca-key":  # its previous version matches still
        assert not run.failed
        return
    assert run.failed
    assert f"joblet/{name}" in run.result["msg"]
    assert shared.info()["problems"][0]["code"] == "certificate_invalid"


# How one authority takes the place of another


def test_force_replaces_all_four(shared: SharedAuthority) -> None:
    first = shared.good()
    old = {name: shared.text(name) for name in FIRST_FOUR}
    check = shared.run(force=True, check=True)
    assert check.result["changed"]
    assert {name: shared.text(name) for name in FIRST_FOUR} == old
    second = shared.good(force=True)
    assert second["items"] == check.result["items"] == dict.fromkeys(FIRST_FOUR, "renewed")
    assert second["fingerprint_sha256"] != first["fingerprint_sha256"]
    assert second["trust_bundle"] == second["ca_certificate"]
    assert all(shared.text(name) != old[name] for name in FIRST_FOUR)
    shared.assert_whole()
    assert shared.good()["changed"] is False


def test_force_replaces_clients_that_are_not_listed(shared: SharedAuthority) -> None:
    shared.good(clients=ADMIN_AND_CI)
    forced = shared.good(force=True)
    assert forced["items"]["client-cert-ci"] == "renewed"
    shared.assert_whole("-ci")
    assert shared.certificate("client-cert-ci").subject.rfc4514_string().startswith("CN=ci-client,OU=maintainer")


def test_an_existing_authority_is_imported(shared: SharedAuthority) -> None:
    own = pki.CertificateAuthority("Example CA")
    given = {"certificate": own.certificate_pem, "private_key": pki.private_key_pem(own.key)}
    run = shared.four_times(True, import_from=given)
    assert run.result["ca_certificate"].split() == own.certificate_pem.split()
    shared.assert_whole()
    other = pki.CertificateAuthority("Other CA")
    given = {"certificate": other.certificate_pem, "private_key": pki.private_key_pem(other.key)}
    refused = shared.run(import_from=given)
    assert refused.failed
    assert "holds another authority" in refused.result["msg"]
    shared.good(import_from=given, force=True)
    assert shared.certificate("ca-cert") == other.certificate
    shared.assert_whole()
    assert shared.good(import_from=given)["changed"] is False


def test_what_is_no_authority_is_not_imported(shared: SharedAuthority) -> None:
    leaf = pki.CertificateAuthority("Example CA").issue("www.example.com")
    old = pki.CertificateAuthority("Old CA", not_after=pki.now() - pki.datetime.timedelta(days=1))
    other = pki.CertificateAuthority("Other CA")
    for certificate, key, why in (
        (leaf.certificate_pem, leaf.private_key_pem, "is no certificate authority"),
        (old.certificate_pem, pki.private_key_pem(old.key), "expired"),
        (old.certificate_pem, pki.private_key_pem(other.key), "does not belong"),
    ):
        run = shared.run(import_from={"certificate": certificate, "private_key": key})
        assert run.failed
        assert why in run.result["msg"]
    assert shared.state() == {}


def test_export(shared: SharedAuthority) -> None:
    shared.good()
    refused = shared.modules.run("shared_ca_info", {"include_keys": True}, env=shared.faults.env)
    assert refused.failed
    assert "no_log" in refused.result["msg"]


# Dates


def test_a_client_is_renewed_before_its_end_by_the_policy_or_as_told(shared: SharedAuthority) -> None:
    client = {"name": "ci", "validity_days": 4}
    shared.good(clients=[client])
    # The policy says half of four days; three days are cut to that.
    assert not shared.good(clients=[client])["changed"]
    assert not shared.good(clients=[client], renew_before="3d")["changed"]
    client["validity_days"] = 40
    assert not shared.good(clients=[client])["changed"]
    items = shared.four_times(True, clients=[client], renew_before="10d").result["items"]
    assert (items["client-cert-ci"], items["client-key-ci"]) == ("renewed", "retrieved")
    assert "renew_before" in shared.run(clients=[client], renew_before="soon").result["msg"]


def test_an_expired_authority(shared: SharedAuthority, aws: MotoServer) -> None:
    past = pki.now() - pki.datetime.timedelta(days=1)
    old = pki.CertificateAuthority("Old CA", not_after=past)
    leaf = old.issue("admin", usages=[x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH])
    for name, text in {
        "ca-cert": old.certificate_pem,
        "ca-key": pki.private_key_pem(old.key),
        "client-cert": leaf.certificate_pem,
        "client-key": leaf.private_key_pem,
    }.items():
        aws.put_secret(f"joblet/{name}", text)
    before = shared.state()
    run = shared.run()
    assert run.failed
    assert "renew_expired: true" in run.result["msg"]
    assert shared.state() == before
    assert [each["code"] for each in shared.info()["problems"]][:1] == ["expired"]
    run = shared.four_times(True, renew_expired=True)
    assert run.result["items"] == dict.fromkeys(FIRST_FOUR, "renewed")
    shared.assert_whole()


def test_a_warning_before_the_end(shared: SharedAuthority) -> None:
    """30 days before it, unless another number is set: neither a day earlier nor a day later."""
    early = shared.good(validity_days=31)
    assert early["problems"] == []
    told = shared.info(warn_days=32)
    assert {problem["name"] for problem in told["problems"]} == {"ca", "admin"}
    authority = shared.certificate("ca-cert")
    (dates,) = [(each["not_before"], each["not_after"]) for each in told["certificates"] if each["name"] == "ca"]
    assert dates == tuple(
        f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (authority.not_valid_before_utc, authority.not_valid_after_utc)
    )
    result = shared.good(validity_days=29, force=True)
    assert {problem["code"] for problem in result["problems"]} == {"expires_too_soon"}
    assert {problem["severity"] for problem in result["problems"]} == {"warning"}
    assert {problem["name"] for problem in shared.info()["problems"]} == {"ca", "admin"}
    assert shared.good(warn_days=28)["problems"] == []


# Revocation


def test_a_client_is_revoked_and_let_in_again(shared: SharedAuthority) -> None:
    shared.good(clients=ADMIN_AND_CI)
    serial = shared.certificate("client-cert-ci").serial_number
    revoked = [{"name": "admin"}, {"name": "ci", "state": "revoked"}]
    run = shared.four_times(True, clients=revoked)
    assert run.result["items"]["crl"] == "generated"
    crl = x509.load_pem_x509_crl(run.result["crl"].encode())
    assert crl.is_signature_valid(shared.certificate("ca-cert").public_key())  # type: ignore[arg-type]
    assert [entry.serial_number for entry in crl] == [serial]
    flags = {each["name"]: (each["revoked"], each["valid"]) for each in shared.info()["certificates"]}
    assert flags == {"ca": (False, True), "admin": (False, True), "ci": (True, False)}
    run = shared.four_times(True, clients=ADMIN_AND_CI)
    assert run.result["items"]["client-key-ci"] == "renewed"
    assert shared.certificate("client-cert-ci").serial_number != serial
    shared.assert_whole("-ci")


# Properties, deletion


def test_tags_key_and_replicas(shared: SharedAuthority) -> None:
    shared.good()
    run = shared.four_times(True, tags={"Team": "edge"}, kms_key_id="alias/certificates", replica_regions=["eu-west-1"])
    assert set(run.result["changes"]) == {"UpdateSecret", "TagResource", "ReplicateSecretToRegions"}
    described = shared.state()["joblet/ca-key"]
    assert {tag["Key"] for tag in described["Tags"]} == {"Application", "Type", "Team"}
    assert described["KmsKeyId"] == "alias/certificates"


def test_all_is_deleted(shared: SharedAuthority) -> None:
    shared.good(clients=ADMIN_AND_CI)
    runs = [shared.run(state="absent", check=check) for check in (True, False, True, False)]
    assert [run.result["changed"] for run in runs] == [True, True, False, False]
    assert runs[0].result["items"] == runs[1].result["items"]
    assert set(runs[1].result["items"].values()) == {"removed"}
    assert all(described["DeletedDate"] for described in shared.state().values())
    assert shared.run().result["reason"] == "deleted"


def test_info_of_nothing(shared: SharedAuthority) -> None:
    info = shared.info()
    assert (info["stage"], info["ca_certificate"], info["trust_bundle"], info["certificates"]) == (
        "absent",
        None,
        "",
        [],
    )


def test_info_without_the_right_to_list(shared: SharedAuthority) -> None:
    shared.good()
    shared.faults.fail("ListSecrets", "AccessDeniedException")
    assert [each["name"] for each in shared.info()["certificates"]] == ["ca"]
    assert [each["name"] for each in shared.info(clients=["admin"])["certificates"]] == ["ca", "admin"]
