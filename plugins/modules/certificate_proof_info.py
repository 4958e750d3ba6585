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
  - Who answers is HAProxy's choice, and its rules are followed, by its version where O(socket) tells it. Where an RSA
    and an ECDSA certificate have a name, by a wildcard or exactly, each is asked for by a client of its key type, over
    TLS 1.2. A listener that speaks TLS 1.3 alone may answer with either.
  - Where two certificates of one key type share a name, either may answer to it, but each must answer to at least one
    of its names. One that never does is V(shadowed), and so is one of whose names another file has one and answers to
    it. Then nothing that was deployed is wrong, and to go back to a version before would change nothing.
  - The whole chain is proven. The certificates that follow the leaf in its file must come after it, in that order. With
    C(ssl-skip-self-issued-ca) in the configuration it is the path that HAProxy builds of them, and with
    C(issuers-chain-path) a file with the leaf alone may be completed.
  - A right answer once is no proof. When all are right, each address is asked again by three new connections, which
    must be answered alike. Where several sockets listen at one address (another HAProxy or another program with
    C(SO_REUSEPORT), two C(bind) lines), every question is asked so often that one of them is missed in one of a
    thousand cases. That is 10 connections for two sockets and 25 for four, and at most 1000 for one address. The shards
    of one C(bind) line are one.
  - A peer that sends a certificate and breaks off before it has shown that it has the key has not answered.
  - A certificate is V(right) when everything that can be asked was answered with it, V(wrong) when a handshake got
    another one, V(shadowed) when that is the one that HAProxy is configured to serve there, and else V(unasked). Only
    V(wrong) speaks against it.
  - A question without an answer (the listener resets the connection, lets the time run out, sends an alert instead of a
    certificate, or nobody listens) leaves open what is served. O(on_unproven) tells whether the proof then fails.
  - What cannot be asked by its nature is reported, and is no failure. These are listeners on an address that this host
    does not have now (as with keepalived), for QUIC, on inherited file descriptors or one network interface,
    certificates of C(server) lines, and names that no client can send.
  - Each listener is asked alone at first, then a few questions at a time. When it begins to turn connections away, as
    with a limit of their rate, it is left alone for a while, up to a minute in all.
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
      - Listeners, each C(address:port), C(unix@/path) or C(abns@name). Then every certificate is asked for on every one
        of them.
      - Who answers at an address that is none of this host's may be another host, so a wrong answer from there counts
        as none.
      - What else such a listener loads is read from O(config) and O(socket) where these tell of its address. Where they
        do not, another certificate of the same name counts as no answer, unless it was deployed before this one.
      - By default the TLS listeners in O(config) on which HAProxy loads the certificate.
    type: list
    elements: str
  config:
    description:
      - HAProxy's configuration, files or directories of C(*.cfg), in the order of its option C(-f). When the process
        behind O(socket) was started with more files than these, all of its files are read, where this user may do so.
    type: list
    elements: path
    default: [/etc/haproxy/haproxy.cfg]
  environment:
    description: Variables of HAProxy's process that O(config) uses, in addition to those that the process
      behind O(socket) has, or else its service.
    type: dict
    default: {}
  max_names:
    description: Ask for at most this number of names of one certificate on one listener. By default for all.
    type: int
  socket:
    description:
      - HAProxy's stats socket, as a path or C(host:port). What the process has loaded is asked there, and is what its
        listeners should serve. A file that was added while it runs comes last in its list, wherever its name would
        sort, and one that somebody put on the disk since the start is not in it.
      - Without it, or when it does not answer, a listener should serve what is on disk. Then it is not known which
        certificate is the default one, and a handshake without SNI cannot make one wrong, unless O(reloaded).
    type: str
  reloaded:
    description: Whether HAProxy was started or reloaded just now, and so has what is on disk, in that order.
    type: bool
    default: false
  allow_unreferenced:
    description: Whether certificates that no listener loads or selects are accepted.
    type: bool
    default: false
  on_unproven:
    description:
      - Whether a question without an answer fails the task, or is a warning. See also O(on_failure).
    type: str
    choices: [fail, warn]
    default: fail
  timeout:
    description:
      - Seconds for one handshake, connection included.
      - A listener that lets the first one time out is not asked for other names until the next of O(retries).
    type: float
    default: 5.0
  concurrency:
    description: How many handshakes to make at the same time, of which at most four with one listener.
    type: int
    default: 32
  retries:
    description: How many times to ask again what was not answered rightly, because a reload takes a moment.
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
  - Listeners on all addresses are asked on a loopback address at which nobody else listens, unix sockets and abstract
    ones as they are. Those that cannot be asked are in RV(not_probed).
  - Listeners with C(accept-proxy) get a PROXY protocol header; where C(expect-proxy) has a condition, every second of
    O(retries) has one. A listener that demands client certificates is proven too, for its own certificate comes before
    it refuses.
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
  description: Whether every certificate was seen served, but for those that O(allow_unreferenced) accepts.
  returned: always
  type: bool
outcome:
  description: The worst of the certificates' outcomes, V(wrong), V(shadowed), V(unasked) or V(right).
  returned: always
  type: str
probes:
  description: Number of handshakes, retries included.
  returned: always
  type: int
probes_again:
  description: Number of handshakes that asked once more for what had been answered rightly.
  returned: always
  type: int
shared:
  description:
    - Addresses at which several listen that need not answer alike. Any of them may get a connection, so there is a
      warning of each even while all answers are right.
  returned: always
  type: list
  elements: dict
  contains:
    bind:
      description: The listener.
      type: str
      sample: 127.0.0.1:443
    listeners:
      description: The C(bind) lines and the processes, as far as this user may see them.
      type: list
      elements: str
      sample: ["haproxy (process 812)", "haproxy (process 2077)"]
binds:
  description: The listeners that were asked.
  returned: always
  type: list
  elements: str
  sample: ["127.0.0.1:443"]
not_probed:
  description: TLS listeners of the configuration that cannot be asked, and what else uses a certificate there, such as
    C(server) lines.
  returned: always
  type: list
  elements: dict
  contains:
    bind:
      description: The address as configured, with file and line.
      type: str
      sample: fd@3 (/etc/haproxy/haproxy.cfg:31)
    reason:
      description: Why not.
      type: str
      sample: is an inherited file descriptor
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
      description: SHA-256 of the certificate, in lower-case hexadecimal. The one that must be served.
      type: str
    outcome:
      description: V(right), V(wrong), V(shadowed) or V(unasked).
      type: str
    proven:
      description: Whether it is V(right).
      type: bool
    not_proven_because:
      description:
        - Why it is not, for people. The mismatches, else what shadows it, else the questions without an answer, else
          what was not asked.
      type: list
      elements: str
    unreferenced:
      description: Whether no listener loads or selects the certificate. Then nothing was asked.
      type: bool
    reason:
      description: Why it is unreferenced, or why it is not known what to ask for.
      type: str
    mismatches:
      description:
        - The handshakes that got another certificate, or other ones after the right one. Only these make it V(wrong).
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
          description: SHA-256 of the certificate that came. The deployed one, when the chain is what is wrong.
          type: str
        error:
          description: What is wrong, and of how many connections when not of all.
          type: str
          sample: a certificate that is not deployed now
    shadowed:
      description: The handshakes that got a certificate which HAProxy is configured to serve in its place.
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
          description: SHA-256 of the certificate that came.
          type: str
        error:
          description: Whose it is, why it came, and what to do.
          type: str
        path:
          description: The file that it is from, empty when it is another one of O(certificates).
          type: str
          sample: /etc/haproxy/certs/legacy.pem
        reload_helps:
          description: Whether HAProxy serves the deployed one again after a reload. An update put it behind the other.
          type: bool
    unanswered:
      description: The questions without an answer.
      type: list
      elements: dict
      contains:
        bind:
          description: The listener.
          type: str
        server_name:
          description: The name sent by SNI, empty for none.
          type: str
        error:
          description: Why there is none.
          type: str
          sample: connection reset during handshake
    unasked:
      description: What cannot be asked by its nature, or whose answer tells nothing.
      type: list
      elements: dict
      contains:
        bind:
          description: The listener.
          type: str
        server_name:
          description: The name, empty for all of the listener.
          type: str
        reason:
          description: Why not.
          type: str
          sample: is no address of this host now
msg:
  description: The outcome for people, with both fingerprints of each mismatch.
  returned: always
  type: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_proof_info import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
