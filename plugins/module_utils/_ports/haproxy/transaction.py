# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change in HAProxy's memory by set, commit and abort: whole or not at all, and confirmed by asking.

Certificates, CA files and CRL files change in the same way (management guide, section 9.3): HAProxy has one transaction
for each of these kinds, and one lock for all.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
import typing as t

from ..._core.haproxy.parsing import parse_open_transaction, parse_payload_limit, parse_progress
from ..._core.haproxy.refusals import reason
from ..._core.text import lines_of
from ..._errors import HaproxyError, InvalidOption
from .errors import CertificateRefused, PayloadTooLarge, TransactionOpen
from .runtime import RuntimeApi

CERTIFICATES = "ssl cert"
SUCCESS = "Success!"
_LOCKED = "currently locked"
_NOT_REFERENCED = "Can't replace a certificate which is not referenced"
_CRT = ".crt"
SMALL = 4096  # bytes that fit any buffer, with the command
_FRESH = 0.05  # seconds; what was seen so lately is as good as what was seen now
# No file has this name. Asked to abort its transaction, HAProxy says whose is open, and does nothing. The list of all
# files says it too, but holds HAProxy's lock until the last of them has been read.
_NOBODY = "@nobody"
_TAKEN = re.compile(r"^[Tt]ransaction (?:created|updated) for (?:certificate|CA|CRL) (?P<name>.+)!$", re.MULTILINE)


Command = tuple[str, ...]  # with its arguments
_SIZES: tuple[Command, ...] = (("show info",), ("show pools",))  # tell how large a command may be


class Condition(t.NamedTuple):
    """What has to be so right before a change. check: takes the command's answer, and raises when it is not."""

    command: Command
    check: t.Callable[[str], None]


class Change(t.NamedTuple):
    """What is to be held as name.

    payloads: PEM without empty lines; what follows the first is appended by `add` (CA files, HAProxy 2.7).
    is_held: whether this is what HAProxy shows; takes the name that it was asked for and its answer.
    conditions: asked for before each attempt. parts: of a certificate, by the ends of their names, as (".ocsp",
    base64); without payloads the rest of it stays.
    """

    name: str
    payloads: t.Sequence[str]
    is_held: t.Callable[[str, str], bool]
    conditions: t.Sequence[Condition] = ()
    parts: t.Sequence[tuple[str, str]] = ()

    @property
    def sendings(self) -> list[tuple[str, str, str]]:
        """Command, name and payload of each, in their order."""
        whole = [("set" if number == 0 else "add", self.name, one) for number, one in enumerate(self.payloads)]
        return [*whole, *(("set", self.name + end, one) for end, one in self.parts)]


class _Seen(t.NamedTuple):
    """What the next change, which most often is like this one, would ask first. at: of time.monotonic."""

    at: float
    commands: t.Sequence[Command]
    answers: t.Sequence[str]


class Transaction:
    """kind: CERTIFICATES, "ssl ca-file" or "ssl crl-file"; patience: seconds to wait for a lock or another's end."""

    def __init__(self, api: RuntimeApi, kind: str, patience: float) -> None:
        self._api = api
        self._kind = kind
        self._patience = min(patience, api.timeout)
        self._has_sent = False
        self._seen: _Seen | None = None
        self.rebuilt: int | None = None  # places where the last commit has loaded certificates anew, if it said so
        self._known: frozenset[str] = frozenset()

    @property
    def has_sent(self) -> bool:
        """Was a payload sent? What HAProxy says from then on may quote it, so it is not shown."""
        return self._has_sent

    def know(self, names: t.Iterable[str]) -> None:
        """Names that may be shown later. What is said after a key was sent may quote it, so those are not learnt."""
        if not self._has_sent:
            self._known |= frozenset(names)

    def ask(self, command: str, *arguments: str, payload: str | None = None) -> str:
        """Run a command, again while HAProxy's certificates are locked by another one. Even reading needs the lock."""
        deadline = time.monotonic() + self._patience
        while _LOCKED in (answer := self._api.execute(command, *arguments, payload=payload)):
            if time.monotonic() >= deadline:
                raise HaproxyError(f"HAProxy's certificates stay locked by another command: {command}. Try again.")
            time.sleep(0.02)
        return answer

    def ask_with(self, command: str, argument: str, payload: str) -> str:
        """As ask, with a payload that is no PEM. Raises PayloadTooLarge before it is sent."""
        size = len(f"{command} {argument} <<\n{payload}\n\n".encode("utf-8", "surrogateescape"))
        if size > SMALL:
            limit = self.payload_limit()
            if limit is not None and size >= limit:
                raise PayloadTooLarge(
                    f"A line of {size} bytes for {argument} does not fit the buffer of this HAProxy's Runtime API"
                    " (tune.bufsize, 16384 bytes unless set). Reload HAProxy to load it from disk, or raise"
                    " tune.bufsize."
                )
        return self.ask(command, argument, payload=payload)

    def payload_limit(self) -> int | None:
        """Bytes of a command with its payload that HAProxy has no room for; None when that is not known."""
        return parse_payload_limit(*self.ask_all(*_SIZES))

    def ask_all(self, *commands: Command) -> list[str]:
        """As ask, in one go where HAProxy lets that; none of the commands may need the answer to one before it."""
        answers = self._api.execute_all(*commands) if len(commands) > 1 else []
        return [
            self.ask(*command) if answer is None or _LOCKED in answer else answer
            for command, answer in itertools.zip_longest(commands, answers)
        ]

    def show(self, name: str, *, pending: bool = False) -> Command:
        """The command that shows what is held as name, or what the open transaction of this name would bring."""
        if pending:
            return f"show {self._kind}", f"*{name}"
        # A certificate whose name begins like that of a transaction is told apart by a backslash (HAProxy 3.2).
        return f"show {self._kind}", f"\\{name}" if name.startswith("*") and self._kind == CERTIFICATES else name

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

    def check_fits(self, name: str, payloads: t.Iterable[str]) -> None:
        """Raises PayloadTooLarge for what HAProxy is known to have no room for, each of them sent by itself."""
        large = [payload for payload in payloads if self._size("set", name, payload) > SMALL]
        limit = parse_payload_limit(*self.ask_all(("show info",), ("show pools",))) if large else None
        for payload in large:
            if limit is not None and self._size("set", name, payload) >= limit:
                raise _too_large(name, payload)

    def open_name(self) -> str | None:
        """The name that a transaction is open about."""
        return self._whose(self.ask(*self._probe))

    def end(self, names: t.Collection[str]) -> None:
        """See that no transaction of these names is open. One that stays was left by a run that was killed."""
        deadline = time.monotonic() + self._patience
        while (name := self.open_name()) is not None and name in names:
            if time.monotonic() >= deadline:
                self._abort(name)
                return
            time.sleep(0.1)

    # One step each

    def _try(self, change: Change, last_try: bool) -> HaproxyError | None:
        """One set and commit. Returns the obstacle when waiting may help; raises when it will not."""
        name = change.name
        pending, limit = self._look(change)
        # A transaction of this very name that stays open was left by a run that was killed: set replaces its content.
        if pending is not None and not (pending == name and last_try):
            return self._other_open(name, pending)
        try:
            obstacle = self._set(change, limit) or self._commit(change)
        except BaseException:
            self._abort(name)
            raise
        if obstacle is not None:
            self._abort(name)
        return obstacle

    def _look(self, change: Change) -> tuple[str | None, int | None]:
        """Whose transaction is open; bytes of a command that HAProxy has no room for, None when that is not known."""
        commands = self._looks(change)
        seen, self._seen = self._seen, None
        if seen is None or seen.commands != commands or time.monotonic() - seen.at > _FRESH:
            seen = _Seen(time.monotonic(), commands, self.ask_all(*commands))
        *said, probed = seen.answers
        for condition, answer in zip(change.conditions, said):
            condition.check(answer)
        sizes = said[len(change.conditions) :]
        return self._whose(probed), parse_payload_limit(*sizes) if sizes else None

    def _looks(self, change: Change) -> list[Command]:
        commands = [condition.command for condition in change.conditions]
        if any(self._size(*sending) > SMALL for sending in change.sendings):
            commands += _SIZES
        return [*commands, self._probe]  # which may change at any time

    @property
    def _probe(self) -> Command:
        return f"abort {self._kind}", _NOBODY

    def _whose(self, probed: str) -> str | None:
        name = parse_open_transaction(probed)
        if name is None and "No ongoing transaction" not in probed:
            raise HaproxyError(f"HAProxy does not say whether a transaction is open: {reason(probed)}")
        return name

    def _set(self, change: Change, limit: int | None) -> HaproxyError | None:
        show = self.show(change.name, pending=True)
        shown: list[str] = []
        sendings = change.sendings
        for number, (command, name, payload) in enumerate(sendings, 1):
            follows = [show] if number == len(sendings) else []
            answer, *shown = self._send(command, name, payload, limit, follows)
            if _NOT_REFERENCED in answer and name.endswith(_CRT):
                # HAProxy 2.6 takes this end off the name of a certificate that it has (its issue 2265), so give it two.
                answer, *shown = self._send(command, name + _CRT, payload, limit, follows)
            obstacle = self._judge(answer, change.name, payload)
            if obstacle is not None:
                return obstacle
        # Confirmed by asking: the answer to a payload says nothing about what was kept, and before 3.1 the `set` of
        # another one, whatever its name, may have replaced it since.
        if change.is_held(show[1], self._answer_to(show, shown)):
            return None
        return HaproxyError(
            f"HAProxy took {change.name} and then lost it: it was reloaded, or another one uses it. Try again."
        )

    def _answer_to(self, command: Command, answers: t.Sequence[str]) -> str:
        """The only one of these; asked for when there is none."""
        return answers[0] if answers and _LOCKED not in answers[0] else self.ask(*command)

    def _size(self, command: str, name: str, payload: str) -> int:
        return len(f"{command} {self._kind} {name} <<\n{payload}\n\n".encode("utf-8", "surrogateescape"))

    def _send(
        self, command: str, name: str, payload: str, limit: int | None, follows: t.Sequence[Command]
    ) -> t.Sequence[str]:
        """The answer, empty when there was none or nothing was sent, and perhaps those to the commands that follow."""
        size = self._size(command, name, payload)
        if limit is not None and size >= limit:
            return [""]
        self._has_sent = True
        sent = f"{command} {self._kind}", name
        if limit is None and size > SMALL:
            # It may not fit, and then the rest of it had better be no commands.
            return [self._api.execute(*sent, payload=payload, may_be_empty=True)]
        return self._api.execute_all(sent, *follows, payload=payload) or [""]

    def _judge(self, answer: str, name: str, payload: str) -> HaproxyError | None:
        """Of `set` or `add`. Returns the obstacle when waiting may help; raises when it will not."""
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
        other = parse_open_transaction(answer)
        if other is not None:
            return self._other_open(name, other)
        if not answer or "too big" in answer:
            raise _too_large(name, payload)
        raise CertificateRefused(f"HAProxy refused {name}: {reason(answer)}")

    def _commit(self, change: Change) -> HaproxyError | None:
        name = change.name
        show, looks = self.show(name), self._looks(change)
        committed, *answers = self._api.execute_all((f"commit {self._kind}", name), show, *looks) or [""]
        shown, seen = answers[:1], answers[1:]
        if SUCCESS in lines_of(committed):
            self.rebuilt = parse_progress(committed, name)
            if change.is_held(show[1], self._answer_to(show, shown)):
                if len(seen) == len(looks) and not any(_LOCKED in answer for answer in seen):
                    self._seen = _Seen(time.monotonic(), looks, seen)
                return None
            return HaproxyError(
                f"HAProxy does not hold the new content as {name} although it said so: it was reloaded, or"
                " another one changes it at the same time. Try again."
            )
        other = parse_open_transaction(committed)
        if other is not None:  # ours was ended, by another one or with its process, and theirs was opened since
            return self._other_open(name, other)
        if _LOCKED in committed or "No ongoing transaction" in committed:
            return HaproxyError(f"HAProxy did not commit {name}: {reason(committed)} Try again.")
        raise CertificateRefused(f"HAProxy refused {name} and still serves what it had: {reason(committed)}")

    def _abort(self, name: str) -> None:
        with contextlib.suppress(HaproxyError, InvalidOption):
            self.ask(f"abort {self._kind}", name)

    def _other_open(self, name: str, other: str) -> TransactionOpen:
        is_showable = not self._has_sent or other in self._known
        return transaction_open(name, other if is_showable else "NAME", self._kind)


def _too_large(name: str, payload: str) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"{name} ({len(payload)} bytes to send) does not fit the buffer of this HAProxy's Runtime API"
        " (tune.bufsize, 16384 bytes unless set). Reload HAProxy to load it from disk, or raise tune.bufsize."
    )


def transaction_open(name: str, other: str, kind: str) -> TransactionOpen:
    """name cannot be changed as long as other is."""
    return TransactionOpen(
        f"{name} cannot be changed while another's transaction about {other} is open in HAProxy. Wait for the one"
        f" who opened it; if nobody did, end it with 'abort {kind} {other}' on this socket.",
        transaction=other,
    )
