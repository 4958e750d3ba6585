#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_events
short_description: Tell a webhook or a command what happened to TLS endpoints
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Delivers the events that M(certops.rotation.endpoint_scan) and M(certops.rotation.endpoint_registry) have written
    into the registry, such as a certificate that is new, renewed, replaced early, expiring or expired, or an endpoint
    that is unreachable.
  - Each event gets to each receiver at least once. What a receiver has confirmed is noted at once, and is never sent to
    it again. A run that is killed between sending and noting sends that one event again, with the same id.
  - What a receiver does not take is tried again by the next run, oldest first. An event that it never takes keeps no
    other one back, and neither does a receiver that is down keep other receivers back, as each has its own name and is
    called by a task of its own.
options:
  receiver:
    description:
      - Name by which the registry remembers what this receiver has confirmed, at most 64 characters.
      - A receiver with a new name gets all events that are not older than O(give_up_after).
      - Two runs for the same name at the same time may both send an event.
    type: str
    required: true
  url:
    description:
      - Where each event is sent by C(POST). Any status from 200 to 299 confirms it.
      - With 400, 409, 413, 415 and 422 that event is refused, and the next ones are sent. Any other answer, or none,
        means that the receiver is unavailable.
      - Redirections are not followed, for they would take secrets elsewhere.
      - Shown is no more than scheme, host and port, for the rest of it is a secret with many services.
      - E(http_proxy), E(https_proxy) and E(no_proxy) are heeded, for HTTP proxies.
    type: str
  headers:
    description: Added to each request, C(Authorization) for example.
    type: dict
    default: {}
  username:
    description: User for HTTP basic authentication.
    type: str
  password:
    description: Password of O(username).
    type: str
  secret:
    description:
      - By which each body is signed. The header C(X-Hub-Signature-256) is C(sha256=) and the HMAC-SHA256 of the body in
        hexadecimal digits, as GitHub and the webhook of ansible-rulebook have it.
    type: str
  ca_path:
    description: PEM file with the CAs of an C(https) O(url). Without it those of the system.
    type: path
  client_cert:
    description: PEM file with a client certificate for O(url).
    type: path
  client_key:
    description: PEM file with the key of O(client_cert), not encrypted. Without it the key is in O(client_cert).
    type: path
  command:
    description:
      - A program and its arguments, without a shell. It is started once for each event, which it reads as one line of
        JSON from its standard input.
      - With exit code 0 it has taken the event. With 65 it refuses that one. With any other it has failed, and what it
        wrote to standard error is shown.
      - Its arguments are visible to all users of the host, so give it no secrets there.
    type: list
    elements: str
  body_format:
    description:
      - With V(event) the body is the event, see RV(events).
      - With V(text) it is C({"text") and one sentence C(}), as incoming webhooks of chat services take it.
    type: str
    choices: [event, text]
    default: event
  kinds:
    description: Only events of these kinds, all when empty. Others are passed over for good.
    type: list
    elements: str
    choices:
      - new
      - renewed
      - replaced_early
      - issuer_changed
      - names_changed
      - key_changed
      - expiring
      - expired
      - chain_expiring
      - unreachable
      - recovered
      - untrusted
      - trusted_again
      - retired
    default: []
  least_severity:
    description: Only events of this severity and above. Others are passed over for good.
    type: str
    choices: [info, warning, critical]
    default: info
  give_up_after:
    description:
      - Events older than this are not sent any more, with a warning. V(0) to try for ever.
    type: str
    default: 7d
  limit:
    description: Most events of one run, from 1 to 20000.
    type: int
    default: 1000
  timeout:
    description: Seconds for one attempt, all of it, however slowly the receiver answers.
    type: float
    default: 10.0
  retries:
    description:
      - Further attempts in this run for an event for which the receiver is unavailable.
      - After them the newest event is tried once. When that does not pass either, the others wait for the next run.
    type: int
    default: 2
  retry_interval:
    description: Seconds before the first of O(retries), twice as many before each next one.
    type: float
    default: 1.0
  time_limit:
    description: Seconds for the whole run.
    type: int
    default: 300
  metrics_textfile:
    description:
      - File for node_exporter's textfile collector that tells how many events this receiver has not got yet, and since
        when. An absolute path that ends in C(.prom), one for each receiver.
      - Needs the Python library C(prometheus_client).
    type: path
requirements:
  - prometheus_client >= 0.16.0, for O(metrics_textfile)
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.endpoint_database
attributes:
  check_mode:
    support: full
    details:
      - Sends nothing, and tells what would be sent.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - Fails when an event was not delivered, after all others were tried.
seealso:
  - module: certops.rotation.endpoint_scan
  - module: certops.rotation.endpoint_registry
"""

EXAMPLES = r"""
- name: Tell the chat what a person has to look at
  certops.rotation.endpoint_events:
    receiver: chat
    url: "{{ chat_webhook_url }}"
    body_format: text
    least_severity: warning

- name: Tell ansible-rulebook everything, signed
  certops.rotation.endpoint_events:
    receiver: rulebook
    url: https://eda.example.com:8443/endpoint
    secret: "{{ webhook_secret }}"

- name: Open tickets by a program
  certops.rotation.endpoint_events:
    receiver: tickets
    command: [/usr/local/bin/open-ticket, --queue, certificates]
    kinds: [expired, untrusted]
"""

RETURN = r"""
delivered:
  description: Number of events that the receiver has confirmed in this run.
  returned: success and failure
  type: int
  sample: 2
failures:
  description: Number of events that were tried and not confirmed.
  returned: success and failure
  type: int
  sample: 0
left:
  description: Number of events that the next run will send, the failed ones among them.
  returned: success and failure
  type: int
  sample: 0
passed_over:
  description: Number of events that this receiver does not want, by O(kinds) and O(least_severity).
  returned: success and failure
  type: int
  sample: 14
given_up:
  description: Number of events that are too old, by O(give_up_after).
  returned: success and failure
  type: int
  sample: 0
events:
  description: The delivered events in their order, at most the first hundred. Each is what the receiver got as JSON.
  returned: success and failure
  type: list
  elements: dict
  contains:
    id:
      description:
        - Idempotency key, the same whenever the same event is sent. It is in the header C(Idempotency-Key), too.
      type: str
      sample: 1f0c8a5e9b7d4c3e8a6f
    kind:
      description: One of O(kinds).
      type: str
      sample: replaced_early
    severity:
      description: V(info), V(warning) or V(critical).
      type: str
      sample: warning
    at:
      description: When it was seen, in UTC.
      type: str
      sample: "2026-11-26T12:00:00Z"
    name:
      description: The endpoint's name.
      type: str
      sample: shop
    host:
      description: The endpoint's host.
      type: str
      sample: shop.example.com
    port:
      description: The port.
      type: int
      sample: 443
    address:
      description: Address that it happened to, null for the endpoint as a whole.
      type: str
      sample: 192.0.2.10
    message:
      description: One sentence for people.
      type: str
      sample: shop (shop.example.com:443, 192.0.2.10) serves another certificate, 60 days before the former one ends.
    details:
      description: What belongs to this kind of event, fingerprints before and after for example.
      type: dict
      sample: {}
problems:
  description: The events that were tried and not confirmed, at most the first hundred.
  returned: success and failure
  type: list
  elements: dict
  contains:
    id:
      description: Idempotency key, the same whenever the same event is sent.
      type: str
      sample: 1f0c8a5e9b7d4c3e8a6f
    name:
      description: The endpoint's name.
      type: str
      sample: shop
    fault:
      description: V(refused), the receiver does not want this one. V(unavailable), it took nothing.
      type: str
      sample: unavailable
    message:
      description: What is wrong and what to do.
      type: str
      sample: "https://eda.example.com:8443: no answer within 10 seconds. It may have the event all the same."
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_events import (
    ARGUMENT_SPEC,
    REQUIREMENTS,
    run,
)
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, **REQUIREMENTS))


if __name__ == "__main__":
    main()
