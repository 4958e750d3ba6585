# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller's side of the modules that bring certificates to a host: it may ask AWS in their place."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import json
import pathlib
import re
import time
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import Selection
from ansible_collections.certops.rotation.plugins.module_utils._core.text import shown
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._module.selection import (
    LABELS_OPTION,
    SELECTION_OPTIONS,
    secret_selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.live import MANIFEST_FILE, STATE_DIRECTORY
from ansible_collections.certops.rotation.plugins.plugin_utils._controller_source import ControllerSource, Selected
from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import HostAction, refuse_facts
from ansible_collections.certops.rotation.plugins.plugin_utils._key_keeping import refuse_misplaced_keys
from ansible_collections.certops.rotation.plugins.plugin_utils._spool import Spool

# Ansible imports this in the process that all workers are forked from.
_SPOOL = Spool()
_SELECTING = {**SELECTION_OPTIONS, **LABELS_OPTION}
_CALLS = range(3)  # with what was discovered, perhaps by names instead of tags, with values
# One that the host's shell takes as it is, and that means the same there as for the module.
_PLAIN_PATH = re.compile(r"/[^~$\\\n\0]*")
_VERSION_ID = re.compile(r'"version_id": "([^"]*)"')
_MOST_VERSIONS = 8 << 20  # bytes of a host's answer
_QUOTED = 200  # characters of what a host asked for
_T = t.Mapping[str, t.Any]
_R = t.TypeVar("_R")


class SourceAction(HostAction):
    """For a module with the option source: for source=controller it asks AWS in the hosts' place."""

    _is_connected = False

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        if self._task.args.get("source") != "controller":
            return super().run(tmp, task_vars)
        refuse_facts(task_vars)
        self.keep_keys()
        refuse_misplaced_keys(self.argument_spec, self._task.args)
        if self._task.async_val:
            raise AnsibleActionFail("source=controller does not work with async: leave one of them out.")
        # What is left are the options of AWS. The hosts need no credentials, so they do not get them.
        arguments = _known(self._task.args, self.argument_spec)
        options = {name: value for name, value in self._task.args.items() if name not in arguments}
        source = ControllerSource(options, _SPOOL, self._task._uuid)
        selected = Selected(_selection(arguments), may_fall_back=arguments.get("on_discovery_error") == "fallback")
        is_first = not self._is_packed() and _SPOOL.is_first()
        ahead = source.asking_ahead(selected.first_questions) if is_first else contextlib.nullcontext()
        # It forks: before there are threads.
        with ahead, concurrent.futures.ThreadPoolExecutor(2) as pool:
            looked = _beside(pool, self._versions_there)
            if is_first:
                # Ansible keeps the pack, and adds the arguments to it anew. One pack is enough for all hosts.
                super()._configure_module(self._task.action, arguments, task_vars=task_vars)
            else:
                asked = _beside(pool, source.answer, selected.first_questions)
            there = looked.result()
        answers = source.answer(selected.first_questions) if is_first else asked.result()
        # What the module will ask for, so that one run of it is enough.
        questions = [
            question for question, version in selected.values(answers).items() if there and version not in there
        ]
        for _call in _CALLS:
            answers.update(source.answer(questions))
            if any("value" in answer for answer in answers.values()):
                self.refuse_to_show_keys()
            provided = {
                **arguments,
                "provided": json.dumps({**answers, "now": time.time(), "requests": source.requests}),
            }
            result = self.presentable(self._execute_module(module_args=provided, task_vars=task_vars))
            questions = result.pop("questions", None) or []
            if not questions or result.get("failed"):
                return {**result, **source.requests}
            wrong = selected.refused(questions, answers)
            if wrong is not None:
                raise AnsibleActionFail(
                    f"Host {task_vars['inventory_hostname']} asked the controller for what this task has not selected"
                    f" for it: {shown(wrong)[:_QUOTED]}. It was given nothing of it. No module of this collection asks"
                    " so: find out who has changed what runs on this host."
                )
        raise AnsibleActionFail(
            f"Host {task_vars['inventory_hostname']} goes on asking for what it has been given. Run it again."
        )

    def _versions_there(self) -> set[str]:
        """Versions of secrets that the manifest on the host names; none where that cannot be told.

        It is only looked at, in bounded size: where it is no use, the module asks as it does anyway.
        """
        path = str(self._task.args.get("path") or "")
        if not _PLAIN_PATH.fullmatch(path):
            return set()
        manifest = self._connection._shell.quote(f"{path}/{STATE_DIRECTORY}/{MANIFEST_FILE}")
        self._is_connected = True
        looked = self._low_level_execute_command(
            f'grep -o \'"version_id": "[^"]*"\' {manifest} | head -c {_MOST_VERSIONS}'
        )
        return set(_VERSION_ID.findall(str(looked.get("stdout") or "")))

    def _configure_module(self, *arguments: t.Any, **named: t.Any) -> t.Any:
        """For the first host of a run Ansible packs the module, which takes a while, and so does connecting."""
        if self._is_connected or self._is_packed() or not self._keeps_connections():
            return super()._configure_module(*arguments, **named)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            connected = _beside(pool, self._connection.exec_command, "exit 0", sudoable=False)
            packed = super()._configure_module(*arguments, **named)
            connected.result()
        return packed

    def _is_packed(self) -> bool:
        """Whether Ansible has done so for another host. That it has not, where it has, costs one command more."""
        packs = pathlib.Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        return any(packs.glob(f"*.{self._task.action.rpartition('.')[2]}-*"))

    def _keeps_connections(self) -> bool:
        """Whether a connection that one command has made is there for the next one."""
        return self._connection.transport == "ssh" and "ControlPersist" in str(self._connection.get_option("ssh_args"))


def _beside(
    pool: concurrent.futures.Executor, work: t.Callable[..., _R], *arguments: t.Any, **named: t.Any
) -> concurrent.futures.Future[_R]:
    """In another thread, with what Ansible knows of the task in this one."""
    return pool.submit(contextvars.copy_context().run, work, *arguments, **named)


def _known(arguments: _T, spec: _T) -> dict[str, t.Any]:
    """Those arguments of a task that the specification has."""
    names = {name for option, facts in spec.items() for name in (option, *facts.get("aliases", ()))}
    return {name: value for name, value in arguments.items() if name in names}


def _selection(arguments: _T) -> Selection | None:
    """As the module has it; None where nothing is selected."""
    checked = ArgumentSpecValidator(_SELECTING).validate(_known(arguments, _SELECTING))
    if checked.error_messages:
        raise AnsibleActionFail("; ".join(checked.error_messages))
    try:
        return secret_selection(checked.validated_parameters)
    except RotationError as error:
        raise AnsibleActionFail(error.message) from None
