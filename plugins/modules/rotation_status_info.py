#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_status_info
short_description: Is the rotation of certificates on this host as it should be?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Tells how the last run ended, when one last ended well, and for each deployed certificate whether its four layers
    agree, which are the secret (C(source)), the file (C(disk)), HAProxy (C(memory)) and the handshakes (C(wire)).
  - The disk is always looked at. The other layers are when the options say where they are.
  - It only looks, reads no secret value, and does not fail for what it finds. The playbook C(certops.rotation.status)
    does.
options:
  path:
    description: Directory of the certificates, filled by M(certops.rotation.certificate_sync).
    type: path
    required: true
  max_age:
    description:
      - How old the last success may be, for example V(1d). Any age when absent.
      - A run of M(certops.rotation.haproxy_rotation) or M(certops.rotation.rotation_record) that finds nothing to do
        and ends well counts, too. It touches a file beside what is remembered of the certificates.
    type: str
  success_files:
    description:
      - Files that are touched after each run that ended well, as the role P(certops.rotation.rotation_schedule#role)
        does. The newest one tells when that was. Those that do not exist tell nothing.
    type: list
    elements: path
    default: []
  check_source:
    description: Whether to ask Secrets Manager for the current versions.
    type: bool
    default: false
  socket:
    description: HAProxy's stats socket, as a path or C(host:port). Looks at the memory of its current worker.
    type: str
  master_socket:
    description:
      - The socket of HAProxy's master process (its option C(-S)), as a path or C(host:port). Looks at the memory of old
        workers, which live on after a reload until their last connection has ended.
      - Without O(socket), the current worker is asked through it, too.
      - Where there is no such socket, old workers can only be counted, and only when HAProxy's processes are those of
        this machine; what they hold stays unknown.
    type: str
  config:
    description: HAProxy's configuration, whose TLS binds are asked for the certificates.
    type: list
    elements: path
  environment:
    description: Variables of HAProxy's process that its configuration uses.
    type: dict
    default: {}
  binds:
    description: Where to ask instead, each C(address:port).
    type: list
    elements: str
  max_names:
    description: Ask for at most this number of names of one certificate on one bind. All when absent.
    type: int
  allow_unreferenced:
    description: Whether certificates that HAProxy does not use are a warning only.
    type: bool
    default: false
  on_unproven:
    description:
      - Whether a TLS bind that does not answer is an error or a warning. What cannot be asked by its nature is a
        warning.
    type: str
    choices: [fail, warn]
    default: fail
  timeout:
    description: Seconds for one answer of HAProxy and for one handshake.
    type: float
    default: 5.0
  concurrency:
    description: Handshakes at the same time.
    type: int
    default: 32
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.attributes.actiongroup_aws
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
seealso:
  - module: certops.rotation.rotation_record
  - module: certops.rotation.certificate_proof_info
"""

EXAMPLES = r"""
- name: Look at the last run, the files, HAProxy and its listeners
  certops.rotation.rotation_status_info:
    path: /etc/haproxy/certs
    socket: /run/haproxy/admin.sock
    master_socket: /run/haproxy-master.sock
    config:
      - /etc/haproxy/haproxy.cfg
  register: status

- name: Show it
  ansible.builtin.debug:
    msg: "{{ status.msg.splitlines() }}"
"""

RETURN = r"""
healthy:
  description: Whether there is no problem of severity V(error).
  returned: success
  type: bool
problems:
  description: What is wrong, or noteworthy.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description:
        - Stable code of the problem.
        - V(nothing_deployed) for a directory without certificates of this collection, V(sources_absent) when none of
          their secrets is there any more.
        - V(last_run_failed), V(never_succeeded), V(last_success_too_old), V(time_in_future), V(manifest_damaged),
          V(expired), V(renewal_due), V(open_transaction), V(old_worker_differs), V(old_worker_unknown),
          V(old_workers_unknown), or layer and verdict, such as V(memory_differs).
      type: str
    severity:
      description: V(error) or V(warning). That the source has another version is a warning, as the next run takes it.
      type: str
    message:
      description: What is wrong and what to do.
      type: str
msg:
  description: All of it as a table for people.
  returned: success
  type: str
last_run_at:
  description: When the last run that is known of ended, ISO 8601 in UTC.
  returned: success
  type: str
last_run_succeeded:
  description: Whether it ended well. V(null) when there was none.
  returned: success
  type: bool
last_success_at:
  description: When a run last ended well, ISO 8601 in UTC.
  returned: success
  type: str
last_success_age_seconds:
  description: How long ago that was.
  returned: success
  type: int
recent_errors:
  description: The last five errors, with their times.
  returned: success
  type: list
  elements: dict
open_transaction:
  description: Certificate that somebody has begun to change in HAProxy, without committing it. Of the current worker.
  returned: success
  type: str
old_workers:
  description: HAProxy's workers that reloads have left behind and that are still alive. V(null) when that is not known.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: Process id, where HAProxy runs.
      type: int
    reloads:
      description: Number of reloads since it was started. V(null) when that is not known.
      type: int
    uptime_seconds:
      description: Time since it was started. V(null) when that is not known.
      type: int
    open_transaction:
      description: Certificate that somebody has begun to change in HAProxy, without committing it. Of this worker.
      type: str
    differing:
      description: Names of the secrets whose certificates it holds in another version than the deployed one.
      type: list
      elements: str
    reason:
      description: Why it could not be asked. Empty when it could.
      type: str
old_workers_unknown:
  description: Why RV(old_workers) is V(null).
  returned: success
  type: str
certificates:
  description: The deployed certificates.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
    path:
      description: The PEM file, or the lineage's directory.
      type: str
    version_id:
      description: Version of the secret. The one that the file was made from.
      type: str
    proven:
      description: Whether this very version has been seen served.
      type: bool
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. The one that was written.
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
    expired:
      description: Whether it has expired.
      type: bool
    renewal_due:
      description: Whether it should have been renewed by now, by its lifetime.
      type: bool
    uncommitted:
      description: Whether RV(open_transaction) is about it.
      type: bool
    old_workers:
      description:
        - C(pid) of each old worker and its C(verdict), V(ok), V(differs), V(unknown), or V(absent) when it was reloaded
          before there was this certificate.
      type: list
      elements: dict
      sample: [{pid: 4711, verdict: differs}]
    layers:
      description:
        - For C(source), C(disk), C(memory) and C(wire) V(ok), V(differs), V(absent), or V(unknown) when it was not
          asked about or did not answer.
        - C(wire) is V(differs) only when a handshake got another certificate. It is V(unanswered) when a TLS bind did
          not answer, and V(unasked) when none of them can be asked by its nature.
      type: dict
      sample: {disk: ok, memory: ok, source: unknown, wire: ok}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.rotation_status_info import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC, attempts=2))


if __name__ == "__main__":
    main()
