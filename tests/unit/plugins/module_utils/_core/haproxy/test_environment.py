# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that HAProxy's configuration is read with, wherever they are told."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.environment import (
    of_file,
    of_process,
    of_unit,
    unknown_variables,
)

_FILE = """# a comment
; and another
CONFIG=/etc/haproxy/haproxy.cfg
 PORT = 443
EXTRAOPTS="-S /run/haproxy-master.sock"
SINGLE='a "b" $c'
JOINED="one"two
LONG=one \\
two
EMPTY=
NAMES=a=b
9BAD=1
no assignment
OPEN="half
HASH=a#b
"""


def test_a_file_of_the_service() -> None:
    assert of_file(_FILE) == {
        "CONFIG": "/etc/haproxy/haproxy.cfg",
        "PORT": "443",
        "EXTRAOPTS": "-S /run/haproxy-master.sock",
        "SINGLE": 'a "b" $c',
        "JOINED": "onetwo",
        "LONG": "one two",
        "EMPTY": "",
        "NAMES": "a=b",
        "OPEN": '"half',
        "HASH": "a#b",
    }
    assert of_file("LAST=1\\") == {"LAST": "1"}


def test_a_unit() -> None:
    assert of_unit('CONFIG=/etc/haproxy/haproxy.cfg "EXTRAOPTS=-S /run/x.sock" A=b=c') == {
        "CONFIG": "/etc/haproxy/haproxy.cfg",
        "EXTRAOPTS": "-S /run/x.sock",
        "A": "b=c",
    }
    assert of_unit('"half') == of_unit("") == {}


def test_a_process_keeps_for_itself_what_would_mislead_another_one() -> None:
    block = b"ADDR=::\0HAPROXY_MWORKER_REEXEC=1\0NOTIFY_SOCKET=/run/x\0HAPROXY_OWN=kept\0B=x=y\0\0nonsense\0\xff=\xfe\0"
    assert of_process(block) == {"ADDR": "::", "HAPROXY_OWN": "kept", "B": "x=y", "\udcff": "\udcfe"}


def test_variables_that_nobody_sets() -> None:
    lines = [
        "global",
        " presetenv BASE /etc",
        ' crt-base "${BASE}/certs"',
        ' log "${LOG}" local0',
        " bind ${ADDR}:443 ssl crt a.pem",
        ' bind "[${KNOWN}]:443"',
        ' bind ":${PORT-443}"',
        " http-request set-header X '${SINGLE}'",
        ' use_backend "${BACKEND}" # ${COMMENT}',
        ' peer "${HAPROXY_LOCALPEER}" :1',
        ' log "${LOG}" local1',
    ]
    assert unknown_variables(lines, {"KNOWN": "::"}) == ["LOG", "ADDR", "BACKEND"]
