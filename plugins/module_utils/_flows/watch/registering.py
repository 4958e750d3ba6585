# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry brought to what is wanted: what is given and imported, without what is too old."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

from ..._core.text import listed
from ..._core.watch.endpoints import WatchedEndpoint
from ..._core.watch.registering import (
    MOST_LISTED,
    GivenEndpoints,
    action_of,
    change_fields,
    given_endpoints,
    hosts_that_changed,
)
from ..._core.watch.registry import EndpointChange, EndpointRegistry, EndpointSelection, FleetDeployment
from ..._errors import InvalidOption
from ..._ports.import_file import text_chunks
from ..._ports.tls.starttls import PROTOCOLS
from .importing import ImportFile, import_files


@dataclasses.dataclass(frozen=True)
class Registration:
    """What is wanted. deployments: None where nothing is said of them; else all of these hosts."""

    endpoints: t.Sequence[t.Any] = ()
    files: t.Sequence[ImportFile] = ()
    absent: bool = False
    prune: bool = False
    deployments: t.Sequence[FleetDeployment] | None = None
    hosts: t.Sequence[str] = ()
    retention: timedelta | None = None


@dataclasses.dataclass
class RegistrationReport:
    """changes: those that change something; refused: entries and files that were passed over, so that not all is done;
    forgotten: rows that were too old; registered: endpoints afterwards."""

    changes: list[EndpointChange] = dataclasses.field(default_factory=list)
    refused: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    hosts: list[str] = dataclasses.field(default_factory=list)
    forgotten: int = 0
    registered: int = 0

    def as_result(self) -> dict[str, t.Any]:
        """JSON values."""
        actions = [action_of(change) for change in self.changes]
        return {
            "changed": bool(self.changes or self.hosts or self.forgotten),
            "endpoints": [change_fields(change) for change in self.changes[:MOST_LISTED]],
            "added": actions.count("added"),
            "changed_endpoints": actions.count("changed"),
            "removed": actions.count("removed"),
            "registered": self.registered,
            "forgotten": self.forgotten,
            "deployments_changed": self.hosts,
            "refused": self.refused[:MOST_LISTED],
        }

    def failure(self) -> str:
        """ "" for none."""
        if not self.refused:
            return ""
        return f"Not registered, while all others are: {listed([each.rstrip('.') for each in self.refused])}."


def register(
    registry: EndpointRegistry, wanted: Registration, now: datetime, *, check: bool = False
) -> RegistrationReport:
    """check: tell, and change nothing. Raises RegistryError, and InvalidOption where prune would remove everything."""
    report = RegistrationReport()
    known = registry.endpoints(EndpointSelection())
    given = _wanted_endpoints(wanted, known, now, report)
    if wanted.absent:
        changes = registry.remove([endpoint.key for endpoint in given.endpoints], now, check=check)
    else:
        prune = wanted.prune and _may_prune(given, len(known), report)
        changes = registry.put(given.endpoints, now, prune=prune, check=check)
    report.changes = [change for change in changes if change.changed]
    actions = [action_of(change) for change in report.changes]
    report.registered = len(known) + actions.count("added") - actions.count("removed")
    if wanted.deployments is not None:
        report.hosts = hosts_that_changed(registry.deployments(), wanted.deployments, wanted.hosts)
        if wanted.hosts and not check:
            registry.put_deployments(wanted.hosts, wanted.deployments)
    if wanted.retention is not None:
        report.forgotten = registry.forget(wanted.retention, now, check=check)
    return report


def _wanted_endpoints(
    wanted: Registration, known: t.Iterable[WatchedEndpoint], now: datetime, report: RegistrationReport
) -> GivenEndpoints:
    """What is given comes before what is imported, and what is known before what an import has but the name of."""
    given = given_endpoints(wanted.endpoints, PROTOCOLS)
    report.refused += given.refused
    imported = import_files(list(_readable(wanted.files, report)), now)
    report.warnings += imported.warnings()
    found: dict[tuple[str, int], WatchedEndpoint] = {endpoint.key: endpoint for endpoint in imported.endpoints}
    found.update({endpoint.key: endpoint for endpoint in known if endpoint.key in imported.by_name})
    found.update({endpoint.key: endpoint for endpoint in given.endpoints})
    unreadable = () if imported.complete else ("rows of imported files",)
    return GivenEndpoints(tuple(found.values()), (*report.refused, *unreadable))


def _readable(files: t.Sequence[ImportFile], report: RegistrationReport) -> t.Iterator[ImportFile]:
    for file in files:
        try:
            next(iter(text_chunks(file.path)), None)
        except InvalidOption as error:
            report.refused.append(error.message)
        else:
            yield file


def _may_prune(given: GivenEndpoints, known: int, report: RegistrationReport) -> bool:
    """Only by a whole list can be told what is not wanted any more."""
    if given.refused:
        report.warnings.append("prune has removed nothing, as not all that was given or imported could be read.")
        return False
    if not given.endpoints and known:
        raise InvalidOption(
            f"prune would remove all {known} endpoints, as neither endpoints nor import_files names one. If that is"
            " meant, name them with state=absent."
        )
    return True
