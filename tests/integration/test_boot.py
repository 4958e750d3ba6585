# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example for auto-scaling groups: real cloud-init on a real systemd runs its user data, and HAProxy has its
certificates before it answers anybody."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.instance_metadata import PATHS, InstanceMetadataService
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services
from ansible_collections.certops.rotation.tests.support.waiting import eventually

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "boot"
URL = "https://git.example.com/haproxy.git"
REPOSITORY = "/srv/haproxy.git"
BOOT = "certops-rotation-boot.service"
DROP_IN = f"/run/systemd/system/{BOOT}.d/test.conf"
NAME = "www.example.com"
# Of a boot; what else cloud-init would do is about disks, users and packages.
CLOUD_CONFIG = {
    "datasource_list": ["NoCloud"],
    "network": {"config": "disabled"},
    "cloud_init_modules": ["bootcmd", "write-files"],
    "cloud_config_modules": ["runcmd"],
    "cloud_final_modules": ["scripts-user"],
}
CLOUD_INIT = ["cloud-init-local", "cloud-init", "cloud-config", "cloud-final"]


class Instance:
    """From an image with HAProxy and Ansible, launched with the example's user data."""

    def __init__(self, host: SystemdHost, environment: t.Mapping[str, str]) -> None:
        self.host = host
        self.environment = dict(environment)
        self.port, self.internal_port = free_port(), free_port()

    def prepare(self) -> None:
        links = {"bin": f"{sys.prefix}/bin", "lib": f"{sys.prefix}/lib", "pyvenv.cfg": f"{sys.prefix}/pyvenv.cfg"}
        links["collections"] = str(ROOT / ".dev" / "collections")
        self.shell(
            "mkdir -p /opt/certops; rm -rf /etc/haproxy/certs /etc/cloud/cloud-init.disabled; systemctl enable haproxy"
        )
        for name, target in links.items():
            self.shell(f"ln -s {target} /opt/certops/{name}")
        for path in EXAMPLE.iterdir():
            self.host.write(f"/srv/work/{path.name}", self.adapted(path))
        self.shell(
            f"cd /srv/work && git init -q -b main && git add . && git -c user.name=a -c user.email=a@example.com"
            f" commit -q -m Configure && git clone -q --bare . {REPOSITORY}"
        )
        self.host.write("/etc/cloud/cloud.cfg.d/99-test.cfg", json.dumps(CLOUD_CONFIG))
        self.host.write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-1\n")
        self.host.write("/var/lib/cloud/seed/nocloud/user-data", self.adapted(EXAMPLE / "user-data"))

    def adapted(self, path: pathlib.Path) -> str:
        """A file of the example with the ports, the repository and the AWS of this test."""
        text = path.read_text(encoding="utf-8").replace(URL, REPOSITORY)
        if path.name == "haproxy.cfg":
            text = text.replace(":443", f"127.0.0.1:{self.port}").replace(":8443", f"127.0.0.1:{self.internal_port}")
        if path.name == "inventory.yml":
            inventory = yaml.safe_load(text)
            inventory["haproxy"]["vars"].update(
                rotation_schedule_environment=self.environment,
                rotation_schedule_service_options=visible_in_services(),
                rotation_schedule_at_start=False,
            )
            text = json.dumps(inventory)
        return text

    def shell(self, script: str, check: bool = True) -> str:
        process = self.host.run("sh", "-c", script, check=check, timeout=400)
        secrets_scan.assert_no_private_key(process.stdout + process.stderr)
        return process.stdout

    def boot(self, *others: str) -> None:
        """What a boot starts besides basic.target, in one transaction."""
        wants = " ".join(f"{unit}.service" for unit in ("haproxy", *others))
        self.host.write("/run/systemd/system/boot.target", f"[Unit]\nWants={wants}\n")
        self.shell("systemctl daemon-reload; systemctl start --no-block boot.target")

    def state(self, unit: str = "haproxy.service") -> str:
        return self.shell(f"systemctl show --property=ActiveState --value {unit}").strip()

    def journal(self, unit: str = BOOT) -> str:
        return self.shell(f"journalctl --boot --no-pager --output=cat --unit={unit}")

    def served(self, port: int, context: ssl.SSLContext | None = None, name: str = NAME) -> str:
        """Fingerprint of the certificate that a fresh connection gets. Raises OSError."""
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname=name) as tls,
        ):
            tls.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert tls.recv(1)  # with TLS 1.3 a client learns here whether its own certificate was accepted
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()

    @contextlib.contextmanager
    def clients(self) -> t.Iterator[list[str]]:
        """Connect again and again. In the list, what was served, when that changed; "" when nobody answered."""
        seen: list[str] = []
        stopped = threading.Event()

        def connect() -> None:
            while not stopped.wait(0.02):
                try:
                    served = self.served(self.port)
                except OSError:
                    served = ""
                if seen[-1:] != [served]:
                    seen.append(served)

        thread = threading.Thread(target=connect)
        thread.start()
        try:
            yield seen
        finally:
            stopped.set()
            thread.join()


class Cloud:
    """What is outside of the instances: Secrets Manager, and the metadata service."""

    def __init__(
        self,
        aws: MotoServer,
        faults: AwsFaults,
        authority: pki.CertificateAuthority,
        metadata: InstanceMetadataService,
    ) -> None:
        self.aws = aws
        self.faults = faults
        self.authority = authority
        self.environment = {**faults.env, **metadata.env}

    def store(self) -> str:
        """A new certificate for NAME; its fingerprint."""
        issued = self.authority.issue(NAME)
        self.aws.put_secret("web/www", issued.secret_document(), {"Environment": "production"})
        return issued.fingerprint_sha256

    def secret(self, name: str) -> str:
        return str(self.aws.client().get_secret_value(SecretId=name)["SecretString"])

    def versions(self) -> dict[str, list[str]]:
        """Of what all instances share."""
        client = self.aws.client()
        secrets = client.list_secrets(Filters=[{"Key": "name", "Values": ["joblet/"]}])["SecretList"]
        return {
            name: [version["VersionId"] for version in client.list_secret_version_ids(SecretId=name)["Versions"]]
            for name in (secret["Name"] for secret in secrets)
        }

    def client_context(self) -> ssl.SSLContext:
        """The one configuration of clients: the authority, and the certificate of the client admin."""
        context = ssl.create_default_context(cadata=self.secret("joblet/ca-cert"))
        with tempfile.NamedTemporaryFile("w", dir="/tmp") as file:
            file.write(self.secret("joblet/client-cert") + "\n" + self.secret("joblet/client-key"))
            file.flush()
            context.load_cert_chain(file.name)
        return context


@pytest.fixture(scope="module")
def cloud(moto: MotoServer, intermediate: pki.CertificateAuthority) -> t.Iterator[Cloud]:
    moto.reset()
    faults = AwsFaults(moto.port, moto.env)
    faults.start()
    with InstanceMetadataService() as metadata:
        yield Cloud(moto, faults, intermediate, metadata)
    faults.stop()


@pytest.fixture(scope="module")
def first_certificate(cloud: Cloud) -> str:
    return cloud.store()


@pytest.fixture(scope="module")
def launched(cloud: Cloud, first_certificate: str) -> t.Iterator[tuple[Instance, list[str]]]:
    """An instance after its first boot, and what clients have seen meanwhile."""
    with SystemdHost() as host:
        instance = Instance(host, cloud.environment)
        instance.prepare()
        with instance.clients() as seen:
            instance.boot(*CLOUD_INIT)
            eventually(lambda: instance.state("cloud-final.service") in ("active", "failed"))
        yield instance, seen


@pytest.fixture
def instance(launched: tuple[Instance, list[str]]) -> Instance:
    return launched[0]


def test_the_user_data_is_valid() -> None:
    checked = subprocess.run(
        ["cloud-init", "schema", "--config-file", EXAMPLE / "user-data"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nobody_sees_another_certificate_from_the_first_connection_on(
    launched: tuple[Instance, list[str]], first_certificate: str
) -> None:
    instance, seen = launched
    assert json.loads(instance.shell("cat /run/cloud-init/result.json"))["v1"]["errors"] == []
    assert seen == ["", first_certificate]
    assert "Failed to start haproxy.service." in instance.shell("journalctl --boot --no-pager --output=cat"), (
        "held back"
    )


def test_a_client_of_the_shared_authority_is_let_in(instance: Instance, cloud: Cloud) -> None:
    context = cloud.client_context()
    own = instance.shell("openssl x509 -in /etc/haproxy/shared-ca/server.pem -outform DER | sha256sum").split()[0]
    assert instance.served(instance.internal_port, context, PATHS["public-hostname"]) == own
    with pytest.raises((ssl.SSLError, ConnectionError)):
        instance.served(instance.internal_port)


def test_after_a_reboot_the_first_connection_gets_what_was_renewed_meanwhile(instance: Instance, cloud: Cloud) -> None:
    new = cloud.store()
    instance.shell("systemctl stop haproxy")
    with instance.clients() as seen:
        instance.host.reboot()
        instance.boot(*CLOUD_INIT)
        eventually(lambda: instance.state() == "active" and seen[-1] != "")
    assert seen == ["", new]


def test_without_aws_haproxy_does_not_start_until_a_later_run(instance: Instance, cloud: Cloud) -> None:
    new = cloud.store()
    instance.host.reboot()
    cut_off(instance)
    with instance.clients() as seen:
        instance.boot()
        eventually(lambda: instance.state(BOOT) == "failed")
        assert instance.state() == "inactive"
        assert "start operation timed out" in instance.journal()
        assert "Dependency failed for" in instance.journal("haproxy.service")
        connect(instance)
        instance.shell("systemctl start certops-rotation.service")
        assert instance.state() == "active"
    assert seen[-1] == new
    assert len(seen) <= 2


def test_it_is_tried_again_until_aws_gives_what_is_needed(instance: Instance, cloud: Cloud) -> None:
    new = cloud.store()
    cloud.faults.fail("ListSecrets", "AccessDeniedException")
    instance.host.reboot()
    with instance.clients() as seen:
        instance.boot()
        eventually(lambda: "attempt 1." in instance.journal())
        assert instance.state() == "inactive"
        cloud.faults.heal()
        eventually(lambda: instance.state() == "active" and seen[-1] != "")
    assert "AccessDenied" in instance.journal()
    assert seen == ["", new]


def test_without_aws_haproxy_starts_with_what_is_there_if_you_like(instance: Instance, cloud: Cloud) -> None:
    old = instance.served(instance.port)
    worker = instance.shell("pgrep --newest haproxy")
    configure(instance, boot="try")
    assert instance.shell("pgrep --newest haproxy") == worker, "it went on"
    new = cloud.store()
    instance.host.reboot()
    cut_off(instance)
    instance.boot()
    eventually(lambda: instance.state() == "active")
    assert instance.state(BOOT) == "failed"
    assert instance.served(instance.port) == old
    connect(instance)
    instance.shell("systemctl start certops-rotation.service")
    assert instance.served(instance.port) == new


def test_a_green_instance_is_let_in_by_the_clients_of_the_blue_one(instance: Instance, cloud: Cloud) -> None:
    blue, context, stored = instance, cloud.client_context(), cloud.versions()
    assert set(stored) == {"joblet/ca-cert", "joblet/ca-key", "joblet/client-cert", "joblet/client-key"}
    with SystemdHost() as host:
        green = Instance(host, cloud.environment)
        green.prepare()
        green.boot(*CLOUD_INIT)
        eventually(lambda: green.state() == "active")
        served = [each.served(each.internal_port, context, PATHS["public-hostname"]) for each in (blue, green)]
        assert served[0] != served[1], "each has a certificate and a key of its own"
        assert green.served(green.port) == blue.served(blue.port)
    assert cloud.versions() == stored, "nothing was made again"


def test_removal_goes_unnoticed_by_haproxy(instance: Instance) -> None:
    worker = instance.shell("pgrep --newest haproxy")
    configure(instance, state="absent")
    assert instance.shell("pgrep --newest haproxy") == worker
    assert instance.shell("find /etc/systemd/system -name '*certops*' -o -name 'haproxy.service.*'") == ""
    assert instance.shell("systemctl restart haproxy && systemctl is-active haproxy") == "active\n"


def cut_off(instance: Instance) -> None:
    instance.host.write(DROP_IN, "[Service]\nPrivateNetwork=yes\nTimeoutStartSec=4\n")
    instance.shell("systemctl daemon-reload")


def connect(instance: Instance) -> None:
    instance.shell(f"rm {DROP_IN} && systemctl daemon-reload")


def configure(instance: Instance, **variables: str) -> None:
    """Run boot.yml with other variables of the role than the repository has."""
    extra = json.dumps({f"rotation_schedule_{name}": value for name, value in variables.items()})
    instance.shell(
        "cd /var/lib/certops/checkout && ANSIBLE_COLLECTIONS_PATH=/opt/certops/collections"
        f" /opt/certops/bin/ansible-playbook -i inventory.yml boot.yml --extra-vars '{extra}'"
    )
