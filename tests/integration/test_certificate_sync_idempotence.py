# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_sync changes what has to change, once: every option by check, run, check, run; and what runs cost."""

from __future__ import annotations

import pathlib
import stat
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions

NOBODY = 65534


@pytest.fixture
def stored(aws: MotoServer, intermediate: CertificateAuthority) -> dict[str, IssuedCertificate]:
    certificates = {f"web/{index}": intermediate.issue([f"w{index}.example.com"]) for index in range(3)}
    for name, certificate in certificates.items():
        aws.put_secret(name, certificate.secret_document(), tags={"Environment": "production"})
    return certificates


@pytest.mark.parametrize(
    "options",
    [
        {"name_prefix": "web/"},
        {"names": ["web/0", "web/1", "web/2"]},
        {"tags": {"Environment": "production"}},
        {"tags": {"Environment": "production"}, "name_prefix": "web/", "names": ["ignored"]},
        {"name_prefix": "web/", "names": ["web/1"]},
        {"name_prefix": "web/", "layout": "lineage"},
        {"name_prefix": "web/", "layout": "split"},
        {"name_prefix": "web/", "prune": True},
        {"name_prefix": "web/", "keep_previous": 0},
        {"name_prefix": "web/", "mode": "0640", "directory_mode": "0750", "owner": "0", "group": str(NOBODY)},
        {"name_prefix": "web/", "layout": "lineage", "mode": "0440", "directory_mode": "0710", "group": "nogroup"},
        {"name_prefix": "web/", "fields": {"certificate": "certificate", "domain_name": "domain_name"}},
        {"name_prefix": "web/", "passphrase": "not needed", "min_remaining": "30d", "clock_skew": "1h"},
        {"name_prefix": "web/", "min_rsa_bits": 4096, "lock_timeout": "5s", "on_invalid": "skip"},
    ],
    ids="-".join,
)
def test_second_run_changes_nothing(
    target: SyncTarget, stored: dict[str, IssuedCertificate], options: dict[str, t.Any]
) -> None:
    _check, run, _check_again, _again = target.sync_four_times(**options)
    assert actions(run) == dict.fromkeys(stored, "created")
    found = {item["name"]: item["fingerprint_sha256"] for item in run.result["certificates"]}
    assert found == {name: certificate.fingerprint_sha256 for name, certificate in stored.items()}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({}, {"mode": "0640"}),
        ({}, {"group": str(NOBODY)}),
        ({}, {"owner": str(NOBODY), "mode": 0o400}),
        ({}, {"layout": "lineage"}),
        ({"layout": "lineage"}, {"layout": "split"}),
        ({"layout": "lineage"}, {"layout": "lineage", "directory_mode": "0750", "group": str(NOBODY)}),
        ({"layout": "split"}, {}),
    ],
    ids=str,
)
def test_changed_option_is_applied_once(
    target: SyncTarget, stored: dict[str, IssuedCertificate], first: dict[str, t.Any], then: dict[str, t.Any]
) -> None:
    target.sync(name_prefix="web/", **first)
    run = target.sync_four_times(name_prefix="web/", **then)[1]
    assert set(actions(run).values()) == {"updated"}
    layout = then.get("layout", "haproxy")
    expected = {"haproxy": 3, "lineage": 12, "split": 6}[layout]
    assert len(target.live_files()) == expected, "files of the other layout are left"


def test_option_that_does_not_touch_the_files_changes_nothing(
    target: SyncTarget, stored: dict[str, IssuedCertificate]
) -> None:
    target.sync(name_prefix="web/")
    anchors = pki.CertificateAuthority("Elsewhere").certificate_pem
    refused = target.sync(name_prefix="web/", trust_anchors=anchors)
    assert set(actions(refused).values()) == {"refused"}, "new trust anchors must be asked of what is on disk, too"
    assert len(target.live_files()) == 3
    assert target.sync(name_prefix="web/").result["changed"] is False


def test_trust_anchors_by_four_runs(
    target: SyncTarget, stored: dict[str, IssuedCertificate], intermediate: CertificateAuthority
) -> None:
    target.sync_four_times(name_prefix="web/", trust_anchors=intermediate.root_pem)


def test_nobody_else_reads_a_key_unless_that_is_said(target: SyncTarget, stored: dict[str, IssuedCertificate]) -> None:
    target.sync(name_prefix="web/")
    files = [path for path in target.path.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert len(files) > 2 * len(target.live_files()), "with those that are kept"
    assert stat.S_IMODE(target.path.stat().st_mode) == 0o700


def test_modes_and_owners(target: SyncTarget, stored: dict[str, IssuedCertificate]) -> None:
    target.sync(name_prefix="web/", mode="0640", group=str(NOBODY), directory_mode="0750")
    for path in [target.path / "web_0.pem", target.path]:
        status = path.stat()
        mode = 0o750 if path.is_dir() else 0o640
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (mode, NOBODY), path
    assert stat.S_IMODE((target.path / ".certops" / "manifest.json").stat().st_mode) == 0o600


def test_files_that_were_tampered_with_are_written_again(
    target: SyncTarget, stored: dict[str, IssuedCertificate]
) -> None:
    target.sync(name_prefix="web/")
    good = target.live_files()
    (target.path / "web_0.pem").unlink()
    with (target.path / "web_1.pem").open("ab") as file:  # in place: the stored version is damaged, too
        file.write(b"garbage")
    (target.path / "web_2.pem").chmod(0o644)
    run = target.sync_four_times(name_prefix="web/")[1]
    assert set(actions(run).values()) == {"updated"}
    assert target.live_files() == good


def test_unchanged_250_cost_three_list_calls(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, intermediate: CertificateAuthority
) -> None:
    key = pki.shared_key()
    for index in range(250):
        aws.put_secret(f"many/{index:03}", intermediate.issue([f"n{index}.example.com"], key=key).secret_document())
    first = target.sync(name_prefix="many/")
    assert len(first.result["certificates"]) == 250
    batches = [len(body["SecretIdList"]) for body in faults.bodies("BatchGetSecretValue")]
    assert sorted(batches) == [10, *[20] * 12]
    assert first.result["api_calls"] == faults.counts() == {"ListSecrets": 3, "BatchGetSecretValue": 13}
    faults.heal()
    second = target.sync(name_prefix="many/")
    assert second.result["changed"] is False
    assert second.result["api_calls"] == faults.counts() == {"ListSecrets": 3}


def test_hundred_names_cost_one_list_call_in_a_larger_account(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, intermediate: CertificateAuthority
) -> None:
    document = intermediate.issue(["a.example.com"]).secret_document()
    names = [f"shop-{index:03}" for index in range(100)]
    for name in [*names, *(f"other-{index:03}" for index in range(60))]:
        aws.put_secret(name, document)
    first = target.sync(names=names)
    assert first.result["api_calls"]["ListSecrets"] == 1
    faults.heal()
    second = target.sync(names=names)
    assert list(actions(second)) == names
    assert faults.counts() == {"ListSecrets": 1}


def test_one_name_among_many_lookalikes_costs_two_calls(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, intermediate: CertificateAuthority
) -> None:
    """The name filter goes by prefix: a listing of all that start with "a" must not be read to its end."""
    document = intermediate.issue(["a.example.com"]).secret_document()
    for name in [*(f"a-{index:03}" for index in range(220)), "a"]:
        aws.put_secret(name, document)
    run = target.sync(names=["a"])
    assert actions(run) == {"a": "created"}
    calls = faults.counts()
    assert calls["ListSecrets"] + calls.get("DescribeSecret", 0) <= 2


def test_names_by_arn_are_listed_as_well(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, stored: dict[str, IssuedCertificate]
) -> None:
    client = aws.client()
    arns = [client.describe_secret(SecretId=name)["ARN"] for name in stored]
    run = target.sync_four_times(names=[*arns, "web/0"])[1]
    assert actions(run) == dict.fromkeys(stored, "created")
    assert "DescribeSecret" not in faults.counts()


def test_listing_that_lags_behind_does_not_flap(
    aws: MotoServer,
    target: SyncTarget,
    faults: AwsFaults,
    stored: dict[str, IssuedCertificate],
    intermediate: CertificateAuthority,
) -> None:
    target.sync(name_prefix="web/")
    aws.put_secret("web/0", intermediate.issue(["w0.example.com"]).secret_document())
    old = aws.client().list_secrets(Filters=[{"Key": "name", "Values": ["web/0"]}])["SecretList"][0]
    stages_of = old["SecretVersionsToStages"].items()
    stale = {version: ["AWSCURRENT"] for version, stages in stages_of if "AWSPREVIOUS" in stages}

    def lag(request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        for secret in reply["SecretList"]:
            if secret["Name"] == "web/0":
                secret["SecretVersionsToStages"] = stale
        return reply

    faults.change("ListSecrets", lag)
    assert target.sync(name_prefix="web/").result["changed"] is False, "nobody could know yet"
    faults.heal()
    assert actions(target.sync(name_prefix="web/"))["web/0"] == "updated"
    faults.change("ListSecrets", lag)
    for _run in range(2):
        assert target.sync(name_prefix="web/").result["changed"] is False
    faults.heal()
    assert target.sync(name_prefix="web/").result["api_calls"] == {"ListSecrets": 1}


def test_path_may_be_relative_to_home_and_have_a_final_slash(
    target: SyncTarget, stored: dict[str, IssuedCertificate], tmp_path: pathlib.Path
) -> None:
    run = target.sync(path="~/certs/", name_prefix="web/0", env={"HOME": str(tmp_path)})
    assert run.result["certificates"][0]["path"] == str(tmp_path / "certs" / "web_0.pem")
