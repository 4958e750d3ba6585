# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of certificate issuance between runs, in an emulated AWS over HTTP: the journal and the ledger."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading
import typing as t

import boto3
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.csr import compact_key, expand_key, key_spec
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.ledger import AccountKey, Ledger
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.limits import LETS_ENCRYPT
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import generate_key
from ansible_collections.certops.rotation.plugins.module_utils._errors import (
    RotationError,
    RunOvertaken,
    SecretsManagerError,
)
from ansible_collections.certops.rotation.plugins.module_utils._module.aws import repeating
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.issuance_journal import IssuanceJournal
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.issuance_ledger import (
    IssuanceLedger,
    ledger_place,
)
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.issuance import ACCOUNT, NOW, ONE, entry
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer

JOURNAL = "acme/journal"
ONES = AccountKey(ONE.directory, ACCOUNT)


def client_of(env: t.Mapping[str, str], service: str = "secretsmanager") -> t.Any:
    """One of its own: what counts requests stays with its client."""
    return boto3.session.Session().client(
        service,
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="emulated-secret-key",
    )


def journal(env: t.Mapping[str, str], **more: t.Any) -> IssuanceJournal:
    return IssuanceJournal(client_of(env), repeating(2), JOURNAL, **more)


def labelled(aws: MotoServer) -> dict[str, str]:
    """Label of a secret's version -> its text, for all secrets."""
    client, found = aws.client(), {}
    for secret in client.list_secrets()["SecretList"]:
        versions = client.list_secret_version_ids(SecretId=secret["ARN"], IncludeDeprecated=True)["Versions"]
        for version in versions:
            for label in version.get("VersionStages") or []:
                value = client.get_secret_value(SecretId=secret["ARN"], VersionId=version["VersionId"])
                found[f"{secret['Name']} {label}"] = value["SecretString"]
    return found


# The journal


def test_a_hundred_rsa_keys_of_4096_bits_survive_a_run_and_none_stays(aws: MotoServer) -> None:
    key = generate_key(key_spec("rsa4096"))
    pki.private_key_pem(key)
    text = compact_key(key)
    batch = [entry(f"n{number:02d}", f"n{number:02d}.example.com", key_type="rsa4096") for number in range(100)]
    run = journal(aws.env)
    assert run.read() == ()
    run.write(batch)
    with_keys = [dataclasses.replace(each.at("validated"), key=text) for each in batch]
    run.write(with_keys)
    follower = journal(aws.env)
    entries = follower.read()
    assert list(entries) == with_keys
    assert expand_key(entries[99].key or "").private_numbers() == key.private_numbers()
    follower.write([each.at("stored") for each in entries])
    follower.clear()
    texts = labelled(aws)
    assert len(texts) > 3
    assert {name.rpartition(" ")[2] for name in texts} == {"AWSCURRENT"}
    for each in texts.values():
        secrets_scan.assert_no_private_key(each)
    assert journal(aws.env).read() == ()


def test_a_new_journal_is_encrypted_with_the_key_and_says_what_it_is(aws: MotoServer) -> None:
    run = journal(aws.env, kms_key_id="alias/acme", tags={"team": "edge"})
    run.read()
    run.write([entry()])
    described = aws.client().describe_secret(SecretId=JOURNAL)
    assert described["KmsKeyId"] == "alias/acme"
    assert described["Tags"] == [{"Key": "team", "Value": "edge"}]
    assert "private keys until they are stored" in described["Description"]


def test_a_run_with_nothing_under_way_asks_twice_and_writes_nothing(faults: AwsFaults) -> None:
    run = journal(faults.env)
    run.read()
    run.write([entry(key=pki.shared_key())])
    run.clear()
    faults.requests.clear()
    again = journal(faults.env)
    assert again.read() == ()
    again.clear()
    assert [request.operation for request in faults.requests] == ["DescribeSecret", "GetSecretValue"]


@pytest.mark.parametrize("is_there", [False, True])
def test_of_two_controllers_one_goes_on_and_the_other_is_told(aws: MotoServer, is_there: bool) -> None:
    if is_there:
        first = journal(aws.env)
        first.read()
        first.write([entry("before")])
    for _round in range(5):
        runs = [journal(aws.env) for _run in range(2)]
        for run in runs:
            run.read()
        together = threading.Barrier(2)

        def begin(number: int, runs: t.Any = runs, together: t.Any = together) -> str:
            together.wait(30)
            try:
                runs[number].write([entry(f"run-{number}")])
            except RunOvertaken as error:
                return error.message
            return ""

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            told = list(pool.map(begin, range(2)))
        assert sorted(map(bool, told)) == [False, True], told
        assert f"Another run has written secret {JOURNAL}" in "".join(told)
        assert [each.name for each in journal(aws.env).read()] == [f"run-{told.index('')}"]


def test_an_answer_that_gets_lost_on_the_way_is_no_other_run(faults: AwsFaults) -> None:
    """AWS has done it, and its answer is an error: the request is repeated with the same token."""
    run = journal(faults.env)
    run.read()
    run.write([entry()])
    failed: list[int] = []

    def lose(_request: t.Any, reply: dict[str, t.Any]) -> dict[str, t.Any]:
        failed.append(1)
        if len(failed) == 1:
            return {"__type": "InternalServiceError", "Message": "made up by a test"}
        return reply

    faults.change("PutSecretValue", lose)
    run.write([entry().at("validated")])
    assert journal(faults.env).read() == (entry().at("validated"),)


def test_what_cannot_be_used_is_told_before_anything_is_ordered(aws: MotoServer, faults: AwsFaults) -> None:
    aws.put_secret(JOURNAL, {"certificate": "x"})
    with pytest.raises(RotationError, match="holds something else than a journal"):
        journal(aws.env).read()
    aws.client().delete_secret(SecretId=JOURNAL, RecoveryWindowInDays=7)
    with pytest.raises(RotationError, match=r"so nothing more is ordered: Secret acme/journal is marked for deletion"):
        journal(aws.env).read()
    faults.fail("DescribeSecret", "AccessDeniedException")
    with pytest.raises(
        SecretsManagerError, match=r"so nothing more is ordered: .*Allow the operation in the IAM policy"
    ):
        journal(faults.env).read()


# The ledger


def ledger_at(address: str, env: t.Mapping[str, str]) -> IssuanceLedger:
    return IssuanceLedger(ledger_place(address, lambda service: client_of(env, service), repeating(2)))


def orders(address: str, env: t.Mapping[str, str]) -> int:
    ledger, warning = ledger_at(address, env).read()
    assert warning is None
    left = ledger.orders_left(ONES, LETS_ENCRYPT, NOW)
    assert left is not None
    return 300 - left


@pytest.fixture(params=["acme/ledger", "s3://acme-ledger/some/ledger.json"])
def address(request: pytest.FixtureRequest, aws: MotoServer) -> str:
    aws.client("s3").create_bucket(Bucket="acme-ledger", CreateBucketConfiguration={"LocationConstraint": REGION})
    return str(request.param)


def test_the_next_run_knows_what_was_ordered(address: str, aws: MotoServer) -> None:
    port = ledger_at(address, aws.env)
    ledger, warning = port.read()
    assert warning is None
    for count in (1, 2):
        ledger.note_order(ONES, LETS_ENCRYPT, NOW)
        assert port.write(ledger, NOW) is None
        assert orders(address, aws.env) == count


def test_runs_that_write_at_once_are_merged(address: str, aws: MotoServer) -> None:
    """The emulator's own steps are not atomic, so they go one after the other, each on what it read at first."""
    runs = []
    for _run in range(4):
        port = ledger_at(address, aws.env)
        runs.append((port, port.read()[0]))
    for port, ledger in runs:
        ledger.note_order(ONES, LETS_ENCRYPT, NOW)
        assert port.write(ledger, NOW) is None
    assert orders(address, aws.env) == 4
    late, ledger = runs[0]
    ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    assert late.write(ledger, NOW) is None


def test_a_damaged_ledger_keeps_no_renewal_back(address: str, aws: MotoServer) -> None:
    if address.startswith("s3://"):
        aws.client("s3").put_object(Bucket="acme-ledger", Key="some/ledger.json", Body=b'{"accounts":{"\xff\xfe')
    else:
        aws.put_secret(address, '{"accounts":{')
    port = ledger_at(address, aws.env)
    ledger, warning = port.read()
    assert "damaged, and begun anew" in str(warning)
    ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    assert port.write(ledger, NOW) is None
    assert orders(address, aws.env) == 1


def test_a_strangers_object_is_left_as_it_is(address: str, aws: MotoServer) -> None:
    if address.startswith("s3://"):
        aws.client("s3").put_object(Bucket="acme-ledger", Key="some/ledger.json", Body=b"mine")
    else:
        aws.put_secret(address, "mine")
    port = ledger_at(address, aws.env)
    ledger, warning = port.read()
    assert "left as it is" in str(warning)
    ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    assert port.write(ledger, NOW) is None
    assert "left as it is" in str(ledger_at(address, aws.env).read()[1])


def test_a_bucket_that_is_not_there_is_a_warning(aws: MotoServer) -> None:
    port = ledger_at("s3://no-such-bucket/ledger.json", aws.env)
    ledger, warning = port.read()
    assert "s3:GetObject of s3://no-such-bucket/ledger.json failed" in str(warning)
    ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    assert port.write(ledger, NOW) is None


def test_an_object_is_encrypted_with_the_key(aws: MotoServer) -> None:
    aws.client("s3").create_bucket(Bucket="acme-ledger", CreateBucketConfiguration={"LocationConstraint": REGION})
    place = ledger_place("s3://acme-ledger/x", lambda service: client_of(aws.env, service), repeating(2), "alias/acme")
    assert place.read() is None
    assert place.succeed(Ledger().to_json(NOW))
    head = aws.client("s3").head_object(Bucket="acme-ledger", Key="x")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/acme")
