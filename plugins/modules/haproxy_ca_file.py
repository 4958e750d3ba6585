#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_ca_file
short_description: Update, add and remove CA files and CRL files in a running HAProxy without a reload
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Brings the files of C(ca-file) and C(crl-file), which decide whose certificates HAProxy accepts, to the wanted
    content in HAProxy's memory over its Runtime API. New handshakes are verified with the new content at once; the
    worker process stays.
  - An update is a transaction of HAProxy. It takes effect whole or not at all, it is confirmed by asking, and it is
    aborted on any failure.
  - Content is checked before it is sent. A CRL that is not in force is refused, since HAProxy would then refuse every
    client of that CA.
  - Idempotent by what HAProxy reports, which is serial number, dates and fingerprint of each certificate of a CA file,
    and issuer, dates and entries of each CRL. Their order counts among those that have one name, of which OpenSSL takes
    the first one that may be the issuer.
  - A file that fails does not stop the others. The module then fails with the full list.
  - What is changed here lives in HAProxy's memory, and a reload reads the disk again. So write the file first.
  - Makes new files, and removes those that nothing uses, for entries of crt-lists whose options C(ca-file) and
    C(crl-file) name them.
notes:
  - A new file is used by what names it afterwards, such as an entry of a crt-list. On a line C(bind) or C(server) it
    needs the configuration and a reload. It lives in HAProxy's memory alone, so write it to the disk before.
  - Where the configuration has a C(ca-base), HAProxy puts it before a relative name in an entry of a crt-list. Then
    make the file by its full path.
  - With a CRL file HAProxy needs a CRL of every CA in the chain of a client. When CAs are added, update both files in
    one task.
  - Connections stay, and a client that was accepted before can resume its TLS session without being verified again, for
    C(tune.ssl.lifetime) (300 seconds) after each handshake. To cut off a client at once, forbid resumption by
    C(no-tls-tickets) on the C(bind) line and C(tune.ssl.cachesize 0), or reload HAProxy, which forgets all sessions
    unless C(tls-ticket-keys) keeps them.
  - Many releases of HAProxy crash when a CA or CRL file, then a certificate that is used with it, and then a CA or CRL
    file again change at run time (U(https://github.com/haproxy/haproxy/issues/3165)). Unless the version is known to be
    mended (3.3, 3.2 since 3.2.26, 2.8 since 2.8.25), this module refuses to change a file that is in use, with
    RV(needs_reload), when certificates have changed since it did so last. It remembers that in HAProxy's memory, by an
    empty CA file whose name begins with C(@changed-at-run-time). Changes of CA and CRL files that others make over the
    socket are not known to it.
  - HAProxy crashes, too, when a CA or CRL file changes that a certificate is used with which it has loaded with
    timestamps (C(.sctl)). It does not tell which these are. So with such a file beside any certificate that it has, a
    file that is in use is changed by a reload.
  - HAProxy before 3.4 takes no more than C(tune.bufsize) (16384 bytes) at once. A larger CA file is sent certificate by
    certificate since 2.7. Larger CRL files, and larger CA files before 2.7, need a reload; see RV(needs_reload).
requirements:
  - HAProxy >= 2.5 with a stats socket of level admin
  - cryptography >= 42.0
options:
  files:
    description: The files, any number of them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The file's name in HAProxy, which is its path as C(show ssl ca-file) or C(show ssl crl-file) prints it.
            Other spellings of the same path are recognised.
          - Defaults to O(files[].src).
        type: str
      src:
        description:
          - PEM file on the host.
          - Or a directory, where that is a C(ca-file). What counts are its files C(*.pem), C(*.crt), C(*.cer) and
            C(*.crl).
        type: path
      content:
        description: The same as text. One of O(files[].src) and O(files[].content) is needed, unless the file is to be
          absent.
        type: str
      kind:
        description:
          - V(ca) for a C(ca-file), the certificates of all CAs that are to be trusted, such as the old and the new one
            during a rotation.
          - V(crl) for a C(crl-file), the revocation lists of these CAs.
        type: str
        choices: [ca, crl]
        default: ca
      state:
        description: The state of this file, see O(state).
        type: str
        choices: [updated, present, absent]
  state:
    description:
      - The state of files that do not have their own.
      - V(updated) wants HAProxy to have the file already, so that a name which is spelt wrongly is found out.
      - V(present) makes it where HAProxy does not have it.
      - V(absent) takes it out of HAProxy's memory. One that is in use stays, and this fails with what to do.
    type: str
    choices: [updated, present, absent]
    default: updated
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_haproxy
  - certops.rotation.haproxy_socket
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: certops.rotation.haproxy_certificate
  - module: certops.rotation.haproxy_reload
"""

EXAMPLES = r"""
- name: Trust the clients of the old and the new CA
  certops.rotation.haproxy_ca_file:
    socket: /run/haproxy/admin.sock
    files:
      - src: /etc/haproxy/clients-ca.pem

- name: A CA with its revocation list, from variables
  certops.rotation.haproxy_ca_file:
    socket: /run/haproxy/admin.sock
    files:
      - name: /etc/haproxy/clients-ca.pem
        content: "{{ ca_certificates | join('\n') }}"
      - name: /etc/haproxy/clients-crl.pem
        content: "{{ ca_crls | join('\n') }}"
        kind: crl

- name: Trust a partner's CA for one name only
  certops.rotation.haproxy_ca_file:
    socket: /run/haproxy/admin.sock
    files:
      - src: /etc/haproxy/partner-ca.pem
        state: present
# Then an entry of the crt-list may say: api.pem [ca-file /etc/haproxy/partner-ca.pem verify required] api.example.com

- name: When no entry uses it any more
  certops.rotation.haproxy_ca_file:
    socket: /run/haproxy/admin.sock
    files:
      - name: /etc/haproxy/partner-ca.pem
        state: absent
"""

RETURN = r"""
files:
  description: What happened to each file, in the order of the option. Also returned when the module fails.
  returned: when HAProxy answered
  type: list
  elements: dict
  contains:
    name:
      description: The file's name in HAProxy.
      type: str
    names:
      description: All names in HAProxy's memory that are the same file. They are updated together.
      type: list
      elements: str
    kind:
      description: V(ca) or V(crl).
      type: str
    action:
      description: What was done, or would be done in check mode.
      type: str
      choices: [added, updated, removed, unchanged, failed]
    authorities:
      description: The certificates that HAProxy holds in a CA file, or in check mode would hold.
      type: list
      elements: dict
      contains:
        subject:
          description: Subject of the certificate. Null where HAProxy does not show it, which is so for keys of Ed25519
            and Ed448.
          type: str
          sample: /CN=Example Client CA
        serial_number:
          description: Serial number of the certificate, hexadecimal.
          type: str
        not_after:
          description: End of the certificate's validity, ISO 8601 in UTC.
          type: str
          sample: "2036-11-19T01:51:34Z"
        fingerprint_sha1:
          description: SHA-1 of the certificate, the one fingerprint that HAProxy reports. Null where it does not.
          type: str
    crls:
      description: The revocation lists that HAProxy holds in a CRL file, or in check mode would hold.
      type: list
      elements: dict
      contains:
        issuer:
          description: Issuer of the revocation list.
          type: str
          sample: /CN=Example Client CA
        last_update:
          description: When it was issued.
          type: str
        next_update:
          description: When it has to be replaced.
          type: str
        revoked:
          description: How many certificates it revokes.
          type: int
    error_code:
      description:
        - Why it failed, else null.
        - V(not_referenced), V(payload_too_large), V(reload_required), V(unsupported), V(transaction_open), V(refused),
          V(in_use), V(permission_denied), V(unavailable), V(haproxy_error), V(invalid_option), or a code for
          bad content, such as V(certificate_missing), V(certificate_invalid), V(pem_invalid), V(crl_missing),
          V(crl_invalid), V(crl_expired) or V(crl_not_yet_valid).
      type: str
    message:
      description: What is wrong and what to do. Null when nothing is.
      type: str
needs_reload:
  description: Whether a reload would bring what failed here, because this HAProxy cannot take it at run time.
  returned: when HAProxy answered
  type: bool
haproxy:
  description: The process that answered.
  returned: when HAProxy answered
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
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_ca_file import run
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_options import SOCKET_OPTIONS

ARGUMENT_SPEC = {
    **SOCKET_OPTIONS,
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str"},
            "src": {"type": "path"},
            "content": {"type": "str", "no_log": True},  # somebody may give a key with it
            "kind": {"type": "str", "choices": ["ca", "crl"], "default": "ca"},
            "state": {"type": "str", "choices": ["updated", "present", "absent"]},
        },
        "mutually_exclusive": [("src", "content")],
        "required_one_of": [("name", "src", "content")],
    },
    "state": {"type": "str", "choices": ["updated", "present", "absent"], "default": "updated"},
}


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
