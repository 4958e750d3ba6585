# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotations and deployments that send themselves a signal just before a chosen call to the system, each in a process
of its own, by fork.

The calls are those that change something, or wait for somebody. They are counted in each stage, as HAProxy's answers
come in one piece or in two.
"""

from __future__ import annotations

import builtins
import collections
import fcntl
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

from . import secrets_scan
from .forking import ForkServer
from .module import FORKED, module_request, parse_result

# The walk's methods. opened is around those that work on the directory; what they fetch is read as they need it.
_STAGES = {
    **dict.fromkeys(("preflight", "discover", "opened", "plan", "fetch", "verify", "write", "settle")),
    **dict.fromkeys(("activate", "prove", "go_back", "record", "metrics", "recall")),
    "_some_at_a_time": "fetch",
}
_BEGIN, _END = "begin", "end"
_CALLS: t.Mapping[t.Any, t.Sequence[str]] = {
    os: (
        *("open", "write", "mkdir", "rename", "link", "symlink", "unlink", "rmdir", "fchmod", "fchown", "fsync"),
        *("memfd_create",),
    ),
    fcntl: ("flock",),
    socket.socket: ("connect", "sendall", "recv", "shutdown"),
    subprocess: ("Popen",),
    builtins: ("print",),
}
_CHANGING = os.O_CREAT | os.O_WRONLY | os.O_RDWR
_PROGRAM = f"""{FORKED}
import gc
from ansible_collections.certops.rotation.tests.support import interruption
plain = run
gc.collect()
gc.freeze()

def run(request):
    interruption.prepare(request["interruption"])
    plain(request)
"""


class Place(t.NamedTuple):
    """The so-manieth call of a stage, from 0; None: each of them."""

    stage: str
    number: int | None = None


class Point(t.NamedTuple):
    """Where a run was about to call something. stage: the walk's, or what is before and after it ("begin", "end");
    signalled: whether it was signalled there."""

    stage: str
    number: int
    call: str
    signalled: bool

    @property
    def place(self) -> Place:
        return Place(self.stage, self.number)


class _Counter:
    """In the process itself. plan: signals to send, by turns, at which places, and where to tell of it."""

    def __init__(self, plan: t.Mapping[str, t.Any]) -> None:
        self._signals = [signal.Signals[name] for name in plan["signals"]]
        self._places = {Place(*place) for place in plan["places"]}
        self._report = os.open(plan["report"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._write = os.write
        self._stage = _BEGIN
        self._lock = threading.Lock()
        self._counts: collections.Counter[str] = collections.Counter()

    def reach(self, call: str) -> None:
        if threading.current_thread() is threading.main_thread():
            self._stage = self._stage_now() or (
                _END if self._stage not in (_BEGIN, "preflight", "discover") else _BEGIN
            )
        with self._lock:
            stage, number = self._stage, self._counts[self._stage]
            self._counts[stage] += 1
        is_due = not self._places.isdisjoint((Place(stage, number), Place(stage)))
        self._write(self._report, f"{json.dumps([stage, number, call, is_due])}\n".encode())
        if is_due:
            os.kill(os.getpid(), self._signals[number % len(self._signals)])

    @staticmethod
    def _stage_now() -> str | None:
        """The outermost method of the walk that is being run."""
        frame, found = t.cast(t.Any, sys._getframe(2)), None
        while frame is not None:
            code = frame.f_code
            if code.co_name in _STAGES and code.co_filename.endswith(
                ("/rotation.py", "/sync.py", "/way_back.py", "/deployment.py")
            ):
                found = _STAGES[code.co_name] or code.co_name
            frame = frame.f_back
        return found


def prepare(plan: t.Mapping[str, t.Any]) -> None:
    """From now on this process interrupts itself. Waits that are only there for the sake of others are shortened."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # nohup and background jobs ignore some of them
        signal.signal(number, signal.SIG_DFL)
    counter = _Counter(plan)
    for owner, names in _CALLS.items():
        for name in names:
            _count(counter, owner, name)
    if plan["hurried"]:
        pause = time.sleep
        time.sleep = lambda seconds: pause(min(seconds, 0.02))
    from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.certificates import CertificateMemory

    t.cast(t.Any, CertificateMemory.__init__).__kwdefaults__["patience"] = 0.2


def _count(counter: _Counter, owner: t.Any, name: str) -> None:
    original = getattr(owner, name)

    def call(*arguments: t.Any, **named: t.Any) -> t.Any:
        if name != "open" or arguments[1] & _CHANGING:
            counter.reach(name)
        # No signal loses what the system has been given, and here a disk would be waited for thousands of times.
        return None if name == "fsync" else original(*arguments, **named)

    class Counted(original if name == "Popen" else object):  # type: ignore[misc]  # it is used as a type, too
        def __init__(self, *arguments: t.Any, **named: t.Any) -> None:
            counter.reach(name)
            super().__init__(*arguments, **named)

    setattr(owner, name, Counted if name == "Popen" else call)


class InterruptedRun(t.NamedTuple):
    """returncode: negative for the signal that ended it; output: all it printed; points: all that it came to."""

    returncode: int
    output: str
    points: list[Point]

    @property
    def told(self) -> dict[str, t.Any]:
        """Its result. AssertionError when there is none."""
        return parse_result("the module", self.returncode, self.output).result

    @property
    def signalled(self) -> list[Point]:
        return [point for point in self.points if point.signalled]


class Interruptions:
    """Runs a module, one at a time. To be closed."""

    def __init__(self, module: str = "haproxy_rotation") -> None:
        self._module = module
        self._server = ForkServer(_PROGRAM)
        self._directory = tempfile.TemporaryDirectory()
        self._report = pathlib.Path(self._directory.name) / "report"

    def close(self) -> None:
        self._server.close()
        self._directory.cleanup()

    def run(
        self,
        args: t.Mapping[str, t.Any],
        env: t.Mapping[str, str],
        *,
        signals: t.Sequence[str] = (),
        places: t.Collection[Place] = (),
        hurried: bool = False,
    ) -> InterruptedRun:
        """signals: names, sent by turns. Raises AssertionError for a key in what it printed."""
        plan = {"signals": signals, "places": [*places], "hurried": hurried, "report": str(self._report)}
        request = {**json.loads(module_request(self._module, args)), "interruption": plan}
        returncode, output = self._server.run(request, env)
        secrets_scan.assert_no_private_key(output)
        points = [Point(*json.loads(line)) for line in self._report.read_text().splitlines()]
        return InterruptedRun(returncode, output, points)
