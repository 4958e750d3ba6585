# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: _way_back
short_description: What certificates that go back on many hosts need
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.haproxy_certificates#role) alone.
positional: _input, question, answer
options:
  _input:
    description: Results of M(certops.rotation.certificate_rollback), by host; or names, for V(expected).
    type: raw
    required: true
  question:
    description:
      - V(obstacles) for the hosts that cannot go back, V(moves) for what M(certops.rotation.certificate_secret_stage)
        is to do, V(expected) for what it may do, V(strangers) for secrets that nobody has named.
    type: str
    choices: [obstacles, moves, expected, strangers]
    required: true
  answer:
    description: Versions by name for V(expected), and what V(expected) gave for V(strangers).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Which hosts cannot go back?
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: plan} | certops.rotation._way_back('obstacles') }}"
"""

RETURN = r"""
_value:
  description: What was asked for.
  type: raw
"""


def way_back(value: t.Any, question: str, more: t.Any = None) -> t.Any:
    from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.way_back import (
        expected,
        moves,
        obstacles,
        strangers,
    )

    answers: dict[str, t.Callable[..., t.Any]] = {
        "obstacles": lambda plans, _more: obstacles(plans),
        "moves": lambda plans, _more: moves(plans.values()),
        "expected": expected,
        "strangers": strangers,
    }
    return answers[question](value, more or {})


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_way_back": way_back}
