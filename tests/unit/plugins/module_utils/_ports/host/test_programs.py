# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs of the host, run for a limited time."""

from __future__ import annotations

import pathlib
import sys

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import ReloadError
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.programs import (
    check_configuration,
    run_program,
)


def test_programs(tmp_path: pathlib.Path) -> None:
    assert run_program([sys.executable, "-c", "import os; os.write(2, b'\\xff')"], 20).output == "\ufffd"
    with pytest.raises(ReloadError, match=r"took more than 0\.2 seconds"):
        run_program([sys.executable, "-c", "import time; time.sleep(20)"], 0.2)
    with pytest.raises(ReloadError, match="Cannot run"):
        run_program([str(tmp_path)], 1)
    fake = tmp_path / "haproxy"
    fake.write_text('#!/bin/sh\necho "$@"\nexit 1\n')
    fake.chmod(0o755)
    with pytest.raises(ReloadError) as caught:
        check_configuration(str(fake), ["/a.cfg", "/b.cfg"], 20)
    assert caught.value.details["log"] == "-c -f /a.cfg -f /b.cfg"
