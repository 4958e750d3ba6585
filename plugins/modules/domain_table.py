#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: domain_table
short_description: Keep the domains of certificates as rows of a table in Amazon DynamoDB
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Creates a table with the key C(subject_alternative_name), and adds, changes or removes rows. A row names the domains
    of one certificate, one or several with commas between them.
  - M(certops.rotation.domain_table_info) reads them for M(certops.rotation.certificate_issue). To add a row is all that
    is needed to have a certificate issued and renewed.
  - A row is known by its domains, whatever their order. A certificate that gets another domain is another row, so
    remove the one before.
  - Attributes of a row that this module does not know stay.
options:
  table:
    description: Name of the table. One that does not exist is created when O(state=present).
    type: str
    required: true
    aliases: [name]
  state:
    description:
      - Whether the rows should be there. With V(present) and no row, the table alone is seen to.
      - V(absent) removes rows. Tables are not removed.
    type: str
    choices: [present, absent]
    default: present
  domains:
    description:
      - Domains of one certificate, as a list, or as one text with commas between them.
      - Mutually exclusive with O(certificates).
    type: raw
  certificates:
    description: Several certificates, a row each.
    type: list
    elements: dict
    suboptions:
      domains:
        description: Its domains, as a list, or as one text with commas between them.
        type: raw
        required: true
      name:
        description: Name of its secret. Kept in the attribute of the row that has the same name, as all that follows.
        type: str
      key_type:
        description: Kind and size of its private key.
        type: str
        choices: [ec256, ec384, rsa2048, rsa3072, rsa4096]
      profile:
        description: Profile of the CA.
        type: str
      stores:
        description: Names of the stores that get it.
        type: list
        elements: str
      renew_before_days:
        description: It is renewed when so many days or less are left of it.
        type: int
  billing_mode:
    description:
      - How the table is paid for. When absent, a new one is V(provisioned), and others are left as they are.
    type: str
    choices: [provisioned, pay_per_request]
  read_capacity_units:
    description: Provisioned capacity. A new table gets 25, others are left as they are when it is absent.
    type: int
  write_capacity_units:
    description: Provisioned capacity. A new table gets 25, others are left as they are when it is absent.
    type: int
  kms_key_id:
    description:
      - The KMS key that encrypts the table, by id, alias or ARN. When absent, a new one is encrypted with a key that
        AWS owns, and others are left as they are.
    type: str
  deletion_protection:
    description: Whether the table is protected from being deleted. When absent, it is left as it is.
    type: bool
  tags:
    description:
      - Tags of the table. Others that it has stay.
      - A value that YAML reads as a boolean, a decimal number or nothing is refused. Quote it.
    type: dict
    aliases: [resource_tags]
  wait_timeout:
    description: Seconds until a table that was created or changed has to be active.
    type: int
    default: 300
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
  idempotent:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the rows with the attributes that are options.
  platform:
    support: full
    platforms: posix
notes:
  - Needs C(dynamodb:DescribeTable), C(dynamodb:Scan), C(dynamodb:PutItem), C(dynamodb:UpdateItem) and
    C(dynamodb:DeleteItem), and for the table itself C(dynamodb:CreateTable), C(dynamodb:UpdateTable),
    C(dynamodb:TagResource) and C(dynamodb:ListTagsOfResource).
seealso:
  - module: certops.rotation.domain_table_info
  - module: certops.rotation.certificate_issue
"""

EXAMPLES = r"""
- name: A certificate for two names
  certops.rotation.domain_table:
    table: certificates
    domains: www.example.com, example.com
    region: eu-central-1

- name: A table with everything that is to be there
  certops.rotation.domain_table:
    table: certificates
    billing_mode: pay_per_request
    deletion_protection: true
    certificates:
      - domains: [www.example.com, example.com]
      - domains: ["*.shop.example.com", shop.example.com]
        name: shop
        key_type: rsa2048

- name: That one is not needed any more
  certops.rotation.domain_table:
    table: certificates
    domains: [example.com, www.example.com]
    state: absent
"""

RETURN = r"""
table:
  description: Name of the table.
  returned: success
  type: str
table_arn:
  description: ARN of the table. Null when there is none.
  returned: success
  type: str
action:
  description: What was done, or would be done in check mode. V(created) is about the table.
  returned: success
  type: str
  choices: [created, updated, unchanged]
changes:
  description: The requests that change something, by operation of Amazon DynamoDB, in order.
  returned: success
  type: list
  elements: str
  sample: [CreateTable, PutItem]
api_calls:
  description: Number of requests sent by operation of Amazon DynamoDB, repeated ones included.
  returned: success
  type: dict
  sample: {DescribeTable: 1, Scan: 1}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.domain_table import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    run,
)


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE))


if __name__ == "__main__":
    main()
