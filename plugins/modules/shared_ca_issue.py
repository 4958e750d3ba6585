#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_ca_issue
short_description: Issue a server certificate of the shared certificate authority on request
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For hosts that may not read the key of the authority of M(certops.rotation.shared_ca). Runs where it may be read, on
    the signer, which is the controller or one instance.
  - The host makes a key and a request with M(certops.rotation.shared_ca_member), where
    O(certops.rotation.shared_ca_member#module:signed_elsewhere) is set, and installs the certificate with it. The key
    never leaves the host.
  - What a host may have is said here and not by the host. Of the request only the public key and the names are used,
    and a name that is not allowed fails.
  - Nothing is stored. Each call issues another certificate.
options:
  request:
    description:
      - The request as PEM, RV(certops.rotation.shared_ca_member#module:request).
      - It has to be signed with its own key.
    type: str
    required: true
  names:
    description: Host names and IP addresses that the host may have.
    type: list
    elements: str
    required: true
  allowed_names:
    description:
      - What covers further names that the host may have, such as those of the options C(metadata_names) and
        C(own_address) of M(certops.rotation.shared_ca_member).
      - Networks such as V(10.0.0.0/8) for addresses, and domains such as V(*.eu-central-1.compute.internal) for all
        names below them. A domain allows no wildcard name.
    type: list
    elements: str
    default: []
  issuer:
    description:
      - Which authority issues, see O(certops.rotation.shared_ca_member#module:issuer).
    type: str
    choices: [current, successor]
    default: current
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.shared_ca
  - certops.rotation.shared_ca.server
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
    details:
      - Refuses what a run would refuse, and issues nothing.
  idempotent:
    support: none
    details:
      - M(certops.rotation.shared_ca_member) has a request only when there is something to issue.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - Needs C(secretsmanager:DescribeSecret) and C(secretsmanager:GetSecretValue) on C(ca-cert), C(ca-key) and C(crl) of
    the prefix.
seealso:
  - module: certops.rotation.shared_ca_member
  - module: certops.rotation.shared_ca
"""

EXAMPLES = r"""
- name: Take what this host needs, or ask for a certificate
  certops.rotation.shared_ca_member:
    path: /etc/haproxy/shared-ca
    server_names: [joblet]
    signed_elsewhere: true
  register: asked

- name: Issue it on the controller, which may read the authority's key
  certops.rotation.shared_ca_issue:
    request: "{{ asked.request }}"
    names: [joblet]
  delegate_to: localhost
  when: asked.request is not none
  register: signed

- name: Install it
  certops.rotation.shared_ca_member:
    path: /etc/haproxy/shared-ca
    server_names: [joblet]
    signed_elsewhere: true
    signed_certificate: "{{ signed.certificate }}"
  when: asked.request is not none
"""

RETURN = r"""
certificate:
  description: The certificate as PEM. Null in check mode.
  returned: success
  type: str
fingerprint_sha256:
  description: SHA-256 of the certificate, in lower-case hexadecimal. Null in check mode.
  returned: success
  type: str
not_after:
  description: End of the certificate's validity, ISO 8601 in UTC.
  returned: success
  type: str
subject_alternative_names:
  description: DNS names and IP addresses of the certificate.
  returned: success
  type: list
  elements: str
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: success
  type: dict
  sample: {DescribeSecret: 3, GetSecretValue: 2}
reason:
  description: Why AWS could not be used. V(deleted) is a secret that is marked for deletion.
  returned: when AWS fails
  type: str
  choices: [denied, unreachable, deleted, absent, other]
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca_issue import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
