# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart of issuing: from a row in a table to a certificate that HAProxy serves, and its renewal under load.

A real ACME server (Pebble) validates by the DNS, which an emulated Route 53 really answers; a real HAProxy serves. The
playbook certops.rotation.issue does what it does in production. As in the other quickstart, every line that the screen
marks was checked before it was printed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shlex
import sys
import time
import typing as t

import boto3
import josepy
from acme import client as acme_client
from authority import Authority
from claims import claim, snapshot, wait_until
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from issuing import EmulatedAwsWithDns, Pebble
from occasion import Occasion, hold
from playbook import INVENTORY, Playbook
from screen import Screen
from stage import Haproxy
from visitors import Client, Visitors

DOMAINS = ("shop.example.com", "www.shop.example.com")
NAME = DOMAINS[0]
ZONE, TABLE, BUCKET = "example.com", "certificates", "example-certificates"
ADD = [
    "ansible",
    "localhost",
    "-m",
    "certops.rotation.domain_table",
    "-a",
    f"table={TABLE} domains={','.join(DOMAINS)}",
]
ISSUE = ["ansible-playbook", "certops.rotation.issue", "-i", INVENTORY, "-e", "issue_rotate=true"]
NEXT_COMMANDS = (
    "less docs/issuing.md",
    "ANSIBLE_COLLECTIONS_PATH=.dev/collections .dev/venv/bin/ansible-doc certops.rotation.certificate_issue",
    "make test",
)

_INVENTORY = """\
haproxy:
  hosts:
    localhost:
      ansible_connection: local
      ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
      acme_certificates_table: {table}
      acme_certificates_issuers:
        - directory: {directory_url}
          account_secret: certops/accounts/pebble
          ca_bundle: {ca_bundle}
      acme_certificates_terms_agreed: true
      acme_certificates_nameservers: ["{nameserver}"]
      acme_certificates_stores:
        - type: acm
        - type: s3
          bucket: {bucket}
      haproxy_certificates_names: [{name}]
      haproxy_certificates_path: {certificates}
      haproxy_certificates_socket: {socket}
      haproxy_certificates_config: [{config}]
      haproxy_certificates_reload_methods: []
"""


class Stored(t.NamedTuple):
    """What Secrets Manager holds. fingerprint: as clients see it."""

    certificate: x509.Certificate
    private_key_pem: str
    fingerprint: str


class IssueQuickstart:
    """The five steps. Made within the life of all programs."""

    def __init__(self, screen: Screen, directory: pathlib.Path) -> None:
        self._screen = screen
        self._directory = directory
        self._key_lines: set[str] = set()
        self._logs: dict[str, t.Callable[[], str]] = {}

    def logs(self) -> dict[str, str]:
        """All that the programs have printed so far, by name."""
        return {name: log for name, read in self._logs.items() if (log := read())}

    def run(self) -> None:
        with contextlib.ExitStack() as life:
            authority = Authority()
            self._aws = EmulatedAwsWithDns(self._directory)
            self._logs["moto"] = lambda: self._aws.log
            life.enter_context(self._aws)
            os.environ.update(self._aws.environment)
            self._pebble = Pebble(self._directory, self._aws.nameserver, authority)
            self._logs["Pebble"] = lambda: self._pebble.log
            life.enter_context(self._pebble)
            placeholder = authority.issue("placeholder.invalid", days=1)
            self._haproxy = Haproxy(self._directory, placeholder.certificate_pem + placeholder.private_key_pem)
            self._logs["HAProxy"] = lambda: self._haproxy.log
            life.enter_context(self._haproxy)
            self._playbook = Playbook(self._directory)
            self._logs["Ansible"] = lambda: self._playbook.log
            self._client = Client(self._haproxy.port, self._pebble.root)

            self._set_the_stage()
            self._name_it()
            worker = self._haproxy.worker_pid()
            self._issue()
            self._renew(worker)
            self._repeat(worker)

    def _set_the_stage(self) -> None:
        screen = self._screen
        screen.step(1, "Set the stage")
        zone = boto3.client("route53").create_hosted_zone(Name=ZONE, CallerReference="quickstart")
        self._zone = zone["HostedZone"]["Id"]
        boto3.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_REGION"]}
        )
        screen.fact("AWS", f"emulated by moto, {self._aws.url}, with the zone {ZONE} and the bucket {BUCKET}")
        screen.fact("DNS", f"{self._aws.nameserver} answers for the zone as it is at that moment")
        screen.fact(f"Pebble {self._pebble.version}", f"an ACME authority, {self._pebble.directory_url}")
        screen.fact(
            f"HAProxy {self._haproxy.version}",
            f"https://127.0.0.1:{self._haproxy.port}, worker process {self._haproxy.worker_pid()}",
        )
        text = _INVENTORY.format(
            table=TABLE,
            directory_url=self._pebble.directory_url,
            ca_bundle=self._pebble.ca_bundle,
            nameserver=self._aws.nameserver,
            bucket=BUCKET,
            name=NAME,
            certificates=self._haproxy.certificates,
            socket=self._haproxy.socket,
            config=self._haproxy.config,
        )
        (self._directory / INVENTORY).write_text(text)
        screen.gap()
        screen.command(f"cat {INVENTORY}")
        screen.file(text)

    def _name_it(self) -> None:
        screen = self._screen
        screen.step(2, "Say which certificate there should be")
        screen.command(shlex.join(ADD))
        self._playbook.run(ADD)
        rows = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
        found = [row["subject_alternative_name"]["S"] for row in rows]
        claim(found == [",".join(DOMAINS)], f"The table has {found}.")
        screen.proven(f"table {TABLE}", f"one row: {found[0]}")

    def _issue(self) -> None:
        screen = self._screen
        screen.step(3, "Issue it, store it, bring it to HAProxy")
        screen.command(shlex.join(ISSUE))
        run = self._playbook.run(ISSUE)
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        stored = self._stored()
        names = stored.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        claim(sorted(names.get_values_for_type(x509.DNSName)) == sorted(DOMAINS), f"It is for {names}.")
        asked = {name for _server, name, kind in self._aws.told()["queries"] if kind == "TXT"}
        challenged = {f"_acme-challenge.{domain}." for domain in DOMAINS}
        claim(challenged <= asked, f"The authority has only looked at {asked}.")
        screen.proven("validated", "by TXT records that the authority has looked up in the zone")
        records = boto3.client("route53").list_resource_record_sets(HostedZoneId=self._zone)["ResourceRecordSets"]
        left = [record["Name"] for record in records if record["Type"] == "TXT"]
        claim(not left, f"These TXT records are left: {left}.")
        screen.proven("zone", "none of these records is left")
        self._show_stores(stored)
        self._show_served(stored)

    def _show_stores(self, stored: Stored) -> None:
        screen = self._screen
        screen.proven("Secrets Manager", f"{NAME}: certificate, chain and key")
        acm = boto3.client("acm")
        (entry,) = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
        held = acm.get_certificate(CertificateArn=entry["CertificateArn"])["Certificate"]
        claim(fingerprint(held) == stored.fingerprint, "ACM holds another certificate.")
        screen.proven("ACM", f"the same, {entry['CertificateArn']}")
        copied = boto3.client("s3").get_object(Bucket=BUCKET, Key=f"certs/{NAME}/cert.pem")["Body"].read().decode()
        claim(fingerprint(copied) == stored.fingerprint, "S3 holds another certificate.")
        screen.proven("S3", f"the same, s3://{BUCKET}/certs/{NAME}/")

    def _show_served(self, stored: Stored) -> None:
        for domain in DOMAINS:
            served = self._client.handshake(domain)
            claim(served.fingerprint == stored.fingerprint, f"HAProxy serves {served.fingerprint} for {domain}.")
            until = time.strftime("%d %B %Y", time.gmtime(served.not_after)).lstrip("0")
            self._screen.proven(domain, f"served, trusted by the client, valid until {until}")

    def _renew(self, worker: int) -> None:
        screen = self._screen
        screen.step(4, "The authority revokes it and wants it replaced now (ARI), while clients keep making handshakes")
        old = self._stored()
        self._revoke(old)
        claim(self._pebble.status(old.certificate.serial_number) == "Revoked", "It is not revoked.")
        with Visitors(self._client, DOMAINS) as visitors:
            wait_until(lambda: visitors.total >= 100, "Clients cannot make handshakes.")
            screen.command(shlex.join(ISSUE))
            run = self._playbook.run(ISSUE)
            after = visitors.total
            wait_until(lambda: visitors.total >= after + 100, "Clients can no longer make handshakes.")
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        new = self._stored()
        claim(new.fingerprint != old.fingerprint, "It was not renewed.")
        claim(new.private_key_pem != old.private_key_pem, "It has the old key.")
        claim(
            not visitors.failures,
            f"{len(visitors.failures)} handshakes failed, the first with {visitors.failures[:1]}.",
        )
        for domain in DOMAINS:
            seen = visitors.made[domain]
            claim(set(seen) == {old.fingerprint, new.fingerprint}, f"Clients saw for {domain}: {sorted(seen)}.")
            claim(self._client.handshake(domain).fingerprint == new.fingerprint, f"The old one is back for {domain}.")
        claim(self._haproxy.worker_pid() == worker, f"HAProxy's worker is {self._haproxy.worker_pid()} now.")
        screen.proven("old certificate", old.fingerprint)
        screen.proven("new certificate", f"{new.fingerprint}, with a new key")
        screen.proven("handshakes", f"{visitors.total:,} made, {len(visitors.failures)} failed")
        screen.proven("HAProxy", f"worker process {worker} as before: no restart, no reload")

    def _repeat(self, worker: int) -> None:
        screen = self._screen
        screen.step(5, "Run it again: nothing is left to do")
        before, held, orders = snapshot(self._haproxy.certificates), self._stored(), self._pebble.orders
        screen.command(shlex.join(ISSUE))
        with self._aws.counting() as calls:
            run = self._playbook.run(ISSUE)
        claim(run.changed == 0, f"The run reports changed={run.changed}.")
        claim(snapshot(self._haproxy.certificates) == before, "The run touched files.")
        claim(self._stored().fingerprint == held.fingerprint, "The run issued again.")
        claim(self._haproxy.worker_pid() == worker, "The run reloaded HAProxy.")
        claim(self._pebble.orders == orders, "The run ordered something.")
        # What the authority said of the next renewal is remembered, in the ledger.
        changes = [name for name in calls if re.match("Create|Change|Import|PutObject", name)]
        claim(not changes and calls["PutSecretValue"] <= 1, f"The run made these calls: {dict(calls)}.")
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        screen.proven("changed", f"changed={run.changed}: nothing ordered, no certificate stored, HAProxy left alone")
        written = "what the authority says of the next renewal" if calls["PutSecretValue"] else "nothing"
        screen.proven("AWS API calls", f"{sum(calls.values())}, written: {written}")
        claim(not any(line in self._playbook.log for line in self._key_lines), "Ansible printed a private key.")
        screen.proven("private keys", "none in all that the runs printed")

    def _stored(self) -> Stored:
        value = boto3.client("secretsmanager").get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")
        document = json.loads(value["SecretString"])
        self._key_lines.update(document["private_key"].splitlines())
        pem = document["certificate"]
        return Stored(x509.load_pem_x509_certificate(pem.encode()), document["private_key"], fingerprint(pem))

    def _revoke(self, stored: Stored) -> None:
        """As the authority would in an emergency; here whoever holds the key asks for it (RFC 8555 section 7.6)."""
        key = josepy.JWKEC(key=serialization.load_pem_private_key(stored.private_key_pem.encode(), None))
        net = acme_client.ClientNetwork(key, alg=josepy.ES256, verify_ssl=str(self._pebble.ca_bundle))
        directory = acme_client.ClientV2.get_directory(self._pebble.directory_url, net)
        acme_client.ClientV2(directory, net).revoke(stored.certificate, 4)  # superseded


def fingerprint(pem: str) -> str:
    """SHA-256 of the first certificate, in hexadecimal."""
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest()


if __name__ == "__main__":
    sys.exit(
        hold(
            Occasion(
                "certops.rotation: from a row in a table to a certificate that HAProxy is proven to serve",
                ["All of it on this machine, on loopback, as your user, in less than a minute."],
                IssueQuickstart,
                NEXT_COMMANDS,
            )
        )
    )
