# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source of events where AWS, messages and a rulebook are not as they should be."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.event_source import secret_events

PATIENCE = 20  # seconds


def message(name: str = "a", *, event: str = "1", region: str = "eu-central-1", version: str = "v1") -> dict[str, str]:
    arn = f"arn:aws:secretsmanager:{region}:012345678901:secret:{name}-a1B2c3"
    body = {
        "id": event,
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "account": "012345678901",
        "region": region,
        "time": "2026-11-27T02:43:48Z",
        "resources": [arn],
        "detail": {"name": name, "labelUpdated": "AWSCURRENT", "versionId": version},
    }
    return {"Body": json.dumps(body), "ReceiptHandle": f"{name}{event}"}


def record(key: str, sequencer: str) -> dict[str, t.Any]:
    place = {"bucket": {"name": "b"}, "object": {"key": key, "sequencer": sequencer}}
    return {"eventName": "ObjectCreated:Put", "awsRegion": "eu-central-1", "s3": place}


class Aws:
    """Gives out batches, and what is not removed once more. describe: what it answers."""

    def __init__(self, *batches: list[dict[str, str]], describe: t.Callable[[t.Any], t.Any] | None = None) -> None:
        self._batches = list(batches)
        self.describe = describe or self._current
        self.removed: list[str] = []

    @staticmethod
    def _current(change: t.Any) -> t.Any:
        return secret_events.Described(change.arn, {change.version_id: [change.label]}, {})

    def receive(self, _wait: int = 20) -> list[dict[str, str]]:
        if self._batches:
            return self._batches.pop(0)
        time.sleep(0.01)
        return []

    def remove(self, receipts: t.Sequence[str]) -> None:
        self.removed += receipts

    def forget(self) -> None:
        pass


class Rulebook:
    """fails: how often it takes no event, but raises."""

    def __init__(self, fails: int = 0) -> None:
        self.told: list[dict[str, t.Any]] = []
        self._fails = fails

    async def put(self, event: dict[str, t.Any]) -> None:
        self._fails -= 1
        if self._fails >= 0:
            raise RuntimeError("a filter that fails")
        self.told.append(event["secret_events"])

    @property
    def names(self) -> list[str]:
        return [name for event in self.told for name in event["names"]]


def listen(
    aws: t.Any, done: t.Callable[[Rulebook], t.Any], rulebook: Rulebook | None = None, **options: t.Any
) -> tuple[Rulebook, t.Any]:
    """Until it is done. Returns the rulebook and the source."""
    rulebook = rulebook or Rulebook()
    args = {"queue": "q", "tick": 0, "again": 0, "settle": 0.05, **options}
    source = secret_events.Source(secret_events.options_of(args), rulebook, aws)

    async def run() -> None:
        task = asyncio.create_task(source.run())
        end = time.monotonic() + PATIENCE
        while not done(rulebook):
            assert time.monotonic() < end, rulebook.told
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())
    return rulebook, source


def test_a_message_that_breaks_the_reader_keeps_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    understand = secret_events.understand

    def breaks(body: str) -> t.Any:
        if body == "odd":
            raise AttributeError("what nobody has thought of")
        return understand(body)

    monkeypatch.setattr(secret_events, "understand", breaks)
    aws = Aws([message("a"), {"Body": "odd", "ReceiptHandle": "odd"}, message("b", event="2")])
    rulebook, source = listen(aws, lambda rulebook: len(aws.removed) == 3)
    assert rulebook.names == ["a", "b"]
    assert source.health.counts["not_understood"] == 1


def test_of_several_objects_in_a_message_each_counts_by_itself() -> None:
    bodies = [[record("x", "1")], [record("x", "1"), record("y", "2")]]
    batches = [[{"Body": json.dumps({"Records": each}), "ReceiptHandle": str(each)}] for each in bodies]
    rulebook, _source = listen(Aws(*batches), lambda rulebook: len(rulebook.names) >= 2)
    assert rulebook.names == ["b/x", "b/y"]


def test_what_a_rulebook_has_not_taken_is_told_when_it_comes_again() -> None:
    aws = Aws([message()], [], [message()])
    rulebook, _source = listen(aws, lambda rulebook: aws.removed, Rulebook(fails=1))
    assert rulebook.names == ["a"]


def test_what_comes_again_before_the_rulebook_has_taken_it_is_not_removed() -> None:
    """The rulebook was busy for longer than messages stay hidden. Had it died now, all would have been lost."""
    aws = Aws([message()], [message() | {"ReceiptHandle": "again"}])
    removed_before = []

    class Looking(Rulebook):
        async def put(self, event: dict[str, t.Any]) -> None:
            removed_before.extend(aws.removed)
            await super().put(event)

    rulebook, _source = listen(aws, lambda rulebook: len(aws.removed) == 2, Looking(), settle=0.5)
    assert rulebook.names == ["a"]
    assert removed_before == []
    assert aws.removed == ["a1", "again"]


def test_over_a_slow_line_many_messages_are_few_events() -> None:
    """SQS gives ten at once: then there are more. One alone is told though the next may come a moment later."""

    class Slow(Aws):
        def receive(self, _wait: int = 20) -> list[dict[str, str]]:
            time.sleep(0.3)
            return super().receive()

    names = [f"{number:02}" for number in range(31)]
    messages = [message(name, event=name) for name in names]
    batches = [messages[begin : begin + 10] for begin in range(0, 31, 10)]
    rulebook, _source = listen(Slow(*batches, [message("last")]), lambda rulebook: "last" in rulebook.names)
    assert [event["names"] for event in rulebook.told] == [names, ["last"]]


def test_a_region_that_does_not_answer_takes_no_time_of_another() -> None:
    asked: list[str] = []

    def describe(change: t.Any) -> t.Any:
        asked.append(change.region)
        if change.region == "eu-gone-1":
            raise OSError("no such host")
        return Aws._current(change)

    gone = [message(f"a{number}", event=f"a{number}", region="eu-gone-1") for number in range(50)]
    here = [message(f"b{number}", event=f"b{number}") for number in range(50)]
    rulebook, _source = listen(Aws(gone + here, describe=describe), lambda rulebook: len(rulebook.names) == 100)
    known = {detail["name"][0]: detail["is_known"] for event in rulebook.told for detail in event["details"]}
    assert known == {"a": False, "b": True}
    assert asked.count("eu-gone-1") <= 8
    assert asked.count("eu-central-1") == 50


def test_secrets_that_take_long_to_describe_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throttled, for instance: what is true of them is not waited for longer than a moment for all of them."""
    monkeypatch.setattr(secret_events, "_LONGEST_LOOK", 1)
    ends = threading.Event()

    def describe(change: t.Any) -> t.Any:
        if change.name not in ("a0", "a1", "a2"):
            ends.wait(PATIENCE)
        return Aws._current(change)

    batch = [message(f"a{number}", event=str(number)) for number in range(500)]
    rulebook, _source = listen(Aws(batch, describe=describe), lambda rulebook: len(rulebook.names) == 500)
    ends.set()
    details = [detail for event in rulebook.told for detail in event["details"]]
    assert [detail["name"] for detail in details if detail["is_known"]] == ["a0", "a1", "a2"]


def test_an_answer_that_never_ends(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(secret_events, "_LONGEST_REQUEST", 0.1)
    ends = threading.Event()

    class Dripping(Aws):
        receives = 0

        def receive(self, _wait: int = 20) -> list[dict[str, str]]:
            self.receives += 1
            if self.receives == 1:
                ends.wait(PATIENCE)
            return super().receive()

    rulebook, source = listen(Dripping([message()]), lambda rulebook: rulebook.names)
    ends.set()
    assert (rulebook.names, source.health.error) == (["a"], "")
    assert "cannot read the queue: TimeoutError: no whole answer within 0 s" in caplog.text


def test_answers_that_never_end_are_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_events, "_MOST_THREADS", 3)
    monkeypatch.setattr(secret_events, "_waiting", set())
    ends = threading.Event()

    async def ask() -> None:
        for _number in range(3):
            with pytest.raises(TimeoutError, match="no whole answer"):
                await secret_events._in_thread(ends.wait, PATIENCE, seconds=0.01)
        with pytest.raises(TimeoutError, match="3 answers have begun"):
            await secret_events._in_thread(ends.wait, PATIENCE, seconds=0.01)
        ends.set()
        for thread in list(secret_events._waiting):
            thread.join(PATIENCE)
        assert await secret_events._in_thread(ends.is_set)

    asyncio.run(ask())


def test_what_is_told_again_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is, and so is one event."""
    monkeypatch.setattr(secret_events, "_MOST_SECRETS", 25)
    monkeypatch.setattr(secret_events, "_MOST_THINGS", 10)
    batches = [[message(f"{number:02}", event=str(number))] for number in range(40)]

    def is_done(rulebook: Rulebook) -> bool:
        return sum(len(event["names"]) for event in rulebook.told if event["again"]) >= 25

    rulebook, source = listen(Aws(*batches), is_done, again=1, at_most=0.5, settle=0.5)
    again = [event["names"] for event in rulebook.told if event["again"]]
    assert sorted(name for names in again for name in names) == [f"{number:02}" for number in range(15, 40)]
    assert max(map(len, again)) <= 10
    assert not source._again


class Peer(http.server.BaseHTTPRequestHandler):
    """Something that answers in the place of SQS: nothing, HTML, an object without what is asked for, what is right."""

    answers: t.ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        content = self.answers.pop(0) if self.answers else b"{}"
        if not self.answers and operation == "GetQueueUrl":
            content = json.dumps({"QueueUrl": "http://127.0.0.1/q"}).encode()
        elif not self.answers and operation == "ReceiveMessage":
            content = json.dumps({"Messages": [{**message(), "MessageId": "m", "MD5OfBody": ""}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: t.Any) -> None:
        """Quiet."""


def test_answers_that_are_none(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Each of them with status 200. What DescribeSecret has not answered is not known, and told of."""
    monkeypatch.setattr(secret_events, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(Peer, "answers", [b"", b"<html>\nproxy</html>", b"[]", b'{"QueueUrl": 5}', b"{"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    with server, contextlib.ExitStack() as stack:
        stack.callback(server.shutdown)
        place = {"endpoint_url": f"http://127.0.0.1:{server.server_address[1]}", "region": "eu-central-1"}
        options = secret_events.options_of({"queue": "q", "access_key": "a", "secret_key": "b", **place})
        rulebook, _source = listen(secret_events.Aws(options), lambda rulebook: rulebook.names)
    assert [detail["is_known"] for detail in rulebook.told[0]["details"]] == [False]
    assert caplog.text.count("cannot read the queue: ") == 1
    assert all(line.startswith(("WARNING", "DEBUG")) for line in caplog.text.split("\n") if "secret_events" in line)
