# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issued certificates in Secrets Manager, ACM and S3, emulated: what is there, put there, left alone."""

from __future__ import annotations

import json
import typing as t

import boto3
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import (
    WantedCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.verify import SecretVerifier
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import parse_secret
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.verify import VerificationPolicy, build_bundle
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.stores import (
    CertificateStores,
    SecretPointers,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.truth import SecretsTruth
from ansible_collections.certops.rotation.plugins.module_utils._module.aws import repeating
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.acm import AcmStore
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.certificate_secrets import CertificateSecrets
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.s3_lineages import S3Lineages, S3Settings
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.shared_secrets import Properties
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.loadable import why_not_loaded
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate, now

DIRECTORY = "https://acme.example.com/directory"
RETRY = repeating(2)
VERIFIER = SecretVerifier(VerificationPolicy(), ProcessOpener(None), why_not_loaded)


def bundle_of(issued: IssuedCertificate) -> CertificateBundle:
    material = parse_secret(issued.secret_string(), ProcessOpener(None))
    bundle, problems = build_bundle(material, VerificationPolicy(), at=now(), why_not_loaded=None)
    assert bundle, problems
    return bundle


def wanted_of(name: str, *identifiers: str, **fields: t.Any) -> WantedCertificate:
    return WantedCertificate(name, identifiers or (name,), **fields)


class Cloud:
    """Everything by way of the proxy, with clients of its own: counters hang on them."""

    def __init__(self, aws: MotoServer, faults: AwsFaults) -> None:
        self.aws = aws
        self.faults = faults

    def client(self, service: str, region: str = REGION) -> t.Any:
        # S3 speaks no JSON: past the proxy.
        endpoint = (self.aws.env if service == "s3" else self.faults.env)["AWS_ENDPOINT_URL"]
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="emulated-secret-key",
        )

    def truth(self, *, prefix: str = "", restore: bool = False, **properties: t.Any) -> SecretsTruth:
        secrets = CertificateSecrets(self.client("secretsmanager"), RETRY)
        return SecretsTruth(secrets, VERIFIER, Properties(**properties), prefix=prefix, restore=restore)

    def document(self, name: str) -> dict[str, t.Any]:
        return dict(json.loads(self.aws.client().get_secret_value(SecretId=name)["SecretString"]))


@pytest.fixture
def cloud(aws: MotoServer, faults: AwsFaults) -> Cloud:
    return Cloud(aws, faults)


# The truth


def test_many_are_looked_at_in_few_calls(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    names = [f"web/{number}.example.com" for number in range(45)]
    for name in names[:40]:
        cloud.aws.put_secret(name, intermediate.issue(name[4:]).secret_document())
    truth = cloud.truth(prefix="web/")
    held = truth.look([name[4:] for name in names], now=now())
    assert set(held) == {name[4:] for name in names[:40]}
    assert all(each.bundle and not each.refusal for each in held.values())
    assert cloud.faults.counts() == {"BatchGetSecretValue": 3}


# ACM


def test_smoke(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    one = wanted_of("www.example.com", "www.example.com", "*.example.com")
    first, second = (bundle_of(intermediate.issue(one.identifiers)) for _ in range(2))
    truth = cloud.truth()
    assert truth.look([one.name], now=now()) == {}
    cloud.client("s3").create_bucket(Bucket="store", CreateBucketConfiguration={"LocationConstraint": REGION})
    stores = CertificateStores(
        [
            AcmStore(cloud.client("acm"), RETRY, SecretPointers(truth, REGION)),
            S3Lineages(cloud.client("s3"), RETRY, S3Settings("store", lambda: "123456789012")),
        ]
    )
    standings = stores.look([one], {})[one.name]
    assert {name: each.kind for name, each in standings.items()} == {"acm": "absent", "s3": "absent"}
    truth.put(one, first, DIRECTORY, None)
    stores.put(one, first, standings, is_new=True)
    held = truth.look([one.name], now=now())
    assert held[one.name].bundle == first
    standings = stores.look([one], {one.name: first})[one.name]
    assert {name: each.kind for name, each in standings.items()} == {"acm": "current", "s3": "current"}, standings
    standings = stores.look([one], {one.name: second})[one.name]
    assert {name: each.kind for name, each in standings.items()} == {"acm": "other", "s3": "other"}, standings
    truth.put(one, second, DIRECTORY, None)
    stores.put(one, second, standings, is_new=True)
    cloud.faults.counts(), stores.api_calls
    standings = stores.look([one], {one.name: second})[one.name]
    assert {name: each.kind for name, each in standings.items()} == {"acm": "current", "s3": "current"}, standings
