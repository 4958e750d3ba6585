#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_ca
short_description: Keep one certificate authority and its clients for all hosts in AWS Secrets Manager
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Creates a private authority with the certificates of its clients, and stores them as the secrets C(ca-key),
    C(ca-cert), C(client-key) and C(client-cert) below a prefix. Where they are there, it verifies and returns them.
  - Any number of hosts may run it at the same moment, and each may be killed at any point. There is no lock. Each step
    creates a secret only if it is absent, which AWS does atomically, and then uses what is stored. All end with the
    same authority, and with keys and certificates that match.
  - A secret is generated only when it is certain that it is absent. Denied access, an AWS that cannot be reached, a
    secret that is marked for deletion and a certificate without its key are failures.
  - All steps are taken in memory first. Where TLS peers would refuse what comes out, by OpenSSL's verdict, nothing is
    stored.
  - All certificates are X.509 v3. The authority may issue leaves only. Certificates of clients are for TLS clients
    only.
options:
  state:
    description: Whether the authority should be there. V(absent) marks all its secrets for deletion.
    type: str
    choices: [present, absent]
    default: present
  use_secrets_manager:
    description:
      - With V(auto) the task is skipped on hosts that are not on EC2, which is where no instance metadata service
        (IMDSv2) answers within 2 seconds. With V(false) it is always skipped.
      - Without a region, that of the instance metadata is used.
    type: str
    choices: [auto, "true", "false"]
    default: "true"
  clients:
    description:
      - The clients that get a certificate. By default one, V(admin).
      - The secrets of V(admin) are C(client-key) and C(client-cert); those of others end in a hyphen and the name.
      - Clients that are stored, but not listed, are left alone.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the client.
        type: str
        required: true
      role:
        description: Its role, which becomes the organizational unit (OU) of its subject. By default its name.
        type: str
      common_name:
        description: Common name of its subject. By default the name, followed by C(-client).
        type: str
      validity_days:
        description: Lifetime of its certificate, which ends with the authority at the latest.
        type: int
        default: 365
      state:
        description:
          - V(revoked) puts its certificates on the revocation list, which is stored as the secret C(crl). What it
            does to connections depends on the servers, which need the list.
          - V(present) for a client that is revoked issues another certificate with another key.
        type: str
        choices: [present, revoked]
        default: present
  force:
    description:
      - Replace the authority and the keys and certificates of all clients at once. Whoever trusts the authority before
        alone is cut off. M(certops.rotation.shared_ca_rotation) replaces it without that.
      - Completes a rotation that has begun instead of beginning another one.
    type: bool
    default: false
  renew_before:
    description:
      - How long before its end a client's certificate is renewed, with the same key, for example V(30d). No sooner than
        after half of its lifetime, and only while another one would end later, as none outlives the authority.
      - V(auto) is a third of the lifetime, and 30 days at the most.
    type: str
    default: auto
  renew_expired:
    description:
      - Do what O(force) does, but only to an authority that has expired. Without it, an expired authority is an error.
    type: bool
    default: false
  validity_days:
    description: Lifetime of an authority that is generated.
    type: int
    default: 1095
  key_type:
    description: Kind of the keys that are generated.
    type: str
    choices: [rsa, ec]
    default: rsa
  key_size:
    description:
      - Bits of the authority's key. V(2048), V(3072) or V(4096) for RSA, V(256), V(384) or V(521) for EC.
      - By default V(4096) for RSA and V(256) for EC.
    type: int
  client_key_size:
    description: Bits of the clients' keys. By default V(2048) for RSA and V(256) for EC.
    type: int
  subject:
    description:
      - Subject of an authority that is generated. Clients get the same country, state, locality and organization.
      - An empty text leaves a part out. Subjects, kinds of keys and lifetimes count when something is issued; they
        change nothing that is stored.
    type: dict
    suboptions:
      country:
        description: Country (C), two letters.
        type: str
        default: US
      state:
        description: State or province (ST).
        type: str
        default: CA
      locality:
        description: Locality (L).
        type: str
        default: Los Angeles
      organization:
        description: Organization (O).
        type: str
        default: Joblet
      organizational_unit:
        description: Organizational unit (OU).
        type: str
        default: CA
      common_name:
        description: Common name (CN).
        type: str
        default: Joblet-CA
  import_from:
    description:
      - An authority to be stored instead of a generated one.
      - It is an error when another one is stored, unless O(force) is set, which replaces that one by it. A newer
        certificate of the same authority, with the same name and key, takes the place of the stored one.
      - It is tried out before anything is stored. OpenSSL has to believe a server and each of O(clients) that it would
        issue for, and its revocation list. So it is refused when its key is weak or for RSASSA-PSS alone, when its
        extended key usage, its path length or those above it forbid what is issued, or its key usage lacks C(cRLSign),
        and when its name constraints forbid the subject of a client.
      - An authority that is no root needs all that lead from it to its root along. They are stored with it, and whoever
        trusts it trusts them, too, and so all that they have issued. Its clients cannot be revoked, for that
        takes revocation lists of those above it.
    type: dict
    suboptions:
      certificate:
        description:
          - Its certificate as PEM, perhaps with its key, and with the certificates of all that lead from it to its
            root, in any order. Or a JSON document, as Vault answers.
        type: str
      certificate_src:
        description: A file of it on the host that runs the module. It may be PKCS#12.
        type: path
      private_key:
        description: Its private key as PEM.
        type: str
      private_key_src:
        description: A file of it on the host that runs the module.
        type: path
      passphrase:
        description: Opens an encrypted key or PKCS#12.
        type: str
  tags:
    description:
      - Tags of the secrets. Tags that are not named are left as they are.
      - A value that YAML reads as a boolean, a decimal number or nothing is refused. Quote it.
      - By default secrets that are created get C(Application=Joblet) and C(Type=Certificate).
    type: dict
    aliases: [resource_tags]
  kms_key_id:
    description: The KMS key that encrypts the secrets, by id, alias or ARN. When absent, it is left as it is.
    type: str
  replica_regions:
    description: All regions that the secrets are replicated to. When absent, they are left as they are.
    type: list
    elements: str
  on_deleted:
    description: Whether secrets that are marked for deletion fail the task or are restored.
    type: str
    choices: [fail, restore]
    default: fail
  recovery_window_days:
    description: With O(state=absent), the days in which the secrets can be restored, 7 to 30.
    type: int
    default: 30
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.shared_ca
  - certops.rotation.shared_ca.warning
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
  idempotent:
    support: partial
    details:
      - O(force) replaces everything in each run.
  diff_mode:
    support: full
    details:
      - Shows names, stages, fingerprints and dates, never PEM. What is made anew gets another fingerprint in each run.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - A host that finds everything needs C(secretsmanager:DescribeSecret) and C(secretsmanager:GetSecretValue) only. To
    create and renew, C(secretsmanager:CreateSecret), C(secretsmanager:PutSecretValue) and C(secretsmanager:TagResource)
    are needed; to revoke a client C(secretsmanager:ListSecretVersionIds); for O(force) and O(renew_expired)
    C(secretsmanager:UpdateSecretVersionStage) and C(secretsmanager:ListSecrets); for other options
    C(secretsmanager:UpdateSecret), C(secretsmanager:RestoreSecret), C(secretsmanager:DeleteSecret) and
    C(secretsmanager:ReplicateSecretToRegions).
  - The private keys are never returned. M(certops.rotation.shared_ca_info) does that on demand.
seealso:
  - module: certops.rotation.shared_ca_info
  - module: certops.rotation.shared_ca_rotation
"""

EXAMPLES = r"""
- name: One authority for the fleet, whichever host comes first
  certops.rotation.shared_ca:
    prefix: joblet
    region: eu-central-1
  register: shared

- name: Clients with roles, and one that must not get in any more
  certops.rotation.shared_ca:
    prefix: joblet/production
    clients:
      - name: admin
      - name: ci
        role: maintainer
        validity_days: 90
      - name: old-laptop
        state: revoked

- name: Elliptic curves, a key of one's own, and a second region
  certops.rotation.shared_ca:
    prefix: joblet
    key_type: ec
    kms_key_id: alias/certificates
    replica_regions:
      - eu-west-1

- name: Go on with the authority that a host has used alone so far
  certops.rotation.shared_ca:
    prefix: joblet
    import_from:
      certificate_src: /opt/joblet/ca/ca-cert.pem
      private_key_src: /opt/joblet/ca/ca-key.pem
"""

RETURN = r"""
items:
  description:
    - What became of each secret, by its name without the prefix. V(generated), V(renewed) or V(retrieved), and
      V(removed) with O(state=absent). In check mode what would become of it.
  returned: success
  type: dict
  sample: {ca-cert: generated, ca-key: generated, client-cert: generated, client-key: generated}
changes:
  description: Operations that changed properties of secrets that exist, such as their tags.
  returned: when O(state=present)
  type: list
  elements: str
prefix:
  description: What the names of the secrets begin with.
  returned: success
  type: str
  sample: joblet
stage:
  description:
    - How far a rotation of the authority is. V(settled) is none. V(published) means that the successor is trusted, but
      issues nothing yet; V(promoted) that it issues, and the one before is trusted still.
  returned: when O(state=present)
  type: str
  choices: [absent, settled, published, promoted]
ca_certificate:
  description: The certificate of the authority that issues, as PEM. Null when check mode predicts a first one.
  returned: when O(state=present)
  type: str
fingerprint_sha256:
  description: SHA-256 of the certificate, in lower-case hexadecimal.
  returned: when O(state=present)
  type: str
trust_bundle:
  description:
    - All authorities that are to be trusted now, as PEM. Certificates only. In the order in which TLS libraries find
      the issuer of each leaf; keep it.
  returned: when O(state=present)
  type: str
trusted_fingerprints:
  description: SHA-256 of each trusted authority, in lower-case hexadecimal.
  returned: when O(state=present)
  type: list
  elements: str
crl:
  description: The revocation lists, one for each trusted authority, as PEM. Null when nothing was ever
    revoked, and when they cannot be read.
  returned: when O(state=present)
  type: str
certificates:
  description: What is stored, first the authorities, then the clients.
  returned: when O(state=present)
  type: list
  elements: dict
  contains:
    name:
      description: V(ca), or the name of the client.
      type: str
    secret:
      description: Name of the secret that holds the certificate.
      type: str
    role:
      description: V(current), V(successor) or V(retiring) for an authority, V(client) for a client.
      type: str
    version_id:
      description: Version of the secret.
      type: str
    valid:
      description: Whether the certificate may be used.
      type: bool
    revoked:
      description: Whether it is in the revocation list.
      type: bool
    problems:
      description: What is wrong, or noteworthy. Each with C(code), C(severity) and C(message).
      type: list
      elements: dict
    subject:
      description: Subject of the certificate. As RFC 4514 writes it.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal.
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
    serial_number:
      description: Serial number of the certificate, hexadecimal.
      type: str
    key:
      description: Kind and size of the key.
      type: str
    certificate:
      description: The certificate as PEM. Of an authority that is no root, those that lead from it to its root follow.
      type: str
problems:
  description: What is wrong, or noteworthy. Of all certificates, each with the C(name) of its certificate, and of the
    revocation lists, with the C(name) V(crl).
  returned: when O(state=present)
  type: list
  elements: dict
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: success
  type: dict
  sample: {DescribeSecret: 5, GetSecretValue: 4}
reason:
  description: Why AWS could not be used. V(deleted) is a secret that is marked for deletion.
  returned: when AWS fails
  type: str
  choices: [denied, unreachable, deleted, absent, other]
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
