# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member against an emulated AWS: taken once, issued anew only for a reason, never a key in the output."""

from __future__ import annotations

import datetime
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.own_address import own_address
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.shared_authority import SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_member import NAMES, Member
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

SERVER_FILES = ["ca.pem", "server-cert.pem", "server-key.pem", "server.pem"]


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    return SharedAuthority(modules, faults, aws)


@pytest.fixture
def member(shared: SharedAuthority, tmp_path: pathlib.Path) -> Member:
    return Member(shared, tmp_path / "joblet")


def reads_of_the_authoritys_key(shared: SharedAuthority) -> int:
    bodies = shared.faults.bodies("GetSecretValue") + shared.faults.bodies("DescribeSecret")
    return sum("ca-key" in body["SecretId"] for body in bodies)


# Taken once


def test_a_host_takes_trust_and_issues_itself_a_server_certificate(shared: SharedAuthority, member: Member) -> None:
    authority = shared.good()
    result = member.four_times()
    member.assert_whole()
    assert result["source"] == "secrets_manager"
    assert result["stage"] == "settled"
    assert result["server"]["action"] == "issued"
    assert result["server"]["reason"] == "missing"
    assert result["server"]["issuer_fingerprint_sha256"] == authority["fingerprint_sha256"]
    assert result["trusted_fingerprints"] == [authority["fingerprint_sha256"]]
    assert member.text("ca.pem") == authority["trust_bundle"]
    assert member.files() == dict.fromkeys(SERVER_FILES, "0600")
    assert member.path.stat().st_mode & 0o777 == 0o700
    assert result["files"]["server"] == str(member.path / "server.pem")
    assert result["files"]["crl"] is None
    assert result["problems"] == []


def test_a_host_writes_nothing_in_aws_and_reads_the_authoritys_key_only_to_issue(
    shared: SharedAuthority, member: Member
) -> None:
    shared.good()
    shared.faults.requests.clear()
    before = shared.state()
    member.good()
    assert reads_of_the_authoritys_key(shared) == 2
    assert set(shared.faults.counts()) == {"DescribeSecret", "GetSecretValue"}
    shared.faults.requests.clear()
    member.good()
    assert reads_of_the_authoritys_key(shared) == 0
    assert sum(shared.faults.counts().values()) == 3, "what docs/shared-ca.md says it costs"
    shared.good()
    assert sum(shared.faults.counts().values()) == 12
    assert shared.state() == before


def test_two_hosts_share_all_but_the_server_certificate(
    shared: SharedAuthority, member: Member, tmp_path: pathlib.Path
) -> None:
    shared.good()
    other = Member(shared, tmp_path / "other")
    member.good(clients=["admin"])
    other.good(clients=["admin"])
    for name in ("ca.pem", "client-admin-cert.pem", "client-admin-key.pem"):
        assert member.text(name) == other.text(name)
    assert member.key().public_key() != other.key().public_key()
    assert member.certificate().serial_number != other.certificate().serial_number


def test_the_defaults_are_those_of_joblet(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    member.good(key_type="rsa")
    certificate = member.certificate()
    assert certificate.subject.rfc4514_string() == "CN=joblet-server,OU=Server,O=Joblet,L=Los Angeles,ST=CA,C=US"
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 365
    extensions = certificate.extensions
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.content_commitment, usage.key_encipherment) == (True, True, True)
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_options_of_the_server_certificate(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    subject = {"organization": "Example", "country": "", "common_name": "node"}
    result = member.four_times(subject=subject, key_size=384, validity_days=20, mode="0640", directory_mode="0750")
    certificate = member.certificate()
    assert certificate.subject.rfc4514_string() == "CN=node,OU=Server,O=Example,L=Los Angeles,ST=CA"
    assert certificate.public_key().key_size == 384  # type: ignore[union-attr]
    assert set(member.files().values()) == {"0640"}
    assert [problem["code"] for problem in result["problems"]] == ["expires_too_soon"]
    # They count when something is issued.
    assert (
        member.good(subject={"organization": "Other"}, key_size=256, validity_days=30, mode="0640")["changed"] is False
    )


def test_clients_are_installed_with_their_keys(shared: SharedAuthority, member: Member) -> None:
    shared.good(clients=[{"name": "admin"}, {"name": "ci", "role": "maintainer"}])
    result = member.four_times(clients=["admin", "ci"])
    assert "OU=maintainer" in result["clients"]["ci"]["subject"]
    for name in ("admin", "ci"):
        certificate = member.certificate(f"client-{name}-cert.pem")
        assert member.key(f"client-{name}-key.pem").public_key() == certificate.public_key()
        assert str(member.path / f"client-{name}-key.pem") == result["files"]["clients"][name]["key"]
    assert set(member.files().values()) == {"0600"}


def test_a_host_that_is_only_a_client_needs_no_key_of_the_authority(shared: SharedAuthority, member: Member) -> None:
    shared.good(clients=[{"name": "admin"}, {"name": "ci"}])
    shared.faults.requests.clear()
    for operation in ("GetSecretValue", "DescribeSecret"):
        shared.faults.fail(operation, "AccessDeniedException", when=lambda body: "ca-key" in body["SecretId"])
    result = member.four_times(server_names=[], clients=["ci"])
    assert result["server"] is None
    assert sorted(member.files()) == ["ca.pem", "client-ci-cert.pem", "client-ci-key.pem"]
    assert reads_of_the_authoritys_key(shared) == 0


# Issued anew, for a reason


def test_names_are_judged_and_changed_names_are_a_reason(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    first = member.good(server_names=[" joblet ", "0.0.0.0", "::1", "127.0.0.1"])
    assert first["server"]["subject_alternative_names"] == ["joblet", "::1", "127.0.0.1"]
    assert member.good(server_names=["127.0.0.1", "JOBLET", "[::1]"])["changed"] is False
    key = member.key().public_key()
    again = member.four_times(server_names=["joblet", "127.0.0.1"])
    assert again["server"]["reason"] == "names_changed"
    assert member.key().public_key() != key
    assert sorted(again["changed_files"]) == [str(member.path / name) for name in SERVER_FILES[1:]]


def test_what_expires_is_renewed_by_the_policy_or_as_told(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    member.good(validity_days=40)
    assert member.good(validity_days=40)["changed"] is False
    assert member.good(validity_days=40, renew_before="30d")["changed"] is False
    later = member.four_times(validity_days=50, renew_before="45d")
    assert later["server"]["reason"] == "expiring"


def test_a_certificate_that_ends_with_the_authority_is_not_issued_again_for_the_same_end(
    shared: SharedAuthority, member: Member
) -> None:
    shared.good(validity_days=20)
    ends = member.good()["server"]["not_after"]
    for renew_before in ("auto", "30d", "364d"):
        again = member.good(renew_before=renew_before)
        assert (again["changed"], again["server"]["not_after"]) == (False, ends)
    assert {problem["code"] for problem in again["problems"]} == {"expires_too_soon"}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[: text.index("-----BEGIN PRIVATE KEY")], "key_broken"),
        (lambda text: "garbage\n", "key_broken"),
        (None, "missing"),
    ],
)
def test_a_broken_server_certificate_is_replaced(
    shared: SharedAuthority, member: Member, damage: t.Callable[[str], str] | None, reason: str
) -> None:
    shared.good()
    member.good()
    file = member.path / "server.pem"
    if damage:
        file.write_text(damage(file.read_text()))
    else:
        file.unlink()
    assert member.four_times()["server"]["reason"] == reason
    member.assert_whole()


def test_another_hosts_key_beside_the_certificate_is_broken(
    shared: SharedAuthority, member: Member, tmp_path: pathlib.Path
) -> None:
    shared.good()
    member.good()
    other = Member(shared, tmp_path / "other")
    other.good()
    (member.path / "server.pem").write_text(member.text("server-cert.pem") + other.text("server-key.pem"))
    assert member.four_times()["server"]["reason"] == "key_broken"
    member.assert_whole()


def test_files_that_were_changed_are_put_right_without_another_certificate(
    shared: SharedAuthority, member: Member
) -> None:
    shared.good()
    first = member.good()
    (member.path / "ca.pem").write_text("")
    (member.path / "server-key.pem").unlink()
    (member.path / "server.pem").chmod(0o644)
    result = member.four_times()
    assert result["server"]["fingerprint_sha256"] == first["server"]["fingerprint_sha256"]
    assert sorted(result["changed_files"]) == [
        str(member.path / name) for name in ("ca.pem", "server-key.pem", "server.pem")
    ]
    member.assert_whole()


# Through a rotation


def test_a_host_follows_a_rotation_step_by_step(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    before = member.good(clients=["admin"])
    shared.rotate("publish")
    published = member.four_times(clients=["admin"])
    assert published["stage"] == "published"
    assert len(published["trusted_fingerprints"]) == 2
    assert published["server"]["action"] == "unchanged"
    assert published["changed_files"] == [str(member.path / "ca.pem")]
    ahead = member.four_times(clients=["admin"], issuer="successor")
    assert ahead["server"]["reason"] == "ca_changed"
    added = set(published["trusted_fingerprints"]) - set(before["trusted_fingerprints"])
    assert {ahead["server"]["issuer_fingerprint_sha256"]} == added
    shared.rotate("promote")
    promoted = member.four_times(clients=["admin"], issuer="successor")
    assert promoted["stage"] == "promoted"
    assert promoted["server"]["action"] == "unchanged"
    assert promoted["clients"]["admin"] != before["clients"]["admin"]
    shared.rotate("finish")
    settled = member.four_times(clients=["admin"])
    assert settled["trusted_fingerprints"] == [ahead["server"]["issuer_fingerprint_sha256"]]
    assert settled["server"]["action"] == "unchanged"
    assert settled["problems"] == []


def test_after_an_abort_the_authority_before_issues_again(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    member.good()
    shared.rotate("publish")
    member.good(issuer="successor")
    shared.rotate("abort")
    assert member.four_times(issuer="successor")["server"]["reason"] == "ca_changed"
    member.assert_whole()


def test_revocation_lists_come_and_go(shared: SharedAuthority, member: Member) -> None:
    shared.good(clients=[{"name": "admin"}, {"name": "ci"}])
    member.good(clients=["ci"])
    stored = shared.good(clients=[{"name": "admin"}, {"name": "ci", "state": "revoked"}])
    refused = member.run(clients=["ci"])
    assert refused.failed
    assert "is revoked" in refused.result["msg"]
    result = member.four_times()
    assert result["files"]["crl"] == str(member.path / "crl.pem")
    assert member.text("crl.pem") == stored["crl"]
    shared.client.delete_secret(SecretId="joblet/crl", ForceDeleteWithoutRecovery=True)
    assert member.four_times()["changed_files"] == [str(member.path / "crl.pem")]
    assert "crl.pem" not in member.files()


# Options and files


BAD_OPTIONS: list[tuple[dict[str, t.Any], str]] = [
    ({"clients": ["nobody"]}, "add the client nobody"),
    ({"clients": ["a/b"]}, "no name of a client"),
    ({"server_names": ["999.1.1.1"]}, "999.1.1.1"),
    ({"server_names": ["0.0.0.0"]}, "at least one host name"),
    ({"key_size": 1024}, "not 1024"),
    ({"validity_days": 0}, "validity_days"),
    ({"renew_before": "400d"}, "renew_before"),
    ({"renew_before": "30"}, "renew_before"),
    ({"mode": "0644"}, "would let every user"),
    ({"owner": "nobody-of-that-name"}, "owner"),
    ({"subject": {"country": "Germany"}}, "subject"),
    ({"prefix": "/"}, "prefix"),
    ({"warn_days": -1}, "warn_days"),
    ({"configurations": [{"content": "x: @server_key@\n", "dest": "/nowhere/x"}]}, "alone on its line"),
    ({"configurations": [{"content": "@client_key:ci@\n", "dest": "/nowhere/x"}]}, "List the client"),
    ({"configurations": [{"content": "@crl@\n", "dest": "/nowhere/x"}]}, "first revocation"),
    ({"configurations": [{"content": "@ca@\n", "dest": "/nowhere/x", "mode": "0604"}]}, "would let every user"),
]


def test_bad_options_are_refused_before_anything_is_written(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    for args, why in BAD_OPTIONS:
        run = member.run(**args)
        assert run.failed
        assert why in run.result["msg"]
        assert member.snapshot() == {}


def test_the_hosts_own_address(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    names = member.four_times(own_address=True)["server"]["subject_alternative_names"]
    assert names == list(dict.fromkeys([*NAMES, *filter(None, [own_address()])]))


def test_ipv6_addresses_are_names_in_any_spelling(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    result = member.four_times(server_names=["2001:DB8:0::0005", "[::1]", "0.0.0.0", "::"])
    assert result["server"]["subject_alternative_names"] == ["2001:db8::5", "::1"]
    assert not member.good(server_names=["::1", "[2001:db8::5]"])["changed"]
    files = ["-CAfile", str(member.path / "ca.pem"), str(member.path / "server-cert.pem")]
    for address in ("2001:db8::5", "::1"):
        verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", address, *files]
        assert subprocess.run(verify, capture_output=True, text=True, check=False).returncode == 0
    for name in ("fe80::1%eth0", "[fe80::1%1]", "[::1", "::1]", "[::1]:443", "[]", "1:2"):
        run = member.run(server_names=["joblet", name])
        assert run.failed
        assert repr(name) in run.result["msg"]


# Configuration files


def test_configurations_are_filled_in_on_the_host(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    dest = member.path.parent / "config" / "joblet.yml"
    content = (
        "server:\n  cert: |\n    @server_cert@\n  key: |\n    @server_key@\nca: |\n  @ca@\nmail: a@server.example\n"
    )
    configurations = [{"content": content, "dest": str(dest)}]
    result = member.four_times(configurations=configurations)
    assert str(dest) in result["changed_files"]
    assert dest.stat().st_mode & 0o777 == 0o600
    assert dest.parent.stat().st_mode & 0o777 == 0o700
    indented = "".join(f"    {line}\n" for line in member.text("server-key.pem").splitlines())
    assert f"  key: |\n{indented}ca: |\n  -----BEGIN CERTIFICATE" in dest.read_text()
    dest.write_text("edited by hand")
    assert member.four_times(configurations=configurations)["changed_files"] == [str(dest)]


def test_dates_of_what_is_issued(shared: SharedAuthority, member: Member) -> None:
    shared.good(validity_days=20)
    result = member.good(validity_days=365)
    certificate = member.certificate()
    assert certificate.not_valid_after_utc == shared.certificate("ca-cert").not_valid_after_utc
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    assert abs((certificate.not_valid_before_utc - start).total_seconds()) < 300
    assert {problem["code"] for problem in result["problems"]} == {"expires_too_soon"}
