#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_ca_info
short_description: Tell what is stored of a shared certificate authority
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Lists the authority and the clients that M(certops.rotation.shared_ca) keeps in AWS Secrets Manager, verifies
    them, and tells how far a rotation is.
  - An authority that is not there is a result, with the stage V(absent). Only a failure of AWS, or a secret that is
    marked for deletion, fails the task.
options:
  clients:
    description:
      - Names of the clients to tell about. By default all that are stored.
      - Finding them needs C(secretsmanager:ListSecrets), which may be some minutes late.
    type: list
    elements: str
  include_keys:
    description:
      - Whether to return the private keys, to export the authority or to write them into configuration files.
      - The key of the authority lets its owner issue certificates that every host accepts. The task needs
        C(no_log=true), except on ansible-core 2.22 and later, where keys are masked in all output.
    type: bool
    default: false
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.shared_ca
  - certops.rotation.shared_ca.warning
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - Needs C(secretsmanager:DescribeSecret) and C(secretsmanager:GetSecretValue), and C(secretsmanager:ListSecrets)
    unless O(clients) are named.
seealso:
  - module: certops.rotation.shared_ca
  - module: certops.rotation.shared_ca_rotation
"""

EXAMPLES = r"""
- name: Until when is everything good?
  certops.rotation.shared_ca_info:
    prefix: joblet
    warn_days: 60
  register: shared

- name: Nothing may need attention
  ansible.builtin.assert:
    that: shared.problems | length == 0

- name: Export the authority
  certops.rotation.shared_ca_info:
    prefix: joblet
    include_keys: true
  register: exported
  no_log: true
"""

RETURN = r"""
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
    private_key:
      description: The private key as PEM. Null when it is missing.
      returned: when O(include_keys=true)
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
from ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca_info import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
