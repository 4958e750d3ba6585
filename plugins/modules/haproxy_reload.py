#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_reload
short_description: Reload HAProxy and know the result
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Checks the configuration first, reloads HAProxy, and waits until it is known whether a new worker serves.
  - When the check or the reload fails, the module fails with HAProxy's startup log where there is one, and the old
    worker keeps serving.
  - A new worker that ends as soon as it is started (no chroot directory, for instance) takes HAProxy with it. The
    module fails and says so.
  - HAProxy must run in master-worker mode.
requirements:
  - HAProxy >= 2.5 in master-worker mode
options:
  method:
    description:
      - How to reload.
      - V(master) asks HAProxy's master process over its socket. Since HAProxy 2.7 it answers with the result and the
        startup log. For older versions the result is read from C(show proc), which gives no log.
      - V(systemd) runs C(systemctl reload). The unit proves the syntax of the configuration only, so the result is
        read from the unit's processes, where a new worker must appear and stay. With O(socket) a failure is known
        sooner.
      - V(docker) sends O(signal) to O(container) through the Docker Engine API. It needs neither the C(docker) command
        nor a Python library. The container must keep running, and a new worker must appear in its list of processes and
        stay.
      - V(signal) sends O(signal) to the process of O(pid_file), which must be HAProxy's master on this host. A new
        worker must appear among its children and stay.
      - V(http) posts to O(url). The endpoint's status is the result, unless O(socket) tells more.
      - With V(docker) and V(signal), and without O(socket), a failed reload is known only when O(timeout) is over, and
        a worker that lives for two seconds beside the old one counts as the new one.
      - Give this or O(methods).
    type: str
    choices: [master, systemd, docker, http, signal]
  methods:
    description:
      - Several ways to reload, in the order in which they are tried. The first one that works is used. The next one is
        tried only where HAProxy was not reached, not where it looked at its configuration and refused it.
      - Each needs what O(method) says of it.
    type: list
    elements: str
    choices: [master, systemd, docker, http, signal]
  socket:
    description:
      - Address of the master's socket (option C(-S) of HAProxy or C(master-socket)), a path or V(host:port).
      - Required for O(method=master). With every other O(method), the result is learned there. Of O(methods) it is for
        V(master) alone.
    type: str
  service:
    description: The unit for O(method=systemd), one name and no pattern.
    type: str
    default: haproxy
    aliases: [unit]
  container:
    description:
      - Name or id of the container. Its main process must be HAProxy, or one that passes signals on.
      - Required for O(method=docker).
    type: str
  docker_host:
    description:
      - Where the Docker Engine API is, V(unix:///path), V(tcp://host:port) or V(https://host:port).
      - Who may use the API is as good as root on its host. A proxy that allows no more than C(GET) and C(POST) below
        C(/containers/) is the safer way.
    type: str
    default: unix:///var/run/docker.sock
  signal:
    description:
      - What O(method=docker) and O(method=signal) send. HAProxy's master reloads on both.
      - Without it V(HUP) for O(method=docker) and V(USR2) for O(method=signal).
    type: str
    choices: [HUP, USR2]
  pid_file:
    description:
      - The file with the process id of HAProxy's master (option C(-p) of HAProxy or C(pidfile)).
      - Required for O(method=signal).
    type: path
  url:
    description:
      - Where to send the empty C(POST) request. Required for O(method=http).
      - It holds no credentials. Redirections are not followed, they are answers of another status.
      - Its query and fragment are hidden wherever they would be shown. The path is not.
      - Proxies of the environment are not used.
    type: str
  headers:
    description:
      - Headers of the request, for a token for instance.
      - What the endpoint answers to a request with headers, with O(username) or with a query in O(url) is not shown,
        but for its status, as it may repeat them.
    type: dict
    default: {}
  username:
    description: User for HTTP basic authentication.
    type: str
  password:
    description: Password of O(username).
    type: str
  status_code:
    description: The statuses that mean that HAProxy was reloaded.
    type: list
    elements: int
    default: [200]
  url_timeout:
    description: Seconds for all of the exchange with O(url), however slowly it answers.
    type: float
    default: 30
  ca_path:
    description: PEM file with the CAs of an C(https) O(url) or O(docker_host). Without it those of the system.
    type: path
  client_cert:
    description: PEM file with a client certificate for O(url) or O(docker_host).
    type: path
  client_key:
    description: PEM file with the key of O(client_cert), not encrypted. Without it the key is in O(client_cert).
    type: path
  check_config:
    description:
      - Whether to check the configuration with C(haproxy -c) before the reload. An invalid one is then not even tried.
      - Where it refuses, it is made again with what the running HAProxy has of environment and working directory, or
        its service when the process may not be looked at.
      - A check that cannot tell, because this user may not read a file, a variable is not known or another program
        than O(binary) runs, is a warning. HAProxy itself decides then, which keeps the old worker if it refuses.
      - It runs where the module runs, and needs O(binary) and O(config) there. Set this to V(false) where HAProxy
        is in a container or on another host.
    type: bool
    default: true
  config:
    description: The configuration files or directories, in the order of HAProxy's options C(-f).
    type: list
    elements: path
    default: [/etc/haproxy/haproxy.cfg]
  environment:
    description: Variables of HAProxy's process that its configuration uses, in addition to those that are found.
    type: dict
    default: {}
  binary:
    description: The program that checks the configuration, a path or a name.
    type: str
    default: haproxy
    aliases: [executable]
  timeout:
    description: Seconds to wait for the check, and again for the reload, O(method=http) without O(socket) excepted.
    type: float
    default: 90
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_haproxy
attributes:
  check_mode:
    support: full
    details:
      - The configuration is checked, nothing is reloaded.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every run reloads. Use it in a handler or behind a condition.
seealso:
  - module: certops.rotation.haproxy_certificate
"""

EXAMPLES = r"""
- name: Reload through the master process
  certops.rotation.haproxy_reload:
    method: master
    socket: /run/haproxy-master.sock

- name: Reload the systemd unit
  certops.rotation.haproxy_reload:
    method: systemd
    service: haproxy
    socket: /run/haproxy-master.sock
    config:
      - /etc/haproxy/haproxy.cfg
      - /etc/haproxy/conf.d

- name: Reload a container through a proxy of the Docker socket
  certops.rotation.haproxy_reload:
    method: docker
    container: haproxy
    docker_host: tcp://127.0.0.1:2375
    check_config: false

- name: Reload by a signal to the process of the pid file
  certops.rotation.haproxy_reload:
    method: signal
    pid_file: /run/haproxy.pid

- name: Reload over the master's socket, or through systemd where there is none
  certops.rotation.haproxy_reload:
    methods: [master, systemd]
    socket: /run/haproxy-master.sock

- name: Reload through an endpoint
  certops.rotation.haproxy_reload:
    method: http
    url: https://lb.example.com:8443/reload
    headers:
      Authorization: "Bearer {{ reload_token }}"
    check_config: false
"""

RETURN = r"""
reloaded:
  description: Whether HAProxy was reloaded and a new worker serves. Always V(false) in check mode and on failure.
  returned: always
  type: bool
log:
  description:
    - What the check and HAProxy's startup said. May be empty.
    - When a reload through systemd failed, what systemctl said and the unit's journal since then.
    - With O(method=docker) what the container has logged since the signal, with O(method=http) the answer to a request
      that succeeded and sent neither headers, nor a user, nor a query.
  returned: always
  type: str
method:
  description: The method used. Of O(methods) the last one that was tried.
  returned: always
  type: str
  sample: master
reload_attempts:
  description:
    - Each way to reload HAProxy that was tried, in order. C(msg) says why it failed, the other fields are those of
      M(certops.rotation.haproxy_reload).
  returned: always
  type: list
  elements: dict
  sample: [{method: master, reloaded: true, log: "", worker_pid_before: 4711, worker_pid_after: 4712}]
worker_pid_before:
  description: Process id of the worker before the reload. V(null) for O(method=http) without O(socket).
  returned: success
  type: int
worker_pid_after:
  description:
    - Process id of the worker after the reload. In check mode that of the present one.
    - V(null) for O(method=http) without O(socket).
  returned: success
  type: int
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_options import (
    BINARY_OPTION,
    CONFIG,
    DOCKER_HOST_OPTION,
    RELOAD_METHODS,
    SERVICE_OPTION,
)
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_reload import run

ARGUMENT_SPEC = {
    "method": {"type": "str", "choices": [*RELOAD_METHODS]},
    "methods": {"type": "list", "elements": "str", "choices": [*RELOAD_METHODS]},
    "socket": {"type": "str"},
    "service": {**SERVICE_OPTION, "aliases": ["unit"]},
    "container": {"type": "str"},
    "docker_host": DOCKER_HOST_OPTION,
    "signal": {"type": "str", "choices": ["HUP", "USR2"]},
    "pid_file": {"type": "path"},
    "url": {"type": "str", "no_log": True},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "status_code": {"type": "list", "elements": "int", "default": [200]},
    "url_timeout": {"type": "float", "default": 30},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "check_config": {"type": "bool", "default": True},
    "config": {"type": "list", "elements": "path", "default": [CONFIG]},
    "environment": {"type": "dict", "default": {}},
    "binary": {**BINARY_OPTION, "aliases": ["executable"]},
    "timeout": {"type": "float", "default": 90},
}


def main() -> None:
    run(
        GuardedModule(
            argument_spec=ARGUMENT_SPEC,
            required_if=[
                ("method", "master", ["socket"]),
                ("method", "docker", ["container"]),
                ("method", "signal", ["pid_file"]),
                ("method", "http", ["url"]),
            ],
            required_one_of=[("method", "methods")],
            mutually_exclusive=[("method", "methods")],
            required_by={"client_key": "client_cert", "password": "username"},
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
