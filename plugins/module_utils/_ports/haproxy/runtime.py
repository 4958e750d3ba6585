# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy's Runtime API (management guide, section 9.3): one line of commands, one connection, answers in bounded time.

A connection for each costs about 0.1 ms on a unix socket, and while HAProxy is busy with its clients many times that.
So commands whose answers nothing depends on in between share a line. Several lines in one connection need the
interactive mode, which mixes prompts into the answers (HAProxy 3.0 does not read a second one without it).
"""

from __future__ import annotations

import re
import socket
import time
import typing as t

from ..._core.haproxy.parsing import split_answers
from ..._core.text import lines_of
from ..._errors import HaproxyError, HaproxyPermissionDenied, HaproxyUnavailable, InvalidOption
from ..host.rights import run_as_root
from .errors import UnsupportedCommand

RESTART_PATIENCE = 3.0  # seconds: a restart or a reload of HAProxy closes its sockets for a moment
_PAUSE = 0.05
_SPECIAL = re.compile(r"""[ \t\\;"'<#]""")
_LONGEST_ANSWER = 32 << 20  # bytes: 100,000 certificates with long paths need a third of it
_READING = 30  # time-outs, for all that is read from one socket: who is asked may have named what he is asked for
_LONGEST_FACT = 100  # characters of a field of `show info`
_INTERACTIVE = "prompt\n"
_PROMPTS = re.compile(r"^(?:[>+] )+", re.MULTILINE)  # before an answer, and for each line of a payload
_END_OF_COMMAND = re.compile(r"\n|(?<!\\);")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNPAIRED = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")  # no bytes stand for these
_PAYLOAD_LINE = re.compile(r" *[^\x00-\x20\x7f][^\x00-\x1f\x7f]*")


def parse_address(address: str) -> str | tuple[str, int]:
    """A socket as HAProxy's configuration writes it: a path or unix@path, host:port, ipv4@host:port, ipv6@host:port.

    Returns the path, or host and port. Raises InvalidOption.
    """
    prefix, at, rest = address.partition("@")
    if at and prefix == "unix":
        return rest
    if at and prefix in ("ipv4", "ipv6", "tcp", "tcp4", "tcp6"):
        address = rest
    elif address.startswith("/"):
        return address
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidOption(
            f"'{address}' is no socket address. Give the path of a unix socket such as /run/haproxy/admin.sock, or"
            " host:port."
        )
    return host.strip("[]") or "127.0.0.1", int(port)


def escape(argument: str) -> str:
    """An argument as the command line's parser wants it. Raises InvalidOption for one that no command can carry."""
    if not argument:
        raise InvalidOption("A name for HAProxy is empty.")
    if _CONTROL.search(argument) or _UNPAIRED.search(argument):
        raise InvalidOption(
            f"{argument!a} holds a line break, a zero byte or another character that HAProxy's command line cannot"
            " carry."
        )
    return _SPECIAL.sub(r"\\\g<0>", argument)


def check_payload(payload: str) -> None:
    """Raises InvalidOption, without quoting it, for a payload that would not reach HAProxy as one.

    An empty line ends a payload, and what follows is run as commands (HAProxy before 3.0).
    """
    if "<<" in payload or not all(_PAYLOAD_LINE.fullmatch(line) for line in payload.split("\n")):
        raise InvalidOption(
            "What should be sent to HAProxy has an empty line, '<<' or a control character, by which HAProxy could take"
            " a part of it for commands. Nothing was sent. Give PEM blocks without any other text."
        )


class RuntimeApi:
    """A stats socket or the master's socket.

    address: see parse_address. timeout: seconds for one command, connection included.
    """

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        self.address = address
        self.timeout = timeout
        self._target = parse_address(address)
        self._reading = 0.0

    def execute(
        self,
        command: str,
        *arguments: str,
        payload: str | None = None,
        may_be_empty: bool = False,
    ) -> str:
        """Run one command; its answer without the empty lines at its end.

        arguments: appended to the command, escaped. payload: see check_payload. may_be_empty: this command may end
        without an answer (before 2.8 so ends a payload that is too large).

        Raises InvalidOption, HaproxyUnavailable, HaproxyPermissionDenied, UnsupportedCommand. An answer to a payload
        may quote it: never show such an answer, see refusals.py.
        """
        if payload is not None:
            check_payload(payload)
        line = _line(command, *arguments)
        request = f"{line}\n" if payload is None else f"{line} <<\n{payload}\n\n"
        answer = self._run(line, request, is_reading="show " in command, may_be_empty=may_be_empty)
        self._check_permission(line, answer)
        return answer.rstrip("\n")

    def execute_all(self, *commands: t.Sequence[str], payload: str | None = None) -> list[str]:
        """Run several commands one after the other, in one go; the answers, each without an empty line at its end.

        commands: each as the arguments of execute. payload: of the first one. The timeout is that of them all. Fewer
        answers than commands: HAProxy did not say more; the others have to be asked for again. Raises what execute
        does.
        """
        lines = [_line(*command) for command in commands]
        joined = ";".join(lines if payload is None else lines[1:])
        if payload is None:
            text = self._run(joined, f"{joined}\n", is_reading=all("show " in command[0] for command in commands))
        else:
            check_payload(payload)
            # Behind a payload HAProxy reads on in its interactive mode only.
            request = f"{_INTERACTIVE}{lines[0]} <<\n{payload}\n\n{joined}\nquit\n"
            text = self._run(lines[0], request, is_reading=False, may_be_empty=True)
            text = _PROMPTS.sub("", text.removeprefix("\n"))
        answers = split_answers(text, len(lines))
        for line, answer in zip(lines, answers):
            self._check_permission(line, answer)
        return answers

    @property
    def path(self) -> str | None:
        """The unix socket's path; None for TCP."""
        return self._target if isinstance(self._target, str) else None

    def info(self) -> dict[str, str]:
        """`show info` as field -> value; among them Version and Pid."""
        fields = (line.partition(":") for line in lines_of(self.execute("show info")))
        return {name.strip(): value.strip()[:_LONGEST_FACT] for name, _colon, value in fields}

    def _run(self, line: str, request: str, *, is_reading: bool, may_be_empty: bool = False) -> str:
        """line: the request's commands, for messages."""
        if self._reading > _READING * self.timeout:
            raise HaproxyUnavailable(
                f"The answers of {self.address} took {self._reading:.0f} seconds together. See whether HAProxy is"
                " overloaded, or raise the timeout."
            )
        started = time.monotonic()
        answer = self._exchange(request, started + self.timeout)
        while not answer and not may_be_empty and line.startswith("show"):
            # The worker behind this connection went away; the next one will answer. Harmless only for reading.
            if time.monotonic() - started > min(self.timeout, RESTART_PATIENCE):
                break
            time.sleep(_PAUSE)
            answer = self._exchange(request, started + self.timeout)
        if not answer and not may_be_empty:
            raise HaproxyUnavailable(
                f"HAProxy closed {self.address} without an answer to '{_first(line)}'. It may be restarting: run this"
                " again."
            )
        if is_reading:
            # Only this: what changes something may take HAProxy long, and is done no more often than the user wants.
            self._reading += time.monotonic() - started
        return answer

    def _check_permission(self, line: str, answer: str) -> None:
        if answer.startswith("Permission denied"):
            raise HaproxyPermissionDenied(
                f"{self.address} does not allow '{line}': its level is too low. Write 'stats socket {self.address}"
                " level admin' in HAProxy's configuration, or use a socket of that level."
            )
        if answer.startswith("Unknown command"):
            raise UnsupportedCommand(
                f"HAProxy at {self.address} does not know '{line}'. It is too old for it, built without TLS, or this"
                " is the master's socket where a stats socket is needed (or the other way round)."
            )

    def _exchange(self, request: str, deadline: float) -> str:
        connection = self._connect(deadline)
        answer = bytearray()
        try:
            with connection:
                connection.settimeout(_remaining(deadline))
                connection.sendall(request.encode("utf-8", "surrogateescape"))
                connection.shutdown(socket.SHUT_WR)  # the master's socket waits for this
                while True:
                    connection.settimeout(_remaining(deadline))
                    chunk = connection.recv(65536)
                    if not chunk:
                        break
                    answer += chunk
                    if len(answer) > _LONGEST_ANSWER:
                        raise HaproxyUnavailable(
                            f"The answer of {self.address} does not end after {_LONGEST_ANSWER >> 20} MiB, so it is not"
                            " HAProxy's. See which program listens there."
                        )
        except (socket.timeout, TimeoutError):
            raise HaproxyUnavailable(
                f"HAProxy at {self.address} took more than {self.timeout:g} seconds for '{_first(request)}'. See"
                " whether it is overloaded or stopped, or raise the timeout."
            ) from None
        except OSError:
            pass  # reset or broken pipe: HAProxy closed before it had read all; what it said counts
        return answer.decode("utf-8", "surrogateescape")

    def _connect(self, deadline: float) -> socket.socket:
        patience = min(deadline, time.monotonic() + RESTART_PATIENCE)
        while True:
            try:
                return self._connect_once(deadline)
            except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError, BlockingIOError) as error:
                # Nothing has been sent yet, so waiting for a restart to end is safe.
                if time.monotonic() >= patience:
                    raise self._unavailable(error) from None
            except (socket.timeout, TimeoutError):
                raise HaproxyUnavailable(
                    f"No connection to HAProxy at {self.address} within {self.timeout:g} seconds."
                ) from None
            except OSError as error:
                raise self._unavailable(error) from None
            time.sleep(_PAUSE)

    def _connect_once(self, deadline: float) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target, timeout=_remaining(deadline))
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_remaining(deadline))
            connection.connect(self._target)
        except BaseException:
            connection.close()
            raise
        return connection

    def _unavailable(self, error: OSError) -> HaproxyError:
        if isinstance(error, PermissionError):
            return HaproxyPermissionDenied(
                f"This user may not open {self.address}. "
                + run_as_root(" or as a user that the socket's mode, user and group in HAProxy's configuration allow")
            )
        if isinstance(error, FileNotFoundError):
            why = (
                f"there is no such file. Start HAProxy, or add 'stats socket {self.address} level admin' to its"
                " configuration"
            )
        elif isinstance(error, ConnectionRefusedError) and not isinstance(self._target, tuple):
            why = "the file is there but nobody listens on it (a stale socket). HAProxy is down: start it"
        elif isinstance(error, ConnectionRefusedError):
            why = "nobody listens there. Start HAProxy, or add this address as a stats socket to its configuration"
        else:
            why = error.strerror or str(error)
        return HaproxyUnavailable(f"HAProxy cannot be reached at {self.address}: {why}.")


def _line(command: str, *arguments: str) -> str:
    return " ".join((command, *(escape(argument) for argument in arguments)))


def _first(request: str) -> str:
    """Its first command, without a payload, for messages."""
    return _END_OF_COMMAND.split(request.removeprefix(_INTERACTIVE), maxsplit=1)[0]


def _remaining(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError when it has passed: who sends a byte now and then never ends."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
