# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The method signal of haproxy_reload against a real HAProxy with a pid file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import signal
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module

pytestmark = pytest.mark.usefixtures("haproxy_version")


@pytest.fixture
def haproxy() -> t.Iterator[HaproxyInstance]:
    certificates = {"a.pem": pki.self_signed("a.example.com").combined_pem}
    with HaproxyInstance(certificates, extra_global=["pidfile {dir}/haproxy.pid"]) as instance:
        yield instance


def served(instance: HaproxyInstance) -> str:
    return hashlib.sha256(instance.served_leaf("a.example.com")).hexdigest()


def renew(instance: HaproxyInstance) -> str:
    """Put a new certificate on disk; its fingerprint."""
    renewed = pki.self_signed("a.example.com")
    instance.write_certificate("a.pem", renewed.combined_pem)
    return renewed.fingerprint_sha256


def reload(instance: HaproxyInstance, *, check: bool = False, **options: t.Any) -> ModuleRun:
    args = {
        "method": "signal",
        "pid_file": str(instance.directory / "haproxy.pid"),
        "config": [str(instance.config_path)],
        "executable": instance.binary,
        "timeout": 30,
        **options,
    }
    return run_module("haproxy_reload", args, check=check)


with_and_without_socket = pytest.mark.parametrize("with_socket", [False, True], ids=["processes", "master"])


@with_and_without_socket
@pytest.mark.parametrize("signal", ["HUP", "USR2"])
def test_check_run_check_run(haproxy: HaproxyInstance, with_socket: bool, signal: str) -> None:
    options = {"signal": signal, **({"socket": haproxy.master_socket} if with_socket else {})}
    worker, old, new = haproxy.worker_pid(), served(haproxy), renew(haproxy)
    for _number in range(2):
        check = reload(haproxy, check=True, **options)
        assert (check.failed, check.result["changed"], check.result["reloaded"]) == (False, True, False), check.output
        assert check.result["worker_pid_after"] == worker == haproxy.worker_pid()
        assert served(haproxy) == old

        run = reload(haproxy, **options)
        assert (run.failed, run.result["changed"], run.result["reloaded"]) == (False, True, True), run.output
        assert run.result["worker_pid_before"] == worker
        assert run.result["worker_pid_after"] == haproxy.worker_pid() != worker
        assert served(haproxy) == new
        worker, old = haproxy.worker_pid(), new


@with_and_without_socket
def test_invalid_configuration(haproxy: HaproxyInstance, with_socket: bool) -> None:
    options = {"socket": haproxy.master_socket} if with_socket else {"timeout": 3}
    worker, old, new = haproxy.worker_pid(), served(haproxy), renew(haproxy)
    haproxy.write_config("garbage here")
    checked = reload(haproxy, **options)
    assert "garbage" in checked.result["log"]
    tried = reload(haproxy, check_config=False, **options)
    assert ("old worker keeps serving" if with_socket else "no new worker") in tried.result["msg"]
    for run in (checked, tried):
        assert (run.failed, run.result["reloaded"], run.result["method"]) == (True, False, "signal")
    assert (haproxy.worker_pid(), served(haproxy)) == (worker, old)
    haproxy.write_config()
    run = reload(haproxy, **{**options, "timeout": 30})
    assert run.result["reloaded"], run.output
    assert served(haproxy) == new


@with_and_without_socket
def test_a_worker_that_ends_at_once(haproxy: HaproxyInstance, haproxy_version: str, with_socket: bool) -> None:
    """Valid, forked, and then dead for want of its chroot: HAProxy ends with it, or since 3.1 the old worker stays."""
    old = served(haproxy)
    config = haproxy.config_path.read_text().replace("nbthread 2", "nbthread 2\n    chroot /nowhere")
    haproxy.config_path.write_text(config)
    options = {"socket": haproxy.master_socket} if with_socket else {"timeout": 3}
    run = reload(haproxy, check_config=False, **options)
    assert (run.failed, run.result["reloaded"]) == (True, False), run.output
    if haproxy_version in ("2.6", "2.8", "3.0"):
        assert "nothing is served" in run.result["msg"]
        assert not haproxy.is_running()
    else:
        assert ("old worker keeps serving" if with_socket else "no new worker") in run.result["msg"]
        assert served(haproxy) == old


@contextlib.contextmanager
def slow_file(path: pathlib.Path, seconds: float, content: str) -> t.Iterator[pathlib.Path]:
    """Whoever opens it gets the content so many seconds later."""
    os.mkfifo(path)
    script = 'while :; do { sleep "$1"; echo "$2"; } >"$0"; sleep 0.5; done'
    writer = subprocess.Popen(["sh", "-c", script, str(path), str(seconds), content], start_new_session=True)
    try:
        yield path
    finally:
        os.killpg(writer.pid, signal.SIGKILL)
        writer.wait()


@with_and_without_socket
@pytest.mark.parametrize(("content", "works"), [("192.0.2.1", True), ("garbage", False)], ids=["good", "bad"])
def test_a_worker_that_takes_its_time(
    haproxy: HaproxyInstance, tmp_path: pathlib.Path, content: str, works: bool, with_socket: bool
) -> None:
    """The result is told when it is known, not when there is a process: since 3.1 a worker reads the configuration."""
    old, new = served(haproxy), renew(haproxy)
    seconds, options = (1.5, {"socket": haproxy.master_socket}) if with_socket else (3, {"timeout": 30 if works else 5})
    with slow_file(tmp_path / "slow", seconds, content) as path:
        haproxy.write_config(f"    acl slow src -f {path}")
        run = reload(haproxy, check_config=False, **options)
        assert served(haproxy) == (new if works else old)
    assert (run.failed, run.result["reloaded"]) == (not works, works), run.output
    assert works or ("old worker keeps serving" if with_socket else "no new worker") in run.result["msg"]


@pytest.mark.installed_haproxy
def test_nothing_but_a_master_is_signalled(haproxy: HaproxyInstance, tmp_path: pathlib.Path) -> None:
    other, ended = subprocess.Popen(["sleep", "600"]), subprocess.Popen(["true"])
    ended.wait()
    worker = haproxy.worker_pid()
    try:
        for content, said in (
            (other.pid, "which is sleep and not HAProxy"),
            (ended.pid, "which does not run"),
            (worker, "master-worker mode"),
            (1, "holds no process id"),
            ("-1", "holds no process id"),
            ("", "holds no process id"),
            ("h\u00e4", "holds no process id"),
        ):
            path = tmp_path / "pid"
            path.write_text(f"{content}\n", encoding="utf-8")
            for check in (True, False):
                run = reload(haproxy, check=check, pid_file=str(path))
                assert (run.failed, run.result["reloaded"]) == (True, False)
                assert said in run.result["msg"]
        assert other.poll() is None
        assert haproxy.worker_pid() == worker
    finally:
        other.kill()
        other.wait()
    absent = reload(haproxy, pid_file=str(tmp_path / "nothing"))
    assert "No such file or directory" in absent.result["msg"]
    haproxy.stop()
    stopped = reload(haproxy)
    assert (stopped.failed, stopped.result["reloaded"]) == (True, False)
