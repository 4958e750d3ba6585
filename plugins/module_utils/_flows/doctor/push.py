# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Can this machine push: are there lineages, a queue, and hosts that let it in?"""

from __future__ import annotations

import collections
import concurrent.futures
import os
import shutil
import stat
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ..._core.instants import CLOCK_SKEW, parse_isoformat_utc
from ..._core.push.debts import matched_domains
from ..._core.text import listed
from ..._errors import LineageError, RotationError, StoreError
from ..._ports.host.rights import run_as_root
from .files import room_finding
from .findings import Finding, error, warning

if t.TYPE_CHECKING:
    from ..._core.push.delivery import Deliverer
    from ..._core.push.lineage import Lineage
    from ..._core.push.targets import PushTarget
    from ..._ports.lineages.certbot_live import CertbotLive
    from ..._ports.queue.push_queue import PushQueue


@dataclass(frozen=True)
class PushDoctor:
    """deliverer: by which hosts are asked whether they let us in, and get nothing; concurrency: hosts at a time."""

    queue: PushQueue
    lineages: CertbotLive
    targets: t.Sequence[PushTarget]
    deliverer: Deliverer
    concurrency: int

    def findings(self, now: datetime) -> t.Iterator[Finding]:
        """In the order in which a person would look. now: aware time for judging validity."""
        yield program_finding("ssh")
        found = list(self._of_lineages(now))
        yield from found
        yield from self._of_queue(now)
        yield from self._of_keys()
        yield from self._of_targets()

    def _of_lineages(self, now: datetime) -> t.Iterator[Finding]:
        path = self.lineages.path
        try:
            found = self.lineages.read_all()
        except LineageError as failed:
            yield error("lineages", failed.message)
            return
        if not found.lineages and not found.failures:
            yield error("lineages", f"There is none in {path}. Let certbot issue one, or name another directory.")
            return
        yield Finding("lineages", f"{len(found.lineages)} in {path} can be pushed.")
        for name, message in found.failures.items():
            yield error(f"lineage {name}", message)
        for lineage in found.lineages:
            if parse_isoformat_utc(lineage.not_after) <= now:
                text = f"It has expired at {lineage.not_after}, so that no host would take it. Look at what renews it."
                yield error(f"lineage {lineage.name}", text)
        yield from self._unmatched(found.lineages)

    def _unmatched(self, lineages: t.Sequence[Lineage]) -> t.Iterator[Finding]:
        if not self.targets:
            yield error("targets", "There are none, so nothing is pushed to anybody. Name them by targets.")
            return
        wanted: collections.Counter[str] = collections.Counter()
        for target in self.targets:
            names = [lineage.name for lineage in lineages if matched_domains(target, lineage.domains)]
            wanted.update(names)
            if not names:
                text = f"It gets no lineage: none has one of its domains, {listed(target.domains)}."
                yield warning(f"host {target.name}", text)
        idle = [lineage.name for lineage in lineages if not wanted[lineage.name]]
        if idle:
            yield warning("targets", f"No host gets {listed(idle)}.")

    def _of_queue(self, now: datetime) -> t.Iterator[Finding]:
        path = self.queue.path
        above = path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(above):
            yield error("queue", f"There is no directory {above} for it. Create it, or name another one by queue.")
            return
        yield room_finding(above)
        try:
            content = self.queue.content()
        except StoreError as failed:
            yield error("queue", failed.message)
            return
        if not os.access(above, os.W_OK | os.X_OK):
            yield error("queue", f"{above} cannot be written to by this user. {run_as_root()}")
            return
        yield Finding("queue", f"{path}: {len(content.owed)} owed, {len(content.dead)} given up.")
        damaged = [*(each.path for each in content.damaged), *content.bad]
        if damaged:
            text = f"Damaged: {listed(damaged)}. What they stood for is owed anew. Look at the disk, then delete them."
            yield warning("queue files", text)
        if content.foreign:
            yield warning("queue files", f"Not the queue's: {listed(content.foreign)}. Move them elsewhere.")
        yield from self._unheard(content.woken, now)

    def _unheard(self, woken: t.Sequence[str], now: datetime) -> t.Iterator[Finding]:
        """A hook that has asked for a run, and none has come."""
        ages = []
        for name in woken:
            try:
                ages.append(now.timestamp() - os.stat(os.path.join(self.queue.path, "wake", name)).st_mtime)
            except OSError:
                continue  # heard meanwhile
        # One that lies in the future was written by a wrong clock: how long it waits is not known.
        if ages and (max(ages) > _PATIENCE or min(ages) < -CLOCK_SKEW.total_seconds()):
            text = "A hook of certbot's has asked for a push, and none has come. Is the schedule running?"
            yield warning("schedule", f"{text} See systemctl list-units 'certificate-push*', or cron's log.")

    def _of_keys(self) -> t.Iterator[Finding]:
        for path in sorted({target.private_key_file for target in self.targets if target.private_key_file}):
            check = f"private key {os.path.basename(path)}"
            try:
                found = os.stat(path)
            except OSError as failed:
                text = f"{path} cannot be read: {failed.strerror}."
                yield error(check, f"{text} Make it by ssh-keygen, or name another one.")
                continue
            if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                yield error(check, f"Others than its owner may read {path}: ssh refuses it. Run chmod 600 {path}.")
            else:
                yield Finding(check, f"{path} is its owner's alone.")

    def _of_targets(self) -> t.Iterator[Finding]:
        """Each is connected to, by its pinned key and with ours; nothing is sent."""
        with concurrent.futures.ThreadPoolExecutor(self.concurrency) as pool:
            yield from pool.map(self._ask, self.targets)

    def _ask(self, target: PushTarget) -> Finding:
        try:
            self.deliverer.deliver(target, (), uploaded={}, wait=False)
        except RotationError as failed:
            return error(f"host {target.name}", failed.message)
        return Finding(f"host {target.name}", f"{target.address}:{target.port} lets {target.user} in by SFTP.")


#: Seconds that a schedule may need to hear a hook.
_PATIENCE: t.Final = 3600


def program_finding(name: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return error(f"program {name}", "It is not there. Install OpenSSH's client.")
    return Finding(f"program {name}", f"{path} is there.")
