#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_rollback
short_description: Make the previous versions of certificates on disk the live ones again
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Restores certificates that M(certops.rotation.certificate_sync) wrote to their previous version, from the versions
    kept in the directory. AWS is not asked.
  - A certificate goes back to the version last proven to be served, else to the newest one kept.
  - Without O(names), and with O(unproven_only), this is what a rotation does by itself. Only certificates whose current
    version has not been proven go back, each for itself. What is taken back is not kept. One that was never proven,
    with nothing in its place before, is removed. One that was served before, and whose earlier version was not kept,
    stays, with a warning.
  - With O(names) it is for people. All named certificates go back, proven or not, or none does. None is ever removed.
    One without a version before that is whole and still valid is an error, and nothing is changed.
  - The service that uses the files is not told. Load the restored files with M(certops.rotation.haproxy_certificate) or
    M(certops.rotation.haproxy_reload). Where M(certops.rotation.certificate_deploy) has written them, its next run
    tells the services.
options:
  path:
    description: Directory of the certificates.
    type: path
    required: true
  names:
    description:
      - Names of the secrets whose certificates go back.
      - When absent, all certificates whose current version has not been proven, see
        M(certops.rotation.rotation_record). Those that HAProxy has loaded and that could not be asked for stay, since
        nothing speaks against them.
    type: list
    elements: str
  unproven_only:
    description:
      - Take back what has not been proven, each certificate for itself, of O(names) or of all. Those that are proven
        are left alone.
      - When absent, V(true) without O(names) and V(false) with them.
    type: bool
  allow_expired:
    description:
      - Whether named certificates may go back to a version that has expired by now.
      - A version whose certificate was revoked is not noticed.
    type: bool
    default: false
  lock_timeout:
    description: How long to wait for another run on the same directory, for example V(60s).
    type: str
    default: 60s
extends_documentation_fragment:
  - certops.rotation.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(unproven_only) a second run keeps what the first one restored.
      - With O(names) every run goes one version back and the next one forth again.
seealso:
  - module: certops.rotation.certificate_sync
  - module: certops.rotation.certificate_secret_stage
"""

EXAMPLES = r"""
- name: Take back whatever has not been seen served
  certops.rotation.certificate_rollback:
    path: /etc/haproxy/certs

- name: Take back one certificate
  certops.rotation.certificate_rollback:
    path: /etc/haproxy/certs
    names:
      - my-web-cert

- name: See first whether that could be
  certops.rotation.certificate_rollback:
    path: /etc/haproxy/certs
    names:
      - my-web-cert
  check_mode: true
"""

RETURN = r"""
certificates:
  description: One item for each certificate that was to go back, in order of their names.
  returned: success, or when some could not be taken back
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
    arn:
      description: ARN of the secret. Empty for a certificate that is not from Secrets Manager.
      type: str
    path:
      description: The PEM file, or the lineage's directory.
      type: str
    action:
      description:
        - What was done, or would be done in check mode.
        - Whether an earlier version was restored, the certificate was removed because it was new and never proven, or
          it was kept because there was an earlier version that is not there any more.
      type: str
      choices: [restored, removed, kept]
    subject_alternative_names:
      description: DNS names and IP addresses of the certificate. Of the one that was live before.
      type: list
      elements: str
    rolled_back_version_id:
      description: Version of the secret that was taken back. Null for a certificate that was kept.
      type: str
    rolled_back_fingerprint_sha256:
      description: Fingerprint of the certificate that was taken back. Null for a certificate that was kept.
      type: str
    version_id:
      description: Version of the secret. The one that is live now. Null for a removed certificate, empty for a file
        that was there before this collection.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. The one that is live now. Null where it is not
        known.
      type: str
stage_moves:
  description:
    - For the option O(certops.rotation.certificate_secret_stage#module:secrets), which makes these versions the current
      ones in Secrets Manager, too.
  returned: success
  type: list
  elements: dict
  sample: [{name: web/a, version_id: 7f3c..., from_version_id: b81d...}]
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_rollback import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
