# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: _shared_ca_configurations
short_description: Configuration files with their templates rendered
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.shared_ca#role) alone.
  - Templates are rendered on the controller, where the keys are not. The host fills them in.
options:
  _terms:
    description: As the variable C(shared_ca_configurations) of the role.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Write configuration files
  certops.rotation.shared_ca_member:
    configurations: "{{ query('certops.rotation._shared_ca_configurations', shared_ca_configurations) }}"
"""

RETURN = r"""
_raw:
  description: As the option O(certops.rotation.shared_ca_member#module:configurations).
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.certops.rotation.plugins.plugin_utils._host_facts import shadowing_facts

_PASSED_ON = ("dest", "owner", "group", "mode")


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(
        self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **_options: t.Any
    ) -> list[dict[str, t.Any]]:
        return [
            {"content": self._content(each, variables), **{name: each.get(name) for name in _PASSED_ON}}
            for each in self._flatten(terms)
        ]

    def _content(self, configuration: dict[str, t.Any], variables: dict[str, t.Any] | None) -> str:
        if configuration.get("content") is not None:
            return str(configuration["content"])
        if not configuration.get("template"):
            raise AnsibleLookupError(
                f"shared_ca_configurations: {configuration['dest']} has no template, and no content."
            )
        _refuse_facts(variables or {})
        template = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        (text,) = template.run([configuration["template"]], variables, template_vars={"configuration": configuration})
        return str(text)


def _refuse_facts(variables: t.Mapping[str, t.Any]) -> None:
    """Of all hosts of the play: a template names the others, too."""
    known = variables.get("hostvars") or {}
    hosts = [host for host in variables.get("ansible_play_hosts_all") or () if host in known]
    problems = [problem for host in hosts if (problem := shadowing_facts(host, known[host]))]
    if problems:
        raise AnsibleLookupError("\n".join(problems))
