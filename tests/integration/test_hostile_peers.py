# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers and programs that lie, echo, drip and flood, and names that are none: nothing secret is shown, all ends."""

from __future__ import annotations

import base64
import json
import pathlib
import re
import socket
import sys
import time
import typing as t
import urllib.parse

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import ReloadError
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.instance_metadata import look_up_instance
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.programs import run_program
from ansible_collections.certops.rotation.tests.support.bad_server import (
    BadServer,
    Behaviour,
    drips,
    floods,
    http_answer,
    says,
)
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook

PASSWORD, TOKEN, HEADER = "p&ss/4711 Wörd", "tok+4712/En==", "hdr-4713-En"
USER = "operator"
SOON = 30  # seconds, for what takes one


def forms(secret: str) -> list[str]:
    """A secret as somebody might repeat it."""
    data = secret.encode()
    return [
        secret,
        base64.b64encode(data).decode(),
        base64.b64encode(f"{USER}:{secret}".encode()).decode(),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        "".join(f"%{byte:02X}" for byte in data),
        data.hex(),
        json.dumps(secret),
        secret.lower(),
        secret.upper(),
        secret[::-1],
    ]


ECHO = "\n".join(form for secret in (PASSWORD, TOKEN, HEADER) for form in forms(secret))


def assert_hidden(output: str) -> None:
    decoded = output.encode().decode("unicode_escape", "replace")
    shown = [
        form for secret in (PASSWORD, TOKEN, HEADER) for form in forms(secret) if form in output or form in decoded
    ]
    assert shown == []
    # Nor in pieces.
    assert not [digits for digits in ("4711", "4712", "4713") if digits in output]


@pytest.fixture
def reload(modules: ModuleServer) -> t.Callable[..., ModuleRun]:
    def reload(**options: t.Any) -> ModuleRun:
        begin = time.monotonic()
        run = modules.run("haproxy_reload", {"check_config": False, "timeout": 0.5, "url_timeout": 0.5, **options})
        assert time.monotonic() - begin < SOON
        return run

    return reload


@pytest.mark.parametrize("status", ["200", "401", "307", "599"])
def test_what_an_endpoint_echoes_is_not_shown(reload: t.Callable[..., ModuleRun], status: str) -> None:
    headers = "".join(f"X-{n}: {form}\r\n" for n, form in enumerate(ECHO.splitlines())).encode("utf-8")
    answer = (
        f"HTTP/1.1 {status} {ECHO.splitlines()[2]}\r\nLocation: /?{TOKEN}\r\nContent-Length: {len(ECHO.encode())}\r\n"
    )
    with BadServer(says(answer.encode() + headers + b"\r\n" + ECHO.encode())) as server:
        run = reload(
            method="http",
            url=f"http://{server.address}/reload?token={urllib.parse.quote(TOKEN, safe='')}&x=1#{HEADER}",
            headers={"X-Token": HEADER},
            username=USER,
            password=PASSWORD,
        )
        (request,) = server.requests
    assert request.startswith(f"POST /reload?token={urllib.parse.quote(TOKEN, safe='')}&x=1 HTTP/1.1\r\n".encode())
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()) in request
    assert run.failed == (status != "200")
    assert_hidden(run.output)
    if run.failed:
        assert f"http://{server.address}/reload was answered with status {status} instead of 200" in run.result["msg"]


@pytest.mark.parametrize(
    "sent", [{"headers": {"A": "4711"}}, {"username": "u4711", "password": "4711"}, {"query": "4711"}]
)
def test_an_answer_is_quoted_only_where_nothing_secret_was_sent(
    reload: t.Callable[..., ModuleRun], sent: dict[str, t.Any]
) -> None:
    with BadServer(says(http_answer("4711\x1b[2J"))) as server:
        query = sent.pop("query", "")
        url = f"http://{server.address}/" + (f"?{query}" if query else "")
        assert reload(method="http", url=url, **sent).result["log"] == ""
        assert reload(method="http", url=f"http://{server.address}/").result["log"] == "4711\\x1b[2J"


@pytest.mark.parametrize(
    "url",
    [
        f"http://{USER}:4711@127.0.0.1/",
        "http://4711@127.0.0.1/",
        "http://127.0.0.1:4711x/",
        "ftp://127.0.0.1/?4711",
        "http://127.0.0.1/a b?4711",
        "http://127.0.0.1:1/?token=4711",
    ],
)
@pytest.mark.parametrize("option", ["url", "docker_host"])
def test_what_a_url_holds_is_not_shown(reload: t.Callable[..., ModuleRun], url: str, option: str) -> None:
    """Whether it is good or not: in no message, and not among the arguments."""
    options = {"method": "http"} if option == "url" else {"method": "docker", "container": "a"}
    run = reload(**options, **{option: url})
    assert run.failed
    assert "4711" not in run.output.replace("127.0.0.1:4711x", "")


def test_the_role_shows_no_token_either(tmp_path: pathlib.Path) -> None:
    """At -vvvv, of the options of the modules that look first, and of a way that fails."""
    with BadServer(says(http_answer("4711", "403 4711"))) as server:
        variables = {
            "haproxy_certificates_reload_url": f"http://{server.address}/reload?token=4711",
            "haproxy_certificates_reload_methods": ["http"],
            "haproxy_certificates_socket": "",
            "haproxy_certificates_check_config": False,
            "haproxy_certificates_prove": False,
            "haproxy_certificates_path": str(tmp_path / "certs"),
        }
        play = {
            "hosts": "haproxy",
            "gather_facts": False,
            "roles": ["certops.rotation.haproxy_certificates"],
            "tasks": [{"ansible.builtin.command": "true", "notify": "certops.rotation haproxy reload http"}],
        }
        run = run_playbook(variables, playbook=[play])
    assert run.modules == ["haproxy_rotation", "haproxy_reload"]
    assert run.of("haproxy_reload")[0].status == "failed"
    printed = run.output.partition("PLAY [")[2]
    assert "4711" not in printed


HEAD = "HTTP/1.1 200 OK\r\n"
CHUNKED = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n"
BAD: dict[str, Behaviour] = {
    "a head that drips": drips("HTTP/1.1 2"),
    "headers that drip": drips(HEAD, "X: y\r\n"),
    "a body that drips": drips(f"{HEAD}Content-Length: 99999\r\n\r\n"),
    "a body without length that drips": drips(f"{HEAD}\r\n"),
    "chunks that drip": drips(CHUNKED, "1\r\nx\r\n"),
    "a trailer that drips": drips(f"{CHUNKED}0\r\n", "X: y\r\n"),
    "to go on, again and again": drips("", "HTTP/1.1 100 Continue\r\n\r\n"),
    "a flood of that": floods("", "HTTP/1.1 100 Continue\r\n\r\n"),
    "a flood of headers": floods(HEAD, f"X: {'y' * 60000}\r\n"),
    "a flood of one line": floods("", "y"),
    "a flood of chunks": floods(CHUNKED, "1\r\nx\r\n"),
    "a flood of a trailer": floods(f"{CHUNKED}0\r\n", "X: y\r\n"),
    "a flood without length": floods(f"{HEAD}\r\n", "y"),
    "no HTTP": says("\x1b[2J4711\r\n\r\n"),
    "nothing": says(""),
}


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD)
def test_http_ends_whatever_comes(reload: t.Callable[..., ModuleRun], behaviour: Behaviour) -> None:
    """With a result: a status that has come is known, however the rest comes."""
    with BadServer(behaviour) as server:
        run = reload(method="http", url=f"http://{server.address}/")
    assert "\x1b" not in json.dumps(run.result, ensure_ascii=False)
    assert "4711" not in run.output
    assert len(run.output) < 500_000
    assert not run.failed or run.result["msg"].startswith(f"POST to http://{server.address}/ failed: ")


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD)
def test_docker_ends_whatever_comes(
    reload: t.Callable[..., ModuleRun], behaviour: Behaviour, tmp_path: pathlib.Path
) -> None:
    with BadServer(behaviour, tmp_path / "s") as server:
        run = reload(method="docker", container="haproxy", docker_host=server.address)
    assert run.failed
    assert "Docker" in run.result["msg"]
    assert len(run.output) < 50_000


def test_a_log_of_docker_that_never_ends(reload: t.Callable[..., ModuleRun], tmp_path: pathlib.Path) -> None:
    """It is cut, and the reload that failed is still told of."""
    state = json.dumps({"State": {"Running": True, "Pid": 1, "StartedAt": "x"}, "Config": {"Tty": True}})
    listing = json.dumps(
        {"Titles": ["PID", "PPID", "CMD"], "Processes": [["1", "0", "haproxy"], ["2", "1", "haproxy"]]}
    )

    def behave(connection: socket.socket, request: bytes) -> None:
        target = request.split()[1].decode()
        if "/logs" in target:
            floods(f"{HEAD}\r\n", "log \x1b[2J\n")(connection, request)
        elif "/kill" in target:
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            connection.sendall(http_answer(listing if "/top" in target else state).encode())

    with BadServer(behave, tmp_path / "s") as server:
        run = reload(method="docker", container="haproxy", docker_host=server.address)
    assert run.failed
    assert "has no new worker 0.5 seconds after the signal" in run.result["msg"]
    assert "\nlog \\x1b[2J\n" in run.result["log"]
    assert len(run.output) < 2_000_000


def test_a_tls_handshake_that_drips(reload: t.Callable[..., ModuleRun]) -> None:
    record = b"\x16\x03\x03\x40\x00"
    with BadServer(drips(record, b"\x02"), reads_request=False) as server:
        run = reload(method="http", url=f"https://{server.address}/")
        assert run.failed
        assert f"POST to https://{server.address}/ failed: " in run.result["msg"]


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD)
def test_instance_metadata_end_whatever_comes(behaviour: Behaviour) -> None:
    with BadServer(behaviour) as server:
        begin = time.monotonic()
        environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{server.address}"}
        assert look_up_instance(environment, timeout=0.3) is None
        assert time.monotonic() - begin < SOON


@pytest.mark.parametrize(
    "unit", ["-H x", "--host=x", "-", "*", "hap*", "ha[p]roxy", "a b", "a/b", "", "\x1b[2J", "a\nb"]
)
def test_a_unit_is_one_name(reload: t.Callable[..., ModuleRun], unit: str) -> None:
    """Neither an option nor a pattern reaches systemctl."""
    run = reload(method="systemd", unit=unit)
    assert run.failed
    assert "is no name of a unit" in run.result["msg"]
    assert "\x1b" not in run.result["msg"]


@pytest.mark.parametrize("name", ["../x", "a/b?x=y", "..", ".", "-x", "a%2fb", "a b", "a\r\nHost: b", "ä"])
def test_a_container_is_one_name(reload: t.Callable[..., ModuleRun], name: str, tmp_path: pathlib.Path) -> None:
    with BadServer(says(http_answer("{}")), tmp_path / "s") as server:
        run = reload(method="docker", container=name, docker_host=server.address)
        assert run.failed
        assert "is no name or id of a container" in run.result["msg"]
        assert server.requests == []


def test_programs_end_and_are_cut() -> None:
    begin = time.monotonic()
    with pytest.raises(ReloadError, match=r"took more than 1 seconds"):
        run_program(["sh", "-c", "while :; do echo 4711; done"], 1)
    # What goes on in the background and holds the output is not waited for longer than that.
    with pytest.raises(ReloadError, match=r"took more than 1 seconds"):
        run_program(["sh", "-c", "sleep 20 & echo started"], 1)
    assert time.monotonic() - begin < SOON
    flood = run_program([sys.executable, "-c", "print('x' * 5_000_000); raise SystemExit(3)"], SOON)
    assert (flood.returncode, len(flood.output)) == (3, 256 * 1024)


def test_a_startup_log_moves_no_cursor(reload: t.Callable[..., ModuleRun], tmp_path: pathlib.Path) -> None:
    program = tmp_path / "haproxy"
    program.write_text("#!/bin/sh\nprintf '[ALERT] \\033]0;evil\\007\\033[2J\\302\\233\\n'\nexit 1\n")
    program.chmod(0o755)
    run = reload(method="master", socket="/nowhere", check_config=True, executable=str(program))
    assert run.result["log"] == "[ALERT] \\x1b]0;evil\\x07\\x1b[2J\\x9b"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "".join(run.result["log"]))
