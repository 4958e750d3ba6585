# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running HAProxy lacks of one certificate, and the steps that bring it."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

from ..._core.haproxy.content import CertificateContent
from ..._core.haproxy.crt_list_line import PLAIN, CrtListLine
from ..._core.haproxy.parsing import StoredCertificate
from ..._core.haproxy.stapling import Staple
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.crt_list_file import CrtListFile
from ..._ports.haproxy.errors import CrtListRequired
from ..._ports.haproxy.load_paths import FileNames
from .memory_entries import ListPlan, enter_lines, has_lines
from .memory_items import MemoryItem
from .memory_staples import find_staple, is_lacking
from .memory_steps import Step, add_step, line_step, link_step, staple_step, update_step


@dataclass
class Needs:
    """held: what HAProxy holds of it, by name; of these stale differ, and unstapled lack the OCSP response alone.

    new: names that HAProxy does not have, each with the crt-list and line that it is added with; links: crt-lists and
    names for one more line there; plans: for the lines that were asked for; lines: files that need a plain one;
    entered: those of them that enter has given it.
    """

    wanted: MemoryItem
    content: CertificateContent
    held: t.Mapping[str, StoredCertificate]
    stale: dict[str, StoredCertificate] = field(default_factory=dict)
    staple: Staple | None = None
    unstapled: list[str] = field(default_factory=list)
    new: dict[str, tuple[str, CrtListLine]] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    plans: list[ListPlan] = field(default_factory=list)
    lines: list[CrtListFile] = field(default_factory=list)
    entered: list[CrtListFile] = field(default_factory=list)

    def look_for_staple(self, memory: CertificateMemory, at: datetime.datetime) -> None:
        """Raises InvalidOption and MaterialError for one that was given and is not good."""
        staple = self.staple = find_staple(self.wanted, self.content, at)
        if staple is not None:
            # Of those that are not used HAProxy does not tell it; they got theirs when they were loaded.
            is_used_anew = bool(self.links) or any(plan.added for plan in self.plans)
            told = {name for name, stored in self.held.items() if stored.status != "Unused" or is_used_anew}
            fresh = [name for name in self.held if name in told - self.stale.keys()]
            self.unstapled = [name for name in fresh if is_lacking(memory, name, staple)]

    def look_for_new(self, places: t.Iterable[tuple[str, str]]) -> dict[str, tuple[str, CrtListLine]]:
        """places: crt-lists where it is to be, and names there. Raises CrtListRequired when there is none at all."""
        for crt_list, name in places:
            if name not in self.held:
                self.new.setdefault(name, (crt_list, PLAIN))
        for plan in self.plans:
            if not self.held and plan.added:
                self.new.setdefault(plan.name, (plan.crt_list, plan.added[0]))
        if not self.held and not self.new:
            raise CrtListRequired(
                f"HAProxy does not know {self.wanted.name}, and none of its entries says where to use it."
            )
        return self.new

    def steps(self, memory: CertificateMemory, files: FileNames, pending: str | None) -> list[Step]:
        """pending: the certificate of an open transaction, which goes first."""
        added = [step for plan in self.plans for step in plan.steps(memory, self.wanted.name, self._begun(plan))]
        count = sum(map(len, (self.stale, self.unstapled, self.new, self.links, added)))
        staple = self.staple
        steps = [
            update_step(memory, name, self.content, None if count == 1 else (files.file_of(name), stored), staple)
            for name, stored in sorted(self.stale.items(), key=lambda item: item[0] != pending)
        ]
        if staple is not None:
            steps += [staple_step(memory, name, self.content, staple) for name in self.unstapled]
        steps += [add_step(memory, name, self.content, *where, staple) for name, where in self.new.items()]
        steps += [link_step(memory, name, crt_list) for crt_list, name in self.links]
        return [*steps, *(line_step(file, self.wanted.name) for file in self.lines), *added]

    def enter(self) -> bool:
        """Into the files alone, for a reload; whether one has changed."""
        for file in self.lines:
            if file.add(self.wanted.name):
                self.entered.append(file)
        return enter_lines(self.plans, self.wanted.name) or bool(self.entered)

    @property
    def has_lines(self) -> bool:
        """Would enter change a file?"""
        return bool(self.lines) or any(map(has_lines, self.plans))

    @property
    def loads_staple(self) -> bool:
        return self.staple is not None and bool(self.stale or self.new or self.unstapled)

    @property
    def action(self) -> str:
        """Of one that has steps."""
        is_served = any(stored.status != "Unused" for stored in self.held.values())
        is_used_anew = self.new or self.links or any(plan.added for plan in self.plans)
        return "added" if is_used_anew and not is_served else "updated"

    def warning(self) -> str | None:
        if self.staple is None or not self.staple.is_revoked or not self.loads_staple:
            return None
        return f"The OCSP response of {self.wanted.name} says that the certificate is revoked."

    def _begun(self, plan: ListPlan) -> CrtListLine | None:
        """The line with which the certificate is added there."""
        crt_list, line = self.new.get(plan.name, ("", PLAIN))
        return line if crt_list == plan.crt_list else None
