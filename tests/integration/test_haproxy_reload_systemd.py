# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The method systemd of haproxy_reload, and the role with nothing but it, on a real systemd with the real unit."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.module import (
    ModuleRun,
    module_command,
    module_request,
    parse_result,
)
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost

CONFIG = "/etc/haproxy/haproxy.cfg"
CERTIFICATES = "/etc/haproxy/certs"
MASTER = "/run/haproxy-master.sock"  # where the unit puts it
DROP_IN = "/run/systemd/system/haproxy.service.d/test.conf"
BOUND = 30  # seconds: how long a failure may take at most; the module's own timeout is three times that

_CONFIG = """
global
    log /dev/log local0
    {chroot}
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend tls
    bind 127.0.0.1:{port} ssl crt {certificates}/
    http-request return status 200
"""


class Balancer:
    """HAProxy as the distribution's unit runs it in host."""

    def __init__(self, host: SystemdHost) -> None:
        self.host = host
        self.port = free_port()

    def configure(self, extra: str = "", chroot: str = "chroot /var/lib/haproxy") -> None:
        text = _CONFIG.format(port=self.port, chroot=chroot, certificates=CERTIFICATES)
        self.host.write(CONFIG, f"{text}{extra}\n")

    def reload_by(self, *commands: str) -> None:
        """Replace the unit's ExecReload."""
        lines = "".join(f"ExecReload={command}\n" for command in commands)
        self.host.write(DROP_IN, f"[Service]\nExecReload=\n{lines}")
        self.host.run("systemctl", "daemon-reload")

    def show(self, name: str) -> str:
        return self.host.run("systemctl", "show", "haproxy", f"--property={name}", "--value").stdout.strip()

    def worker(self) -> int:
        """The newest child of the main process."""
        children = self.host.run("pgrep", "--newest", "--parent", self.show("MainPID")).stdout
        return int(children)

    def renew(self) -> str:
        """Put a new certificate on disk; its fingerprint."""
        issued = pki.self_signed("a.example.com")
        self.host.write(f"{CERTIFICATES}/a.pem", issued.combined_pem)
        return issued.fingerprint_sha256

    def served(self) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname="a.example.com") as tls,
        ):
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()

    def reload(self, check: bool = False, **options: t.Any) -> ModuleRun:
        request = module_request("haproxy_reload", {"method": "systemd", **options}, check=check)
        process = self.host.run(*module_command(), stdin=request, check=False)
        secrets_scan.assert_no_private_key(process.stdout + process.stderr)
        return parse_result("haproxy_reload", process.returncode, process.stdout + process.stderr)


@pytest.fixture(scope="module")
def host() -> t.Iterator[SystemdHost]:
    with SystemdHost() as booted:
        booted.write("/etc/default/haproxy", "")
        yield booted


@pytest.fixture
def balancer(host: SystemdHost) -> Balancer:
    """Running afresh, with one certificate."""
    made = Balancer(host)
    host.run("rm", "-rf", CERTIFICATES, DROP_IN)
    host.run("systemctl", "daemon-reload")
    made.configure()
    made.renew()
    host.run("systemctl", "reset-failed", "haproxy", check=False)
    host.run("systemctl", "restart", "haproxy")
    return made


@pytest.fixture
def taken(balancer: Balancer) -> t.Iterator[str]:
    """Part of a configuration that is valid, and cannot be started: somebody listens at the address."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        yield f"frontend other\n    bind 127.0.0.1:{port}\n    http-request return status 200"


with_and_without_socket = pytest.mark.parametrize("options", [{}, {"socket": MASTER}], ids=["processes", "master"])


def assert_untouched(run: ModuleRun, balancer: Balancer, worker: int, fingerprint: str) -> None:
    """The module failed, and the worker of before serves what it served before."""
    assert (run.failed, run.result["reloaded"], run.result["method"]) == (True, False, "systemd"), run.output
    assert (balancer.worker(), balancer.served()) == (worker, fingerprint)


@with_and_without_socket
def test_check_run_check_run(balancer: Balancer, options: dict[str, str]) -> None:
    main, worker, old, new = balancer.show("MainPID"), balancer.worker(), balancer.served(), balancer.renew()
    for _number in range(2):
        check = balancer.reload(check=True, **options)
        assert (check.failed, check.result["changed"], check.result["reloaded"]) == (False, True, False), check.output
        assert check.result["worker_pid_after"] == worker == balancer.worker()
        assert balancer.served() == old

        run = balancer.reload(**options)
        assert (run.failed, run.result["changed"], run.result["reloaded"]) == (False, True, True), run.output
        assert run.result["worker_pid_before"] == worker
        assert run.result["worker_pid_after"] == balancer.worker() != worker
        assert balancer.show("MainPID") == main
        assert balancer.served() == new
        worker, old = balancer.worker(), new


def test_invalid_configuration_is_refused_by_the_check(balancer: Balancer) -> None:
    worker, old = balancer.worker(), balancer.served()
    balancer.renew()
    balancer.configure("garbage here")
    for check in (True, False):
        run = balancer.reload(check=check)
        assert_untouched(run, balancer, worker, old)
        assert "garbage" in run.result["log"]


def test_invalid_configuration_is_refused_by_the_unit(balancer: Balancer) -> None:
    """Without the module's own check: the unit's says it to the journal only, and that comes back as the log."""
    worker, old = balancer.worker(), balancer.served()
    balancer.configure("garbage here")
    run = balancer.reload(check_config=False)
    assert_untouched(run, balancer, worker, old)
    assert "systemctl reload haproxy failed" in run.result["msg"]
    assert "control process exited" in run.result["log"].lower()


@with_and_without_socket
def test_address_in_use(balancer: Balancer, taken: str, options: dict[str, str]) -> None:
    """The configuration is valid, systemctl is content, and there is no new worker. Later all is well."""
    worker, old, new = balancer.worker(), balancer.served(), balancer.renew()
    balancer.configure(taken)
    started = time.monotonic()
    run = balancer.reload(**options)
    assert time.monotonic() - started < BOUND
    assert_untouched(run, balancer, worker, old)
    assert "no new worker" in run.result["msg"]
    assert "Address already in use" in run.result["log"]
    balancer.configure()
    run = balancer.reload(**options)
    assert run.result["reloaded"], run.output
    assert balancer.served() == new


@pytest.mark.parametrize(
    "options",
    [{}, {"socket": MASTER}, {"method": "master", "socket": MASTER, "timeout": 3}],
    ids=["processes", "master", "method-master"],
)
def test_worker_that_ends_at_once(balancer: Balancer, options: dict[str, str]) -> None:
    """Valid, forked, and then dead for want of its chroot, and HAProxy with it: no reload, and no 'keeps serving'."""
    balancer.configure(chroot="chroot /nowhere")
    started = time.monotonic()
    run = balancer.reload(**options)
    assert time.monotonic() - started < BOUND
    assert (run.failed, run.result["reloaded"]) == (True, False), run.output
    assert "nothing is served" in run.result["msg"]
    if "method" not in options:
        assert "/nowhere" in run.result["log"]


def test_slow_reload(balancer: Balancer) -> None:
    balancer.reload_by("/bin/sleep 1.5", "/bin/kill -USR2 $MAINPID")
    worker, old, new = balancer.worker(), balancer.served(), balancer.renew()
    run = balancer.reload(timeout=1)
    assert_untouched(run, balancer, worker, old)
    assert "more than 1 seconds" in run.result["msg"]

    run = balancer.reload(timeout=20)
    assert run.result["reloaded"], run.output
    assert balancer.served() == new


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_units_that_cannot_be_reloaded(balancer: Balancer, check: bool) -> None:
    """Told before anything is tried, and without a log: another method may still work."""
    host = balancer.host
    unknown = balancer.reload(check, unit="lb")
    assert "no unit lb" in unknown.result["msg"]

    host.run("systemctl", "stop", "haproxy")
    inactive = balancer.reload(check, check_config=False)
    assert "systemctl start haproxy" in inactive.result["msg"]
    assert balancer.show("ActiveState") == "inactive"

    host.run("systemd-run", "--unit=plain", "sleep", "60")
    plain = balancer.reload(check, unit="plain", check_config=False)
    assert "ExecReload" in plain.result["msg"]
    host.run("systemctl", "stop", "plain")

    host.run("systemd-run", "--unit=single", "--property=ExecReload=/bin/true", "haproxy", "-db", "-f", CONFIG)
    single = balancer.reload(check, unit="single", check_config=False)
    assert "master-worker mode" in single.result["msg"]
    host.run("systemctl", "stop", "single")

    for run in (unknown, inactive, plain, single):
        assert (run.failed, run.result["reloaded"], run.result["log"]) == (True, False, ""), run.output


def test_role(balancer: Balancer, aws: MotoServer, taken: str) -> None:
    """Without a socket to update HAProxy by, systemd is the only way, in a rotation and in the role's handlers."""
    balancer.host.run("rm", "-rf", CERTIFICATES)
    authority = pki.CertificateAuthority("Intermediate", parent=pki.CertificateAuthority())
    issued = authority.issue("a.example.com")
    aws.put_secret("web/a", issued.secret_document())
    variables = {
        "haproxy_certificates_name_prefix": "web/",
        "haproxy_certificates_path": CERTIFICATES,
        "haproxy_certificates_socket": "",
        "haproxy_certificates_reload_methods": ["systemd"],
    }

    # A reload that fails fails the play, which says why.
    worker, old = balancer.worker(), balancer.served()
    balancer.configure(taken)
    run = run_playbook(variables, env=aws.env, inside=balancer.host)
    assert run.returncode != 0
    assert "no new worker" in run.error, run.output
    assert (balancer.worker(), balancer.served()) == (worker, old)

    # With the cause gone the next run rotates. Then a task of the user's own notifies the role's topics.
    balancer.configure()
    topics = ["certops.rotation haproxy reload", "certops.rotation haproxy reload systemd"]
    play = {
        "hosts": "haproxy",
        "gather_facts": False,
        "roles": ["certops.rotation.haproxy_certificates"],
        "tasks": [{"ansible.builtin.command": {"argv": ["true"]}, "notify": topics}],
    }
    run = run_playbook(variables, playbook=[play], env=aws.env, inside=balancer.host)
    assert run.returncode == 0, run.output
    assert balancer.served() == issued.fingerprint_sha256
    rotation, first_way, systemd = reloads(run)
    workers = [call["worker_pid_after"] for call in (rotation, first_way, systemd)]
    assert [call["worker_pid_before"] for call in (rotation, first_way, systemd)] == [worker, *workers[:2]]
    assert len({worker, *workers}) == 4
    assert balancer.worker() == workers[2]

    # Certificates that wait for the handlers.
    issued = authority.issue("a.example.com")
    aws.put_secret("web/a", issued.secret_document())
    waiting = {**variables, "haproxy_certificates_activation": "handlers"}
    run = run_playbook(waiting, env=aws.env, inside=balancer.host)
    assert run.returncode == 0, run.output
    assert run.modules == ["haproxy_rotation", "haproxy_reload", "haproxy_rotation"]
    assert run.of("haproxy_rotation")[1].result["proven"] == ["web/a"]
    assert balancer.served() == issued.fingerprint_sha256
    assert balancer.worker() == run.result("haproxy_reload")["worker_pid_after"] != workers[2]


def reloads(run: PlaybookRun) -> list[dict[str, t.Any]]:
    """Of the rotation, and of calls of haproxy_reload."""
    return [*run.result("haproxy_rotation")["reload_attempts"], *(task.result for task in run.of("haproxy_reload"))]
