# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_secret
short_description: Verified certificates from AWS Secrets Manager, on the controller
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Reads certificate secrets with the rights of the controller, verifies them, and returns each as a dictionary. The
    hosts need no rights in AWS.
  - This is the push model, together with M(certops.rotation.pem_bundle) on the hosts. Where hosts may read secrets by
    themselves, M(certops.rotation.certificate_sync) is cheaper and brings no key to the controller.
  - All names are read together, in one request for every 20 of them.
options:
  _terms:
    description: Names or ARNs of secrets. An ARN of another region is an error, whatever O(on_missing) says.
    type: list
    elements: str
    required: true
  on_missing:
    description: What to do about a secret that does not exist or has no current version.
    type: str
    choices: [error, skip, warn]
    default: error
  on_denied:
    description: What to do about a secret that may not be read.
    type: str
    choices: [error, skip, warn]
    default: error
  on_deleted:
    description: What to do about a secret that is marked for deletion.
    type: str
    choices: [error, skip, warn]
    default: error
  on_invalid:
    description: What to do about a certificate that fails verification.
    type: str
    choices: [error, skip, warn]
    default: error
extends_documentation_fragment:
  - certops.rotation.certificate_secrets
  - certops.rotation.certificate_secrets.labels
  - certops.rotation.verification
  - amazon.aws.boto3
  - amazon.aws.common.plugins
  - amazon.aws.region.plugins
requirements:
  - cryptography >= 42.0 on the controller
  - jmespath on the controller (only for O(fields))
notes:
  - The result holds private keys. Use it directly in an option that is hidden, such as
    O(certops.rotation.pem_bundle#module:private_key), never in a message, a fact or a loop that shows its items. Before
    ansible-core 2.22, which masks the keys in all output, any other task that uses it needs C(no_log).
  - Needs C(secretsmanager:BatchGetSecretValue) on all resources and C(secretsmanager:GetSecretValue) on the secrets.
  - With other O(labels) than V(AWSCURRENT) it needs C(secretsmanager:ListSecrets) and C(secretsmanager:DescribeSecret),
    too.
seealso:
  - module: certops.rotation.pem_bundle
  - module: certops.rotation.certificate_sync
"""

EXAMPLES = r"""
- name: From the controller to hosts without any rights in AWS
  certops.rotation.pem_bundle:
    path: /etc/haproxy/certs/www.example.com.pem
    certificate: "{{ stored.certificate }}"
    certificate_chain: "{{ stored.certificate_chain }}"
    private_key: "{{ stored.private_key }}"
  vars:
    stored: "{{ lookup('certops.rotation.certificate_secret', 'web/www.example.com', region='eu-central-1') }}"

- name: Several in one task, those that are there
  certops.rotation.pem_bundle:
    path: /etc/haproxy/certs
    name: "{{ item.name }}"
    certificate: "{{ item.pem }}"
  loop: "{{ query('certops.rotation.certificate_secret', 'web/a', 'web/b', on_missing='warn') }}"
  loop_control:
    label: "{{ item.name }}"
  no_log: true
"""

RETURN = r"""
_list:
  description: One item for each name, in order, without those that were skipped.
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
      description: Its version, the one with the label C(AWSCURRENT) unless O(labels) says otherwise.
      type: str
    label:
      description: The label that the version was read by.
      type: str
    certificate:
      description: The leaf as PEM.
      type: str
    certificate_chain:
      description: The intermediates as PEM, from the leaf upwards, without the root. Empty when there are none.
      type: str
    fullchain:
      description: Both.
      type: str
    private_key:
      description: The private key as PEM, PKCS#8, not encrypted.
      type: str
    pem:
      description: Leaf, intermediates and private key as one text, as HAProxy loads it.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the leaf, in lower-case hexadecimal.
      type: str
    not_before:
      description: Start of the leaf's validity, ISO 8601 in UTC.
      type: str
    not_after:
      description: End of the leaf's validity, ISO 8601 in UTC.
      type: str
    subject_alternative_names:
      description: DNS names and IP addresses of the leaf.
      type: list
      elements: str
    issuer:
      description: Issuer of the leaf, as RFC 4514 writes it.
      type: str
    serial_number:
      description: Serial number of the leaf, hexadecimal.
      type: str
    key:
      description: Kind and size of the key.
      type: str
    extended_key_usage:
      description: What the leaf may be used for, null when it does not say.
      type: list
      elements: str
    problems:
      description: What is noteworthy, with C(code), C(severity) and C(message).
      type: list
      elements: dict
"""

import typing as t
from datetime import datetime, timezone

from ansible.errors import AnsibleLookupError
from ansible_collections.amazon.aws.plugins.plugin_utils.lookup import AWSLookupBase
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion import check_labels
from ansible_collections.certops.rotation.plugins.module_utils._core.text import shown
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.stored_certificates import certificates_of
from ansible_collections.certops.rotation.plugins.module_utils._module.aws import repeating
from ansible_collections.certops.rotation.plugins.module_utils._module.masking import mask_private_key
from ansible_collections.certops.rotation.plugins.module_utils._module.selection import CONTENT_OPTIONS, secret_verifier
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.secrets_manager import SecretsManager
from ansible_collections.certops.rotation.plugins.plugin_utils._key_keeping import refuse_misplaced_keys


class LookupModule(AWSLookupBase):
    """Lookup certops.rotation.certificate_secret."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        refuse_misplaced_keys(CONTENT_OPTIONS, {**kwargs, "_terms": terms}, AnsibleLookupError)
        super().run(terms, variables, **kwargs)
        if not all(isinstance(term, str) and term.strip() for term in terms):
            raise AnsibleLookupError("certificate_secret needs names of secrets, texts that are not empty.")
        try:
            return certificates_of(
                [str(term).strip() for term in terms],
                SecretsManager(self.client("secretsmanager"), repeating()),
                secret_verifier({name: self.get_option(name) for name in CONTENT_OPTIONS}),
                {name: self.get_option(name) for name in ("on_missing", "on_denied", "on_deleted", "on_invalid")},
                labels=check_labels(self.get_option("labels")),
                warn=lambda text: self.warn(shown(text)),
                mask=mask_private_key,
                now=datetime.now(timezone.utc),
            )
        except RotationError as error:
            raise AnsibleLookupError(shown(error.message)) from None
