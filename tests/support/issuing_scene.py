# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where certificate_issue is tested with everything real: ACME servers whose validation resolves the emulated zone."""

from __future__ import annotations

import json
import typing as t

from . import secrets_scan
from .acme_dns import AwsWithDns
from .fork_server import ModuleServer
from .module import FORKED, ModuleRun
from .pebble import Pebble

#: With what the module imports while it runs.
PROGRAM: t.Final = f"""{FORKED}
import acme.client, dns.resolver, josepy, requests
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue import issuance
from ansible_collections.certops.rotation.plugins.module_utils._module import dns_options, issuing
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme import account, authority
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws import acm, issuance_journal
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns import resolver, route53
"""
BUCKET: t.Final = "certificates"
JOURNAL: t.Final = "certops/issuance/journal"
STORES: t.Final = [{"type": "acm"}, {"type": "s3", "bucket": BUCKET}]
#: Of somebody else, in the zone from the beginning.
FOREIGN: t.Final = {"_acme-challenge.example.com": ["of somebody else"], "example.com": ["v=spf1 -all"]}


class CaFacts(t.NamedTuple):
    """What a certificate authority is named by."""

    directory_url: str
    ca_bundle: str


class Scene:
    """An account of AWS that holds a zone example.com, and CAs. After each test: check()."""

    def __init__(self, aws: AwsWithDns, modules: ModuleServer, ca: t.Any) -> None:
        """ca: a Pebble, or what stands before it."""
        self.aws = aws
        self.ca = ca
        self._modules = modules
        self.zone = ""

    def begin(self) -> None:
        """With nothing but what others have."""
        self.aws.reset()
        self.zone = self.aws.zone("example.com")
        for name, values in FOREIGN.items():
            self.aws.put_record(self.zone, name, "TXT", values)
        where = {"LocationConstraint": "eu-central-1"}
        self.aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        self.aws.forget()

    def args(self, certificates: t.Sequence[t.Any], **more: t.Any) -> dict[str, t.Any]:
        """Of the module. certificates: dictionaries, or domains."""
        items = [each if isinstance(each, dict) else {"domains": each} for each in certificates]
        return {
            "certificates": items,
            "issuers": [self.issuer()],
            "terms_agreed": True,
            "nameservers": self.aws.nameservers,
            "stores": STORES,
            "region": "eu-central-1",
            "timeout": 120,
            **more,
        }

    def issuer(self, ca: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
        ca = ca or self.ca
        secret = "accounts/" + ca.directory_url.partition("://")[2].replace(":", "-")
        return {"directory": ca.directory_url, "account_secret": secret, "ca_bundle": ca.ca_bundle, **more}

    def issue(
        self,
        certificates: t.Sequence[t.Any],
        *,
        check: bool = False,
        env: t.Mapping[str, str] | None = None,
        **more: t.Any,
    ) -> ModuleRun:
        """env: more of it."""
        args = self.args(certificates, **more)
        return self._modules.run("certificate_issue", args, check=check, env={**self.aws.env, **(env or {})})

    # -- what came of it ----------------------------------------------------------------------------------------

    def secret(self, name: str) -> dict[str, t.Any]:
        """The document."""
        client = self.aws.client()
        version = next(
            version
            for version, labels in client.describe_secret(SecretId=name)["VersionIdsToStages"].items()
            if "AWSCURRENT" in labels
        )
        document: dict[str, t.Any] = json.loads(
            client.get_secret_value(SecretId=name, VersionId=version)["SecretString"]
        )
        secrets_scan.register_private_key(document["private_key"])
        return document

    def journal(self) -> list[dict[str, t.Any]]:
        """Entries of the journal; none also when there is no journal."""
        client = self.aws.client()
        try:
            versions = client.describe_secret(SecretId=JOURNAL)["VersionIdsToStages"]
        except client.exceptions.ResourceNotFoundException:
            return []
        (current,) = [version for version, labels in versions.items() if "AWSCURRENT" in labels]
        text = client.get_secret_value(SecretId=JOURNAL, VersionId=current)["SecretString"]
        return list(json.loads(text)["entries"])

    def labelled_journal(self) -> str:
        """All that versions of the journal with a label hold."""
        client = self.aws.client()
        versions = client.describe_secret(SecretId=JOURNAL)["VersionIdsToStages"]
        return "".join(
            client.get_secret_value(SecretId=JOURNAL, VersionId=version)["SecretString"]
            for version, labels in versions.items()
            if labels
        )

    def assert_clean(self) -> None:
        """Nothing of ours is left where it does not belong, and nobody else's is gone."""
        assert self.aws.txt(self.zone) == FOREIGN
        assert self.journal() == []


def items(run: ModuleRun) -> dict[str, dict[str, t.Any]]:
    """By name."""
    return {item["name"]: item for item in run.result["certificates"]}


def actions(run: ModuleRun) -> dict[str, str]:
    return {name: item["action"] for name, item in items(run).items()}


def pebble_for(aws: AwsWithDns, version: str = "2.6", **more: t.Any) -> Pebble:
    return Pebble(aws.nameservers[0], version, **more)
