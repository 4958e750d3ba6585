#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_issue
short_description: Have any number of certificates issued by ACME, and keep them in AWS Secrets Manager, ACM and S3
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Looks which of the listed certificates are missing, due for renewal, or not as they are wanted, has those issued by
    a certificate authority (ACME, RFC 8555), verifies them, and stores them.
  - All certificates advance together. DNS records are written in as few calls as the limits allow, and waited for once.
  - What the CA has issued is not lost, and nothing is issued twice. A run that is killed at any point is finished by
    the next one, which also removes the DNS records that it has left.
  - Secrets Manager is the truth, with the JSON document that M(certops.rotation.certificate_sync) reads. A certificate
    that another store lacks is put there from the truth, and no order is made for it.
  - A certificate that cannot be issued does not stop the others. Its item tells why, and the task fails in the end.
  - Runs on the controller, or wherever there is access to the CA, the DNS and AWS. Usually with
    C(delegate_to=localhost) and C(run_once=true). Private keys are only in memory and in the stores.
options:
  contacts:
    description: Mail addresses of the account. Used when it is registered.
    type: list
    elements: str
    default: []
  terms_agreed:
    description: Whether you agree to the terms of service of the CA. Needed to register an account.
    type: bool
    default: false
  challenge:
    description:
      - How the CA is shown that the names are yours.
      - V(dns-01) writes TXT records, which it removes afterwards.
      - V(http-01) writes nothing. Whatever answers on port 80 of each name has to serve the account's thumbprint.
      - V(dns-persist-01) writes nothing. Each name has a TXT record C(_validation-persist) for good. A name that lacks
        it fails with the record to set.
    type: str
    choices: [dns-01, http-01, dns-persist-01]
    default: dns-01
  caa:
    description:
      - What to do about a name whose CAA records (RFC 8659, RFC 8657) do not let the CA issue. V(warn) orders all the
        same, V(refuse) fails the certificate without an order, V(ignore) does not ask.
    type: str
    choices: [warn, refuse, ignore]
    default: warn
  force:
    description: Issue all of them, whether they are due or not. Each run with it makes orders.
    type: bool
    default: false
  concurrency:
    description: Number of requests to a CA at the same time.
    type: int
    default: 16
  timeout:
    description:
      - Seconds for the whole task. What is not finished then fails, stays in O(journal_secret), and is finished by the
        next run.
    type: int
    default: 1800
  metrics_textfile:
    description:
      - File for node_exporter's textfile collector, for example
        C(/var/lib/prometheus/node-exporter/issuance.prom). Every run replaces it, failed ones too. No metrics are
        written when it is absent.
      - Needs the Python library C(prometheus_client). Without it, and where the file cannot be written, certificates
        are issued all the same, and the task fails at its end.
    type: path
extends_documentation_fragment:
  - certops.rotation.dns_providers
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.certificate_stores
  - certops.rotation.issuing
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
    details:
      - Tells what is due and why, and which names have no zone. Nothing is ordered, registered or written. The CA is
        asked about renewals only.
  idempotent:
    support: partial
    details:
      - O(force) issues all certificates in each run.
  diff_mode:
    support: full
    details:
      - Shows names, fingerprints and dates, never PEM.
  platform:
    support: full
    platforms: posix
requirements:
  - Python >= 3.10
  - acme >= 5.9
  - dnspython >= 2.6
  - cryptography >= 42.0
  - prometheus_client >= 0.16 (only for O(metrics_textfile))
seealso:
  - module: certops.rotation.certificate_sync
  - module: certops.rotation.haproxy_rotation
"""

EXAMPLES = r"""
- name: Two certificates from Let's Encrypt, for HAProxy and for load balancers of AWS
  certops.rotation.certificate_issue:
    certificates:
      - domains: [www.example.com, example.com]
      - domains: "*.shop.example.com, shop.example.com"
        key_type: rsa2048
    issuers:
      - directory: https://acme-v02.api.letsencrypt.org/directory
        account_secret: certops/accounts/letsencrypt
    contacts: [certificates@example.com]
    terms_agreed: true
    stores:
      - type: secrets_manager
        prefix: web/
      - type: acm
        region: us-east-1
    region: eu-central-1
  delegate_to: localhost
  run_once: true
  register: issued

- name: Another CA steps in when the first one does not answer
  certops.rotation.certificate_issue:
    certificates: "{{ certificates }}"
    issuers:
      - directory: https://acme-v02.api.letsencrypt.org/directory
        account_secret: certops/accounts/letsencrypt
        profile: tlsserver
      - directory: https://acme.zerossl.com/v2/DV90
        account_secret: certops/accounts/zerossl
        eab_secret: certops/accounts/zerossl-eab
    terms_agreed: true
    caa: refuse

- name: Zones of another account, and of a name server that takes signed updates
  certops.rotation.certificate_issue:
    certificates: "{{ certificates }}"
    issuers: "{{ issuers }}"
    dns:
      - provider: route53
        role_arn: arn:aws:iam::210987654321:role/certops-dns
      - provider: rfc2136
        server: ns1.example.net
        zones: [example.net]
        key_secret: certops/dns/example-net

- name: What is due, and why
  certops.rotation.certificate_issue:
    certificates: "{{ certificates }}"
    issuers: "{{ issuers }}"
  check_mode: true
  register: due
"""

RETURN = r"""
certificates:
  description: What became of each, in the order given.
  returned: always, unless options are wrong
  type: list
  elements: dict
  contains:
    name:
      description: Name of the certificate, which without the prefix of the store is that of its secret.
      type: str
    domains:
      description: Its names, as the CA is asked for them.
      type: list
      elements: str
    action:
      description: >-
        What was done, or would be done in check mode. V(issued) is the first one, or takes the place of one that
        cannot be served. V(renewed) replaces one, for whatever reason. V(stored) was put into a store that lacked it.
        V(resumed) was begun by an earlier run. V(staged) is one of these, and waits for its promotion (O(stage)).
        V(held) is due, but has to wait. V(unchanged) is not due. V(failed) has a problem.
      type: str
      choices: [issued, renewed, stored, resumed, staged, held, unchanged, failed]
    reason:
      description: Why that was done.
      type: str
    arn:
      description: ARN of the secret. Null when there is none.
      type: str
    acm_arn:
      description: ARN in AWS Certificate Manager. Null when it is not there.
      type: str
    version_id:
      description: Version of the secret.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal.
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
    issuer:
      description: Issuer of the certificate. Here the URL of the CA's directory.
      type: str
    candidate:
      description: >-
        What waits for its promotion, by O(stage), with C(label), C(version_id), C(fingerprint_sha256) and C(not_after).
        Null when nothing does. The fields beside it tell of what is current.
      type: dict
    stores:
      description: >-
        State of the certificate in each store by the store's name. V(stored) was written by this run, V(staged) waits
        there for its promotion, V(current) was there, V(absent), V(other) and V(unknown) tell that it is missing,
        another one, or that the store cannot tell, V(failed) that it could not be written.
      type: dict
      sample: {secrets_manager: stored, acm: stored}
    due:
      description: From when on the next one is to be issued, ISO 8601 in UTC. Null when that is not known.
      type: str
    reissue:
      description: >-
        Of what O(reissue) concerns, whether that is V(replaced), V(staged) to be promoted, or still V(to do). Null for
        others.
      type: str
      choices: [to do, staged, replaced]
    held_until:
      description: Instant until which it waits, ISO 8601 in UTC. Null when it does not.
      type: str
    problem:
      description: What is wrong and what to do. Null when nothing is.
      type: str
    message:
      description: What became of it, in one sentence for people.
      type: str
    status:
      description: Outcome of the certificate, V(success) or V(failed).
      type: str
      choices: [success, failed]
changes:
  description: Names of the certificates that something was done for, or would be in check mode.
  returned: always, unless options are wrong
  type: list
  elements: str
next_due:
  description: Instant at which the next certificate is due, ISO 8601 in UTC. Null when none is known.
  returned: always, unless options are wrong
  type: str
reissue:
  description:
    - How far the replacement of what O(reissue) concerns is, after this run, or before it in check mode. Null without
      O(reissue).
    - By the limits of the first of the O(issuers), as far as they are known, with a run every hour.
  returned: always, unless options are wrong
  type: dict
  contains:
    concerned:
      description: Number of certificates that are or were concerned.
      type: int
    replaced:
      description: How many of them are replaced.
      type: int
    staged:
      description: For how many the next one waits for its promotion.
      type: int
    to_do:
      description: How many are neither.
      type: int
    at_once:
      description: How many of these the limits allow now.
      type: int
    hours:
      description: In how many hours the last one may be ordered. Null when nobody can tell.
      type: float
    last_order_at:
      description: The same as an instant, ISO 8601 in UTC.
      type: str
    earlier:
      description: >-
        How long earlier replacements took, the latest first, from the run that began with one to the run that found all
        replaced. C(began_at), C(seconds) and C(certificates) of each.
      type: list
      elements: dict
acme_requests:
  description: Number of requests sent to the CAs, repeated ones included.
  returned: always, unless options are wrong
  type: int
  sample: 9
api_calls:
  description: >-
    Number of requests sent by operation of AWS Secrets Manager, repeated ones included. Those of Route 53, ACM and S3
    are counted beside them.
  returned: always, unless options are wrong
  type: dict
  sample: {ListSecrets: 1, ChangeResourceRecordSets: 2}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_issue import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
