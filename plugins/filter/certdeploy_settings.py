# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t

import yaml
from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: certdeploy_settings
short_description: A configuration of certdeploy as variables of this collection's roles
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Reads C(server.yml) of certdeploy 0.1 to 0.5 and gives the variables of the role
    P(certops.rotation.certificate_push#role) that mean the same, or C(client.yml) and those of the role
    P(certops.rotation.certificate_receiver#role).
  - What certdeploy does not know or would not take is refused, all of it at once, each by its key. Keys that its
    documentation has wrong are named with what to write instead.
positional: _input, clients, queue, receiver
options:
  _input:
    description: The content of C(server.yml) or C(client.yml), as text or as what YAML makes of it.
    type: raw
    required: true
  clients:
    description: The contents of the files in C(client_config_directory), where the server has one.
    type: list
    elements: raw
    default: []
  queue:
    description: The content of the server's C(queue.json), to be told what has not been pushed yet.
    type: raw
  receiver:
    description:
      - Whether the clients have been given the role certificate_receiver. By default they are still certdeploy's, or
        plain SFTP servers, and get uploads as before.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Variables for the machine with certbot, from its certdeploy
  ansible.builtin.copy:
    dest: host_vars/certbot.example.com/push.yml
    content: "{{ (server | certops.rotation.certdeploy_settings).variables | to_nice_yaml }}"
    mode: "0600"
  delegate_to: localhost
  vars:
    server: "{{ lookup('ansible.builtin.file', 'server.yml') }}"

- name: What is different now
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', 'client.yml') | certops.rotation.certdeploy_settings).notes }}"
"""

RETURN = r"""
_value:
  description:
    - C(variables) of the role, C(notes) for people about what is different now, and C(queued), where a queue was
      given, a list of C(host), C(lineage) and C(path) that certdeploy has not pushed yet.
  type: dict
"""

_SERVER_KEYS: t.Final = frozenset({"privkey_filename", "private_key_file", "client_configs", "client_config_directory"})


def certdeploy_settings(
    config: t.Any, clients: t.Any = (), queue: t.Any = None, receiver: bool = False
) -> dict[str, t.Any]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.push.certdeploy import import_server
    from ansible_collections.certops.rotation.plugins.module_utils._core.push.certdeploy_client import import_client
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError

    given = _loaded(config, "The configuration")
    try:
        if isinstance(given, t.Mapping) and not _SERVER_KEYS.intersection(given) and "destination" in given:
            imported = import_client(given)
        else:
            more = list(clients.values()) if isinstance(clients, t.Mapping) else list(clients or ())
            entries = [_loaded(entry, f"clients[{number}]") for number, entry in enumerate(more)]
            waiting = None if queue is None else _loaded(queue, "queue.json", json.loads)
            imported = import_server(given, entries, waiting, receiver=receiver)
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None
    return dataclasses.asdict(imported)


def _loaded(content: t.Any, what: str, load: t.Callable[[str], t.Any] = yaml.safe_load) -> t.Any:
    """The message quotes nothing: a private key may be in it."""
    if not isinstance(content, str):
        return content
    try:
        return load(str(content))
    except yaml.MarkedYAMLError as error:
        line = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise AnsibleFilterError(f"{what} is no YAML{line}.") from None
    except (yaml.YAMLError, ValueError):
        raise AnsibleFilterError(f"{what} could not be read.") from None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"certdeploy_settings": certdeploy_settings}
