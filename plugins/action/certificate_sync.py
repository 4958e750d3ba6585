# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._module.selection import (
    SELECTION_OPTIONS,
    secret_selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._module.sync import ARGUMENT_SPEC
from ansible_collections.certops.rotation.plugins.module_utils._provided import discovery_question
from ansible_collections.certops.rotation.plugins.plugin_utils._controller_source import ControllerSource
from ansible_collections.certops.rotation.plugins.plugin_utils._spool import Spool

# Ansible imports this in the process that all workers are forked from.
_SPOOL = Spool()
_CALLS = range(5)  # discovery, perhaps by names instead of tags, values; and changes in between
_T = t.Mapping[str, t.Any]


class ActionModule(NormalAction):
    """Controller's side of certops.rotation.certificate_sync: for source=controller it asks AWS in the hosts' place."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        if self._task.args.get("source") != "controller":
            return dict(super().run(tmp, task_vars))
        if self._task.async_val:
            raise AnsibleActionFail("source=controller does not work with async: leave one of them out.")
        # What is left are the options of AWS. The hosts need no credentials, so they do not get them.
        arguments = _known(self._task.args, ARGUMENT_SPEC)
        options = {name: value for name, value in self._task.args.items() if name not in arguments}
        source = ControllerSource(options, _SPOOL, self._task._uuid)
        questions = _first_questions(arguments)
        answers: dict[str, t.Any] = {}
        for _call in _CALLS:
            answers.update(source.answer(questions))
            _refuse_to_show(answers)
            provided = {**arguments, "provided": json.dumps({**answers, "now": time.time()})}
            result = dict(self._execute_module(module_args=provided, task_vars=task_vars))
            questions = result.pop("questions", [])
            if not questions:
                return {**result, **source.requests}
        raise AnsibleActionFail("The secrets changed faster than they could be brought to this host. Run it again.")


def _known(arguments: _T, spec: _T) -> dict[str, t.Any]:
    """Those arguments of a task that the specification has."""
    names = {name for option, facts in spec.items() for name in (option, *facts.get("aliases", ()))}
    return {name: value for name, value in arguments.items() if name in names}


def _first_questions(arguments: _T) -> list[str]:
    """Which secrets are there? Nothing where nothing is selected."""
    checked = ArgumentSpecValidator(SELECTION_OPTIONS).validate(_known(arguments, SELECTION_OPTIONS))
    if checked.error_messages:
        raise AnsibleActionFail("; ".join(checked.error_messages))
    try:
        selection = secret_selection(checked.validated_parameters)
    except RotationError as error:
        raise AnsibleActionFail(error.message) from None
    return [discovery_question(selection)] if selection else []


def _refuse_to_show(answers: _T) -> None:
    settings = {"debug": constants.DEFAULT_DEBUG, "keep_remote_files": constants.DEFAULT_KEEP_REMOTE_FILES}
    wrong = [name for name, is_on in settings.items() if is_on]
    if wrong and any("value" in answer for answer in answers.values()):
        raise AnsibleActionFail(
            f"Ansible's setting {' and '.join(wrong)} would show private keys or leave them on the host."
            " Switch it off for source=controller."
        )
