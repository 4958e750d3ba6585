# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is asked to end: at once before its first change, and else it goes on, and says so."""

from __future__ import annotations

import contextlib
import os
import sys
import typing as t

if t.TYPE_CHECKING:
    from .._ports.host.signals import Requests


class EndingModule(t.Protocol):
    """What is needed of a module."""

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn: ...

    def warn(self, warning: str) -> None: ...


def end_at_once(module: EndingModule, name: str) -> None:
    """name: of the signal. Not by an exception: threads that wait for somebody would be waited for."""
    try:
        module.fail_json(msg=f"{name} came before anything was changed, so the run ended there.", changed=False)
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(1)


def warn_of_requests(module: EndingModule, requests: Requests) -> None:
    """Of those that were held until what had been begun was done."""
    if requests.held:
        module.warn(f"{' and '.join(requests.held)} came while something was changed: the run went on to its end.")
