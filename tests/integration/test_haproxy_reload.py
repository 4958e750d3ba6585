# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_reload against a real HAProxy. systemd is played by a program that signals the same real processes."""

from __future__ import annotations

import hashlib
import os
import pathlib
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module

pytestmark = pytest.mark.usefixtures("haproxy_version")

_SYSTEMCTL = """#!/bin/sh
# The two commands that the module uses, for a unit whose main process is HAPROXY_MASTER.
echo "$@" >>"$SYSTEMCTL_LOG"
case "$1" in
show) printf '%s\\n' LoadState=loaded "ActiveState=${FAKE_STATE:-active}" SubState=running \\
    "MainPID=$HAPROXY_MASTER" "CanReload=${FAKE_CAN_RELOAD:-yes}" ;;
reload) test -z "$FAKE_RELOAD_FAILS" || { echo 'Job for haproxy.service failed.'; exit 1; }
    test -n "$FAKE_SIGNAL_LOST" || kill -USR2 "$HAPROXY_MASTER" ;;
esac
"""


@pytest.fixture
def haproxy() -> t.Iterator[HaproxyInstance]:
    with HaproxyInstance({"a.pem": pki.self_signed("a.example.com").combined_pem}) as instance:
        yield instance


def served(instance: HaproxyInstance) -> str:
    return hashlib.sha256(instance.served_leaf("a.example.com")).hexdigest()


def renew(instance: HaproxyInstance) -> str:
    """Put a new certificate on disk; its fingerprint."""
    renewed = pki.self_signed("a.example.com")
    instance.write_certificate("a.pem", renewed.combined_pem)
    return renewed.fingerprint_sha256


def reload(
    instance: HaproxyInstance, *, check: bool = False, env: dict[str, str] | None = None, **options: t.Any
) -> ModuleRun:
    args = {
        "method": "master",
        "socket": instance.master_socket,
        "config": [str(instance.config_path)],
        "binary": instance.binary,
        "timeout": 20,
        **options,
    }
    return run_module(
        "haproxy_reload", {name: value for name, value in args.items() if value is not None}, check=check, env=env
    )


def test_master_check_run_run(haproxy: HaproxyInstance) -> None:
    worker, old, new = haproxy.worker_pid(), served(haproxy), renew(haproxy)
    check = reload(haproxy, check=True)
    assert (check.failed, check.result["changed"], check.result["reloaded"]) == (False, True, False)
    assert (haproxy.worker_pid(), served(haproxy)) == (worker, old)
    previous = worker
    for _number in range(2):
        run = reload(haproxy)
        assert (run.failed, run.result["changed"], run.result["reloaded"]) == (False, True, True), run.output
        assert run.result["method"] == "master"
        assert run.result["worker_pid_before"] == previous
        previous = run.result["worker_pid_after"]
        assert previous == haproxy.worker_pid() != run.result["worker_pid_before"]
        assert served(haproxy) == new


def test_invalid_configuration_is_not_tried(haproxy: HaproxyInstance) -> None:
    worker = haproxy.worker_pid()
    haproxy.write_config("garbage here")
    for check in (True, False):
        run = reload(haproxy, check=check)
        assert (run.failed, run.result["reloaded"]) == (True, False)
        assert "garbage" in run.result["log"]
    assert (haproxy.worker_pid(), haproxy.failed_reloads()) == (worker, 0)


def test_failed_reload_keeps_the_old_worker(haproxy: HaproxyInstance, haproxy_version: str) -> None:
    worker, old = haproxy.worker_pid(), served(haproxy)
    haproxy.write_config("garbage here")
    run = reload(haproxy, check_config=False)
    assert (run.failed, run.result["reloaded"]) == (True, False), run.output
    if haproxy_version == "2.6":
        assert "only in its own log" in run.result["msg"]
    else:
        assert "garbage" in run.result["log"]
    assert (haproxy.worker_pid(), served(haproxy), haproxy.failed_reloads()) == (worker, old, 1)
    haproxy.write_config()
    new = renew(haproxy)
    assert reload(haproxy).result["reloaded"]
    assert served(haproxy) == new


def test_a_certificate_without_its_key_is_found_by_the_check(haproxy: HaproxyInstance) -> None:
    haproxy.write_certificate("a.pem", pki.self_signed("a.example.com").certificate_pem)
    run = reload(haproxy)
    assert run.failed
    assert "a.pem" in run.result["log"]


@pytest.mark.installed_haproxy
def test_wrong_addresses_and_programs(haproxy: HaproxyInstance) -> None:
    started = time.monotonic()
    not_master = reload(haproxy, socket=haproxy.socket)
    assert "master" in not_master.result["msg"]
    absent = reload(haproxy, socket=f"{haproxy.directory}/nothing.sock")
    assert "no such file" in absent.result["msg"]
    program = reload(haproxy, executable="/nowhere/haproxy")
    assert "/nowhere/haproxy" in program.result["msg"]
    missing = reload(haproxy, config=["/nowhere.cfg"])
    assert "/nowhere.cfg" in missing.result["msg"]
    no_socket = reload(haproxy, socket=None)
    for run in (not_master, absent, program, missing):
        assert (run.failed, run.result["reloaded"]) == (True, False)
    assert no_socket.failed
    haproxy.stop()
    assert reload(haproxy).failed
    assert time.monotonic() - started < 60


@pytest.fixture
def systemd(haproxy: HaproxyInstance, tmp_path: pathlib.Path) -> dict[str, str]:
    """Environment in which systemctl is ours."""
    program = tmp_path / "systemctl"
    program.write_text(_SYSTEMCTL)
    program.chmod(0o755)
    return {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SYSTEMCTL_LOG": str(tmp_path / "log"),
        "HAPROXY_MASTER": str(haproxy.master_pid),
    }


@pytest.mark.parametrize("with_master", [True, False])
def test_systemd(haproxy: HaproxyInstance, systemd: dict[str, str], with_master: bool) -> None:
    worker, new = haproxy.worker_pid(), renew(haproxy)
    options = {"method": "systemd", "unit": "lb", "socket": haproxy.master_socket if with_master else None}
    assert not reload(haproxy, check=True, env=systemd, **options).result["reloaded"]
    assert haproxy.worker_pid() == worker
    run = reload(haproxy, env=systemd, **options)
    assert run.result["reloaded"], run.output
    assert (run.result["worker_pid_before"], run.result["worker_pid_after"]) == (worker, haproxy.worker_pid())
    assert served(haproxy) == new
    assert "reload -- lb" in pathlib.Path(systemd["SYSTEMCTL_LOG"]).read_text().splitlines()


@pytest.mark.installed_haproxy
@pytest.mark.parametrize("with_master", [True, False])
def test_systemd_reload_without_effect(haproxy: HaproxyInstance, systemd: dict[str, str], with_master: bool) -> None:
    """systemctl says that all is well, and no new worker comes."""
    worker = haproxy.worker_pid()
    options = {"method": "systemd", "socket": haproxy.master_socket if with_master else None, "check_config": False}
    lost = reload(haproxy, env={**systemd, "FAKE_SIGNAL_LOST": "1"}, timeout=2, **options)
    assert (lost.failed, lost.result["reloaded"]) == (True, False)
    haproxy.write_config("garbage here")
    failed = reload(haproxy, env=systemd, timeout=4, **options)
    assert (failed.failed, failed.result["reloaded"]) == (True, False), failed.output
    assert haproxy.worker_pid() == worker


@pytest.mark.installed_haproxy
def test_systemd_refusals(haproxy: HaproxyInstance, systemd: dict[str, str]) -> None:
    options = {"method": "systemd", "socket": None}
    refused = reload(haproxy, env={**systemd, "FAKE_RELOAD_FAILS": "1"}, **options)
    assert "Job for haproxy.service failed." in refused.result["log"]
    inactive = reload(haproxy, env={**systemd, "FAKE_STATE": "inactive"}, **options)
    assert "inactive" in inactive.result["msg"]
    cannot = reload(haproxy, env={**systemd, "FAKE_CAN_RELOAD": "no"}, **options)
    assert "ExecReload" in cannot.result["msg"]
    single = reload(haproxy, env={**systemd, "HAPROXY_MASTER": str(haproxy.worker_pid())}, **options)
    assert "master-worker mode" in single.result["msg"]
    assert all(run.failed and not run.result["reloaded"] for run in (refused, inactive, cannot, single))


@pytest.mark.installed_haproxy
def test_of_several_methods_the_next_is_tried_where_haproxy_was_not_reached(
    haproxy: HaproxyInstance, systemd: dict[str, str]
) -> None:
    """And not where it has refused: no other way would help. The socket is that of the method master alone."""

    def tried(*methods: str, check: bool = False, fakes: dict[str, str] | None = None, **options: t.Any) -> ModuleRun:
        given = {"method": None, "methods": list(methods), "pid_file": "/nonexistent/haproxy.pid", **options}
        return reload(haproxy, check=check, env={**systemd, **(fakes or {})}, **given)

    def attempts(run: ModuleRun) -> list[tuple[str, bool]]:
        assert run.result["method"] == run.result["reload_attempts"][-1]["method"]
        return [(each["method"], each["reloaded"]) for each in run.result["reload_attempts"]]

    worker, new = haproxy.worker_pid(), renew(haproxy)
    predicted = tried("signal", "master", "systemd", check=True)
    assert (predicted.failed, attempts(predicted)) == (False, [("signal", False), ("master", False)])
    assert predicted.result["worker_pid_after"] == worker == haproxy.worker_pid()
    run = tried("signal", "master", "systemd")
    assert (run.failed, attempts(run)) == (False, [("signal", False), ("master", True)]), run.output
    assert (run.result["worker_pid_before"], run.result["worker_pid_after"]) == (worker, haproxy.worker_pid())
    assert served(haproxy) == new
    assert "/nonexistent/haproxy.pid" in run.result["reload_attempts"][0]["msg"]
    assert not pathlib.Path(systemd["SYSTEMCTL_LOG"]).exists()

    unreached = tried("signal", "master", socket="/nonexistent/master.sock")
    assert (unreached.failed, attempts(unreached)) == (True, [("signal", False), ("master", False)])
    first, second = unreached.result["msg"].splitlines()
    assert first.startswith("Reload by signal: ")
    assert second.startswith("Reload by master: HAProxy cannot be reached at /nonexistent/master.sock")
    assert attempts(tried("systemd", socket="/nonexistent/master.sock")) == [("systemd", True)]

    refused = tried("systemd", "master", fakes={"FAKE_RELOAD_FAILS": "1"})
    assert (refused.failed, attempts(refused)) == (True, [("systemd", False)])
    worker = haproxy.worker_pid()
    haproxy.write_config("garbage here")
    refused = tried("signal", "master", "systemd")
    assert (refused.failed, attempts(refused)) == (True, [("signal", False)])
    assert "garbage" in refused.result["log"]
    assert (haproxy.worker_pid(), haproxy.failed_reloads()) == (worker, 0)

    for options, words in (
        ({"methods": []}, "methods is empty"),
        ({"methods": ["master"], "method": "master"}, "mutually exclusive"),
        ({"methods": None}, "one of the following is required: method, methods"),
    ):
        wrong = reload(haproxy, **{"method": None, **options})
        assert wrong.failed
        assert words in wrong.result["msg"]
