#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_sync
short_description: Bring certificates from AWS Secrets Manager to a directory, verified and only when they changed
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Discovers certificate secrets by name, by prefix or by tags, reads those whose current version is not the one on
    disk, verifies them and writes each as PEM files that no reader ever sees half of.
  - One call handles any number of certificates. When nothing changed it costs one C(ListSecrets) call for every 100
    secrets and reads no secret value.
  - A certificate that fails verification is reported and not written, what is on disk for it stays, and the other
    certificates go on. The task then fails with the full list.
  - A secret holds a JSON document with the fields C(certificate), C(private_key), C(certificate_chain), C(domain_name)
    and C(description), or as Vault, ACM, Kubernetes and certbot name them, or a PEM bundle, or DER or a PKCS#12 archive
    as a binary secret.
options:
  path:
    description:
      - Directory of the certificates. It is created when missing; its parent must exist.
      - A subdirectory C(.certops) remembers which secret version each file came from and keeps previous versions.
    type: path
    required: true
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.certificate_sync
  - certops.rotation.certificate_files
  - certops.rotation.certificate_secrets
  - certops.rotation.certificate_secrets.selection
  - certops.rotation.certificate_secrets.labels
  - certops.rotation.verification
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - certops.rotation.certificate_changes
attributes:
  check_mode:
    support: full
    details:
      - Secrets that changed are read and verified, nothing is written.
  idempotent:
    support: full
  diff_mode:
    support: full
    details:
      - Shows names, versions, fingerprints and dates, never PEM.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
  - boto3 and botocore on the controller instead of the host (only for O(source=controller))
  - jmespath (only for O(fields))
notes:
  - Needs C(secretsmanager:ListSecrets) on all resources, C(secretsmanager:BatchGetSecretValue) on all resources,
    C(secretsmanager:GetSecretValue) and C(secretsmanager:DescribeSecret) on the secrets, and C(kms:Decrypt) for secrets
    with a customer managed key. Without the first two it falls back to single calls.
seealso:
  - module: certops.rotation.haproxy_certificate
  - module: certops.rotation.certificate_proof_info
  - module: certops.rotation.certificate_rollback
"""

EXAMPLES = r"""
- name: Two certificates by name
  certops.rotation.certificate_sync:
    names:
      - my-web-cert
      - my-api-cert
    path: /etc/haproxy/certs
    region: eu-central-1

- name: All certificates of production, and remove those that left it
  certops.rotation.certificate_sync:
    tags:
      Environment: production
    path: /etc/haproxy/certs
    prune: true
    min_remaining: 7d

- name: From the controller to hosts without any rights in AWS
  certops.rotation.certificate_sync:
    source: controller
    name_prefix: web/
    path: /etc/haproxy/certs
    profile: certificates

- name: Secrets of another schema, as certbot-like lineages for nginx
  certops.rotation.certificate_sync:
    name_prefix: tls/
    path: /etc/nginx/tls
    layout: lineage
    group: www-data
    mode: "0640"
    directory_mode: "0750"
    fields:
      certificate: tls.crt
      private_key: tls.key
      certificate_chain: tls.ca[]
"""

RETURN = r"""
certificates:
  description: One item for each certificate, in order of their names.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
      sample: my-web-cert
    arn:
      description: ARN of the secret. Null when it is not known.
      type: str
    version_id:
      description: Version of the secret. The one with the label RV(certificates[].label).
      type: str
    label:
      description: The label that the version was read by. Null where no version could be had.
      type: str
    path:
      description: The PEM file, or the lineage's directory.
      type: str
      sample: /etc/haproxy/certs/my-web-cert.pem
    action:
      description:
        - What was done, or would be done in check mode.
        - V(refused) and V(failed) are not written, and what is on disk stays. V(refused) is the fault of the content or
          of the access to the secret, V(failed) is the host's own.
      type: str
      choices: [created, updated, unchanged, removed, refused, failed]
    cause:
      description:
        - Whose fault it is. V(content) is wrong on every host, V(host) is this host's disk or directory, and V(source)
          is its access to AWS.
      returned: when refused or failed
      type: str
      choices: [content, host, source]
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. Null for a refused or failed certificate.
      type: str
    previous_fingerprint_sha256:
      description: The same for the certificate that was there before.
      returned: when updated, or not seen served yet
      type: str
    deployed_fingerprint_sha256:
      description: SHA-256 of the certificate that stays on disk. For a refused or failed one.
      returned: when refused or failed
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
      sample: "2026-11-01T00:00:00Z"
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
      sample: "2027-01-30T00:00:00Z"
    subject_alternative_names:
      description: DNS names and IP addresses of the certificate.
      type: list
      elements: str
      sample: [www.example.com, example.com]
    key:
      description: Kind and size of the key.
      type: str
      sample: RSA 2048
    proven:
      description: Whether this very version has been seen served. See M(certops.rotation.rotation_record).
      type: bool
    proven_at:
      description: When it was first seen served, ISO 8601 in UTC. Null before that.
      type: str
    loaded:
      description:
        - Whether it is not proven, but HAProxy has loaded this very version, which could not be asked for, see
          M(certops.rotation.rotation_record).
      type: bool
    problems:
      description: What is wrong, or noteworthy. The codes are stable.
      type: list
      elements: dict
      contains:
        code:
          description: Stable code of the problem.
          type: str
          sample: private_key_mismatch
        severity:
          description: V(error) or V(warning). An error refuses the certificate, a warning does not.
          type: str
          choices: [error, warning]
        message:
          description: What is wrong and what to do.
          type: str
pending:
  description: Names of certificates on disk that have not been seen served yet.
  returned: always
  type: list
  elements: str
retired:
  description:
    - Paths of certificates that were removed, in this or an earlier run, and may still be in the memory of HAProxy, see
      O(certops.rotation.rotation_record#module:retired).
  returned: always
  type: list
  elements: str
failures:
  description: What the task failed for, one line for each problem.
  returned: always
  type: list
  elements: str
failures_by_cause:
  description:
    - The same lines by whose fault they are, under the keys C(content), C(host) and C(source), as C(cause) of a
      certificate. Those of C(host) should stop a rollout, and those of C(source) where each host asks for itself.
  returned: always
  type: dict
  sample: {content: [], host: ["web/a: Cannot write certificate web/a to ... [write_failed]"], source: []}
source:
  description: Who asked AWS, see O(source).
  returned: always
  type: str
unselected:
  description:
    - Certificates that are deployed, and whose secrets are not among those that were found. Their C(problems) are about
      their dates.
  returned: always
  type: list
  elements: dict
  sample: [{name: web/old, path: /etc/haproxy/certs/web_old.pem, not_after: "2026-12-24T00:00:00Z", problems: []}]
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: always
  type: dict
  sample: {ListSecrets: 1}
api_errors:
  description: How many of them failed, by operation.
  returned: always
  type: dict
  sample: {}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_sync import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.sourced import sourced_module


def main() -> None:
    run(sourced_module(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
