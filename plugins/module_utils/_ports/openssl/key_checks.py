# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates are read, and their key pairs checked, while HAProxy is busy with those before them.

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
        self._begun: dict[str, tuple[Future[CertificateContent], Future[bool]]] = {}
        self._checks: dict[CertificateContent, Future[bool]] = {}

    def begin(
        self, name: str, read: t.Callable[[], CertificateContent], is_needed: t.Callable[[CertificateContent], bool]
    ) -> None:
        """It will be asked for soon. is_needed: whether its key pair will be, too."""
        from concurrent.futures import ThreadPoolExecutor  # only by a run that changes several certificates

        self._thread = self._thread or ThreadPoolExecutor(1)
        content = self._thread.submit(read)
        self._begun[name] = content, self._thread.submit(_check, content, is_needed)

    def content(self, name: str) -> CertificateContent | None:
        """None for one that was not begun, or could not be read: whoever reads it learns why."""
        content, check = self._begun.pop(name, (None, None))
        if content is None or check is None or content.exception() is not None:
            return None
        self._checks[content.result()] = check
        return content.result()

    def require(self, content: CertificateContent) -> None:
        """Raises what check_key does, now or meanwhile."""
        begun = self._checks.pop(content, None)
        if begun is None or not begun.result():
            check_key(content, why_not_loaded)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._thread = None
        self._begun.clear()
        self._checks.clear()


def _check(content: Future[CertificateContent], is_needed: t.Callable[[CertificateContent], bool]) -> bool:
    """Whether it was checked."""
    if not is_needed(content.result()):
        return False
    check_key(content.result(), why_not_loaded)
    return True
