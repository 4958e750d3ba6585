# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one connection brings about: which receipt answers an upload, and what is told when it ends early."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push import sftp
from ansible_collections.certops.rotation.plugins.module_utils._core.push.delivery import Delivery
from ansible_collections.certops.rotation.plugins.module_utils._core.push.lineage import Lineage
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import (
    Receipt,
    receipt_mark,
    receipt_to_json,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.connection import ConnectionEnded
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.openssh import OpensshDeliverer
from ansible_collections.certops.rotation.tests.support.sftp_server import MemorySftp

FINGERPRINT = "ab" * 32
LINEAGE = Lineage(
    "example.com",
    1,
    {"cert": b"a leaf", "chain": b"a chain", "fullchain": b"both", "privkey": b"a key"},
    FINGERPRINT,
    ("example.com",),
    "2027-01-01T00:00:00Z",
)
STAGED = f"/staging/example.com@{FINGERPRINT}"


def receipt(state: t.Any = "deployed", at: str = "2026-11-20T12:00:00Z", fingerprint: str = FINGERPRINT) -> Receipt:
    return Receipt("example.com", fingerprint, state, at)


class Host(MemorySftp):
    """A host and the connection to it. ends_after: how many rounds it answers; nonsense: how it ends."""

    extensions = frozenset({sftp.POSIX_RENAME})
    deadline = 0.0

    def __init__(self) -> None:
        super().__init__("/staging", "/receipts")
        self.ends_after = 1_000
        self.end: Exception = ConnectionEnded("it ended the connection")
        self.rests: list[t.Callable[[], None]] = []

    def exchange(self, requests: t.Sequence[sftp.SftpRequest]) -> list[sftp.SftpReply]:
        if self.rounds >= self.ends_after:
            raise self.end
        self.rounds += 1
        return [self._answer(request) for request in requests]

    def pause(self, _seconds: float) -> None:
        """What happens at the host meanwhile."""
        if self.rests:
            self.rests.pop(0)()

    def tells(self, told: Receipt) -> None:
        self.files["/receipts/example.com.json"] = receipt_to_json(told)

    def takes(self, told: Receipt | None = None) -> None:
        """What is staged, as certificate_deploy does."""
        if told:
            self.tells(told)
        for path in self.tree(STAGED):
            del self.files[f"{STAGED}/{path}"]
        self.directories.discard(STAGED)

    def breaks(self) -> None:
        raise self.end


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def deliver(host: Host, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Delivery]:
    monkeypatch.setattr(OpensshDeliverer, "_connection", lambda _self, _target: contextlib.nullcontext(host))

    def run(uploaded: t.Mapping[str, str | None] | None = None, *, wait: bool = False, **more: t.Any) -> Delivery:
        settings = {"domains": ("*",), "host_keys": (), "receipt_timeout": 0.3, **more}
        target = PushTarget(name="web1", address="web1", **settings)
        (delivery,) = OpensshDeliverer().deliver(target, [LINEAGE], uploaded=uploaded or {}, wait=wait)
        return delivery

    return run


# Which receipt answers


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("earlier", [receipt(), receipt("refused", fingerprint=""), receipt("taken_back")])
def test_the_receipt_of_an_earlier_push_answers_no_later_one(host, deliver, earlier, wait) -> None:
    """The host lost its live files, and certificate_deploy is dead there: nothing was deployed."""
    host.tells(earlier)
    for uploaded in ({}, {"example.com": receipt_mark(earlier)}, {"example.com": receipt_mark(earlier)}):
        delivery = deliver(uploaded, wait=wait)
        assert (delivery.receipt, delivery.error) == (None, "")
        assert delivery.uploaded == (not uploaded)
        assert delivery.earlier_receipt == receipt_mark(earlier)
    host.takes(receipt(at="2026-11-26T12:00:00Z"))
    assert deliver({"example.com": receipt_mark(earlier)}, wait=wait).receipt == receipt(at="2026-11-26T12:00:00Z")


def test_what_a_killed_run_has_uploaded_is_answered_by_no_earlier_receipt(host, deliver) -> None:
    """It lies there, and no entry says so."""
    host.tells(receipt())
    deliver()
    delivery = deliver(wait=True)
    assert (delivery.uploaded, delivery.receipt, delivery.earlier_receipt) == (False, None, receipt_mark(receipt()))


def test_a_receipt_that_comes_while_its_connection_is_gone_is_an_answer_later(host, deliver) -> None:
    sent = deliver()
    host.takes(receipt())
    later = deliver({"example.com": sent.earlier_receipt})
    assert (later.uploaded, later.receipt) == (False, receipt())


def test_what_is_lost_is_uploaded_again_whatever_receipt_was_there(host, deliver) -> None:
    """A host that was restored from a backup, with receipts."""
    host.tells(receipt())
    delivery = deliver({"example.com": receipt_mark(receipt())})
    assert (delivery.uploaded, delivery.receipt) == (True, None)
    assert STAGED in host.directories


# A connection that ends early


@pytest.mark.parametrize("asked", [False, True])
def test_a_connection_that_ends_while_a_receipt_is_awaited_is_no_silence(host, deliver, asked) -> None:
    """SIGTERM here, or a reboot there."""
    if asked:
        deliver()
    host.rests = [host.breaks]
    delivery = deliver({"example.com": None} if asked else {}, wait=True, receipt_timeout=60)
    assert (delivery.uploaded, delivery.fault) == (not asked, "unreachable")
    assert "it was uploaded, and its receipt could not be waited for: it ended the connection" in delivery.error


def test_a_connection_that_ends_at_a_question_is_no_silence_either(host, deliver) -> None:
    deliver()
    host.ends_after = host.rounds + 1
    delivery = deliver({"example.com": None}, wait=True, receipt_timeout=60)
    assert (delivery.uploaded, delivery.fault) == (False, "unreachable")


def test_nonsense_while_a_receipt_is_awaited_is_told(host, deliver) -> None:
    host.end = sftp.SftpNonsense("it announced a packet of 0 bytes")
    host.rests = [host.breaks]
    delivery = deliver(wait=True, receipt_timeout=60)
    assert (delivery.uploaded, delivery.fault) == (True, "remote")
    assert "for the host does not speak SFTP rightly: it announced" in delivery.error


def test_an_answer_that_came_before_the_end_counts(host, deliver) -> None:
    due = Receipt("example.com", FINGERPRINT, "pending", "2026-11-26T12:00:00Z", due="2026-11-26T12:00:01Z")
    host.rests = [lambda: host.takes(due), host.breaks]
    delivery = deliver(wait=True, receipt_timeout=60)
    assert (delivery.receipt, delivery.error) == (due, "")


def test_what_was_not_uploaded_to_the_end_is_not_said_to_lie_there(host, deliver) -> None:
    host.ends_after = 3
    delivery = deliver(wait=True)
    assert (delivery.uploaded, delivery.fault) == (False, "unreachable")
    assert "example.com: not uploaded to the end: it ended the connection. See the host's log." in delivery.error


@pytest.mark.usefixtures("deliver")
def test_a_directory_needs_no_connection_any_more_once_it_has_it(host) -> None:
    other = dataclasses.replace(LINEAGE, name="other.example")
    host.ends_after = 0
    target = PushTarget("web1", "web1", ("*",), (), protocol="directory")
    first, second = OpensshDeliverer().deliver(target, [LINEAGE, other], uploaded={"example.com": None}, wait=True)
    assert (first.error, second.fault) == ("", "unreachable")


def test_the_last_question_may_be_answered_a_moment_later(host, deliver) -> None:
    """The time for receipts is over, and the network is slow: that is no host that is away."""
    until = time.monotonic() + 0.2
    deliver(wait=True, receipt_timeout=0.2)
    assert host.deadline >= until + 2
