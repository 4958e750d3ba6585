# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exceptions that nobody expected: told by their kind and their place in the code, never by their text.

That text may quote the input which the code choked on, a private key for instance.
"""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import RotationError

_MAX_PLACES = 12  # of a recursion that went too deep there are a thousand


def is_failure(error: BaseException) -> bool:
    """Whether it is about the work that was tried, and not somebody's wish to end the process.

    A panic of cryptography's Rust parts is not an Exception.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def kind_and_place(error: BaseException) -> str:
    """ "ValueError in parse (pem.py:12) < load (document.py:34)": the nearest places first."""
    places = []
    trace = error.__traceback__
    while trace is not None:  # without traceback, which looks into the files of the code
        code = trace.tb_frame.f_code
        places.append(f"{code.co_name} ({code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno})")
        trace = trace.tb_next
    return f"{type(error).__name__} in {' < '.join(reversed(places[-_MAX_PLACES:]))}"


class UnexpectedFailure(RotationError):
    """One of no expected kind, in words that are safe to print."""


@contextlib.contextmanager
def only_rotation_errors() -> t.Iterator[None]:
    """Around the work on one of many, or on all: whatever it raises is a RotationError, so that the others go on."""
    try:
        yield
    except RotationError:
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        raise UnexpectedFailure(
            f"Unexpected {kind_and_place(error)}. Its text is withheld, as it may quote a private key;"
            " please report this with the steps to reproduce it."
        ) from None
