# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs that the role rotation_schedule installs for events, as modules."""

from __future__ import annotations

import functools
import importlib.util
import pathlib
import types

FILES = pathlib.Path(__file__).parents[2] / "roles/rotation_schedule/files"


@functools.cache
def program(name: str) -> types.ModuleType:
    """name: of the file, without .py."""
    spec = importlib.util.spec_from_file_location(f"rotation_schedule_{name}", FILES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
