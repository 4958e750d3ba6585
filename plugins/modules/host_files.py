#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Keep directories and small files of a host as they are wanted, all in one call
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Makes directories, writes files from templates or given content, and removes others. One call does what a dozen
    tasks would, in the time of one.
  - Each file is written whole or not at all, beside its place and with its owner and mode from the beginning, and then
    renamed. One that is already as wanted is not touched.
options:
  directories:
    description: Directories to be there, in this order. Those above them are made, too, with mode C(0755).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Permissions, as quoted octal text.
        type: raw
        default: "0755"
  files:
    description: Files to be there.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: What is in it. A dictionary or list is written as JSON.
        type: str
      src:
        description: Instead of O(files[].content), a template, looked for as M(ansible.builtin.template) does.
        type: str
      mode:
        description: Permissions, as quoted octal text.
        type: raw
        default: "0644"
  secret_files:
    description:
      - The same for files whose content no diff, result or log may show.
      - A mode that lets others read them is refused, and so is a directory where others could replace them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: What is in it. A dictionary or list is written as JSON.
        type: str
      src:
        description: Instead of O(secret_files[].content), a template.
        type: str
      mode:
        description: Permissions, as quoted octal text.
        type: raw
        default: "0600"
  absent:
    description: Absolute paths of files or links that are not to be there. A directory is an error.
    type: list
    elements: path
    default: []
  owner:
    description: Owner of all of them, a name or a number. By default they keep whom the system gives them.
    type: str
  group:
    description: Their group, a name or a number. By default they keep the one that the system gives them.
    type: str
extends_documentation_fragment:
  - certops.rotation.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Of O(files). The content of O(secret_files) is never shown.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
seealso:
  - module: ansible.builtin.template
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: A program, its settings and its environment
  certops.rotation.host_files:
    owner: root
    group: root
    directories:
      - path: /opt/report
      - {path: /etc/report, mode: "0700"}
    files:
      - {path: /opt/report/run, src: run.j2, mode: "0755"}
      - {path: /etc/report/hosts.json, content: "{{ groups.haproxy }}"}
    secret_files:
      - {path: /etc/report/environment, src: environment.j2}
    absent:
      - /opt/report/run.old
"""

RETURN = r"""
directories:
  description: Directories that were made or changed, or would be in check mode.
  returned: success
  type: list
  elements: str
written:
  description: Files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/opt/report/run]
removed:
  description: Files that were removed, or would be.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.host_files import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
