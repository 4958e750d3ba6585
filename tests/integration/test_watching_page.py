# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/watching.md as a reader follows it: each of its commands, in order, with its files, on a host with a real
systemd, against a real nginx, a real HAProxy, and a mail server that wants STARTTLS.

Only the addresses and ports of the endpoints are others, and where Ansible is installed from.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import sys
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented, pki, secrets_scan, tls_server
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.nginx_server import NginxServer
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services
from ansible_collections.certops.rotation.tests.support.waiting import eventually
from ansible_collections.certops.rotation.tests.support.webhook_server import WebhookServer

PAGE = "watching.md"
COMMANDS = documented.commands(PAGE)
MONITOR, BALANCER = "watch.example.com", "lb1.example.com"
NAMES = ("www.example.com", "mail", "shop behind the balancer", "api.example.com")
WEB_NAMES = ("www.example.com", "shop.example.com")


def greeting(connection: socket.socket) -> None:
    """Of a mail server, up to the handshake (RFC 3207)."""
    connection.sendall(b"220 mail.example.com ESMTP\r\n")
    connection.recv(1024)
    connection.sendall(b"250-mail.example.com\r\n250 STARTTLS\r\n")
    connection.recv(1024)
    connection.sendall(b"220 ready\r\n")


class Scene(t.NamedTuple):
    """What is watched. ports: by host name."""

    authority: pki.CertificateAuthority
    ports: dict[str, int]
    haproxy: HaproxyInstance


class Reader:
    """Who follows the page, on the monitor host itself, in a directory with its files."""

    def __init__(self, host: SystemdHost, scene: Scene) -> None:
        self.host, self.scene = host, scene
        self.directory = host.shared / "reader"
        self.directory.mkdir()
        self._done: list[str] = []
        for name, content in documented.files(PAGE).items():
            (self.directory / name).write_text(self._of_this_machine(content) if name == "inventory.yml" else content)
        self._write_vars(MONITOR, {**self._local(), **self._around()})
        self._write_vars(BALANCER, {**self._local(), **self._balancer()})
        host.run("mkdir", "-p", "/srv/watch")

    def _of_this_machine(self, inventory: str) -> str:
        content = yaml.safe_load(inventory)
        variables = content["endpoint_monitors"]["vars"]
        for number, entry in enumerate(variables["endpoint_monitor_endpoints"]):
            known = {"host": entry} if isinstance(entry, str) else entry
            there = {"address": "127.0.0.1", "port": self.scene.ports[known["host"]]}
            variables["endpoint_monitor_endpoints"][number] = {**known, **there}
        content["haproxy"] = {"hosts": {BALANCER: {}}}
        return str(yaml.safe_dump(content))

    def _local(self) -> dict[str, t.Any]:
        return {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}

    def _around(self) -> dict[str, t.Any]:
        """What is trusted, what is installed from, and what its services see."""
        return {
            "endpoint_monitor_trust_anchors": self.scene.authority.root_pem,
            "rotation_schedule_virtualenv": sys.prefix,
            "rotation_schedule_requirements": [],
            "rotation_schedule_collections": [],
            "rotation_schedule_random_delay": 0,
            "rotation_schedule_collections_path": str(documented.ROOT / ".dev" / "collections"),
            "rotation_schedule_service_options": visible_in_services(),
        }

    def _balancer(self) -> dict[str, t.Any]:
        """Where its configuration and certificates are: what the host does not see of the tests' /tmp."""
        haproxy = self.scene.haproxy
        certificates = shutil.copytree(haproxy.certs_dir, self.host.shared / "certs")
        config = self.host.shared / "haproxy.cfg"
        config.write_text(haproxy.config_path.read_text().replace(str(haproxy.certs_dir), str(certificates)))
        return {
            "haproxy_certificates_config": [str(config)],
            "haproxy_certificates_socket": "",
            "endpoint_monitor_discover_address": "127.0.0.1",
        }

    def _write_vars(self, name: str, variables: t.Mapping[str, t.Any]) -> None:
        (self.directory / "host_vars").mkdir(exist_ok=True)
        (self.directory / "host_vars" / f"{name}.yml").write_text(yaml.safe_dump(dict(variables)))

    def follow(self, beginning: str, code: int = 0, change: tuple[str, str] = ("", "")) -> str:
        """The next block of commands, which has to begin so. What it prints. change: a text in it, and another."""
        block = COMMANDS[len(self._done)]
        assert block.startswith(beginning), f"{beginning} is to come, and there is: {block}"
        self._done.append(block)
        script = f"cd {self.directory}\n{block.replace(*change) if change[0] else block}"
        env = {"ANSIBLE_NOCOLOR": "true", "ANSIBLE_LOCALHOST_WARNING": "false"}
        ended = self.host.run("bash", "-ec", script, env=env, check=False, timeout=300)
        output = ended.stdout + ended.stderr
        secrets_scan.assert_no_private_key(output)
        assert ended.returncode == code, f"$ {block}\n{output}"
        return output

    def known(self) -> list[str]:
        """The endpoints that the dashboard shows."""
        page = self.host.run("cat", "/srv/watch/index.html").stdout
        return [
            name for name in ("www.example.com", "mail", "shop behind the balancer", "api.example.com") if name in page
        ]

    @property
    def has_read_all(self) -> bool:
        return self._done == COMMANDS


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Scene]:
    directory = tmp_path_factory.mktemp("servers")
    authority = pki.CertificateAuthority()
    for name in WEB_NAMES:
        (directory / name).mkdir()
        issued = authority.issue(name)
        (directory / name / "fullchain.pem").write_text(issued.certificate_pem)
        (directory / name / "privkey.pem").write_text(issued.private_key_pem)
    mail = tls_server.tls(directory, authority.issue("mail.example.com"), greeting)
    api = authority.issue("api.example.com").combined_pem
    with contextlib.ExitStack() as life:
        nginx = life.enter_context(NginxServer(directory / "nginx", {name: directory / name for name in WEB_NAMES}))
        port = life.enter_context(tls_server.server(mail))
        haproxy = life.enter_context(HaproxyInstance({"api.pem": api}))
        yield Scene(authority, {**dict.fromkeys(WEB_NAMES, nginx.port), "mail.example.com": port}, haproxy)


def test_the_page(scene: Scene) -> None:
    with SystemdHost() as host:
        reader = Reader(host, scene)
        reader.follow("ansible-playbook certops.rotation.monitor -i inventory.yml\n")
        assert reader.known() == ["www.example.com", "mail", "shop behind the balancer"]
        assert "-----BEGIN CERTIFICATE" in reader.follow("ansible-playbook look.yml")
        reader.follow("ansible-playbook certops.rotation.monitor -i inventory.yml -e endpoint=mail")
        with WebhookServer() as webhook:
            reader.follow(
                "ansible-playbook certops.rotation.monitor -i inventory.yml -e @receivers.yml",
                change=("https://chat.example.com/hooks/1", webhook.url),
            )
            assert webhook.posted == []  # nothing of what was seen so far is for people
        the_schedule(reader)
        reader.follow("ansible-playbook certops.rotation.monitor -i inventory.yml -e monitor_discover=haproxy")
        assert "api.example.com" in reader.known()
        assert reader.has_read_all


def the_schedule(reader: Reader) -> None:
    monitor = "ansible-playbook certops.rotation.monitor -i inventory.yml --tags schedule"
    reader.follow(monitor)
    shell = reader.host.run
    eventually(lambda: shell("test", "-e", "/var/lib/endpoint-monitor/last-success", check=False).returncode == 0)
    modes = shell("stat", "-c", "%a", "/var/lib/certops-monitor", "/var/lib/certops-monitor/endpoints.db").stdout
    assert modes.split() == ["700", "600"]
    settings = json.loads(shell("cat", "/etc/endpoint-monitor/inventory.json").stdout)
    assert settings["haproxy"]["vars"]["endpoint_monitor_dashboard"] == "/srv/watch/index.html"
    reader.follow("/opt/endpoint-monitor/run certops.rotation.monitor -e endpoint=mail")
    reader.follow(f"{monitor} -e endpoint_monitor_schedule_state=absent")
    assert shell("systemctl", "is-active", "endpoint-monitor.timer", check=False).stdout.strip() == "inactive"
    assert "endpoints.db" in shell("ls", "/var/lib/certops-monitor").stdout.split()
