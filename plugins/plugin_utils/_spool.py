# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the processes of one Ansible run share, and what ends with the last of them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import typing as t

# Length and start of what is locked. It need not be there.
_ENTRIES = (1, 0)
_FIRST = (1, 1)


class Spool:
    """Entries in a file without a name: in memory where the system can do that, else a file that is already unlinked.

    Ansible forks a worker for each task of each host. A worker inherits what its parent had, so a spool that is made
    when a plugin is imported, which the parent does first, is one for all workers. No other user can open it.
    """

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._descriptor = os.memfd_create("certops.rotation")
        else:
            with tempfile.TemporaryFile() as file:
                self._descriptor = os.dup(file.fileno())

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """One process at a time; the lock of one that dies is free again."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, *_ENTRIES)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, *_ENTRIES)

    def is_first(self) -> bool:
        """Whether no other process that is still there has been told so."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, *_FIRST)
        except OSError:
            return False
        return True

    def find(self, keys: t.Collection[str]) -> dict[str, t.Any]:
        """Those of the entries that are there. While locked."""
        wanted = {json.dumps(key).encode(): key for key in keys}
        # Not by read(): the processes share one position in the file.
        content = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        found = {}
        for line in content.splitlines():
            key, _tab, value = line.partition(b"\t")
            if key in wanted:
                found[wanted[key]] = json.loads(value)
        return found

    def add(self, entries: t.Mapping[str, t.Any]) -> None:
        """values: what JSON has. While locked."""
        content = "".join(f"{json.dumps(key)}\t{json.dumps(value)}\n" for key, value in entries.items()).encode()
        end = os.fstat(self._descriptor).st_size
        while content:
            written = os.pwrite(self._descriptor, content, end)
            content, end = content[written:], end + written
