# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as systemd reads them. What a real one makes of them is tested with the role rotation_schedule."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.unit_files import (
    command_line,
    is_plain,
    one_value,
    one_word,
)


def test_as_systemd_reads_them() -> None:
    assert one_value("/a b/50%") == "/a b/50%%"
    assert [one_word(text) for text in ("/a", "/a b", "", "%h")] == ["/a", '"/a b"', '""', "%%h"]
    assert command_line(["/$x y", "$HOME", ";", "a b", "50%"]) == '"/$x y" $$HOME ";" "a b" 50%%'


@pytest.mark.parametrize("text", ["a'b", 'a"b', "a\\b", "a\nb", "a\tb", " a", "a ", "a\x7f"])
def test_what_none_of_them_can_hold(text: str) -> None:
    assert not is_plain(text)
    assert is_plain("/srv/50% of $HOME; x & (y) é")
