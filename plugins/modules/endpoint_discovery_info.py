#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_discovery_info
short_description: Find the TLS endpoints and the certificates of a host
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Reads HAProxy's configuration, asks its memory, and searches files, as far as the options say where they are.
  - Returns the endpoints at which the host should be watched, as M(certops.rotation.endpoint_registry) takes them, and
    each certificate that was found, with all its places.
  - An endpoint is a name of a certificate and the port of a listener that loads it. A name with an asterisk stands for
    hosts that nobody here knows, so it makes none, and is told in RV(passed_over).
  - A listener whose certificates have no name that can be asked for becomes an endpoint without SNI, by its own
    address, or by O(host).
  - Files are recognised by their content, whatever they are called. PEM, DER, PKCS#7, and PKCS#12 without a passphrase.
    No private key is looked at. Nothing is written, and no endpoint is asked, for which there is
    M(certops.rotation.endpoint_scan).
options:
  config:
    description:
      - HAProxy's configuration, files or directories as its option C(-f) takes them.
    type: list
    elements: path
    default: []
    aliases: [haproxy_config]
  environment:
    description: Variables of HAProxy's process that its configuration uses.
    type: dict
    default: {}
  socket:
    description:
      - HAProxy's stats socket, as a path or C(host:port). It tells what is loaded, which need not be what lies on disk.
      - Without O(config) nobody knows on which ports that is served, so that O(ports) counts.
    type: str
  timeout:
    description: Seconds for one answer of HAProxy.
    type: float
    default: 10.0
  paths:
    description:
      - Files and directories in which to look for certificates, with all below them. Links to directories are not
        followed, and files of more than 1 MiB not read.
    type: list
    elements: path
    default: []
  exclude:
    description: Patterns of paths that are passed over with all below them, such as C(/etc/ssl/certs) or C(*/backup).
      An asterisk stands for slashes, too.
    type: list
    elements: str
    default: []
  deadline:
    description: Seconds for all files. What was not read then is left out, with a warning.
    type: float
    default: 300.0
  authorities:
    description: Whether RV(certificates) has those of authorities, too, of which every host has hundreds.
    type: bool
    default: false
  host:
    description: Name or address by which others reach this host, for listeners that have none of their own.
    type: str
  address:
    description:
      - IP address at which this host is to be asked for all names, for example C(ansible_host) where that is one.
        Without it, endpoints are what DNS says.
      - With an address of loopback, listeners on loopback are endpoints, too. That is for who watches on the same host.
      - Listeners with C(accept-proxy) are asked with a PROXY header when there is an address. By DNS one finds what
        stands before them, which sends it by itself.
    type: str
  ports:
    description:
      - The ports on which those certificates are served that no listener in O(config) loads.
      - An empty list makes no endpoints of them.
    type: list
    elements: int
    default: [443]
  tags:
    description: Tags of all endpoints.
    type: dict
    default: {}
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
  - module: certops.rotation.endpoint_registry
  - plugin: certops.rotation.inventory_endpoints
    plugin_type: filter
  - plugin: certops.rotation.endpoint_deployments
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What does HAProxy serve on this host?
  certops.rotation.endpoint_discovery_info:
    config: /etc/haproxy/haproxy.cfg
    socket: /run/haproxy/admin.sock
    tags:
      host: "{{ inventory_hostname }}"
  register: discovered

- name: Watch it from here on
  certops.rotation.endpoint_registry:
    endpoints: "{{ discovered.endpoints }}"
  delegate_to: localhost

- name: Which certificates lie on this host, whoever uses them?
  certops.rotation.endpoint_discovery_info:
    paths:
      - /etc
      - /opt
    exclude:
      - /etc/ssl/certs
    ports: []
  register: files

- name: Show those that end this month
  ansible.builtin.debug:
    msg: "{{ item.paths }} end at {{ item.not_after }}"
  loop: "{{ files.certificates | selectattr('not_after', 'certops.rotation.expiring_within', '30d') }}"
  loop_control:
    label: "{{ item.subject }}"
"""

RETURN = r"""
endpoints:
  description: Where the host should be watched, in the order of host and port.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The endpoint's name. The host, shortened to 64 characters.
      type: str
    host:
      description: DNS name or IP address.
      type: str
    port:
      description: The port.
      type: int
    server_name:
      description: The name sent by SNI, empty for none. Null for the host.
      type: str
    starttls:
      description: Plain-text protocol that is upgraded to TLS first. Always null, as HAProxy has none.
      type: str
    address:
      description: IP address that is asked instead of those of the host. The O(address), if one was given.
      type: str
    proxy_protocol:
      description: Whether a header of the PROXY protocol is sent first.
      type: bool
    enabled:
      description: Whether scans ask it. Always true.
      type: bool
    tags:
      description: Words to select endpoints by. The O(tags).
      type: dict
certificates:
  description: What was found, each certificate once.
  returned: success
  type: list
  elements: dict
  contains:
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. Null for one in HAProxy's memory that is in no
        file.
      type: str
    fingerprint_sha1:
      description: SHA-1 of the certificate, the one fingerprint that HAProxy reports.
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
    subject:
      description: Subject of the certificate. As RFC 4514 writes it, of one in memory alone in OpenSSL's one-line form.
      type: str
    issuer:
      description: Issuer of the certificate. As RFC 4514 writes it, of one in memory alone in OpenSSL's one-line form.
      type: str
    serial_number:
      description: Serial number of the certificate, hexadecimal.
      type: str
    subject_alternative_names:
      description: DNS names and IP addresses of the certificate.
      type: list
      elements: str
    key_type:
      description: Type and size of the public key. Null where it is not known.
      type: str
      sample: ecdsa P-256
    is_ca:
      description: Whether it is that of an authority.
      type: bool
    for_servers:
      description: Whether its usage allows servers to present it.
      type: bool
    paths:
      description: The files it lies in.
      type: list
      elements: str
    memory:
      description: The names by which HAProxy holds it.
      type: list
      elements: str
    expected_at:
      description: Which of RV(endpoints) should serve it, each C(host:port). Also its wildcards, such as
        C(*.example.com:443), which stand for hosts that are not known here.
      type: list
      elements: str
authorities_found:
  description: How many certificates of authorities there were.
  returned: success
  type: int
passed_over:
  description: Listeners, names and files of which nothing could be made, at most a hundred.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: What it is, and where.
      type: str
      sample: "*.example.com of www.example.com:443"
    reason:
      description: Why.
      type: str
passed_over_count:
  description: How many there were.
  returned: success
  type: int
files_read:
  description: How many files were read.
  returned: success
  type: int
complete:
  description: Whether all of O(paths) was searched in time.
  returned: success
  type: bool
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_discovery_info import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
