#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_secret_info
short_description: List certificate secrets in AWS Secrets Manager and verify what they hold
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Lists secrets by names, prefix or tags with their metadata, reads their values and tells whether the certificates in
    them may be served, until when, and what is wrong.
  - A secret that cannot be read, is marked for deletion, has no current version or holds no certificate is a result
    with problems, never a failure of the task.
  - Private keys are not returned, unless asked for by O(include_private_key).
  - An empty O(name_prefix) selects all secrets of the account and region.
options:
  server_name:
    description:
      - Of the selected secrets, only those whose certificate covers this DNS name or IP address, also by a wildcard.
      - One that fails verification is found, too, as long as its certificate can be read. Secrets without a value that
        can be had are returned with the reason.
      - Needs O(verify=true).
    type: str
  include_tags:
    description: Whether to return the tags of the secrets.
    type: bool
    default: true
  verify:
    description: Whether to read the values, 20 in one request. If not, only metadata is returned.
    type: bool
    default: true
  include_private_key:
    description:
      - Whether to return certificates and private keys, of those that pass verification.
      - The task needs C(no_log=true), except on ansible-core 2.22 and later, where keys are masked in all output.
    type: bool
    default: false
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.certificate_secrets
  - certops.rotation.certificate_secrets.selection
  - certops.rotation.verification
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
  - jmespath (only for O(fields))
notes:
  - Needs C(secretsmanager:ListSecrets), C(secretsmanager:BatchGetSecretValue), C(secretsmanager:GetSecretValue),
    C(secretsmanager:DescribeSecret), and C(kms:Decrypt) for secrets with a customer managed key.
seealso:
  - module: certops.rotation.certificate_secret
  - plugin: certops.rotation.certificate_secret
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: What is stored for production, and what is wrong with it?
  certops.rotation.certificate_secret_info:
    tags:
      Environment: production
    min_remaining: 14d
    region: eu-central-1
  register: stored

- name: Those that need attention
  ansible.builtin.debug:
    msg: "{{ stored.secrets | rejectattr('valid') | map(attribute='name') }}"

- name: Where is the certificate of this name, and for how many days is it valid?
  certops.rotation.certificate_secret_info:
    name_prefix: ""
    server_name: shop.example.com
  register: shop

- name: Names and tags alone, without reading a value
  certops.rotation.certificate_secret_info:
    name_prefix: web/
    verify: false
"""

RETURN = r"""
secrets:
  description: One item for each secret, in order of their names.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
      sample: my-web-cert
    arn:
      description: ARN of the secret. Null when it is not known.
      type: str
    description:
      description: Description of the secret.
      type: str
    kms_key_id:
      description: The KMS key, null for the account's default key.
      type: str
    tags:
      description: Tags of the secret.
      returned: when O(include_tags=true)
      type: dict
    version_id:
      description: Version of the secret. The one with the label C(AWSCURRENT), if any.
      type: str
    versions:
      description: Stages by version id.
      type: dict
    created_at:
      description: When the secret was created, ISO 8601 in UTC.
      type: str
    last_changed_at:
      description: When anything of it was last changed.
      type: str
    last_accessed_at:
      description: The day on which its value was last read.
      type: str
    deleted_at:
      description: Since when it is marked for deletion.
      type: str
    valid:
      description: Whether the certificate may be used. Null when no value was read.
      type: bool
    problems:
      description: What is wrong, or noteworthy. Each with C(code), C(severity) and C(message). The codes are stable.
      type: list
      elements: dict
    fingerprint_sha256:
      description:
        - SHA-256 of the certificate, in lower-case hexadecimal.
        - Null when there is no certificate that can be read, like the other facts. An expired one has them.
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
      sample: "2027-01-30T00:00:00Z"
    days_remaining:
      description: Whole days until the end of the leaf's validity, rounded down. Negative once it has expired.
      type: int
      sample: 69
    subject_alternative_names:
      description: DNS names and IP addresses of the certificate.
      type: list
      elements: str
    issuer:
      description: Issuer of the certificate. As RFC 4514 writes it.
      type: str
    serial_number:
      description: Serial number of the certificate, hexadecimal.
      type: str
    key:
      description: Kind and size of the key.
      type: str
      sample: EC P-256
    extended_key_usage:
      description: What the leaf may be used for, null when it does not say.
      type: list
      elements: str
    certificate:
      description: The certificate as PEM. The leaf alone.
      returned: when O(include_private_key=true) and valid
      type: str
    certificate_chain:
      description: The intermediates as PEM.
      returned: when O(include_private_key=true) and valid
      type: str
    fullchain:
      description: Both.
      returned: when O(include_private_key=true) and valid
      type: str
    private_key:
      description: The private key as PEM.
      returned: when O(include_private_key=true) and valid
      type: str
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: always
  type: dict
  sample: {ListSecrets: 1}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_secret_info import (
    ARGUMENT_SPEC,
    REQUIRED_ONE_OF,
    run,
)


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC, required_one_of=REQUIRED_ONE_OF))


if __name__ == "__main__":
    main()
