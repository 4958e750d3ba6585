#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_proof_info
short_description: Prove by fresh TLS handshakes that HAProxy serves the deployed certificates
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Asks every TLS listener of HAProxy that loads a certificate for each of the certificate's names, many at once, and
    compares what a fresh handshake gets with what was deployed.
  - Listeners and the files that they load are read from HAProxy's configuration. Names come from the certificate, or
    from the SNI filters of a crt-list, which replace them.
  - A wildcard is asked for by a made-up label. The listener's default certificate is asked for without SNI as well. IP
    addresses cannot be asked for by SNI, so a certificate that has nothing else is proven as the default one only.
  - Where an RSA and an ECDSA certificate share a name, each is asked for by a client of its key type, over TLS 1.2. A
    listener that speaks TLS 1.3 alone may answer with either.
  - Where two certificates of one key type share a name, either may answer to it, but each must answer to at least one
    of its names. One that never does is shadowed, and not proven.
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
options:
  certificates:
    description:
      - What must be served, as RV(certops.rotation.certificate_sync#module:certificates) returns it.
      - C(path) and C(fingerprint_sha256) are needed, C(name) is for messages. C(subject_alternative_names) and
        C(key_type) (C(rsa), C(ecdsa) or another; or C(key) as M(certops.rotation.certificate_sync) returns it) are read
        from the file when they are missing.
      - Entries whose C(action) is C(removed) or C(refused) are passed over.
    type: list
    elements: dict
    required: true
  only:
    description:
      - Names of the O(certificates) to prove, all when absent.
      - The others are known to be deployed too, so a name that they share may be answered by them.
    type: list
    elements: str
  binds:
    description:
      - Listeners, each C(address:port). Then every certificate is asked for on every one of them.
      - By default the TLS listeners in O(config) on which HAProxy loads the certificate.
    type: list
    elements: str
  config:
    description:
      - HAProxy's configuration, files or directories of C(*.cfg), in the order of its option C(-f).
    type: list
    elements: path
    default: [/etc/haproxy/haproxy.cfg]
  environment:
    description: Variables of HAProxy's process that O(config) uses, in addition to those of the module's.
    type: dict
    default: {}
  max_names:
    description: Ask for at most this number of names of one certificate on one listener. By default for all.
    type: int
  allow_unreferenced:
    description: Whether certificates that no listener loads or selects are accepted.
    type: bool
    default: false
  timeout:
    description:
      - Seconds for one handshake, connection included.
      - A listener that lets the first one time out is not asked for other names until the next of O(retries).
    type: float
    default: 5.0
  concurrency:
    description: How many handshakes to make at the same time.
    type: int
    default: 32
  retries:
    description: How many times to ask again for what is not proven, because a reload takes a moment.
    type: int
    default: 3
  delay:
    description: Seconds before each of O(retries).
    type: float
    default: 0.5
  on_failure:
    description: Whether a failed proof fails the task, or is only reported in RV(proven).
    type: str
    choices: [fail, report]
    default: fail
attributes:
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - Run it on HAProxy's host, as a user who may read its configuration.
  - Listeners on all addresses are asked on the loopback address. Listeners on unix sockets and file descriptors, for
    QUIC, bound to an interface or in conditional blocks cannot be asked; they are in RV(not_probed).
  - Listeners with C(accept-proxy) get a PROXY protocol header. A listener that demands client certificates is proven
    too, for its own certificate comes before it refuses.
seealso:
  - module: certops.rotation.certificate_sync
  - module: certops.rotation.tls_endpoint_info
"""

EXAMPLES = r"""
- name: Deploy
  certops.rotation.certificate_sync:
    name_prefix: web/
    path: /etc/haproxy/certs
  register: synced

- name: Reload
  certops.rotation.haproxy_reload:
    method: systemd

- name: Is every certificate served, everywhere?
  certops.rotation.certificate_proof_info:
    certificates: "{{ synced.certificates }}"

- name: The same on given listeners, without failing
  certops.rotation.certificate_proof_info:
    certificates: "{{ synced.certificates }}"
    binds:
      - 127.0.0.1:443
      - "[::1]:8443"
    on_failure: report
  register: proof
"""

RETURN = r"""
proven:
  description: Whether every certificate is served.
  returned: always
  type: bool
probes:
  description: Number of handshakes, retries included.
  returned: always
  type: int
binds:
  description: The listeners that were asked.
  returned: always
  type: list
  elements: str
  sample: ["127.0.0.1:443"]
not_probed:
  description: TLS listeners of the configuration that could not be asked.
  returned: always
  type: list
  elements: dict
  contains:
    bind:
      description: The address as configured, with file and line.
      type: str
      sample: abns@tls (/etc/haproxy/haproxy.cfg:31)
    reason:
      description: Why not.
      type: str
      sample: is an abstract unix socket
certificates:
  description: One item for each certificate.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name as given, or the path.
      type: str
    path:
      description: The file, with symbolic links resolved.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the leaf that must be served.
      type: str
    proven:
      description: Whether each handshake got what it should.
      type: bool
    unreferenced:
      description: Whether no listener loads or selects the certificate. Then nothing was asked.
      type: bool
    reason:
      description: Why it is unreferenced.
      type: str
    mismatches:
      description: The handshakes that got something else.
      type: list
      elements: dict
      contains:
        bind:
          description: The listener.
          type: str
          sample: 127.0.0.1:443
        server_name:
          description: The name sent by SNI, empty for none.
          type: str
          sample: www.example.com
        expected_fingerprint_sha256:
          description: SHA-256 of the deployed certificate.
          type: str
        served_fingerprint_sha256:
          description: SHA-256 of the certificate that came. Null when none came.
          type: str
        error:
          description: What is wrong.
          type: str
          sample: a certificate that is not deployed now
msg:
  description: The outcome for people, with both fingerprints of each mismatch.
  returned: always
  type: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_proof import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
