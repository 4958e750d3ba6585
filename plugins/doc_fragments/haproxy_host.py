# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How a rotation is to reach HAProxy on a host, for modules that look whether it can: mirrors what they take of
    ARGUMENT_SPEC in module_utils/_module/rotation_preflight_info.py."""

    DOCUMENTATION = r"""
options:
  activate:
    description: Will HAProxy be told about new files? Then O(socket) or one of O(reload_methods) must be usable.
      Otherwise nothing of it is looked at.
    type: bool
    default: true
  prove:
    description: Will it be proven that HAProxy serves them? Then O(binds) or O(config) must say where.
    type: bool
    default: true
  socket:
    description: HAProxy's stats socket, as a path or C(host:port). It must be of level admin.
    type: str
  reload_methods:
    description: Ways to reload HAProxy. None of them is used here.
    type: list
    elements: str
    choices: [master, systemd, docker, http, signal]
    default: []
  master_socket:
    description: The socket of HAProxy's master process, for the method V(master).
    type: str
  container:
    description: HAProxy's container, for the method V(docker).
    type: str
  docker_host:
    description: Where the Docker Engine API is, or a proxy of it, for the method V(docker).
    type: str
    default: unix:///var/run/docker.sock
  pid_file:
    description: The file with the process id of HAProxy's master, for the method V(signal).
    type: path
  reload_url:
    description: Where the method V(http) posts to. Nothing is sent here.
    type: str
  check_config:
    description: Will the configuration be checked before a reload? Then O(binary) and O(config) must be there.
      V(false) where HAProxy is in a container.
    type: bool
    default: true
  binary:
    description: The HAProxy program, which checks the configuration before a reload.
    type: str
    default: haproxy
  config:
    description: HAProxy's configuration, files or directories in the order of its option C(-f).
    type: list
    elements: path
    default: []
  binds:
    description: Where HAProxy serves the certificates. When given, its configuration is not searched for listeners.
    type: list
    elements: str
    default: []
"""
