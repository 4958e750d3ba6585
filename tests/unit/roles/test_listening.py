# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that waits for events: when it has a run begun, and when a message is removed."""

from __future__ import annotations

import json
import pathlib
import random
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.host_events import WantedSecrets
from ansible_collections.certops.rotation.tests.support.listening import program

events = program("events")
GAP = 5


class FakeQueue:
    """Gives the messages of a list of lists, and what was not removed again when asked to."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, str]]] = []
        self.removed: list[str] = []
        self.waits: list[int] = []
        self.refuses = False

    def receive(self, seconds: int) -> list[dict[str, str]]:
        self.waits.append(seconds)
        return self.batches.pop(0) if self.batches else []

    def remove(self, handles: t.Sequence[str]) -> None:
        if self.refuses:
            raise OSError("not now")
        self.removed += handles


class Scene:
    def __init__(self, wanted: t.Callable[[], WantedSecrets] | None = None, **changed: t.Any) -> None:
        self.now = 1000.0
        self.drops: list[float] = []
        self.queue = FakeQueue()
        self.here: set[str] = set()
        self.cannot_drop = False
        options = {"gap": GAP, "spread": 0, "here": lambda version: version in self.here, **changed}
        clock = {"clock": lambda: self.now, "sleep": self._sleep}
        wanted = wanted or (lambda: WantedSecrets(name_prefix="web/"))
        self.listener = events.Listener(self.queue, self._drop, wanted, **clock, **options)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _drop(self) -> None:
        if self.cannot_drop:
            raise OSError("no space left")
        self.drops.append(self.now)

    def step(self, *messages: dict[str, str], after: float = 0) -> None:
        self.now += after
        self.queue.batches.append(list(messages))
        self.listener.step()


def message(number: int, name: str = "web/a", version: str = "", body: str | None = None) -> dict[str, str]:
    detail = {"name": name, "labelUpdated": "AWSCURRENT", "versionId": version}
    event = {"source": "aws.secretsmanager", "detail-type": "Secret Label Updated", "detail": detail}
    return {
        "MessageId": f"m{number}",
        "ReceiptHandle": f"r{number}",
        "Body": json.dumps(event) if body is None else body,
    }


def test_the_first_one_does_not_wait_and_the_others_share_the_next_drop() -> None:
    scene = Scene()
    scene.step(message(1))
    assert scene.drops == [1000]
    assert scene.queue.removed == ["r1"]
    scene.step(message(2), after=1)
    scene.step(message(3), message(4), after=1)
    assert scene.drops == [1000]
    assert scene.queue.removed == ["r1"], "nothing is removed before a run is sure to begin"
    assert scene.queue.waits[-1] == 3, "it does not sleep past what is due"
    scene.step(after=3)
    assert scene.drops == [1000, 1005]
    assert scene.queue.removed == ["r1", "r2", "r3", "r4"]
    scene.step(message(5), after=100)
    assert scene.drops[-1] == 1105


def test_what_is_due_within_a_second_does_not_wait_for_a_whole_one() -> None:
    scene = Scene()
    scene.step(message(1))
    scene.step(message(2), after=0.6)
    scene.step(after=0.1)
    assert scene.queue.waits[-1] == 4
    scene.step(after=4)
    assert scene.queue.waits[-1] == 0
    assert scene.drops == pytest.approx([1000, 1005])


def test_5000_shuffled_and_doubled_messages_of_50_secrets_are_few_drops() -> None:
    scene = Scene()
    numbers = [number for number in range(2500) for _twice in range(2)]
    random.Random(17).shuffle(numbers)
    messages = [message(number, f"web/{number % 50}") for number in numbers]
    for start in range(0, len(messages), 10):
        scene.step(*messages[start : start + 10], after=0.05)
    scene.step(after=GAP)
    assert len(scene.drops) <= 60
    assert sorted(scene.queue.removed) == sorted(found["ReceiptHandle"] for found in messages)


def test_what_is_not_for_this_host_is_removed_and_begins_nothing() -> None:
    scene = Scene()
    scene.step(message(1, "api/b"), message(2, body="{}"), message(3, body='{"source": "aws.acm"}'))
    assert scene.drops == []
    assert scene.queue.removed == ["r1", "r2", "r3"]


@pytest.mark.parametrize("name", ["group_vars", "host_vars"])
def test_variables_that_are_added_later_keep_nothing_out(name: str, tmp_path: pathlib.Path) -> None:
    scene = Scene(wanted=events.wanted_by({"name_prefix": "web/"}, tmp_path, is_all=True))
    scene.step(message(1, "api/b"))
    assert scene.drops == []
    (tmp_path / name).mkdir()
    scene.step(message(2, "api/b"), after=1)
    assert scene.drops == [1001]
    (tmp_path / name).rmdir()
    scene.step(message(3, "api/b"), after=GAP)
    assert scene.drops == [1001]


def test_garbage_is_said_once_for_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene()
    for number in range(200):
        kind = json.dumps({"source": "aws.secretsmanager", "detail-type": f"\x1b[2J{number}", "detail": {}})
        scene.step(message(number, body="\x00\x1b]0;nonsense"), message(1000 + number, body=kind))
    said = capsys.readouterr().out
    assert said.count("no JSON object") == 1
    assert "\x1b" not in said
    assert said.count("\n") <= 22
    scene.step(message(5000))
    assert scene.drops


def test_a_message_that_breaks_the_reader_keeps_no_others_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = events.host_events.read
    monkeypatch.setattr(events.host_events, "read", lambda body: {}[body] if body == "odd" else read(body))
    scene = Scene()
    scene.step(message(1, body="odd"), message(2), message(3, body="odd"))
    assert scene.drops == [1000]
    assert sorted(scene.queue.removed) == ["r1", "r2", "r3"]
    assert capsys.readouterr().out.count("is not understood is removed: KeyError.") == 1


def test_for_cron_what_was_told_before_an_answer_that_is_none_begins_a_run(tmp_path: pathlib.Path) -> None:
    scene = Scene()
    scene.queue.forget = lambda: None  # type: ignore[attr-defined]
    scene.queue.batches.append([message(1), {"MessageId": "no handle"}])
    assert events.listen_once(scene.listener, scene.queue, tmp_path / "trouble") == 1
    assert scene.drops == [1000]
    assert scene.queue.removed == ["r1"]
    assert "KeyError: 'ReceiptHandle'" in (tmp_path / "trouble").read_text()


def test_a_message_that_comes_again_begins_no_second_run() -> None:
    """It was told, and only its removal had failed."""
    scene = Scene()
    scene.queue.refuses = True
    with pytest.raises(OSError, match="not now"):
        scene.step(message(1))
    scene.queue.refuses = False
    scene.step(message(1), after=30)
    assert scene.drops == [1000]
    assert scene.queue.removed == ["r1"]


def test_one_that_comes_again_before_it_is_acted_upon_is_not_removed_either() -> None:
    """A queue may hide messages for a shorter time than they wait here."""
    scene = Scene()
    scene.step(message(1))
    scene.step(message(2), after=1)
    scene.step(message(2) | {"ReceiptHandle": "again"}, after=1)
    assert scene.queue.removed == ["r1"]
    scene.step(after=GAP)
    assert scene.drops == [1000, 1007]
    assert scene.queue.removed == ["r1", "r2", "again"]


def test_a_directory_that_was_removed_ends_the_program(tmp_path: pathlib.Path) -> None:
    """Only systemd may make it, when it starts the program again. Nothing was removed from the queue until then."""
    (tmp_path / "file").write_text("")
    events.Drop(tmp_path / "above" / "events")()
    assert (tmp_path / "above/events/told").exists()
    with pytest.raises(FileExistsError):  # any other trouble is told, and tried again
        events.Drop(tmp_path / "file")()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "x")
    (tmp_path / "above/events/told").unlink()
    (tmp_path / "above/events/told").symlink_to(tmp_path / "nowhere" / "x")
    with pytest.raises(SystemExit, match=r"events was removed: No such file or directory\. This program ends"):
        events.Drop(tmp_path / "above" / "events")()


class EndOfTest(BaseException):
    """Nothing else ends it."""


@pytest.mark.parametrize("error", [KeyError("QueueUrl"), TypeError("no mapping"), RuntimeError("a proxy's page")])
def test_whatever_is_answered_it_goes_on(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[BaseException] = [error, error, EndOfTest()]
    scene = Scene()
    monkeypatch.setattr(scene.listener, "step", lambda: throw(answers.pop(0)))
    monkeypatch.setattr(events.time, "sleep", lambda _seconds: None)
    scene.queue.forget = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(EndOfTest):
        events.listen(scene.listener, scene.queue)
    assert capsys.readouterr().out.count(f"the timer goes on: {type(error).__name__}: {error}.") == 1


def throw(error: BaseException) -> t.NoReturn:
    raise error


def test_answers_without_a_wait_are_no_storm_of_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something between may answer at once that there is nothing."""
    scene, slept = Scene(), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 5:
            raise EndOfTest

    monkeypatch.setattr(events.time, "sleep", sleep)
    with pytest.raises(EndOfTest):
        events.listen(scene.listener, scene.queue)
    assert len(scene.queue.waits) == 5
    assert min(slept) > 0.1


def test_what_cannot_be_dropped_stays_in_the_queue() -> None:
    scene = Scene()
    scene.cannot_drop = True
    with pytest.raises(OSError, match="no space"):
        scene.step(message(1))
    assert scene.queue.removed == []
    scene.cannot_drop = False
    scene.step(after=1)
    assert scene.drops == [1001]
    assert scene.queue.removed == ["r1"]


def test_a_version_that_is_not_here_yet_is_looked_for_again() -> None:
    """What AWS lists may be five minutes old: the run may have come too early."""
    scene = Scene()
    scene.step(message(1, version="v1"), message(2, "web/b", version="v2"))
    scene.here.add("v1")
    for _tenth_second in range(50):
        scene.step(after=10)
    assert scene.drops == [1000, 1060, 1330]


def test_what_is_here_or_superseded_is_not_looked_for() -> None:
    scene = Scene()
    scene.step(message(1, version="v0"), message(2, version="v1"))
    scene.here.add("v1")
    for _tenth_second in range(50):
        scene.step(after=10)
    assert scene.drops == [1000]
    assert scene.queue.waits[-1] == 20


def test_a_random_part_of_the_spread_goes_by() -> None:
    waited = []
    for _host in range(20):
        scene = Scene(spread=10)
        scene.step(message(1))
        while not scene.drops:
            scene.step(after=0.5)
        waited.append(scene.drops[0] - 1000)
    assert 0 <= min(waited) < max(waited) <= 10


def test_the_manifest_names_versions(tmp_path: pathlib.Path) -> None:
    assert not events.has_version(tmp_path, "v1")
    (tmp_path / ".certops").mkdir()
    (tmp_path / ".certops/manifest.json").write_text('{"version_id": "v1"}')
    assert events.has_version(tmp_path, "v1")
    assert not events.has_version(tmp_path, "v")


def test_trouble_is_said_once_and_waits_longer_and_longer(capsys: pytest.CaptureFixture[str]) -> None:
    trouble = events.Trouble()
    waits = [trouble.has(OSError("no route")) for _try in range(20)]
    assert max(waits) <= events.LONGEST_PAUSE
    assert waits[0] <= 1 < waits[9]
    trouble.is_over()
    trouble.is_over()
    said = capsys.readouterr().out
    assert said.count("\n") == 2
    assert said.endswith("Events come through again.\n")
