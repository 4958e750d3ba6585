# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exceptions that nobody expected: told by their kind and their place in the code, never by their text.

That text may quote the input which the code choked on, a private key for instance.
"""

from __future__ import annotations

import traceback

_MAX_PLACES = 12  # of a recursion that went too deep there are a thousand


def is_failure(error: BaseException) -> bool:
    """Whether it is about the work that was tried, and not somebody's wish to end the process.

    A panic of cryptography's Rust parts is not an Exception.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def kind_and_place(error: BaseException) -> str:
    """ "ValueError in parse (pem.py:12) < load (document.py:34)": the nearest places first."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_PLACES:]
    places = (f"{frame.name} ({frame.filename.rsplit('/', 1)[-1]}:{frame.lineno})" for frame in reversed(frames))
    return f"{type(error).__name__} in {' < '.join(places)}"
