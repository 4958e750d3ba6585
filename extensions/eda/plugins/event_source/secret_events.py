# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: secret_events
short_description: Tell of new versions of secrets, certificates that end, and new objects, from an SQS queue
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - An event source of ansible-rulebook. It reads an SQS queue that EventBridge fills, directly or through SNS, and tells
    a rulebook what is new now.
  - It understands C(Secret Label Updated) of Secrets Manager, calls of Secrets Manager in C(AWS API Call via CloudTrail),
    C(ACM Certificate Approaching Expiration), C(ACM Certificate Expired) and C(ACM Certificate Renewal Action Required),
    and C(Object Created) of S3. Messages of SNS may be raw or in their envelope. The playbook
    P(certops.rotation.events_setup#playbook) makes rule, queue and policies.
  - EventBridge delivers at least once and in any order, and CloudTrail tells the same change again, minutes later. So
    messages are gathered for a moment, and each secret is asked once what is true now, by C(DescribeSecret). What has been
    told already is not told again, and neither is a version that has been superseded. A secret that may not be described
    is told of.
  - Events make a rotation fast, and guarantee nothing. A message is removed from the queue when the rulebook has taken the
    event, not when its action has ended, for a source never learns that. Had it to wait, one playbook that fails would be
    started again for ever, and one that takes longer than messages stay hidden would be started twice. What is lost when a
    rulebook dies in between, the tick at its next start makes up for, and the schedule of the hosts.
  - It runs for ever, for a source that ends takes the whole rulebook with it. What it cannot do now, such as reach SQS,
    it tries again, later and later up to 30 seconds apart. It says so once in the log, and once when it is well again. The
    queue may be deleted and made again, and credentials that expire are read anew.
  - Only options that are wrong end it, at once.
  - A message that is not understood is counted, said once for each kind, and removed.
options:
  queue:
    description: Name, ARN or URL of the queue.
    type: str
    required: true
  region:
    description: Region of the queue. Without it that of an ARN, else that which boto3 finds.
    type: str
  profile:
    description: Profile of the AWS configuration, for example one that assumes a role.
    type: str
  access_key:
    description:
      - Access key. Without it, and without O(profile), the usual chain of boto3 is asked, such as environment, web identity
        or instance role, which also renews what expires.
    type: str
  secret_key:
    description: Secret key that belongs to O(access_key).
    type: str
  session_token:
    description: Session token that belongs to O(access_key).
    type: str
  endpoint_url:
    description: Another endpoint for SQS and Secrets Manager, for an emulator.
    type: str
  kinds:
    description: What is told. Messages of other kinds are removed.
    type: list
    elements: str
    choices: [secret, candidate, expiring, object]
    default: [secret, candidate, expiring, object]
  labels:
    description:
      - Labels of secrets whose moves are told. C(AWSCURRENT) makes events of kind V(secret), each other label makes events
        of kind V(candidate).
      - For C(AWSPENDING) there is no event but that of CloudTrail.
    type: list
    elements: str
    default: [AWSCURRENT, CANDIDATE]
  names:
    description:
      - Only secrets with these names. C(*), C(?) and C([...]) stand for what they do in a shell, and C(*) also for slashes.
      - Whatever O(names) or O(name_prefix) includes is told. Without both, all are.
    type: list
    elements: str
    default: []
  name_prefix:
    description: Only secrets whose names begin with one of these.
    type: list
    elements: str
    default: []
  tags:
    description:
      - Only secrets that have all these tags, exactly. It takes the right to describe them.
    type: dict
    default: {}
  objects:
    description: Only objects whose bucket and key, joined by a slash, match one of these, as with O(names).
    type: list
    elements: str
    default: []
  settle:
    description: Seconds without a further message after which what was gathered is told.
    type: float
    default: 0.5
  at_most:
    description:
      - Seconds after which it is told, though messages keep coming. About as long as a run takes is a good choice.
      - While the rulebook is busy and takes no event, all that comes is gathered into the next one.
    type: float
    default: 10
  again:
    description:
      - Seconds after which secrets that were told are told once more, all that are due in one event with C(again) true.
        Lists of secrets may lag by up to five minutes, so a run may have come too early to see what it was started for.
      - V(0) for never.
    type: float
    default: 330
  tick:
    description:
      - Seconds between events of kind V(tick), for a run that looks at everything whatever was told. One is put at the
        start, and one when the queue was missing and is there again.
      - V(0) for none at all.
    type: float
    default: 3600
  heartbeat:
    description: Seconds between events of kind V(heartbeat), which say how the source is. V(0) for none.
    type: float
    default: 0
notes:
  - "Each event has one key, C(secret_events), with the same keys for each kind:"
  - "C(kind): V(secret) (AWSCURRENT moved), V(candidate) (another label moved), V(expiring) (an ACM certificate ends),
    V(object) (S3 has a new object), V(tick), V(heartbeat)."
  - "C(names): a list of what it is about, sorted, each once. Names of secrets; common names of certificates; buckets and
    keys joined by a slash; empty with V(tick) and V(heartbeat)."
  - "C(labels): the labels that moved, sorted. Empty for what are no secrets."
  - "C(details): a list with one dictionary for each thing. Secrets: C(name), C(arn), C(account), C(region), C(label),
    C(version_id) (which has the label now; where that could not be asked, which the message named; else null), C(is_known)
    (whether it could be asked). Certificates: C(name), C(arn), C(account), C(region), C(days). Objects: C(name),
    C(bucket), C(key), C(version_id), C(account), C(region)."
  - "C(causes): what was told, such as C(Secret Label Updated) or C(PutSecretValue), sorted. With V(tick): C(start),
    C(interval) or C(queue)."
  - "C(again): whether this was told before, see O(again)."
  - "C(messages): how many messages became this event. C(first_at), C(last_at): when the first and the last of what they
    tell happened, as ISO 8601 in UTC, or null."
  - "C(health): with V(heartbeat) a dictionary: C(well), C(since) (of that), C(error) (why it is not well, else empty), and
    the counters C(received), C(told), C(dropped) (told before, superseded or not wanted) and C(not_understood), since the
    start. Else null."
  - No event has content of a secret.
requirements:
  - botocore
"""

EXAMPLES = r"""
- name: Rotate as soon as a secret of this fleet has a new version
  hosts: haproxy
  sources:
    - name: Secrets
      certops.rotation.secret_events:
        queue: certificates
        region: eu-central-1
        name_prefix: [web/]
  rules:
    - name: Rotate
      condition: event.secret_events.kind in ["secret", "tick"]
      action:
        run_playbook:
          name: certops.rotation.rotate

# What an event looks like:
#
# secret_events:
#   kind: secret
#   names: [web/a, web/b]
#   labels: [AWSCURRENT]
#   details:
#     - name: web/a
#       arn: arn:aws:secretsmanager:eu-central-1:012345678901:secret:web/a-a1b2c3
#       account: "012345678901"
#       region: eu-central-1
#       label: AWSCURRENT
#       version_id: 11111111-2222-3333-4444-555555555555
#       is_known: true
#     - ...
#   causes: [PutSecretValue, Secret Label Updated]
#   again: false
#   messages: 3
#   first_at: "2026-11-27T02:43:48Z"
#   last_at: "2026-11-27T02:43:49Z"
#   health: null
"""
