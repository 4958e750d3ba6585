# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of systemctl, read into data."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.systemd import parse_properties


def test_systemctl_show() -> None:
    text = "LoadState=loaded\nActiveState=active\nMainPID=12\nExecReload={ path=/usr/sbin/haproxy ; argv[]=-c }"
    assert parse_properties(text)["MainPID"] == "12"
    assert parse_properties(text)["ExecReload"] == "{ path=/usr/sbin/haproxy ; argv[]=-c }"
    assert parse_properties("") == {}
