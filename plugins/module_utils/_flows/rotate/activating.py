# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage activate of a rotation: HAProxy is made to use what is new, in the way that was chosen before."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import typing as t

from ..._core.pipeline.progress import Progress
from ..._core.unexpected import only_rotation_errors
from ..._errors import HaproxyError, ReloadError, RotationError
from .sync import CertificateSync

if t.TYPE_CHECKING:
    from ..._core.haproxy.update_cost import Measured, UpdateWay
    from ..._ports.haproxy.crt_list_file import CrtListFile
    from .settings import RotationSettings

_Result = dict[str, t.Any]


class ActivatingRotation(CertificateSync):
    """What a rotation does to HAProxy. Each part tells as the module of its kind returns it."""

    _settings: RotationSettings
    _goes_back = True

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        raise NotImplementedError

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        self._done: _Result = {}
        self._errors: list[str] = []
        self._reloads: list[_Result] = []
        self._costs: dict[str, Measured] = {}
        self._entered: dict[str, list[CrtListFile]] = {}

    @functools.cached_property
    def update_way(self) -> UpdateWay | None:
        """Hot updates or one reload, as chosen before the first of them. None where nothing is to be made to use."""
        settings, items = self._settings, self.progress.update_items
        if settings.activation == "none" or not items:
            return None
        from .record import state_of
        from .update_way import WayQuestion

        state: _Result = {}
        with contextlib.suppress(RotationError), only_rotation_errors():  # it is only ever informative
            state = state_of(self._directory)
        deployed = len(self._manifest.entries) or len(self.report.items)
        return WayQuestion(
            items,
            settings.activation,
            settings.update_by,
            settings.memory,
            settings.reload,
            deployed,
            state.get("update_costs"),
            self._sizes,
        ).answer()

    def make_it_so(self) -> None:
        """By a hot update, else by a reload whose result is known; or, where that was chosen, by a reload at once."""
        way = self.update_way
        if way is not None and way.way == "reload" and way.reason != "no_socket" and self._reload_at_once(way):
            return
        if self._settings.memory is not None and self.progress.update_items:
            self._done["update"] = self._hot_update()
        if self.progress.refused and self._goes_back:
            self._done["taken_back"], error = self._taken_back(self.progress.refused)
            self._errors += [error] if error else []
        if self.progress.needs_reload:
            self._done["reload"] = self._reload()

    def _reload_at_once(self, way: UpdateWay) -> bool:
        """Whether that was all. Where HAProxy did not reload, it is left to hot updates to say what is wrong with which
        certificate: the others are served then all the same. Unless a reload was asked for."""
        from .update_way import enter_in_files

        memory = self._settings.memory
        if memory is not None:
            is_ready, lines, warnings = enter_in_files(memory, self.progress.update_items, self._settings.crt_list)
            self._entered.update(lines)
            self.report.warnings += warnings
            if not is_ready:
                return False
        self._done["reload"] = self._reload()
        if way.reason == "asked" or self.progress.activation == "reload":
            return True
        attempts = self._done.pop("reload")["results"]
        said = "; ".join(f"{attempt['item']}: {attempt.get('msg', 'failed')}" for attempt in attempts)
        self.report.warnings.append(f"HAProxy was not reloaded, so each certificate is updated by itself. {said}")
        return False

    def _hot_update(self) -> _Result:
        try:
            return self._updated(self.progress.update_items)
        except RotationError as error:
            return {"msg": error.message}

    def _updated(self, items: t.Sequence[t.Mapping[str, str]]) -> _Result:
        """As the module haproxy_certificate returns it, failures too. Raises RotationError without any answer."""
        from .activate import update_memory
        from .memory_items import entered_lines, of_files

        memory = self._settings.memory
        if memory is None:
            raise HaproxyError("There is no stats socket.")
        began = time.monotonic()
        with only_rotation_errors():
            report = update_memory(memory, of_files(items, self._settings.crt_list), check_mode=False)
        self._entered.update(entered_lines(items, report.outcomes))
        done = sum(outcome.action in ("added", "updated", "removed") for outcome in report.outcomes)
        self._measure("hot_update", done, time.monotonic() - began)
        self.report.warnings += [outcome.warning for outcome in report.outcomes if outcome.warning]
        return {"certificates": [outcome.as_result() for outcome in report.outcomes], "msg": report.message}

    def _reload(self) -> _Result:
        from .reload import reload_by_first_way

        began = time.monotonic()
        tried = reload_by_first_way(self._settings.reload)
        if tried and tried[-1].reloaded:
            from .update_way import loaded_number

            seconds = time.monotonic() - began
            self._measure("reload", loaded_number(self._settings.memory, len(self._manifest.entries)), seconds)
        warnings = dict.fromkeys(attempt.warning for attempt in tried if attempt.warning)
        self.report.warnings += [warning for warning in warnings if warning not in self.report.warnings]
        attempts = [attempt.as_result() for attempt in tried]
        self._reloads += attempts
        return {"results": [{"item": attempt["method"], **attempt} for attempt in attempts]}

    def _measure(self, way: str, certificates: int, seconds: float) -> None:
        from ..._core.haproxy.update_cost import Measured, is_telling

        measured = Measured(certificates, seconds)
        if certificates and is_telling(way, measured):
            self._costs[way] = measured

    def _taken_back(self, names: t.Sequence[str], *, was_loaded: bool = False) -> tuple[_Result, str]:
        """As the module certificate_rollback returns it, and what could not go back, while the others did."""
        from ..._ports.haproxy.named_files import named_files
        from .rollback import take_back

        stuck = self._take_lines_out(names)
        # The hot update that follows takes a certificate's line out of a crt-list file, and a reload does not.
        is_updated = was_loaded and self.progress.activation == "hot_update"
        needed = named_files(self._settings.reload.config, crt_lists=not is_updated).union(stuck)
        try:
            with only_rotation_errors():
                items = take_back(
                    self._directory,
                    names,
                    lock_timeout=self._options.lock_timeout,
                    check_mode=False,
                    was_loaded=was_loaded,
                    needed=needed,
                )
        except RotationError as error:
            return {"certificates": error.details.get("certificates", [])}, error.message
        return {"certificates": items}, ""

    def _take_lines_out(self, names: t.Iterable[str]) -> list[str]:
        """Those that were entered for a reload, of what HAProxy has not got. Returns the files whose lines stay."""
        progress, memory = self.progress, self._settings.memory
        paths = [str(progress.pending[name]["path"]) for name in names if name not in progress.activated]
        lines = {path: self._entered.pop(path) for path in paths if path in self._entered}
        if memory is None or not lines:
            return []
        from .update_way import take_out_of_files

        stuck = take_out_of_files(memory, lines)
        self._errors += dict.fromkeys(stuck.values())
        return [os.path.realpath(path) for path in stuck]

    def _restore_haproxy(self) -> None:
        """In the way in which it was changed. Raises RotationError."""
        if self.progress.activation == "hot_update":
            answer = self._updated(self.progress.restore_items)
            if answer["msg"]:
                raise HaproxyError(answer["msg"])
        elif self.progress.activation == "reload":
            results = self._reload()["results"]
            if not results:
                raise ReloadError("There is no way to reload HAProxy: reload_methods is empty.")
            if not results[-1]["reloaded"]:
                raise ReloadError(results[-1]["msg"])
