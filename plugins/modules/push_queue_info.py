#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: push_queue_info
short_description: Tell what is owed to hosts, what was given up, and what hosts have confirmed
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Reads the queue of M(certops.rotation.push_queue) and M(certops.rotation.certificate_push), also while something is
    being pushed. A queue that is not there is empty.
  - It does not look at the lineages themselves. What is owed and not in the queue yet is told by
    M(certops.rotation.push_queue) in check mode.
options:
  path:
    description: The directory of the queue.
    type: path
    default: /var/lib/certops-push
    aliases: [queue]
  host:
    description: Only of these hosts. All when absent.
    type: list
    elements: str
    default: []
  lineage:
    description:
      - Only of these lineages. All when absent. A path stands for the last part of it.
    type: list
    elements: str
    default: []
  state:
    description:
      - Which entries are listed. V(owed) waits for the next run. V(claimed) is being pushed right now. V(dead) was
        given up. V(confirmed) is what hosts have.
    type: list
    elements: str
    choices: [owed, claimed, dead, confirmed]
    default: [owed, claimed, dead]
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
seealso:
  - module: certops.rotation.push_queue
  - module: certops.rotation.certificate_push
"""

EXAMPLES = r"""
- name: What waits, and for how long?
  certops.rotation.push_queue_info:
  register: queue

- name: Nobody may have been given up
  ansible.builtin.assert:
    that: queue.counts.dead == 0

- name: What has this host?
  certops.rotation.push_queue_info:
    host: web1.example.com
    state: [confirmed]
"""

RETURN = r"""
entries:
  description: The entries of the wanted states. In each of these by host and lineage.
  returned: success
  type: list
  elements: dict
  contains:
    state:
      description: What it is.
      type: str
      choices: [owed, claimed, dead, confirmed]
    host:
      description: Name of the host.
      type: str
    lineage:
      description: Name of the lineage.
      type: str
    fingerprint_sha256:
      description: >-
        SHA-256 of the certificate, in lower-case hexadecimal. Of what is owed, as it was when it was queued. What is
        pushed is what the lineage holds then.
      type: str
    queued_at:
      description: Since when it is owed, ISO 8601 in UTC. Null for what is confirmed.
      type: str
    attempts:
      description: Number of failed ones since it is owed.
      type: int
    last_error:
      description: Why the last one failed, or what it waits for. Empty when nothing was tried.
      type: str
    next_attempt:
      description: Instant before which it is not tried again, ISO 8601 in UTC. Null for at once.
      type: str
    uploaded:
      description: SHA-256 of the certificate that lies at the host and waits for its receipt. Null when none does.
      type: str
    forced:
      description: Whether it is owed even where the host has confirmed it.
      type: bool
    confirmed_at:
      description: When the host had it, ISO 8601 in UTC. Null for what is not confirmed.
      type: str
    evidence:
      description: >-
        What the confirmation rests on. V(receipt) is what the host said, V(handshake) what an endpoint showed, and
        V(upload) that the files arrived. Null for what is not confirmed.
      type: str
      choices: [receipt, handshake, upload]
counts:
  description: Number of entries in each state, of the wanted hosts and lineages.
  returned: success
  type: dict
  sample: {owed: 2, claimed: 0, dead: 0, confirmed: 40}
oldest:
  description: Since when the oldest one is owed, ISO 8601 in UTC. Null when nothing is.
  returned: success
  type: str
damaged:
  description: Files that are no entries, where they should be. The next run sets them aside.
  returned: success
  type: list
  elements: dict
  contains:
    file:
      description: Path of the file.
      type: str
    reason:
      description: Why it is none.
      type: str
bad:
  description: Files that were set aside. Remove them when they have been looked at.
  returned: success
  type: list
  elements: str
foreign:
  description: Files in the directory that are not of the queue. They are left alone.
  returned: success
  type: list
  elements: str
woken:
  description: Whether a hook of certbot has asked for a run that has not begun yet.
  returned: success
  type: bool
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.push_queue_info import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
