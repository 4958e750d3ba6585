# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: _push_report
short_description: What a push has done, for people
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.certificate_push#role) alone.
positional: _input, predicted
options:
  _input:
    description: The result of certificate_push.
    type: dict
    required: true
  predicted:
    description: Whether it says what would be done.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Tell
  ansible.builtin.debug:
    msg: "{{ result | certops.rotation._push_report }}"
"""

RETURN = r"""
_value:
  description: Lines, one for each host to which something was owed, and one for all.
  type: list
  elements: str
"""

_WORDS: t.Final = {"confirmed": "has", "owed": "is still owed", "dead": "was given up", "unchanged": "had"}


def push_report(result: t.Mapping[str, t.Any], predicted: bool = False) -> list[str]:
    targets = result.get("targets") or []
    lines = [
        _line(str(target.get("name")), lineage, predicted)
        for target in targets
        for lineage in target.get("lineages") or []
        if lineage.get("outcome") != "unchanged"
    ]
    counts = ", ".join(f"{number} {outcome}" for outcome, number in (result.get("counts") or {}).items() if number)
    return [*lines, f"Hosts: {counts or 'none'}."]


def _line(host: str, lineage: t.Mapping[str, t.Any], predicted: bool) -> str:
    name, outcome, error = str(lineage.get("lineage")), str(lineage.get("outcome")), str(lineage.get("error") or "")
    if predicted and outcome == "owed" and not error:
        return f"{host}: would be sent {name}."
    if outcome == "owed" and lineage.get("waiting"):
        return f"{host}: {name} lies there and waits for its turn."
    if outcome == "confirmed":
        return f"{host}: {_WORDS[outcome]} {name} ({lineage.get('evidence')})."
    return f"{host}: {name} {_WORDS.get(outcome, outcome)}{': ' + error if error else '.'}"


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_push_report": push_report}
