#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acme_account
short_description: Register, change and deactivate an ACME account whose key is kept in AWS Secrets Manager
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Looks after the account with which M(certops.rotation.certificate_issue) orders. That module registers an account
    by itself when there is none. This one changes contacts, exchanges the key, gives an account up, and shows the
    thumbprint that a responder of C(http-01) needs.
  - The key is stored before the CA hears of it, and a key that is stored is looked for at the CA before an account is
    registered. So no account is lost when a run is killed, and an external account binding, which works once, is not
    used twice.
  - Any number of runs may be at work at once. They use one key.
  - The key is in the secret alone. No result shows it.
options:
  state:
    description:
      - V(present), the account is registered, with these contacts, and its key is not older than O(rotate_key_after).
      - V(absent), the account is deactivated, for good. Its secret stays, with a note about that.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: URL of the CA's directory (RFC 8555).
    type: str
    required: true
  account_secret:
    description:
      - Name of the secret with the account's key and URL. It is created when it does not exist.
      - A secret belongs to one directory. With that of another one, such as the CA's staging environment, the task
        fails.
      - A secret that holds a private key alone, as PEM, is an account, too. Its URL is asked for.
    type: str
    required: true
  eab_secret:
    description:
      - Name of a secret with the external account binding that the CA has given, a JSON document with C(kid) and
        C(hmac), or with C(key_id) and C(hmac_key), or with C(KeyId) and C(MacKey) as AWS has them.
      - It is read only when an account is registered. The HMAC key is base64url, with or without padding.
    type: str
  contacts:
    description:
      - Mail addresses of the account, C(mailto:) is added.
      - An empty list removes them. When absent, they stay as they are.
    type: list
    elements: str
  terms_agreed:
    description:
      - Whether you agree to the terms of service of the CA. Needed to register an account, and not for one that exists.
      - Without it, the message of the failed task names the page with the terms.
    type: bool
    default: false
  key_type:
    description: Kind and size of a key that is made.
    type: str
    choices: [ec256, ec384, rsa2048, rsa3072, rsa4096]
    default: ec256
  rotate_key_after:
    description:
      - Exchange the account's key (RFC 8555, section 7.3.5) when it is so old, for example V(365d). V(0) exchanges it
        in each run.
      - The new key is stored under the label C(AWSPENDING), then the CA is told, then it becomes the current one. When
        a run is killed meanwhile, the next one finds out which key is valid, and completes it.
      - When absent, it is never exchanged.
    type: str
  ca_bundle:
    description: File of PEM certificates that the CA's HTTPS is verified with. By default the system's.
    type: path
  kms_key_id:
    description:
      - The KMS key that encrypts a secret which is created, by id, alias or ARN. By default that of Secrets Manager.
    type: str
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
    details:
      - Asks the CA for the account of a key that is stored. Nothing is registered or changed.
  diff_mode:
    support: full
    details:
      - Shows the URL of the account, its contacts and the thumbprint of its key.
  idempotent:
    support: partial
    details:
      - O(rotate_key_after=0) exchanges the key in each run.
  platform:
    support: full
    platforms: posix
requirements:
  - Python >= 3.10
  - acme >= 5.9
  - cryptography >= 42.0
notes:
  - Needs C(secretsmanager:DescribeSecret) and C(secretsmanager:GetSecretValue), to register
    C(secretsmanager:CreateSecret) and C(secretsmanager:PutSecretValue), to exchange the key also
    C(secretsmanager:UpdateSecretVersionStage).
seealso:
  - module: certops.rotation.certificate_issue
"""

EXAMPLES = r"""
- name: An account with a CA that binds it to a customer
  certops.rotation.acme_account:
    directory: https://acme.zerossl.com/v2/DV90
    account_secret: certops/accounts/zerossl
    eab_secret: certops/accounts/zerossl-eab
    contacts: [certificates@example.com]
    terms_agreed: true
    region: eu-central-1
  delegate_to: localhost
  run_once: true

- name: Exchange the key once a year, and learn the thumbprint for http-01
  certops.rotation.acme_account:
    directory: https://acme-v02.api.letsencrypt.org/directory
    account_secret: certops/accounts/letsencrypt
    rotate_key_after: 365d
    region: eu-central-1
  delegate_to: localhost
  run_once: true
  register: account

- name: Give an account up
  certops.rotation.acme_account:
    directory: https://acme-v02.api.letsencrypt.org/directory
    account_secret: certops/accounts/letsencrypt-old
    state: absent
    region: eu-central-1
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
action:
  description:
    - What was done, or would be done in check mode. Of several, it is the first.
    - V(registered), there was no account. V(found), the CA has one for the stored key. V(contacts_changed).
      V(key_changed), or a change of the key that was interrupted has been completed. V(deactivated). V(unchanged).
  returned: success
  type: str
  choices: [registered, found, contacts_changed, key_changed, deactivated, unchanged]
directory:
  description: URL of the CA's directory.
  returned: success
  type: str
account_secret:
  description: Name of the secret.
  returned: success
  type: str
status:
  description: What the CA says of the account. Null when there is none.
  returned: success
  type: str
  choices: [valid, deactivated, revoked]
account_url:
  description: URL of the account. Null when there is none. The parameter C(accounturi) of a CAA record may name it.
  returned: success
  type: str
  sample: https://acme-v02.api.letsencrypt.org/acme/acct/123456789
thumbprint:
  description: Thumbprint of the account's key (RFC 7638), which is not secret. What answers C(http-01) adds it to each
    token.
  returned: success
  type: str
  sample: P5Vx9yAYKL8ZQrLxb2tVKzuqfEYnuZ1MuFsyFOLQI2U
contacts:
  description: URLs that the CA was told last. Null when that is not known.
  returned: success
  type: list
  elements: str
  sample: ["mailto:certificates@example.com"]
key_created:
  description: When the key was made, ISO 8601 in UTC. Null when that is not known.
  returned: success
  type: str
acme_requests:
  description: Number of requests sent to the CAs, repeated ones included.
  returned: success
  type: int
  sample: 3
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: success
  type: dict
  sample: {DescribeSecret: 1, GetSecretValue: 1}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.acme_account import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
