# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of the collection's playbook, as a user starts it, with its words kept for the case that it fails."""

from __future__ import annotations

import pathlib
import re
import shlex
import subprocess
import time
import typing as t

from stage import StageError, end

COMMAND = ("ansible-playbook", "certops.rotation.rotate", "-i", "inventory.yml")
COMMAND_LINE = shlex.join(COMMAND)
INVENTORY = "inventory.yml"
_RECAP = re.compile(r"^[\w.-]+ +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0 ", re.MULTILINE)
_SECONDS = 120

_INVENTORY = """\
haproxy:
  hosts:
    localhost:
      ansible_connection: local
      ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
      haproxy_certificates_names: [{names}]
      haproxy_certificates_path: {certificates}
      haproxy_certificates_socket: {socket}
      haproxy_certificates_config: [{config}]
      haproxy_certificates_reload_methods: []
"""


def inventory(names: t.Iterable[str], certificates: pathlib.Path, socket: pathlib.Path, config: pathlib.Path) -> str:
    """What the role needs to know: which secrets, where the files go, how to reach HAProxy. Never to reload it."""
    return _INVENTORY.format(names=", ".join(names), certificates=certificates, socket=socket, config=config)


class Run(t.NamedTuple):
    """A run that ended as expected. changed: as its recap counts, 0 for what has none; seconds: wall time."""

    changed: int
    seconds: float


class Playbook:
    """Runs in the directory that holds INVENTORY. log: all that the runs have printed."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self.log = ""

    def run(self, command: t.Sequence[str] = COMMAND, *, code: int = 0) -> Run:
        """command: of Ansible. Raises StageError when it does not end with the code, or takes too long."""
        start = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _nothing = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise StageError(f"The playbook needs more than {_SECONDS} s.") from None
        finally:
            end(process)
        self.log += printed
        if process.returncode != code:
            how = "failed" if process.returncode else "ended well, and should have failed,"
            raise StageError(f"The playbook {how} with exit code {process.returncode}.")
        recap = _RECAP.search(printed)
        if not code and not recap and "PLAY RECAP" in printed:
            raise StageError("The playbook ended well, and says that something failed.")
        return Run(int(recap[1]) if recap else 0, time.monotonic() - start)
