# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was written into crt-list files for a reload that did not come about, without any HAProxy."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.settings import MemorySettings
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.update_way import take_out_of_files
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.crt_list_file import CrtListFile
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.load_paths import (
    NOTHING_KNOWN,
    FileNames,
)


def test_lines_go_each_on_its_own(tmp_path: pathlib.Path) -> None:
    """One that cannot be taken out is told, and the others go."""
    names = FileNames(NOTHING_KNOWN)
    whole, lost = tmp_path / "whole.txt", tmp_path / "lost.txt"
    whole.write_text("# ours\n/certs/a.pem [alpn h2] a.example.com\n/certs/b.pem\n/certs/c.pem\n")
    good, bad = CrtListFile(str(whole), names), CrtListFile(str(lost), names)
    lines = {"/certs/x.pem": [bad], "/certs/b.pem": [good], "/certs/c.pem": [good], "/certs/y.pem": [good]}
    stuck = take_out_of_files(MemorySettings(str(tmp_path / "no.sock"), 1, []), lines)
    assert list(stuck) == ["/certs/x.pem"]
    assert str(lost) in stuck["/certs/x.pem"]
    assert whole.read_text() == "# ours\n/certs/a.pem [alpn h2] a.example.com\n"
