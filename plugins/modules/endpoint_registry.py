#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_registry
short_description: Say which TLS endpoints are watched
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Keeps the list of endpoints that M(certops.rotation.endpoint_scan) asks, in a relational database that has their
    history, too. It connects to none of them.
  - Host and port are an endpoint's identity. There are no two of the same host and port. One that is registered already
    gets the name and the other settings that are given here.
  - One bad entry or file does not keep the others from being registered. The task fails at the end, and says which.
options:
  endpoints:
    description:
      - The endpoints, each as text such as V(www.example.com), V(www.example.com:8443) or V([2001:db8::1]:443), or as a
        dictionary with C(host) and any of the following.
      - C(name) is what people call it, at most 64 characters. By default the host. Several endpoints may share one.
      - C(host) is a DNS name or an IP address. International names, upper case and a dot at the end are made the one
        form that names have in DNS.
      - C(port) is 443 by default.
      - C(server_name) is sent for SNI, and the certificate has to cover it. By default the host, unless that is an IP
        address. Empty for none.
      - C(starttls) is the protocol that is upgraded to TLS first, see M(certops.rotation.tls_endpoint_info).
      - C(address) is an IP address to connect to instead of resolving the host.
      - C(proxy_protocol) says whether a header of the PROXY protocol is sent first.
      - C(enabled) says whether scans ask it. What is known of one that is disabled stays.
      - C(tags) is a dictionary of words to select endpoints by, or text such as V(env=prod;team=web).
    type: list
    elements: raw
    default: []
  state:
    description:
      - With V(absent), the endpoints are not watched any more. Only host and port of them count. An event C(retired) is
        recorded, and what is known of them stays until it is forgotten by O(retention). One that is added again gets
        its history back.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description:
      - Make absent all others than O(endpoints) and those of O(import_files).
      - It does nothing when an entry, a file or a row could not be read, as that may be an endpoint. It is refused when
        there would be no endpoint left.
    type: bool
    default: false
  import_files:
    description:
      - Files on the host with endpoints, each as its path, or as a dictionary of C(path), C(format) and C(tags).
      - C(format) is C(csv), C(certspotter), C(crtsh) or C(json), and by default what the content looks like.
      - C(tags) are added to all endpoints of the file.
      - Of a host and port that are in O(endpoints), too, those count. Rows that cannot be read are told as a warning.
    type: list
    elements: raw
    default: []
  deployments:
    description:
      - What the fleet's own record says, so that it can be shown beside what the endpoints serve. Each is one
        certificate on one host.
      - All that was known of the hosts that are named here is replaced. C(host) alone says that it has none.
      - C(host) and C(certificate) are names.
      - C(layers) is a dictionary of C(source), C(file), C(memory) and C(wire) with the SHA-256 of the leaf that is
        there, V(null) for none, or an empty text for another one than is known.
      - C(endpoints) is a list of V(host:port) that should serve it, such as V(www.example.com:443).
        V(*.example.com:443) stands for all of these names.
      - C(at) is when it was read, by default now.
    type: list
    elements: dict
  retention:
    description:
      - Forget what ended longer ago than this, such as V(400d). That is what addresses served before, events that all
        receivers have got, endpoints that were made absent, certificates that nothing refers to any more, and
        deployments that nobody has read again, such as those of a host that is gone.
      - What is served now is never forgotten. Nothing is when this option is absent.
    type: str
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.endpoint_database
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the first hundred endpoints that change.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
seealso:
  - module: certops.rotation.endpoint_registry_info
  - module: certops.rotation.endpoint_scan
"""

EXAMPLES = r"""
- name: Watch these endpoints, and no others
  certops.rotation.endpoint_registry:
    endpoints:
      - www.example.com
      - name: mail
        host: mail.example.com
        port: 25
        starttls: smtp
        tags: {team: post}
    prune: true

- name: Add what Certificate Transparency knows of a domain
  certops.rotation.endpoint_registry:
    import_files:
      - path: /srv/example.com.json
        format: crtsh
        tags: {found: ct}

- name: Do not ask an endpoint for a while # what is not given again gets its default
  certops.rotation.endpoint_registry:
    endpoints:
      - name: old shop
        host: old.example.com
        tags: {team: web}
        enabled: false

- name: Watch an endpoint no more, and forget what is older than a year
  certops.rotation.endpoint_registry:
    endpoints: [old.example.com:8443]
    state: absent
    retention: 365d

- name: Keep the registry in PostgreSQL
  certops.rotation.endpoint_registry:
    database_url: "postgresql://watch:{{ watch_password | urlencode }}@db.example.com/watch?sslmode=verify-full"
    endpoints: "{{ endpoints }}"
"""

RETURN = r"""
endpoints:
  description: The endpoints that changed, or would in check mode. At most the first hundred.
  returned: success and failure of some
  type: list
  elements: dict
  contains:
    action:
      description: >-
        What was done, or would be done in check mode. V(added), V(changed) or V(removed).
      type: str
      sample: added
    name:
      description: The endpoint's name.
      type: str
      sample: mail
    host:
      description: DNS name or IP address.
      type: str
      sample: mail.example.com
    port:
      description: The port.
      type: int
      sample: 25
    server_name:
      description: The name sent by SNI, empty for none. Null for the host.
      type: str
    starttls:
      description: Plain-text protocol that is upgraded to TLS first. Null for none.
      type: str
      sample: smtp
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
      sample: {team: post}
added:
  description: Number of endpoints that are new.
  returned: success and failure of some
  type: int
changed_endpoints:
  description: Number of endpoints with other settings than before.
  returned: success and failure of some
  type: int
removed:
  description: Number of endpoints that are not watched any more.
  returned: success and failure of some
  type: int
registered:
  description: Number of endpoints in the registry afterwards.
  returned: success and failure of some
  type: int
forgotten:
  description: Number of records that were older than O(retention).
  returned: success and failure of some
  type: int
deployments_changed:
  description: Hosts in O(deployments) that have other certificates than was known.
  returned: success and failure of some
  type: list
  elements: str
refused:
  description: What is wrong with entries and files that were passed over. At most the first hundred.
  returned: success and failure of some
  type: list
  elements: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_registry import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
