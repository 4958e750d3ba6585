# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of the master process (2.6.12, 2.8.25), read into data."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import HaproxyError
from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.master import (
    Processes,
    parse_processes,
    parse_reload_answer,
)

SHOW_PROC = """#<PID>          <type>          <reloads>       <uptime>        <version>
6194            master          2 [failed: 1]   0d00h00m03s     2.6.12-1+deb12u4
# workers
6200            worker          1               0d00h00m00s     2.6.12-1+deb12u4
# old workers
6196            worker          2               0d00h00m03s     2.6.12-1+deb12u4
# programs
"""

FAILURE = """Success=0
--
[NOTICE]   (6205) : haproxy version is 2.8.25-5cf5d0683
[ALERT]    (6205) : config : Fatal errors found in configuration.
[WARNING]  (6205) : Loading failure!
"""


def test_show_proc() -> None:
    assert parse_processes(SHOW_PROC) == Processes(6194, 6200, 1)
    assert parse_processes(SHOW_PROC.replace(" [failed: 1]", "")) == Processes(6194, 6200, 0)
    without_worker = SHOW_PROC.replace("6200            worker", "")
    assert parse_processes(without_worker).worker_pid == 0
    with pytest.raises(HaproxyError, match="not that of HAProxy's master"):
        parse_processes("something else")


def test_reload_answer() -> None:
    assert parse_reload_answer("Success=1\n--\n[NOTICE] : Loading success.\n") == (True, "[NOTICE] : Loading success.")
    success, log = parse_reload_answer(FAILURE) or (True, "")
    assert not success
    assert log.endswith("Loading failure!")
    assert parse_reload_answer("Success=1") == (True, "")
    assert parse_reload_answer("") is None
