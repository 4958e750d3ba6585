# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.filter.core import to_nice_json
from ansible.plugins.loader import lookup_loader
from ansible_collections.certops.rotation.plugins.module_utils._module.host_files import ARGUMENT_SPEC
from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import HostAction


class ActionModule(HostAction):
    """Controller's side of certops.rotation.host_files: templates become content here."""

    argument_spec = ARGUMENT_SPEC

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        self.keep_keys()
        arguments = dict(self._task.args)
        for option in ("files", "secret_files"):
            entries = arguments.get(option)
            if isinstance(entries, list):
                arguments[option] = [self._with_content(entry, task_vars or {}) for entry in entries]
        self._task.args = arguments
        return super().run(tmp, task_vars)

    def _with_content(self, entry: t.Any, task_vars: dict[str, t.Any]) -> t.Any:
        """An entry whose content is text. What is wrong with it is the module's to tell."""
        if not isinstance(entry, dict):
            return entry
        content, src = entry.get("content"), entry.get("src")
        if isinstance(content, (dict, list)):
            return {**entry, "content": f"{to_nice_json(content)}\n"}
        if src is None or content is not None:
            return entry
        template = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        (text,) = template.run([src], variables=task_vars)
        return {**{name: value for name, value in entry.items() if name != "src"}, "content": str(text)}
