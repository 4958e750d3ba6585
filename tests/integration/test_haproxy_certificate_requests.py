# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often haproxy_certificate asks HAProxy, and what it does when that says less, or goes away in between."""

from __future__ import annotations

import os
import re
import signal
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import actions, deploy, served
from ansible_collections.certops.rotation.tests.support.lying_socket import LyingSocket

pytestmark = pytest.mark.usefixtures("haproxy_version")

NAMES = [f"n{number}.example.com" for number in range(60)]
Made = dict[str, pki.IssuedCertificate]


@pytest.fixture(scope="module")
def made(intermediate: pki.CertificateAuthority) -> tuple[Made, Made]:
    """The certificates of all names, and their renewals."""
    key = pki.new_key()
    first, second = ({name: intermediate.issue(name, key=key) for name in NAMES} for dummy in range(2))
    return first, second


@pytest.fixture
def crowded(made: tuple[Made, Made]) -> t.Iterator[HaproxyInstance]:
    with HaproxyInstance({f"{name}.pem": one.combined_pem for name, one in made[0].items()}) as instance:
        yield instance


def items(instance: HaproxyInstance, wanted: Made) -> list[dict[str, str]]:
    """Given as content, so that a reload brings back those of the disk."""
    return [
        {"name": instance.certificate_name(f"{name}.pem"), "content": one.combined_pem} for name, one in wanted.items()
    ]


def not_served(instance: HaproxyInstance, wanted: Made) -> list[str]:
    return [name for name, one in wanted.items() if served(instance, name) != one.fingerprint_sha256]


def test_requests_of_a_run(crowded: HaproxyInstance, made: tuple[Made, Made]) -> None:
    """Two for each update, and a few for all that need none. Others can use the socket at the same time."""
    first, second = made
    with LyingSocket(crowded.directory / "l.sock", behind=crowded.socket) as proxy:
        for wanted, action, most in ((first, "unchanged", 6), (second, "updated", 2 * 60 + 12)):
            proxy.requests.clear()
            run = deploy(crowded, *items(crowded, wanted), socket=proxy.address)
            assert set(actions(run)) == {action}, run.output
            # On a busy machine, what a commit showed besides may be too old for the next one, and is asked for again.
            requests = [request for request in proxy.requests if "commit" in request or "@nobody" not in request]
            assert len(requests) <= most, requests
    assert proxy.most_at_once == 1
    assert not not_served(crowded, second)


def first_command(request: str) -> str:
    """Of a request with several, as the HAProxy would read it that runs no others. No name here has a semicolon."""
    command = request.removeprefix("prompt\n")
    if "<<" in command:
        return command.partition("\n\n")[0] + "\n\n"
    return re.split("[;\n]", command, maxsplit=1)[0] + "\n"


@pytest.mark.installed_haproxy
def test_one_that_runs_only_the_first_of_several_commands(crowded: HaproxyInstance, made: tuple[Made, Made]) -> None:
    wanted = dict(list(made[1].items())[:5])
    with LyingSocket(crowded.directory / "l.sock", behind=crowded.socket, passes=first_command) as proxy:
        for action in ("updated", "unchanged"):
            run = deploy(crowded, *items(crowded, wanted), socket=proxy.address)
            assert set(actions(run)) == {action}, run.output
    assert not not_served(crowded, wanted)


class At:
    """Does something, once, when the command about this name comes; the HAProxy behind then answers."""

    def __init__(self, command: str, does: t.Callable[[], object]) -> None:
        self._command = command
        self._does = does
        self.is_done = False

    def __call__(self, request: str) -> None:
        if request.startswith(self._command) and not self.is_done:
            self.is_done = True
            self._does()


@pytest.mark.parametrize("command", ["set", "commit"])
def test_a_reload_in_the_middle(crowded: HaproxyInstance, made: tuple[Made, Made], command: str) -> None:
    """The transaction is lost with the old worker. What was updated before is then what the reload has read."""
    wanted = dict(list(made[1].items())[:4])
    at = At(f"{command} ssl cert {crowded.certificate_name('n2.example.com.pem')}", crowded.reload)
    with LyingSocket(crowded.directory / "l.sock", at, crowded.socket) as proxy:
        run = deploy(crowded, *items(crowded, wanted), socket=proxy.address, timeout=10)
    assert at.is_done
    assert set(actions(run)) == {"updated"}, run.output
    assert not_served(crowded, wanted) == ["n0.example.com", "n1.example.com"]
    assert "# transaction" not in crowded.execute("show ssl cert")


@pytest.mark.installed_haproxy
def test_a_worker_that_is_killed_in_the_middle(crowded: HaproxyInstance, made: tuple[Made, Made]) -> None:
    """The rest fails at once, and the next run on the next HAProxy does all of it."""
    wanted = dict(list(made[1].items())[:4])

    def kill() -> None:
        os.kill(crowded.worker_pid(), signal.SIGKILL)
        while crowded.is_running():  # its master, which ends with it
            time.sleep(0.02)

    at = At(f"commit ssl cert {crowded.certificate_name('n2.example.com.pem')}", kill)
    with LyingSocket(crowded.directory / "l.sock", at, crowded.socket) as proxy:
        run = deploy(crowded, *items(crowded, wanted), socket=proxy.address)
    assert actions(run) == ["updated"] * 2 + ["failed"] * 2, run.output
    assert {item["error_code"] for item in run.result["certificates"]} == {None, "unavailable"}
    crowded.stop()
    crowded.start()
    assert set(actions(deploy(crowded, *items(crowded, wanted)))) == {"updated"}
    assert not not_served(crowded, wanted)


def drip() -> t.Iterator[bytes]:
    """A byte now and then, for ever."""
    while True:
        yield b"+ "
        time.sleep(0.05)


@pytest.mark.installed_haproxy
@pytest.mark.parametrize("command", ["show ssl cert /", "set", "commit"])
def test_an_answer_that_does_not_end(crowded: HaproxyInstance, made: tuple[Made, Made], command: str) -> None:
    """What it asks in one line has one deadline, and the message names the first command only."""
    wanted = dict(list(made[1].items())[:4])
    started = time.monotonic()
    with LyingSocket(
        crowded.directory / "l.sock",
        lambda request: drip() if request.startswith(command) else None,
        crowded.socket,
    ) as proxy:
        run = deploy(crowded, *items(crowded, wanted), socket=proxy.address, timeout=1)
    assert time.monotonic() - started < 30
    assert {item["error_code"] for item in run.result["certificates"]} == {"unavailable"}, run.output
    assert "more than 1 seconds for" in run.result["msg"]
    assert ";" not in run.result["msg"].partition("See whether")[0]
    assert "# transaction" not in crowded.execute("show ssl cert")
