# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stores of issued certificates over an emulated AWS, with what a test needs to look at them."""

from __future__ import annotations

import json
import typing as t

import boto3
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import WantedCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.verify import SecretVerifier
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import parse_secret
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.verify import VerificationPolicy, build_bundle
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.stores import SecretPointers
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.truth import SecretsTruth
from ansible_collections.certops.rotation.plugins.module_utils._module.aws import repeating
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.acm import AcmStore
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.certificate_secrets import CertificateSecrets
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.s3_lineages import S3Lineages, S3Settings
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.shared_secrets import Properties
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.loadable import why_not_loaded
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener

from .aws_faults import AwsFaults
from .moto import REGION, MotoServer
from .pki import IssuedCertificate, now

DIRECTORY = "https://acme.example.com/directory"
BUCKET = "certificates"
ACCOUNT = "123456789012"
#: Throttled calls are repeated once, after a second at most.
RETRY = repeating(2)
VERIFIER = SecretVerifier(VerificationPolicy(), ProcessOpener(None), why_not_loaded)


def bundle_of(issued: IssuedCertificate) -> CertificateBundle:
    material = parse_secret(issued.secret_string(), ProcessOpener(None))
    # Also of one that begins in a while.
    at = max(now(), issued.certificate.not_valid_before_utc)
    bundle, problems = build_bundle(material, VerificationPolicy(), at=at, why_not_loaded=None)
    assert bundle, problems
    return bundle


def wanted_of(name: str, *identifiers: str, **fields: t.Any) -> WantedCertificate:
    """identifiers: by default the name itself."""
    return WantedCertificate(name, identifiers or (name,), **fields)


class Cloud:
    """An emulated AWS by way of a proxy. Each store has a client of its own, on which its counters hang."""

    def __init__(self, aws: MotoServer, faults: AwsFaults) -> None:
        self.aws = aws
        self.faults = faults
        self.secrets = aws.client()
        self.acm = aws.client("acm")
        self.s3 = aws.client("s3")

    def client(self, service: str, region: str = REGION) -> t.Any:
        # S3 speaks no JSON: past the proxy.
        env = self.aws.env if service == "s3" else self.faults.env
        return boto3.client(
            service,
            endpoint_url=env["AWS_ENDPOINT_URL"],
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="emulated-secret-key",
        )

    # -- the stores -----------------------------------------------------------------------------------------------

    def truth(self, *, prefix: str = "", on_deleted: t.Any = "fail", **properties: t.Any) -> SecretsTruth:
        secrets = CertificateSecrets(self.client("secretsmanager"), RETRY)
        return SecretsTruth(secrets, VERIFIER, Properties(**properties), prefix=prefix, on_deleted=on_deleted)

    def acm_store(self, truth: SecretsTruth, region: str = REGION, **options: t.Any) -> AcmStore:
        return AcmStore(self.client("acm", region), RETRY, SecretPointers(truth, region), **options)

    def s3_store(self, client: t.Any = None, name: str = "s3", **settings: t.Any) -> S3Lineages:
        """The bucket is there afterwards."""
        given = S3Settings(**{"bucket": BUCKET, "owner": lambda: ACCOUNT, **settings})
        buckets = [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]
        if BUCKET not in buckets:
            self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        return S3Lineages(client or self.client("s3"), RETRY, given, name=name)

    # -- what is there --------------------------------------------------------------------------------------------

    def document(self, name: str) -> dict[str, t.Any]:
        return dict(json.loads(self.secrets.get_secret_value(SecretId=name)["SecretString"]))

    def tags(self, name: str) -> dict[str, str]:
        """Of a secret."""
        return {tag["Key"]: tag["Value"] for tag in self.secrets.describe_secret(SecretId=name).get("Tags", [])}

    def imported(self, region: str = REGION) -> dict[str, str]:
        """ARN -> certificate as PEM, of all that ACM holds."""
        client = self.aws.client("acm", region)
        arns = [each["CertificateArn"] for each in client.list_certificates()["CertificateSummaryList"]]
        return {arn: client.get_certificate(CertificateArn=arn)["Certificate"] for arn in arns}

    def acm_tags(self, arn: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self.acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]}

    def objects(self) -> dict[str, bytes]:
        """Key -> content, of the bucket."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {each["Key"]: self.s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in listed}

    # -- what goes wrong, or as AWS does it -----------------------------------------------------------------------

    def list_as_aws_does(self) -> None:
        """moto's summaries lack the names."""

        def change(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
            for summary in reply["CertificateSummaryList"]:
                described = self.acm.describe_certificate(CertificateArn=summary["CertificateArn"])["Certificate"]
                summary["SubjectAlternativeNameSummaries"] = described["SubjectAlternativeNames"]
                summary["HasAdditionalSubjectAlternativeNames"] = False
            return reply

        self.faults.change("ListCertificates", change)


def interrupted(client: t.Any, operation: str, after: int) -> None:
    """Let the process of this client end, as it were, before its next request for the operation but ``after``."""
    left = [after]

    def end(**_event: t.Any) -> None:
        if left[0] == 0:
            raise Interrupted
        left[0] -= 1

    client.meta.events.register(f"before-send.{client.meta.service_model.service_id.hyphenize()}.{operation}", end)


class Interrupted(BaseException):
    """The end of a process: nobody may catch it."""


def sent_headers(client: t.Any, service: str) -> list[t.Mapping[str, str]]:
    """A list to which the headers of each request of this client are added."""
    sent: list[t.Mapping[str, str]] = []

    def record(request: t.Any, **_event: t.Any) -> None:
        text = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        sent.append(text)

    client.meta.events.register(f"before-send.{service}", record)
    return sent
