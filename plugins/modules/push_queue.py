#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: push_queue
short_description: Queue the lineages that hosts should have and have not confirmed
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Compares the lineages in the live directory of certbot, and the hosts that want them, with what the hosts have
    confirmed. What is owed is queued. So nothing is lost when a hook of certbot did not run.
  - M(certops.rotation.certificate_push) does the same before it pushes. This module is for whoever wants to queue now
    and push later, to push something once more, to take up again what was given up, or to forget a host.
  - The queue is a directory with one small file for each lineage and host. It holds names, fingerprints and times, and
    neither keys nor settings of hosts. A process that is killed, a full disk or a power cut loses nothing of it.
  - To add to it nobody is waited for, whatever is being pushed.
options:
  path:
    description:
      - The directory of the queue. It is made with mode V(0700). The directory above it has to exist.
      - One that others than root and the own user may write to is refused.
    type: path
    default: /var/lib/certops-push
    aliases: [queue]
  state:
    description:
      - With V(queued), what is owed is in the queue afterwards. What hosts have confirmed is not owed, nor is what was
        given up, until the lineage is renewed.
      - With V(requeued), what was given up is owed again, and what is owed and postponed is tried by the next run.
      - With V(forgotten), entries and confirmations are removed. Either of what O(host) and O(lineage) name, or with
        O(targets) alone of what none of them wants any more, because a host, one of its domains or a lineage is gone.
    type: str
    choices: [queued, requeued, forgotten]
    default: queued
  host:
    description: Only of these hosts, by their names in O(targets). All when absent.
    type: list
    elements: str
    default: []
  lineage:
    description:
      - Only of these lineages, by the names of their directories. All when absent.
      - A path, such as certbot has in E(RENEWED_LINEAGE), stands for the last part of it.
      - What is no name, such as an empty text or V(/), is refused.
    type: list
    elements: str
    default: []
  force:
    description:
      - Queue also what hosts have confirmed, or what was given up. For a host that was installed anew, for instance.
      - What is owed and postponed is tried by the next run, and what is being pushed right now is pushed once more.
    type: bool
    default: false
  lineages:
    description: The directory of the lineages.
    type: path
    default: /etc/letsencrypt/live
  targets:
    description:
      - The hosts, as M(certops.rotation.certificate_push) takes them. Required for O(state=queued).
      - Only names and domains matter here. The rest is checked all the same.
    type: list
    elements: dict
    required: false
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.push_targets
attributes:
  check_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Not with O(force).
  diff_mode:
    support: full
    details:
      - Shows hosts, lineages and fingerprints.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - Needs to read private keys, to see that they belong to their certificates. So run it as root.
  - The options O(private_key_file), O(passphrase), O(retries) and O(retry_interval) have no effect. They are there so
    that all options of M(certops.rotation.certificate_push) that it shares can be given.
  - Fails when a lineage cannot be read, after all others have been queued.
seealso:
  - module: certops.rotation.push_queue_info
  - module: certops.rotation.certificate_push
"""

EXAMPLES = r"""
- name: Queue what is owed
  certops.rotation.push_queue:
    targets: "{{ targets }}"

- name: Queue one renewed lineage, as a hook of certbot knows it
  certops.rotation.push_queue:
    targets: "{{ targets }}"
    lineage: /etc/letsencrypt/live/example.com

- name: A host was installed anew, and has nothing of what it has confirmed
  certops.rotation.push_queue:
    targets: "{{ targets }}"
    host: web1.example.com
    force: true

- name: What was given up is tried again
  certops.rotation.push_queue:
    state: requeued

- name: Forget a host that is gone
  certops.rotation.push_queue:
    host: web9.example.com
    state: forgotten
"""

RETURN = r"""
entries:
  description: What the task is about, by host and lineage.
  returned: success or failure of a lineage
  type: list
  elements: dict
  contains:
    host:
      description: Name of the host.
      type: str
    lineage:
      description: Name of the lineage.
      type: str
    action:
      description: >-
        What was done, or would be done in check mode. V(queued) was added, or replaces what was queued before.
        V(waiting) was in the queue. V(confirmed) is what the host has. V(dead) was given up. V(requeued) was, or was
        postponed, and is tried by the next run. V(forgotten) was removed.
      type: str
      choices: [queued, waiting, confirmed, dead, requeued, forgotten]
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. Empty for what was forgotten.
      type: str
    matched:
      description: The domains of the host for which it gets the lineage. Empty unless O(state=queued).
      type: list
      elements: str
failures:
  description: Names of lineages that cannot be pushed, and why. They make the task fail.
  returned: success or failure of a lineage
  type: dict
  sample: {}
strays:
  description: >-
    What is in the queue and no target wants any more. With O(state=queued) for all hosts and lineages, otherwise empty.
  returned: success or failure of a lineage
  type: list
  elements: dict
  contains:
    host:
      description: Name of the host.
      type: str
    lineage:
      description: Name of the lineage.
      type: str
set_aside:
  description: >-
    Files that were damaged. They have been moved to C(bad) in the queue, to be looked at, and what they stood for is
    computed anew. In check mode, where they are.
  returned: success or failure of a lineage
  type: list
  elements: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.push_queue import (
    ARGUMENT_SPEC,
    REQUIRED_IF,
    run,
)


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, required_if=REQUIRED_IF, supports_check_mode=True))


if __name__ == "__main__":
    main()
