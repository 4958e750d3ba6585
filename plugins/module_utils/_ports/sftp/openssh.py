# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lineages to a host, and its receipts back, in one connection of OpenSSH's client.

OpenSSH does all of SSH. We speak the SFTP in it ourselves (`ssh -s host sftp`, as the program sftp does, on a dozen
packets of its protocol), because

- round trips: all lineages move on together. At 50 ms a trip, five lineages take 1.1 s, by `sftp -b` 3.4 s;
- keys go from this process's memory into the connection: sftp reads files;
- answers are codes, each of one request: sftp prints sentences, and its batch ends at the first that fails;
- receipts are asked for in the same connection, for as long as that takes.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import secrets
import subprocess
import time
import typing as t

from ..._core.instants import parse_isoformat_utc
from ..._core.push import sftp, uploads
from ..._core.push.delivery import Delivery
from ..._core.push.receipt import receipt_mark
from ..._core.push.ssh_report import HOST_ALIAS, connect_timeout, known_hosts, no_sftp, why_not_connected
from ..._core.text import shown
from ..._errors import PushError
from .connection import ConnectionEnded, SftpConnection
from .identity import MemoryFile, Passphrase, key_options

if t.TYPE_CHECKING:
    from ..._core.push.lineage import Lineage
    from ..._core.push.receipt import Receipt
    from ..._core.push.targets import PushTarget
    from ..._errors import PushFault

#: Nobody's settings but ours: what a host is, and with which keys, the target says. "none" for a file: OpenSSH 6.2.
_OPTIONS: t.Final = (
    "-F",
    "none",
    "-T",
    "-a",
    "-x",
    "-oLogLevel=DEBUG1",  # how far it came: see ssh_report
    "-oStrictHostKeyChecking=yes",
    "-oGlobalKnownHostsFile=/dev/null",
    "-oUpdateHostKeys=no",
    "-oCheckHostIP=no",
    f"-oHostKeyAlias={HOST_ALIAS}",
    "-oPreferredAuthentications=publickey",
    "-oPasswordAuthentication=no",
    "-oGSSAPIAuthentication=no",
)
# OpenSSH 9.0 to 9.9 prefers sntrup761x25519, which takes either side 50 ms of computing, of 60 in all; ML-KEM (from
# 9.9) and X25519 take less than one. It guards against who records now and computes backwards in years to come: then no
# certificate of today is valid any more.
_SLOW_KEY_EXCHANGE: t.Final = "sntrup761x25519-sha512"
_QUICK_KEY_EXCHANGES: t.Final = ("mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org")
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.1, 1.0, 1.5
#: Seconds beyond the time for receipts, for the answer to the last question: a host that is slow is not away.
_LAST_ANSWER: t.Final = 5.0


class OpensshDeliverer:
    """A Deliverer. Use it as a context; by several threads at once, if you like.

    passphrase: of the private keys, "" or None for none; program: ssh.
    """

    def __init__(self, passphrase: str | None = None, program: str = "ssh") -> None:
        """Raises PushError (local)."""
        self._program = program
        self._connections: set[SftpConnection] = set()
        self._passphrase: Passphrase | None = None
        if passphrase:
            try:
                self._passphrase = Passphrase(passphrase)
            except OSError as error:
                raise PushError(
                    f"Cannot hold the passphrase in memory for ssh: {error.strerror}. Use an ssh-agent.", "local"
                ) from None

    def __enter__(self) -> OpensshDeliverer:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._passphrase:
            self._passphrase.close()
            self._passphrase = None

    def cut(self) -> None:
        """End the connections there are, at once, from another thread: what is under way there fails."""
        for connection in tuple(self._connections):
            connection.cut()

    def deliver(
        self, target: PushTarget, lineages: t.Sequence[Lineage], *, uploaded: t.Mapping[str, str | None], wait: bool
    ) -> list[Delivery]:
        """As Deliverer says. Within target.timeout, and target.receipt_timeout where it waits. What was uploaded before
        is uploaded again when the host has neither it nor a receipt for it. Of a connection that ends before a receipt
        came, the fault is told, and that it was uploaded."""
        with self._connection(target) as connection:
            visit = _Visit(target, lineages, connection, uploaded)
            if visit.upload() and target.protocol == "receiver":
                visit.read_receipts(target.receipt_timeout if wait else 0)
            return visit.deliveries()

    @contextlib.contextmanager
    def _connection(self, target: PushTarget) -> t.Iterator[SftpConnection]:
        """Ready for requests. Raises PushError."""
        deadline = time.monotonic() + target.timeout
        keys = known_hosts(target)
        try:
            identity = key_options(target.private_key_file, has_passphrase=bool(self._passphrase))
        except PushError as error:
            raise PushError(f"{target.name}: {error}", error.fault) from None
        environment = {**os.environ, **(self._passphrase.environment if self._passphrase else {})}
        with contextlib.ExitStack() as resources:
            try:
                pinned = resources.enter_context(contextlib.closing(MemoryFile(keys.encode())))
            except OSError as error:
                raise PushError(
                    f"{target.name}: cannot hand ssh the pinned host keys through /proc: {error.strerror}.", "local"
                ) from None
            try:
                command = self._command(target, [*identity, f"-oUserKnownHostsFile={pinned.path}"])
                connection = resources.enter_context(SftpConnection(command, environment, deadline))
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                reason = getattr(error, "strerror", None) or type(error).__name__
                advice = " Install OpenSSH's client here." if isinstance(error, FileNotFoundError) else ""
                raise PushError(f"{target.name}: cannot run {self._program}: {reason}.{advice}", "local") from None
            self._connections.add(connection)
            resources.callback(self._connections.discard, connection)
            try:
                connection.begin()
            except ConnectionEnded as ended:
                raise why_not_connected(target, connection.report, timed_out=ended.timed_out) from None
            except sftp.SftpNonsense as nonsense:
                raise no_sftp(target, str(nonsense)) from None
            yield connection

    def _command(self, target: PushTarget, more: t.Sequence[str]) -> list[str]:
        own = [f"-oConnectTimeout={connect_timeout(target)}", "-p", str(target.port), "-l", target.user]
        quick = _key_exchange_options(self._program)
        return [self._program, *_OPTIONS, *quick, *more, *own, "-s", "--", target.address, "sftp"]


class _Visit:
    """What is done in one connection. What has been done stays done when it ends early."""

    def __init__(
        self,
        target: PushTarget,
        lineages: t.Sequence[Lineage],
        connection: SftpConnection,
        uploaded: t.Mapping[str, str | None],
    ) -> None:
        """uploaded: those that were before."""
        self._target, self._lineages, self._connection = target, lineages, connection
        self._lay_there = frozenset(uploaded)
        self._earlier = dict(uploaded)
        self._uploads: dict[str, uploads.Uploaded] = {}
        self._receipts: dict[str, Receipt] = {}
        self._failures: dict[str, tuple[str, PushFault]] = {}

    def upload(self) -> bool:
        """False: the connection has ended."""
        new = [lineage for lineage in self._lineages if lineage.name not in self._lay_there]
        asked = [lineage for lineage in self._lineages if lineage.name in self._lay_there]
        tasks = [self._upload(lineage) for lineage in new]
        if self._target.protocol == "receiver":
            tasks += [self._upload_what_was_lost(lineage) for lineage in asked]
        ended = self._go_on(tasks)
        if ended is None:
            return True
        self._note_end(ended)
        return False

    def read_receipts(self, timeout: float) -> None:
        """timeout: seconds; 0 to look once."""
        end = time.monotonic() + timeout
        if timeout:
            self._connection.deadline = end + _LAST_ANSWER
        pause = _FIRST_PAUSE
        waiting = [lineage for lineage in self._lineages if lineage.name not in self._failures]
        while waiting:
            ended = self._go_on([self._read_receipt(lineage) for lineage in waiting])
            waiting = [lineage for lineage in waiting if not self._is_answered(lineage, end)]
            if ended is None and (not waiting or time.monotonic() + pause >= end):
                return
            ended = ended or self._rest(pause)
            if ended:
                self._note_end(ended)
                return
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def deliveries(self) -> list[Delivery]:
        found = []
        for name in (lineage.name for lineage in self._lineages):
            error, fault = self._failures.get(name, ("", ""))
            has_sent = name in self._uploads and self._uploads[name].sent
            text = shown(f"{self._target.name}: {name}: {error}") if error else ""
            found.append(Delivery(name, has_sent, self._receipts.get(name), text, fault, self._earlier.get(name)))
        return found

    def _note_end(self, ended: tuple[str, PushFault]) -> None:
        """Of the connection: a failure of all that has not come to its end, and of nothing else."""
        reason, fault = ended
        for lineage in self._lineages:
            lies_there = lineage.name in self._uploads or lineage.name in self._lay_there
            if not lies_there:
                self._failures.setdefault(lineage.name, (f"not uploaded to the end{reason}", fault))
            elif self._target.protocol == "receiver" and not self._has_answer(lineage):
                self._failures.setdefault(
                    lineage.name, (f"it was uploaded, and its receipt could not be waited for{reason}", fault)
                )

    def _upload(self, lineage: Lineage) -> uploads.Task[None]:
        mark = secrets.token_hex(8)
        try:
            done = yield from uploads.upload(lineage, self._target, self._connection.extensions, mark)
        except uploads.UploadRefused as refused:
            self._failures[lineage.name] = str(refused), "remote"
            return
        self._uploads[lineage.name] = done
        if done.sent or lineage.name not in self._lay_there:
            self._earlier[lineage.name] = receipt_mark(done.before) if done.before else None

    def _upload_what_was_lost(self, lineage: Lineage) -> uploads.Task[None]:
        """A host that was set up anew has neither the upload nor a receipt for it, and would never have one."""
        yield from self._read_receipt(lineage)
        if lineage.name not in self._failures and not self._has_answer(lineage):
            yield from self._upload(lineage)

    def _read_receipt(self, lineage: Lineage) -> uploads.Task[None]:
        """But for the one that was there before the upload, in this run or in an earlier one: it is about another."""
        try:
            receipt = yield from uploads.read_receipt(lineage.name, self._target)
        except uploads.UploadRefused as refused:
            self._failures[lineage.name] = str(refused), "remote"
            return
        if receipt and receipt_mark(receipt) != self._earlier.get(lineage.name):
            self._receipts[lineage.name] = receipt

    def _is_answered(self, lineage: Lineage, end: float) -> bool:
        """Whether there is no more to wait for, until end (time.monotonic())."""
        if lineage.name in self._failures:
            return True
        receipt = self._receipts.get(lineage.name)
        if receipt is None or not self._has_answer(lineage):
            return False
        return receipt.state != "pending" or _seconds_until(receipt.due) > end - time.monotonic()

    def _has_answer(self, lineage: Lineage) -> bool:
        receipt = self._receipts.get(lineage.name)
        return receipt is not None and uploads.answers(receipt, lineage)

    def _go_on(self, tasks: t.Sequence[uploads.Task[None]]) -> tuple[str, PushFault] | None:
        """All of them, in step. Returns why the connection ended before they had."""

        def exchange() -> None:
            task = uploads.in_step(tasks)
            with contextlib.suppress(StopIteration):
                requests = next(task)
                while True:
                    requests = task.send(self._connection.exchange(requests))

        return self._why_ended(exchange)

    def _rest(self, seconds: float) -> tuple[str, PushFault] | None:
        """Returns why the connection ended meanwhile."""
        return self._why_ended(functools.partial(self._connection.pause, seconds))

    def _why_ended(self, step: t.Callable[[], None]) -> tuple[str, PushFault] | None:
        try:
            step()
        except ConnectionEnded as ended:
            limit = f", and time-out is {self._target.timeout:g} seconds" if ended.timed_out else ""
            return f": {ended}{limit}. See the host's log.", "unreachable"
        except sftp.SftpNonsense as nonsense:
            return f", for the host does not speak SFTP rightly: {nonsense}.", "remote"
        return None


@functools.cache
def _key_exchange_options(program: str) -> list[str]:
    """Raises OSError, SubprocessError."""
    told = subprocess.run(
        [program, "-Q", "kex"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
    )
    known = told.stdout.decode("ascii", "replace").split()
    if not any(name.startswith(_SLOW_KEY_EXCHANGE) for name in known):
        return []
    return [f"-oKexAlgorithms=^{','.join(name for name in _QUICK_KEY_EXCHANGES if name in known)}"]


def _seconds_until(due: str | None) -> float:
    """0 where nothing is said."""
    if due is None:
        return 0
    return (parse_isoformat_utc(due) - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
