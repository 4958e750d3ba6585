# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: _certificate_receiver
short_description: What the role certificate_receiver installs on a host
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.certificate_receiver#role) alone.
positional: _input, key_files, seen
options:
  _input:
    description: The variables of the role, without its prefix. Text that means another type becomes it.
    type: dict
    required: true
  key_files:
    description: Content of the public key files on the controller, by path.
    type: dict
    required: true
  seen:
    description: Lines of the program that looks at the host.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Whose uploads are taken?
  ansible.builtin.debug:
    msg: "{{ (variables | certops.rotation._certificate_receiver({})).pushers | map(attribute='user') }}"
"""

RETURN = r"""
_value:
  description: Accounts, places, keys and the settings of sshd, and what is wrong with the variables.
  type: dict
"""


def certificate_receiver(
    variables: t.Mapping[str, t.Any], key_files: t.Mapping[str, str], seen: t.Sequence[str] = ()
) -> dict[str, t.Any]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.push.receiving import (
        ReceiverPlan,
        ReceiverSettings,
    )
    from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed_fields

    try:
        settings = ReceiverSettings(**typed_fields(ReceiverSettings, variables, "certificate_receiver_"))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None
    return ReceiverPlan(settings, key_files, seen).as_dict()


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_certificate_receiver": certificate_receiver}
