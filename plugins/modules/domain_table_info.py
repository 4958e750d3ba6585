#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: domain_table_info
short_description: Read from a table in Amazon DynamoDB which certificates there should be
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Reads all rows of a table, and returns what M(certops.rotation.certificate_issue) takes as its certificates.
  - The attribute C(subject_alternative_name) of a row has the domains of one certificate, one or several with commas
    between them, as text, as a set or as a list.
  - The attributes C(name), C(key_type), C(profile), C(stores) and C(renew_before_days), where a row has them, are
    options of that certificate. Others count for nothing.
  - Rows that say the same are one certificate. There is a warning about them, and about a row without domains.
  - What is wrong with a domain is told by M(certops.rotation.certificate_issue), which goes on with the other
    certificates. So is a row without domains.
options:
  table:
    description: Name of the table.
    type: str
    required: true
    aliases: [name]
  on_empty:
    description: What to do about a table without rows. One that does not exist always is an error.
    type: str
    choices: [fail, warn, ignore]
    default: fail
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.attributes.actiongroup_aws
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  platform:
    support: full
    platforms: posix
notes:
  - Needs C(dynamodb:DescribeTable) and C(dynamodb:Scan).
seealso:
  - module: certops.rotation.domain_table
  - module: certops.rotation.certificate_issue
"""

EXAMPLES = r"""
- name: Which certificates should there be?
  certops.rotation.domain_table_info:
    table: certificates
    region: eu-central-1
  register: wanted

- name: Have them issued
  certops.rotation.certificate_issue:
    certificates: "{{ wanted.certificates }}"
    issuers:
      - directory: https://acme-v02.api.letsencrypt.org/directory
        account_secret: certops/accounts/letsencrypt
    terms_agreed: true
    region: eu-central-1
"""

RETURN = r"""
table:
  description: Name of the table.
  returned: always
  type: str
table_arn:
  description: ARN of the table.
  returned: always
  type: str
certificates:
  description: A certificate for each row, in the order of their domains, with the options that the row has.
  returned: always
  type: list
  elements: dict
  sample: [{domains: [www.example.com, example.com], key_type: rsa2048}]
rows:
  description: Domains of each certificate, as one text with commas between them.
  returned: always
  type: list
  elements: str
  sample: ["www.example.com,example.com"]
api_calls:
  description: Number of requests sent by operation of Amazon DynamoDB, repeated ones included.
  returned: always
  type: dict
  sample: {DescribeTable: 1, Scan: 1}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.domain_table_info import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
