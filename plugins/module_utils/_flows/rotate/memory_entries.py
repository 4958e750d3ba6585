# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of crt-lists that a certificate is to have: in HAProxy's memory and in the file, alike."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ..._core.haproxy.crt_list_line import PLAIN, CrtListLine, read_line
from ..._core.haproxy.parsing import CrtListEntry
from ..._errors import InvalidOption
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.crt_list_file import CrtListFile
from .memory_items import MemoryItem, WantedLine
from .memory_steps import Step, edit_step, link_step, unlink_step

_LONG = 2048  # characters of a line that any HAProxy lists whole


@dataclass
class ListPlan:
    """What becomes of a certificate's lines in one crt-list. crt_list: as HAProxy calls it; name: for new lines;
    numbered: those of removed that were named by their number.
    """

    crt_list: str
    name: str
    listed: list[CrtListEntry]
    added: list[CrtListLine] = field(default_factory=list)
    removed: list[CrtListEntry] = field(default_factory=list)
    numbered: list[CrtListEntry] = field(default_factory=list)
    file: CrtListFile | None = None
    file_added: list[CrtListLine] = field(default_factory=list)
    file_removed: list[int] = field(default_factory=list)
    remark: str | None = None

    def steps(self, memory: CertificateMemory, path: str, begun: CrtListLine | None) -> list[Step]:
        """begun: the line that a new certificate is added with. Whenever a run is killed, the next one goes on."""
        added = [line for line in self.added if line is not begun]
        steps = [link_step(memory, self.name, self.crt_list, line) for line in added]
        if self.file is not None and has_lines(self):
            steps.append(edit_step(self.file, path, self.file_added, self.file_removed))
        return [*steps, *(unlink_step(memory, self.crt_list, entry) for entry in self.removed)]

    def expected(self) -> list[CrtListEntry]:
        """The lines after it; new ones have the number 0."""
        kept = [entry for entry in self.listed if entry not in self.removed]
        return [*kept, *(CrtListEntry(self.name, 0, line.text) for line in self.added)]


def plan_entries(
    memory: CertificateMemory,
    wanted: MemoryItem,
    names: t.Sequence[str],
    list_file: t.Callable[[str], CrtListFile],
    new_name: t.Callable[[str], str],
) -> list[ListPlan]:
    """One for each crt-list, by the order of the item's entries.

    names: of the certificate in HAProxy. list_file: the file of a crt-list; new_name: the name for new lines there.
    Raises CrtListRequired, InvalidOption, CertificateInUse, StoreError.
    """
    by_list: dict[str, list[WantedLine]] = {}
    for entry in wanted.entries or ():
        for crt_list in memory.named_lists(entry.crt_list, wanted.name):
            by_list.setdefault(crt_list, []).append(entry)
    plans = [
        _plan(memory, crt_list, entries, wanted, names, new_name(crt_list)) for crt_list, entries in by_list.items()
    ]
    written: set[str] = set()
    for plan in plans:
        file = list_file(plan.crt_list)
        if file.path not in written:  # one that HAProxy has by two paths is written once
            written.add(file.path)
            _plan_file(plan, file, by_list[plan.crt_list], wanted, names)
    return plans


def name_in(crt_list: str, path: str, name: str) -> str:
    """In its directory a certificate gets the name that a reload would give it; else it keeps its name."""
    directory, base = os.path.split(path)
    is_directory = directory == crt_list or os.path.realpath(directory) == os.path.realpath(crt_list)
    return os.path.join(crt_list, base) if is_directory else name


def enter_lines(plans: t.Iterable[ListPlan], path: str) -> bool:
    """The files alone, for a reload that will read them; whether one has changed."""
    changing = [(plan.file, plan) for plan in plans if plan.file is not None and has_lines(plan)]
    for file, plan in changing:
        file.edit(path, plan.file_added, plan.file_removed, file.read())
    return bool(changing)


def has_lines(plan: ListPlan) -> bool:
    """Does it change the file?"""
    return plan.file is not None and bool(plan.file_added or plan.file_removed)


def entries_after(
    memory: CertificateMemory, plans: t.Iterable[ListPlan], names: t.Collection[str], *, is_asked: bool
) -> list[dict[str, t.Any]]:
    """As the module returns them. is_asked: HAProxy is asked for them, else they are what is expected."""
    found = []
    for plan in plans:
        expected = plan.expected()
        entries = memory.entries_of({*names, plan.name}, plan.crt_list) if is_asked else expected
        own = [read_line(entry.rest) for entry in expected if entry.line == 0]
        for entry in entries:
            said = read_line(entry.rest)
            is_known = memory.is_showable(entry) or any(line.is_listed_as(said) for line in own)
            options = said.text if is_known else None
            found.append({"crt_list": plan.crt_list, "line": entry.line or None, "options": options})
    return found


def lines_told(
    memory: CertificateMemory, plans: t.Iterable[ListPlan]
) -> tuple[dict[str, t.Any], dict[str, t.Any]] | None:
    """For a diff: the lines in each crt-list that changes, before and after."""
    changing = [plan for plan in plans if plan.added or plan.removed]

    def told(entries: t.Iterable[CrtListEntry]) -> list[str]:
        return [read_line(one.rest).text for one in entries if one.line == 0 or memory.is_showable(one)]

    before = {plan.crt_list: told(plan.listed) for plan in changing}
    after = {plan.crt_list: told(plan.expected()) for plan in changing}
    return (before, after) if changing else None


def _plan(
    memory: CertificateMemory,
    crt_list: str,
    entries: t.Sequence[WantedLine],
    wanted: MemoryItem,
    names: t.Sequence[str],
    name: str,
) -> ListPlan:
    all_listed = memory.all_entries(crt_list)
    listed = [entry for entry in all_listed if entry.name in names]
    is_long = any(len(entry.line.text) > _LONG for entry in entries if entry.line is not None)
    room = memory.room_for_line() if is_long else None
    plan = ListPlan(crt_list, listed[0].name if listed else name, listed)
    kept: list[CrtListEntry] = []
    for entry in (one for one in entries if one.state == "present" and one.line is not None):
        line = t.cast("CrtListLine", entry.line)
        if line != PLAIN and os.path.isdir(crt_list):
            raise InvalidOption(f"{crt_list} is a directory: its certificates have neither options nor filters.")
        same = [one for one in listed if _is_listed(line, one, room)]
        kept += same[:1]
        if not same and not any(line.is_same(other) for other in plan.added):
            plan.added.append(line)
    for entry in (one for one in entries if one.state == "absent"):
        unwanted = [
            one for one in _unwanted(memory, entry, all_listed, listed, wanted, room) if one not in plan.removed
        ]
        plan.removed += unwanted
        plan.numbered += unwanted if entry.number is not None else []
    if wanted.purge_entries:
        plan.removed += [one for one in listed if one not in kept and one not in plan.removed]
    return plan


def _unwanted(
    memory: CertificateMemory,
    entry: WantedLine,
    all_listed: t.Sequence[CrtListEntry],
    listed: t.Sequence[CrtListEntry],
    wanted: MemoryItem,
    room: int | None,
) -> list[CrtListEntry]:
    if entry.number is None:
        return [one for one in listed if entry.line is not None and _is_listed(entry.line, one, room)]
    found = next((one for one in all_listed if one.line == entry.number), None)
    if found is None:
        return []
    said = read_line(found.rest)
    if found not in listed or (entry.line is not None and not _is_listed(entry.line, found, room)):
        there = f"'{found.name} {said.text}'" if memory.is_showable(found) else "another one"
        raise InvalidOption(
            f"Line {entry.number} of {entry.crt_list} is {there} in HAProxy, not the one of {wanted.name} that should"
            " go. Numbers change with a reload: see haproxy_certificate_info for those of"
            " now, or name the line by its options and filters."
        )
    return [found]


def _is_listed(line: CrtListLine, listed: CrtListEntry, room: int | None) -> bool:
    left = None if room is None else room - len(f"{listed.name}:{listed.line} ".encode("utf-8", "surrogateescape"))
    return line.is_listed_as(read_line(listed.rest), left)


def _plan_file(
    plan: ListPlan, file: CrtListFile, entries: t.Sequence[WantedLine], wanted: MemoryItem, names: t.Sequence[str]
) -> None:
    if os.path.isdir(file.path):
        return
    present = [one.line for one in entries if one.state == "present" and one.line is not None]
    path = wanted.name if wanted.name.startswith(("/", "@")) else plan.name
    if not file.exists() or (present and not path.startswith("@") and not os.path.exists(path)):
        missing = path if file.exists() else file.path
        plan.remark = f"In memory only: {missing} is no file on this host, so a reload of HAProxy forgets this."
        return
    lines = file.lines_of(path)
    for line in present:
        if not any(line.is_same(other) for other in (*lines.values(), *plan.file_added)):
            plan.file_added.append(line)
    for entry in (one for one in entries if one.state == "absent" and one.number is None and one.line is not None):
        plan.file_removed += [
            number for number, line in lines.items() if t.cast("CrtListLine", entry.line).is_same(line)
        ]
    for gone in plan.numbered:
        # The line of this number in the file or, after changes at run time, the last one that says the same.
        same = [number for number, line in lines.items() if line.is_listed_as(read_line(gone.rest))]
        left = [number for number in same if number not in plan.file_removed]
        plan.file_removed += [gone.line] if gone.line in left else left[-1:]
    if wanted.purge_entries:
        plan.file_removed += [
            number
            for number, line in lines.items()
            if number not in plan.file_removed and not any(line.is_same(other) for other in present)
        ]
    bundle = file.bundle_of(path) if len(plan.removed) > len(plan.file_removed) else None
    if bundle is not None:
        plan.remark = f"The line of {bundle} stays in {file.path}, for it loads others, too: a reload brings this back."
    plan.file = file
    file.check_edit(names, path, plan.file_added, plan.file_removed)
