#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_record
short_description: Record how a rotation ended and which certificates were seen served
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Marks the current versions of certificates as proven, so that later runs know that nothing is left to do for them,
    and a rollback knows what to go back to.
  - Writes C(.certops/state.json) in the certificate directory with the outcome, what was proven, and the last errors.
  - When a run proves what was proven before, nothing is written. That it ended well is known by the time of
    C(.certops/last-success), which is touched.
options:
  path:
    description: Directory of the certificates, as written by M(certops.rotation.certificate_sync).
    type: path
    required: true
  outcome:
    description:
      - V(proven) when the certificates were seen in TLS handshakes.
      - V(rolled_back) when they were not, and the previous versions are back.
      - V(unproven) when they could not be asked for. They stay in place.
      - V(failed) when the run ended otherwise.
    type: str
    choices: [proven, rolled_back, unproven, failed]
    required: true
  activation:
    description: How HAProxy was made to use the files.
    type: str
    choices: [none, hot_update, reload]
    default: none
  names:
    description: Names of the secrets whose certificates were seen served. All that are deployed when absent.
    type: list
    elements: str
  retired:
    description:
      - Paths of removed certificates that are no longer in HAProxy's memory, of those in
        RV(certops.rotation.certificate_sync#module:retired). They are not reported again.
    type: list
    elements: path
    default: []
  reason:
    description: What happened, for an outcome other than V(proven).
    type: str
    default: ""
  failures:
    description: Problems with single certificates, as RV(certops.rotation.certificate_sync#module:failures).
    type: list
    elements: str
    default: []
  not_proven:
    description:
      - Certificates that could not be asked for, each with the reason, as the filter
        P(certops.rotation.rotation_progress#filter) tells them. They are not marked as proven, whatever the O(outcome).
    type: dict
    default: {}
  loaded:
    description:
      - Names of those that HAProxy has loaded all the same. The next run asks for them, and does not load them again,
        see RV(certops.rotation.certificate_sync#module:certificates[].loaded).
      - When absent, what is known of that stays.
    type: list
    elements: str
  lock_timeout:
    description: How long to wait for another run on the same directory, for example V(60s).
    type: str
    default: 60s
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
      - An outcome other than V(proven) is an event and recorded each time.
seealso:
  - module: certops.rotation.certificate_proof_info
"""

EXAMPLES = r"""
- name: All deployed certificates were seen served
  certops.rotation.rotation_record:
    path: /etc/haproxy/certs
    outcome: proven
    activation: hot_update
"""

RETURN = r"""
state:
  description: Content of the state file.
  returned: success
  type: dict
  contains:
    outcome:
      description: How the last recorded run ended.
      type: str
    activation:
      description: How HAProxy was made to use the files.
      type: str
    finished_at:
      description: When it ended, ISO 8601 in UTC.
      type: str
    last_success_at:
      description: When a run last ended well, ISO 8601 in UTC.
      type: str
    newly_proven:
      description: Names of the certificates first seen served by that run.
      type: list
      elements: str
    failures:
      description: Problems with single certificates.
      type: list
      elements: str
    not_proven:
      description: Certificates that could not be asked for, with the reasons.
      type: dict
    recent_errors:
      description: The last five errors, with their times.
      type: list
      elements: dict
    certificates:
      description: The deployed certificates by name, with version, fingerprint, end of validity and whether they are
        proven.
      type: dict
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.rotation_record import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
