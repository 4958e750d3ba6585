# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real ansible-rulebook whose only source is secret_events, with a rule for each kind of event."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import typing as t

from . import secrets_scan

PATIENCE = 120  # seconds
_SAYS = "secret_events told "


class Rulebook:
    """Use it as a context. options: of the source; actions: kind of event -> what else is done than to say it."""

    def __init__(
        self,
        folder: pathlib.Path,
        options: t.Mapping[str, t.Any],
        *,
        actions: t.Mapping[str, dict[str, t.Any]] | None = None,
        variables: t.Mapping[str, t.Any] | None = None,
        env: t.Mapping[str, str],
    ) -> None:
        """variables: of the host."""
        kinds = ("secret", "candidate", "expiring", "object", "tick", "heartbeat")
        say = {"debug": {"msg": _SAYS + "{{ event.secret_events | tojson }}"}}
        rules = [
            {
                "name": kind,
                "condition": f'event.secret_events.kind == "{kind}"',
                "actions": [say, *([actions[kind]] if actions and kind in actions else [])],
            }
            for kind in kinds
        ]
        sources = [{"name": "Secrets", "certops.rotation.secret_events": dict(options)}]
        (folder / "rulebook.yml").write_text(
            json.dumps([{"name": "Events", "hosts": "all", "sources": sources, "rules": rules}])
        )
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"haproxy": {"hosts": {"host": {}}, "vars": {**here, **(variables or {})}}}
        (folder / "inventory.yml").write_text(json.dumps(inventory))
        self._folder, self._env, self._log = folder, env, folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["--rulebook", "rulebook.yml", "--inventory", "inventory.yml"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [pathlib.Path(sys.executable).with_name("ansible-rulebook"), *words],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._env, "ANSIBLE_NOCOLOR": "true"},
            )

    def __enter__(self) -> Rulebook:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(PATIENCE)
        secrets_scan.assert_no_private_key(self.log)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def told(self) -> list[dict[str, t.Any]]:
        """All events so far."""
        return [json.loads(found) for found in re.findall(rf"{_SAYS}(\{{.*\}})", self.log)]

    def names(self, kind: str = "secret") -> set[str]:
        return {name for event in self.told if event["kind"] == kind for name in event["names"]}

    @property
    def runs(self) -> int:
        """Playbooks that have ended."""
        return self.log.count("PLAY RECAP")

    @property
    def memory(self) -> int:
        """Bytes in RAM."""
        assert self._process
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def wait(self, done: t.Callable[[], t.Any], what: str, seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end or self.has_ended:
                raise AssertionError(f"ansible-rulebook was waited for {what}:\n{self.log}")
            time.sleep(0.1)

    @property
    def has_ended(self) -> bool:
        assert self._process
        return self._process.poll() is not None
