#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: event_queues
short_description: Have AWS tell queues when certificates change
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Makes rules of Amazon EventBridge that notice new versions of secrets, certificates that end, and new objects, the
    queues of Amazon SQS that are told of them, and the queue of the dead letters. With several queues, a topic of
    Amazon SNS tells all of them.
  - The rulebooks of this collection read such a queue with the event source C(certops.rotation.secret_events), and
    hosts that pull read one of their own.
  - Nobody but these rules, or the topic, may send to the queues, and nobody without TLS. Messages are encrypted at
    rest. They have names and versions of secrets, and no values.
  - All that it makes has the tag C(certops:events), whose value is O(name). What has another one, or none, is neither
    changed nor removed.
options:
  name:
    description:
      - Name of this set. The rules are called so with C(-label), C(-call), C(-expiring) or C(-object) behind it, the
        queue of the dead letters with C(-dead), and the topic so.
      - 1 to 55 letters, digits, hyphens and underscores.
    type: str
    default: certificates
  queues:
    description:
      - Names of the queues. One is told by EventBridge itself, several by way of a topic.
      - What reads a queue takes its messages away, so that each reader needs one of its own.
      - One that is called as O(name) says, when absent.
    type: list
    elements: str
  state:
    description: Whether all this should be there.
    type: str
    choices: [present, absent]
    default: present
  kinds:
    description:
      - What is told. V(label) is a label of a secret that moves to another version, which AWS tells within seconds.
      - V(call) are the calls of Secrets Manager themselves, by way of CloudTrail. That takes a trail in the region, and
        minutes. It is for C(AWSPENDING), of which nothing else tells.
      - V(expiring) is a certificate in AWS Certificate Manager that ends soon, which AWS tells once a day.
      - V(object) is a new object in one of O(objects).
      - A rule of this set whose kind is not named goes.
    type: list
    elements: str
    choices: [label, call, expiring, object]
    default: [label]
  labels:
    description: The labels whose moves are told.
    type: list
    elements: str
    default: [AWSCURRENT, CANDIDATE]
  name_prefix:
    description: Beginnings of names of secrets, for V(label). Any when empty.
    type: list
    elements: str
    default: []
  objects:
    description:
      - Buckets, each alone or with the beginning of keys after a slash, for V(object). EventBridge has to be switched
        on in the bucket's notifications, which this module leaves alone.
    type: list
    elements: str
    default: []
  retention:
    description:
      - How long a message waits for a reader, such as V(12h). Dead letters are kept for 14 days.
    type: str
    default: 4d
  visibility_timeout:
    description: How long a message that a reader has got stays hidden from others, until it comes again.
    type: str
    default: 2m
  max_receives:
    description: How often a message is given out before it becomes a dead letter.
    type: int
    default: 10
  kms_key_id:
    description:
      - KMS key for the messages, by id, alias or ARN. Its policy has to let C(events.amazonaws.com), and with several
        queues C(sns.amazonaws.com), use C(kms:GenerateDataKey) and C(kms:Decrypt).
      - Without one, SQS encrypts with a key of its own, and the topic does not keep what it passes on.
    type: str
    default: ""
  tags:
    description:
      - Tags that all of it gets. Others that it has stay.
      - A value that YAML reads as a boolean, a decimal number or nothing is refused. Quote it.
    type: dict
    default: {}
  prune:
    description: Whether queues of this set that O(queues) does not name any more go, with what waits in them.
    type: bool
    default: false
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the attributes of the queues and of the topic, the patterns of the rules and their targets.
  idempotent:
    support: full
notes:
  - A queue can be made again under its name a minute after it was removed. The module waits for that.
seealso:
  - module: certops.rotation.event_queues_info
"""

EXAMPLES = r"""
- name: One queue for a rulebook
  certops.rotation.event_queues:
    name_prefix: [web/]
    region: eu-central-1

- name: A queue for each host that pulls, and one for the controller
  certops.rotation.event_queues:
    name: certificates
    queues: "{{ ['certificates'] + groups['haproxy'] | map('replace', '.', '-') }}"
    name_prefix: [web/]

- name: A queue for what is to be issued
  certops.rotation.event_queues:
    name: certificates-expiring
    kinds: [expiring]

- name: All of it goes
  certops.rotation.event_queues:
    state: absent
"""

RETURN = r"""
queues:
  description: The queues that are told. None with O(state=absent).
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
      description: URL of the queue. V(null) in check mode when it is not there yet.
      type: str
dead_letter_queue:
  description: The queue of the dead letters. V(null) with O(state=absent).
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
      description: URL of the queue. V(null) in check mode when it is not there yet.
      type: str
    waiting:
      description: How many messages there were in it, about.
      type: int
topic_arn:
  description: ARN of the topic. V(null) without one.
  returned: success
  type: str
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
unlisted:
  description: Queues of this set that O(queues) does not name, and that were left. Nothing tells them any more.
  returned: success
  type: list
  elements: str
left:
  description: What O(state=absent) has left because it does not belong to this set.
  returned: success
  type: list
  elements: str
  sample: [queue certificates]
changes:
  description: The requests that change something, by operation, with what they are about, in order.
  returned: success, or when one of them failed
  type: list
  elements: str
  sample: [CreateQueue certificates, PutRule certificates-label, PutTargets certificates-label]
api_calls:
  description: Number of requests sent by service and operation, repeated ones included.
  returned: success
  type: dict
  sample: {"events:DescribeRule": 4, "sqs:GetQueueUrl": 2}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.event_queues import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC))


if __name__ == "__main__":
    main()
