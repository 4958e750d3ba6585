#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_candidate
short_description: Make candidates of secrets in AWS Secrets Manager current, or withdraw them
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - To promote a candidate, C(AWSCURRENT) moves to its version, and then the labels of the candidate go. AWS itself sees
    to it that C(AWSCURRENT) moves from the version that was current when the candidate was staged, and from no other.
  - To withdraw one, its labels go. Hosts that serve it go back to what is current with their next run.
  - Only the version that is named is promoted or withdrawn. A second candidate that was staged meanwhile stays.
  - Each secret is looked at, and dealt with, on its own. What fails with one stops no other, and fails the task at the
    end.
  - A run that died at any point is finished by the next one with the same options.
  - No value is read. Whether a candidate may be served is told by M(certops.rotation.certificate_candidate_info), and
    whether hosts serve it by their proof. The playbook C(certops.rotation.promote) asks both.
options:
  candidates:
    description:
      - Which candidates. Dictionaries as M(certops.rotation.certificate_candidate_info) returns them, of which three
        entries are used.
      - C(name), the name or ARN of the secret, and C(version_id), the version of the candidate, are required.
      - C(current_version_id) is the version that the candidate takes the place of. When another one is current by now,
        the candidate is superseded and is not promoted. Without it, that is the version which was current when the
        candidate was staged, where it is known.
    type: list
    elements: dict
    required: true
  label:
    description: The label of the candidates. V(AWSPENDING) is that of a rotation by a Lambda function.
    type: str
    default: CANDIDATE
  state:
    description: Whether to make them current, or to withdraw them.
    type: str
    choices: [promoted, withdrawn]
    required: true
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
notes:
  - Needs C(secretsmanager:DescribeSecret) and C(secretsmanager:UpdateSecretVersionStage).
seealso:
  - module: certops.rotation.certificate_candidate_info
  - module: certops.rotation.certificate_secret
  - module: certops.rotation.certificate_secret_stage
"""

EXAMPLES = r"""
- name: What has been staged
  certops.rotation.certificate_candidate_info:
    name_prefix: web/
  register: found

- name: Make it current
  certops.rotation.certificate_candidate:
    candidates: "{{ found.candidates | selectattr('state', '==', 'staged') }}"
    state: promoted

- name: Take one back
  certops.rotation.certificate_candidate:
    candidates:
      - name: web/www.example.com
        version_id: EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE
    state: withdrawn
"""

RETURN = r"""
candidates:
  description: One item for each candidate, in the order given.
  returned: success, or when one failed
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
    arn:
      description: ARN of the secret. Null when it is not known.
      type: str
    version_id:
      description: Version of the secret. The one of the candidate.
      type: str
    previous_version_id:
      description: Version that had the label before. Here C(AWSCURRENT), as it was found.
      type: str
    action:
      description: What was done, or would be done in check mode.
      type: str
      choices: [promoted, withdrawn, unchanged, failed]
    changes:
      description: The requests that were made, each with its label, in order.
      type: list
      elements: str
      sample: [UpdateSecretVersionStage AWSCURRENT, UpdateSecretVersionStage CANDIDATE]
    message:
      description: Why it failed, empty where it did not.
      type: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_candidate import (
    ARGUMENT_SPEC,
    run,
)


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
