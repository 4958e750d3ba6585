# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    Discovery,
    SecretValue,
    SecretVersion,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion import LabelReading
from ansible_collections.certops.rotation.plugins.module_utils._ports.provided import (
    NotProvided,
    ProvidedSource,
    discovery_answer,
    discovery_question,
    value_answer,
    value_question,
)
from ansible_collections.certops.rotation.plugins.plugin_utils import _account
from ansible_collections.certops.rotation.plugins.plugin_utils._controller_source import ControllerSource, Selected
from ansible_collections.certops.rotation.plugins.plugin_utils._spool import Spool

QUESTION = discovery_question(Selection(names=("a",)))


class Secrets:
    """Of Secrets Manager, which tells in the version id which process has asked it."""

    def __init__(self, *, broken_in: int | None = None) -> None:
        self.broken_in = broken_in
        self.api_calls: dict[str, int] = {}
        self.api_errors: dict[str, int] = {}

    def discover(self, _selection):
        if self.broken_in not in (None, os.getpid()):
            raise RuntimeError("broken")
        self.api_calls["ListSecrets"] = 1
        return Discovery((SecretVersion("a", "arn", str(os.getpid())),))


@pytest.fixture
def secrets(monkeypatch):
    made = Secrets()
    monkeypatch.setattr(
        _account, "Account", lambda _options: type("Account", (), {"secrets_manager": lambda _self: made})()
    )
    return made


def who_asked(answers):
    return int(answers[QUESTION]["secrets"][0][2])


@pytest.mark.usefixtures("secrets")
def test_another_process_asks_ahead_once_for_all_hosts_and_the_host_counts_it():
    spool = Spool()
    first, second = (ControllerSource({}, spool, "run") for _host in range(2))
    with first.asking_ahead([QUESTION]):
        pass
    answers = first.answer([QUESTION])
    assert who_asked(answers) != os.getpid()
    assert first.requests == {"api_calls": {"ListSecrets": 1}, "api_errors": {}}
    with second.asking_ahead([QUESTION]):
        assert second.answer([QUESTION]) == answers
    assert second.requests == {"api_calls": {}, "api_errors": {}}


def test_where_the_other_process_fails_this_one_asks(secrets, capfd):
    secrets.broken_in = os.getpid()
    source = ControllerSource({}, Spool(), "run")
    with source.asking_ahead([QUESTION]):
        pass
    assert who_asked(source.answer([QUESTION])) == os.getpid()
    assert source.requests == {"api_calls": {"ListSecrets": 1}, "api_errors": {}}
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("secrets")
def test_what_goes_wrong_meanwhile_leaves_no_process_behind(monkeypatch):
    children = []
    fork = os.fork

    def noted():
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", noted)
    with pytest.raises(ZeroDivisionError), ControllerSource({}, Spool(), "run").asking_ahead([QUESTION]):
        raise ZeroDivisionError
    (child,) = children
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


ARN = "arn:aws:secretsmanager:eu-central-1:1:secret:a-AbCdEf"
LABELLED = Selection(names=("a",), labels=("CANDIDATE", "AWSCURRENT"))
LISTED = SecretVersion("a", ARN, "v1")
HELD = LISTED.asked_first(LabelReading("CANDIDATE", "v2"))


def selected(selection=LABELLED):
    return Selected(selection, may_fall_back=False)


def found(*secrets, selection=LABELLED):
    return {discovery_question(selection): discovery_answer(Discovery(secrets))}


def test_the_candidate_that_a_host_holds_may_be_asked_for():
    """As a listing may lag behind it: the host gives its own question, and the controller answers that."""
    answers = found(LISTED)
    source = ProvidedSource(json.dumps(answers))
    (listed,) = source.discover(LABELLED).secrets
    with pytest.raises(NotProvided) as asked:
        source.read([listed.asked_first(LabelReading("CANDIDATE", "v2"))])
    assert asked.value.questions == [value_question(HELD)]
    assert selected().refused(asked.value.questions, answers) is None
    answers[value_question(HELD)] = value_answer(SecretValue(HELD, "text"))
    source = ProvidedSource(json.dumps(answers))
    source.discover(LABELLED)
    assert [read.value for read in source.read([HELD])] == ["text"]
    with pytest.raises(NotProvided) as asked:  # what is listed is asked for as ever
        source.read([LISTED])
    assert asked.value.questions == [value_question(LISTED)]


def test_a_newer_candidate_than_the_listed_one_may_be_asked_for():
    listed = LISTED._replace(
        version_id="v3", readings=(LabelReading("CANDIDATE", "v3"), LabelReading("AWSCURRENT", "v1"))
    )
    question = value_question(listed.asked_first(LabelReading("CANDIDATE", "v4")))
    assert selected().refused([question], found(listed)) is None


@pytest.mark.parametrize(
    "asked",
    [
        LISTED.asked_first(LabelReading("OTHER", "v2")),
        LISTED.asked_first(LabelReading("AWSCURRENT", "v2")),
        LISTED.asked_first(LabelReading("CANDIDATE", "v2", based=False)),
        LISTED.asked_first(LabelReading("CANDIDATE", "v" * 65)),
        LISTED.asked_first(LabelReading("CANDIDATE", 7)),
        HELD.asked_first(LabelReading("CANDIDATE", "v3")),
        HELD._replace(name="b"),
        HELD._replace(arn=f"{ARN}x"),
        HELD._replace(version_id="v9"),
        HELD._replace(readings=HELD.readings[:1]),
        HELD._replace(readings=(HELD.readings[0], LabelReading("AWSCURRENT", "v9"))),
    ],
)
def test_another_version_may_not(asked):
    question = value_question(asked)
    assert selected().refused([question], found(LISTED)) == question


@pytest.mark.parametrize(
    "question", [None, 7, "", "[", "[]", "{}", '["read"]', '["read", "a", "b", "c", 5]', "[" * 100000]
)
def test_what_is_no_question_is_refused(question):
    assert selected().refused([question], found(LISTED)) == str(question)


def test_one_version_of_each_secret():
    """Not one after the other until it finds one: neither at once, nor in the next round."""
    other = value_question(LISTED.asked_first(LabelReading("CANDIDATE", "v3")))
    assert selected().refused([value_question(HELD), other], found(LISTED)) == other
    answered = {**found(LISTED), value_question(HELD): {}}
    assert selected().refused([other], answered) == other
    current = Selection(names=("a",))
    assert selected(current).refused([other], found(LISTED, selection=current)) == other
