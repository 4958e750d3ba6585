# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host of the role certificate_receiver deploys what is uploaded, and starts no Ansible for nothing: on a real
systemd, with OpenSSH's sftp, and with certdeploy's own server as the pusher."""

from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.receiving_host import (
    LIVE,
    PATH,
    ROOT,
    SERVICE,
    ReceivingHost,
)
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost
from ansible_collections.certops.rotation.tests.support.waiting import eventually

SCRIPT = "#!/bin/sh\necho told >>/srv/told\n"
CERTDEPLOY = ROOT / ".dev" / "certdeploy" / "bin" / "certdeploy-server"


class Pushed(ReceivingHost):
    """Installed, with its schedule, and a script as the service."""

    def __init__(self, host: SystemdHost, directory: pathlib.Path, authority: pki.CertificateAuthority) -> None:
        super().__init__(host, directory)
        self.authority = authority
        self.variables |= {
            "schedule": "auto",
            "public_keys": [self.public_key("certdeploy")],
            "services": [{"type": "script", "name": "/usr/local/bin/told"}],
            "settle": "4s",
            "on_failure": "echo failed >>/root/failed",
        }

    def upload(self, name: str, issued: pki.IssuedCertificate, *, as_lineage: bool = True) -> None:
        """By OpenSSH's sftp: key first, then chain, then renamed."""
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        (folder / "privkey.pem").write_text(issued.private_key_pem)
        (folder / "fullchain.pem").write_text(issued.certificate_pem + issued.chain_pem)
        begun = ".upload-1" if as_lineage else name
        commands = [f"-mkdir {begun}", *(f"put {folder}/{file} {begun}/" for file in ("privkey.pem", "fullchain.pem"))]
        whole = [f"rename {begun} {name}@{issued.fingerprint_sha256}"] if as_lineage else []
        done = self.sftp("certdeploy", *commands, *whole)
        assert done.returncode == 0, done.stderr

    def live(self, name: str) -> str:
        """Fingerprint of the leaf."""
        script = f"openssl x509 -in {LIVE}/{name}/fullchain.pem -noout -fingerprint -sha256 2>/dev/null"
        return self.shell(script, check=False).strip().rpartition("=")[2].replace(":", "").lower()

    def receipt(self, name: str) -> dict[str, t.Any]:
        text = self.shell(f"cat {PATH}/receipts/{name}.json 2>/dev/null", check=False)
        return dict(json.loads(text)) if text else {}

    def plays(self) -> int:
        """How often Ansible was started since this boot."""
        return self.journal("certops-deploy*").count("PLAY [")

    def is_quiet(self) -> bool:
        return "activating" not in self.shell("systemctl show --property=ActiveState 'certops-deploy*.service'")

    def staged(self) -> str:
        return self.shell(f"ls -A {PATH}/staging")


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory, intermediate: pki.CertificateAuthority) -> t.Iterator[Pushed]:
    with SystemdHost() as host:
        found = Pushed(host, tmp_path_factory.mktemp("keys"), intermediate)
        found.prepare()
        host.run("install", "--mode=0755", "/dev/stdin", "/usr/local/bin/told", stdin=SCRIPT)
        found.role()
        eventually(found.is_quiet)
        yield found


def test_nothing_starts_no_ansible(receiver: Pushed) -> None:
    """Neither at the boot, nor by the timer, nor for what is still uploaded or no lineage."""
    receiver.sftp("certdeploy", "mkdir .upload-2", "put /dev/null .upload-2/privkey.pem")
    eventually(receiver.is_quiet)
    for _turn in range(2):
        receiver.shell(f"systemctl start {SERVICE}")
    assert receiver.plays() == 0
    assert receiver.journal(SERVICE).count("Finished") >= 3
    assert receiver.shell("ls /var/lib/certops-deploy/last-success")


def test_only_root_decides_what_is_run(receiver: Pushed) -> None:
    places = "/etc/certops-deploy /opt/certops-deploy /etc/certops-receiver /etc/certops"
    assert receiver.shell(f"find {places} ! -user 0 -o -perm /022 ! -type l") == ""
    files = "/etc/certops-deploy /etc/certops-deploy/inventory.json /opt/certops-deploy/run /etc/certops/live"
    assert receiver.shell(f"stat -c %a {files}").split() == ["700", "600", "700", "700"]


def test_an_upload_is_deployed_at_once(receiver: Pushed) -> None:
    issued = receiver.authority.issue("a.example.com")
    receiver.upload("a.example.com", issued)
    eventually(lambda: receiver.live("a.example.com") == issued.fingerprint_sha256)
    eventually(lambda: receiver.receipt("a.example.com").get("state") == "deployed")
    eventually(receiver.is_quiet)
    copied = receiver.directory / "receipt"
    assert receiver.sftp("certdeploy", f"get /receipts/a.example.com.json {copied}").returncode == 0
    assert json.loads(copied.read_text())["fingerprint_sha256"] == issued.fingerprint_sha256
    assert receiver.shell("cat /srv/told") == "told\n"
    assert "a.example.com" not in receiver.staged()
    assert receiver.plays() == 1
    # The same again: staging is emptied, the pusher is told, and nobody else.
    receiver.upload("a.example.com", issued)
    eventually(lambda: "a.example.com" not in receiver.staged())
    eventually(receiver.is_quiet)
    assert receiver.shell("cat /srv/told") == "told\n"


def test_a_bad_one_is_refused_and_told(receiver: Pushed) -> None:
    """Beside a good one, which goes on."""
    good, other = receiver.authority.issue("good.example.com"), receiver.authority.issue("bad.example.com")
    receiver.upload("bad.example.com", other.replace(private_key_pem=good.private_key_pem))
    receiver.upload("good.example.com", good)
    eventually(lambda: receiver.live("good.example.com") == good.fingerprint_sha256)
    eventually(lambda: receiver.receipt("bad.example.com").get("state") == "refused")
    eventually(lambda: "failed" in receiver.shell("cat /root/failed", check=False))
    eventually(receiver.is_quiet)
    assert receiver.live("bad.example.com") == ""
    assert "bad.example.com" not in receiver.staged()


def test_certdeploys_own_server_pushes_here(receiver: Pushed, tmp_path: pathlib.Path) -> None:
    """certdeploy 0.5.4, which uploads to <path>/<lineage>, chain first, and cannot rename. With its defaults but for
    the path: what the login sees."""
    issued = receiver.authority.issue("c.example.com")
    lineage = tmp_path / "live" / "c.example.com"
    lineage.mkdir(parents=True)
    (lineage / "privkey.pem").write_text(issued.private_key_pem)
    (lineage / "fullchain.pem").write_text(issued.certificate_pem + issued.chain_pem)
    (tmp_path / "queue").mkdir()
    host_key = receiver.shell("cat /etc/ssh/ssh_host_ed25519_key.pub").rsplit(None, 1)[0]
    client = {"address": "127.0.0.1", "port": receiver.port, "pubkey": host_key, "domains": ["c.example.com"]}
    config = {
        "privkey_filename": str(receiver.directory / "certdeploy"),
        "queue_dir": str(tmp_path / "queue"),
        "push_retries": 0,
        "client_configs": [{**client, "path": "/staging"}],
    }
    (tmp_path / "server.yml").write_text(json.dumps(config))
    arguments = ["--lineage", str(lineage), "--domains", "c.example.com", "--config", str(tmp_path / "server.yml")]
    done = subprocess.run([CERTDEPLOY, "--push", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    eventually(lambda: receiver.live("c.example.com") == issued.fingerprint_sha256)
    eventually(receiver.is_quiet)
    assert "c.example.com" not in receiver.staged()
    assert receiver.receipt("c.example.com")["state"] == "deployed"


def test_half_an_upload_waits_and_is_then_refused(receiver: Pushed) -> None:
    plays = receiver.plays()
    receiver.sftp("certdeploy", "mkdir half.example.com", "put /dev/null half.example.com/fullchain.pem")
    eventually(lambda: receiver.receipt("half.example.com").get("state") == "refused")
    eventually(receiver.is_quiet)
    assert receiver.plays() == plays + 1
    assert "half.example.com" not in receiver.staged()


def test_a_command_takes_what_certdeploys_client_takes(receiver: Pushed) -> None:
    """Options and environment; services are told now, whatever the delay; an inventory's variables prevail."""
    command = "/usr/local/bin/certdeploy-client"
    receiver.role(command=command, update_delay="1w", settle="1h")
    receiver.shell("systemctl stop certops-deploy.path; rm -f /srv/told /srv/other")
    assert "is DEBUG, INFO" in receiver.host.run(command, "--log-level", "LOUD", check=False).stderr
    assert "There is no option --deamon" in receiver.host.run(command, "--deamon", "x", check=False).stderr
    assert "cannot be read" in receiver.host.run(command, "--config=/nowhere", check=False).stderr

    issued = receiver.authority.issue("g.example.com")
    receiver.upload("g.example.com", issued)
    run = receiver.host.run(command, env={"CERTDEPLOY_LOG_LEVEL": "INFO"})
    assert "g.example.com" in run.stdout, "as with -v, results are shown"
    assert receiver.live("g.example.com") == issued.fingerprint_sha256
    assert receiver.shell("cat /srv/told") == "told\n"

    variables = {"certificate_receiver_destination": "/srv/other", "certificate_receiver_services": []}
    pusher = {"user": "certdeploy", "path": PATH, "destination": "/srv/other"}
    local = {"ansible_connection": "local", **variables, "certificate_receiver_pushers": [pusher]}
    receiver.host.write("/root/client.json", json.dumps({"all": {"hosts": {"localhost": local}}}))
    receiver.upload("g.example.com", issued)
    run = receiver.host.run(command, "--log-level=ERROR", env={"CERTDEPLOY_CLIENT_CONFIG": "/root/client.json"})
    assert "lineages" not in run.stdout
    assert receiver.shell("ls /srv/other/g.example.com/privkey.pem")
    assert receiver.shell("cat /srv/told") == "told\n"

    receiver.host.run(command, env={"CERTDEPLOY_CLIENT_DAEMON": "true"})
    assert receiver.shell("systemctl is-active certops-deploy.path certops-deploy.timer") == "active\nactive\n"


def test_services_are_told_when_they_are_due(receiver: Pushed) -> None:
    """By the timer, and not before; a second push begins the delay anew."""
    receiver.role(update_delay="8s")
    receiver.shell("rm -f /srv/told")
    receiver.shell(
        "mkdir -p /run/systemd/system/certops-deploy.timer.d && cd /run/systemd/system/certops-deploy.timer.d"
        " && printf '[Timer]\\nOnUnitActiveSec=\\nOnUnitInactiveSec=2s\\n' >often.conf && systemctl daemon-reload"
        " && systemctl restart certops-deploy.timer"
    )
    issued = receiver.authority.issue("d.example.com")
    receiver.upload("d.example.com", issued)
    eventually(lambda: receiver.receipt("d.example.com").get("state") == "pending")
    assert receiver.live("d.example.com") == issued.fingerprint_sha256
    plays = receiver.plays()
    eventually(lambda: receiver.receipt("d.example.com").get("state") == "deployed")
    eventually(lambda: receiver.shell("cat /srv/told", check=False) == "told\n")
    assert receiver.plays() == plays + 1, "while nothing was due, no Ansible was started"
    receiver.shell("rm -r /run/systemd/system/certops-deploy.timer.d; systemctl daemon-reload")


def test_cron_does_it_too(receiver: Pushed) -> None:
    """Its line, as cron runs it."""
    receiver.role(schedule="cron")
    line = receiver.shell("grep '^[*]/5 ' /etc/cron.d/certops-deploy").removeprefix("*/5 * * * * root ")
    minimal = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": "", "ANSIBLE_COLLECTIONS_PATH": ""}
    issued = receiver.authority.issue("e.example.com")
    receiver.upload("e.example.com", issued)
    receiver.host.run("/bin/sh", "-c", line, env=minimal)
    assert receiver.live("e.example.com") == issued.fingerprint_sha256
    said = "journalctl --boot --no-pager --output=cat --identifier=certops-deploy"
    plays = receiver.shell(said).count("PLAY [")
    receiver.host.run("/bin/sh", "-c", line, env=minimal)
    assert receiver.shell(said).count("PLAY [") == plays


def test_the_play_of_a_repository_is_pulled(receiver: Pushed) -> None:
    """By ansible-pull: what leads to the deployment is the repository's, the variables are the role's."""
    play = "- name: Deploy\n  ansible.builtin.import_playbook: certops.rotation.deploy\n"
    receiver.host.write("/srv/own/local.yml", play)
    receiver.shell(
        "cd /srv/own && git init -q -b release && git add ."
        " && git -c user.name=a -c user.email=a@example.com commit -q -m Deploy"
    )
    receiver.role(repository="/srv/own", version="release")
    issued = receiver.authority.issue("pulled.example.com")
    receiver.upload("pulled.example.com", issued)
    eventually(lambda: receiver.receipt("pulled.example.com").get("state") == "deployed")
    assert receiver.live("pulled.example.com") == issued.fingerprint_sha256
    assert "Starting Ansible Pull" in receiver.journal(SERVICE)
    eventually(receiver.is_quiet)


def deploy(receiver: Pushed, lineage: pathlib.Path, check: bool = False, succeeds: bool = True) -> PlaybookRun:
    return receiver.play("certops.rotation.deploy", check=check, succeeds=succeeds, lineages=str(lineage))


def test_ansibles_own_connection_brings_lineages_too(receiver: Pushed) -> None:
    """No pusher, no SFTP, no schedule: a lineage of the controller. Check, run, check, run; then a bad one."""
    issued = receiver.authority.issue("f.example.com")
    lineage = receiver.host.shared / "f.example.com"
    lineage.mkdir()
    (lineage / "privkey.pem").write_text(issued.private_key_pem)
    (lineage / "fullchain.pem").write_text(issued.certificate_pem + issued.chain_pem)
    receiver.shell("rm -f /srv/told")
    assert deploy(receiver, lineage, check=True).changed
    assert receiver.live("f.example.com") == ""
    run = deploy(receiver, lineage)
    assert [item["name"] for item in run.of("certificate_deploy")[0].result["results"][0]["lineages"]] == [
        "f.example.com"
    ]
    assert receiver.live("f.example.com") == issued.fingerprint_sha256
    assert receiver.shell("cat /srv/told") == "told\n"
    assert deploy(receiver, lineage, check=True).changed == []
    assert deploy(receiver, lineage).changed == []
    assert receiver.shell("stat -c '%U %a' /var/lib/certops-deploy-brought; ls /var/lib/certops-deploy-brought") == (
        "root 700\n"
    )
    (lineage / "privkey.pem").write_text(receiver.authority.issue("f.example.com").private_key_pem)
    assert "private_key_mismatch" in deploy(receiver, lineage, succeeds=False).output
    assert receiver.live("f.example.com") == issued.fingerprint_sha256


def test_what_a_run_could_not_end_the_next_one_does(receiver: Pushed) -> None:
    """By Ansible's connection: the lineage is live and unchanged, its service was not told, and keys lie around."""
    issued = receiver.authority.issue("g.example.com")
    lineage = receiver.host.shared / "g.example.com"
    lineage.mkdir()
    (lineage / "privkey.pem").write_text(issued.private_key_pem)
    (lineage / "fullchain.pem").write_text(issued.certificate_pem + issued.chain_pem)
    receiver.shell("rm -f /srv/told; mv /usr/local/bin/told /root/told; ln -s /bin/false /usr/local/bin/told")
    for _run in range(2):
        assert "/usr/local/bin/told failed with exit code 1" in deploy(receiver, lineage, succeeds=False).output
        assert receiver.live("g.example.com") == issued.fingerprint_sha256
    brought = "/var/lib/certops-deploy-brought"
    receiver.shell(
        f"mv -f /root/told /usr/local/bin/told; mkdir {brought}/h.example.com; touch {brought}/h.example.com/x"
    )
    assert deploy(receiver, lineage, check=True).changed
    assert deploy(receiver, lineage).changed
    assert receiver.shell(f"cat /srv/told; ls -A {brought}") == "told\n"
    assert deploy(receiver, lineage, check=True).changed == []
    assert deploy(receiver, lineage).changed == []


def test_absent_leaves_what_is_live(receiver: Pushed) -> None:
    receiver.role(state="absent")
    assert receiver.live("a.example.com")
    left = "find /etc /opt /var/lib -name '*certops-deploy*' -o -name '*certops-receiver*' -o -name certdeploy"
    assert receiver.shell(left) == ""
