#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_candidate_info
short_description: Which secrets in AWS Secrets Manager have a candidate, and may it be served
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - A candidate is a version of a secret that has a label of its own, stored by
    O(certops.rotation.certificate_secret#module:stage), and is not current yet. This module tells which secrets have
    one, whether it counts still, and what it is.
  - How a secret is now is asked with C(DescribeSecret), as a listing may lag behind by five minutes. A candidate costs
    one C(GetSecretValue). Where there is none, nothing is read.
  - Private keys are not returned.
options:
  label:
    description:
      - The label of candidates. V(AWSPENDING) is that of a rotation by a Lambda function.
    type: str
    default: CANDIDATE
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
  - Needs C(secretsmanager:DescribeSecret), C(secretsmanager:GetSecretValue), C(secretsmanager:ListSecrets) with
    O(name_prefix) and O(tags), and C(kms:Decrypt) for secrets with a customer managed key.
seealso:
  - module: certops.rotation.certificate_candidate
  - module: certops.rotation.certificate_secret
"""

EXAMPLES = r"""
- name: Which candidates are there in production?
  certops.rotation.certificate_candidate_info:
    tags:
      Environment: production
    region: eu-central-1
  register: found

- name: Those that may be promoted
  ansible.builtin.debug:
    msg: "{{ found.candidates | selectattr('state', '==', 'staged') | map(attribute='name') }}"

- name: What a rotation by a Lambda function has left
  certops.rotation.certificate_candidate_info:
    name: web/www.example.com
    label: AWSPENDING
"""

RETURN = r"""
candidates:
  description:
    - One item for each secret in O(names), and for each other one of which a version has the label, in order of their
      names.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
    arn:
      description: ARN of the secret. Null when it is not known.
      type: str
    label:
      description: The label of candidates, as given.
      type: str
    state:
      description:
        - V(none) where no version has the label, V(staged) where the candidate counts and may be served.
        - V(superseded) where another version has become current after it was staged, where it has been current before,
          or where the label was left behind on a version older than the current one. Hosts have left it.
        - V(promoted) where it is current, and only its label is left.
        - V(empty) where the version holds no value, V(expired) where the certificate is not valid any more, and
          V(invalid) where it must not be served for another reason.
        - V(unknown) where AWS did not tell. RV(candidates[].problems) says why.
      type: str
      choices: [none, staged, superseded, promoted, empty, expired, invalid, unknown]
    version_id:
      description: Version of the secret. The one that has the label.
      type: str
    base_version_id:
      description: Version that was current when a candidate was staged. Null where nobody has noted it.
      type: str
    current_version_id:
      description: Version that is current now. Null when none is.
      type: str
    created_at:
      description:
        - When the candidate was staged, ISO 8601 in UTC. Null where it does not count.
        - Of one whose value cannot be read, when the secret was changed last, which was then or later.
      type: str
    fingerprint_sha256:
      description:
        - SHA-256 of the certificate, in lower-case hexadecimal.
        - Null when there is no certificate that can be read, like the other facts, and where the candidate does not
          count.
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
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
    problems:
      description: What is wrong, or noteworthy. Each with C(code), C(severity) and C(message). The codes are stable.
      type: list
      elements: dict
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: always
  type: dict
  sample: {DescribeSecret: 1}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_candidate_info import (
    ARGUMENT_SPEC,
    REQUIRED_ONE_OF,
    run,
)


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC, required_one_of=REQUIRED_ONE_OF))


if __name__ == "__main__":
    main()
