# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller's side of the modules that take private keys or other secrets as content."""

from __future__ import annotations

import contextlib
import gc
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.certops.rotation.plugins.module_utils._module.screening import Spec, holds_secret, screen

# Of all that speaks to AWS.
_AWS_SECRETS: Spec = {
    "secret_key": {"no_log": True, "aliases": ["aws_secret_access_key", "aws_secret_key"]},
    "session_token": {"no_log": True, "aliases": ["aws_session_token"]},
}


def refuse_misplaced_keys(spec: Spec, given: t.Mapping[str, t.Any], error: type[Exception] = AnsibleActionFail) -> None:
    """For what the controller uses itself: Ansible's own checks quote what they refuse.

    spec: of a module; further options are public ones. Raises error.
    """
    refusals = screen({**{name: {} for name in given}, **_AWS_SECRETS, **spec}, given).refusals
    if refusals:
        raise error("\n".join(refusals))


class KeyKeepingAction(NormalAction):
    """Runs the module of its name as Ansible would, unless keys that the task brings along would stay somewhere."""

    #: Of the module.
    argument_spec: t.ClassVar[Spec] = {}

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        self.keep_keys()
        return dict(super().run(tmp, task_vars))

    def _configure_module(self, *arguments: t.Any, **named: t.Any) -> t.Any:
        """Ansible packs the module here, unless it has done so for another host."""
        with _without_garbage_collection():
            return super()._configure_module(*arguments, **named)

    def keep_keys(self) -> None:
        """Before anything is sent. Raises AnsibleActionFail."""
        if holds_secret(self.argument_spec, self._task.args):
            self.refuse_to_show_keys()

    def refuse_to_show_keys(self) -> None:
        """Raises AnsibleActionFail while Ansible prints a module's arguments, or leaves them where others find them."""
        settings = {
            "debug": constants.DEFAULT_DEBUG,
            "keep_remote_files": constants.DEFAULT_KEEP_REMOTE_FILES,
            "allow_world_readable_tmpfiles": self._writes_for_everybody(),
        }
        wrong = [name for name, is_on in settings.items() if is_on]
        if wrong:
            raise AnsibleActionFail(
                f"Ansible's setting {' and '.join(wrong)} would show private keys or other secrets of this task, or"
                " leave them on the host. Switch it off. Options that name files of the host are not concerned."
            )

    def _writes_for_everybody(self) -> bool:
        """Whether every user of the host may read the file in which the arguments go to an unprivileged user."""
        return (
            self._is_become_unprivileged()
            and bool(self.get_shell_option("world_readable_temp", False))
            and not self._is_pipelining_enabled("new", bool(self._task.async_val))
        )


@contextlib.contextmanager
def _without_garbage_collection() -> t.Iterator[None]:
    """For the syntax trees of some hundred files, which are none: to look for it meanwhile takes a third of the time.

    Nor is it looked for afterwards in what was there before: a worker has inherited that from Ansible, and soon ends.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
