# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    Discovery,
    SecretVersion,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.provided import discovery_question
from ansible_collections.certops.rotation.plugins.plugin_utils import _account
from ansible_collections.certops.rotation.plugins.plugin_utils._controller_source import ControllerSource
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
