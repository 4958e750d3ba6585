#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_push
short_description: Push certbot's lineages to all hosts that are owed them, and see that they arrive
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Computes which lineages are owed to which hosts, from what is on disk and from what hosts have confirmed, and pushes
    them by SFTP over OpenSSH, to all hosts in one process.
  - A debt ends with the confirmation of the host. What could not be delivered stays in the queue, and the next run goes
    on with it. Nothing is forgotten by a run that is killed at any point.
  - A host that cannot be reached, or refuses, does not stop the others, and costs none of them its turn. Neither does a
    lineage that cannot be read. The task fails in the end, and names each.
  - Runs on the machine with the lineages. Usually that is one host of the play, with O(targets) made from the
    inventory, as the role C(certops.rotation.certificate_push) does.
options:
  queue:
    description: Directory of the queue. See M(certops.rotation.push_queue).
    type: path
    default: /var/lib/certops-push
  lineages:
    description: Directory with a directory for each lineage, as certbot keeps it.
    type: path
    default: /etc/letsencrypt/live
  hosts:
    description:
      - Names of the O(targets) that this run is about. By default all of them.
      - What such a host took back is pushed again at once. Otherwise it is left alone for an hour at first, then for
        two, and for a day at most, for its services are told each time.
    type: list
    elements: str
    default: []
  mode:
    description: Whether hosts are pushed to one after the other, or several at a time.
    type: str
    choices: [parallel, serial]
    default: parallel
  concurrency:
    description:
      - Number of hosts at a time with O(mode=parallel). Each takes an ssh process of some 10 MB, which mostly waits for
        the host or its receipt.
    type: int
    default: 16
  interval:
    description: Seconds between the start of one host and of the next one, in both modes. Further attempts are not
      delayed by it.
    type: float
    default: 0.0
  max_fail_percentage:
    description:
      - No further host is begun once more than this percentage of the hosts to be pushed to have failed. Those that are
        spared stay owed.
      - With less than V(100), no more hosts than O(concurrency) are undecided at a time.
    type: float
    default: 100.0
  fail_fast:
    description: No further host is begun once one has failed. The same as O(max_fail_percentage=0).
    type: bool
    default: false
  wait:
    description:
      - Whether to wait for receipts and endpoints, up to C(receipt_timeout) of the target. Where nothing is waited for,
        the next run asks, and what lies at the host meanwhile is no failure, until there is no receipt an hour after
        the upload, or, with the protocol V(directory), C(endpoints) do not show it after a day.
    type: bool
    default: true
  give_up_after:
    description:
      - A lineage that a host has not taken for this long is given up with the next failure. It is then dead, and is
        pushed again when M(certops.rotation.push_queue) requeues it, or when the lineage is renewed.
      - A duration, such as V(30d) or V(1w2d3h). V(0) never gives up.
    type: str
    default: 30d
  drop_on_failure:
    description: Give up what fails at the end of a run, as certdeploy does. It stays visible as dead.
    type: bool
    default: false
  time_limit:
    description:
      - Seconds for the whole task. Then nothing more is begun, and what is under way has to end. What is left stays
        owed.
    type: int
    default: 3600
  metrics_textfile:
    description:
      - File for node_exporter's textfile collector, for example C(/var/lib/prometheus/node-exporter/push.prom). Every
        run replaces it, failed ones too. No metrics are written when it is absent.
      - Needs the Python library C(prometheus_client). Without it, and where the file cannot be written, lineages are
        pushed all the same, and the task fails at its end.
    type: path
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.push_targets
attributes:
  check_mode:
    support: full
    details:
      - Tells what would be pushed, and connects to no host. Nothing is written. Fails for what no run would push as
        things are, such as what has expired while it was owed, or what a canary withholds.
  diff_mode:
    support: full
    details:
      - Shows the fingerprint that each host has confirmed, before and after. In check mode that of what it is owed.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
  - OpenSSH's client (ssh)
  - prometheus_client >= 0.16 (only for O(metrics_textfile))
seealso:
  - module: certops.rotation.push_queue
  - module: certops.rotation.push_queue_info
  - module: certops.rotation.certificate_deploy
"""

EXAMPLES = r"""
- name: Push what is owed to two hosts
  certops.rotation.certificate_push:
    private_key_file: /etc/certops-push/id_ed25519
    targets:
      - name: web1
        address: web1.example.com
        domains: [www.example.com, example.com]
        host_key: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDzMIvCnpUMhdRUXfaw1Yj8Ml7gIPFj5LgFPBYpBrVjz]
        canary: true
        endpoints:
          - {host: web1.example.com, port: 443, server_name: www.example.com}
      - name: mail
        address: 192.0.2.25
        port: 2222
        domains: [mail.example.com]
        wildcards: true
        host_key: "{{ mail_host_keys }}"

- name: One host after the other, ten seconds apart, and no further one after a failure
  certops.rotation.certificate_push:
    targets: "{{ push_targets }}"
    mode: serial
    interval: 10
    fail_fast: true

- name: What would be pushed
  certops.rotation.certificate_push:
    targets: "{{ push_targets }}"
  check_mode: true

- name: To a certdeploy client
  certops.rotation.certificate_push:
    targets:
      - name: old
        address: old.example.com
        port: 22
        protocol: directory
        path: /var/cache/certdeploy
        domains: [old.example.com]
        host_key: "{{ old_host_keys }}"
"""

RETURN = r"""
targets:
  description: What became of each host, in the order given. Then hosts that are owed something and are no targets.
  returned: always, unless options are wrong
  type: list
  elements: dict
  contains:
    name:
      description: Name of the host.
      type: str
    outcome:
      description: >-
        V(confirmed): it has confirmed all that it was owed. V(owed): something of that is still owed, or would be
        pushed in check mode. V(dead): something was given up. V(unchanged): nothing was owed.
      type: str
      choices: [confirmed, owed, dead, unchanged]
    lineages:
      description: Each lineage that the host was owed, or is to get.
      type: list
      elements: dict
      contains:
        lineage:
          description: Name of the lineage.
          type: str
        outcome:
          description: As C(outcome) of the host.
          type: str
          choices: [confirmed, owed, dead, unchanged]
        fingerprint_sha256:
          description: SHA-256 of the certificate, in lower-case hexadecimal.
          type: str
        attempts:
          description: Number of failed ones since it is owed.
          type: int
        uploaded:
          description: Whether this run has sent it.
          type: bool
        waiting:
          description: Whether it lies at the host and waits for its turn there, which is no failure.
          type: bool
        error:
          description: Why it is owed or dead, and what to do. Empty when it is neither.
          type: str
        fault:
          description: >-
            What kind of error that is. The connection, V(unreachable), V(host_key), V(denied); the host, V(remote), for
            instance for a full disk, V(refused), V(taken_back), V(no_receipt), V(overdue), V(endpoint); this machine,
            V(local), V(lineage), V(expired); this run, V(canary), V(stopped), V(ended), V(busy); the queue, V(pending),
            V(not_a_target), V(given_up). Empty without an error.
          type: str
        evidence:
          description: What the confirmation rests on. Empty without one.
          type: str
          choices: [receipt, handshake, upload, '']
counts:
  description: Number of hosts by outcome.
  returned: always, unless options are wrong
  type: dict
  sample: {confirmed: 2, owed: 1, dead: 0, unchanged: 4}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_push import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
