# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/pushing.md as a reader follows it: each of its commands, in order, with its files, on three hosts with a real
systemd, sshd and nginx that Ansible reaches by SSH.

Only the addresses and ports of the hosts are others, and where Ansible is installed from.
"""

from __future__ import annotations

import contextlib
import pathlib
import ssl
import sys
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented, pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.certbot_directory import CertbotDirectory
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.ssh_hosts import make_key
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services
from ansible_collections.certops.rotation.tests.support.waiting import eventually

PAGE = "pushing.md"
COMMANDS = documented.commands(PAGE)
PUSHER, WEB1, WEB2 = "certbot.example.com", "web1.example.com", "web2.example.com"
LINEAGE = "www.example.com"
COLLECTIONS = {"ANSIBLE_COLLECTIONS_PATH": str(documented.ROOT / ".dev" / "collections"), "ANSIBLE_NOCOLOR": "true"}
_SSHD = "Port {port}\nListenAddress 127.0.0.1\n"
_NGINX = """\
server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate /etc/certops/live/www.example.com/fullchain.pem;
    ssl_certificate_key /etc/certops/live/www.example.com/privkey.pem;
}}
"""
_PLACEHOLDER = "/etc/certops/live/www.example.com"


class Machine:
    """ssh_port: of its sshd, which lets root in for Ansible; web_port: of nginx."""

    def __init__(self, host: SystemdHost, key: pathlib.Path) -> None:
        self.host, self.ssh_port, self.web_port = host, free_port(), free_port()
        host.write("/root/settings", _SSHD.format(port=self.ssh_port))
        host.write("/root/.ssh/authorized_keys", key.with_suffix(".pub").read_text())
        self.shell("cat /etc/ssh/sshd_config >>/root/settings && cp /root/settings /etc/ssh/sshd_config")
        # Its own keys, and PAM lets nobody but root in before systemd-user-sessions has been started.
        self.shell("rm -f /etc/ssh/ssh_host_* && ssh-keygen -A && systemctl start ssh systemd-user-sessions")

    def serve(self, placeholder: pki.IssuedCertificate) -> None:
        """By nginx, from the place that the page names, in which there is something already."""
        self.shell(f"mkdir -p /var/log/nginx {_PLACEHOLDER} && rm -f /etc/nginx/sites-enabled/default")
        self.host.write(f"{_PLACEHOLDER}/fullchain.pem", placeholder.certificate_pem)
        self.host.write(f"{_PLACEHOLDER}/privkey.pem", placeholder.private_key_pem)
        self.host.write("/etc/nginx/conf.d/www.conf", _NGINX.format(port=self.web_port))
        self.shell("systemctl start nginx")

    def served(self) -> str:
        """The leaf that a handshake gets, as PEM."""
        return ssl.get_server_certificate(("127.0.0.1", self.web_port), timeout=10)

    def shell(self, script: str, check: bool = True) -> str:
        process = self.host.run("sh", "-c", script, check=check)
        secrets_scan.assert_no_private_key(process.stdout + process.stderr)
        return process.stdout + process.stderr

    def variables(self, key: pathlib.Path) -> dict[str, t.Any]:
        options = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR"
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.ssh_port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": options,
            "ansible_python_interpreter": sys.executable,
            "web_port": self.web_port,
        }


class Reader:
    """Who follows the page, in a directory with its files."""

    def __init__(self, hosts: t.Sequence[SystemdHost], directory: pathlib.Path) -> None:
        self.directory = directory
        key = directory / "root_key"
        make_key(key)
        self.machines = {name: Machine(host, key) for name, host in zip((PUSHER, WEB1, WEB2), hosts)}
        self.pusher, self.web1, self.web2 = self.machines.values()
        self.certbot = CertbotDirectory(self.pusher.host.shared / "letsencrypt")
        self.pusher.shell(f"mkdir -p /etc/letsencrypt && ln -s {self.certbot.live} /etc/letsencrypt/live")
        for web in (self.web1, self.web2):
            web.serve(pki.self_signed(LINEAGE))
        self._done: list[str] = []
        for name, content in documented.files(PAGE).items():
            (directory / name).write_text(content.replace("port: 443", 'port: "{{ web_port }}"'))
        for name, machine in self.machines.items():
            self._write_vars("host_vars", name, {**machine.variables(key), **self._around(machine)})

    def _around(self, machine: Machine) -> dict[str, t.Any]:
        """What is installed from, and what its services see."""
        shared = machine.host.shared
        return {
            "rotation_schedule_virtualenv": sys.prefix,
            "rotation_schedule_requirements": [],
            "rotation_schedule_collections": [],
            "rotation_schedule_collections_path": str(documented.ROOT / ".dev" / "collections"),
            "rotation_schedule_service_options": [*visible_in_services(), f"BindPaths={shared}"],
            "certificate_push_every": 60,
        }

    def _write_vars(self, kind: str, name: str, variables: t.Mapping[str, t.Any]) -> None:
        (self.directory / kind).mkdir(exist_ok=True)
        (self.directory / kind / f"{name}.yml").write_text(yaml.safe_dump(dict(variables)))

    def follow(self, beginning: str, code: int = 0) -> str:
        """The next block of commands, which has to begin so, on the controller. What it prints."""
        block = self._next(beginning)
        ended = documented.shell(block, self.directory, {**COLLECTIONS, "ANSIBLE_PIPELINING": "true"}, timeout=400)
        assert ended.returncode == code, f"$ {block}\n{ended.stdout}"
        return ended.stdout

    def follow_on_pusher(self, beginning: str, code: int = 0) -> str:
        block = self._next(beginning)
        ended = self.pusher.host.run("sh", "-ec", block, check=False)
        output = ended.stdout + ended.stderr
        secrets_scan.assert_no_private_key(output)
        assert ended.returncode == code, f"$ {block}\n{output}"
        return output

    def _next(self, beginning: str) -> str:
        block = COMMANDS[len(self._done)]
        assert block.startswith(beginning), f"{beginning} is to come, and there is: {block}"
        self._done.append(block)
        return block

    @property
    def has_read_all(self) -> bool:
        return self._done == COMMANDS


@pytest.fixture
def reader(tmp_path: pathlib.Path) -> t.Iterator[Reader]:
    with contextlib.ExitStack() as life:
        yield Reader([life.enter_context(SystemdHost()) for _host in range(3)], tmp_path)


def test_the_page(reader: Reader) -> None:
    webs = (reader.web1, reader.web2)
    first = reader.certbot.renew(LINEAGE)
    reader.follow("ansible-playbook site.yml -i inventory.yml\n")
    reader.follow_on_pusher("certops-push --push\n")
    assert [web.served() for web in webs] == [first.certificate_pem] * 2

    second = reader.certbot.renew(LINEAGE)
    reader.pusher.shell("/etc/letsencrypt/renewal-hooks/deploy/certops-push")
    eventually(lambda: [web.served() for web in webs] == [second.certificate_pem] * 2)
    eventually(lambda: "www.example.com.json" not in reader.pusher.shell("find /var/lib/certops-push/owed"))

    status = reader.follow_on_pusher("/opt/certificate-push/run certops.rotation.status")
    assert "Healthy: 2 hosts, 0 lineages owed, 0 given up." in status
    doctor = reader.follow_on_pusher("/opt/certificate-push/run certops.rotation.doctor")
    assert "lets certdeploy in by SFTP" in doctor
    queue = reader.follow_on_pusher("ls /var/lib/certops-push")
    assert f"/var/lib/certops-push/confirmed/{WEB1}/{LINEAGE}.json" in queue

    reader.follow("ansible-playbook requeue.yml -i inventory.yml")
    reader.web2.shell("systemctl stop ssh")
    again = reader.follow_on_pusher("certops-push --push --lineage", code=2)
    assert f"{WEB2}" in again
    assert "onnection refused" in again
    reader.web2.shell("systemctl start ssh")
    after_the_host_was_down(reader)


def after_the_host_was_down(reader: Reader) -> None:
    reader.follow("ansible-playbook certops.rotation.deploy -i inventory.yml -e @services.yml")
    third = reader.certbot.renew(LINEAGE)
    reader.follow("ansible-playbook push.yml -i inventory.yml -e @careful.yml")
    forgotten = reader.follow("ansible-playbook forget.yml -i inventory.yml")
    assert "changed=1" in forgotten
    both = reader.follow("ansible-playbook push.yml -i inventory.yml --check")
    assert both.count("PLAY RECAP") == 2
    for web in (reader.web1, reader.web2):
        eventually(lambda web=web: web.served() == third.certificate_pem)
    reader.follow("ansible-playbook certops.rotation.deploy -i inventory.yml")
    assert reader.has_read_all
