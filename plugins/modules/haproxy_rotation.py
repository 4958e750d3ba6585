#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_rotation
short_description: From AWS Secrets Manager to certificates that HAProxy is proven to serve, in one process
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - The whole pipeline for one host. Checks that the host has all that is needed, discovers certificates, fetches and
    verifies those that changed, writes them, makes HAProxy use them (by hot updates or a reload), proves by fresh TLS
    handshakes that it serves them, and records that.
  - A certificate that HAProxy refuses, or in whose place a handshake gets another one, goes back to the version before
    on disk and in HAProxy, and that is proven, too.
  - What M(certops.rotation.rotation_preflight_info), M(certops.rotation.certificate_sync),
    M(certops.rotation.haproxy_certificate), M(certops.rotation.haproxy_reload),
    M(certops.rotation.certificate_proof_info), M(certops.rotation.certificate_rollback),
    M(certops.rotation.rotation_record) and M(certops.rotation.rotation_metrics) do, each by itself, is done here in one
    process on the host, so that nothing lies between the steps. Those modules are for playbooks of one's own.
  - From its first change on, the process finishes what it began, or takes it back, also when the controller goes away
    or it is asked to end (C(SIGTERM), C(SIGHUP), C(SIGINT)), and warns of that. Before its first change it ends at once
    when it is asked to, and fails. After it was killed (C(SIGKILL)), the next run puts all right.
  - A host where nothing changed costs one C(ListSecrets) call for every 100 secrets, and HAProxy is not touched.
options:
  path:
    description:
      - Directory of the certificates. It is created when missing; its parent must exist.
      - A subdirectory C(.certops) remembers which secret version each file came from and keeps previous versions.
    type: path
    default: /etc/haproxy/certs
  fail_late:
    description:
      - Do not fail at the end for what is wrong with the content of certificates, or because the metrics could not be
        written. Whoever uses the module does that later, by RV(error).
      - What a host has failed at by itself, such as a file that it cannot write or a selection that finds nothing
        there, fails the task at once nevertheless.
      - The playbook C(certops.rotation.rotate) does so, in order that a bad certificate, which is bad on every host,
        does not keep the good ones from the hosts after the first.
    type: bool
    default: false
  activate:
    description:
      - Whether to make HAProxy use the files. Without it they are written, and nothing else is done. That is right for
        the first delivery to a host where HAProxy has not been started yet, and for other services.
      - Files that were written this way are activated by the next run with V(true).
    type: bool
    default: true
  activation:
    description:
      - Who makes HAProxy use the files, with O(activate). With V(direct) this module does, in the same process, by a
        hot update or a reload, and proves it.
      - With V(handlers) somebody else does, a handler of the play for example, which reloads HAProxy once for all that
        the play changes. The files are written, and RV(needs_reload) says whether that is needed. Where nothing has to
        be loaded, what is not proven yet is asked for.
      - With V(reloaded) somebody else has just done so, after a call with V(handlers). What is pending is proven,
        rolled back where a handshake gets something else, and recorded.
    type: str
    choices: [direct, handlers, reloaded]
    default: direct
  reload_error:
    description: With O(activation=reloaded), why that reload failed, if it did.
    type: str
    default: ""
  reload_log:
    description:
      - With O(activation=reloaded), what HAProxy said when that reload failed. Without it HAProxy was not reached, so
        that the files stay for the next run.
    type: str
    default: ""
  socket:
    description:
      - HAProxy's stats socket of level admin for hot updates, as a path or C(host:port).
      - Empty for none. Then every change is a reload.
    type: str
    default: /run/haproxy/admin.sock
  crt_list:
    description:
      - The crt-list file, or the certificate directory, that new certificates are added to, as HAProxy's configuration
        writes it. This takes O(socket).
      - Empty when HAProxy loads O(path) as a directory, or the files one by one.
    type: str
  timeout:
    description:
      - Seconds to wait for one answer of HAProxy.
    type: float
    default: 10
  update_by:
    description:
      - Whether HAProxy is made to use changed certificates by hot updates or by one reload, with
        O(activation=direct).
      - With V(cost) an estimate decides, which RV(update_plan) tells. Fewer than 50 changes are hot updates. More of
        them are one reload where that takes two thirds of the time at most and saves two seconds, and where a second
        worker fits the memory that is free.
      - Where one certificate needs a reload for sure, as it does not fit HAProxy's C(tune.bufsize), one reload is all
        that V(cost) does.
      - When such a reload fails, each certificate is updated by itself, so that a bad one does not stop the others.
      - With V(hot_update) whatever HAProxy takes is updated while it runs, and a reload follows only for the rest.
      - With V(reload) HAProxy is always reloaded. This takes O(reload_methods).
      - Without O(socket) every change is a reload, and without a way to reload every change is a hot update.
    type: str
    choices: [cost, hot_update, reload]
    default: cost
  reload_methods:
    description:
      - How to reload when a hot update is not possible, for instance because a certificate does not fit HAProxy's
        C(tune.bufsize). The first one that works is used.
      - V(master) asks HAProxy's master process over O(master_socket), V(systemd) reloads O(service).
      - V(docker) signals O(container), V(signal) the process of O(pid_file), V(http) posts to O(reload_url).
      - When all fail, the task fails. A way that HAProxy itself refused ends the search, with HAProxy's reason.
    type: list
    elements: str
    choices: [master, systemd, docker, http, signal]
    default: [master, systemd]
  reload_timeout:
    description:
      - Seconds to wait for a reload.
    type: float
    default: 90
  master_socket:
    description:
      - The socket of HAProxy's master process, which is the address after its option C(-S).
    type: str
    default: /run/haproxy-master.sock
  service:
    description:
      - HAProxy's systemd unit.
    type: str
    default: haproxy
  container:
    description:
      - Name or id of HAProxy's container.
    type: str
    default: haproxy
  docker_host:
    description:
      - Where the Docker Engine API is, V(unix:///path), V(tcp://host:port) or V(https://host:port).
    type: str
    default: unix:///var/run/docker.sock
  pid_file:
    description:
      - The file with the process id of HAProxy's master.
    type: path
    default: /run/haproxy.pid
  reload_signal:
    description:
      - What the methods V(docker) and V(signal) send. Empty for V(HUP) and V(USR2), in this order.
    type: str
    choices: ["", HUP, USR2]
    default: ""
  reload_url:
    description:
      - Where the method V(http) posts to. It holds no credentials.
    type: str
  reload_http:
    description:
      - How to talk to O(reload_url), and to a O(docker_host) of C(https).
    type: dict
    suboptions:
      headers:
        description:
          - Headers of the request.
        type: dict
      username:
        description:
          - User for HTTP basic authentication.
        type: str
      password:
        description:
          - Password of that user.
        type: str
      status_code:
        description:
          - The statuses that mean success, V([200]) unless given.
        type: list
        elements: int
      timeout:
        description:
          - Seconds to wait for the answer, 30 unless given.
        type: float
      ca_path:
        description:
          - PEM file with the CAs that the endpoint and Docker are verified by. Those of the system unless given.
        type: path
      client_cert:
        description:
          - PEM file with a client certificate.
        type: path
      client_key:
        description:
          - PEM file with its key. Without it the key is in C(client_cert).
        type: path
  check_config:
    description:
      - Whether to check the configuration before a reload, with O(binary) on this host.
      - V(false) where HAProxy is in a container or elsewhere, and its program is not on this host.
    type: bool
    default: true
  binary:
    description:
      - The HAProxy program, which checks the configuration before a reload.
    type: str
    default: haproxy
  config:
    description:
      - HAProxy's configuration, files or directories in the order of its option C(-f).
    type: list
    elements: path
    default: [/etc/haproxy/haproxy.cfg]
  prove:
    description:
      - Whether to prove by fresh TLS handshakes that HAProxy serves what was activated.
      - Without the proof a certificate counts as served once HAProxy took it, and nothing notices when another
        certificate answers for its names, or when HAProxy does not use it at all. Only the files that HAProxy refuses
        are rolled back.
    type: bool
    default: true
  binds:
    description:
      - Where to ask, each C(address:port). Then every certificate is asked for on every one of them. What else these
        load is read from O(config) and O(socket), as far as those tell.
      - When empty, the TLS binds of O(config) that load the certificate.
    type: list
    elements: str
    default: []
  environment:
    description:
      - Variables of HAProxy's process that its configuration uses, in addition to those that the process has, or else
        its O(service).
    type: dict
    default: {}
  max_names:
    description:
      - Ask for at most this number of names of one certificate on one bind. 0 for all.
    type: int
    default: 0
  allow_unreferenced:
    description:
      - Whether certificates that no bind of HAProxy loads are accepted.
    type: bool
    default: false
  on_unproven:
    description:
      - What to do when a listener does not answer the proof (it resets the connection, lets the time run out, or nobody
        listens), so that it is not known whether a certificate is served. Nothing is rolled back for it.
      - With V(fail) the task fails, and the next run asks again. With V(warn) it is told and recorded.
      - What cannot be asked by its nature, as a listener on an address that this host does not have now, is reported
        and does not fail the task.
    type: str
    choices: [fail, warn]
    default: fail
  proof_timeout:
    description:
      - Seconds for one handshake.
    type: float
    default: 5
  metrics_textfile:
    description:
      - File for node_exporter's textfile collector, for example C(/var/lib/prometheus/node-exporter/rotation.prom).
        Every run replaces it, failed ones too. No metrics are written when it is empty.
      - Needs the Python library C(prometheus_client) on the host.
    type: path
  metrics_names:
    description:
      - V(conforming) for metrics that follow the conventions of Prometheus, V(compatible) for those with the names of
        older tools, V(all) for both.
    type: str
    choices: [all, conforming, compatible]
    default: all
  rollback_names:
    description:
      - Instead of a rotation, go back to the version before with the certificates of these secrets, all of them or
        none, and make HAProxy serve that, which is proven and recorded. AWS is not asked, no metrics are written.
      - It fails, and nothing is changed, where one of them has no version before that could be served.
    type: list
    elements: str
  rollback_expired:
    description: Whether O(rollback_names) also go back to a version that has expired by now.
    type: bool
    default: false
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.certificate_sync
  - certops.rotation.certificate_files
  - certops.rotation.certificate_secrets
  - certops.rotation.certificate_secrets.selection
  - certops.rotation.certificate_secrets.labels
  - certops.rotation.verification
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - certops.rotation.certificate_changes
attributes:
  action_group:
    description: Use these in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - certops.rotation.aws
      - certops.rotation.haproxy
      - certops.rotation.all
  check_mode:
    support: full
    details:
      - Secrets that changed are read and verified, and nothing is done. RV(plan) shows what a run would do.
  idempotent:
    support: full
  diff_mode:
    support: full
    details:
      - Shows names, versions, fingerprints and dates, never PEM.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
  - boto3 and botocore on the controller instead of the host (only for O(source=controller))
  - jmespath (only for O(fields))
  - prometheus_client (only for O(metrics_textfile); without it the task rotates, and fails at its end)
  - HAProxy >= 2.2 with a stats socket of level admin, or >= 2.5 in master-worker mode for reloads
seealso:
  - module: certops.rotation.certificate_sync
"""

EXAMPLES = r"""
- name: All certificates of production, served and proven
  certops.rotation.haproxy_rotation:
    tags:
      Environment: production
    region: eu-central-1

- name: From the controller to hosts without any rights in AWS, where HAProxy runs in a container
  certops.rotation.haproxy_rotation:
    source: controller
    name_prefix: web/
    reload_methods: [docker]
    check_config: false

- name: Go back to the version before
  certops.rotation.haproxy_rotation:
    rollback_names: [my-web-cert]

- name: Write the files, and leave the rest to the play's handlers
  certops.rotation.haproxy_rotation:
    names: [my-web-cert]
    activation: handlers
  register: written
  notify: Reload HAProxy
"""

RETURN = r"""
certificates:
  description: One item for each certificate, in order of their names.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
      sample: my-web-cert
    arn:
      description: ARN of the secret. Null when it is not known.
      type: str
    version_id:
      description: Version of the secret. The one with the label RV(certificates[].label).
      type: str
    label:
      description: The label that the version was read by. Null where no version could be had.
      type: str
    path:
      description: The PEM file, or the lineage's directory.
      type: str
      sample: /etc/haproxy/certs/my-web-cert.pem
    action:
      description:
        - What was done, or would be done in check mode.
        - V(refused) and V(failed) are not written, and what is on disk stays. V(refused) is the fault of the content or
          of the access to the secret, V(failed) is the host's own.
      type: str
      choices: [created, updated, unchanged, removed, refused, failed]
    cause:
      description:
        - Whose fault it is. V(content) is wrong on every host, V(host) is this host's disk or directory, and V(source)
          is its access to AWS.
      returned: when refused or failed
      type: str
      choices: [content, host, source]
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. Null for a refused or failed certificate.
      type: str
    previous_fingerprint_sha256:
      description: The same for the certificate that was there before.
      returned: when updated, or not seen served yet
      type: str
    deployed_fingerprint_sha256:
      description: SHA-256 of the certificate that stays on disk. For a refused or failed one.
      returned: when refused or failed
      type: str
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
      sample: [www.example.com, example.com]
    key:
      description: Kind and size of the key.
      type: str
      sample: RSA 2048
    proven:
      description: Whether this very version has been seen served. See M(certops.rotation.rotation_record).
      type: bool
    proven_at:
      description: When it was first seen served, ISO 8601 in UTC. Null before that.
      type: str
    loaded:
      description:
        - Whether it is not proven, but HAProxy has loaded this very version, which could not be asked for, see
          M(certops.rotation.rotation_record).
      type: bool
    problems:
      description: What is wrong, or noteworthy. The codes are stable.
      type: list
      elements: dict
      contains:
        code:
          description: Stable code of the problem.
          type: str
          sample: private_key_mismatch
        severity:
          description: V(error) or V(warning). An error refuses the certificate, a warning does not.
          type: str
          choices: [error, warning]
        message:
          description: What is wrong and what to do.
          type: str
pending:
  description: Names of certificates on disk that have not been seen served yet.
  returned: always
  type: list
  elements: str
retired:
  description:
    - Paths of certificates that were removed, in this or an earlier run, and may still be in the memory of HAProxy, see
      O(certops.rotation.rotation_record#module:retired).
  returned: always
  type: list
  elements: str
failures:
  description: What the task failed for, one line for each problem.
  returned: always
  type: list
  elements: str
failures_by_cause:
  description:
    - The same lines by whose fault they are, under the keys C(content), C(host) and C(source), as C(cause) of a
      certificate. Those of C(host) should stop a rollout, and those of C(source) where each host asks for itself.
  returned: always
  type: dict
  sample: {content: [], host: ["web/a: Cannot write certificate web/a to ... [write_failed]"], source: []}
source:
  description: Who asked AWS, see O(source).
  returned: always
  type: str
unselected:
  description:
    - Certificates that are deployed, and whose secrets are not among those that were found. Their C(problems) are about
      their dates.
  returned: always
  type: list
  elements: dict
  sample: [{name: web/old, path: /etc/haproxy/certs/web_old.pem, not_after: "2026-12-24T00:00:00Z", problems: []}]
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: always
  type: dict
  sample: {ListSecrets: 1}
api_errors:
  description: How many of them failed, by operation.
  returned: always
  type: dict
  sample: {}
activation:
  description: How HAProxy was made to use the files.
  returned: always
  type: str
  choices: [none, hot_update, reload]
update_plan:
  description:
    - How HAProxy is, or would be, made to use what has changed, as chosen before. Null where nothing has to be loaded.
    - What was done in the end is RV(activation).
  returned: always
  type: dict
  contains:
    way:
      description: The way that was chosen.
      type: str
      choices: [hot_update, reload]
    reason:
      description:
        - Why. V(few) are always hot updates. V(cheaper) was decided by the estimate, and so were V(memory) and
          V(timeout), as a second worker does not fit, or a reload takes longer than O(reload_timeout).
        - V(reload_needed) is by one of the certificates, V(asked) by O(update_by), V(handlers) by O(activation). With
          V(no_socket) and V(no_reload) there is no other way.
      type: str
      choices: [few, cheaper, memory, timeout, reload_needed, asked, handlers, no_socket, no_reload]
    changes:
      description: How many certificates are to be loaded or taken out.
      type: int
    estimate:
      description:
        - What was expected. C(certificates) that HAProxy has, seconds for both ways, and megabytes, C(reload_mb) for a
          second worker and C(free_mb), null where it is not known.
        - It is by what the last reload and the last hot updates took here, else by what they took elsewhere. HAProxy is
          asked where there are 50 changes or more, or a large certificate.
      type: dict
    msg:
      description: The same for people.
      type: str
  sample:
    way: hot_update
    reason: few
    changes: 2
    estimate: {certificates: 40, hot_update_seconds: 0.04, reload_seconds: 0.56, reload_mb: 7.0, free_mb: null}
    msg: hot update for 2 changes, for they are few (by hot update about 0.0 s, by reload about 0.6 s and 7 MB)
reload_attempts:
  description:
    - Each way to reload HAProxy that was tried, in order. C(msg) says why it failed, the other fields are those of
      M(certops.rotation.haproxy_reload).
  returned: always
  type: list
  elements: dict
  sample: [{method: master, reloaded: true, log: "", worker_pid_before: 4711, worker_pid_after: 4712}]
proven:
  description: Whether this very version has been seen served. See M(certops.rotation.rotation_record).
  returned: always
  type: list
  elements: str
rolled_back:
  description: Certificates whose file is the version before again, or gone again where there was none.
  returned: always
  type: list
  elements: str
not_proven:
  description: Certificates that could not be asked for, with the reasons. They are in place, and the next run asks
    again.
  returned: always
  type: dict
  sample: {}
needs_reload:
  description: With O(activation=handlers), whether HAProxy has to be reloaded to use what lies on disk.
  returned: always
  type: bool
error:
  description: All that went wrong, as one text that fits a screen. Empty when nothing did.
  returned: always
  type: str
  sample: ""
activation_error:
  description: What of it went wrong after the files were written.
  returned: always
  type: str
  sample: ""
plan:
  description: What a run would do, as a table, the soonest to expire first.
  returned: in check mode
  type: list
  elements: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_rotation import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.sourced import sourced_module


def main() -> None:
    run(sourced_module(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
