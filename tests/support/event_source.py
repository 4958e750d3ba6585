# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source secret_events without a rulebook: its code, and a thread in which it runs."""

from __future__ import annotations

import asyncio
import importlib.util
import pathlib
import sys
import threading
import time
import typing as t

PATH = pathlib.Path(__file__).parents[2] / "extensions/eda/plugins/event_source/secret_events.py"
PATIENCE = 60  # seconds


def load() -> t.Any:
    """Its names, as attributes. It is no part of a package: ansible-rulebook runs it by its path."""
    spec = importlib.util.spec_from_file_location("secret_events", PATH)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


secret_events = load()


class Listening:
    """A context in which the source runs. told: the events so far; takes: cleared, its rulebook takes no events."""

    def __init__(self, options: t.Mapping[str, t.Any], env: t.Mapping[str, str]) -> None:
        access = {"access_key": env["AWS_ACCESS_KEY_ID"], "secret_key": env["AWS_SECRET_ACCESS_KEY"]}
        place = {"endpoint_url": env["AWS_ENDPOINT_URL"], "region": env["AWS_REGION"]}
        self._options = {"queue": "certificates", "tick": 0, "again": 0, **place, **access, **options}
        self.told: list[dict[str, t.Any]] = []
        self.takes = threading.Event()
        self.takes.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    async def put(self, event: dict[str, t.Any]) -> None:
        await asyncio.to_thread(self.takes.wait, PATIENCE)
        self.told.append(event["secret_events"])

    def _run(self) -> None:
        self._task = self._loop.create_task(secret_events.main(self, self._options))
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    def of(self, kind: str) -> list[dict[str, t.Any]]:
        return [event for event in self.told if event["kind"] == kind]

    @property
    def health(self) -> dict[str, t.Any]:
        """What the last heartbeat has said; without one, that nothing has come."""
        beats = self.of("heartbeat")
        return dict(beats[-1]["health"]) if beats else {"error": "", "received": 0}

    def wait(self, done: t.Callable[[], t.Any], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert self._thread.is_alive(), f"the source has ended:\n{self.told}"
            assert time.monotonic() < end, f"waited for {what}:\n{self.told}"
            time.sleep(0.05)
