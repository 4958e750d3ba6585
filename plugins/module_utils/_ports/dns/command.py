# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values by a program of the user's.

It is called with one more argument, the action, and finds JSON on its standard input. It ends with 0 when all is done;
with anything else it has failed, and what it wrote to its standard error is shown. What it prints must be JSON, or
nothing:

======  ====================================================  ==================================================
action  input                                                 output
======  ====================================================  ==================================================
zones   ``{}``                                                ``{"zones": ["example.com", ...]}``
add     ``{"zone": "example.com", "records": [{"name":        nothing, or ``{"changes": ["id", ...]}`` for wait
        "_acme-challenge.example.com", "values": ["..."]}]}``
wait    ``{"changes": ["id", ...], "timeout": 300}``          nothing
remove  as add                                                nothing
======  ====================================================  ==================================================

Values that others have at these names must survive. What is there already, or gone already, is no failure. wait is
called only where add has printed changes, and zones only where no zones are given.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import threading
import time
import typing as t

from ..._core.acme.dns import TxtRecord, Zone
from ..._core.acme.zones import plain_name
from ..._core.text import shown
from ..._errors import DnsError

COMMAND_TIMEOUT: t.Final = 120.0
_MAX_OUTPUT = 1024 * 1024
_SHOWN_OUTPUT = 500
_LONGEST_ID = 1024
_GRACE = 5.0


class DnsCommand:
    """A DnsProvider. argv: the program and its first arguments; zones: None to ask the program; timeout: seconds for
    each call."""

    def __init__(self, argv: t.Sequence[str], *, zones: t.Sequence[str] = (), timeout: float = COMMAND_TIMEOUT) -> None:
        self._argv = tuple(argv)
        self._given = tuple(zones)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._zones: tuple[Zone, ...] | None = None

    def zones(self) -> tuple[Zone, ...]:
        with self._lock:
            if self._zones is None:
                names = self._given or self._texts(self._call("zones", {}, self._timeout), "zones", "zones")
                self._zones = tuple(Zone(name, name) for name in dict.fromkeys(map(plain_name, names)))
            return self._zones

    def add(self, zone: Zone, records: t.Sequence[TxtRecord]) -> list[str]:
        return self._texts(self._call("add", _work(zone, records), self._timeout), "add", "changes")

    def wait(self, changes: t.Sequence[str], timeout: float) -> None:
        self._call("wait", {"changes": list(changes), "timeout": int(timeout)}, timeout + _GRACE)

    def remove(self, zone: Zone, records: t.Sequence[TxtRecord]) -> None:
        self._call("remove", _work(zone, records), self._timeout)

    # -- the program --------------------------------------------------------------------------------------------

    def _call(self, action: str, given: t.Mapping[str, t.Any], timeout: float) -> str:
        """What it prints. Raises DnsError."""
        command = [*self._argv, action]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # it is ended with all that it has started
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise DnsError(f"dns: cannot run {self._argv[0]}: {reason}. Correct command.") from None
        with process:
            try:
                printed, told = _exchange(process, json.dumps(given).encode(), time.monotonic() + timeout)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise DnsError(self._said(action, f"took more than {timeout:g} seconds and was ended")) from None
        if process.returncode != 0:
            text = shown(" ".join(told.decode("utf-8", "replace").split()))[:_SHOWN_OUTPUT]
            raise DnsError(self._said(action, f"ended with {process.returncode}: {text or 'it said nothing'}"))
        if len(printed) >= _MAX_OUTPUT:
            raise DnsError(self._said(action, f"printed more than {_MAX_OUTPUT} bytes"))
        return printed.decode("utf-8", "replace").strip()

    def _texts(self, printed: str, action: str, field: str) -> list[str]:
        """A list of texts of its output; empty when it printed nothing. Raises DnsError."""
        if not printed and action != "zones":
            return []
        try:
            document = json.loads(printed)
        except (ValueError, RecursionError):
            document = None
        found = document.get(field, []) if isinstance(document, dict) else None
        texts = [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
        if texts != found or not all(0 < len(text) <= _LONGEST_ID for text in texts):
            raise DnsError(self._said(action, f'printed something else than {{"{field}": [texts]}}'))
        return texts

    def _said(self, action: str, what: str) -> str:
        return f"dns: the command '{' '.join([*self._argv, action])}' {what}."


def _work(zone: Zone, records: t.Sequence[TxtRecord]) -> dict[str, t.Any]:
    return {"zone": zone.name, "records": [{"name": each.name, "values": list(each.values)} for each in records]}


def _exchange(process: subprocess.Popen[bytes], content: bytes, end: float) -> tuple[bytes, bytes]:
    """Give it its input, and read standard output and error, each up to a limit, until it has ended.

    end: by time.monotonic(). Raises TimeoutExpired. A child of it that keeps the pipes open is not waited for long.
    """
    given = t.cast("t.IO[bytes]", process.stdin)
    output, errors = t.cast("t.IO[bytes]", process.stdout), t.cast("t.IO[bytes]", process.stderr)
    kept = {output: bytearray(), errors: bytearray()}
    left = memoryview(content)
    with selectors.DefaultSelector() as selector:
        for pipe in (given, output, errors):
            os.set_blocking(pipe.fileno(), False)
        selector.register(given, selectors.EVENT_WRITE)
        selector.register(output, selectors.EVENT_READ)
        selector.register(errors, selectors.EVENT_READ)
        while process.poll() is None or selector.get_map():
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired(process.args, 0)
            ready = selector.select(min(0.1, end - time.monotonic()))
            if not ready and process.poll() is not None:
                break
            for key, _events in ready:
                pipe = t.cast("t.IO[bytes]", key.fileobj)
                if pipe is given:
                    left = _written(given, left)
                    closed = not left
                else:
                    some = pipe.read(65536)
                    kept[pipe] += (some or b"")[: _MAX_OUTPUT - len(kept[pipe])]
                    closed = not some
                if closed:
                    selector.unregister(pipe)
                    pipe.close()
    return bytes(kept[output]), bytes(kept[errors])


def _written(pipe: t.IO[bytes], content: memoryview) -> memoryview:
    """What is left. A program need not read what it does not want to know."""
    try:
        return content[os.write(pipe.fileno(), content[:65536]) :]
    except BlockingIOError:
        return content
    except OSError:
        return memoryview(b"")
