#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_ca_member_info
short_description: Tell what a host holds of a shared certificate authority
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Reads the files that M(certops.rotation.shared_ca_member) keeps on a host, and tells which authorities it trusts,
    and which of them has issued the certificates of its server and its clients.
  - OpenSSL is asked whether peers with these files would believe each certificate. That needs its private key, which
    stays in memory; where it cannot be read, nobody is asked.
  - Needs no AWS. A directory that is not there holds nothing.
options:
  path:
    description: The directory of the files.
    type: path
    required: true
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
seealso:
  - module: certops.rotation.shared_ca_member
  - module: certops.rotation.shared_ca_rotation
  - plugin: certops.rotation.shared_ca_rollout
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Which authorities does this host trust?
  certops.rotation.shared_ca_member_info:
    path: /etc/haproxy/shared-ca
  register: member

- name: Show them
  ansible.builtin.debug:
    var: member.trusted_fingerprints
"""

RETURN = r"""
trusted_fingerprints:
  description: SHA-256 of each trusted authority, in lower-case hexadecimal. Those in the trust bundle C(ca.pem).
  returned: success
  type: list
  elements: str
server:
  description: The certificate in C(server-cert.pem). Null when there is none.
  returned: success
  type: dict
  contains:
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal.
      type: str
    issuer_fingerprint_sha256:
      description: SHA-256 of the authority that issued it. Null when that is not trusted here.
      type: str
    refused:
      description:
        - Why peers that trust the authorities of this host refuse the certificate, in OpenSSL's words. Its dates are
          not looked at. Null when they believe it, and when its issuer is not trusted here or its key cannot be read.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
    subject:
      description: Subject of the certificate. As RFC 4514 writes it.
      type: str
clients:
  description: The certificates of clients by name, each with the same as RV(server).
  returned: success
  type: dict
problems:
  description: Files that hold something else than certificates. They count as absent.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca_member_info import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
