# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change in HAProxy's memory by set, commit and abort: whole or not at all, and confirmed by asking.

Certificates, CA files and CRL files change in the same way (management guide, section 9.3): HAProxy has one transaction
for each of these kinds, and one lock for all.
"""

from __future__ import annotations

import contextlib
import re
import time
import typing as t

from ..._core.haproxy.parsing import parse_names
from ..._core.haproxy.refusals import reason
from ..._errors import HaproxyError, InvalidOption
from .errors import CertificateRefused, PayloadTooLarge, TransactionOpen
from .runtime import RuntimeApi

SUCCESS = "Success!"
_LOCKED = "currently locked"
_SMALL = 4096  # bytes that fit any buffer, with the command
_TAKEN = re.compile(r"^[Tt]ransaction (?:created|updated) for (?:certificate|CA|CRL) (?P<name>.+)!$", re.MULTILINE)


class Change(t.NamedTuple):
    """What is to be held as name.

    payloads: PEM without empty lines; what follows the first is appended by `add` (CA files, HAProxy 2.7).
    is_held: asks whether HAProxy shows exactly this under a name; *name is the one of the open transaction.
    """

    name: str
    payloads: t.Sequence[str]
    is_held: t.Callable[[str], bool]


class Transaction:
    """kind: "ssl cert", "ssl ca-file" or "ssl crl-file"; patience: seconds to wait for a lock or another's end."""

    def __init__(self, api: RuntimeApi, kind: str, patience: float) -> None:
        self._api = api
        self._kind = kind
        self._patience = min(patience, api.timeout)
        self._has_sent = False
        self._known: frozenset[str] = frozenset()

    def know(self, names: t.Iterable[str]) -> None:
        """Names that may be shown later. What is said after a key was sent may quote it, so those are not learnt."""
        if not self._has_sent:
            self._known |= frozenset(names)

    def ask(self, command: str, *arguments: str, max_lines: int | None = None) -> str:
        """Run a command, again while HAProxy's certificates are locked by another one. Even reading needs the lock."""
        deadline = time.monotonic() + self._patience
        while _LOCKED in (answer := self._api.execute(command, *arguments, max_lines=max_lines)):
            if time.monotonic() >= deadline:
                raise HaproxyError(f"HAProxy's certificates stay locked by another command: {command}. Try again.")
            time.sleep(0.02)
        return answer

    def apply(self, change: Change) -> None:
        """Replace what a known name holds and see that HAProxy then holds this.

        Raises PayloadTooLarge, TransactionOpen, CertificateRefused or another HaproxyError; then HAProxy uses what
        it did before, and no transaction of this name stays open.
        """
        deadline = time.monotonic() + self._patience
        pause = 0.02
        while True:
            last_try = time.monotonic() >= deadline
            obstacle = self._try(change, last_try=last_try)
            if obstacle is None:
                return
            if last_try:
                raise obstacle
            time.sleep(pause)
            pause = min(pause * 2, 0.1)  # others hold the lock for milliseconds

    def open_name(self) -> str | None:
        """The name that a transaction is open about."""
        # The transaction is listed first, so the length of the list costs nothing.
        return parse_names(self.ask(f"show {self._kind}", max_lines=2))[0]

    # One step each

    def _try(self, change: Change, last_try: bool) -> HaproxyError | None:
        """One set and commit. Returns the obstacle when waiting may help; raises when it will not."""
        name = change.name
        pending = self.open_name()
        # A transaction of this very name that stays open was left by a run that was killed: set replaces its content.
        if pending is not None and not (pending == name and last_try):
            return self._other_open(name, pending)
        try:
            obstacle = self._set(change) or self._commit(change)
        except BaseException:
            self._abort(name)
            raise
        if obstacle is not None:
            self._abort(name)
        return obstacle

    def _set(self, change: Change) -> HaproxyError | None:
        command = "set"
        for payload in change.payloads:
            obstacle = self._send(command, change.name, payload)
            if obstacle is not None:
                return obstacle
            command = "add"
        # Confirmed by asking: the answer to a payload says nothing about what was kept, and before 3.1 the `set` of
        # another one, whatever its name, may have replaced it since.
        if change.is_held(f"*{change.name}"):
            return None
        return HaproxyError(
            f"HAProxy took {change.name} and then lost it: it was reloaded, or another one uses it. Try again."
        )

    def _fits(self, command: str, name: str, payload: str) -> bool:
        size = len(f"{command} {self._kind} {name} <<\n{payload}\n\n".encode("utf-8", "surrogateescape"))
        if size <= _SMALL:
            return True
        limit = self._api.payload_limit()
        return limit is None or size < limit

    def _send(self, command: str, name: str, payload: str) -> HaproxyError | None:
        answer = ""
        if self._fits(command, name, payload):
            self._has_sent = True
            answer = self._api.execute(f"{command} {self._kind}", name, payload=payload, may_be_empty=True)
        if _LOCKED in answer:
            return HaproxyError(
                f"HAProxy's certificates stay locked by another command; {name} was not updated. Try again."
            )
        taken = _TAKEN.search(answer)
        if taken and taken["name"] == name:
            return None
        if taken:
            # Before 3.1 `set` does not look at the name: our content is now in another's transaction.
            self._abort(taken["name"])
            return self._other_open(name, taken["name"])
        if "ongoing transaction is about" in answer:
            return self._other_open(name, answer.partition("about '")[2].partition("'")[0])
        if not answer or "too big" in answer:
            raise PayloadTooLarge(
                f"{name} ({len(payload)} bytes to send) does not fit the buffer of this HAProxy's Runtime API"
                " (tune.bufsize, 16384 bytes unless set). Reload HAProxy to load it from disk, or raise tune.bufsize."
            )
        raise CertificateRefused(f"HAProxy refused {name}: {reason(answer)}")

    def _commit(self, change: Change) -> HaproxyError | None:
        name = change.name
        answer = self._api.execute(f"commit {self._kind}", name)
        if SUCCESS in answer.splitlines():
            if change.is_held(name):
                return None
            return HaproxyError(
                f"HAProxy does not hold the new content as {name} although it said so: it was reloaded, or"
                " another one changes it at the same time. Try again."
            )
        if _LOCKED in answer or "No ongoing transaction" in answer:
            return HaproxyError(f"HAProxy did not commit {name}: {reason(answer)} Try again.")
        raise CertificateRefused(f"HAProxy refused {name} and still serves what it had: {reason(answer)}")

    def _abort(self, name: str) -> None:
        with contextlib.suppress(HaproxyError, InvalidOption):
            self.ask(f"abort {self._kind}", name)

    def _other_open(self, name: str, other: str) -> TransactionOpen:
        is_showable = not self._has_sent or other in self._known
        return transaction_open(name, other if is_showable else "NAME", self._kind)


def transaction_open(name: str, other: str, kind: str) -> TransactionOpen:
    """name cannot be changed as long as other is."""
    return TransactionOpen(
        f"{name} cannot be changed while another's transaction about {other} is open in HAProxy. Wait for the one"
        f" who opened it; if nobody did, end it with 'abort {kind} {other}' on this socket.",
        transaction=other,
    )
