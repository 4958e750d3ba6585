#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_secret_stage
short_description: Make another version of a secret in AWS Secrets Manager the current one
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Moves a staging label, V(AWSCURRENT) unless told otherwise, to a version that the secret has already. With
    V(AWSCURRENT), that is the version which everybody who reads the secret gets from now on. AWS then labels the
    version that lost it V(AWSPREVIOUS).
  - All secrets are looked at before anything moves. When one of them must not move, none does.
  - No value is read.
  - The playbook C(certops.rotation.rollback) uses it when C(rollback_secrets) is set, so that the next rotation does
    not bring back what was just rolled back.
options:
  secrets:
    description: The secrets. Entries that say the same, of several hosts for instance, count once.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name or ARN of the secret.
        type: str
        required: true
      version_id:
        description: Version that is to have the label.
        type: str
        required: true
      from_version_id:
        description:
          - Version that is to lose the label. When another one has it by now, nothing moves and the module fails, as
            somebody has stored a version that this task knows nothing about.
          - Any version when absent.
        type: str
  expected:
    description:
      - Which secrets may get another version, and which one. A dictionary of their names, with the version's id or an
        empty text for the version that is labelled V(AWSPREVIOUS).
      - For O(secrets) that hosts have suggested. When there is a secret or a version among them that is not expected,
        the module fails and nothing moves.
      - Any secret and any of its versions when absent.
    type: dict
  stage:
    description: The staging label.
    type: str
    default: AWSCURRENT
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
seealso:
  - module: certops.rotation.certificate_rollback
  - module: certops.rotation.certificate_secret
"""

EXAMPLES = r"""
- name: See which versions are live and which ones were before
  certops.rotation.certificate_rollback:
    path: /etc/haproxy/certs
    names:
      - web/www.example.com
  check_mode: true
  register: rollback

- name: Make the versions before the current ones, from the controller
  certops.rotation.certificate_secret_stage:
    secrets: "{{ rollback.stage_moves }}"
    expected:
      web/www.example.com: ""
    region: eu-central-1
  delegate_to: localhost
"""

RETURN = r"""
secrets:
  description: The secrets, each once. When the module fails, those that were done before.
  returned: success, or when one could not be moved
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
    arn:
      description: ARN of the secret.
      type: str
    version_id:
      description: Version of the secret. The one that has the label.
      type: str
    previous_version_id:
      description: Version that had the label before. V(null) when none had it.
      type: str
    action:
      description: What was done, or would be done in check mode.
      type: str
      choices: [moved, unchanged]
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_secret_stage import (
    ARGUMENT_SPEC,
    run,
)


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
