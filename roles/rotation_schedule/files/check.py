# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a unit when certificate directories are not as the last run left them. Changes nothing itself.

A run that is under way is waited for: it holds the lock of a directory until what is there and what is remembered
agree. So its own changes are never taken for those of others.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import time

from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.directory import (
    STATE_DIRECTORY,
    CertificateDirectory,
    DirectorySettings,
)

LOCK_TIMEOUT = 600  # seconds


def changes(path: pathlib.Path) -> list[str]:
    """What is not as it was left, for people. Raises StoreError when that cannot be told."""
    directory = CertificateDirectory(str(path), DirectorySettings(None))
    with directory.locked(LOCK_TIMEOUT, create=False):
        if not (path / STATE_DIRECTORY / "manifest.json").exists():
            return [f"{path}: nothing has been delivered here, or it was removed."]
        manifest, damage = directory.load()
        changed = [entry.main_path for entry in manifest.entries.values() if not directory.intact(entry)]
    return [damage] if damage else [f"{path / name}: somebody else has changed or removed it." for name in changed]


def main() -> str | None:
    """A message when it could not be told, or the unit not be started."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, required=True, help="seconds that a burst of changes is waited for")
    parser.add_argument("--unit", required=True)
    parser.add_argument("directories", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    time.sleep(arguments.delay)
    try:
        found = [change for path in arguments.directories for change in changes(path)]
    except StoreError as error:
        return error.message
    if not found:
        return None
    sys.stdout.write("".join(f"{change}\n" for change in [*found, "A run that repairs it begins."]))
    command = ["systemctl", "start", "--no-block", arguments.unit]
    return f"{' '.join(command)} failed." if subprocess.run(command, check=False).returncode else None


if __name__ == "__main__":
    sys.exit(main())
