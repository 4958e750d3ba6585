# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of a crt-list, as HAProxy 2.6 to 3.2 read them."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.crt_list_line import read_whole_line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("# a comment", None),
        ("", None),
        (" \t\r", None),
        ("a.pem", ("a.pem", ())),
        (" a.pem\t*.X.example !y.x.example\r", ("a.pem", ("*.x.example", "!y.x.example"))),
        ("a.pem [alpn h2 ssl-min-ver TLSv1.2] x.example", ("a.pem", ("x.example",))),
        ("a.pem[alpn h2]x.example", ("a.pem", ("x.example",))),
        ("a.pem []", ("a.pem", ())),
        # What looks like a comment is a filter, and the certificate is no longer had by its own names.
        ("a.pem [alpn h2] #note", ("a.pem", ("#note",))),
        ("a.pem x.example # y", ("a.pem", ("x.example", "#", "y"))),
        (" #a.pem", ("#a.pem", ())),
        # HAProxy warns of what stands before the options, and does not use it.
        ("a.pem x.example [alpn h2]", ("a.pem", ())),
        ("a\u2028b.pem\x85 x", ("a\u2028b.pem\x85", ("x",))),
        ("[alpn h2]", None),
    ],
)
def test_line(line: str, expected: tuple[str, tuple[str, ...]] | None) -> None:
    found = read_whole_line(line)
    assert (found and (found[0], tuple(name.lower() for name in found[1].filters))) == expected
