#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pem_bundle
short_description: Write one certificate with its chain and key, verified, whole or not at all
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Takes a certificate from the task or from files on the host, verifies it, and writes it as
    M(certops.rotation.certificate_sync) writes certificates of secrets, with the same layouts, the same bytes, and the
    previous version kept for M(certops.rotation.certificate_rollback).
  - With the lookup P(certops.rotation.certificate_secret#lookup) it is the push model, where only the controller may
    read secrets.
  - A certificate that fails verification, or changes what a renewal should not (O(allow_changes)), is not written, and
    what is there stays.
options:
  path:
    description:
      - The file, ending in C(.pem), or for O(layout=lineage) the directory of the four files.
      - With O(name), the directory of certificates in which it belongs.
      - The directory is created when missing; its parent must exist. A subdirectory C(.certops) in it remembers what
        was written and keeps previous versions.
    type: path
    required: true
  name:
    description:
      - Name of the certificate, from which the file's name is made as M(certops.rotation.certificate_sync) makes it of
        the name of a secret.
      - By default the file name in O(path), without its extension.
    type: str
  layout:
    description:
      - V(haproxy) writes one file C(NAME.pem) with leaf, intermediates and private key.
      - V(lineage) writes C(NAME/cert.pem), C(NAME/chain.pem), C(NAME/fullchain.pem) and C(NAME/privkey.pem), where
        C(NAME) is a symbolic link, so that the four are always of one version.
      - V(split) writes C(NAME.pem) with leaf and intermediates and C(NAME.key) with the private key.
    type: str
    choices: [haproxy, lineage, split]
    default: haproxy
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.given_certificate
  - certops.rotation.certificate_files
  - certops.rotation.verification
  - certops.rotation.certificate_changes
attributes:
  check_mode:
    support: full
  idempotent:
    support: full
  diff_mode:
    support: full
    details:
      - Shows path, fingerprints, names and dates, never PEM.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
seealso:
  - module: certops.rotation.certificate_sync
  - module: certops.rotation.certificate_rollback
  - plugin: certops.rotation.pem_bundle
    plugin_type: filter
"""

EXAMPLES = r"""
- name: A certificate from the vault
  certops.rotation.pem_bundle:
    certificate: "{{ vault_certificate }}"
    certificate_chain: "{{ vault_chain }}"
    private_key: "{{ vault_private_key }}"
    path: /etc/haproxy/certs/www.example.com.pem
    group: haproxy
    mode: "0640"

- name: What another tool left on the host, for HAProxy
  certops.rotation.pem_bundle:
    certificate_src: /etc/letsencrypt/live/www.example.com/fullchain.pem
    private_key_src: /etc/letsencrypt/live/www.example.com/privkey.pem
    path: /etc/haproxy/certs/www.example.com.pem
    min_remaining: 7d

- name: PKCS#12 as four files for nginx
  certops.rotation.pem_bundle:
    certificate_src: /root/www.p12
    passphrase: "{{ vault_passphrase }}"
    path: /etc/nginx/tls/www.example.com
    layout: lineage
"""

RETURN = r"""
name:
  description: The certificate's name in its directory.
  returned: always
  type: str
  sample: www.example.com
path:
  description: The PEM file, or the lineage's directory.
  returned: always
  type: str
  sample: /etc/haproxy/certs/www.example.com.pem
files:
  description: Path of each file by what it holds, C(pem), C(key), C(cert), C(chain), C(fullchain), C(privkey).
  returned: always
  type: dict
  sample: {"pem": "/etc/haproxy/certs/www.example.com.pem"}
action:
  description:
    - What was done, or would be done in check mode. V(refused) is the content's fault, V(failed) the host's own.
  returned: always
  type: str
  choices: [created, updated, unchanged, refused, failed]
fingerprint_sha256:
  description: SHA-256 of the certificate, in lower-case hexadecimal. Null when refused, like the other facts.
  returned: always
  type: str
previous_fingerprint_sha256:
  description: The same for the certificate that was there before.
  returned: when updated
  type: str
deployed_fingerprint_sha256:
  description: SHA-256 of the certificate that stays on disk.
  returned: when refused
  type: str
not_before:
  description: Start of the certificate's validity, ISO 8601 in UTC.
  returned: always
  type: str
  sample: "2026-11-01T00:00:00Z"
not_after:
  description: End of the certificate's validity, ISO 8601 in UTC.
  returned: always
  type: str
  sample: "2027-01-30T00:00:00Z"
subject_alternative_names:
  description: DNS names and IP addresses of the certificate.
  returned: always
  type: list
  elements: str
  sample: [www.example.com, example.com]
key:
  description: Kind and size of the key.
  returned: always
  type: str
  sample: EC P-256
proven:
  description: Whether this very version has been seen served. See M(certops.rotation.rotation_record).
  returned: always
  type: bool
problems:
  description: What is wrong, or noteworthy. The codes are stable.
  returned: always
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
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.given import GIVEN_DOCUMENTS
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.pem_bundle import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    run,
)


def main() -> None:
    run(
        GuardedModule(
            argument_spec=ARGUMENT_SPEC,
            mutually_exclusive=MUTUALLY_EXCLUSIVE,
            documents=GIVEN_DOCUMENTS,
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
