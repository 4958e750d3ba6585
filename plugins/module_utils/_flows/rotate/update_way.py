# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hot updates or one reload: what HAProxy and its host tell, before it is decided which."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass, field

from ..._core.haproxy.update_cost import FEW, Shown, UpdateWay, choose_way, read_costs
from ..._core.unexpected import only_rotation_errors
from ..._errors import RotationError
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.crt_list_file import CrtListFile
from ..._ports.haproxy.load_paths import FileNames, KnownNames, read_load_paths
from ..._ports.haproxy.ocsp_file import SUFFIX
from ..._ports.haproxy.runtime import RuntimeApi
from ..._ports.haproxy.timestamps import find_timestamps
from ..._ports.haproxy.turn import take_turn
from ..._ports.host.memory import MemoryRoom, memory_room
from ..._ports.host.processes import find_process
from ..haproxy_failures import process_facts
from .activate import update_memory
from .memory_items import entered_lines, of_files
from .settings import MemorySettings, ReloadSettings

# What a reload does not wait for: it is what keeps a certificate from being loaded at run time only.
_RELOAD_LOADS = ("reload_required", "crt_list_required", "payload_too_large", "unsupported", "in_use")
_LARGE = 8192  # bytes: where smaller ones need a reload, HAProxy says so itself
_NOTHING_TOLD = MemoryRoom(None, None)


@dataclass(frozen=True)
class WayQuestion:
    """items: as update_items of a rotation; sizes: path -> bytes of a file that is, or would be, written; deployed: how
    many certificates are; kept: costs of the state. activation, memory, reload, update_by: of the rotation's settings.
    """

    items: t.Sequence[t.Mapping[str, str]]
    activation: str
    update_by: str
    memory: MemorySettings | None
    reload: ReloadSettings
    deployed: int = 0
    kept: object = None
    sizes: t.Mapping[str, int] = field(default_factory=dict)

    def answer(self) -> UpdateWay:
        """Few certificates that have no need of a reload are not asked about: all is as it would be without this."""
        costs = read_costs(self.kept)
        shown = Shown(self.deployed, costs.get("hot_update"), costs.get("reload"))
        needs_reload, can_reload = False, bool(self.reload.methods)
        if self.activation in ("handlers", "reloaded"):
            way = choose_way(len(self.items), shown, update_by="reload", can_update=True, can_reload=True)
            return way._replace(reason="handlers" if way.way == "reload" else way.reason)
        doubtful = self._doubtful()
        if self.memory and self.items and (doubtful or len(self.items) >= FEW):
            with contextlib.suppress(RotationError), only_rotation_errors():
                api = RuntimeApi(self.memory.socket, self.memory.timeout)
                memory = CertificateMemory(api)
                info, names = api.info(), memory.list_names()[1]
                room = _room(api, info)
                shown = shown._replace(certificates=len(names), worker_mb=room.own, free_mb=room.free)
                needs_reload = self._needs_reload(doubtful, api, memory, names)
            if can_reload and self.update_by == "cost" and (needs_reload or len(self.items) >= FEW):
                can_reload = _has_way(self.reload)
        return choose_way(
            len(self.items),
            shown,
            update_by=self.update_by,
            can_update=self.memory is not None,
            can_reload=can_reload,
            needs_reload=needs_reload,
            timeout=self.reload.timeout,
        )

    def _size(self, path: str) -> int:
        try:
            return self.sizes.get(path) or os.stat(path).st_size
        except OSError:
            return 0

    def _doubtful(self) -> dict[str, int]:
        """Path -> size of those that may need a reload: large ones, and with 0 those with timestamps."""
        paths = [item["src"] for item in self.items if item["state"] == "present"]
        large = {path: size for path in paths if (size := self._size(path)) > _LARGE}
        return {**large, **{path: 0 for path in paths if find_timestamps([path])}}

    def _needs_reload(
        self, doubtful: t.Mapping[str, int], api: RuntimeApi, memory: CertificateMemory, names: t.Sequence[str]
    ) -> bool:
        if not doubtful or self.memory is None:
            return False
        known = KnownNames(FileNames(read_load_paths(self.memory.config, api)), names)
        limit = memory.room_for_line()
        for path, size in doubtful.items():
            if not size and known.of(path):
                return True
            # As it is sent, but for the line's end of the file.
            sent = [f"set ssl cert {name} <<\n\n" for name in known.of(path) or [path]]
            if limit is not None and size and any(size + len(os.fsencode(line)) >= limit for line in sent):
                return True
        return False


def enter_in_files(
    memory: MemorySettings, items: t.Sequence[t.Mapping[str, str]], crt_list: str | None
) -> tuple[bool, dict[str, list[CrtListFile]], list[str]]:
    """What a reload reads beside the files: lines of crt-lists, and no OCSP response of another certificate.

    Returns whether a reload is all that is left to do, the lines as of entered_lines, and warnings.
    """
    try:
        with only_rotation_errors():
            concerned = _concerned(memory, items, crt_list)
            if not concerned:
                return True, {}, []
            report = update_memory(memory, of_files(concerned, crt_list), check_mode=False, files_only=True)
    except RotationError:
        return False, {}, []
    failed = {outcome.error_code for outcome in report.outcomes if outcome.action == "failed"}
    warnings = [outcome.warning for outcome in report.outcomes if outcome.warning]
    return failed <= set(_RELOAD_LOADS), entered_lines(concerned, report.outcomes), warnings


def take_out_of_files(memory: MemorySettings, lines: t.Mapping[str, t.Iterable[CrtListFile]]) -> dict[str, str]:
    """What was entered for a reload that did not come about. lines: as of entered_lines.

    Returns path -> why its line is there yet.
    """
    stuck = {}
    with take_turn(RuntimeApi(memory.socket, memory.timeout), memory.timeout):
        for path, files in lines.items():
            try:
                with only_rotation_errors():
                    for file in files:
                        file.remove(path)
            except RotationError as error:
                stuck[path] = error.message
    return stuck


def loaded_number(memory: MemorySettings | None, otherwise: int) -> int:
    """How many certificates HAProxy has."""
    if memory is not None:
        with contextlib.suppress(RotationError), only_rotation_errors():
            return len(CertificateMemory(RuntimeApi(memory.socket, memory.timeout)).list_names()[1])
    return otherwise


def _concerned(
    memory: MemorySettings, items: t.Sequence[t.Mapping[str, str]], crt_list: str | None
) -> list[t.Mapping[str, str]]:
    """Those that HAProxy does not have, or is not to have any more; where a crt-list file is named it may lack any."""
    if crt_list is not None and not os.path.isdir(crt_list):
        return list(items)
    api = RuntimeApi(memory.socket, memory.timeout)
    known = KnownNames(FileNames(read_load_paths(memory.config, api)), CertificateMemory(api).list_names()[1])
    return [
        item
        for item in items
        if item["state"] != "present" or os.path.exists(f"{item['src']}{SUFFIX}") or not known.of(item["src"])
    ]


def _room(api: RuntimeApi, info: t.Mapping[str, str]) -> MemoryRoom:
    """Where HAProxy is a process of this host. In a container its number is another one's here, or nobody's."""
    process = find_process(process_facts(info)["worker_pid"])
    is_here = api.path is not None and process is not None and process.name.startswith("haproxy")
    return memory_room(process.pid) if is_here and process is not None else _NOTHING_TOLD


def _has_way(settings: ReloadSettings) -> bool:
    """Whether one of the ways to reload finds a HAProxy."""
    for method in settings.methods:
        with contextlib.suppress(RotationError), only_rotation_errors():
            settings.reloader(method).worker_pid()
            return True
    return False
