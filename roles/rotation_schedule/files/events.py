# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait for messages of an SQS queue that tell of secrets, and drop a file for the schedule when one concerns this host.

It ends for nothing that AWS, the network or a message does: it says once what is wrong, and once that it is well again.
A message is removed from the queue when the file is on disk. So none is lost, and one that comes twice is harmless.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import json
import os
import pathlib
import random
import re
import sys
import time
import typing as t

import botocore.session
from ansible_collections.certops.rotation.plugins.module_utils._core import host_events
from ansible_collections.certops.rotation.plugins.module_utils._core.text import shown
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

LONGEST_WAIT = 20  # seconds; what SQS allows
MOST_HELD = 500  # messages that wait for the next drop
MOST_REMEMBERED = 2000  # messages that were told
LONGEST_PAUSE = 60  # seconds between two tries
#: Lists of secrets may lag by five minutes: seconds after which a version that is not here yet is looked for again.
AGAIN = (60, 330)
TOO_SOON = 0.5  # seconds: nobody who waits for messages answers so soon that there is none
MOST_AGAIN = 200  # versions that are looked for again
ROLE = "haproxy_certificates_"
MANIFEST = ".certops/manifest.json"
_REGIONS = (
    re.compile(r"arn:[a-z-]+:sqs:([a-z0-9-]+):"),
    re.compile(r"https?://(?:[a-z0-9-]+\.)?sqs(?:-fips)?\.([a-z0-9-]+)\."),
    re.compile(r"https?://([a-z0-9-]+)\.queue\.amazonaws\."),
)
_LIMITS: dict[str, t.Any] = {
    "connect_timeout": 10,
    "read_timeout": LONGEST_WAIT + 15,
    "retries": {"total_max_attempts": 1},
}
Message = t.Mapping[str, t.Any]
_RANDOM = random.SystemRandom()


class Queue:
    """The queue by name, ARN or URL. aws: of host_events.aws_options. It is connected to when it is used."""

    def __init__(self, queue: str, aws: t.Mapping[str, t.Any]) -> None:
        self._queue = queue
        self._aws = aws
        self._client: t.Any = None
        self._url = ""

    def receive(self, seconds: int) -> list[Message]:
        """Up to ten messages, as soon as there is one."""
        client = self._connected()
        reply = client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        return list(reply.get("Messages") or [])

    def remove(self, handles: t.Sequence[str]) -> None:
        client = self._connected()
        for start in range(0, len(handles), 10):
            some = handles[start : start + 10]
            entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(some)]
            client.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def forget(self) -> None:
        """So that the next use reads credentials anew, and asks for the queue."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close()
        self._client, self._url = None, ""

    def _connected(self) -> t.Any:
        if self._client is None:
            self._client = self._connect()
        if not self._url:
            self._url = self._find()
        return self._client

    def _connect(self) -> t.Any:
        option = self._aws.get
        session = botocore.session.Session(profile=option("profile"))
        of_queue = next((found[1] for pattern in _REGIONS for found in [pattern.match(self._queue)] if found), None)
        return session.create_client(
            "sqs",
            region_name=of_queue or option("region"),
            endpoint_url=option("endpoint_url"),
            aws_access_key_id=option("access_key"),
            aws_secret_access_key=option("secret_key"),
            aws_session_token=option("session_token"),
            verify=False if str(option("validate_certs", True)).lower() in ("false", "no") else option("aws_ca_bundle"),
            # It waits itself between tries, and nothing may take for ever.
            config=Config(**{**(option("aws_config") or {}), **_LIMITS}),
        )

    def _find(self) -> str:
        if self._queue.startswith(("http://", "https://")):
            return self._queue
        if not self._queue.startswith("arn:"):
            return str(self._client.get_queue_url(QueueName=self._queue)["QueueUrl"])
        *_arn, account, name = self._queue.split(":")
        return str(self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])


class Drop:
    """A file in a directory that systemd, or cron, looks into; whatever runs then removes it when it begins."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory

    def __call__(self) -> None:
        """On disk when it returns, for the messages are removed from the queue then."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._directory / "told", os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.ENOENT):
                raise
            # For systemd, which makes it when it starts this anew, and nobody else may.
            sys.exit(f"{self._directory} was removed: {error.strerror}. This program ends, to be started again.")
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class Listener:
    """Makes of messages as few drops as it may, without that the first of them waits.

    wanted: asked for each message, as variables may be added meanwhile.
    gap: seconds at least between two drops; spread: seconds of which a random part goes by before each.
    here: whether the host has a version already.
    """

    def __init__(
        self,
        queue: Queue,
        drop: t.Callable[[], None],
        wanted: t.Callable[[], host_events.WantedSecrets],
        *,
        gap: float,
        spread: float,
        here: t.Callable[[str], bool],
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._queue = queue
        self._drop = drop
        self._wanted = wanted
        self._gap = gap
        self._spread = spread
        self._here = here
        self._clock = clock
        self._sleep = sleep
        self._next = clock()  # no drop before
        self._due: float | None = None
        self._reasons: dict[str, None] = {}
        self._held: list[str] = []  # handles of messages that the next drop is for
        self._finished: list[str] = []  # those of messages that need nothing any more
        self._told: collections.OrderedDict[str, None] = collections.OrderedDict()
        #: Secret and label -> the version that was told last, when it is looked for, and seconds until the times after.
        self._again: dict[tuple[str, str], tuple[str, float, tuple[int, ...]]] = {}
        self._odd: collections.Counter[str] = collections.Counter()

    def step(self, longest: int = LONGEST_WAIT) -> bool:
        """Wait for messages, or until there is something to do, for so many seconds at most. Whether there were any."""
        left = self._left(longest)
        if 0 < left < 1:  # SQS waits for whole seconds
            self._sleep(left)
        messages = self._queue.receive(int(left))
        for message in messages:
            self._take(message)
        self.act()
        return bool(messages)

    def act(self) -> None:
        """What is to be done by now."""
        now = self._clock()
        self._look_again(now)
        if self._due is not None and (now >= self._due or len(self._held) >= MOST_HELD):
            self._drop()
            say(f"{_some(list(self._reasons))}: a run begins.")
            self._due, self._next = None, now + self._gap
            self._reasons.clear()
            self._finished += self._held
            self._held = []
        if self._finished:
            finished, self._finished = self._finished, []
            self._queue.remove(finished)

    def _left(self, longest: float) -> float:
        """Seconds until there is something to do, longest at most."""
        due = [self._due, *(due for _version, due, _rest in self._again.values())]
        soonest = min((when for when in due if when is not None), default=float("inf"))
        return max(0.0, min(longest, soonest - self._clock()))

    def _take(self, message: Message) -> None:
        identity, handle = str(message.get("MessageId", "")), str(message["ReceiptHandle"])
        if identity in self._told:
            # Not acted upon yet, it comes again where the queue hides messages for a short time only.
            (self._finished if self._due is None else self._held).append(handle)
            return
        told = self._read(str(message.get("Body", "")))
        if told is None:
            self._finished.append(handle)
            return
        self._told[identity] = None
        if len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)
        self._held.append(handle)
        label = f" ({told.label})" if told.label else ""
        self._wake(f"{told.secret or 'A secret'} has changed{label}")
        key = (told.secret, told.label)
        if told.version_id and (key in self._again or len(self._again) < MOST_AGAIN):
            self._again[key] = (told.version_id, self._clock() + AGAIN[0], AGAIN[1:])

    def _read(self, body: str) -> host_events.SecretNews | None:
        """What a message tells this host. None: nothing, and it is to be removed."""
        wanted = self._wanted()
        try:
            told = host_events.read(body)
            if isinstance(told, host_events.SecretNews):
                return told if wanted.concerns(told) else None
        except Exception as error:  # one such message would keep all others back, again and again
            told = host_events.OddMessage(type(error).__name__)
        if isinstance(told, host_events.OddMessage):
            self._count(told.kind)
        return None

    def _wake(self, reason: str) -> None:
        if len(self._reasons) < MOST_HELD:
            self._reasons[reason] = None
        if self._due is None:
            self._due = max(self._next, self._clock() + _RANDOM.uniform(0, self._spread))

    def _look_again(self, now: float) -> None:
        for key, (version, due, rest) in list(self._again.items()):
            if now < due:
                continue
            is_here = self._here(version)
            if is_here or not rest:
                del self._again[key]
            else:
                self._again[key] = (version, due + rest[0] - AGAIN[0], rest[1:])
            if not is_here:
                self._wake(f"Version {version} was told of and is not here yet")

    def _count(self, kind: str) -> None:
        self._odd[kind if kind in self._odd or len(self._odd) < 20 else "other"] += 1
        if self._odd[kind] == 1:
            say(
                f"A message that is not understood is removed: {shown(kind)}. More of this kind are removed in silence."
            )


def _some(reasons: t.Sequence[str]) -> str:
    shortened = [shown(reason)[:300] for reason in reasons[:3]]
    return "; ".join([*shortened, *([f"and {len(reasons) - 3} more"] if len(reasons) > 3 else [])])


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def has_version(path: pathlib.Path, version: str) -> bool:
    """Whether the host's manifest names it. Where that cannot be told it does not."""
    try:
        return json.dumps(version) in (path / MANIFEST).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def has_more_variables(directory: pathlib.Path) -> bool:
    """Whether somebody has put variables beside the inventory that the role has written."""
    return any((directory / name).exists() for name in ("group_vars", "host_vars"))


def wanted_by(
    options: t.Mapping[str, t.Any], directory: pathlib.Path, *, is_all: bool
) -> t.Callable[[], host_events.WantedSecrets]:
    """What is wanted now. directory: of the inventory; is_all: see host_events."""
    known = host_events.wanted(options, is_all=is_all)
    unknown = host_events.wanted({}, is_all=False)
    return lambda: unknown if has_more_variables(directory) else known


class Trouble:
    """Says once what is wrong, and once that it is well again; and how long to wait until then."""

    def __init__(self) -> None:
        self._kind = ""
        self._pause = 0.5

    def has(self, error: Exception) -> float:
        """Seconds to wait."""
        kind = (
            f"{type(error).__name__} {error.response.get('Error', {}).get('Code')}"
            if isinstance(error, ClientError)
            else type(error).__name__
        )
        if kind != self._kind:
            say(f"Events do not come through, and the timer goes on: {_text(error)}. It is tried again and again.")
        self._kind = kind
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        return self._pause * _RANDOM.uniform(0.5, 1)

    def is_over(self) -> None:
        if self._kind:
            say("Events come through again.")
        self._kind, self._pause = "", 0.5


def _text(error: Exception) -> str:
    kind = "" if isinstance(error, (BotoCoreError, ClientError, OSError)) else f"{type(error).__name__}: "
    return f"{kind}{shown(str(error))[:500]}"


def listen(listener: Listener, queue: Queue) -> t.NoReturn:
    trouble = Trouble()
    while True:
        began = time.monotonic()
        try:
            has_some = listener.step()
        except Exception as error:  # whoever answers, and whatever it is
            queue.forget()
            time.sleep(trouble.has(error))
            with contextlib.suppress(Exception):  # what was due before need not wait
                listener.act()
        else:
            trouble.is_over()
            if not has_some and time.monotonic() - began < TOO_SOON:
                time.sleep(TOO_SOON)


def listen_once(listener: Listener, queue: Queue, told: pathlib.Path, limit: float = 40) -> int:
    """Empty the queue, for cron. told: a file that remembers what was said to be wrong. The exit code."""
    deadline = time.monotonic() + limit
    try:
        while listener.step(1) and time.monotonic() < deadline:
            pass
    except Exception as error:
        text = _text(error)
        if not told.exists() or told.read_text(encoding="utf-8") != text:
            say(f"Events do not come through, and the schedule goes on: {text}. It is tried again every minute.")
            told.write_text(text, encoding="utf-8")
        with contextlib.suppress(Exception):  # what was told before need not wait
            listener.act()
        return 1
    finally:
        queue.forget()
    if told.exists():
        say("Events come through again.")
        told.unlink()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=pathlib.Path, help="a JSON file of the role")
    parser.add_argument("--once", action="store_true", help="empty the queue, and end")
    arguments = parser.parse_args()
    settings = json.loads(arguments.settings.read_text(encoding="utf-8"))
    directory, variables = pathlib.Path(settings["directory"]), settings["variables"]
    options = {name.removeprefix(ROLE): value for name, value in variables.items() if name.startswith(ROLE)}
    certificates = pathlib.Path(options.get("path") or "/etc/haproxy/certs")
    queue = Queue(settings["queue"], host_events.aws_options(settings["aws"], options.get("aws")))
    listener = Listener(
        queue,
        Drop(directory),
        wanted_by(options, arguments.settings.parent, is_all=settings["is_all"]),
        gap=0 if arguments.once else float(settings["gap"]),
        spread=0 if arguments.once else float(settings["spread"]),
        here=lambda version: has_version(certificates, version),
    )
    if arguments.once:
        return listen_once(listener, queue, directory.with_name("events-trouble"))
    listen(listener, queue)


if __name__ == "__main__":
    sys.exit(main())
