# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scene of the role acme_certificates: an emulated AWS whose zone resolves, a real ACME server, the playbook."""

from __future__ import annotations

import json
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from .acme_dns import AwsWithDns
from .moto import REGION
from .pebble import Pebble
from .playbook import PlaybookRun, run_playbook

ZONE, TABLE, BUCKET = "example.com", "certificates", "example-certificates"
COLUMN = "subject_alternative_name"
ISSUE = "certops.rotation.issue"


class IssueScene:
    """aws: with the zone example.com and an empty bucket; pebble: running. variables: of the role, for all stores."""

    def __init__(self, aws: AwsWithDns, pebble: Pebble) -> None:
        self.aws = aws
        self.pebble = pebble
        self.zone = aws.zone(ZONE)
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.variables: dict[str, t.Any] = {
            "acme_certificates_issuers": [self.issuer(pebble)],
            "acme_certificates_contacts": ["certbot@example.com"],
            "acme_certificates_terms_agreed": True,
            "acme_certificates_nameservers": aws.nameservers,
            "acme_certificates_stores": [{"type": "acm"}, {"type": "s3", "bucket": BUCKET}],
            "acme_certificates_delay": 0,
        }

    def issuer(self, pebble: Pebble) -> dict[str, str]:
        return {
            "directory": pebble.directory_url,
            "account_secret": f"accounts/{pebble.port}",
            "ca_bundle": pebble.ca_bundle,
        }

    def add_row(self, domains: str) -> None:
        """To the table, as people do; with the first one it is created."""
        client = self.aws.client("dynamodb")
        if TABLE not in client.list_tables()["TableNames"]:
            self.create_table()
        client.put_item(TableName=TABLE, Item={COLUMN: {"S": domains}})

    def create_table(self) -> None:
        self.aws.client("dynamodb").create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": COLUMN, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": COLUMN, "KeyType": "HASH"}],
            ProvisionedThroughput={"ReadCapacityUnits": 25, "WriteCapacityUnits": 25},
        )

    def issue(
        self,
        *,
        check: bool = False,
        env: t.Mapping[str, str] | None = None,
        hosts: t.Sequence[str] = (),
        playbook: str | list[dict[str, t.Any]] = ISSUE,
        inventory: t.Mapping[str, t.Any] | None = None,
        extra: t.Mapping[str, t.Any] | None = None,
        **variables: t.Any,
    ) -> PlaybookRun:
        """Run the playbook on localhost. variables: of the role, without its prefix; inventory: of the hosts, if any;
        extra: further ones, by their names."""
        changed = {f"acme_certificates_{name}": value for name, value in variables.items()}
        given = {**self.variables, **changed, **(extra or {})}
        given = {name: value for name, value in given.items() if value is not None}
        environment = {**self.aws.env, **(env or {})}
        return run_playbook(inventory or {}, playbook=playbook, extra=given, hosts=hosts, check=check, env=environment)

    # -- what there is ------------------------------------------------------------------------------------------

    def document(self, name: str) -> dict[str, t.Any]:
        """Of a certificate's secret. Without a label, moto would answer with an older version."""
        value = self.aws.client().get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        return dict(json.loads(value["SecretString"]))

    def leaf(self, name: str) -> x509.Certificate:
        """That Secrets Manager holds."""
        return x509.load_pem_x509_certificate(self.document(name)["certificate"].encode())

    def fingerprint(self, name: str) -> str:
        return self.leaf(name).fingerprint(hashes.SHA256()).hex()

    def names(self) -> list[str]:
        """Of all secrets that are certificates."""
        pages = self.aws.client().get_paginator("list_secrets").paginate()
        found = [secret["Name"] for page in pages for secret in page["SecretList"]]
        return sorted(name for name in found if not name.startswith(("accounts/", "certops/")))

    def objects(self) -> dict[str, bytes]:
        """Key -> content of all that is in the bucket."""
        s3 = self.aws.client("s3")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
        return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def in_acm(self) -> dict[str, str]:
        """ARN -> fingerprint of all that ACM holds."""
        acm = self.aws.client("acm")
        held = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1", "RSA_2048"]})["CertificateSummaryList"]
        return {
            item["CertificateArn"]: x509.load_pem_x509_certificate(
                acm.get_certificate(CertificateArn=item["CertificateArn"])["Certificate"].encode()
            )
            .fingerprint(hashes.SHA256())
            .hex()
            for item in held
        }


def by_name(run: PlaybookRun) -> dict[str, dict[str, t.Any]]:
    """What became of each certificate."""
    return {found["name"]: found for found in run.result("certificate_issue")["certificates"]}


def fact(run: PlaybookRun, name: str) -> t.Any:
    """That a task has set."""
    found = [task.result["ansible_facts"][name] for task in run.tasks if name in task.result.get("ansible_facts", {})]
    assert found, run.output
    return found[-1]
