#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_scan
short_description: Ask TLS endpoints what they serve, and record what has changed
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Makes a TLS handshake with each address of each endpoint of the registry, all in one process, and writes down there
    what it saw. What has changed becomes events, which M(certops.rotation.endpoint_events) delivers.
  - It returns a summary. Ten thousand endpoints do not pass through Ansible's output.
  - Whatever an endpoint does costs its own O(timeout) and nothing else. An endpoint that does not answer, or whose
    certificate is expired or not trusted, is a result, never a failure of the task.
  - Each event is told once. An endpoint that changes to and fro, such as two servers with two certificates behind one
    address, is told once in each direction, and again when it has stayed for three days.
  - An address that its name does not resolve to any more is no part of dashboards and metrics after 20 hours, and is
    retired after three days.
options:
  endpoints:
    description:
      - Ask these, instead of those of the registry. Each is a text C(host:port) or a dictionary, as
        O(certops.rotation.endpoint_registry#module:endpoints) has them.
      - Of those that the registry does not know, nothing is recorded.
    type: list
    elements: raw
  record:
    description: With V(false) there is no registry at all. Then O(endpoints) have to be given.
    type: bool
    default: true
  names:
    description: Only endpoints of the registry with one of these names. V(host:port) stands for that one endpoint.
    type: list
    elements: str
    default: []
  hosts:
    description: Only endpoints of these hosts. V(host:port) stands for that one endpoint.
    type: list
    elements: str
    default: []
  tags:
    description: Only endpoints that have all of these tags.
    type: dict
    default: {}
  timeout:
    description: Seconds for each address, for everything from name resolution to the end of the handshake.
    type: float
    default: 10.0
  deadline:
    description:
      - Seconds for all of them. Those that could not be seen by then are left as they were, with a warning and
        RV(unfinished).
    type: float
    default: 600.0
  concurrency:
    description: How many to ask at the same time. Those that take long without an answer do not count.
    type: int
    default: 128
  addresses:
    description:
      - With V(all), each address of a name is asked and has a history of its own. With V(first) it is the one that
        takes a connection first, as browsers do it.
    type: str
    choices: [all, first]
    default: all
  key_types:
    description:
      - Types of keys to ask for besides, of servers that hold several certificates for a name. V(any), what clients of
        today get, is asked for always.
      - What is found in addition has a history of its own. A server that speaks nothing older than TLS 1.3 cannot be
        asked for it.
    type: list
    elements: str
    choices: [any, rsa, ecdsa]
    default: []
  trust_anchors:
    description:
      - Certificates, as PEM text, that a chain must lead to. They need not be roots.
      - By default the trust store of the system.
    type: str
  staple:
    description:
      - Ask for the OCSP response that a server sends along with its certificate, too. It takes one more handshake. One
        that is revoked by it is not trusted, in later scans without this option either, until its staple is good.
      - Needs pyOpenSSL on this host.
    type: bool
    default: false
  expiring_within:
    description:
      - Times before the end of a certificate at which it is told to be expiring, such as V([30d, 7d]), each once.
      - When empty, it is when a certificate of its lifetime should have been renewed, and again when two thirds of the
        rest are over. That is a third of the lifetime and at most 30 days before its end, or half of it when that is
        under ten days.
    type: list
    elements: str
    default: []
  unreachable_after:
    description: After how many scans in a row without a certificate an address is told to be unreachable.
    type: int
    default: 2
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.endpoint_database
attributes:
  check_mode:
    support: full
    details:
      - Asks the endpoints, and tells what it would record.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A scan that sees the same as the one before changes nothing, but for when that was last seen.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
  - pyOpenSSL >= 24.0, with O(staple)
notes:
  - A run that is killed has recorded what it has seen until then, up to the last few hundred addresses.
seealso:
  - module: certops.rotation.endpoint_registry
  - module: certops.rotation.endpoint_registry_info
  - module: certops.rotation.endpoint_events
  - module: certops.rotation.tls_endpoint_info
"""

EXAMPLES = r"""
- name: Ask all endpoints of the registry
  certops.rotation.endpoint_scan:
  register: scanned

- name: Nothing may need a person
  ansible.builtin.assert:
    that: scanned.problems | length == 0
    fail_msg: "{{ scanned.problems | map(attribute='message') | join(' ') }}"

- name: Ask one of them now, and those of a team
  certops.rotation.endpoint_scan:
    names: "{{ item.names | default(omit) }}"
    tags: "{{ item.tags | default(omit) }}"
  loop:
    - names: [shop]
    - tags: {team: web}

- name: Look without a registry
  certops.rotation.endpoint_scan:
    endpoints:
      - www.example.com
      - {host: mail.example.com, port: 25, starttls: smtp}
    record: false
    expiring_within: [30d]
"""

RETURN = r"""
endpoints:
  description: Number of endpoints that were to be asked.
  returned: success
  type: int
  sample: 1200
addresses:
  description: Number of certificates and addresses without one that were seen.
  returned: success
  type: int
  sample: 1304
states:
  description:
    - How many of them are in which state, the worst one of each. C(expired), C(unreachable), C(untrusted), C(expiring)
      by O(expiring_within), C(unread) for a certificate whose end cannot be read, and C(good).
  returned: success
  type: dict
  sample: {expired: 1, unreachable: 2, untrusted: 0, expiring: 4, unread: 0, good: 1297}
events:
  description: How many new events of each kind were recorded, see M(certops.rotation.endpoint_events).
  returned: success
  type: dict
  sample: {renewed: 12, unreachable: 1}
problems:
  description: What a person should look at, the worst first, at most the first hundred.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The endpoint's name.
      type: str
      sample: shop
    host:
      description: The endpoint's host.
      type: str
      sample: shop.example.com
    port:
      description: The port.
      type: int
      sample: 443
    address:
      description: The address that was asked. Null when the name did not resolve.
      type: str
      sample: 192.0.2.10
    asked_key_type:
      description: One of O(key_types) for a certificate that was asked for besides, else V(any).
      type: str
      sample: any
    condition:
      description: One of the keys of RV(states).
      type: str
      sample: expired
    message:
      description: One sentence that names the endpoint, what is wrong and what to do.
      type: str
      sample: >-
        shop (shop.example.com:443, 192.0.2.10) serves a certificate that expired at 2026-11-25T00:00:00Z. Renew it and
        have the service load it.
    error:
      description: Why there was no certificate, or what came after it.
      type: str
      sample: connection refused
    trusted:
      description:
        - Whether a client with O(trust_anchors) would trust the chain, the dates and the name. Null without a
          certificate.
      type: bool
      sample: false
    trust_error:
      description: Why not. Null when trusted.
      type: str
      sample: certificate has expired
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. Null without one.
      type: str
    ends:
      description: When the certificate ends, or before that one which it needs. ISO 8601 in UTC.
      type: str
      sample: "2026-11-25T00:00:00Z"
    days_left:
      description: Whole days until then, negative afterwards.
      type: int
      sample: -1
    since:
      description:
        - When this was first seen without a change since then, ISO 8601 in UTC. It is this scan with O(record=false).
      type: str
      sample: "2026-11-25T06:00:00Z"
    failures:
      description: Scans in a row without a certificate, this one included.
      type: int
      sample: 1
more_problems:
  description:
    - How many more problems there are. What has been silent in fewer scans in a row than O(unreachable_after) is not
      counted.
  returned: success
  type: int
  sample: 0
unfinished:
  description: Endpoints that were not seen before O(deadline), at most the first hundred.
  returned: success
  type: list
  elements: str
  sample: ["slow.example.com:443"]
more_unfinished:
  description: How many more of these there are.
  returned: success
  type: int
  sample: 0
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 14.2
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_scan import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
