# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The log of `haproxy -c`: which files is it about, and what does it say of its own?"""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.check_log import (
    alerts,
    denied_lines,
    named_files,
)

_IN = "[ALERT]    (7) : config : parsing [/etc/haproxy/haproxy.cfg:7] : 'bind 127.0.0.1:443' in section 'frontend' : "


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("cannot open the file '/etc/certs/a b.pem'.", "/etc/certs/a b.pem"),
        ("unable to stat SSL certificate from file '/etc/certs/a.pem' : Permission denied.", "/etc/certs/a.pem"),
        ("'ca-file' : unable to load /etc/certs/ca.pem", "/etc/certs/ca.pem"),
        ("unable to load DH parameters from file </etc/certs/dh.pem>.", "/etc/certs/dh.pem"),
        ("failed to open pattern file <maps/hosts.map>.", "maps/hosts.map"),
        ("error in Lua file 'x.lua': cannot open /etc/x.lua: Permission denied", "/etc/x.lua"),
        ("Couldn't open the ca-file '/etc/certs/ca.pem' ((null)).", "/etc/certs/ca.pem"),
        ("Could not open configuration file /etc/haproxy/x.cfg : Permission denied", "/etc/haproxy/x.cfg"),
    ],
)
def test_the_files_that_a_message_may_be_about(said: str, path: str) -> None:
    assert path in named_files(_IN + said)


def test_what_is_no_path_is_not_in_the_way() -> None:
    assert named_files("") == named_files("it's one quote") == []
    assert denied_lines("[ALERT] a : Permission denied\n[ALERT] b") == ["[ALERT] a : Permission denied"]


def test_alerts() -> None:
    log = "[NOTICE] x\n[ALERT] (1) : config : a\n[ALERT] (1) : config : Error(s) found in configuration file : b"
    assert alerts(log) == ["[ALERT] (1) : config : a"]
    assert alerts("[ALERT] (1) : config : Fatal errors found in configuration.") != []
    assert alerts("any words") == ["any words"]
    assert alerts("") == []
