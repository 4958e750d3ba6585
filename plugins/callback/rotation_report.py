# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_report
type: aggregate
short_description: How a rotation went on each host, as a table and as a file
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Prints a table after the recap, one line for each host of a play with the role
    P(certops.rotation.haproxy_certificates#role), hosts that failed, could not be reached or were not tried among them.
  - Where the variable C(rotation_report_file) names a file on the controller, the same is written there as JSON. Where
    C(rotation_report_page) names one, it is written there as one HTML page that needs no network. The variables may
    come from the inventory, the play or the command line. What hosts send as facts does not count, neither as the
    variable nor in its template.
  - The table goes to the standard output with the stdout callbacks C(default) and C(ansible.posix.debug), and in AWX.
    With any other one, such as C(ansible.posix.json), the standard output is a document of its own, and the table goes
    to the standard error.
  - Only a regular file is replaced, in one step. Something else of that name, a device or a directory, is left alone.
  - The playbook C(certops.rotation.rotate) uses it by itself. For a playbook of your own add
    C(certops.rotation.rotation_report) to C(callbacks_enabled) in C(ansible.cfg).
"""

import json
import pathlib
import typing as t
from datetime import datetime, timezone

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar
from ansible_collections.certops.rotation.plugins.module_utils._core.record.page import filled, made_of
from ansible_collections.certops.rotation.plugins.module_utils._core.record.run_report import (
    HostRotation,
    page_document,
    report,
    table,
    well_formed,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.text import shown
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.atomic import FileAttributes
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.places import open_place
from ansible_collections.certops.rotation.plugins.plugin_utils._dashboard import page_without_data
from ansible_collections.certops.rotation.plugins.plugin_utils._own_variables import own_variables

_PREFIX = "certops.rotation."
# The tasks by which a play is known to rotate, the first ones of the role.
_ROTATIONS = (f"{_PREFIX}haproxy_rotation", f"{_PREFIX}certificate_sync")
_BEGINNINGS = (f"{_PREFIX}rotation_preflight_info", *_ROTATIONS)
_SET_FACT = ("ansible.builtin.set_fact", "set_fact", "ansible.legacy.set_fact")
# Their standard output is text for people, that of others may be a document. AWX's writes what Ansible's own does.
_FOR_PEOPLE = (
    "default",
    "ansible.builtin.default",
    "ansible.legacy.default",
    "debug",
    "ansible.posix.debug",
    "awx_display",
)


class CallbackModule(CallbackBase):
    """Callback certops.rotation.rotation_report."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "certops.rotation.rotation_report"
    CALLBACK_NEEDS_ENABLED = False

    _exists = False

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        # It may be enabled in ansible.cfg and loaded by the playbook as well.
        self.disabled = CallbackModule._exists
        CallbackModule._exists = True
        self._play: t.Any = None
        self._check_mode = False
        self._paths = {"rotation_report_file": "", "rotation_report_page": ""}
        self._known: dict[str, HostRotation] = {}
        self._hosts: dict[str, HostRotation] = {}

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._play = play

    def v2_playbook_on_task_start(self, task: t.Any, **_about: t.Any) -> None:
        if task.action not in _BEGINNINGS:
            return
        manager = self._play.get_variable_manager()
        hosts = manager._inventory.get_hosts(self._play.hosts, ignore_restrictions=True)
        self._hosts.update((host.name, self._of(host)) for host in hosts)
        self._check_mode = bool(task.check_mode)
        variables = own_variables(manager, self._play, hosts[0])
        templar = Templar(loader=self._play.get_loader(), variables=variables)
        for name in self._paths:
            try:
                self._paths[name] = str(templar.template(variables.get(name) or ""))
            except AnsibleError as error:
                self._paths[name] = ""
                self._display.warning(shown(f"There will be no report: {name} has no value: {error}"))

    def v2_runner_on_ok(self, result: t.Any) -> None:
        content = result._result
        action = result._task.action
        # The role publishes by set_fact, on the controller. A host's own facts say nothing.
        facts = content.get("ansible_facts") if action in _SET_FACT else None
        published = (facts or {}).get("haproxy_certificates_result")
        if action in _ROTATIONS or published:
            self._of(result._host).sync = well_formed(published or content)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._of(result._host).errors.append(str(result._result.get("msg", "")))

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._of(result._host).unreachable = str(result._result.get("msg", "")) or "unreachable"

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        if not self._hosts:
            return
        for host, rotation in self._hosts.items():
            rotation.failed = stats.summarize(host)["failures"] > 0
        if self._is_for_people:
            self._display.banner("ROTATION")
        else:
            self._tell("\nROTATION")
        for line in table(self._hosts, check_mode=self._check_mode):
            self._tell(shown(line))
        for name, content in (("rotation_report_file", self._json), ("rotation_report_page", self._page)):
            if self._paths[name]:
                try:
                    self._write(self._paths[name], content())
                except (OSError, StoreError) as error:
                    self._display.warning(f"The report could not be written: {error}")

    @property
    def _is_for_people(self) -> bool:
        return constants.DEFAULT_STDOUT_CALLBACK in _FOR_PEOPLE

    def _tell(self, line: str) -> None:
        self._display.display(line, stderr=not self._is_for_people)

    def _of(self, host: t.Any) -> HostRotation:
        return self._known.setdefault(host.name, HostRotation())

    def _json(self) -> bytes:
        return (json.dumps(report(self._hosts, check_mode=self._check_mode), indent=1) + "\n").encode()

    def _page(self) -> bytes:
        now = datetime.now(timezone.utc)
        document = page_document(self._hosts, check_mode=self._check_mode, title="Rotation of certificates", now=now)
        page = page_without_data("rotation")
        return filled(page, document, made_of(page, document))

    def _write(self, named: str, content: bytes) -> None:
        """At once, so that nobody reads half of it; in place of what has this name, and of nothing else."""
        path = pathlib.Path(named).expanduser().absolute()
        with open_place(str(path.parent), private=False) as place:
            place.write(path.name, content, FileAttributes(0o600))
        self._tell(f"The report: {path}")
