#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: event_queues_info
short_description: Look at the queues that are told when certificates change, and at their dead letters
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Tells what M(certops.rotation.event_queues) has made by a name, how many messages wait, and what the dead letters
    say.
  - Fails when there is nothing by that name.
options:
  name:
    description: Name of the set.
    type: str
    default: certificates
  dead_letters:
    description:
      - How many dead letters are shown at most. They stay in their queue, and are hidden from others for half a minute.
      - None in check mode.
    type: int
    default: 0
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.attributes.actiongroup_aws
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  platform:
    support: full
    platforms: posix
seealso:
  - module: certops.rotation.event_queues
"""

EXAMPLES = r"""
- name: What could not be delivered, or was never taken?
  certops.rotation.event_queues_info:
    dead_letters: 10
    region: eu-central-1
  register: events

- name: Nothing may be dead
  ansible.builtin.assert:
    that: events.dead_letter_queue.waiting == 0
"""

RETURN = r"""
queues:
  description: The queues that are told.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the queue.
      type: str
    arn:
      description: ARN of the queue.
      type: str
    url:
      description: URL of the queue.
      type: str
    waiting:
      description: How many messages there were in it, about.
      type: int
dead_letter_queue:
  description: The queue of the dead letters.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the queue.
      type: str
    arn:
      description: ARN of the queue.
      type: str
    url:
      description: URL of the queue.
      type: str
    waiting:
      description: How many messages there were in it, about.
      type: int
dead_letters:
  description: What some of them say, as EventBridge has sent it.
  returned: success
  type: list
  elements: str
rules:
  description: The rules of EventBridge.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the rule.
      type: str
    arn:
      description: ARN of the rule.
      type: str
    pattern:
      description: The pattern of the events that it tells, as JSON.
      type: str
    is_enabled:
      description: Whether it tells them.
      type: bool
topic_arn:
  description: ARN of the topic. V(null) without one.
  returned: success
  type: str
api_calls:
  description: Number of requests sent by service and operation, repeated ones included.
  returned: success
  type: dict
  sample: {"events:DescribeRule": 4, "sqs:GetQueueUrl": 2}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.event_queues_info import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
