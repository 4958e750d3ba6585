# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role endpoint_monitor makes of its variables, and of what hosts say that they serve. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime
from posixpath import dirname

from ..._errors import InvalidOption
from .deployments import told_deployments
from .reading import endpoint_fields, read_endpoint, read_tags
from .registering import given_endpoints
from .registry import EndpointSelection
from .selecting import is_selected

_PREFIX: t.Final = "endpoint_monitor_"
_SQLITE: t.Final = "sqlite:///"
#: Options of the module endpoint_events that one of the variable receivers may have.
RECEIVER_OPTIONS: t.Final = (
    *("receiver", "url", "headers", "username", "password", "secret", "ca_path", "client_cert", "client_key"),
    "command",
    *("body_format", "kinds", "least_severity", "give_up_after", "limit", "timeout", "retries", "retry_interval"),
    *("time_limit", "metrics_textfile"),
)
#: Variables with paths of files that a run writes.
_FILES: t.Final = ("dashboard", "json", "metrics_textfile")


@dataclass(frozen=True)
class MonitorSettings:
    """Variables of the role, without its prefix. What each of them is stands in its argument specification."""

    endpoints: list[t.Any]
    import_files: list[t.Any]
    discover: list[str]
    prune: bool
    database_url: str
    retention: str
    names: list[str]
    hosts: list[str]
    tags: dict[str, t.Any]
    timeout: str
    deadline: int
    concurrency: int
    addresses: str
    trust_anchors: str
    key_types: list[str]
    staple: bool
    expiring_within: list[str]
    unreachable_after: int
    receivers: list[t.Any]
    alert: str
    dashboard: str
    dashboard_title: str
    dashboard_owner: str
    dashboard_group: str
    dashboard_mode: str
    json: str
    metrics_textfile: str
    every: int


#: What a scheduled run does not need: it asks no other hosts, and what they have said stays in the registry.
_NOT_OF_A_RUN: t.Final = ("discover", "every")


class MonitorPlan:
    """found: host -> what it has said (see the entry point discover), None where it was not asked in this run.

    statuses: host -> what rotation_status_info has found there, for those where it was asked for. registered: in check
    mode, what endpoint_registry would have done. protocols: what starttls of an endpoint may be.
    """

    def __init__(
        self,
        settings: MonitorSettings,
        found: t.Mapping[str, t.Mapping[str, t.Any] | None],
        statuses: t.Mapping[str, t.Mapping[str, t.Any]],
        now: datetime,
        *,
        registered: t.Mapping[str, t.Any] | None = None,
        protocols: t.Collection[str] = (),
    ) -> None:
        self._given = settings
        self._found = found
        self._statuses = statuses
        self._now = now
        self._registered = registered or {}
        self._protocols = protocols
        self._answers: dict[str, list[t.Any]] = {}
        self._silent: dict[str, str] = {}
        for host, said in found.items():
            if said is not None and isinstance(said.get("endpoints"), list):
                self._answers[host] = said["endpoints"]
            elif said is not None:
                self._silent[host] = str(said.get("msg") or "it was not reached")
        self._complete = len(self._answers) == len(found)

    def as_dict(self) -> dict[str, t.Any]:
        """The settings and what follows, for the role. It holds secrets, and is not to be shown."""
        given = self._given
        wanted = self._wanted()
        deployments = self._deployments()
        return {
            **vars(given),
            "wanted": wanted,
            "deployments": deployments,
            "unregistered": self._unregistered(wanted),
            # A run about some endpoints is none that knows of all.
            "prunes": given.prune and self._complete and self._selects_all,
            "registers": bool(wanted or deployments or given.import_files or given.retention),
            "silent": self._silent,
            "selects_all": self._selects_all,
            "shows": any(getattr(given, name) for name in _FILES),
            "problems": list(self._problems(wanted)),
            "directory": self._directory,
            "writable": self._writable(),
            "of_a_run": {
                f"{_PREFIX}{name}": value
                for name, value in {**vars(given), "prune": given.prune and not given.discover}.items()
                if name not in _NOT_OF_A_RUN
            },
        }

    def _wanted(self) -> list[t.Any]:
        """What is given, as it is, and what hosts serve besides: of one host and port there is one."""
        known = {key for entry in self._given.endpoints if (key := _key(entry))}
        wanted = list(self._given.endpoints)
        for candidates in self._answers.values():
            for entry in candidates:
                key = _key(entry)
                if key and key not in known:
                    known.add(key)
                    wanted.append(entry)
        return wanted

    def _unregistered(self, wanted: t.Sequence[t.Any]) -> list[dict[str, t.Any]]:
        """Those that the run would ask and that check mode has not registered; [] where the registry has what is asked.

        Where it has some already, and all are asked, those say more.
        """
        given, told = self._given, self._registered
        is_first = told.get("added") == told.get("registered")
        if not told.get("added") or (self._selects_all and not is_first):
            return []
        added = {(each["host"], each["port"]) for each in told.get("endpoints", ()) if each["action"] == "added"}
        tags = tuple(read_tags(given.tags).items())
        selection = EndpointSelection(tuple(given.names), tuple(given.hosts), tags, enabled=True)
        return [
            endpoint_fields(endpoint)
            for endpoint in given_endpoints(wanted, self._protocols).endpoints
            if is_selected(endpoint, selection) and (is_first or endpoint.key in added)
        ]

    @property
    def _selects_all(self) -> bool:
        return not (self._given.names or self._given.hosts or self._given.tags)

    def _deployments(self) -> list[dict[str, t.Any]]:
        """As the module endpoint_registry takes them, of the hosts that told."""
        return [
            entry
            for host, status in self._statuses.items()
            if isinstance(status.get("certificates"), list)
            for entry in told_deployments(host, status, self._found.get(host) or {}, self._now)
        ]

    @property
    def _directory(self) -> str:
        """That of a registry in a file, else ""."""
        url = self._given.database_url
        return dirname(url[len(_SQLITE) :]) if url.startswith(f"{_SQLITE}/") else ""

    def _writable(self) -> list[str]:
        """Directories that a scheduled run writes to."""
        files = [dirname(getattr(self._given, name)) for name in _FILES]
        return [path for path in dict.fromkeys([self._directory, *files]) if path not in ("", "/")]

    def _problems(self, wanted: t.Sequence[t.Any]) -> t.Iterator[str]:
        given = self._given
        if given.every < 1:
            yield f"{_PREFIX}every is to be a number of minutes greater than 0."
        if given.deadline < 1:
            yield f"{_PREFIX}deadline is to be a number of seconds greater than 0."
        for name in _FILES:
            path = getattr(given, name)
            if path and not path.startswith("/"):
                yield f"{_PREFIX}{name} is to begin with a slash."
        if given.prune and self._complete and not wanted and not given.import_files:
            yield (
                f"{_PREFIX}prune would retire all endpoints, for none is given: name them in {_PREFIX}endpoints, or"
                " leave it out."
            )
        yield from _problems_of_receivers(given.receivers)


def _problems_of_receivers(receivers: t.Sequence[t.Any]) -> t.Iterator[str]:
    """What keeps them apart and is misspelt; the rest the module says."""
    names: set[str] = set()
    for number, receiver in enumerate(receivers, 1):
        if not isinstance(receiver, t.Mapping) or not receiver.get("receiver"):
            yield f"{_PREFIX}receivers: number {number} is to be a dictionary with a name as its receiver."
            continue
        name = str(receiver["receiver"])
        strange = sorted(str(option) for option in receiver if option not in RECEIVER_OPTIONS)
        if strange:
            yield f"{_PREFIX}receivers: {name} has no option {', '.join(strange)}."
        if name in names:
            yield f"{_PREFIX}receivers: there are two with the name {name}, by which is known what each has got."
        names.add(name)


def _key(entry: t.Any) -> tuple[str, int] | None:
    """Host and port; None for what is no endpoint: the registry says what is wrong with it."""
    if isinstance(entry, t.Mapping):
        entry = {name: entry.get(name) for name in ("host", "port")}
    try:
        return read_endpoint(entry, ()).key
    except InvalidOption:
        return None
