#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_metrics
short_description: Metrics of a certificate directory for Prometheus
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Counts a run, and writes the state of the certificates in a directory and the totals of all runs as a file for
    node_exporter's textfile collector.
  - The file is replaced as a whole, so the series of removed certificates end. Counters and the histogram of durations
    are kept between the runs in C(.certops/metrics.json) below O(path).
  - The role P(certops.rotation.haproxy_certificates#role) calls it at the end of each run, also of failed ones, when
    it is told where the textfile belongs.
options:
  path:
    description: Directory of the certificates, filled by M(certops.rotation.certificate_sync).
    type: path
    required: true
  textfile:
    description:
      - The file to write, an absolute path that ends in C(.prom) in the directory that node_exporter's option
        C(--collector.textfile.directory) names. Its mode is C(0644).
      - Each certificate directory of a host needs a file of its own.
    type: path
    required: true
  names:
    description:
      - V(conforming) for the metrics that follow the conventions of Prometheus. Their names begin with C(certops_).
      - V(compatible) for those with the names of older tools, for example C(cert_expiry_days). They have no label for
        the directory, so write them for one directory of a host only.
      - V(all) for both.
    type: str
    choices: [all, conforming, compatible]
    default: all
  succeeded:
    description:
      - How the run ended that is to be counted.
      - When absent, no run is counted, and the file is written again only.
    type: bool
  started_at:
    description: When the run began, as RV(certops.rotation.rotation_preflight_info#module:checked_at). When absent, its
      duration is not counted.
    type: float
  requests:
    description: Requests to AWS in this run, as RV(certops.rotation.certificate_sync#module:api_calls).
    type: dict
    default: {}
  request_errors:
    description: Those of them that failed, as RV(certops.rotation.certificate_sync#module:api_errors).
    type: dict
    default: {}
  reloads:
    description: Reloads of HAProxy in this run, V(success) and V(error) with their counts.
    type: dict
    default: {}
  hot_updates:
    description: Certificates changed in the running HAProxy, V(success) and V(error) with their counts.
    type: dict
    default: {}
  changes:
    description: Certificates V(created), V(updated) and V(removed) on disk, with their counts.
    type: dict
    default: {}
  problems:
    description:
      - What the run failed for, with its counts. V(content) is the certificates' and the same on every host. V(host) is
        the host's own. V(source) is of its access to AWS.
    type: dict
    default: {}
  layers:
    description:
      - How layers of certificates look, each entry with the C(name) of the secret and C(layers), as
        RV(certops.rotation.rotation_status_info#module:certificates). Other keys do not matter.
      - It is kept between runs, as long as the same version is deployed. What is not given here stays as it was last
        seen; V(unknown) ends the series of that layer.
      - V(unanswered) and V(unasked) of C(wire) are no drift, but C(certops_certificate_unproven).
      - The disk is always looked at by this module itself.
    type: list
    elements: dict
    default: []
  lock_timeout:
    description: How long to wait for another run on the same directory, for example V(60s).
    type: str
    default: 60s
requirements:
  - prometheus_client >= 0.16.0
extends_documentation_fragment:
  - certops.rotation.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A run is an event and counted each time. Without O(succeeded), the file is replaced only when its content
        changes, and C(cert_expiry_days) changes with the days.
seealso:
  - module: certops.rotation.certificate_sync
  - module: certops.rotation.rotation_record
"""

EXAMPLES = r"""
- name: Look at the layers of each certificate
  certops.rotation.rotation_status_info:
    path: /etc/haproxy/certs
    socket: /run/haproxy/admin.sock
  register: status

- name: Show them to Prometheus
  certops.rotation.rotation_metrics:
    path: /etc/haproxy/certs
    textfile: /var/lib/prometheus/node-exporter/rotation.prom
    layers: "{{ status.certificates }}"

- name: Write the metrics again, counting no run
  certops.rotation.rotation_metrics:
    path: /etc/haproxy/certs
    textfile: /var/lib/prometheus/node-exporter/rotation.prom
    names: conforming
"""

RETURN = r"""
certificates:
  description: Number of certificates in the file.
  returned: success
  type: int
  sample: 12
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.rotation_metrics import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
