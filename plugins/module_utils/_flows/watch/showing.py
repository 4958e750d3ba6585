# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that the registry knows, to a page, a JSON file and a textfile with metrics."""

from __future__ import annotations

import dataclasses
import errno
import os
import typing as t
from datetime import datetime

from ..._core.record.page import LONGEST_HEAD, as_json, filled, made_of, tells_the_same
from ..._core.watch.dashboard import MOMENT, DashboardSettings, dashboard_document
from ..._core.watch.registry import EndpointRegistry, EndpointSelection, EndpointView
from ..._core.watch.standing import AddressStanding, standings
from ..._ports.store.atomic import FileAttributes, store_errors
from ..._ports.store.foreseen import require_writable
from ..._ports.store.places import Place, open_file_place
from ..._ports.store.trust import is_trusted
from ..metrics import read_textfile, write_textfile

#: The line of the metrics that says only when they were written.
_MOMENT_OF_METRICS: t.Final = b"certops_endpoint_report_timestamp_seconds "

#: How a file of SQLite begins (https://www.sqlite.org/fileformat2.html, 1.3).
_DATABASE: t.Final = b"SQLite format 3\0"


@dataclasses.dataclass(frozen=True)
class DashboardFiles:
    """Where to write to; None for not at all. page: the page without its data."""

    path: str | None = None
    page: str = ""
    json_path: str | None = None
    textfile: str | None = None
    attributes: FileAttributes = dataclasses.field(default_factory=lambda: FileAttributes(0o640))


class DashboardReport(t.NamedTuple):
    """written: files that tell something else now, or would with check mode; summary: of the document."""

    written: list[str]
    summary: dict[str, t.Any]


def write_dashboard(
    registry: EndpointRegistry,
    selection: EndpointSelection,
    settings: DashboardSettings,
    files: DashboardFiles,
    *,
    events: int,
    now: datetime,
    check_mode: bool = False,
) -> DashboardReport:
    """events: the most that are shown, the newest ones. Raises RegistryError and StoreError."""
    found: list[AddressStanding] = []

    def passing(views: t.Iterable[EndpointView]) -> t.Iterator[EndpointView]:
        for view in views:
            if files.textfile:
                found.extend(standings([view], now, max(settings.policy.expiring_within, default=None)))
            yield view

    document = dashboard_document(
        passing(registry.views(selection, history=True)),
        registry.events(selection, None, events),
        registry.deployments(),
        settings,
        now,
    )
    written = []
    if files.path:
        digest = made_of(files.page, document, MOMENT)
        if _is_written(files.path, digest, files.attributes, check_mode, lambda: filled(files.page, document, digest)):
            written.append(files.path)
    if files.json_path:
        digest = made_of("", document, MOMENT)
        if _is_written(files.json_path, digest, files.attributes, check_mode, lambda: as_json(document, digest)):
            written.append(files.json_path)
    if files.textfile and _is_measured(files.textfile, found, document["endpoints"], now, check_mode):
        written.append(files.textfile)
    return DashboardReport(written, document["summary"])


def _is_written(
    path: str, digest: str, attributes: FileAttributes, check_mode: bool, content: t.Callable[[], bytes]
) -> bool:
    """Whether the file says something else now. digest: of what it is to say."""
    with store_errors(f"write {path}"):
        place, name = open_file_place(path, private=False)
        with place:
            status = place.look(name)
            place.require_replaceable(name)
            head = _head(place, name) if status else b""
            if head.startswith(_DATABASE):  # the registry itself, for instance
                raise OSError(errno.EEXIST, "It is a database, so it is not replaced", path)
            if status and _is_as_written(status, attributes) and tells_the_same(head, digest):
                return False
            if check_mode:
                require_writable(place, name)
                return True
            place.remove_abandoned_of(name)
            place.write(name, content(), attributes)
            place.sync()
            return True


def _is_as_written(status: os.stat_result, attributes: FileAttributes) -> bool:
    """Whether a run may have left it so, and nobody else, where others may write in the directory."""
    own = status.st_nlink == 1 and (is_trusted(status.st_uid) or status.st_uid == attributes.uid)
    return own and attributes.match(status)


def _head(place: Place, name: str) -> bytes:
    descriptor = place.open_file(name)
    try:
        return os.read(descriptor, LONGEST_HEAD)
    finally:
        os.close(descriptor)


def _is_measured(
    textfile: str,
    found: t.Sequence[AddressStanding],
    endpoints: t.Iterable[t.Mapping[str, t.Any]],
    now: datetime,
    check_mode: bool,
) -> bool:
    """Whether any number changed. endpoints: of the document.

    The file is written in any case: Prometheus is to see that it is looked after.
    """
    from ..._core.record.endpoints import DeployedEndpoint, render_endpoints

    deployed = [
        DeployedEndpoint(each["name"], each["host"], each["port"], served="unserved" not in each)
        for each in endpoints
        if "unserved" in each or any(one["verdict"] == "served" for one in each.get("deployments", ()))
    ]
    text = render_endpoints(found, now, deployed)
    before = read_textfile(textfile)
    write_textfile(textfile, text, check_mode=check_mode)
    return _lasting(text) != _lasting(before)


def _lasting(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if not line.startswith(_MOMENT_OF_METRICS)]
