# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.module_utils._core.expiry import expires_within
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import parse_duration, parse_isoformat_utc
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError

DOCUMENTATION = r"""
name: expiring_within
short_description: Does a certificate expire soon?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Whether a certificate is valid for less than a duration. True, too, when it has expired already.
positional: _input, duration
options:
  _input:
    description:
      - A dictionary with C(not_after), as the modules of this collection return them; or an instant such as
        V(2027-01-30T00:00:00Z); or a certificate as PEM, of several the first.
    type: raw
    required: true
  duration:
    description: For example V(30d) or V(1w2d3h).
    type: str
    required: true
  at:
    description: The instant to judge from, such as V(2027-01-30T00:00:00Z). By default now.
    type: str
seealso:
  - plugin: certops.rotation.expired
    plugin_type: test
"""

EXAMPLES = r"""
- name: Certificates that need attention
  ansible.builtin.debug:
    msg: "{{ synced.certificates | select('certops.rotation.expiring_within', '14d') | map(attribute='name') }}"

- name: Renew in time
  ansible.builtin.include_tasks: renew.yml
  when: lookup('ansible.builtin.file', 'cert.pem') is certops.rotation.expiring_within('30d')
"""

RETURN = r"""
_value:
  description: Whether less than the duration remains.
  type: bool
"""


def expiring_within(certificate: t.Any, duration: str, at: str | None = None) -> bool:
    try:
        now = parse_isoformat_utc(str(at)) if at else datetime.datetime.now(datetime.timezone.utc)
        return expires_within(certificate, parse_duration(str(duration)), now=now)
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None


class TestModule:
    """Jinja2 tests of certops.rotation."""

    __test__ = False

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        return {"expiring_within": expiring_within}
