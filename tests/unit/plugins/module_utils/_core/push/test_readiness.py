# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What in a staging directory starts a run, what is waited for, and what is nothing."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.readiness import QUIET, readiness

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
    ],
)
def test_readiness(name, files, idle, expected):
    assert readiness(name, files, idle, 60) == expected
