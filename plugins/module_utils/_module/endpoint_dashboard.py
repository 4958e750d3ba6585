# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_dashboard: the registry to a page, a JSON file and metrics."""

from __future__ import annotations

import os
import typing as t
from datetime import datetime, timezone

from .._core.instants import parse_duration
from .._core.watch.dashboard import DashboardSettings
from .._core.watch.policy import WatchPolicy
from .._core.watch.registry import EndpointSelection
from .._errors import InvalidOption
from .._flows.metrics import require_textfile
from .._flows.watch.showing import DashboardFiles, write_dashboard
from .boundary import module_boundary
from .options import duration_option, shown_file_attributes, tag_texts
from .registry_options import DATABASE_OPTIONS, opened_registry

if t.TYPE_CHECKING:
    from .guarded import GuardedModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **DATABASE_OPTIONS,
    "path": {"type": "path"},
    "json_path": {"type": "path"},
    "textfile": {"type": "path"},
    "title": {"type": "str", "default": "Certificates"},
    "names": {"type": "list", "elements": "str", "default": []},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "default": {}},
    "expiring_within": {"type": "list", "elements": "str", "default": []},
    "unreachable_after": {"type": "int", "default": 2},
    "history": {"type": "int", "default": 50},
    "events": {"type": "int", "default": 200},
    "max_age": {"type": "str", "default": "26h"},
    "mode": {"type": "raw", "default": "0640"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    # Long, and of no interest to anybody: no log needs it.
    "page": {"type": "str", "no_log": True},
}
REQUIREMENTS: dict[str, t.Any] = {"required_one_of": [("path", "json_path", "textfile")]}


def run(module: GuardedModule) -> None:
    """module: a GuardedModule with ARGUMENT_SPEC and REQUIREMENTS."""
    with module_boundary(module):
        params, now = module.params, datetime.now(timezone.utc).replace(microsecond=0)
        settings, files = _settings(params), _files(params)
        selection = EndpointSelection(
            tuple(params["names"]), tuple(params["hosts"]), tuple(sorted(tag_texts(params["tags"]).items()))
        )
        if files.textfile:
            require_textfile(files.textfile)
        report = write_dashboard(
            opened_registry(module, read_only=True),
            selection,
            settings,
            files,
            events=params["events"],
            now=now,
            check_mode=module.check_mode,
        )
        module.exit_json(changed=bool(report.written), **report._asdict())


def _settings(params: t.Mapping[str, t.Any]) -> DashboardSettings:
    """Raises InvalidOption."""
    least = {"history": 1, "events": 0, "unreachable_after": 1}
    wrong = [f"{name} must be {limit} or more" for name, limit in least.items() if params[name] < limit]
    if wrong:
        raise InvalidOption(f"{'; '.join(wrong)}.")
    try:
        within = tuple(parse_duration(text) for text in params["expiring_within"])
    except InvalidOption as error:
        raise InvalidOption(f"expiring_within: {error.message}") from None
    return DashboardSettings(
        params["title"].strip() or "Certificates",
        params["history"],
        duration_option(params, "max_age"),
        WatchPolicy(within, params["unreachable_after"]),
        whole=not (params["names"] or params["hosts"] or params["tags"]),
    )


def _files(params: t.Mapping[str, t.Any]) -> DashboardFiles:
    """Raises InvalidOption."""
    paths = [params[name] for name in ("path", "json_path", "textfile") if params[name]]
    if not paths:
        raise InvalidOption("Say where to write: path, json_path, textfile, or several of them.")
    if len(set(map(os.path.realpath, paths))) < len(paths):
        raise InvalidOption("path, json_path and textfile must be different files.")
    if params["path"] and not params["page"]:
        raise InvalidOption(
            "page is missing: the collection's action plugin gives it. Call the module by its full name."
        )
    return DashboardFiles(
        params["path"], params["page"] or "", params["json_path"], params["textfile"], shown_file_attributes(params)
    )
