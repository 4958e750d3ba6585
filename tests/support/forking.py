# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Python process of its own for every run, by fork: without the time that starting Python and importing takes."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

# After what a server loads in advance, which defines run(request). Nothing of it starts a thread, so forking is safe.
# The collector leaves alone what was loaded, and a run ends like one of multiprocessing: its threads have ended, and
# what is to do at exit is done. To take the whole interpreter apart would take longer than most modules do.
_LOOP = r"""
import atexit, gc, json, os, signal, sys, threading, traceback

def end(request):
    status = 0
    try:
        run(request)
    except SystemExit as exit:
        status = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

gc.collect()
gc.freeze()
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and programs leave it so
        os.environ.clear()
        os.environ.update(request["env"])
        for descriptor, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            opened = os.open(path, flags, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        os.dup2(1, 2)
        end(request)
    print(child, flush=True)
    _pid, status, usage = os.wait4(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss]), flush=True)
"""


class Running(t.NamedTuple):
    """A process at work. pid: its own and its group's; started: monotonic clock."""

    pid: int
    started: float
    server: ForkServer

    def kill(self) -> None:
        """SIGKILL, unless it has ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> tuple[int, int]:
        """The exit status (negative: the signal that ended it) and the peak of its memory in KiB."""
        return self.server.wait()


class Place:
    """Where a server runs: here. shared: where the files of its runs are, which both sides see at the same path."""

    shared: pathlib.Path | None = None

    def environment(self, env: t.Mapping[str, str]) -> dict[str, str]:
        """All of that of a run that is given this."""
        return {**os.environ, **env}

    def command(self, command: t.Sequence[str], env: t.Mapping[str, str]) -> list[str]:
        """What starts it there; env is in the environment of what starts it, too."""
        return [*command]

    def kill_group(self, pid: int) -> None:
        os.killpg(pid, signal.SIGKILL)


class ForkServer:
    """One run at a time. program: Python source that imports what is needed and defines run(request)."""

    def __init__(
        self,
        program: str,
        env: t.Mapping[str, str] | None = None,
        *,
        place: Place | None = None,
    ) -> None:
        """env: more for the imports; a run has only the environment that it is given. place: elsewhere than here."""
        self._place = place or Place()
        self._directory = tempfile.TemporaryDirectory(dir=self._place.shared)
        self._output = pathlib.Path(self._directory.name) / "output"
        self._process = subprocess.Popen(
            self._place.command([sys.executable, "-c", program + _LOOP], env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=pathlib.Path(__file__).parents[2],
            env={**os.environ, **(env or {})},
        )

    def close(self) -> None:
        self._process.communicate()
        self._directory.cleanup()

    def begin(self, request: t.Mapping[str, t.Any], env: t.Mapping[str, str] | None = None) -> Running:
        """env: added to the environment of the tests."""
        environment = self._place.environment(env or {})
        self._send(json.dumps({**request, "env": environment, "output": str(self._output)}))
        return Running(int(self._receive()), time.monotonic(), self)

    def wait(self) -> tuple[int, int]:
        status, memory = json.loads(self._receive())
        return status, memory

    def run(
        self, request: t.Mapping[str, t.Any], env: t.Mapping[str, str] | None = None, timeout: float = 120
    ) -> tuple[int, str]:
        """Its exit status, and all that it printed. timeout: seconds, after which it and its children are killed."""
        running = self.begin(request, env)
        limit = threading.Timer(timeout, self._place.kill_group, (running.pid,))
        limit.start()
        try:
            status, _memory = running.wait()
        finally:
            limit.cancel()
        return status, self.output

    @property
    def output(self) -> str:
        """All that the last run printed."""
        return self._output.read_text(encoding="utf-8")

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _receive(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server has ended"
        return line


_idle: dict[tuple[str, frozenset[tuple[str, str]]], list[ForkServer]] = {}


@contextlib.contextmanager
def borrowed(program: str, env: t.Mapping[str, str] | None = None) -> t.Iterator[ForkServer]:
    """A server that nobody uses now, started when there is none. They live until close_all, one set in a test process.

    env: what the imports depend on, besides PYTHONPATH.
    """
    wanted = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **(env or {})}
    idle = _idle.setdefault((program, frozenset(wanted.items())), [])
    server = idle.pop() if idle else ForkServer(program, wanted)
    try:
        yield server
    except BaseException:
        server.close()
        raise
    idle.append(server)


def close_all() -> None:
    for servers in _idle.values():
        while servers:
            servers.pop().close()
