# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import HaproxyError
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.workers import (
    OldWorkerProcess,
    parse_old_workers,
)

HAPROXY_2_6 = """\
#<PID>          <type>          <reloads>       <uptime>        <version>
5809            master          2 [failed: 0]   1d02h00m01s     2.6.12-1+deb12u4
# workers
5823            worker          0               0d00h00m00s     2.6.12-1+deb12u4
# old workers
5811            worker          2               1d02h03m04s     2.6.12-1+deb12u4
5817            worker          1               0d00h00m05s     2.6.12-1+deb12u4
# programs
# old programs
5820            dataplane       1               0d00h00m05s     -
"""
HAPROXY_2_4 = """\
#<PID>          <type>          <relative PID>  <reloads>       <uptime>        <version>
9               master          0               1               0d00h01m28s     2.4.0
# workers
12              worker          1               0               0d00h00m00s     2.4.0
# old workers
10              worker          [was: 1]        1               0d00h01m28s     2.4.0
"""


def test_old_workers() -> None:
    assert parse_old_workers(HAPROXY_2_6) == [
        OldWorkerProcess(5811, 2, timedelta(days=1, hours=2, minutes=3, seconds=4)),
        OldWorkerProcess(5817, 1, timedelta(seconds=5)),
    ]
    assert parse_old_workers(HAPROXY_2_6.partition("# old workers")[0]) == []


def test_versions_that_print_another_column() -> None:
    assert parse_old_workers(HAPROXY_2_4) == [OldWorkerProcess(10, 1, timedelta(minutes=1, seconds=28))]


def test_not_the_masters_socket() -> None:
    with pytest.raises(HaproxyError, match="master-socket"):
        parse_old_workers("Name: HAProxy\nPid: 1\n")
