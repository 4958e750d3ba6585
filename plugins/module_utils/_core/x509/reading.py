# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever content makes its readers raise is said as that content's problem, so that the others go on."""

from __future__ import annotations

import contextlib
import typing as t

from ..._errors import RotationError
from ..unexpected import is_failure, kind_and_place
from .problems import MaterialError


@contextlib.contextmanager
def material_errors() -> t.Iterator[None]:
    """Around the reading of content from elsewhere, also as a decorator: raises MaterialError for all that it raises.

    Of those kinds that are not expected the text is withheld: it may quote a private key. What is the host's own
    failure (no memory, no file descriptors) is not the content's and goes on as it is.
    """
    try:
        yield
    except (RotationError, OSError, MemoryError):
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        raise MaterialError(
            "certificate_unreadable",
            f"The content makes its reader fail ({kind_and_place(error)}): have it issued or exported again.",
        ) from None
