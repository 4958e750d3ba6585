# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that somebody else owns: what Ansible takes for its Python answers in the place of chosen modules."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

_PROGRAM = """#!{python} -IS
import json, os, pathlib, re, shutil, sys
folder = pathlib.Path({folder!r})
found = re.search("AnsiballZ_([a-z_]+)[.]py", " ".join(sys.argv))
module = found[1] if found else ""
calls = sorted(folder.glob(f"{{module}}.*.called"))
if module:
    shutil.copy(sys.argv[-1], folder / f"{{module}}.{{len(calls)}}.called")
answers = json.loads((folder / "lies.json").read_text()).get(module)
if answers:
    sys.stdout.write(json.dumps(answers[min(len(calls), len(answers) - 1)]) + "\\n")
else:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


class LyingHost:
    """interpreter: for ansible_python_interpreter; connection: variables of the host, to which modules are copied."""

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.interpreter = str(folder / "python3")
        self.connection = {"ansible_python_interpreter": self.interpreter, "ansible_pipelining": False}
        program = pathlib.Path(self.interpreter)
        program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        self.lies()

    def lies(self, **answers: t.Any) -> None:
        """Module without its collection -> its result, or a list of results of one call after the other."""
        listed = {module: lie if isinstance(lie, list) else [lie] for module, lie in answers.items()}
        (self._folder / "lies.json").write_text(json.dumps(listed))
        for file in self._folder.glob("*.called"):
            file.unlink()

    def calls(self, module: str) -> int:
        return len(list(self._folder.glob(f"{module}.*.called")))

    def received(self) -> str:
        """All that the controller has sent: modules with their arguments."""
        return "\n".join(file.read_text(errors="replace") for file in sorted(self._folder.glob("*.called")))
