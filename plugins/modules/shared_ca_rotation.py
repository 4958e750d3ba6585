#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_ca_rotation
short_description: Replace a shared certificate authority in steps, so that nobody is cut off
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Makes one step of replacing the authority that M(certops.rotation.shared_ca) keeps in AWS Secrets Manager.
  - Between the steps all hosts and clients have to follow. After V(publish) give everybody the RV(trust_bundle). After
    V(promote) give servers and clients their new certificates. After V(finish) give everybody the smaller bundle.
  - How far it is, is in the stages of the secret C(ca-cert). C(AWSCURRENT) issues, C(AWSPENDING) is the successor,
    C(RETIRING) is the one before, which is trusted still, C(ABORTED) a successor that was given up.
  - Each step can be repeated, also by several hosts at once, and completes what a run that was killed has begun.
  - Each step is taken in memory first. Where TLS peers would refuse what comes out, by OpenSSL's verdict, nothing is
    stored. The successor has the name of the authority before; or, where that has no subject key identifier, one of its
    own, by a C(dnQualifier).
options:
  step:
    description:
      - V(publish) stores a successor with a key of its own. It is to be trusted and issues nothing yet.
      - V(promote) lets it issue, and gives all clients new keys and certificates. The authority before stays trusted.
      - V(finish) ends the trust in the authority before.
      - V(abort) goes back. A successor that is only published is dropped. One that was promoted becomes the one that is
        trusted until V(finish), and the authority before issues again.
    type: str
    choices: [publish, promote, finish, abort]
    required: true
  clients:
    description:
      - Names of clients that follow the authority, besides those that a listing finds.
      - Needed only without C(secretsmanager:ListSecrets), and for clients that were created less than five minutes ago.
    type: list
    elements: str
  validity_days:
    description: Lifetime of the successor. By default that of the authority it follows.
    type: int
  key_type:
    description: Kind of the successor's key. By default that of the authority it follows.
    type: str
    choices: [rsa, ec]
  key_size:
    description: Bits of the successor's key, see M(certops.rotation.shared_ca). By default as before.
    type: int
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.shared_ca
  - certops.rotation.shared_ca.warning
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
  idempotent:
    support: full
    details:
      - V(publish) after V(finish) begins another rotation.
  diff_mode:
    support: full
    details:
      - Shows names, stages, fingerprints and dates, never PEM. What is made anew gets another fingerprint in each run.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - Needs C(secretsmanager:ListSecrets), C(secretsmanager:DescribeSecret), C(secretsmanager:GetSecretValue),
    C(secretsmanager:PutSecretValue) and C(secretsmanager:UpdateSecretVersionStage), and
    C(secretsmanager:CreateSecret) where a key was deleted.
seealso:
  - module: certops.rotation.shared_ca
  - module: certops.rotation.shared_ca_info
"""

EXAMPLES = r"""
- name: A successor that everybody shall trust
  certops.rotation.shared_ca_rotation:
    prefix: joblet
    step: publish
    region: eu-central-1
  register: rotation

- name: From now on it issues
  certops.rotation.shared_ca_rotation:
    prefix: joblet
    step: promote

- name: Nobody needs the one before any more
  certops.rotation.shared_ca_rotation:
    prefix: joblet
    step: finish
"""

RETURN = r"""
items:
  description: What became of each secret, by its name without the prefix. Of those that were written.
  returned: success
  type: dict
  sample: {ca-cert: renewed, ca-key: renewed}
previous_stage:
  description: The RV(stage) before this step.
  returned: success
  type: str
next_stage:
  description: The RV(stage) after this step. In check mode, which leaves RV(stage) as it is, the one that would come.
  returned: success
  type: str
prefix:
  description: What the names of the secrets begin with.
  returned: success
  type: str
  sample: joblet
stage:
  description:
    - How far a rotation of the authority is. V(settled) is none. V(published) means that the successor is trusted, but
      issues nothing yet; V(promoted) that it issues, and the one before is trusted still.
  returned: success
  type: str
  choices: [absent, settled, published, promoted]
ca_certificate:
  description: The certificate of the authority that issues, as PEM. Null when there is none.
  returned: success
  type: str
fingerprint_sha256:
  description: SHA-256 of the certificate, in lower-case hexadecimal.
  returned: success
  type: str
trust_bundle:
  description:
    - All authorities that are to be trusted now, as PEM. Certificates only. In the order in which TLS libraries find
      the issuer of each leaf; keep it.
  returned: success
  type: str
trusted_fingerprints:
  description: SHA-256 of each trusted authority, in lower-case hexadecimal.
  returned: success
  type: list
  elements: str
crl:
  description: The revocation lists, one for each trusted authority, as PEM. Null when nothing was ever
    revoked, and when they cannot be read.
  returned: success
  type: str
certificates:
  description: What is stored, first the authorities, then the clients.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: V(ca), or the name of the client.
      type: str
    secret:
      description: Name of the secret that holds the certificate.
      type: str
    role:
      description: V(current), V(successor) or V(retiring) for an authority, V(client) for a client.
      type: str
    version_id:
      description: Version of the secret.
      type: str
    valid:
      description: Whether the certificate may be used.
      type: bool
    revoked:
      description: Whether it is in the revocation list.
      type: bool
    problems:
      description: What is wrong, or noteworthy. Each with C(code), C(severity) and C(message).
      type: list
      elements: dict
    subject:
      description: Subject of the certificate. As RFC 4514 writes it.
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
    serial_number:
      description: Serial number of the certificate, hexadecimal.
      type: str
    key:
      description: Kind and size of the key.
      type: str
    certificate:
      description: The certificate as PEM. Of an authority that is no root, those that lead from it to its root follow.
      type: str
problems:
  description: What is wrong, or noteworthy. Of all certificates, each with the C(name) of its certificate, and of the
    revocation lists, with the C(name) V(crl).
  returned: success
  type: list
  elements: dict
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: success
  type: dict
  sample: {DescribeSecret: 5, GetSecretValue: 4}
reason:
  description: Why AWS could not be used. V(deleted) is a secret that is marked for deletion.
  returned: when AWS fails
  type: str
  choices: [denied, unreachable, deleted, absent, other]
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca_rotation import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
