#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: issuance_info
short_description: Tell which certificates are due to be issued, why and when
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Decides as M(certops.rotation.certificate_issue) does with the same options, and tells what that would do now, and
    when it would do more. Nothing is ordered, registered or written.
  - Tells also what the CAs suggest about renewals, what waits and until when, what the limits of the CAs leave, and
    what an interrupted run has left to be finished.
  - With O(reissue) it tells which certificates an incident concerns, and how many hours it takes to replace them.
options:
  ask:
    description:
      - Whether CAs may be asked for the windows in which certificates should be renewed (ARI, RFC 9773), where
        O(ledger) has no answer, or one that has become old. By default no CA is asked anything.
      - What they answer is not remembered.
    type: bool
    default: false
  challenge:
    description: As O(certops.rotation.certificate_issue#module:challenge). It decides which names are possible.
    type: str
    choices: [dns-01, http-01, dns-persist-01]
    default: dns-01
  concurrency:
    description: Number of requests to a CA at the same time.
    type: int
    default: 16
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.issuing
  - certops.rotation.certificate_stores
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  platform:
    support: full
    platforms: posix
requirements:
  - Python >= 3.10
  - acme >= 5.9
  - dnspython >= 2.6
  - cryptography >= 42.0
notes:
  - O(kms_key_id) has no effect. It is there so that all options of M(certops.rotation.certificate_issue) that it shares
    can be given.
seealso:
  - module: certops.rotation.certificate_issue
  - module: certops.rotation.acme_account
"""

EXAMPLES = r"""
- name: What is due, and why
  certops.rotation.issuance_info:
    certificates: "{{ certificates }}"
    issuers: "{{ issuers }}"
    region: eu-central-1
  delegate_to: localhost
  run_once: true
  register: issuance

- name: Nothing may wait for a limit
  ansible.builtin.assert:
    that: issuance.held | length == 0

- name: How long would it take to replace all that one CA has issued until now?
  certops.rotation.issuance_info:
    certificates: "{{ certificates }}"
    issuers: "{{ issuers }}"
    reissue:
      issuer: https://acme-v02.api.letsencrypt.org/directory
      issued_before: "{{ now(utc=true).strftime('%Y-%m-%dT%H:%M:%SZ') }}"
    region: eu-central-1
  delegate_to: localhost
  run_once: true
  register: drill
"""

RETURN = r"""
certificates:
  description: Each of the listed ones, in the order given.
  returned: success
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
        What was done, or would be done in check mode. V(issued) is new, or not as it was wanted before. V(renewed)
        replaces one that comes to its end. V(stored) was put into a store that lacked it. V(resumed) was begun by an
        earlier run. V(staged) is one of these, and waits for its promotion (O(stage)). V(held) is due, but has to wait.
        V(unchanged) is not due. V(failed) has a problem.
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
    is_due:
      description: Whether a new one is due now. Null when the entry itself is wrong.
      type: bool
    urgent:
      description: Whether so little is left of it that nothing keeps it back any more.
      type: bool
    trigger:
      description: Why it is due, or will be, as a word for programs. Null when the entry itself is wrong.
      type: str
      choices:
        - absent
        - unusable
        - expired
        - forced
        - issuer
        - names
        - key_type
        - profile
        - emergency
        - window
        - threshold
        - lifetime
    failures:
      description: Number of failures in a row for which it waits.
      type: int
    profile:
      description: Profile for which the certificate was issued. Null for none, or when that is not known.
      type: str
    serial_number:
      description: Serial number of the certificate, hexadecimal.
      type: str
    renewal_window:
      description: What its CA suggests, as far as it is known. Null when it is not.
      type: dict
      contains:
        start:
          description: Begin of the window, ISO 8601 in UTC.
          type: str
        end:
          description: End of the window, ISO 8601 in UTC.
          type: str
        ask_again:
          description: Instant before which the CA is not asked again, ISO 8601 in UTC.
          type: str
        explanation_url:
          description: Page of the CA for people. Null when it names none.
          type: str
    journal:
      description: What the journal has of it, as RV(journal). Null when nothing is under way.
      type: dict
due:
  description: Names of the certificates for which M(certops.rotation.certificate_issue) would do something now.
  returned: success
  type: list
  elements: str
held:
  description: Names of the certificates that are due, but have to wait.
  returned: success
  type: list
  elements: str
next_due:
  description: Instant at which the next certificate is due, ISO 8601 in UTC. Null when none is known.
  returned: success
  type: str
limits:
  description: What the CAs allow, one entry for each of the O(issuers), by what O(ledger) has counted.
  returned: success
  type: list
  elements: dict
  contains:
    directory:
      description: URL of the CA's directory.
      type: str
    account_url:
      description: URL of the account. Null when there is none.
      type: str
    orders_left:
      description: Number of orders that the account may place now. Null when the limits of the CA are not known.
      type: int
    orders_allowed:
      description: Number that the limit allows in its period. Null when it is not known.
      type: int
journal:
  description: What an interrupted run has left, which the next one finishes. Never its keys.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the certificate, which without the prefix of the store is that of its secret.
      type: str
    progress:
      description: How far the order is.
      type: str
    directory:
      description: URL of the CA's directory.
      type: str
    order_url:
      description: URL of the order.
      type: str
    created:
      description: When it was noted, ISO 8601 in UTC.
      type: str
    expires:
      description: When the order expires, ISO 8601 in UTC. Null when the CA did not say.
      type: str
    txt_records:
      description: Names of the TXT records that may still hold values of this order.
      type: list
      elements: str
reissue:
  description:
    - How far the replacement of what O(reissue) concerns is, after this run, or before it in check mode. Null without
      O(reissue).
    - By the limits of the first of the O(issuers), as far as they are known, with a run every hour.
  returned: success
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
  returned: success
  type: int
  sample: 0
api_calls:
  description: >-
    Number of requests sent by operation of AWS Secrets Manager, repeated ones included. Those of Route 53, ACM and S3
    are counted beside them.
  returned: success
  type: dict
  sample: {ListSecrets: 1, BatchGetSecretValue: 1}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.issuance_info import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
