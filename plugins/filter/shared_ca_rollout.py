# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: shared_ca_rollout
short_description: How far hosts have followed a shared authority that is being replaced
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Made for the role P(certops.rotation.shared_ca_rotation#role), and useful for a playbook that calls the modules by
    itself.
  - Compares what is stored of a shared authority with what the hosts hold, and tells the stage of the fleet, what
    stands in the way of the next one, and what a run does.
positional: _input
options:
  _input:
    description: Result of M(certops.rotation.shared_ca_info) or M(certops.rotation.shared_ca_rotation).
    type: dict
    required: true
  members:
    description:
      - For each host the result of M(certops.rotation.shared_ca_member_info) or M(certops.rotation.shared_ca_member),
        or an empty dictionary.
    type: dict
    required: true
  until:
    description: Where the run shall end.
    type: str
    choices: [published, trusted, reissued, promoted, finished]
    default: finished
  abort:
    description: Whether to go back.
    type: bool
    default: false
  force:
    description: Whether to replace the authority at once, which cuts off who trusts the one before alone.
    type: bool
    default: false
  revoke:
    description: Whether clients are to be revoked, and nothing else.
    type: bool
    default: false
seealso:
  - module: certops.rotation.shared_ca_rotation
  - module: certops.rotation.shared_ca_member_info
"""

EXAMPLES = r"""
- name: Which stage is the fleet in?
  ansible.builtin.debug:
    msg: "{{ (stored | certops.rotation.shared_ca_rollout(members={'web1': member})).stage }}"
"""

RETURN = r"""
_value:
  description: Where the rotation stands.
  type: dict
  contains:
    stage:
      description:
        - V(absent), V(settled), V(published), V(trusted), V(reissued), V(promoting), V(promoted) or V(finishing).
      type: str
    expired:
      description: What is to be said of an authority that has expired. Empty when it has not.
      type: str
    obstacles:
      description:
        - For each need a list of sentences about hosts that do not meet it. C(known), C(trusted), C(reissued),
          C(returned) and C(promoted).
      type: dict
    plan:
      description: What a run does. Empty for an authority that is absent or has expired, unless it is forced.
      type: dict
    refusal:
      description: Why there is no plan. Empty when there is one.
      type: str
    issuers:
      description:
        - For each host that has a server certificate whose it is, V(current), V(successor), V(retiring) or V(another).
      type: dict
    table:
      description: The hosts, a line each, below a heading.
      type: list
      elements: str
"""

_NEEDS = ("known", "trusted", "reissued", "returned", "promoted")


def shared_ca_rollout(
    stored: dict[str, t.Any], members: dict[str, t.Any], until: str = "finished", **options: bool
) -> dict[str, t.Any]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.rollout import Rollout
    from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

    try:
        rollout = Rollout(stored, members)
        refusal, plan = "", {}
        try:
            plan = rollout.plan(until, **options).as_dict()
        except InvalidOption as error:
            refusal = error.message
        return {
            "stage": rollout.phase,
            "expired": rollout.expired,
            "obstacles": {need: rollout.obstacles(need) for need in _NEEDS},
            "plan": plan,
            "refusal": refusal,
            "issuers": rollout.issuers,
            "table": rollout.table,
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(
            f"shared_ca_rollout was given something else than module results: {error!r}"
        ) from error


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"shared_ca_rollout": shared_ca_rollout}
