# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os

import pytest
from ansible_collections.certops.rotation.plugins.plugin_utils._spool import Spool


@pytest.fixture(params=["memory", "unlinked file"])
def spool(request, monkeypatch):
    if request.param == "unlinked file":
        monkeypatch.delattr(os, "memfd_create")
    made = Spool()
    yield made
    os.close(made._descriptor)


def test_what_was_added_is_found(spool):
    with spool.locked():
        assert spool.find(["a"]) == {}
        spool.add({"a": [1], "b\tb\n": "two\nlines"})
        spool.add({"c": None})
        assert spool.find(["a", "b\tb\n", "c", "d"]) == {"a": [1], "b\tb\n": "two\nlines", "c": None}


def ask(spool, asked):
    with spool.locked():
        if not spool.find(["answer"]):
            asked.put(os.getpid())
            spool.add({"answer": "x" * 100_000})


def test_of_many_processes_one_asks(spool):
    """They inherit it, as Ansible's workers do."""
    fork = multiprocessing.get_context("fork")
    asked = fork.SimpleQueue()
    workers = [fork.Process(target=ask, args=(spool, asked)) for dummy in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    asked.get()
    assert asked.empty()
    with spool.locked():
        assert spool.find(["answer"]) == {"answer": "x" * 100_000}


def test_of_many_processes_one_is_first_until_it_has_ended(spool):
    """Who reads and writes entries is not kept waiting by it."""
    fork = multiprocessing.get_context("fork")

    def told() -> bool:
        receiver, sender = fork.Pipe(duplex=False)
        process = fork.Process(target=lambda: sender.send(spool.is_first()))
        process.start()
        answer = receiver.recv()
        process.join()
        return answer

    assert told()
    assert told(), "the first one has ended"
    assert spool.is_first()
    assert spool.is_first(), "it stays so"
    assert not told()
    with spool.locked():
        assert not told()
