# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.module_utils._core.expiry import has_expired
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import parse_isoformat_utc
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError

DOCUMENTATION = r"""
name: expired
short_description: Has a certificate expired?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Whether the validity of a certificate has ended.
positional: _input
options:
  _input:
    description:
      - A dictionary with C(not_after), as the modules of this collection return them; or an instant such as
        V(2027-01-30T00:00:00Z); or a certificate as PEM, of several the first.
    type: raw
    required: true
  at:
    description: The instant to judge from, such as V(2027-01-30T00:00:00Z). By default now.
    type: str
seealso:
  - plugin: certops.rotation.expiring_within
    plugin_type: test
"""

EXAMPLES = r"""
- name: None may have expired
  ansible.builtin.assert:
    that: observed.endpoints | select('certops.rotation.expired') | length == 0
"""

RETURN = r"""
_value:
  description: Whether it has.
  type: bool
"""


def expired(certificate: t.Any, at: str | None = None) -> bool:
    try:
        now = parse_isoformat_utc(str(at)) if at else datetime.datetime.now(datetime.timezone.utc)
        return has_expired(certificate, now=now)
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None


class TestModule:
    """Jinja2 tests of certops.rotation."""

    __test__ = False

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        return {"expired": expired}
