#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_certificate
short_description: Add, update or remove certificates in a running HAProxy without a reload
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Brings the certificates in HAProxy's memory to the wanted state over its Runtime API. New handshakes get the new
    certificate at once; the worker process stays, and no connection is touched.
  - An update is a transaction of HAProxy. It takes effect whole or not at all, it is confirmed by asking, and it is
    aborted on any failure.
  - Idempotent by what HAProxy reports. Fingerprint and serial number of the leaf, the names in the chain, the signature
    of the OCSP response and the lines of crt-lists decide whether there is anything to do. DH parameters it does not
    report; those of a file that was written after HAProxy has started, or that differ from those given here before, are
    loaded.
  - A file may have several names in HAProxy, through symbolic links, a directory by two paths or a C(crt-store). All of
    them are updated and removed together. When one of them fails, the others go back to what they had.
  - A certificate that fails does not stop the others. The module then fails with the full list.
  - Keys are sent as PEM made anew from what was read, so nothing of a file can become a command. What HAProxy answers
    to them is never shown beyond its known sentences.
  - What is changed here lives in HAProxy's memory, and a reload reads the disk again. So write the file first, with
    M(certops.rotation.certificate_sync) for example. The entry of a new certificate in a crt-list file is written by
    this module.
notes:
  - Many releases of HAProxy, after a CA or CRL file has changed at run time, take certificates that are used with it
    and go on serving those before (the fault of U(https://github.com/haproxy/haproxy/issues/3165)). Unless the version
    is known to be mended, see M(certops.rotation.haproxy_ca_file), this module then refuses, with RV(needs_reload), to
    update these, and those of which HAProxy does not tell whether they are among them, such as one that is used both
    with such a file and without.
  - HAProxy takes no certificate timestamps (C(.sctl)) at run time, and crashes when a certificate that it has loaded
    with some is updated, stapled, removed, or gets or loses a line. So with such a file beside it, this module changes
    the crt-list file alone, and fails with RV(needs_reload). Those of a new certificate are sent from the next reload
    on, which RV(certificates[].message) says.
requirements:
  - HAProxy >= 2.2 with a stats socket of level admin
  - cryptography >= 42.0
options:
  certificates:
    description: The certificates, any number of them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The certificate's name in HAProxy, which is its path as C(show ssl cert) prints it. Other spellings of the
            same path are recognised.
          - Defaults to O(certificates[].src).
        type: str
      src:
        description: PEM file on the host with leaf, intermediates and, unless O(certificates[].key_src) has it, private
          key in this order.
        type: path
      content:
        description:
          - The same as text. Mutually exclusive with O(certificates[].src).
          - Without either, O(certificates[].entries) are changed, and the certificate that HAProxy holds stays.
        type: str
      key_src:
        description:
          - PEM file on the host with the private key, when O(certificates[].src) or O(certificates[].content) does not
            hold it.
          - Defaults to the file beside O(certificates[].src) with C(.key) added to its name, else with its extension
            replaced by that, which are those that HAProxy may load.
        type: path
      crt_list:
        description: The crt-list for this certificate, see O(crt_list).
        type: str
      entries:
        description:
          - Lines of crt-lists by which the certificate is used, any number of them, in place of the plain line that it
            gets otherwise. They are added to HAProxy's memory and to the file (at the end of both), or taken out of
            both.
          - HAProxy lists options in an order of its own, and the names in any case. That is the same line here.
            C(ca-verify-file), which it does not list, is not compared.
          - Other lines of the certificate stay, unless O(certificates[].purge_entries) is true.
        type: list
        elements: dict
        suboptions:
          crt_list:
            description: The crt-list of this line, if it is another one than O(certificates[].crt_list).
            type: str
          options:
            description:
              - TLS options of the line, as they stand between the brackets, such as V(alpn h2,http/1.1 ssl-min-ver
                TLSv1.2).
              - Files that they name (C(ca-file), C(crl-file)) have to be in HAProxy's memory already.
            type: str
          filters:
            description:
              - SNI filters of the line, such as V(www.example.com), V(*.example.com) or V(!old.example.com).
              - Without any, the certificate's own names count.
            type: list
            elements: str
          line:
            description:
              - With O(certificates[].entries[].state=absent), the line's number in HAProxy, as
                M(certops.rotation.haproxy_certificate_info) tells it. When it is a line of another certificate, or does
                not say what O(certificates[].entries[].options) and O(certificates[].entries[].filters) say, nothing is
                changed. When there is none, nothing is to be done.
              - After a reload lines are numbered as in the file.
            type: int
          state:
            description: Whether the line should be there.
            type: str
            choices: [present, absent]
            default: present
      purge_entries:
        description: Whether to take out all other lines that the certificate has in the crt-lists of
          O(certificates[].entries).
        type: bool
        default: false
      ocsp_src:
        description:
          - File on the host with an OCSP response for this certificate, in DER, base64 or PEM. HAProxy serves it with
            the certificate (stapling) from the same moment on.
          - It has to be for this certificate, signed by its issuer or who may for it, in time, and identify the
            certificate by SHA-1. Otherwise nothing is changed, for HAProxy would say that all is well.
          - When absent, a good response in the file beside O(certificates[].src), with C(.ocsp) added to its name, goes
            along, as a reload would load it, when it is newer than the one that HAProxy has.
        type: path
      ocsp_content:
        description: The same as text, in base64 or PEM. Mutually exclusive with O(certificates[].ocsp_src).
        type: str
      issuer_src:
        description:
          - PEM file on the host with the certificate's issuer, which HAProxy needs for an OCSP response when the chain
            does not have it.
          - Defaults to the file beside O(certificates[].src) with C(.issuer) added to its name.
        type: path
      issuer_content:
        description: The same as text. Mutually exclusive with O(certificates[].issuer_src).
        type: str
      state:
        description: The state of this certificate, see O(state).
        type: str
        choices: [present, absent]
      force:
        description: Whether to force this certificate, see O(force).
        type: bool
  state:
    description:
      - V(present) loads the certificates that HAProxy does not have and updates those that differ.
      - V(absent) takes them out of every crt-list (in memory, and crt-list files on disk, see O(config)) and out of
        memory. A certificate that the configuration itself names cannot be removed, nor one that is the only entry of a
        crt-list.
    type: str
    choices: [present, absent]
    default: present
  crt_list:
    description:
      - The crt-list file or certificate directory where new certificates are used, as in HAProxy's configuration.
      - When absent, a new certificate goes to its own directory if HAProxy has loaded that; otherwise it fails.
      - A certificate that is loaded but not used there is added to it, too.
      - For a crt-list file the entry is also appended to the file, so that it outlives a reload, provided that the
        certificate's file exists.
      - A directory or file that HAProxy has by several paths is one. The certificate goes to each of them, and to each
        path of its own directory, too.
    type: str
  config:
    description:
      - HAProxy's configuration, files or directories as its option C(-f) takes them.
      - It tells which crt-list files are HAProxy's, what C(crt-base) and C(default-path) put before relative paths, and
        which files the names of a C(crt-store) are. Without it, and where it cannot be read, a relative path in a
        crt-list file is understood by what HAProxy has loaded from the same line. Where that does not tell, the change
        is refused.
      - A crt-list file is only changed when this or O(crt_list) names it, whatever HAProxy says that it has.
    type: list
    elements: path
  force:
    description:
      - Whether to update even when HAProxy reports the same leaf and the same names in the chain.
      - Rarely needed. What HAProxy does not tell (the intermediates but for their names, DH parameters) is compared
        with what this module has given it since it started, and O(certificates[].src) counts when it has changed since.
        When others have given HAProxy something else, or O(certificates[].content) is given for the first time, such a
        difference goes unseen without this.
      - Every run then reports a change.
    type: bool
    default: false
  remove_stale_ocsp:
    description:
      - Whether to remove the OCSP response beside a certificate's file (O(certificates[].src) with C(.ocsp) added) when
        it is for another certificate, in general the one before. The next reload would warn about it, and staple
        nothing.
      - A response for this certificate stays, even one that is out of date, and so does an empty file. A good one is
        served from now on, see O(certificates[].ocsp_src). A certificate needs no response, and no OCSP URI.
    type: bool
    default: true
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
    support: partial
    details:
      - With O(force) every run updates.
seealso:
  - module: certops.rotation.haproxy_certificate_info
  - module: certops.rotation.haproxy_reload
"""

EXAMPLES = r"""
- name: Load renewed certificates into the running HAProxy
  certops.rotation.haproxy_certificate:
    socket: /run/haproxy/admin.sock
    certificates:
      - src: /etc/haproxy/certs/www.example.com.pem
      - src: /etc/haproxy/certs/api.example.com.pem

- name: Start to serve a new certificate through a crt-list file
  certops.rotation.haproxy_certificate:
    socket: 127.0.0.1:9999
    crt_list: /etc/haproxy/crt-list.txt
    certificates:
      - src: /etc/haproxy/certs/new.example.com.pem

- name: Serve a certificate by two lines of a crt-list, and by no others
  certops.rotation.haproxy_certificate:
    socket: /run/haproxy/admin.sock
    crt_list: /etc/haproxy/crt-list.txt
    certificates:
      - src: /etc/haproxy/certs/shop.example.com.pem
        purge_entries: true
        entries:
          - options: alpn h2,http/1.1 ssl-min-ver TLSv1.2
            filters: ["*.shop.example.com", "!old.shop.example.com"]
          - filters: [shop.example.com]

- name: Take one line out, by its number in HAProxy
  certops.rotation.haproxy_certificate:
    socket: /run/haproxy/admin.sock
    certificates:
      - name: /etc/haproxy/certs/shop.example.com.pem
        entries:
          - crt_list: /etc/haproxy/crt-list.txt
            line: 12
            state: absent

- name: Staple a new OCSP response
  certops.rotation.haproxy_certificate:
    socket: /run/haproxy/admin.sock
    certificates:
      - src: /etc/haproxy/certs/www.example.com.pem
        ocsp_src: /var/lib/ocsp/www.example.com.der

- name: Stop serving a certificate
  certops.rotation.haproxy_certificate:
    socket: /run/haproxy/admin.sock
    state: absent
    certificates:
      - name: /etc/haproxy/certs/old.example.com.pem
"""

RETURN = r"""
certificates:
  description: What happened to each certificate, in the order of the option. Also returned when the module fails.
  returned: when HAProxy answered
  type: list
  elements: dict
  contains:
    name:
      description: The certificate's name in HAProxy.
      type: str
    names:
      description:
        - All names in HAProxy's memory that are the same file. RV(certificates[].name) is among them. Empty when
          HAProxy does not hold it.
        - When it was removed, those that it had.
      type: list
      elements: str
    action:
      description: What was done, or would be done in check mode.
      type: str
      choices: [added, updated, unchanged, removed, failed]
    fingerprint_sha1:
      description: SHA-1 of the certificate, the one fingerprint that HAProxy reports. Null when removed.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. HAProxy does not report it, so it is known
        only for given content.
      type: str
    serial_number:
      description: Serial number of the certificate, hexadecimal.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
      sample: "2027-02-20T00:26:48Z"
    previous_fingerprint_sha1:
      description: SHA-1 fingerprint of the leaf that HAProxy held before. Null when it held none.
      type: str
    error_code:
      description:
        - Why it failed, else null.
        - V(payload_too_large), V(reload_required), V(unsupported), V(transaction_open), V(refused), V(in_use),
          V(crt_list_required), V(crt_list_file), V(permission_denied), V(unavailable), V(haproxy_error),
          V(invalid_option), or a code for bad content such as V(private_key_mismatch), V(private_key_missing) or
          V(certificate_invalid).
      type: str
    message:
      description: What is wrong and what to do. Otherwise a remark, or null.
      type: str
    loaded_ocsp:
      description: Whether an OCSP response was given to HAProxy, or in check mode would be.
      type: bool
    entries:
      description: Lines of the certificate in the crt-lists that O(certificates[].entries) names, as they are now or in
        check mode would be. Empty without that option.
      type: list
      elements: dict
      contains:
        crt_list:
          description: The crt-list, as HAProxy calls it.
          type: str
        line:
          description: Line number. Null for one that would be added in check mode.
          type: int
        options:
          description: Options and SNI filters, empty when there are none. Null when somebody else has added the line
            meanwhile.
          type: str
    removed_ocsp:
      description: Path of the stale OCSP response that was removed, or in check mode would be, else null.
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
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_certificate import run
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_options import SOCKET_OPTIONS

ARGUMENT_SPEC = {
    **SOCKET_OPTIONS,
    "certificates": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str"},
            "src": {"type": "path"},
            "content": {"type": "str", "no_log": True},
            "crt_list": {"type": "str"},
            "key_src": {"type": "path"},
            "entries": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "crt_list": {"type": "str"},
                    "options": {"type": "str"},
                    "filters": {"type": "list", "elements": "str"},
                    "line": {"type": "int"},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
            },
            "purge_entries": {"type": "bool", "default": False},
            "ocsp_src": {"type": "path"},
            "ocsp_content": {"type": "str", "no_log": False},
            "issuer_src": {"type": "path"},
            "issuer_content": {"type": "str", "no_log": False},
            "state": {"type": "str", "choices": ["present", "absent"]},
            "force": {"type": "bool"},
        },
        "mutually_exclusive": [
            ("src", "content"),
            ("ocsp_src", "ocsp_content"),
            ("issuer_src", "issuer_content"),
        ],
        "required_one_of": [("name", "src")],
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "crt_list": {"type": "str"},
    "config": {"type": "list", "elements": "path"},
    "force": {"type": "bool", "default": False},
    "remove_stale_ocsp": {"type": "bool", "default": True},
}


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
