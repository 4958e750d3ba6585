# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What starts a run, what is waited for, and what is nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.deployments import TakenBack, Unfinished
from ansible_collections.certops.rotation.plugins.module_utils._core.push.readiness import (
    QUIET,
    has_work_left,
    readiness,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.pending import PendingLineage

BOTH = ("fullchain.pem", "privkey.pem")
WHOLE = f"example.com@{'0f' * 32}"


@pytest.mark.parametrize(
    ("name", "files", "idle", "expected"),
    [
        (WHOLE, BOTH, 0, "ready"),
        (WHOLE, (), 0, "ready"),
        ("example.com", BOTH, 0, "settling"),
        ("example.com", BOTH, QUIET, "ready"),
        ("example.com", ("cert.pem", "privkey.pem"), QUIET, "ready"),
        ("example.com", ("fullchain.pem",), QUIET, "settling"),
        ("example.com", ("privkey.pem",), 59, "settling"),
        ("example.com", (), 60, "ready"),
        # A clock that was set back, or an uploader that sets times.
        ("example.com", ("privkey.pem",), -1, "ready"),
        (".upload-1", BOTH, 10**6, "nothing"),
        (".taken-1", (), 0, "ready"),
        ("a@b", BOTH, 10**6, "nothing"),
        ("-rf", BOTH, 10**6, "nothing"),
        # No directory: a run leaves it alone, or removes what keeps a pusher from uploading.
        ("README", None, 10**6, "nothing"),
        ("README", None, 0, "nothing"),
        (WHOLE, None, 0, "ready"),
        (".taken-1", None, 0, "ready"),
    ],
)
def test_readiness(name, files, idle, expected):
    assert readiness(name, files, idle, 60) == expected


NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


def left(**fields):
    return has_work_left(Unfinished(**fields), NOW, timedelta(hours=1))


def pending(pushed_at):
    return (PendingLineage("example.com", "0f" * 32, pushed_at),)


def test_nothing_is_left():
    assert not left()


def test_services_are_work_when_they_are_due():
    assert not left(pending=pending(NOW - timedelta(minutes=59)))
    assert left(pending=pending(NOW - timedelta(hours=1)))
    assert left(pending=pending(NOW + timedelta(minutes=1))), "the clock has been set back"


def test_what_the_pusher_has_not_been_told_is_work():
    assert left(receipts={"example.com"})
    assert left(unproven={"example.com": "nobody answers"})


def test_what_was_taken_back_is_work_until_it_is_restored():
    back = {"example.com": TakenBack("0f" * 32, "wrong")}
    assert left(taken_back=back, pending=pending(NOW - timedelta(hours=1)))
    assert not left(taken_back=back)
