# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where programs are looked for."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.program_search import find_program


def test_programs_of_root_are_found_by_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert (find_program("ldconfig") or "").endswith("/sbin/ldconfig")
    assert find_program("no-such-program") is None
