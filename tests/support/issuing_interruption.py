# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of certificate_issue that send themselves a signal just before a chosen request, or just after its answer came.

Those are all the points at which the world can have changed.
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
import tempfile
import threading
import typing as t

from . import secrets_scan
from .forking import ForkServer
from .issuing_scene import PROGRAM
from .module import ModuleRun, module_request, parse_result

_PROGRAM: t.Final = f"""{PROGRAM}
from ansible_collections.certops.rotation.tests.support import issuing_interruption
plain = run

def run(request):
    issuing_interruption.prepare(request["interruption"])
    plain(request)
"""
_Step = t.Literal["before", "after"]


class Point(t.NamedTuple):
    """number: from 0; request: an operation of AWS, or the last parts of an ACME URL's path."""

    number: int
    step: _Step
    request: str
    signalled: bool


class _Counter:
    """In the process itself."""

    def __init__(self, plan: t.Mapping[str, t.Any]) -> None:
        self._at: int | None = plan["at"]
        self._signal = signal.Signals[plan["signal"]]
        self._report = os.open(plan["report"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self._count = 0

    def reach(self, step: _Step, request: str) -> None:
        with self._lock:
            number, self._count = self._count, self._count + 1
            is_due = number == self._at
            os.write(self._report, f"{json.dumps([number, step, request, is_due])}\n".encode())
            if is_due:
                os.kill(os.getpid(), self._signal)


def prepare(plan: t.Mapping[str, t.Any]) -> None:
    """From now on this process interrupts itself. It does not wait a second for a CA that is on this machine."""
    from ansible_collections.certops.rotation.plugins.module_utils._flows.issue import orders

    orders._FIRST_POLL = 0.1  # type: ignore[misc]
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # nohup and background jobs ignore some of them
        signal.signal(number, signal.SIG_DFL)
    counter = _Counter(plan)
    connection: t.Any = http.client.HTTPConnection
    begin, put_header, end, answer = (
        connection.putrequest,
        connection.putheader,
        connection.endheaders,
        connection.getresponse,
    )

    def putrequest(self: t.Any, method: str, url: str, *arguments: t.Any, **named: t.Any) -> t.Any:
        path = url.partition("?")[0].strip("/").split("/")
        self.point = f"{method} {path[0]}"
        return begin(self, method, url, *arguments, **named)

    def putheader(self: t.Any, name: t.Any, *values: t.Any) -> t.Any:
        if str(name).lower() == "x-amz-target":
            text = values[0].decode() if isinstance(values[0], bytes) else str(values[0])
            self.point = text.rpartition(".")[2]
        return put_header(self, name, *values)

    def endheaders(self: t.Any, *arguments: t.Any, **named: t.Any) -> t.Any:
        counter.reach("before", self.point)
        return end(self, *arguments, **named)

    def getresponse(self: t.Any, *arguments: t.Any, **named: t.Any) -> t.Any:
        response = answer(self, *arguments, **named)
        counter.reach("after", self.point)
        return response

    connection.putrequest, connection.putheader = putrequest, putheader
    connection.endheaders, connection.getresponse = endheaders, getresponse


class InterruptedIssue(t.NamedTuple):
    """returncode: negative for the signal that ended it; output: all it printed; points: all that it came to."""

    returncode: int
    output: str
    points: list[Point]

    @property
    def told(self) -> ModuleRun:
        """AssertionError when there is no result."""
        return parse_result("certificate_issue", self.returncode, self.output)

    @property
    def signalled(self) -> list[Point]:
        return [point for point in self.points if point.signalled]


class IssueInterruptions:
    """Runs the module, one at a time. To be closed."""

    def __init__(self) -> None:
        self._server = ForkServer(_PROGRAM)
        self._directory = tempfile.TemporaryDirectory()
        self._report = pathlib.Path(self._directory.name) / "report"

    def close(self) -> None:
        self._server.close()
        self._directory.cleanup()

    def run(
        self, args: t.Mapping[str, t.Any], env: t.Mapping[str, str], *, at: int | None = None, name: str = "SIGKILL"
    ) -> InterruptedIssue:
        """at: number of the point, None for none; name: of the signal. AssertionError for a key in what it printed."""
        plan = {"at": at, "signal": name, "report": str(self._report)}
        request = {**json.loads(module_request("certificate_issue", args)), "interruption": plan}
        returncode, output = self._server.run(request, env)
        secrets_scan.assert_no_private_key(output)
        points = [Point(*json.loads(line)) for line in self._report.read_text().splitlines()]
        return InterruptedIssue(returncode, output, points)
