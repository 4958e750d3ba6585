# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage activate by hot update: certificates in a running HAProxy brought to the wanted state, each on its own."""

from __future__ import annotations

import contextlib
import datetime
import os
import typing as t

from ..._core.haproxy.content import CertificateContent
from ..._core.haproxy.crt_list_line import CrtListLine
from ..._core.haproxy.parsing import StoredCertificate
from ..._core.unexpected import only_rotation_errors
from ..._errors import InvalidOption, RotationError
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.crt_list_file import CrtListFile
from ..._ports.haproxy.errors import CrtListRequired, PayloadTooLarge, ReloadRequired
from ..._ports.haproxy.load_paths import (
    NOTHING_KNOWN,
    FileNames,
    KnownNames,
    LoadPaths,
    dangling_links,
    read_load_paths,
)
from ..._ports.haproxy.process_start import changed_at, process_start
from ..._ports.haproxy.runtime import RuntimeApi, escape
from ..._ports.haproxy.timestamps import crash_foreseen, find_timestamps
from ..._ports.haproxy.turn import take_turn
from ..._ports.openssl.key_checks import KeyChecks
from ..haproxy_failures import HOPELESS, process_facts
from .memory_entries import ListPlan, enter_lines, entries_after, has_lines, lines_told, name_in, plan_entries
from .memory_items import MemoryItem, MemoryOutcome, MemoryReport
from .memory_needs import Needs
from .memory_staples import forgotten_timestamps, remove_stale_response
from .memory_steps import carry_out
from .settings import MemorySettings

_AHEAD = 8  # certificates


class CertificateRun:
    """All certificates of one module call against one HAProxy.

    version: of the HAProxy; remove_stale_ocsp: of certificates that are read from files; check_mode: look at all,
    change nothing; paths: what HAProxy's configuration says. Of crt-list files only those are touched that it names, or
    the option crt_list does, whatever HAProxy's memory has. started: when the process began, in seconds since 1970.
    files_only: a reload follows, so that the memory stays as it is; what a reload reads beside the certificates is
    changed.
    """

    def __init__(
        self,
        memory: CertificateMemory,
        version: str,
        *,
        remove_stale_ocsp: bool,
        check_mode: bool,
        paths: LoadPaths = NOTHING_KNOWN,
        started: float | None = None,
        files_only: bool = False,
    ) -> None:
        self._memory = memory
        self._version = version
        self._remove_stale_ocsp = remove_stale_ocsp
        self._check_mode = check_mode
        self._started = started
        self._files_only = files_only
        self._files = FileNames(paths)
        self._keys = KeyChecks()
        self._has_changed = False
        self._pending, names = memory.list_names()
        self._known = KnownNames(self._files, names)

    def apply(self, wanted: t.Sequence[MemoryItem]) -> list[MemoryOutcome]:
        """Outcomes in the order of wanted. One failure does not stop the others, unless it would be theirs too."""
        outcomes: dict[int, MemoryOutcome] = {}
        hopeless: RotationError | None = None
        with contextlib.closing(self._keys):
            if any(one.entries for one in wanted):
                self._memory.crt_lists()  # before any key is sent: lines that are known only then are not shown
            for number in self._in_turn(wanted):
                outcome = MemoryOutcome(wanted[number].name)
                try:
                    if hopeless is not None:
                        raise hopeless
                    with only_rotation_errors():
                        self._apply_one(wanted[number], outcome)
                except RotationError as error:
                    outcome = outcome.failed(error)
                    hopeless = error if isinstance(error, HOPELESS) else hopeless
                outcomes[number] = outcome
        with contextlib.suppress(RotationError), only_rotation_errors():
            self._memory.untold_marks.save()
        return [outcomes[number] for number in range(len(wanted))]

    def _in_turn(self, wanted: t.Sequence[MemoryItem]) -> t.Iterator[int]:
        """Their numbers in the order of work. Some that follow are read and checked meanwhile."""
        names = [self._names_of(one) for one in wanted]
        # A transaction left open by a killed run blocks all others: its certificate goes first.
        order = sorted(range(len(wanted)), key=lambda number: self._pending not in names[number])
        self._memory.expect(name for number in order for name in names[number])
        begun = 0
        for position, number in enumerate(order, 1):
            begun = max(begun, position)
            while begun < min(position + _AHEAD, len(order)) and self._begin(wanted[order[begun]], names[order[begun]]):
                begun += 1
            yield number

    def _names_of(self, wanted: MemoryItem) -> list[str]:
        """None for what is no name: that is said in its turn."""
        try:
            escape(wanted.name)
        except InvalidOption:
            return []
        return self._known.of(wanted.name)

    def _begin(self, wanted: MemoryItem, names: t.Sequence[str]) -> bool:
        """False as long as it is not known what HAProxy holds of it."""
        held = [self._memory.read_ahead(name) for name in names]
        if None in held or not self._has_changed:  # where nothing changes, HAProxy is not waited for either
            return False
        if wanted.state == "present" and wanted.has_content:

            def is_needed(content: CertificateContent) -> bool:
                return wanted.force or not held or not all(content.matches(one) for one in held if one is not None)

            self._keys.begin(wanted.name, wanted.read, is_needed)
        return True

    def _apply_one(self, wanted: MemoryItem, outcome: MemoryOutcome) -> None:
        if wanted.refusal is not None:
            raise wanted.refusal
        for name in filter(None, (wanted.name, wanted.crt_list)):
            escape(name)  # refuses one that is no name, before it is looked for
        outcome.names = self._known.of(wanted.name)
        outcome.name = outcome.names[0] if outcome.names else wanted.name
        described = {name: self._memory.describe(name) for name in outcome.names}
        held = {name: stored for name, stored in described.items() if stored is not None}
        if held:
            outcome.holds(next(iter(held.values())))
        if wanted.state == "absent":
            self._remove(wanted, outcome, held)
            return
        holding = {name: one for name, one in held.items() if one.status != "Empty"}
        if not wanted.has_content:
            self._bring_lines(wanted, outcome, holding)
            return
        content = self._keys.content(wanted.name) or wanted.read()
        if self._remove_stale_ocsp and wanted.source:
            # On disk first, whatever becomes of the memory.
            remove_stale_response(wanted, outcome, content, check_mode=self._check_mode)
        self._bring(wanted, outcome, content, holding)

    def _bring(
        self,
        wanted: MemoryItem,
        outcome: MemoryOutcome,
        content: CertificateContent,
        held: t.Mapping[str, StoredCertificate],
    ) -> None:
        """held: what HAProxy holds of this file, by name."""
        memory = self._memory
        needs = Needs(wanted, content, held, entered=outcome.entered_in)
        needs.stale = {name: stored for name, stored in held.items() if self._is_stale(wanted, content, stored)}
        plans = needs.plans = self._plan_entries(wanted, outcome, held)
        places = self._places(wanted, outcome, held) if wanted.entries is None else []
        new = needs.look_for_new(places)
        needs.links = [where for where in places if self._needs_link(*where, outcome.names, new)]
        needs.look_for_staple(memory, datetime.datetime.now(datetime.timezone.utc))
        if needs.stale or new:
            self._has_changed = True
            self._keys.require(content)
        if needs.stale:
            outcome.holds(next(iter(needs.stale.values())))
        changing = {name: held[name] for name in (*needs.stale, *needs.unstapled)}
        self._check_effective({**changing, **(_unused(held) if needs.links else {})}, plans, held)
        needs.lines = self._lines(wanted, outcome, places)
        steps = needs.steps(memory, self._files, self._pending)
        names = list(dict.fromkeys([*held, *new]))
        outcome.name = names[0]
        if steps and (foreseen := self._reload_foreseen(held)):
            outcome.entered = needs.has_lines and (self._check_mode or needs.enter())
            raise foreseen
        if not self._check_mode:
            try:
                carry_out(steps, names)
            except PayloadTooLarge:
                # The reload that is needed now reads this.
                outcome.entered = (not held or any(plan.added for plan in plans)) and needs.enter()
                raise
            for name in new:
                self._known.add(name)
        outcome.wants(content)
        outcome.names = names
        outcome.loaded_ocsp = needs.loads_staple
        outcome.loaded_ocsp_since = needs.staple.this_update if needs.staple and needs.loads_staple else None
        outcome.warning = needs.warning() or outcome.warning
        self._tell_entries(outcome, plans)
        if needs.stale or new:
            outcome.message = outcome.message or forgotten_timestamps(wanted)
        if steps:
            outcome.action = needs.action

    def _bring_lines(self, wanted: MemoryItem, outcome: MemoryOutcome, held: t.Mapping[str, StoredCertificate]) -> None:
        """The entries alone: what HAProxy holds of the certificate stays."""
        plans = self._plan_entries(wanted, outcome, held)
        if not held and any(plan.added for plan in plans):
            raise InvalidOption(f"HAProxy does not hold {wanted.name}: give the certificate by src or content.")
        self._check_effective({}, plans, held)
        steps = [step for plan in plans for step in plan.steps(self._memory, wanted.name, None)]
        if steps and (foreseen := self._reload_foreseen(held)):
            outcome.entered = any(map(has_lines, plans)) and (self._check_mode or enter_lines(plans, wanted.name))
            raise foreseen
        if not self._check_mode:
            try:
                carry_out(steps, list(held))
            except PayloadTooLarge:
                outcome.entered = enter_lines(plans, wanted.name)
                raise
        self._tell_entries(outcome, plans)
        if steps:
            outcome.action = "updated"

    def _check_effective(
        self,
        changing: t.Mapping[str, StoredCertificate],
        plans: t.Iterable[ListPlan],
        held: t.Mapping[str, StoredCertificate],
    ) -> None:
        """Raises ReloadRequired. What HAProxy only seems not to use would look like any other with one more line."""
        is_used_anew = any(plan.added for plan in plans)
        stored = {**changing, **(_unused(held) if is_used_anew else {})}
        if stored:
            self._memory.check_effective(self._version, stored.values())

    def _reload_foreseen(self, held: t.Iterable[str]) -> ReloadRequired | None:
        """Of a change of what HAProxy holds by these names. Lines of files change all the same, for the reload."""
        names = list(held)
        if self._files_only:
            return ReloadRequired("A reload follows, which loads this.")
        file = find_timestamps(path for name in names for path in self._files.paths_of(name))
        return crash_foreseen(names[0], file) if file is not None else None

    def _is_stale(self, wanted: MemoryItem, content: CertificateContent, stored: StoredCertificate) -> bool:
        if wanted.force or not content.matches(stored):
            return True
        is_marked = self._memory.untold_marks.find(stored.name, content.untold)
        if is_marked is not None:
            return not is_marked
        # It has what was in the file when it read it, unless that was written since.
        return wanted.source is not None and self._started is not None and changed_at(wanted.source) > self._started

    def _plan_entries(
        self, wanted: MemoryItem, outcome: MemoryOutcome, held: t.Mapping[str, StoredCertificate]
    ) -> list[ListPlan]:
        path = wanted.name if wanted.name.startswith("/") else outcome.name
        name = outcome.name if held else wanted.name
        plans = plan_entries(
            self._memory, wanted, outcome.names, self._list_file, lambda crt_list: name_in(crt_list, path, name)
        )
        outcome.message = next((plan.remark for plan in plans if plan.remark), outcome.message)
        return plans

    def _tell_entries(self, outcome: MemoryOutcome, plans: t.Sequence[ListPlan]) -> None:
        has_changed = any(plan.added or plan.removed for plan in plans)
        outcome.lines = lines_told(self._memory, plans)
        outcome.entries = entries_after(
            self._memory, plans, outcome.names, is_asked=has_changed and not self._check_mode
        )

    def _places(
        self, wanted: MemoryItem, outcome: MemoryOutcome, held: t.Mapping[str, StoredCertificate]
    ) -> list[tuple[str, str]]:
        """crt-list and name in it, of all places where this certificate is to be used and may not be yet."""
        path = wanted.name if wanted.name.startswith("/") else outcome.name
        is_used = bool(held) and all(stored.status != "Unused" for stored in held.values())
        if is_used and wanted.crt_list is None and (path.startswith("@") or self._known.is_complete(path)):
            return []
        try:
            crt_lists = self._memory.find_crt_lists(path, wanted.crt_list)
        except CrtListRequired:
            if wanted.crt_list is not None or not held:
                raise
            return []  # unused by the configuration's own will, as in a crt-store
        return [(crt_list, name_in(crt_list, path, outcome.name if held else wanted.name)) for crt_list in crt_lists]

    def _needs_link(
        self, crt_list: str, name: str, names: t.Sequence[str], new: t.Mapping[str, tuple[str, CrtListLine]]
    ) -> bool:
        """A new certificate is used in its first list from the start; a crt-list file may have any name of the file."""
        if (name in new and new[name][0] == crt_list) or self._memory.is_listed(name, crt_list):
            return False
        is_directory = os.path.dirname(name) == crt_list
        return is_directory or not any(self._memory.is_listed(other, crt_list) for other in names)

    def _remove(self, wanted: MemoryItem, outcome: MemoryOutcome, held: t.Mapping[str, StoredCertificate]) -> None:
        lists = {crt_list for name in outcome.names for crt_list in self._memory.lists_with(name)}
        named = {*self._files.paths.crt_lists, *([os.path.realpath(wanted.crt_list)] if wanted.crt_list else [])}
        for crt_list in sorted(lists):
            if os.path.isfile(crt_list) and os.path.realpath(crt_list) not in named:
                raise CrtListRequired(
                    f"HAProxy uses {outcome.name} in {crt_list}. Whether that is its crt-list file, which loses its"
                    " line, the socket cannot decide: name it in crt_list, or HAProxy's configuration in config."
                )
        files = [file for file in map(self._list_file, sorted(named)) if file.exists() and file.contains(wanted.name)]
        for file in files:
            file.check_removable(wanted.name, outcome.names)
        if not outcome.names and not files:
            return
        # Of one that no crt-list has, HAProxy itself knows whether it is in use, unless that is lost.
        doubtful = [one for name, one in held.items() if one.status == "Unused" and not self._memory.lists_with(name)]
        if doubtful:
            self._memory.check_effective(self._version, doubtful)
        foreseen = self._reload_foreseen(held)
        outcome.entered = bool(foreseen and files)
        if not self._check_mode:
            self._take_out(files, wanted.name, () if foreseen else outcome.names)
        if foreseen:
            raise foreseen
        for name in outcome.names:
            self._known.discard(name)
        outcome.warning = dangling_links(outcome.names)
        outcome.fingerprint_sha1 = outcome.serial_number = outcome.not_after = None
        outcome.action = "removed"

    def _take_out(self, files: t.Sequence[CrtListFile], path: str, names: t.Sequence[str]) -> None:
        """Disk first: an entry whose file is gone would break the next reload."""
        previous = [(file, file.read()) for file in files]
        try:
            for file in files:
                file.remove(path)
            if names:
                self._memory.remove(*names)
        except RotationError:
            for file, content in previous:
                file.write_back(content)
            raise

    def _list_file(self, crt_list: str) -> CrtListFile:
        place = os.path.realpath(crt_list)
        known = (entries for name, entries in self._memory.crt_lists().items() if os.path.realpath(name) == place)
        return CrtListFile(crt_list, self._files, next(known, ()))

    def _lines(
        self, wanted: MemoryItem, outcome: MemoryOutcome, places: t.Iterable[tuple[str, str]]
    ) -> list[CrtListFile]:
        """The crt-list files that need a line for it, so that it outlives a reload; of those that crt_list names."""
        files = {file.path: file for file in map(self._list_file, (crt_list for crt_list, _name in places))}
        lacking = []
        for file in files.values():
            if os.path.isdir(file.path) or (file.exists() and file.contains(wanted.name)):
                continue
            if not file.exists() or not os.path.exists(wanted.name):
                missing = wanted.name if file.exists() else file.path
                outcome.message = (
                    f"In memory only: {missing} is no file on this host, so a reload of HAProxy forgets this."
                )
                continue
            file.check_entry(wanted.name)
            lacking.append(file)
        return lacking


def update_memory(
    settings: MemorySettings, wanted: t.Sequence[MemoryItem], *, check_mode: bool, files_only: bool = False
) -> MemoryReport:
    """files_only: as of CertificateRun. Raises HaproxyError when HAProxy cannot be reached or asked at all."""
    api = RuntimeApi(settings.socket, settings.timeout)
    info = api.info()
    with take_turn(api, settings.timeout):
        certificates = CertificateRun(
            CertificateMemory(api),
            info.get("Version", ""),
            remove_stale_ocsp=settings.remove_stale_ocsp,
            check_mode=check_mode,
            paths=read_load_paths(settings.config, api),
            started=process_start(api, info),
            files_only=files_only,
        )
        return MemoryReport(certificates.apply(wanted), process_facts(info))


def _unused(held: t.Mapping[str, StoredCertificate]) -> dict[str, StoredCertificate]:
    return {name: stored for name, stored in held.items() if stored.status == "Unused"}
