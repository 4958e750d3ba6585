# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The AnsibleModule of all modules here: what it was given is screened first, and what it says is safe to show."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values

from .._core.text import harmless
from .screening import key_lines_in, screen, shown


class GuardedModule(AnsibleModule):
    """documents: options that take a mapping as the JSON document it was; see screen. The rest is AnsibleModule's."""

    def __init__(self, *, documents: t.Collection[str] = (), **arguments: t.Any) -> None:
        self._documents = documents
        self._refusals: list[str] = []
        self._key_lines: t.Collection[str] = ()
        self.params: dict[str, t.Any]
        super().__init__(**arguments)
        if self._refusals:
            self.fail_json(msg="")

    def _load_params(self) -> None:
        # The constructor's first step. Every later one may already fail, and then prints the arguments.
        super()._load_params()
        self.params, self._refusals, self._key_lines = screen(self.argument_spec, self.params, self._documents)

    def _log_invocation(self) -> None:
        """To the system's log, where Ansible masks a secret only as it was given, not within a list that it prints."""
        params = self.params
        self.params = shown(self.argument_spec, params)
        super()._log_invocation()
        self.params = params

    def exit_json(self, **result: t.Any) -> None:
        super().exit_json(**self._presentable(result))

    def fail_json(self, msg: str, **result: t.Any) -> None:
        # Whatever else is wrong may be wrong because of what was refused.
        if self._refusals:
            msg = "\n".join(self._refusals)
        super().fail_json(**self._presentable({"msg": msg, **result}))

    def warn(self, warning: str, *more: t.Any, **details: t.Any) -> None:
        # Since ansible-core 2.19, Ansible masks nothing in warnings.
        self._mask_keys_in(warning)
        super().warn(harmless(remove_values(warning, self.no_log_values)), *more, **details)

    def _presentable(self, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """With arguments that may be seen, and without characters that a terminal obeys, whosever they are."""
        self._mask_keys_in(result)
        presentable: dict[str, t.Any] = harmless(
            {"invocation": {"module_args": shown(self.argument_spec, self.params)}, **result}
        )
        return presentable

    def _mask_keys_in(self, output: t.Any) -> None:
        """A line of a key that was given, by whatever way it came in there: an answer that quotes it, for instance."""
        self.no_log_values.update(key_lines_in(output, self._key_lines))
