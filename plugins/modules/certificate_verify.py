#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_verify
short_description: May this certificate be served, or be presented by a client?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Verifies a certificate as a careful client would. The path to a trust anchor with its signatures, dates, name
    constraints, path lengths, key usages and critical extensions (RFC 5280), the names (RFC 6125, RFC 9525), the
    purpose, the strength of keys and signatures, and whether a private key belongs to it.
  - A bad certificate is a result, never a failure of the task, unless O(fail_on_invalid=true). That holds for text
    of any kind, such that is no certificate included.
  - Nothing is asked of the network, so that revocation is not judged.
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
options:
  certificate:
    description:
      - The certificate as PEM. Its chain may follow it.
      - Text around PEM blocks is ignored.
      - Also a certificate document, as JSON text or as the mapping that templating makes of it. Its fields
        C(private_key) and C(certificate_chain) count where the options are not given.
      - Never logged or returned, as it may hold the key.
    type: str
    required: true
  certificate_chain:
    description:
      - Intermediates as PEM, in any order.
      - They are not trusted, they only help to find a path. Roots among them and certificates that do not belong to the
        path do no harm.
    type: str
  private_key:
    description:
      - The private key as PEM, not encrypted. When given, it must belong to the certificate.
    type: str
  trust_anchors:
    description:
      - The certificates that are trusted, as PEM. Usually roots, and possibly the certificate itself.
      - An authority that is no root is an anchor as well, with whatever extensions it lacks.
      - When not given, the CA bundle of this host.
      - A private key in it is refused.
    type: str
  server_names:
    description:
      - DNS names and IP addresses that clients ask for. The certificate must cover each of them.
      - A wildcard in the certificate covers exactly one label. The common name does not count.
      - When empty, no name is asked for.
    type: list
    elements: str
    default: []
  purpose:
    description: Whether a server or a client shows the certificate.
    type: str
    choices: [server, client]
    default: server
  profile:
    description:
      - V(web) asks for all that RFC 5280 and the Web PKI demand, key identifiers for instance, and refuses servers'
        certificates that are for mail, code or anything else as well, or whose common name is one of the alternative
        names in another spelling.
      - V(private) accepts that a private authority left out key identifiers or key usages. What its certificates do say
        counts all the same. Needs cryptography 45 or newer, older versions always judge as with V(web).
    type: str
    choices: [web, private]
    default: web
  at:
    description:
      - The instant to verify for, in ISO 8601, such as V(2027-01-31T12:00:00Z). Without an offset it is UTC.
      - When not given, now.
    type: str
  fail_on_invalid:
    description: Whether an invalid certificate fails the task.
    type: bool
    default: false
attributes:
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0 (>= 43.0 for O(purpose=client), >= 45.0 for O(profile=private) and for chains with more than
    three certificates of one authority)
notes:
  - Where authorities sign each other in circles, or repeat each other many times, the search for a path ends after a
    bounded number of steps with the problem C(chain_too_complex).
seealso:
  - module: certops.rotation.certificate_sync
  - module: certops.rotation.tls_endpoint_info
"""

EXAMPLES = r"""
- name: May this be served for both names?
  certops.rotation.certificate_verify:
    certificate: "{{ lookup('ansible.builtin.file', 'cert.pem') }}"
    certificate_chain: "{{ lookup('ansible.builtin.file', 'chain.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'privkey.pem') }}"
    server_names:
      - www.example.com
      - example.com
  register: verdict

- name: What is wrong with it
  ansible.builtin.debug:
    msg: "{{ verdict.problems | map(attribute='message') }}"
  when: not verdict.valid

- name: Stop unless a client of our own authority will still be accepted at the end of the year
  certops.rotation.certificate_verify:
    certificate: "{{ lookup('ansible.builtin.file', 'client.pem') }}"
    trust_anchors: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
    purpose: client
    profile: private
    at: "2027-12-31T23:59:59Z"
    fail_on_invalid: true
"""

RETURN = r"""
valid:
  description: Whether the certificate may be used. None of the problems is an error then.
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
      sample: domain_not_covered
    severity:
      description: V(error) or V(warning). An error makes the certificate invalid, a warning does not.
      type: str
      choices: [error, warning]
    message:
      description: What is wrong and what to do.
      type: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_verify import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.given import GIVEN_DOCUMENTS
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    # no_log: the arguments stay out of the system's log, for people paste private keys into wrong places.
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, documents=GIVEN_DOCUMENTS, supports_check_mode=True, no_log=True))


if __name__ == "__main__":
    main()
