# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events to a program of the user's: started once for each, it reads the event as JSON from its standard input.

It ends with 0 when it has taken the event, with 65 (EX_DATAERR of sysexits.h) when it will never take this one, and
with anything else when it has failed.
"""

from __future__ import annotations

import subprocess
import typing as t

from ..._core.text import shown
from ..._core.watch.delivery import event_body
from ..._core.watch.events import WatchEvent
from ..._errors import DeliveryError, DeliveryFault
from ..host.conversation import converse

_DATA_ERROR: t.Final = 65
_SHOWN_OUTPUT: t.Final = 300
_MOST_KEPT: t.Final = 64 * 1024


class CommandReceiver:
    """An EventReceiver. argv: the program and its arguments; body_format: of _core.watch.delivery."""

    def __init__(self, argv: t.Sequence[str], body_format: str = "event") -> None:
        self._argv = tuple(argv)
        self._body_format = body_format
        #: For messages: arguments may be secrets.
        self.shown = shown(self._argv[0])

    def send(self, event: WatchEvent, timeout: float) -> None:
        content = event_body(event, self._body_format) + b"\n"
        try:
            ended = converse(self._argv, content, timeout, most=_MOST_KEPT)
        except subprocess.TimeoutExpired:
            raise DeliveryError(
                f"{self.shown} took more than {timeout:g} seconds and was ended. It may have the event all the same.",
                "unavailable",
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise DeliveryError(f"{self.shown} cannot be run: {reason}. Correct command.", "unavailable") from None
        if ended.returncode:
            fault: DeliveryFault = "refused" if ended.returncode == _DATA_ERROR else "unavailable"
            how = (
                f"ended with {ended.returncode}" if ended.returncode > 0 else f"was ended by signal {-ended.returncode}"
            )
            text = shown(" ".join(ended.told.decode("utf-8", "replace").split()))[:_SHOWN_OUTPUT]
            raise DeliveryError(f"{self.shown} {how}: {text or 'it said nothing'}", fault)
