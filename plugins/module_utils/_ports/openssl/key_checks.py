# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key pairs are checked while HAProxy is busy with the certificates before them.

OpenSSL takes about as long for a certificate as HAProxy does, and lets another thread run meanwhile.
"""

from __future__ import annotations

import typing as t

from ..._core.haproxy.content import CertificateContent, check_key
from .loadable import why_not_loaded

if t.TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


class KeyChecks:
    """To be closed."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._begun: dict[CertificateContent, Future[None]] = {}

    def begin(self, content: CertificateContent) -> None:
        """It will be asked for soon."""
        from concurrent.futures import ThreadPoolExecutor  # only by a run that changes several certificates

        self._thread = self._thread or ThreadPoolExecutor(1)
        if content not in self._begun:
            self._begun[content] = self._thread.submit(check_key, content, why_not_loaded)

    def require(self, content: CertificateContent) -> None:
        """Raises what check_key does, now or when it was begun."""
        begun = self._begun.pop(content, None)
        if begun is None:
            check_key(content, why_not_loaded)
        else:
            begun.result()

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._thread = None
        self._begun.clear()
