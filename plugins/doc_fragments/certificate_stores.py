# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where issued certificates are kept: mirrors STORE_OPTIONS in module_utils/_module/store_options.py."""

    DOCUMENTATION = r"""
options:
  stores:
    description:
      - Where certificates are kept. AWS Secrets Manager always is one of them, and decides. It is listed to give it
        options.
      - A store that lacks a certificate gets it from Secrets Manager, and nothing is ordered for that.
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description:
          - Kind of the store.
          - In V(secrets_manager) a certificate is the JSON document that M(certops.rotation.certificate_sync) reads.
            Other fields of a document stay. A secret that holds something else than a certificate is left alone.
          - In V(acm) a certificate has one entry, whose ARN stays the same. It is told by the tag
            C(certops:acm-arn:REGION) of the secret. Without that, it is the imported entry for exactly the same names
            that no other secret has. With the value C(new), the next one is imported as a new entry.
          - In V(s3) it is the objects C(cert.pem), C(chain.pem), C(fullchain.pem) and C(privkey.pem) in a folder that
            is named after the first domain, without C(*.).
        type: str
        choices: [secrets_manager, acm, s3]
        required: true
      name:
        description: How results and certificates call it. By default its type.
        type: str
      prefix:
        description:
          - What names of secrets, or keys of objects in S3, begin with.
          - By default nothing for secrets, and C(certs/) for S3, where a missing slash at the end is added.
        type: str
      bucket:
        description: Bucket of a store in S3. It has to be there.
        type: str
      bucket_owner:
        description:
          - Id of the AWS account that the bucket has to belong to, quoted. By default that of the credentials.
        type: raw
      region:
        description: Its region. By default that of the task. CloudFront takes certificates of C(us-east-1).
        type: str
      kms_key_id:
        description:
          - The KMS key that encrypts what is stored, by id, alias or ARN. By default O(kms_key_id).
          - Objects in S3 get the bucket's own encryption when there is no key.
        type: str
      tags:
        description:
          - Tags of what is stored. Others are left as they are.
          - They are brought along when a certificate is stored. A value that YAML reads as a boolean, a decimal number
            or nothing is refused. Quote it.
        type: dict
      replica_regions:
        description: All regions that secrets are replicated to. When absent, they are left as they are.
        type: list
        elements: str
      on_deleted:
        description:
          - Whether a secret that is marked for deletion fails its certificate or is restored.
        type: str
        choices: [fail, restore]
        default: fail
"""
