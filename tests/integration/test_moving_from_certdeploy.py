# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way that docs/moving-from-certdeploy.md describes, with the real certdeploy: its configuration is imported,
nothing that it has queued is lost, and its own client gets it from us. And what it refuses, the importer refuses."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter.certdeploy_settings import certdeploy_settings
from ansible_collections.certops.rotation.tests.support.certbot_directory import CertbotDirectory
from ansible_collections.certops.rotation.tests.support.certdeploy_client import CertdeployClient
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.pusher_host import HOOKS, PROGRAM
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services
from ansible_collections.certops.rotation.tests.support.waiting import eventually

ROOT = pathlib.Path(__file__).parents[2]
CERTDEPLOY = ROOT / ".dev/certdeploy/bin"
PAGE = (ROOT / "docs/moving-from-certdeploy.md").read_text(encoding="utf-8")
PLAYS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
PASSWORDLESS = {"PYTHONPATH": ""}  # what this process may import is none of its business


class OldServer:
    """certdeploy's, whose client is a real one."""

    def __init__(self, directory: pathlib.Path, client: CertdeployClient) -> None:
        self.lineages = CertbotDirectory(directory / "letsencrypt")
        self.queue = directory / "queue"
        self.queue.mkdir()
        self.file = directory / "server.yml"
        target = client.target()
        self.config: dict[str, t.Any] = {
            "privkey_filename": str(client.private_key_file),
            "queue_dir": str(self.queue),
            "push_retries": 0,
            "push_mode": "parallel",
            "renew_every": 2,
            "renew_at": "15:00",
            "renew_exec": "/bin/true",
            "client_configs": [
                {
                    "address": target.address,
                    "port": target.port,
                    "domains": ["a.example.com", "b.example.com"],
                    "pubkey": target.host_keys[0],
                    "path": target.path,
                },
            ],
        }
        self.file.write_text(yaml.safe_dump(self.config))

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [str(CERTDEPLOY / "certdeploy-server"), "--config", str(self.file), *arguments]
        env = {**os.environ, **PASSWORDLESS, **environ}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)

    def hook(self, name: str) -> None:
        environ = {"RENEWED_LINEAGE": str(self.lineages.live / name), "RENEWED_DOMAINS": name}
        assert self.run(**environ).returncode == 0


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[CertdeployClient]:
    with CertdeployClient(tmp_path_factory.mktemp("client")) as running:
        yield running


@pytest.fixture
def server(client: CertdeployClient, tmp_path: pathlib.Path) -> OldServer:
    return OldServer(tmp_path, client)


def test_what_it_has_queued_is_told_and_pushed_by_us_to_its_own_client(
    server: OldServer, client: CertdeployClient, modules: ModuleServer, tmp_path: pathlib.Path
) -> None:
    """Also what no hook has told it of, and with the key pair that its client knows."""
    issued = {name: server.lineages.renew(name) for name in ("a.example.com", "b.example.com", "other.example.com")}
    server.hook("a.example.com")
    server.hook("a.example.com")
    server.hook("other.example.com")
    queue = (server.queue / "queue.json").read_text()
    imported = certdeploy_settings(server.file.read_text(), queue=queue)
    path = str(server.lineages.live / "a.example.com")
    assert imported["queued"] == [{"host": "127.0.0.1", "lineage": "a.example.com", "path": path}]

    variables = imported["variables"]
    pushed = modules.run(
        "certificate_push",
        {
            "targets": variables["certificate_push_targets"],
            "private_key_file": variables["certificate_push_private_key_file"],
            "mode": variables["certificate_push_mode"],
            "retries": variables["certificate_push_retries"],
            "lineages": str(server.lineages.live),
            "queue": str(tmp_path / "ours"),
        },
    )
    assert pushed.result["counts"]["confirmed"] == 1, pushed.result
    for name in ("a.example.com", "b.example.com"):
        file = client.destination / name / "fullchain.pem"
        client.wait_for(lambda name=name, file=file: file.exists() and issued[name].certificate_pem in file.read_text())
    assert not (client.destination / "other.example.com").exists()


def test_a_queue_of_another_one_loses_nothing(server: OldServer) -> None:
    """Of a client that is not configured any more: it is named."""
    server.lineages.renew("a.example.com")
    server.hook("a.example.com")
    changed = {**server.config, "client_configs": [{**server.config["client_configs"][0], "port": 1}]}
    imported = certdeploy_settings(changed, queue=(server.queue / "queue.json").read_text())
    assert imported["queued"] == []
    assert any(
        "live/a.example.com waits for a client that is not configured any more" in note for note in imported["notes"]
    )


# Its own verdict

_VERDICTS = """
import contextlib, io, json, sys
from certdeploy.server.config import ServerConfig
from certdeploy.server.server import Server
verdicts = []
for config in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            Server(ServerConfig(**config))
        except BaseException as error:
            verdicts.append(f"{type(error).__name__}: {error}")
        else:
            verdicts.append("")
print(json.dumps(verdicts))
"""
SERVER_VALUES: dict[str, list[t.Any]] = {
    "fail_fast": [True, False],
    "log_level": ["DEBUG", "CRITICAL", "LOUD"],
    "sftp_log_level": ["INFO", "debug"],
    "sftp_banner_timeout": [60, 1.5],
    "renew_every": [1, 2, 30, 0, -1, "1", "monday", 1.5],
    "renew_unit": ["minute", "hour", "day", "week", "monday", "Sunday", " friday ", "days", "month", "weekday", ""],
    "renew_at": ["00:00", "15:00", "23:59", "24:00", "9:00", ":30", "noon", ""],
    "renew_args": [["renew"], []],
    "push_mode": ["serial", "parallel", "SERIAL", "", 1],
    "push_interval": [0, 30, -1, "1", 1.5, None],
    "push_retries": [0, 12, -1, "1", None],
    "push_retry_interval": [0, 3600, -1, "1", None],
    "join_timeout": [None, 0, 1.5, -1, "1"],
    "private_key_file": ["x"],
    "check_renew": [{"every": "week"}],
    "client_configs": [[]],
}
CLIENT_VALUES: dict[str, list[t.Any]] = {
    "pubkey": ["ssh-ed25519 AAAA", "ssh-rsa AAAA", ""],
    "push_retries": [None, 0, 5, -1, "1", 1.5],
    "push_retry_interval": [None, 0, 5, -1, "1"],
    "needs_chain": [True, False],
    "path": [None, "", "/srv"],
    "user": ["x"],
}


def test_what_it_refuses_is_refused_and_what_it_takes_is_taken(server: OldServer) -> None:
    configs = [{**server.config, "renew_at": None, "renew_every": 1}]
    base, (entry,) = configs[0], server.config["client_configs"]
    configs += [{**base, key: value} for key, values in SERVER_VALUES.items() for value in values]
    configs += [
        {**base, "client_configs": [{**entry, key: value}]} for key, values in CLIENT_VALUES.items() for value in values
    ]
    configs += [{**base, "renew_unit": day, "renew_every": every} for day in ("monday", "sunday") for every in (1, 2)]
    configs += [{**base, "renew_unit": "hour", "renew_at": at} for at in (":30", "12:30", ":60")]
    process = subprocess.run(
        [str(CERTDEPLOY / "python"), "-c", _VERDICTS],
        input=json.dumps(configs),
        env={**os.environ, **PASSWORDLESS},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    theirs = json.loads(process.stdout.splitlines()[-1])
    assert theirs[0] == ""
    assert sum(map(bool, theirs)) > 30
    differing = []
    for config, verdict in zip(configs, theirs):
        try:
            certdeploy_settings(config)
            ours = ""
        except AnsibleFilterError as error:
            ours = str(error)
        if bool(ours) != bool(verdict):
            changed = {key: value for key, value in config.items() if value != base.get(key)}
            differing.append((changed, verdict, ours))
    # An hour and a half past noon: "MM:SS" of an hour, in certdeploy's library.
    assert differing == [({"renew_unit": "hour", "renew_at": "12:30"}, "", differing[0][2] if differing else "")]


# The page


@pytest.fixture(scope="module")
def moved(
    tmp_path_factory: pytest.TempPathFactory, client: CertdeployClient
) -> t.Iterator[tuple[SystemdHost, OldServer]]:
    with SystemdHost() as host:
        shared = host.shared / "old"
        shared.mkdir()
        server = OldServer(shared, client)
        host.write("/etc/certdeploy/server.yml", server.file.read_text())
        host.write("/etc/certdeploy/client.yml", "destination: /etc/certops/live\nupdate_delay: 5m\n")
        host.write(str(client.private_key_file), client.private_key_file.read_text())
        host.write(f"{client.private_key_file}.pub", client.private_key_file.with_suffix(".pub").read_text())
        host.run("mkdir", "-p", HOOKS, "/root/run/host_vars")
        host.run("ln", "-s", "/usr/local/bin/certdeploy-server", f"{HOOKS}/certdeploy-hook")
        yield host, server


def play(host: SystemdHost, plays: list[dict[str, t.Any]], name: str, **variables: t.Any) -> PlaybookRun:
    everywhere = {"chdir": "/root/run"}
    run = run_playbook({**everywhere, **variables}, playbook=plays, hosts=[name], inside=host)
    assert run.returncode == 0, run.output
    return run


def test_the_plays_of_the_page(moved: tuple[SystemdHost, OldServer], client: CertdeployClient) -> None:
    host, server = moved
    issued = server.lineages.renew("b.example.com")
    server.hook("b.example.com")
    host.write("/var/run/certdeploy/queue.json", (server.queue / "queue.json").read_text())
    reading, pushing, receiving = PLAYS
    name = "certbot.example.com"
    told = play(host, _with_directory(reading), name)
    (shown,) = [task.result["msg"] for task in told.tasks if task.task.startswith("Tell what is different")]
    assert {
        "host": "127.0.0.1",
        "lineage": "b.example.com",
        "path": str(server.lineages.live / "b.example.com"),
    } in shown
    variables = yaml.safe_load(host.run("cat", f"/root/run/host_vars/{name}.yml").stdout)
    assert variables["certificate_push_renew_every"] == 2

    scheduled = {
        "certificate_push_lineages": str(server.lineages.live),
        "rotation_schedule_virtualenv": sys.prefix,
        "rotation_schedule_requirements": [],
        "rotation_schedule_collections": [],
        "rotation_schedule_collections_path": str(ROOT / ".dev" / "collections"),
        "rotation_schedule_service_options": [*visible_in_services(), f"BindPaths={host.shared}"],
    }
    play(host, pushing, name, **variables, **scheduled)
    assert host.run("ls", HOOKS).stdout == "certops-push\n"
    assert host.run(PROGRAM, "--push", check=False).returncode == 0
    again = host.run("env", "CERTDEPLOY_SERVER_CONFIG=/etc/certdeploy/server.yml", PROGRAM, "--push")
    assert "Hosts: 1 unchanged." in again.stdout, "its own configuration names the same host"
    host.write("/etc/certdeploy/wrong.yml", "private_key_file: /k\nclient_configs: []\n")
    refused = host.run(PROGRAM, "--push", "--config", "/etc/certdeploy/wrong.yml", check=False)
    assert refused.returncode == 2
    assert "private_key_file: certdeploy has no such option: write privkey_filename" in refused.stdout + refused.stderr
    file = client.destination / "b.example.com" / "fullchain.pem"
    eventually(lambda: file.exists() and issued.certificate_pem in file.read_text())
    assert "OnCalendar=*-*-* 15:00:00" in host.run("cat", "/etc/systemd/system/certificate-renew.timer").stdout

    play(host, _in_group(_with_directory(receiving)), "receiver.example.com")
    received = yaml.safe_load(host.run("cat", "/root/run/host_vars/receiver.example.com.yml").stdout)
    assert received["certificate_receiver_destination"] == "/etc/certops/live"
    assert received["certificate_receiver_update_delay"] == "5m"


def _with_directory(plays: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """What they write goes to a directory of the test's."""
    return list(json.loads(json.dumps(plays).replace('"host_vars/', '"/root/run/host_vars/')))


def _in_group(plays: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The tests' inventory has another group."""
    return [{**each, "hosts": "haproxy"} for each in plays]
