#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_dashboard
short_description: What is known of the watched endpoints, as one page
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Writes all that the registry knows of endpoints as one HTML file, as JSON, and as metrics.
  - The page tells what needs a person today, what ends when, what changed lately, and of each endpoint its history,
    chain and addresses. It needs no server and no network. Open it as a file, or put it behind any web server.
  - Where deployments are known, each endpoint has them beside what it serves, so that a certificate that is deployed
    and not served is seen, or one that is served and not managed.
  - Only a regular file is replaced, in one step. Something else of that name, a device or a directory, is left alone.
options:
  path:
    description: The HTML file.
    type: path
  json_path:
    description: A file with the same data as JSON.
    type: path
  textfile:
    description:
      - File for node_exporter's textfile collector with the numbers of these endpoints' addresses. An absolute path
        that ends in C(.prom). Its mode is C(0644).
      - Needs the Python library C(prometheus_client).
    type: path
  title:
    description: Title of the page.
    type: str
    default: Certificates
  names:
    description: Only endpoints with one of these names.
    type: list
    elements: str
    default: []
  hosts:
    description: Only endpoints with one of these hosts.
    type: list
    elements: str
    default: []
  tags:
    description: Only endpoints that have all of these tags.
    type: dict
    default: {}
  expiring_within:
    description:
      - Durations such as V(30d). An endpoint is expiring when less than the longest one is left, and needs a person
        today when less than the shortest one is. With one alone, when less than a third of it is.
      - When empty, they follow from each certificate's lifetime. It is expiring within its last third, at most 30 days,
        or its last half when it lives less than 10 days. A person is needed within the last third of that.
    type: list
    elements: str
    default: []
  unreachable_after:
    description: Number of scans in a row without a certificate after which an endpoint needs a person today.
    type: int
    default: 2
  history:
    description: Most entries of the history of one endpoint, the newest ones.
    type: int
    default: 50
  events:
    description: Most events, the newest ones.
    type: int
    default: 200
  max_age:
    description: How old the last scan may be before the page says that it is out of date, for example V(26h).
    type: str
    default: 26h
  mode:
    description: Permissions of the HTML file and the JSON file. They name hosts, so not everybody has to read them.
    type: raw
    default: '0640'
  owner:
    description: Their owner.
    type: str
  group:
    description: Their group, such as the web server's.
    type: str
  page:
    description: The page without its data. It is given by the collection's action plugin, and not for tasks.
    type: str
requirements:
  - prometheus_client >= 0.16.0, for O(textfile)
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.endpoint_database
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Files are written again when they tell something else; that time went by is nothing else. O(textfile) is written
        each time, for it says when that was.
seealso:
  - module: certops.rotation.endpoint_events
"""

EXAMPLES = r"""
- name: Write the dashboard for the web server
  certops.rotation.endpoint_dashboard:
    path: /var/www/certificates/index.html
    group: www-data
    title: Certificates of example.com

- name: Write it for one team, with data for programs and Prometheus
  certops.rotation.endpoint_dashboard:
    tags:
      team: shop
    path: /srv/shop/certificates.html
    json_path: /srv/shop/certificates.json
    textfile: /var/lib/prometheus/node-exporter/endpoints.prom
    expiring_within: [30d, 7d]
"""

RETURN = r"""
written:
  description: Files that were written, or would be. Those that tell something else now.
  returned: success
  type: list
  elements: str
  sample: [/var/www/certificates/index.html]
summary:
  description: How the endpoints stand.
  returned: success
  type: dict
  contains:
    endpoints:
      description: Number of endpoints.
      type: int
    critical:
      description: Number of endpoints that need a person today.
      type: int
    warning:
      description: Number of endpoints that need a person soon.
      type: int
    conditions:
      description:
        - Number of endpoints by the worst that holds. V(expired), V(unserved) when their hosts have another certificate
          than they serve, V(untrusted), V(unreachable), V(expiring), V(unread) when the certificate has no dates,
          V(unseen) when no scan has asked them yet, V(paused) when they are not enabled, or V(good).
      type: dict
  sample: {endpoints: 212, critical: 1, warning: 4, conditions: {expired: 1, expiring: 4, good: 207}}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_dashboard import (
    ARGUMENT_SPEC,
    REQUIREMENTS,
    run,
)
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, **REQUIREMENTS))


if __name__ == "__main__":
    main()
