# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What is told of new lineages: mirrors module_utils/_module/service_options.py and haproxy_service.py."""

    DOCUMENTATION = r"""
options:
  services:
    description:
      - What is told when a lineage has changed, in this order. One that fails does not stop the others, and is told
        again by the next run.
      - Nothing is told when nothing has changed.
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description:
          - V(systemd) restarts or reloads a unit of systemd.
          - V(docker_container) restarts running containers, or sends them a signal.
          - V(docker_service) updates services of a swarm by force, and waits until all tasks are new.
          - V(script) runs a program.
          - V(rc) restarts or reloads by C(service NAME restart), or C(rc-service) where that is not there.
          - V(haproxy) writes each lineage as one combined file into the directory that HAProxy reads, replaces it in
            HAProxy's memory, reloads where that does not do, and proves it at every listener, as
            M(certops.rotation.haproxy_rotation) does.
        type: str
        required: true
        choices: [systemd, docker_container, docker_service, script, rc, haproxy]
      name:
        description:
          - Name of the unit, the container, the swarm service, the init script, or path of the program.
          - A unit without a suffix such as C(.timer) is a C(.service). The name of a container or swarm service is the
            whole name, never a part of it; an id will do as well.
          - A program is an absolute path, or a name that is looked for on C(PATH) and then in the current directory. It
            has to be executable. It reads nothing, and learns in C(CERTOPS_LINEAGES) the names of the lineages,
            separated by spaces, and in C(CERTOPS_LINEAGE_PATHS) their directories, separated by colons. What it leaves
            running should have its output elsewhere.
          - Not needed where O(services[].filters) say which, nor for V(haproxy).
        type: str
      action:
        description:
          - V(restart) or V(reload) for O(services[].type=systemd) and O(services[].type=rc), V(restart) or V(signal)
            for O(services[].type=docker_container), V(update) for O(services[].type=docker_service) and
            O(services[].type=haproxy), V(run) for O(services[].type=script).
          - By default the first of these, and V(signal) where O(services[].signal) is given.
        type: str
        choices: [restart, reload, signal, update, run]
      filters:
        description:
          - Filters of the Docker Engine API that say which containers or swarm services, such as C(label), each with a
            text or a list of texts. All that match are told. With O(services[].name) both have to fit.
        type: dict
      signal:
        description: What V(signal) sends, by its name with or without C(SIG). V(HUP) if nothing is said.
        type: str
      arguments:
        description: For a program.
        type: list
        elements: str
      timeout:
        description:
          - Seconds that telling the service may take, V(60) if nothing is said. A program that takes longer is ended,
            with all that it started. A container has its own time to stop, which has to be shorter.
          - Not for V(haproxy), which has time-outs of its own.
        type: float
      on_missing:
        description:
          - What if there is no such unit, init script, program or running container. V(fail) fails, V(skip) goes on,
            for one list of services on hosts that do not all have each of them.
        type: str
        choices: [fail, skip]
        default: fail
      lineages:
        description: Names of the lineages that concern this service. By default all do.
        type: list
        elements: str
      endpoints:
        description:
          - Where the service answers, each a text C(host:port) or a dictionary as in
            M(certops.rotation.tls_endpoint_info), with C(starttls) for a mail or database server for instance.
          - Once the service has been told, a new handshake has to get the leaf of a lineage that covers the name that
            is asked for, or else of one in O(services[].lineages). Asked without a name, the only lineage there is.
          - Where it gets another one although the service was told, or nothing answers that did answer before, the
            lineage goes back to its previous version, and the service is told again. Where nothing answered before,
            nothing is proven, and nothing goes back.
        type: list
        elements: raw
      prove_within:
        description:
          - Seconds within which the endpoints have to answer rightly, V(15) if nothing is said. They are asked again
            meanwhile, for a service may take its time to come up.
        type: float
      docker_host:
        description:
          - Where the Docker Engine API is, V(unix:///path), V(tcp://host:port) or V(https://host:port).
            V(unix:///var/run/docker.sock) if nothing is said.
          - For a proxy of it, containers need C(GET) and C(POST) below C(/containers/), swarm services C(GET) and
            C(POST) below C(/services/) and C(GET) of C(/tasks).
        type: str
      ca_path:
        description: PEM file with the CAs of an C(https) O(services[].docker_host). Without it those of the system.
        type: path
      client_cert:
        description: PEM file with a client certificate for O(services[].docker_host).
        type: path
      client_key:
        description:
          - PEM file with the key of O(services[].client_cert), not encrypted. Without it the key is in
            O(services[].client_cert).
        type: path
      haproxy:
        description: Which HAProxy, for O(services[].type=haproxy). Its suboptions are options of
          M(certops.rotation.haproxy_rotation).
        type: dict
        suboptions:
          path:
            description: The directory of combined files that HAProxy reads. It belongs to this service alone.
            type: path
            default: /etc/haproxy/certs
          owner:
            description: Owner of the files. By default the user who runs this.
            type: str
          group:
            description: Group of the files. By default that of the user who runs this.
            type: str
          mode:
            description: Mode of the files, as a quoted octal number.
            type: raw
            default: "0600"
          directory_mode:
            description: Mode of the directory, as a quoted octal number.
            type: raw
            default: "0700"
          socket:
            description: HAProxy's stats socket with C(level admin), for hot updates. An empty text for none.
            type: str
            default: /run/haproxy/admin.sock
          crt_list:
            description: The crt-list or directory, as HAProxy names it, to which new certificates are added.
            type: str
          timeout:
            description: Seconds for one answer of HAProxy.
            type: float
            default: 10
          reload_methods:
            description: Ways to reload where a hot update does not do, of which the first one that works is used.
            type: list
            elements: str
            choices: [master, systemd, docker, signal]
            default: [master, systemd]
          reload_timeout:
            description: Seconds for a reload.
            type: float
            default: 90
          master_socket:
            description: Socket of HAProxy's master, for the method V(master).
            type: str
            default: /run/haproxy-master.sock
          service:
            description: HAProxy's unit, for the method V(systemd).
            type: str
            default: haproxy
          container:
            description: HAProxy's container, for the method V(docker).
            type: str
            default: haproxy
          docker_host:
            description: Where the Docker Engine API is, for the method V(docker).
            type: str
            default: unix:///var/run/docker.sock
          pid_file:
            description: The file with the process id of HAProxy's master, for the method V(signal).
            type: path
            default: /run/haproxy.pid
          check_config:
            description: Whether to check the configuration with O(services[].haproxy.binary) before a reload.
            type: bool
            default: true
          binary:
            description: HAProxy's program.
            type: str
            default: haproxy
          config:
            description: HAProxy's configuration files and directories, for the check and to find the listeners.
            type: list
            elements: path
            default: [/etc/haproxy/haproxy.cfg]
          prove:
            description: Whether each listener has to show the new leaf.
            type: bool
            default: true
          binds:
            description: Listeners, each C(address:port) or a unix socket, in place of those of the configuration.
            type: list
            elements: str
            default: []
          max_names:
            description: How many names of a certificate are asked for at most. V(0) for all.
            type: int
            default: 0
          allow_unreferenced:
            description: Whether a certificate that no listener uses is no failure.
            type: bool
            default: false
          proof_timeout:
            description: Seconds for each handshake.
            type: float
            default: 5
"""
