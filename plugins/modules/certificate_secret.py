#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_secret
short_description: Store a certificate in AWS Secrets Manager, verified, with a new version only when it is another one
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Verifies a certificate with its chain and key and stores it as the JSON document that
    M(certops.rotation.certificate_sync) reads.
  - Compares what the content means, not its text. The same certificate, chain and key in another form, be it PEM with
    other line ends or PKCS#12, is no change and makes no new version.
  - The id of a version (C(ClientRequestToken)) is a digest of the document. A repeated or concurrent run makes no
    second version, and going back to an earlier certificate moves the stage to its version.
  - A certificate that fails verification is not stored.
  - What is stored already is not thrown away. The certificate, its chain and its key come where the stored ones are, in
    the same fields and encodings (PEM, DER, base64, lists, documents inside of documents, binary secrets); all other
    fields stay (O(merge)). A PEM bundle stays one.
  - A C(domain_name) that is stored guards the secret. A certificate that does not cover it is refused, unless
    O(domain_name) gives another one.
options:
  name:
    description:
      - Name or ARN of the secret. A secret that does not exist is created with this name.
      - Nothing is created by an ARN, and an ARN of another region or partition is an error.
      - A replica is not changed. Run this with the region of its primary.
    type: str
    required: true
  state:
    description: Whether the secret should be there. V(absent) marks it for deletion, after removing its replicas.
    type: str
    choices: [present, absent]
    default: present
  domain_name:
    description:
      - A name that the certificate must cover. It is stored with the certificate, so that hosts check it, too.
      - By default it is the one in a document that O(certificate) is, else the one that is stored already, which the
        certificate must cover then. A new document gets the first subject alternative name.
    type: str
  description:
    description: Description of the secret. When absent, it is left as it is.
    type: str
  tags:
    description:
      - Tags of the secret. When absent, they are left as they are.
      - A value that YAML reads as a boolean, a decimal number or nothing is refused. Quote it.
    type: dict
    aliases: [resource_tags]
  purge_tags:
    description: Whether tags that O(tags) does not name are removed, except those of AWS itself.
    type: bool
    default: true
  kms_key_id:
    description: The KMS key that encrypts the secret, by id, alias or ARN. When absent, it is left as it is.
    type: str
  stage:
    description:
      - The label for the version. With the default all hosts use it.
      - With another one, such as V(CANDIDATE), it is a candidate. What is current stays so, and only hosts that have
        the label in O(certops.rotation.certificate_sync#module:labels) use it, until it is promoted or withdrawn. The
        same request gives it a second label, C(CANDIDATE-ON-) with the id of the version that is current now, so that
        it counts no longer once another version has become current.
      - What is current already is no candidate, and nothing is stored. A second candidate takes the place of the first.
        A candidate is a version of its own, also where its content has been a version before.
      - Of the labels that begin with V(AWS), those of AWS itself, only V(AWSPENDING) is taken, the label of
        a rotation by a Lambda function.
      - The first version of a secret also gets V(AWSCURRENT) from AWS.
    type: str
    default: AWSCURRENT
  replicas:
    description:
      - All regions that the secret is replicated to, apart from its own. Others are removed. When absent, they are left
        as they are.
    type: list
    elements: dict
    suboptions:
      region:
        description: Name of the region.
        type: str
        required: true
      kms_key_id:
        description: The KMS key in that region, by default that of Secrets Manager.
        type: str
  on_deleted:
    description: Whether a secret that is marked for deletion fails the task or is restored.
    type: str
    choices: [fail, restore]
    default: fail
  recovery_window:
    description: With O(state=absent), the days in which the secret can be restored, 7 to 30.
    type: int
    default: 30
  force:
    description: With O(state=absent), delete the secret at once and for good, without O(recovery_window).
    type: bool
    default: false
  merge:
    description:
      - Whether the certificate is put into the document that is stored, and everything else in that stays.
      - With V(false) the document is replaced by one of this collection's own with nothing else in it.
    type: bool
    default: true
  allow_changes:
    description:
      - What the certificate may change, compared with the one that is stored now, unless that has expired. The codes
        are those of O(certops.rotation.certificate_sync#module:allow_changes), V(all) is all of them.
      - When absent, all of them are stored but V(chain_dropped), with a warning that hosts refuse them by default. An
        empty list refuses them all.
    type: list
    elements: str
    choices: [san_dropped, issuer_changed, key_type_changed, eku_lost, expires_earlier, chain_dropped, all]
  fields:
    description:
      - For a stored document of another schema, a JMESPath expression for each field that is found elsewhere, as for
        O(certops.rotation.certificate_sync#module:fields). Needs the Python library C(jmespath).
      - What an expression finds at one place is replaced there. Where it gathers a value from several places, or the
        domain name would have to change, the task fails.
    type: dict
    suboptions:
      certificate:
        description: Where the leaf certificate is. It may be followed by its chain.
        type: str
      private_key:
        description: Where the private key is.
        type: str
      certificate_chain:
        description: Where the intermediates are, as one text or a list of texts.
        type: str
      domain_name:
        description: Where the name is that the certificate must cover.
        type: str
      description:
        description: Where the description is.
        type: str
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.given_certificate
  - certops.rotation.verification
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
      - Shows properties, versions, fingerprints and dates, never PEM.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - Needs C(secretsmanager:DescribeSecret), C(secretsmanager:CreateSecret), C(secretsmanager:PutSecretValue),
    C(secretsmanager:UpdateSecretVersionStage), and for the options that need them C(secretsmanager:TagResource),
    C(secretsmanager:UntagResource), C(secretsmanager:UpdateSecret), C(secretsmanager:RestoreSecret),
    C(secretsmanager:DeleteSecret), C(secretsmanager:ReplicateSecretToRegions) and
    C(secretsmanager:RemoveRegionsFromReplication).
  - C(secretsmanager:GetSecretValue) is used to compare with what is stored, and to keep what else is there. Without it,
    only content that this module stored is recognised as the same, other content is replaced as a whole, and a warning
    says so.
seealso:
  - module: certops.rotation.certificate_secret_info
  - module: certops.rotation.certificate_sync
"""

EXAMPLES = r"""
- name: What an ACME client left on this host
  certops.rotation.certificate_secret:
    name: web/www.example.com
    certificate_src: /etc/letsencrypt/live/www.example.com/cert.pem
    certificate_chain_src: /etc/letsencrypt/live/www.example.com/chain.pem
    private_key_src: /etc/letsencrypt/live/www.example.com/privkey.pem
    domain_name: www.example.com
    tags:
      Environment: production
    region: eu-central-1

- name: For two regions, with a key of one's own
  certops.rotation.certificate_secret:
    name: web/www.example.com
    certificate: "{{ vault_certificate }}"
    private_key: "{{ vault_private_key }}"
    kms_key_id: alias/certificates
    replicas:
      - region: eu-west-1

- name: Into a Kubernetes secret's document, where tls.crt and tls.key stay what they are called
  certops.rotation.certificate_secret:
    name: ingress/shop
    certificate_src: /etc/letsencrypt/live/shop.example.com/fullchain.pem
    private_key_src: /etc/letsencrypt/live/shop.example.com/privkey.pem
    allow_changes: []

- name: For the canary hosts first, until the playbook promote makes it current
  certops.rotation.certificate_secret:
    name: web/www.example.com
    certificate_src: /etc/letsencrypt/live/www.example.com/fullchain.pem
    private_key_src: /etc/letsencrypt/live/www.example.com/privkey.pem
    stage: CANDIDATE

- name: Gone, but restorable for a week
  certops.rotation.certificate_secret:
    name: web/old.example.com
    state: absent
    recovery_window: 7
"""

RETURN = r"""
name:
  description: The name, as given.
  returned: success
  type: str
arn:
  description: ARN of the secret. Null when there is none.
  returned: success
  type: str
action:
  description: What was done, or would be done in check mode. After a failed verification V(refused).
  returned: always
  type: str
  choices: [created, updated, unchanged, removed, refused]
changes:
  description: The requests that change something, by operation of AWS Secrets Manager, in order.
  returned: success
  type: list
  elements: str
  sample: [PutSecretValue, TagResource]
version_id:
  description: Version of the secret. The one that holds the certificate.
  returned: when O(state=present)
  type: str
previous_version_id:
  description: Version that had the label before. Null when it has it still, or there was none.
  returned: when O(state=present)
  type: str
stage:
  description: The label of the version. V(AWSCURRENT) where a candidate was asked for, and it is current already.
  returned: when O(state=present)
  type: str
base_version_id:
  description: Version that was current when a candidate was staged. Null of what is no candidate.
  returned: when O(state=present)
  type: str
fingerprint_sha256:
  description: SHA-256 of the certificate, in lower-case hexadecimal.
  returned: when O(state=present)
  type: str
not_before:
  description: Start of the certificate's validity, ISO 8601 in UTC.
  returned: when O(state=present)
  type: str
not_after:
  description: End of the certificate's validity, ISO 8601 in UTC.
  returned: when O(state=present)
  type: str
subject_alternative_names:
  description: DNS names and IP addresses of the certificate.
  returned: when O(state=present)
  type: list
  elements: str
issuer:
  description: Issuer of the certificate. As RFC 4514 writes it.
  returned: when O(state=present)
  type: str
serial_number:
  description: Serial number of the certificate, hexadecimal.
  returned: when O(state=present)
  type: str
key:
  description: Kind and size of the key.
  returned: when O(state=present)
  type: str
problems:
  description: What is wrong, or noteworthy. Each with C(code), C(severity) and C(message). The codes are stable.
  returned: when O(state=present)
  type: list
  elements: dict
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: success
  type: dict
  sample: {DescribeSecret: 1}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_secret import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    run,
)
from ansible_collections.certops.rotation.plugins.module_utils._module.given import GIVEN_DOCUMENTS


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE, documents=GIVEN_DOCUMENTS))


if __name__ == "__main__":
    main()
