# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions of ansible-core that the tests run with: that of the virtual environment, and the oldest supported one.

All run in the same Python, with the same collections: python_path() puts one's directory before the installed version.
"""

from __future__ import annotations

import functools
import os
import pathlib
import subprocess
import sys

from ansible.release import __version__

_ROOT = pathlib.Path(__file__).parents[2]
# What scripts/ansible_versions brings.
_OTHER = {"2.18": _ROOT / ".dev/ansible-core/2.18"}


def versions() -> list[str]:
    """The installed one first; as 2.19."""
    installed = ".".join(__version__.split(".")[:2])
    return [installed, *(name for name in _OTHER if name != installed)]


@functools.cache
def full_version(name: str) -> str:
    """What one of versions() says of itself, as 2.18.19. Raises AssertionError when it is not there."""
    environment = {**os.environ, "PYTHONPATH": python_path(name)}
    command = [sys.executable, "-c", "import ansible.release; print(ansible.release.__version__)"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    found = said.stdout.strip()
    assert found.startswith(f"{name}."), f"ansible-core {name} is missing: scripts/bootstrap brings it"
    return found


def python_path(name: str) -> str:
    """PYTHONPATH for programs that shall run with this version."""
    entries = [str(_OTHER[name])] if name in _OTHER else []
    return os.pathsep.join(filter(None, [*entries, os.environ.get("PYTHONPATH")]))
