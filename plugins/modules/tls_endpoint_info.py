#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_endpoint_info
short_description: Look at the certificates that many TLS endpoints serve
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Makes a TLS handshake with each endpoint, many at once, and returns the certificate and the whole chain as the
    server sent it.
  - An endpoint that does not answer, or whose certificate is expired or not trusted, is a result, never a failure of
    the task. So is one whose name is no host name, unless none of them has one.
  - Facts come from a handshake that accepts any certificate and any protocol version. Whether a client would trust the
    endpoint is answered apart from them, in RV(endpoints[].trusted), by the usual standards of this host.
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
options:
  endpoints:
    description:
      - What to probe, each a text C(host:port) or a dictionary. An IPv6 address needs brackets in a text, as in
        C([::1]:443).
      - The keys of a dictionary are C(host), C(port), C(server_name), C(address), C(source_address), C(starttls),
        C(key_type) and C(proxy_protocol).
      - C(host) is a DNS name, international ones as they are read or in their C(xn--) form, or an IP address.
      - C(port) is 443 by default.
      - C(server_name) is the name to send by SNI and to compare with the certificate. It is C(host) by default, unless
        that is an IP address. An empty one sends no SNI; then a C(host) that is an IP address is compared with the
        certificate, and a DNS name is not.
      - C(address) is an IP address to connect to instead of resolving C(host).
      - C(source_address) is an IP address of this host to connect from.
      - C(starttls) upgrades a plain-text connection first. One of C(smtp), C(lmtp), C(imap), C(pop3), C(sieve)
        (ManageSieve), C(ftp), C(nntp), C(ldap), C(postgres), C(mysql), which is for MariaDB, too, C(xmpp) as clients
        speak it, and C(xmpp-server) as servers do among each other. XMPP servers are asked for the domain
        C(server_name).
      - C(key_type) asks for the certificate of one key type where a server holds an RSA and an ECDSA certificate for
        one name. One of C(any) (the default), C(rsa), C(ecdsa). Limits the handshake to TLS 1.2, where the server
        speaks it.
      - C(proxy_protocol), when true, sends an empty PROXY protocol header of version 1 first, for listeners that expect
        one. C(v1) and C(v2) send one of that version with the addresses of the connection, for those that want more.
    type: list
    elements: raw
    required: true
  timeout:
    description: Seconds for each endpoint, for everything from name resolution to the end of the handshake.
    type: float
    default: 10.0
  concurrency:
    description: How many endpoints to probe at the same time. Those that take long without an answer do not count.
    type: int
    default: 32
  trust_anchors:
    description:
      - Certificates, as PEM text, that a chain must lead to for RV(endpoints[].trusted). They need not be roots.
      - By default the trust store of the system.
    type: str
  client_cert:
    description:
      - A PEM file with a client certificate, and its chain if it has one, for servers that want one. Then
        RV(endpoints[].accepted) tells whether the server accepts it.
      - It never goes to a server that is not trusted, for only the handshake that verifies the server presents it.
    type: path
  client_key:
    description: A PEM file with its unencrypted private key. By default O(client_cert) holds it, too.
    type: path
  addresses:
    description:
      - With V(first), a name is asked at the address that takes a connection first, as browsers do it. With V(all), at
        each of its addresses, so that there is a result for each of them.
      - Addresses that this host has no way to are left out, unless there are no others.
    type: str
    choices: [first, all]
    default: first
  staple:
    description:
      - Ask for the OCSP response that a server sends along with its certificate, too, and judge it in
        RV(endpoints[].staple). It takes one more handshake.
      - Needs pyOpenSSL on this host.
    type: bool
    default: false
attributes:
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
  - pyOpenSSL >= 24.0, with O(staple)
notes:
  - On Python before 3.13, and where a server demands a client certificate, the chain is read from the handshake's
    messages. Should a Python before 3.13 negotiate compressed certificates (RFC 8879), RV(endpoints[].chain) has the
    leaf alone.
seealso:
  - module: certops.rotation.certificate_proof_info
"""

EXAMPLES = r"""
- name: What do these serve?
  certops.rotation.tls_endpoint_info:
    endpoints:
      - www.example.com:443
      - "[2001:db8::1]:8443"
      - host: www.example.com
        port: 443
        address: 192.0.2.10
      - host: mail.example.com
        port: 25
        starttls: smtp
    timeout: 5
  register: observed

- name: Every one must answer, with a certificate that clients trust
  ansible.builtin.assert:
    that: observed.endpoints | rejectattr('trusted') | length == 0
    fail_msg: "{{ observed.endpoints | map(attribute='trust_error') | select | join(', ') }}"

- name: A load balancer of one's own CA, without SNI
  certops.rotation.tls_endpoint_info:
    endpoints:
      - host: 10.0.0.5
        port: 443
        server_name: ""
    trust_anchors: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"

- name: Does it accept this host's client certificate?
  certops.rotation.tls_endpoint_info:
    endpoints:
      - 10.0.0.5:8443
    client_cert: /etc/joblet/client-admin-cert.pem
    client_key: /etc/joblet/client-admin-key.pem
  register: probe
  failed_when: not probe.endpoints[0].accepted

- name: What is needed must be good for another two weeks, whatever else is sent
  certops.rotation.tls_endpoint_info:
    endpoints:
      - host: chat.example.com
        port: 5222
        starttls: xmpp
        server_name: example.com
    staple: true
  register: chat
  failed_when: >-
    chat.endpoints[0].needed_until is none
    or chat.endpoints[0].needed_until < fortnight
    or chat.endpoints[0].staple not in ['good', 'none']
  vars:
    fortnight: "{{ '%Y-%m-%dT%H:%M:%SZ' | ansible.builtin.strftime(now().timestamp() + 1209600, utc=true) }}"
"""

RETURN = r"""
endpoints:
  description: One item for each endpoint, in the order of O(endpoints). With O(addresses=all), one for each address.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: The host as given.
      type: str
      sample: www.example.com
    port:
      description: The port.
      type: int
      sample: 443
    server_name:
      description: The name sent by SNI, empty for none.
      type: str
      sample: www.example.com
    address:
      description: The IP address that the probe connected to, or tried last. Null when the name did not resolve.
      type: str
      sample: 192.0.2.10
    starttls:
      description: Plain-text protocol that is upgraded to TLS first. Null for none.
      type: str
    reachable:
      description: Whether the server presented a certificate.
      type: bool
    error:
      description:
        - Why the handshake did not complete, in words that stay the same. Null when it did.
        - Also what is odd about a certificate that the server sent. What could be read of it is there all the same.
        - Together with RV(endpoints[].reachable), it means that the server presented its certificate and then refused
          the client, as servers do that want a client certificate.
      type: str
      sample: timeout after 5 s during handshake
    trusted:
      description: Whether a client with O(trust_anchors) would trust the chain, the dates and the name.
      type: bool
    trust_error:
      description: Why not. Null when trusted.
      type: str
      sample: certificate has expired
    accepted:
      description:
        - Whether the chain is trusted, and the server has not refused O(client_cert). Why not is in
          RV(endpoints[].error) or RV(endpoints[].trust_error).
        - A server that wants no client certificate refuses none.
      returned: with O(client_cert)
      type: bool
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. Null when not reachable, like the other facts
        of the leaf.
      type: str
    fingerprint_sha1:
      description: SHA-1 of the certificate, the one fingerprint that HAProxy reports. In lower-case hexadecimal.
      type: str
    fingerprint_md5:
      description: MD5 of the certificate, in lower-case hexadecimal. To be compared with older records.
      type: str
    key_sha256:
      description: SHA-256 of the public key (SubjectPublicKeyInfo), in lower-case hexadecimal. It stays the same when a
        renewal keeps the key.
      type: str
    key_type:
      description: Type and size of the public key. Null for a type that is not known.
      type: str
      sample: ecdsa P-256
    key_type_ignored:
      description: Whether it presented a certificate of another key type than it was asked for. A server that speaks
        TLS 1.3 only cannot be asked, so that it may have one of the wanted type, too.
      type: bool
    needed_until:
      description:
        - When the first certificate of the shortest valid path ends, ISO 8601 in UTC. Where another path is left then,
          it is that one's end. So an expired cross-signed certificate beside a valid path does not count. Names are not
          compared.
        - Null when what is sent does not lead to the trust anchors.
      type: str
      sample: "2027-01-30T00:00:00Z"
    chain_notes:
      description: What is odd in the chain and does no harm. In words that stay the same.
      type: list
      elements: str
      sample: ["a root is sent, too", "sent in another order"]
    staple:
      description:
        - State of the OCSP response that was served. One of C(good), C(revoked), C(unknown), C(stale) (its time is
          over), C(invalid) (for another certificate, signed by nobody who may, or no response at all), C(none).
        - Null when it could not be asked for.
      returned: with O(staple)
      type: str
      sample: good
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
      sample: "2026-11-01T00:00:00Z"
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
      sample: "2027-01-30T00:00:00Z"
    subject_alternative_names:
      description: DNS names and IP addresses of the certificate.
      type: list
      elements: str
      sample: [www.example.com, 192.0.2.10]
    issuer:
      description: Issuer of the certificate. As RFC 4514 writes it.
      type: str
      sample: CN=Example CA
    subject:
      description: Subject of the certificate. As RFC 4514 writes it.
      type: str
      sample: CN=www.example.com
    serial_number:
      description: Serial number of the certificate, hexadecimal.
      type: str
    chain:
      description: All certificates as the server sent them, the leaf first.
      type: list
      elements: dict
      contains:
        subject:
          description: Subject of the certificate. As RFC 4514 writes it.
          type: str
        issuer:
          description: Issuer of the certificate. As RFC 4514 writes it.
          type: str
        fingerprint_sha256:
          description: SHA-256 of the certificate, in lower-case hexadecimal.
          type: str
        not_before:
          description: Start of the certificate's validity, ISO 8601 in UTC.
          type: str
        not_after:
          description: End of the certificate's validity, ISO 8601 in UTC.
          type: str
    protocol:
      description: Protocol version of the completed handshake.
      type: str
      sample: TLSv1.3
    cipher:
      description: Cipher suite of the completed handshake.
      type: str
      sample: TLS_AES_256_GCM_SHA384
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.tls_endpoint_info import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
