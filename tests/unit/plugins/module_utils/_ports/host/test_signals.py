# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals that ask to end: what is done with them when, and that all is as it was afterwards."""

from __future__ import annotations

import os
import signal
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.signals import asked_to_end

ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@pytest.fixture
def unignored() -> t.Iterator[None]:
    """Where the tests are run by nohup, or in the background, some of them are ignored."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ASKING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("unignored")
def test_obeyed_until_held_and_kept_from_then_on() -> None:
    before = [signal.getsignal(number) for number in ASKING]
    ended: list[str] = []
    with asked_to_end(ended.append) as requests:
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended == ["SIGTERM"]
        requests.hold()
        for number in (*ASKING, *ASKING):
            os.kill(os.getpid(), number)
    assert ended == ["SIGTERM"]
    assert requests.held == ["SIGTERM", "SIGHUP", "SIGINT"]
    assert [signal.getsignal(number) for number in ASKING] == before


def test_what_is_ignored_stays_ignored() -> None:
    """As nohup wants it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ended: list[str] = []
        with asked_to_end(ended.append):
            os.kill(os.getpid(), signal.SIGHUP)
        assert ended == []
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_set() -> None:
    before = signal.getsignal(signal.SIGTERM)
    found: list[object] = []

    def run() -> None:
        with asked_to_end(found.append):
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [before]
