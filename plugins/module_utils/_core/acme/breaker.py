# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A breaker: after a number of failures in a row nothing more is tried for a while. Pure."""

from __future__ import annotations

import typing as t


class Breaker:
    """most: failures in a row after which it opens; rest: seconds until one try is let through again.

    Instants are seconds of any clock that only goes forward. Not safe for threads by itself.
    """

    def __init__(self, most: int = 4, rest: float = 60.0) -> None:
        self._most = most
        self._rest = rest
        self._failures = 0
        self._open_until: float | None = None
        self.why = ""

    def lets_through(self, now: float) -> bool:
        """Whether to try. When the rest is over, whoever asks first tries alone for all."""
        if self._open_until is None:
            return True
        if now < self._open_until:
            return False
        self._open_until = now + self._rest
        return True

    def failed(self, now: float, why: str, *, for_all: bool = False) -> None:
        """why: for people; for_all: that alone shows that nothing will work."""
        self._failures = self._most if for_all else self._failures + 1
        if self._failures >= self._most:
            self._open_until = now + self._rest
            self.why = why

    def succeeded(self) -> None:
        self._failures = 0
        self._open_until = None


class Repeating(t.NamedTuple):
    """How often a request may be sent again when no good answer came, or an answer says 5xx.

    unsent: where it cannot have arrived; broken: where the connection broke or the CA failed, so that it may have been
    done; silent: where nothing came in time.
    """

    unsent: int = 3
    broken: int = 3
    silent: int = 1


#: What changes nothing, or nothing more the second time.
ALWAYS: t.Final = Repeating()
#: A second order costs of the account's limits, so not after silence.
ORDERING: t.Final = Repeating(broken=1, silent=0)
#: Who sends it asks afterwards what has become of it.
ONCE: t.Final = Repeating(broken=0, silent=0)


def pause_before(attempt: int, share: float) -> float:
    """Seconds before a request is sent again, the attempt-th time (from 1). share: from 0 to 1, by chance, so that
    threads that failed together do not come back together."""
    most: float = min(0.25 * 2**attempt, 8.0)
    return most * (0.5 + share / 2)
