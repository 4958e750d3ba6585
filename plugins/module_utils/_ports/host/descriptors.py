# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many files and sockets this process may have open at a time (getrlimit(2), RLIMIT_NOFILE)."""

from __future__ import annotations

import contextlib
import resource
import typing as t

_OTHERS: t.Final = 64  # of this process: standard streams, modules' files, a database
_LEAST: t.Final = 16


@contextlib.contextmanager
def open_files(wanted: int) -> t.Iterator[int]:
    """Up to wanted more, within the block: how many there may be. The soft limit is raised where that is needed.

    It falls again afterwards, because programs that are started inherit it, and some go through all there might be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHERS
    raised = soft
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    soft_now, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield wanted if soft_now == resource.RLIM_INFINITY else max(_LEAST, min(wanted, soft_now - _OTHERS))
    finally:
        if soft_now != soft:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
