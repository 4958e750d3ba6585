# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""S3, emulated, as a store: four objects a certificate that belong together, in a bucket of the right account."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.stores import StoreStanding
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import WantedCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.stores import CertificateStores
from ansible_collections.certops.rotation.plugins.module_utils._module.store_options import (
    certificate_stores,
    check_stores,
    secrets_truth,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.calls import AwsCalls
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.s3_lineages import S3Lineages
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.issue_stores import (
    ACCOUNT,
    BUCKET,
    RETRY,
    Cloud,
    Interrupted,
    bundle_of,
    interrupted,
    sent_headers,
    wanted_of,
)
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.secrets_scan import assert_no_private_key
from botocore.exceptions import ParamValidationError

NAME = "www.example.com"
WANTED = wanted_of("web", NAME, "example.com")
ADDRESS = f"s3://{BUCKET}/certs/{NAME}/"
KEY = "11111111-2222-3333-4444-555555555555"
PARTS = ("privkey", "chain", "fullchain", "cert")


@pytest.fixture
def cloud(aws: MotoServer, faults: AwsFaults) -> Cloud:
    return Cloud(aws, faults)


@pytest.fixture
def bundles(intermediate: CertificateAuthority) -> list[CertificateBundle]:
    return [bundle_of(intermediate.issue(WANTED.identifiers)) for dummy in range(2)]


def look(
    store: S3Lineages, bundle: CertificateBundle | None = None, wanted: WantedCertificate = WANTED
) -> StoreStanding:
    return store.look({wanted.name: (wanted, bundle)})[wanted.name]


def test_four_objects_named_as_certbot_names_them(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    client = cloud.client("s3")
    headers = sent_headers(client, "s3")
    store = cloud.s3_store(client)
    assert look(store) == StoreStanding("absent")
    assert store.put(WANTED, bundles[0], look(store)) == ADDRESS
    lineage = bundles[0].render("lineage")
    assert cloud.objects() == {f"certs/{NAME}/{part}.pem": lineage[part] for part in PARTS}
    told = cloud.s3.head_object(Bucket=BUCKET, Key=f"certs/{NAME}/privkey.pem")
    assert told["ContentType"] == "application/x-pem-file"
    assert told["Metadata"] == {"certops-fingerprint": bundles[0].fingerprint_sha256}
    assert look(store, bundles[0]) == StoreStanding("current", ADDRESS)
    assert look(store, bundles[1]).kind == "other"
    assert look(store).kind == "other"
    store.put(WANTED, bundles[1], look(store, bundles[0]))
    assert look(store, bundles[1]).kind == "current"
    # Each request names the owner, and none gives rights to others.
    assert {sent["x-amz-expected-bucket-owner"] for sent in headers} == {ACCOUNT}
    assert not [name for sent in headers for name in sent if name.lower().startswith(("x-amz-acl", "x-amz-grant"))]


def test_many_cost_one_listing(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    wanted = {f"{number}.example.com": wanted_of(f"{number}.example.com") for number in range(30)}
    bundle = bundle_of(intermediate.issue(list(wanted)))
    store = cloud.s3_store()
    for each in wanted.values():
        store.put(each, bundle, StoreStanding("absent"))
    again = cloud.s3_store()
    standings = again.look({name: (each, bundle) for name, each in wanted.items()})
    assert {each.kind for each in standings.values()} == {"current"}
    assert again.api_calls == {"ListObjectsV2": 1}


def test_a_bucket_with_much_else_is_not_listed_whole(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    names = [f"{letter}.example.com" for letter in "bcdef"]
    wanted = {name: wanted_of(name) for name in names}
    bundle = bundle_of(intermediate.issue(names))
    store = cloud.s3_store(prefix="")
    for folder in ("a/", "z/"):
        for number in range(25):
            cloud.s3.put_object(Bucket=BUCKET, Key=f"{folder}{number:02}", Body=b"")
    for each in wanted.values():
        store.put(each, bundle, StoreStanding("absent"))
    for page_size, listings in ((20, 3), (5, 10)):
        client = cloud.client("s3")
        client.meta.events.register(
            "provide-client-params.s3.ListObjectsV2",
            lambda params, size=page_size, **_event: params.update(MaxKeys=size),
        )
        again = cloud.s3_store(client, prefix="")
        standings = again.look({name: (each, bundle) for name, each in wanted.items()})
        assert {each.kind for each in standings.values()} == {"current"}
        # It ends behind the last folder, or after as many pages as there are folders, and asks for each then.
        assert again.api_calls["ListObjectsV2"] == listings


@pytest.mark.parametrize("after", range(4))
def test_a_set_that_a_killed_run_has_left_is_mended(cloud: Cloud, bundles: list[CertificateBundle], after: int) -> None:
    cloud.s3_store().put(WANTED, bundles[0], StoreStanding("absent"))
    client = cloud.client("s3")
    interrupted(client, "PutObject", after)
    with pytest.raises(Interrupted):
        cloud.s3_store(client).put(WANTED, bundles[1], StoreStanding("other", ADDRESS))
    store = cloud.s3_store()
    standing = look(store, bundles[1])
    assert standing.kind == "other"
    store.put(WANTED, bundles[1], standing)
    assert look(store, bundles[1]).kind == "current"
    assert set(cloud.objects().values()) == set(bundles[1].render("lineage").values())


@pytest.mark.parametrize("part", PARTS)
def test_an_object_that_is_gone_or_another_one_is_mended(
    cloud: Cloud, bundles: list[CertificateBundle], part: str
) -> None:
    store = cloud.s3_store()
    store.put(WANTED, bundles[0], StoreStanding("absent"))
    key = f"certs/{NAME}/{part}.pem"
    content = cloud.objects()[key]
    cloud.s3.delete_object(Bucket=BUCKET, Key=key)
    assert look(store, bundles[0]).kind == "other"
    # One of the same size, with the mark of the right one.
    metadata = {"certops-fingerprint": bundles[0].fingerprint_sha256}
    cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x" * len(content), Metadata=metadata)
    assert look(store, bundles[0]).kind == "other"
    store.put(WANTED, bundles[0], look(store, bundles[0]))
    assert look(store, bundles[0]).kind == "current"


def test_encryption_with_a_key_of_ones_own(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    plain, encrypted = cloud.s3_store(), cloud.s3_store(kms_key_id=KEY)
    plain.put(WANTED, bundles[0], StoreStanding("absent"))
    assert f"not encrypted with {KEY}" in str(look(encrypted, bundles[0]).why)
    encrypted.put(WANTED, bundles[0], look(encrypted, bundles[0]))
    for part in PARTS:
        told = cloud.s3.head_object(Bucket=BUCKET, Key=f"certs/{NAME}/{part}.pem")
        assert (told["ServerSideEncryption"], told["SSEKMSKeyId"]) == ("aws:kms", KEY)
    assert look(encrypted, bundles[0]).kind == "current"
    assert look(encrypted, bundles[1]).kind == "other"
    assert look(cloud.s3_store(kms_key_id=f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/other"), bundles[0]).kind == "other"
    assert look(cloud.s3_store(kms_key_id="alias/certificates"), bundles[0]).kind == "current"


def test_tags_and_prefix(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    store = cloud.s3_store(prefix="tls/prod/", tags={"Environment": "a b+c=d"})
    assert store.put(WANTED, bundles[0], look(store)) == f"s3://{BUCKET}/tls/prod/{NAME}/"
    told = cloud.s3.get_object_tagging(Bucket=BUCKET, Key=f"tls/prod/{NAME}/cert.pem")["TagSet"]
    assert told == [{"Key": "Environment", "Value": "a b+c=d"}]
    assert look(store, bundles[0]).kind == "current"


def test_a_versioned_bucket(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    store = cloud.s3_store()
    cloud.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for bundle in bundles:
        store.put(WANTED, bundle, look(store, bundle))
        assert look(store, bundle).kind == "current"
    cloud.s3.delete_object(Bucket=BUCKET, Key=f"certs/{NAME}/cert.pem")
    assert look(store, bundles[1]).kind == "other", "what a deletion marks is gone"


def test_one_folder_for_two_certificates_is_refused_before_anything_is_ordered(
    cloud: Cloud, bundles: list[CertificateBundle]
) -> None:
    store = cloud.s3_store()
    star, apex, other = wanted_of("star", "*.example.com"), wanted_of("apex", "example.com"), WANTED
    standings = store.look({each.name: (each, bundles[0]) for each in (star, apex, other)})
    assert {name: each.kind for name, each in standings.items()} == {
        "star": "unknown",
        "apex": "unknown",
        "web": "absent",
    }
    for each in (star, apex):
        assert "would have one folder, example.com" in str(store.why_not(each, standings[each.name], None))
        with pytest.raises(RotationError, match="would have one folder"):
            store.put(each, bundles[0], standings[each.name])
    assert store.why_not(other, standings["web"], None) is None
    assert cloud.objects() == {}


def test_a_wildcard_has_the_folder_of_its_domain(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    store, star = cloud.s3_store(), wanted_of("star", "*.example.com")
    assert store.put(star, bundles[0], look(store, None, star)) == f"s3://{BUCKET}/certs/example.com/"


def test_a_bucket_that_is_not_there_is_told_before_anything_is_ordered(
    cloud: Cloud, bundles: list[CertificateBundle]
) -> None:
    store = cloud.s3_store(bucket="missing-bucket")
    standing = look(store, bundles[0])
    assert standing.kind == "unknown"
    why = str(store.why_not(WANTED, standing, None))
    assert why == "store s3: there is no bucket missing-bucket. Create it, or correct the name (NoSuchBucket)."
    with pytest.raises(RotationError, match="NoSuchBucket"):
        store.put(WANTED, bundles[0], standing)


def test_without_the_owner_nothing_is_sent(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    def owner() -> t.NoReturn:
        raise RotationError("sts:GetCallerIdentity is out of reach: name bucket_owner.")

    store = cloud.s3_store(owner=owner)
    with pytest.raises(RotationError, match="name bucket_owner"):
        look(store)
    with pytest.raises(RotationError, match="name bucket_owner"):
        store.put(WANTED, bundles[0], StoreStanding("absent"))
    assert store.api_calls == {}


def test_no_error_shows_a_key(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    """boto3 quotes parameters that it refuses, here a line of the key without its header."""
    calls = AwsCalls(cloud.client("s3"), RETRY, "s3")
    line = bundles[0].private_key_pem.decode().splitlines()[1]
    with pytest.raises(ParamValidationError, match=re.escape(line[:8])):
        cloud.s3.put_object(Bucket=BUCKET, Key="x", Body=[line])
    with pytest.raises(RotationError) as caught:
        calls.call("put_object", Bucket=BUCKET, Key="x", Body=[line])
    assert "ParamValidationError: its message is withheld" in caught.value.message
    assert_no_private_key(repr(caught.value) + caught.value.message)


# As the options say


class Module:
    """What the options need of a module."""

    retry = staticmethod(RETRY)

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.asked: list[tuple[str, str]] = []

    def client(self, service: str, region: str = REGION) -> t.Any:
        self.asked.append((service, region))
        return self._cloud.client(service, region)


def of_options(module: Module, *stores: dict[str, t.Any]) -> CertificateStores:
    checked = check_stores(stores)
    truth = secrets_truth(module, checked)  # type: ignore[arg-type]
    return certificate_stores(module, checked, truth, kms_key_id=KEY)  # type: ignore[arg-type]


def test_the_account_of_the_credentials_is_the_buckets(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    cloud.s3_store()
    stores = of_options(Module(cloud), {"type": "s3", "bucket": BUCKET, "prefix": "tls"})
    outcome = stores.put(WANTED, bundles[0], {"s3": StoreStanding("absent")}, is_new=True)["s3"]
    assert (outcome.state, outcome.address) == ("stored", f"s3://{BUCKET}/tls/{NAME}/")
    assert cloud.faults.counts() == {"GetCallerIdentity": 1}
    told = cloud.s3.head_object(Bucket=BUCKET, Key=f"tls/{NAME}/cert.pem")
    assert told["SSEKMSKeyId"] == KEY, "the task's own key counts where the store names none"


def test_who_cannot_tell_the_account_names_it(cloud: Cloud, bundles: list[CertificateBundle]) -> None:
    cloud.s3_store()
    cloud.faults.fail("GetCallerIdentity", "AccessDenied", "no")
    stores = of_options(Module(cloud), {"type": "s3", "bucket": BUCKET})
    (standing,) = stores.look([WANTED], {})["web"].values()
    assert standing.kind == "unknown"
    assert "name the account that the bucket belongs to (bucket_owner)" in str(standing.why)
    assert stores.put(WANTED, bundles[0], {"s3": standing}, is_new=True)["s3"].state == "failed"
    assert cloud.objects() == {}
    named = of_options(Module(cloud), {"type": "s3", "bucket": BUCKET, "bucket_owner": ACCOUNT})
    assert named.look([WANTED], {})["web"]["s3"].kind == "absent"


def test_each_store_has_its_region(cloud: Cloud) -> None:
    module = Module(cloud)
    stores = of_options(
        module,
        {"type": "acm"},
        {"type": "acm", "name": "cloudfront", "region": "us-east-1"},
        {"type": "secrets_manager", "region": "eu-west-1"},
    )
    assert stores.names == ("acm", "cloudfront")
    assert module.asked == [("secretsmanager", "eu-west-1"), ("acm", REGION), ("acm", "us-east-1")]
