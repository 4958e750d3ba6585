#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_certificate_info
short_description: Tell which certificates a running HAProxy holds in memory
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Lists certificates, crt-lists and the open transaction of a running HAProxy over its Runtime API, without any key.
  - What is in memory is not always what is on disk, and not always what is served. For the latter see
    M(certops.rotation.tls_endpoint_info).
requirements:
  - HAProxy >= 2.2 with a stats socket of level admin
options:
  names:
    description:
      - Describe only the certificates of these names or paths. All names that HAProxy has for the same file are
        described, and what it does not know is left out.
      - When absent, all are described.
    type: list
    elements: str
  config:
    description:
      - HAProxy's configuration, files or directories as its option C(-f) takes them.
      - It tells which files relative names and the names of a C(crt-store) are, for RV(certificates[].names).
    type: list
    elements: path
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.attributes.actiongroup_haproxy
  - certops.rotation.haproxy_socket
seealso:
  - module: certops.rotation.haproxy_certificate
"""

EXAMPLES = r"""
- name: See what HAProxy holds
  certops.rotation.haproxy_certificate_info:
    socket: /run/haproxy/admin.sock
  register: memory

- name: Fail when a certificate is loaded but not used
  ansible.builtin.assert:
    that: memory.certificates | rejectattr('status', 'equalto', 'Used') | length == 0
"""

RETURN = r"""
certificates:
  description: The certificates in memory, in HAProxy's order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The certificate's name in HAProxy.
      type: str
    names:
      description: All names in HAProxy's memory that are the same file. This one is the first.
      type: list
      elements: str
    status:
      description: V(Used), V(Unused), V(Empty) or V(Uncommitted).
      type: str
    fingerprint_sha1:
      description: SHA-1 of the certificate, the one fingerprint that HAProxy reports. Null for an empty one, like the
        fields below.
      type: str
    serial_number:
      description: Serial number of the certificate, hexadecimal.
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
    subject:
      description: Subject of the certificate. In OpenSSL's one-line form.
      type: str
    issuer:
      description: Issuer of the certificate. In OpenSSL's one-line form.
      type: str
    subject_alternative_names:
      description: DNS names and IP addresses of the certificate. HAProxy reports IP addresses only in newer versions.
      type: list
      elements: str
    ocsp_key:
      description:
        - Key of the OCSP response that HAProxy staples with the certificate, by which C(show ssl ocsp-response) lists
          it.
        - Null when there is none, and before HAProxy 2.5, which does not tell it.
      type: str
    chain:
      description: The certificates after the leaf.
      type: list
      elements: dict
      contains:
        subject:
          description: Subject of the certificate. In OpenSSL's one-line form.
          type: str
        issuer:
          description: Issuer of the certificate. In OpenSSL's one-line form.
          type: str
crt_lists:
  description: crt-list files and certificate directories in memory.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Path of the file or directory.
      type: str
    entries:
      description: Its entries.
      type: list
      elements: dict
      contains:
        name:
          description: The certificate's name in HAProxy.
          type: str
        line:
          description: Line number.
          type: int
        options:
          description: Options and SNI filters, empty when there are none.
          type: str
open_transaction:
  description: Certificate that somebody has begun to change in HAProxy, without committing it. Null when there is none.
  returned: success
  type: str
haproxy:
  description: The process that answered.
  returned: success
  type: dict
  contains:
    version:
      description: Version of HAProxy.
      type: str
      sample: 2.8.25
    worker_pid:
      description: Process id of the worker.
      type: int
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_certificate_info import run
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_options import SOCKET_OPTIONS

ARGUMENT_SPEC = {
    **SOCKET_OPTIONS,
    "names": {"type": "list", "elements": "str"},
    "config": {"type": "list", "elements": "path"},
}


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
