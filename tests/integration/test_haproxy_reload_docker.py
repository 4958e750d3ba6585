# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The method docker of haproxy_reload, and the role with it, on a real Docker Engine with a real HAProxy in it."""

from __future__ import annotations

import hashlib
import os
import pathlib
import socket
import tempfile
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import ReloadError
from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.docker import DockerEngine
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.docker_engine import DockerEngineHost, HaproxyContainer
from ansible_collections.certops.rotation.tests.support.docker_proxy import DockerProxy
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port

BOUND = 60  # seconds: how long a failure may take at most on a busy machine


@pytest.fixture(scope="module")
def engine() -> t.Iterator[DockerEngineHost]:
    with DockerEngineHost() as started:
        yield started


@pytest.fixture
def proxy(engine: DockerEngineHost) -> t.Iterator[DockerProxy]:
    made = DockerProxy(engine)
    yield made
    made.stop()


@pytest.fixture
def haproxy(engine: DockerEngineHost) -> t.Iterator[HaproxyContainer]:
    with HaproxyContainer(engine, {"a.pem": pki.self_signed("a.example.com").combined_pem}) as instance:
        yield instance


def served(instance: HaproxyContainer) -> str:
    return hashlib.sha256(instance.served_leaf("a.example.com")).hexdigest()


def renew(instance: HaproxyContainer) -> str:
    """Put a new certificate on disk; its fingerprint."""
    renewed = pki.self_signed("a.example.com")
    instance.write_certificate("a.pem", renewed.combined_pem)
    return renewed.fingerprint_sha256


def reload(instance: HaproxyContainer, *, check: bool = False, **options: t.Any) -> ModuleRun:
    args = {
        "method": "docker",
        "container": instance.name,
        "docker_host": instance.engine.address,
        "config": [str(instance.config_path)],
        "timeout": 30,
        **options,
    }
    return run_module("haproxy_reload", args, check=check)


def assert_untouched(run: ModuleRun, instance: HaproxyContainer, worker: int, fingerprint: str) -> None:
    """The module failed, and the worker of before serves what it served before."""
    assert (run.failed, run.result["reloaded"], run.result["method"]) == (True, False, "docker"), run.output
    assert (instance.worker_pid(), served(instance)) == (worker, fingerprint)


with_and_without_socket = pytest.mark.parametrize("with_socket", [False, True], ids=["processes", "master"])


@with_and_without_socket
@pytest.mark.parametrize("signal", ["HUP", "USR2"])
def test_check_run_check_run(haproxy: HaproxyContainer, with_socket: bool, signal: str) -> None:
    options = {"signal": signal, **({"socket": haproxy.master_socket} if with_socket else {})}
    old, new = served(haproxy), renew(haproxy)
    for _number in range(2):
        worker = haproxy.worker_pid()
        check = reload(haproxy, check=True, **options)
        assert (check.failed, check.result["changed"], check.result["reloaded"]) == (False, True, False), check.output
        assert check.result["worker_pid_before"] == check.result["worker_pid_after"]
        assert (haproxy.worker_pid(), served(haproxy)) == (worker, old)

        run = reload(haproxy, **options)
        assert (run.failed, run.result["changed"], run.result["reloaded"]) == (False, True, True), run.output
        assert run.result["worker_pid_before"] == check.result["worker_pid_after"] != run.result["worker_pid_after"]
        assert haproxy.worker_pid() != worker
        assert served(haproxy) == new
        old = new


def test_an_old_worker_that_lingers(haproxy: HaproxyContainer) -> None:
    """A connection keeps the old one alive, so two of them live side by side."""
    with socket.create_connection(("127.0.0.1", haproxy.port)):
        worker, new = haproxy.worker_pid(), renew(haproxy)
        run = reload(haproxy)
        assert run.result["reloaded"], run.output
        assert haproxy.worker_pid() != worker
        assert served(haproxy) == new


def test_through_a_proxy(haproxy: HaproxyContainer, proxy: DockerProxy) -> None:
    new = renew(haproxy)
    assert reload(haproxy, check=True, docker_host=proxy.address).result["changed"]
    assert not [request for request in proxy.seen if not request.startswith("GET ")]
    run = reload(haproxy, docker_host=proxy.address)
    assert run.result["reloaded"], run.output
    assert served(haproxy) == new
    assert f"POST /containers/{haproxy.name}/kill?signal=HUP" in proxy.seen


@pytest.mark.parametrize(("method", "end"), [("GET", "/json"), ("GET", "/top"), ("POST", "/kill")])
def test_a_proxy_that_forbids(haproxy: HaproxyContainer, proxy: DockerProxy, method: str, end: str) -> None:
    worker, old = haproxy.worker_pid(), served(haproxy)
    renew(haproxy)
    proxy.denied.append((method, end))
    run = reload(haproxy, docker_host=proxy.address)
    assert_untouched(run, haproxy, worker, old)
    assert "403" in run.result["msg"]
    assert "must allow GET and POST" in run.result["msg"]


def test_the_list_of_processes_is_not_needed_with_the_masters_socket(
    haproxy: HaproxyContainer, proxy: DockerProxy
) -> None:
    new = renew(haproxy)
    proxy.denied.append(("GET", "/top"))
    run = reload(haproxy, docker_host=proxy.address, socket=haproxy.master_socket)
    assert run.result["reloaded"], run.output
    assert served(haproxy) == new


@with_and_without_socket
def test_invalid_configuration(haproxy: HaproxyContainer, with_socket: bool) -> None:
    """The old worker keeps serving, the log is that of the container, and later all is well."""
    options = {"socket": haproxy.master_socket} if with_socket else {"timeout": 6}
    worker, old, new = haproxy.worker_pid(), served(haproxy), renew(haproxy)
    haproxy.write_config("garbage here")
    refused = reload(haproxy, **options)
    assert_untouched(refused, haproxy, worker, old)
    assert "is not valid" in refused.result["msg"]
    started = time.monotonic()
    run = reload(haproxy, check_config=False, **options)
    assert time.monotonic() - started < BOUND
    assert_untouched(run, haproxy, worker, old)
    assert "garbage" in run.result["log"]
    haproxy.write_config()
    run = reload(haproxy, **{**options, "timeout": 30})
    assert run.result["reloaded"], run.output
    assert served(haproxy) == new


@with_and_without_socket
def test_a_worker_that_ends_at_once(haproxy: HaproxyContainer, with_socket: bool) -> None:
    """Valid, forked, and then dead for want of its chroot, and HAProxy and the container with it."""
    config = haproxy.config_path.read_text().replace("nbthread 2", "nbthread 2\n    chroot /nowhere")
    haproxy.config_path.write_text(config)
    run = reload(haproxy, check_config=False, **({"socket": haproxy.master_socket} if with_socket else {}))
    assert (run.failed, run.result["reloaded"]) == (True, False), run.output
    assert "nothing is served" in run.result["msg"]
    assert "chroot" in run.result["log"]


def test_containers_that_cannot_be_reloaded(haproxy: HaproxyContainer) -> None:
    missing = reload(haproxy, container="certops-nothing")
    assert "has no container certops-nothing" in missing.result["msg"]
    slash = reload(haproxy, container="../images")
    assert slash.failed
    haproxy.request("POST", "pause")
    paused = reload(haproxy)
    assert "is paused and cannot be reloaded" in paused.result["msg"]
    haproxy.request("POST", "unpause")
    haproxy.request("POST", "stop?t=1")
    stopped = reload(haproxy)
    assert "is exited and cannot be reloaded" in stopped.result["msg"]
    in_check_mode = reload(haproxy, check=True)
    for run in (missing, paused, stopped, in_check_mode):
        assert (run.failed, run.result["reloaded"], run.result["log"]) == (True, False, ""), run.output


def test_not_in_master_worker_mode(engine: DockerEngineHost) -> None:
    certificate = pki.self_signed("a.example.com").combined_pem
    with HaproxyContainer(engine, {"a.pem": certificate}, worker=False) as instance:
        worker = instance.worker_pid()
        run = reload(instance)
        assert "master-worker mode" in run.result["msg"]
        assert instance.worker_pid() == worker


def test_addresses_where_no_docker_is(haproxy: HaproxyContainer, tmp_path: pathlib.Path) -> None:
    absent = reload(haproxy, docker_host="unix:///nowhere/docker.sock")
    assert "no such file" in absent.result["msg"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        silent = reload(haproxy, docker_host=f"tcp://127.0.0.1:{port}", timeout=1)
        assert "nothing within 1 seconds" in silent.result["msg"]
    refused = reload(haproxy, docker_host=f"tcp://127.0.0.1:{port}")
    assert "refused" in refused.result["msg"]
    other = reload(haproxy, docker_host=f"unix://{haproxy.socket}")
    assert "does not speak HTTP" in other.result["msg"]
    for address in ("docker.sock", "unix://", "tcp://127.0.0.1:x", "ssh://host", ""):
        assert "docker_host must be like" in reload(haproxy, docker_host=address).result["msg"]
    for run in (absent, silent, refused, other):
        assert (run.failed, run.result["reloaded"], run.result["log"]) == (True, False, "")


def test_a_socket_that_this_user_may_not_use() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/docker.sock"
        listener.bind(path)
        listener.listen()
        pathlib.Path(directory).chmod(0o755)
        pathlib.Path(path).chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # for root, there are no permissions
        try:
            with pytest.raises(ReloadError, match="this user may not use it"):
                DockerEngine(f"unix://{path}", 5).request("GET", "/_ping")
        finally:
            os.seteuid(user)


@pytest.fixture
def scene(engine: DockerEngineHost, aws: MotoServer) -> t.Iterator[rotation.Scene]:
    """A HAProxy in a container that the role reloads only by way of Docker, after two other ways that fail."""
    authority = pki.CertificateAuthority("Intermediate", parent=pki.CertificateAuthority())
    certificates = {"default.pem": authority.issue("default.example.com").combined_pem}
    with HaproxyContainer(engine, certificates) as instance:
        made = rotation.Scene(aws, instance, authority)
        made.variables.update(
            haproxy_certificates_socket="",
            haproxy_certificates_reload_methods=["http", "signal", "docker"],
            haproxy_certificates_reload_url=f"http://127.0.0.1:{free_port()}/reload",
            haproxy_certificates_reload_timeout=30,
            haproxy_certificates_pid_file=str(instance.directory / "no.pid"),
            haproxy_certificates_docker_host=engine.address,
            haproxy_certificates_container=instance.name,
            haproxy_certificates_binary="/nowhere/haproxy",  # as on a host that has it in a container only
            haproxy_certificates_check_config=False,
        )
        yield made


def reloads(run: PlaybookRun) -> list[tuple[str, bool]]:
    """Method and outcome of all that the rotation and haproxy_reload have tried."""
    tasks = run.of("haproxy_rotation") + run.of("haproxy_reload")
    calls = [attempt for task in tasks for attempt in task.result["reload_attempts"]]
    return [(call["method"], call["reloaded"]) for call in calls]


def test_role_takes_the_first_way_that_works(scene: rotation.Scene) -> None:
    issued, worker = scene.store("a"), scene.haproxy.worker_pid()
    check = scene.rotate(check=True)
    assert (check.returncode, reloads(check)) == (0, []), check.output
    run = scene.rotate()
    assert run.returncode == 0, run.output
    assert reloads(run) == [("http", False), ("signal", False), ("docker", True)]
    assert scene.haproxy.worker_pid() != worker
    assert scene.served("a") == issued.fingerprint_sha256
    again = scene.rotate()
    assert (again.returncode, again.changed, reloads(again)) == (0, [], []), again.output


def test_role_fails_when_all_ways_fail(scene: rotation.Scene) -> None:
    """It names what was wrong with each, and the next run goes on."""
    old = scene.served("default")
    issued, worker = scene.store("a"), scene.haproxy.worker_pid()
    run = scene.rotate(container="certops-nothing")
    assert run.returncode != 0
    assert reloads(run) == [("http", False), ("signal", False), ("docker", False)]
    for reason in ("refused", "no.pid", "has no container certops-nothing"):
        assert reason in run.error, run.output
    assert (scene.haproxy.worker_pid(), scene.served("default")) == (worker, old)
    rotation.assert_converges(scene, issued)


def test_handlers(scene: rotation.Scene) -> None:
    topics = ["certops.rotation haproxy reload", "certops.rotation haproxy reload docker"]
    play = {
        "hosts": "haproxy",
        "gather_facts": False,
        "roles": ["certops.rotation.haproxy_certificates"],
        "tasks": [{"ansible.builtin.command": {"argv": ["true"]}, "notify": topics}],
    }
    run = run_playbook(scene.variables, playbook=[play], env=scene.aws.env)
    assert run.returncode == 0, run.output
    assert reloads(run) == [("http", False), ("signal", False), ("docker", True), ("docker", True)]

    # Certificates that wait for the handlers: one reload, by the first way that works, and the proof.
    issued = scene.store("a")
    run = scene.rotate(activation="handlers")
    assert run.returncode == 0, run.output
    assert run.modules == ["haproxy_rotation", "haproxy_reload", "haproxy_rotation"]
    assert reloads(run) == [("http", False), ("signal", False), ("docker", True)]
    assert scene.served("a") == issued.fingerprint_sha256
    assert scene.state()["newly_proven"] == ["web/a"]
