# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: duration
short_description: A duration such as 1w2d in seconds, and back
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Reads the durations that the options of this collection take, and writes them.
  - A text becomes a number of seconds, a number of seconds becomes a text.
positional: _input
options:
  _input:
    description:
      - A text of weeks, days, hours, minutes and seconds in this order, for example V(30d) or V(1w2d3h4m5s), or V(0).
      - Or a number of seconds, or the difference of two instants.
    type: raw
    required: true
seealso:
  - plugin: certops.rotation.expiring_within
    plugin_type: test
"""

EXAMPLES = r"""
- name: Seconds
  ansible.builtin.debug:
    msg: "{{ '1h30m' | certops.rotation.duration }}"
  # 5400

- name: Text
  ansible.builtin.debug:
    msg: "{{ 5400 | certops.rotation.duration }}"
  # 1h30m
"""

RETURN = r"""
_value:
  description: Seconds for a text, a text for seconds.
  type: raw
  sample: 5400
"""


def duration(value: t.Any) -> int | float | str:
    from ansible_collections.certops.rotation.plugins.module_utils._core.instants import format_duration, parse_duration
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError

    try:
        if isinstance(value, str):
            seconds = parse_duration(str(value)).total_seconds()
            return int(seconds) if seconds == int(seconds) else seconds
        if isinstance(value, datetime.timedelta):
            return format_duration(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return format_duration(datetime.timedelta(seconds=value))
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None
    except (OverflowError, ValueError):
        raise AnsibleFilterError(f"{value!r} seconds are no duration.") from None
    raise AnsibleFilterError("duration needs a text such as '7d', or a number of seconds.")


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"duration": duration}
