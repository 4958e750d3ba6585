# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of an HAProxy that could not be told, and to whom."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._flows.deploy.haproxy_service import apart


def test_what_haproxy_logged_is_no_part_of_the_error() -> None:
    attempts = [{"item": "systemd", "log": "[NOTICE] one\n[ALERT] two"}, {"item": "master", "msg": "no"}]
    failure = "Reload by systemd: failed\n[ALERT] two\nReload by master: no"
    assert apart(failure, attempts) == ("Reload by systemd: failed\nReload by master: no", "[ALERT] two")
    assert apart("it failed", []) == ("it failed", "")
