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

import json
import subprocess
import threading
import typing as t

from ..._core.acme.dns import TxtRecord, Zone
from ..._core.acme.zones import plain_name
from ..._core.text import shown
from ..._errors import DnsError
from ..host.conversation import converse

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
        try:
            ended = converse([*self._argv, action], json.dumps(given).encode(), timeout, most=_MAX_OUTPUT)
        except subprocess.TimeoutExpired:
            raise DnsError(self._said(action, f"took more than {timeout:g} seconds and was ended")) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise DnsError(f"dns: cannot run {self._argv[0]}: {reason}. Correct command.") from None
        if ended.returncode != 0:
            text = shown(" ".join(ended.told.decode("utf-8", "replace").split()))[:_SHOWN_OUTPUT]
            raise DnsError(self._said(action, f"ended with {ended.returncode}: {text or 'it said nothing'}"))
        if len(ended.printed) >= _MAX_OUTPUT:
            raise DnsError(self._said(action, f"printed more than {_MAX_OUTPUT} bytes"))
        return ended.printed.decode("utf-8", "replace").strip()

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
