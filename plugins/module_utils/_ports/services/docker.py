# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers and swarm services that are told of certificates (Docker Engine API, https://docs.docker.com/engine/api/).

One of several that fails does not keep the others from being told.
"""

from __future__ import annotations

import functools
import json
import re
import time
import typing as t
import urllib.parse

from ..._core.services.definitions import Activation
from ..._errors import ReloadError, ServiceError
from ..exchange import Response
from ..reload.docker import DockerEngine, demultiplexed, message_of
from .missing import ServiceMissing

_QUESTION = 10.0  # seconds for an answer that changes nothing
_PAUSE = 0.5  # seconds between two looks at an update
_EARLY_END = 1.0  # seconds in which a container that cannot start has ended again
_ATTEMPTS = 5  # of an update that somebody else's overtakes
_SETTLED = 5.0  # seconds after which a service without tasks is one that needs none
_LOG_LINES = 20
_ID = re.compile(r"[0-9a-f]{12,64}|[0-9a-z]{25}")  # of a container; of a swarm service
_CAN_BE_TOLD = ("running", "restarting", "paused")
_FAILED = ("paused", "rollback_started", "rollback_paused", "rollback_completed")

_Found = dict[str, t.Any]
_Filters = t.Mapping[str, t.Sequence[str]]


class _Calls:
    """Of the API, all within timeout seconds. Methods raise ServiceError."""

    def __init__(self, engine: DockerEngine, timeout: float) -> None:
        self._engine = engine
        self._timeout = timeout
        self._end = time.monotonic() + timeout

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    def call(
        self, method: str, path: str, *, document: _Found | None = None, wanted: t.Container[int] = (200, 201, 204)
    ) -> Response:
        seconds = max(self.left if method == "POST" else min(self.left, _QUESTION), 0.1)
        try:
            answer = self._engine.request(method, path, timeout=seconds, document=document)
        except ReloadError as error:
            raise ServiceError(error.message) from None
        if answer.status not in wanted:
            raise ServiceError(f"Docker answered {answer.status}: {message_of(answer).rstrip('.')}.{_advice(answer)}")
        return answer

    def get(self, path: str) -> t.Any:
        answer = self.call("GET", path)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self._not_docker() from None

    def described(self, path: str) -> _Found:
        found = self.get(path)
        if not isinstance(found, dict):
            raise self._not_docker()
        return found

    def _not_docker(self) -> ServiceError:
        return ServiceError(f"What answers at {self._engine.address} is not Docker. Correct docker_host.")

    def listed(self, path: str, filters: _Filters) -> list[_Found]:
        query = urllib.parse.quote(json.dumps({name: list(values) for name, values in filters.items()}))
        separator = "&" if "?" in path else "?"
        found = self.get(f"{path}{separator}filters={query}")
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self._not_docker()
        return found


class DockerContainers:
    """name: of one container, or its id; filters: of the API, name and filters both have to fit; action: restart or
    signal; signal: its name without SIG; timeout: seconds for all of them. Each has its own time to stop."""

    def __init__(
        self, engine: DockerEngine, name: str, filters: _Filters, action: str, signal: str, timeout: float
    ) -> None:
        self._engine = engine
        self._name = name
        self._filters = filters
        self._action = action
        self._signal = signal
        self._timeout = timeout

    def activate(self) -> Activation:
        """Raises ServiceError; ServiceMissing where no container that fits is running."""
        calls = _Calls(self._engine, self._timeout)
        several = _Several()
        found = self._find(calls)
        for container in found:
            several.tell(_container_name(container), functools.partial(self._tell, calls, container))
        if self._action == "restart" and several.done:
            time.sleep(min(_EARLY_END, max(calls.left, 0)))
            for container in found:
                if _container_name(container) in several.done:
                    several.tell(_container_name(container), functools.partial(self._look_at, calls, container))
        return several.result()

    def _find(self, calls: _Calls) -> list[_Found]:
        path = "/containers/json?all=true"
        if not self._name:
            found = calls.listed(path, self._filters)
        else:
            # A regular expression (of Go) that is looked for in the name; names begin with a slash.
            exactly = f"^/?{self._name.replace('.', chr(92) + '.')}$"
            found = calls.listed(path, {**self._filters, "name": [exactly]})
            if not found and _ID.fullmatch(self._name):
                found = calls.listed(path, {**self._filters, "id": [self._name]})
        running = [container for container in found if container.get("State") in _CAN_BE_TOLD]
        if running:
            return sorted(running, key=_container_name)
        what = self._name or _filters_shown(self._filters)
        if found:
            states = ", ".join(sorted({f"{_container_name(each)} is {each.get('State')}" for each in found}))
            raise ServiceMissing(f"No container {what} is running: {states}. Start it with 'docker start'.")
        raise ServiceMissing(f"Docker at {self._engine.address} has no container {what}. See 'docker ps --all'.")

    def _tell(self, calls: _Calls, container: _Found) -> str:
        path = _container_path(container)
        if self._action == "signal":
            calls.call("POST", f"{path}/kill?signal=SIG{urllib.parse.quote(self._signal)}")
            return f"SIG{self._signal} sent"
        calls.call("POST", f"{path}/restart")
        return "restarted"

    def _look_at(self, calls: _Calls, container: _Found) -> str:
        """Docker has restarted one when its program has been started, whatever becomes of that."""
        path = _container_path(container)
        details = calls.described(f"{path}/json")
        state = _below(details, "State")
        if not state.get("Running") or state.get("Restarting"):
            tty = bool(_below(details, "Config").get("Tty"))
            raise ServiceError(
                f"it is {state.get('Status')} after its restart (exit code {state.get('ExitCode')}).",
                log=self._log(calls, path, tty=tty),
            )
        return "restarted"

    @staticmethod
    def _log(calls: _Calls, path: str, *, tty: bool) -> str:
        try:
            body = calls.call("GET", f"{path}/logs?stdout=1&stderr=1&tail={_LOG_LINES}").body
        except ServiceError:
            return ""
        return (body if tty else demultiplexed(body)).decode("utf-8", "replace").strip()


class SwarmServices:
    """name: of one service of the swarm, or its id; filters: of the API, name and filters both have to fit; timeout:
    seconds until all tasks of all of them are new."""

    def __init__(self, engine: DockerEngine, name: str, filters: _Filters, timeout: float) -> None:
        self._engine = engine
        self._name = name
        self._filters = filters
        self._timeout = timeout

    def activate(self) -> Activation:
        """Raises ServiceError; ServiceMissing."""
        calls = _Calls(self._engine, self._timeout)
        several = _Several()
        for service in self._find(calls):
            several.tell(_swarm_name(service), functools.partial(self._update, calls, service))
        return several.result()

    def _find(self, calls: _Calls) -> list[_Found]:
        filters = dict(self._filters)
        if self._name:
            # The filter takes beginnings of names as well.
            found = calls.listed("/services", {**filters, "name": [self._name]})
            found = [service for service in found if _swarm_name(service) == self._name]
            if not found and _ID.fullmatch(self._name):
                found = calls.listed("/services", {**filters, "id": [self._name]})
        else:
            found = calls.listed("/services", filters)
        if not found:
            what = self._name or _filters_shown(self._filters)
            raise ServiceMissing(
                f"Docker at {self._engine.address} has no swarm service {what}. See 'docker service ls'."
            )
        return sorted(found, key=_swarm_name)

    def _update(self, calls: _Calls, service: _Found) -> str:
        path = f"/services/{urllib.parse.quote(str(service.get('ID')), safe='')}"
        before = self._force(calls, path)
        mode = _below(_below(before, "Spec"), "Mode")
        if not {"Replicated", "Global"} & set(mode):
            return "started again"  # a job, which ends
        replicas = _below(mode, "Replicated").get("Replicas")
        began = time.monotonic()
        while calls.left > 0:
            status = _below(calls.described(path), "UpdateStatus")
            is_new = status.get("StartedAt") != _below(before, "UpdateStatus").get("StartedAt")
            state = status.get("State") if is_new else None
            if state == "completed":
                return "updated"
            if state in _FAILED:
                why = str(status.get("Message") or state).rstrip(".")
                raise ServiceError(f"its update failed: {why}. {self._last_error(calls, service)}".strip())
            # Swarm tells nothing of an update that has nothing to do.
            if state is None and time.monotonic() - began > _SETTLED and not self._tasks(calls, service):
                return "updated, without a task"
            if replicas == 0:
                return "updated, without a task"
            time.sleep(min(_PAUSE, max(calls.left, 0)))
        raise ServiceError(
            f"its update was not complete after {self._timeout:g} seconds. {self._last_error(calls, service)} The"
            " update goes on; raise the timeout if it needs more."
        )

    @staticmethod
    def _force(calls: _Calls, path: str) -> _Found:
        """The service before the update. Who updates it meanwhile makes its version another one."""
        for attempt in range(_ATTEMPTS):
            before = calls.described(path)
            try:
                spec = before["Spec"]
                template = {
                    **spec["TaskTemplate"],
                    "ForceUpdate": int(spec["TaskTemplate"].get("ForceUpdate") or 0) + 1,
                }
                version = int(before["Version"]["Index"])
            except (KeyError, TypeError, ValueError):
                raise ServiceError("Docker describes it in a way that is not known.") from None
            try:
                calls.call("POST", f"{path}/update?version={version}", document={**spec, "TaskTemplate": template})
                return before
            except ServiceError as error:
                if "out of sequence" not in error.message or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(min(_PAUSE, max(calls.left, 0)))
        raise ServiceError("Others update it all the time.")

    @staticmethod
    def _tasks(calls: _Calls, service: _Found) -> list[_Found]:
        return calls.listed("/tasks", {"service": [str(service.get("ID"))], "desired-state": ["running"]})

    @staticmethod
    def _last_error(calls: _Calls, service: _Found) -> str:
        try:
            tasks = calls.listed("/tasks", {"service": [str(service.get("ID"))]})
        except ServiceError:
            return ""
        errors = [
            (str(status.get("Timestamp")), str(status.get("Err")))
            for status in (_below(task, "Status") for task in tasks)
            if status.get("Err")
        ]
        return f"A task said: {max(errors)[1]}." if errors else ""


class _Several:
    """What came of telling several. done: by name, those that were told."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._logs: list[str] = []

    def tell(self, name: str, action: t.Callable[[], str]) -> None:
        """One that fails does not keep the others from being told."""
        try:
            self.done[name] = action()
        except ServiceError as error:
            self.done.pop(name, None)
            self._failed[name] = error.message
            self._logs += filter(None, [str(error.details.get("log") or "")])

    def result(self) -> Activation:
        """Raises ServiceError that names those that failed."""
        failed, done = ([f"{name}: {text}" for name, text in each.items()] for each in (self._failed, self.done))
        if failed:
            raise ServiceError("\n".join([*failed, *done]), log="\n".join(self._logs))
        return Activation("\n".join(done))


def _below(found: _Found, name: str) -> _Found:
    """{} where it is not there, null, or something else."""
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _container_path(container: _Found) -> str:
    return f"/containers/{urllib.parse.quote(str(container.get('Id')), safe='')}"


def _container_name(container: _Found) -> str:
    """The shortest of its names: others are links to it."""
    given = container.get("Names")
    names = [str(name).removeprefix("/") for name in given] if isinstance(given, list) else []
    return min(names, key=len, default=str(container.get("Id"))[:12])


def _swarm_name(service: _Found) -> str:
    return str(_below(service, "Spec").get("Name"))


def _filters_shown(filters: _Filters) -> str:
    return " and ".join(f"{name}={value}" for name, values in filters.items() for value in values)


def _advice(answer: Response) -> str:
    if answer.status == 403:
        return " Is it a proxy? It must allow these requests."
    if answer.status in (406, 503):
        return " Swarm services are told at a manager of the swarm."
    return ""
