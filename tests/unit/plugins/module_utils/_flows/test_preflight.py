# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import pathlib
import socket
import sys
import tempfile
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._flows import preflight
from ansible_collections.certops.rotation.plugins.module_utils._module.rotation_preflight_info import ARGUMENT_SPEC
from ansible_collections.certops.rotation.plugins.module_utils._ports.host import program_search
from ansible_collections.certops.rotation.tests.support.module import run_module


@pytest.fixture
def host() -> t.Iterator[dict[str, t.Any]]:
    """Options for a host where all is well. The folder's name is short, as paths of sockets must be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        folder = pathlib.Path(directory)
        (folder / "haproxy.cfg").touch()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "admin.sock"))
            options = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
            yield {
                **options,
                "path": str(folder / "certs"),
                "libraries": ["boto3", "cryptography"],
                "socket": str(folder / "admin.sock"),
                "master_socket": str(folder / "admin.sock"),
                "reload_methods": ["master"],
                "binary": sys.executable,
                "config": [str(folder / "haproxy.cfg")],
            }


def problems(options: t.Mapping[str, t.Any], **changed: t.Any) -> dict[str, tuple[bool, str]]:
    """Name -> whether it is required, and what is wrong."""
    checks = preflight.preflight({**options, **changed})
    return {check.name: (check.required, check.problem) for check in checks if check.problem}


def test_a_host_that_is_ready(host: dict[str, t.Any]) -> None:
    assert problems(host) == {}
    assert problems(host, socket="127.0.0.1:9999") == {}
    assert problems(host, socket=f"unix@{host['socket']}") == {}


def test_missing_libraries(host: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(preflight.MINIMUM_VERSIONS, "cryptography", "9999")
    monkeypatch.setitem(preflight.MINIMUM_VERSIONS, "certops-nothing", "1.0")
    found = problems(host, libraries=["boto3", "cryptography", "certops-nothing"])
    assert set(found) == {"cryptography", "certops-nothing"}
    assert "9999 or newer is needed" in found["cryptography"][1]
    assert "is not installed" in found["certops-nothing"][1]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nonexistent/certs", "/nonexistent, the parent of /nonexistent/certs, does not exist"),
        ("/dev/null", "/dev/null is not a directory"),
    ],
)
def test_directory(host: dict[str, t.Any], path: str, said: str) -> None:
    required, problem = problems(host, path=path)["path"]
    assert required
    assert said in problem


@pytest.mark.parametrize("place", ["", "/certs"])
@pytest.mark.parametrize(
    ("uid", "read_only", "said", "other"),
    [
        (1000, False, "Run as root (become: true)", "read-only"),
        (1000, True, "mounted read-only", "become"),
        (0, True, "mounted read-only", "become"),
        (0, False, "SELinux or AppArmor", "become"),
    ],
)
def test_a_directory_that_may_not_be_written(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    uid: int,
    read_only: bool,
    said: str,
    other: str,
) -> None:
    """To be root helps only where that is what is missing."""
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(preflight, "is_read_only", lambda path: read_only)
    problem = preflight._directory_problem(f"{tmp_path}{place}")
    assert said in problem
    assert other not in problem


def test_no_way_to_haproxy(host: dict[str, t.Any]) -> None:
    required, problem = problems(host, socket="", reload_methods=[])["socket"]
    assert required
    assert "option reload_methods" in problem


def test_one_of_two_ways_is_enough_but_the_other_is_told(host: dict[str, t.Any]) -> None:
    required, problem = problems(host, socket="/nonexistent.sock")["socket"]
    assert not required
    assert "does not exist" in problem
    required, problem = problems(host, master_socket="")["reload_methods"]
    assert not required
    assert "option master_socket is not set" in problem


def test_neither_of_two_ways(host: dict[str, t.Any]) -> None:
    found = problems(host, socket=host["config"][0], master_socket="/nonexistent.sock")
    assert [required for required, _problem in found.values()] == [True, True]
    assert "is not a socket" in found["socket"][1]
    assert "option activate: false" in found["socket"][1]


def test_one_of_several_reload_methods_is_enough(host: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(program_search, "_FOR_ROOT", "/nonexistent")
    assert problems(host, reload_methods=["master", "systemd"]) == {}
    assert "systemd: it does not run on this host" in problems(host, reload_methods=["systemd"])["reload_methods"][1]
    assert "no-such-haproxy" in problems(host, binary="no-such-haproxy")["reload_methods"][1]


@pytest.mark.parametrize(
    ("method", "bad", "said"),
    [
        ("docker", {"container": ""}, "option container is not set"),
        ("docker", {"docker_host": "unix:///nonexistent/docker.sock"}, "/nonexistent/docker.sock does not exist"),
        ("http", {"reload_url": ""}, "option reload_url is not set"),
        ("signal", {"pid_file": ""}, "option pid_file is not set"),
        ("signal", {"pid_file": "/nonexistent.pid"}, "/nonexistent.pid does not exist"),
        ("http", {"check_config": True, "binary": "no-such-haproxy"}, "option check_config: false"),
    ],
)
def test_other_reload_methods(host: dict[str, t.Any], method: str, bad: dict[str, t.Any], said: str) -> None:
    good = {
        "reload_methods": [method],
        "container": "haproxy",
        "docker_host": f"unix://{host['socket']}",
        "reload_url": "http://127.0.0.1/",
        "pid_file": host["config"][0],
        "check_config": False,
        "binary": "/nowhere/haproxy",
    }
    assert problems(host, **good) == {}
    assert problems(host, **{**good, "docker_host": "tcp://127.0.0.1:2375"}) == {}
    assert said in problems(host, **{**good, **bad})["reload_methods"][1]


def test_where_to_prove(host: dict[str, t.Any]) -> None:
    assert "option binds" in problems(host, config=[])["prove"][1]
    assert problems(host, config=[], binds=["127.0.0.1:443"]) == {}
    assert "does not exist" in problems(host, config=["/nonexistent.cfg"], reload_methods=[])["prove"][1]
    assert problems(host, config=[], prove=False) == {}


def test_a_configuration_that_this_user_may_not_read(host: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """HAProxy reads it, so that a reload does what it should; but nobody here knows where to prove."""
    usual = os.access
    monkeypatch.setattr(os, "access", lambda path, *mode: path not in host["config"] and usual(path, *mode))
    assert problems(host, prove=False) == {}
    assert problems(host, binds=["127.0.0.1:443"]) == {}
    assert list(problems(host)) == ["prove"]


@pytest.mark.parametrize(
    ("uid", "said", "other"), [(1000, "Run as root (become: true)", "SELinux"), (0, "SELinux", "become")]
)
def test_what_may_not_be_used(
    host: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch, uid: int, said: str, other: str
) -> None:
    """Nobody who is root is advised to become root; what cannot be looked at is not called missing."""
    closed = {
        **host,
        "container": "haproxy",
        "docker_host": f"unix://{host['socket']}",
        "pid_file": host["config"][0],
        "check_config": False,
    }
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    told = [
        problems(closed)["socket"][1],
        problems(closed)["prove"][1],
        *(problems(closed, reload_methods=[way])["reload_methods"][1] for way in ("master", "docker", "signal")),
    ]
    assert [text for text in told if said not in text or other in text] == []
    usual = os.stat
    hidden = {host["socket"], host["config"][0]}

    def stat(path: t.Any, **options: t.Any) -> os.stat_result:
        if path in hidden:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return usual(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    told = [
        problems(closed)["socket"][1],
        problems(closed)["prove"][1],
        *(problems(closed, reload_methods=[way])["reload_methods"][1] for way in ("master", "docker", "signal")),
    ]
    assert [text for text in told if said not in text or "does not exist" in text] == []


def test_contradictory_layout(host: dict[str, t.Any]) -> None:
    assert "does not load the layout lineage" in problems(host, layout="lineage")["layout"][1]
    assert problems(host, layout="lineage", activate=False, socket="") == {}


def test_the_module(host: dict[str, t.Any]) -> None:
    options = {name: value for name, value in host.items() if value is not None}
    ready = run_module("rotation_preflight_info", options)
    assert not ready.failed
    assert all(check["ok"] for check in ready.result["checks"])
    missing = {**options, "path": "/nonexistent/certs", "layout": "split"}
    failed = run_module("rotation_preflight_info", missing)
    assert failed.failed
    assert "2 things are missing:\n- option path: " in failed.result["msg"]
    predicted = run_module("rotation_preflight_info", missing, check=True)
    assert not predicted.failed
    assert "2 things are missing" in predicted.output
