#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_registry_info
short_description: What is known of watched TLS endpoints, and what happened to them
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Tells from the registry what each address of the endpoints serves, as the last scan saw it, and, if wanted, what it
    served before.
  - It connects to no endpoint. M(certops.rotation.endpoint_scan) does.
  - An endpoint that is asked for by its name or host, and is not there, is a failure.
options:
  names:
    description: Only endpoints with one of these names. V(host:port) stands for that one endpoint.
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
  enabled:
    description: Only endpoints that are enabled, or that are not. Both when absent.
    type: bool
  history:
    description: Tell what the addresses served before, too.
    type: bool
    default: false
  limit:
    description:
      - The most endpoints that are told, and the most events.
      - Each is some 3 KB. For thousands of them, see M(certops.rotation.endpoint_dashboard).
    type: int
    default: 100
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.endpoint_database
seealso:
  - module: certops.rotation.endpoint_registry
  - module: certops.rotation.endpoint_scan
"""

EXAMPLES = r"""
- name: What does the shop serve, and what did it serve before?
  certops.rotation.endpoint_registry_info:
    names: [shop]
    history: true
  register: shop

- name: Show names and dates of all endpoints of a team
  certops.rotation.endpoint_registry_info:
    tags: {team: web}
  register: web

- name: Show them
  ansible.builtin.debug:
    msg: "{{ item.host }}:{{ item.port }} until {{ item.addresses | map(attribute='not_after') | join(', ') }}"
  loop: "{{ web.endpoints }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
endpoints:
  description: The endpoints that were asked for, in the order of host and port, at most O(limit).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The endpoint's name.
      type: str
      sample: shop
    host:
      description: DNS name or IP address.
      type: str
      sample: shop.example.com
    port:
      description: The port.
      type: int
      sample: 443
    server_name:
      description: The name sent by SNI, empty for none. Null for the host.
      type: str
    starttls:
      description: Plain-text protocol that is upgraded to TLS first. Null for none.
      type: str
    address:
      description: IP address that is asked instead of those of the host. Null for none.
      type: str
    proxy_protocol:
      description: Whether a header of the PROXY protocol is sent first.
      type: bool
    enabled:
      description: Whether scans ask it.
      type: bool
    tags:
      description: Words to select endpoints by.
      type: dict
      sample: {team: web}
    added:
      description: When it was registered, ISO 8601 in UTC.
      type: str
      sample: "2026-11-26T12:00:00Z"
    condition:
      description:
        - The worst of its addresses' conditions. Null when it is disabled.
        - One of V(expired), V(unreachable), V(untrusted), V(expiring), V(unread) for something that cannot be read as a
          certificate, V(unseen) when no scan has asked it yet, and V(good).
      type: str
      sample: good
    last_seen:
      description: When a scan last asked it, ISO 8601 in UTC. Null when none has.
      type: str
      sample: "2026-11-26T12:00:00Z"
    error:
      description: Why an address gave no certificate to the last scan, or what came after it. Null for nothing.
      type: str
    addresses:
      description: Its IP addresses, with what each serves now, or served last when it is unreachable.
      type: list
      elements: dict
      contains:
        address:
          description: IP address. Null when the host's name did not resolve.
          type: str
          sample: 192.0.2.10
        asked_key_type:
          description:
            - For a certificate of which type of key it was asked.
            - Mostly V(any), and V(rsa) or V(ecdsa) for one that the address has besides.
          type: str
          sample: any
        condition:
          description: The worst of its addresses' conditions. Here that of this one.
          type: str
          sample: good
        served:
          description: Whether a certificate came.
          type: bool
        since:
          description: When this was first seen without a change since then, ISO 8601 in UTC.
          type: str
          sample: "2026-10-01T12:00:00Z"
        last_seen:
          description: When a scan last asked it, ISO 8601 in UTC. Null when none has.
          type: str
          sample: "2026-11-26T12:00:00Z"
        failures:
          description: Number of scans in a row without a certificate.
          type: int
          sample: 0
        fingerprint_sha256:
          description: SHA-256 of the certificate, in lower-case hexadecimal.
          type: str
        fingerprint_sha1:
          description: SHA-1 of the certificate, the one fingerprint that HAProxy reports.
          type: str
        fingerprint_md5:
          description: MD5 of the certificate, in lower-case hexadecimal. To be compared with older records.
          type: str
        key_sha256:
          description:
            - SHA-256 of the public key (SubjectPublicKeyInfo), in lower-case hexadecimal. It stays the same when a
              renewal keeps the key.
          type: str
        not_before:
          description: Start of the certificate's validity, ISO 8601 in UTC.
          type: str
        not_after:
          description: End of the certificate's validity, ISO 8601 in UTC.
          type: str
        subject:
          description: Subject of the certificate. As RFC 4514 writes it.
          type: str
        issuer:
          description: Issuer of the certificate. As RFC 4514 writes it.
          type: str
        serial_number:
          description: Serial number of the certificate, hexadecimal.
          type: str
        subject_alternative_names:
          description: DNS names and IP addresses of the certificate.
          type: list
          elements: str
        key_type:
          description: Type and size of the public key.
          type: str
        error:
          description: Why no certificate came, or what came after it. Null for nothing.
          type: str
        trusted:
          description:
            - Whether a client with the scan's trust anchors would trust the chain, the dates and the name.
            - Null when no scan asked.
          type: bool
        trust_error:
          description: Why not. Null when trusted.
          type: str
        needed_until:
          description:
            - When the first certificate of the shortest valid path ends, ISO 8601 in UTC.
            - Null when what is sent does not lead to the trust anchors.
          type: str
        chain_notes:
          description: What is odd in the chain and does no harm. In words that stay the same.
          type: list
          elements: str
        protocol:
          description: Protocol version of the completed handshake.
          type: str
        cipher:
          description: Cipher suite of the completed handshake.
          type: str
        key_type_ignored:
          description:
            - Whether it presented a certificate of another key type than it was asked for.
          type: bool
        staple:
          description: State of the OCSP response that was served. Null when no scan asked.
          type: str
        pem:
          description: The leaf, in PEM.
          type: str
        chain:
          description: All certificates as they were sent, the leaf first.
          type: list
          elements: dict
          contains:
            fingerprint_sha256:
              description: SHA-256 of the certificate, in lower-case hexadecimal.
              type: str
            subject:
              description: Subject of the certificate. As RFC 4514 writes it.
              type: str
            issuer:
              description: Issuer of the certificate. As RFC 4514 writes it.
              type: str
            not_before:
              description: Start of the certificate's validity, ISO 8601 in UTC.
              type: str
            not_after:
              description: End of the certificate's validity, ISO 8601 in UTC.
              type: str
    history:
      description: What its addresses serve and served, newest first, with O(history).
      type: list
      elements: dict
      contains:
        address:
          description: IP address. Null when the host's name did not resolve.
          type: str
          sample: 192.0.2.10
        asked_key_type:
          description:
            - For a certificate of which type of key it was asked.
            - Mostly V(any), and V(rsa) or V(ecdsa) for one that the address has besides.
          type: str
          sample: any
        since:
          description: When this was first seen without a change since then, ISO 8601 in UTC.
          type: str
          sample: "2026-10-01T12:00:00Z"
        until:
          description: When it was last seen, ISO 8601 in UTC.
          type: str
          sample: "2026-11-26T12:00:00Z"
        open:
          description: Whether it is what is served now.
          type: bool
        served:
          description: Whether a certificate came.
          type: bool
        fingerprint_sha256:
          description: SHA-256 of the certificate, in lower-case hexadecimal.
          type: str
        fingerprint_sha1:
          description: SHA-1 of the certificate, the one fingerprint that HAProxy reports.
          type: str
        fingerprint_md5:
          description: MD5 of the certificate, in lower-case hexadecimal. To be compared with older records.
          type: str
        key_sha256:
          description:
            - SHA-256 of the public key (SubjectPublicKeyInfo), in lower-case hexadecimal. It stays the same when a
              renewal keeps the key.
          type: str
        not_before:
          description: Start of the certificate's validity, ISO 8601 in UTC.
          type: str
        not_after:
          description: End of the certificate's validity, ISO 8601 in UTC.
          type: str
        subject:
          description: Subject of the certificate. As RFC 4514 writes it.
          type: str
        issuer:
          description: Issuer of the certificate. As RFC 4514 writes it.
          type: str
        serial_number:
          description: Serial number of the certificate, hexadecimal.
          type: str
        subject_alternative_names:
          description: DNS names and IP addresses of the certificate.
          type: list
          elements: str
        key_type:
          description: Type and size of the public key.
          type: str
        error:
          description: Why no certificate came, or what came after it. Null for nothing.
          type: str
        trusted:
          description:
            - Whether a client with the scan's trust anchors would trust the chain, the dates and the name.
            - Null when no scan asked.
          type: bool
        trust_error:
          description: Why not. Null when trusted.
          type: str
        needed_until:
          description:
            - When the first certificate of the shortest valid path ends, ISO 8601 in UTC.
            - Null when what is sent does not lead to the trust anchors.
          type: str
        chain_notes:
          description: What is odd in the chain and does no harm. In words that stay the same.
          type: list
          elements: str
        protocol:
          description: Protocol version of the completed handshake.
          type: str
        cipher:
          description: Cipher suite of the completed handshake.
          type: str
        key_type_ignored:
          description:
            - Whether it presented a certificate of another key type than it was asked for.
          type: bool
        staple:
          description: State of the OCSP response that was served. Null when no scan asked.
          type: str
events:
  description: What happened to these endpoints, newest first, at most O(limit).
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Idempotency key, the same whenever the same event is sent.
      type: str
      sample: 1f0c8a5e9b7d4c3e8a6f
    kind:
      description: What happened, such as V(new), V(renewed), V(expiring) or V(unreachable).
      type: str
      sample: renewed
    severity:
      description: V(info), V(warning) or V(critical).
      type: str
      sample: info
    at:
      description: When it was seen, in UTC.
      type: str
      sample: "2026-11-26T12:00:00Z"
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
      description: Address that it happened to, null for the endpoint as a whole.
      type: str
      sample: 192.0.2.10
    message:
      description: One sentence for people.
      type: str
    details:
      description: What belongs to this kind of event, fingerprints before and after for example.
      type: dict
      sample: {}
total:
  description: Number of endpoints that were asked for, also when they are more than O(limit).
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_registry_info import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
