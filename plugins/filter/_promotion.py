# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: _promotion
short_description: What the role promotion decides
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.promotion#role) alone.
positional: _input, question
options:
  _input:
    description:
      - Candidates, as M(certops.rotation.certificate_candidate_info) returns them, for V(verdicts) and V(wait).
      - Checks as the user has them for V(checks), and as that has given them for V(judge).
      - Verdicts for V(report), V(behind) and V(moves), a selection for V(selections), a duration for V(rest).
      - Variables of a host for V(told), V(rotated) and V(selected), a candidate for V(identifier).
    type: raw
    required: true
  question:
    description: What is asked for.
    type: str
    choices:
      - verdicts
      - wait
      - rest
      - checks
      - judge
      - report
      - behind
      - selections
      - told
      - rotated
      - selected
      - identifier
      - moves
    required: true
  more:
    description: What else is known, as keywords.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: What may be promoted?
  ansible.builtin.debug:
    msg: "{{ candidates | certops.rotation._promotion('verdicts', canaries=canaries, rules=rules) }}"
"""

RETURN = r"""
_value:
  description: What was asked for.
  type: raw
"""


def promotion(value: t.Any, question: str, **more: t.Any) -> t.Any:
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
    from ansible_collections.certops.rotation.plugins.plugin_utils import _promotion as questions

    try:
        return questions.QUESTIONS[question](value, **more)
    except (RotationError, ValueError) as error:
        raise AnsibleFilterError(str(getattr(error, "message", error))) from None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_promotion": promotion}
