# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers and swarm services that are told of new lineages, on a real Docker Engine, with a real nginx in them."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import pathlib
import socket
import tempfile
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import ServiceOutcome
from ansible_collections.certops.rotation.plugins.module_utils._ports.services import docker
from ansible_collections.certops.rotation.tests.support.docker_engine import DockerEngineHost
from ansible_collections.certops.rotation.tests.support.docker_proxy import DockerProxy
from ansible_collections.certops.rotation.tests.support.live_directory import LiveDirectory, tell
from ansible_collections.certops.rotation.tests.support.nginx_server import NginxServer

WWW = "www.example.com"
IMAGE = "certops-nginx"
NAMES = ("aa", "bb", "cc", "dd")
SECOND = 1_000_000_000  # nanoseconds, by which the API counts
BOUND = 60  # seconds: how long a failure may take at most on a busy machine
Entry = dict[str, t.Any]


class Scene:
    """A lineage, and nginx in containers, each on a port of its own. All that a test makes is gone after it."""

    def __init__(self, engine: DockerEngineHost, directory: pathlib.Path) -> None:
        self.engine = engine
        self.directory = directory
        self.live = LiveDirectory(directory / "live")
        self.live.put(WWW)
        self._servers: dict[str, NginxServer] = {}

    def nginx(self, name: str, *, labels: t.Mapping[str, str] | None = None, **body: t.Any) -> NginxServer:
        """In a container of this name. body: more of the request that creates it."""
        server = self._server(name)
        content = {
            "Image": IMAGE,
            "Cmd": ["/nginx", "-c", str(server.config), "-p", str(server.directory)],
            "Labels": labels or {},
            "StopSignal": "SIGTERM",
            "HostConfig": {"NetworkMode": "host", "Binds": [f"{self.directory}:{self.directory}"]},
            **body,
        }
        self.engine.request("POST", f"/containers/create?name={name}", content)
        self.engine.request("POST", f"/containers/{name}/start")
        self.wait(server.listens)
        return server

    def service(self, name: str, *, replicas: int = 1, labels: t.Mapping[str, str] | None = None) -> NginxServer:
        """In a swarm service of this name. More than one task share the port."""
        server = self._server(name, " reuseport" if replicas > 1 else "")
        content = {
            "Name": name,
            "Labels": labels or {},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": IMAGE,
                    "Command": ["/nginx", "-c", str(server.config), "-p", str(server.directory)],
                    "Mounts": [{"Type": "bind", "Source": str(self.directory), "Target": str(self.directory)}],
                    "StopGracePeriod": SECOND,
                },
                "Networks": [{"Target": "host"}],
                "RestartPolicy": {"Condition": "none"},
            },
            "Mode": {"Replicated": {"Replicas": replicas}},
            "UpdateConfig": {"Monitor": SECOND // 2, "FailureAction": "pause", "Order": "stop-first"},
        }
        self.engine.request("POST", "/services/create", content)
        self.wait(lambda: len(self.tasks(name)) == replicas and server.listens() == bool(replicas))
        return server

    def _server(self, name: str, listen: str = "") -> NginxServer:
        server = NginxServer(
            self.directory / f"nginx-{name}", {WWW: self.live.path / WWW}, main="daemon off; user root root;"
        )
        server.config.write_text(server.config.read_text().replace(" ssl;", f" ssl{listen};"))
        self._servers[name] = server
        return server

    def tell(self, entry: Entry, *more: Entry) -> list[ServiceOutcome]:
        """With the endpoint of the container or service that it names, where it is one of this scene's."""
        server = self._servers.get(str(entry.get("name", "")).strip("/"))
        endpoints = [{"host": "127.0.0.1", "port": server.port, "server_name": WWW}] if server else []
        entry = {"endpoints": endpoints, "prove_within": 20, **entry}
        return tell(self.live, [{"docker_host": self.engine.address, **each} for each in (entry, *more)])

    def started(self, name: str) -> str:
        return str(self.engine.request("GET", f"/containers/{name}/json")["State"]["StartedAt"])

    def tasks(self, name: str) -> set[str]:
        listed = self.engine.request("GET", f'/tasks?filters={{"service":["{name}"],"desired-state":["running"]}}')
        return {task["ID"] for task in listed if task["Status"]["State"] == "running"}

    def clean(self) -> None:
        for container in self.engine.request("GET", "/containers/json?all=true"):
            self.engine.request("DELETE", f"/containers/{container['Id']}?force=1", wanted=(204, 404, 409))

    def remove_services(self) -> None:
        for service in self.engine.request("GET", "/services"):
            self.engine.request("DELETE", f"/services/{service['ID']}")

    @staticmethod
    def wait(condition: t.Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it took too long"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def engine() -> t.Iterator[DockerEngineHost]:
    users = {"etc/passwd": "root:x:0:0:root:/:/none\n", "etc/group": "root:x:0:\n", "var/log/nginx/error.log": ""}
    with DockerEngineHost() as started:
        program = NginxServer(pathlib.Path(tempfile.mkdtemp(dir="/tmp")), {}).program
        started.import_image(IMAGE, program, "nginx", {**users, "var/lib/nginx/none": ""})
        yield started


@pytest.fixture
def scene(engine: DockerEngineHost, tmp_path: pathlib.Path) -> t.Iterator[Scene]:
    scene = Scene(engine, tmp_path)
    yield scene
    scene.clean()


@pytest.fixture(scope="module")
def swarm(engine: DockerEngineHost) -> DockerEngineHost:
    engine.init_swarm()
    return engine


@pytest.fixture
def swarm_scene(swarm: DockerEngineHost, tmp_path: pathlib.Path) -> t.Iterator[Scene]:
    scene = Scene(swarm, tmp_path)
    yield scene
    scene.remove_services()


def container(name: str = "", **more: t.Any) -> Entry:
    return {"type": "docker_container", **({"name": name} if name else {}), **more}


def service(name: str = "", **more: t.Any) -> Entry:
    return {"type": "docker_service", **({"name": name} if name else {}), **more}


# Containers


def test_a_container_is_restarted_by_its_whole_name(scene: Scene) -> None:
    names = ["web", "web2", "my-web", "w.b"]
    for name in names:
        scene.nginx(name)
    before = {name: scene.started(name) for name in names}
    scene.live.put(WWW)
    for name in ("web", "/web", "w.b"):
        outcome = scene.tell(container(name))[0]
        assert (outcome.outcome, outcome.proven) == ("ran", (WWW,)), outcome.message
        assert outcome.message == f"{name.strip('/')}: restarted"
        after = {each: scene.started(each) for each in names}
        assert {each for each in names if after[each] != before[each]} == {name.strip("/")}
        before = after
    absent = scene.tell(container("we"))[0]
    assert (absent.outcome, absent.wrong) == ("failed", ())
    assert f"Docker at {scene.engine.address} has no container we" in absent.message


def test_a_signal_reloads_and_restarts_nothing(scene: Scene) -> None:
    scene.nginx("web")
    started = scene.started("web")
    scene.live.put(WWW)
    outcome = scene.tell(container("web", signal="HUP"))[0]
    assert (outcome.outcome, outcome.proven, outcome.message) == ("ran", (WWW,), "web: SIGHUP sent"), outcome.message
    assert scene.started("web") == started


def test_a_signal_that_does_nothing_is_wrong(scene: Scene) -> None:
    scene.nginx("web")
    scene.live.put(WWW)
    outcome = scene.tell(container("web", signal="USR1", prove_within=1))[0]
    assert (outcome.outcome, outcome.wrong) == ("failed", (WWW,))


def test_all_that_filters_find_are_told_and_what_is_stopped_stays_so(scene: Scene) -> None:
    for name, tls in (("aa", "yes"), ("bb", "yes"), ("cc", "no"), ("dd", "yes")):
        scene.nginx(name, labels={"tls": tls})
    scene.engine.request("POST", "/containers/dd/kill")
    before = {name: scene.started(name) for name in NAMES}
    outcome = scene.tell(container(filters={"label": "tls=yes"}))[0]
    assert (outcome.outcome, outcome.message.splitlines()) == ("ran", ["aa: restarted", "bb: restarted"])
    assert {name for name in NAMES if scene.started(name) != before[name]} == {"aa", "bb"}
    outcome = scene.tell(container("aa", filters={"label": {"tls": "yes"}}))[0]
    assert (outcome.outcome, outcome.message) == ("ran", "aa: restarted"), "both have to fit"
    assert scene.tell(container("cc", filters={"label": {"tls": "yes"}}))[0].outcome == "failed"


def test_none_found_is_an_error_or_none(scene: Scene) -> None:
    scene.nginx("web")
    scene.engine.request("POST", "/containers/web/kill")
    for entry, why in (
        (container("absent"), "has no container absent. See 'docker ps --all'"),
        (container(filters={"label": ["a", "b=c"]}), "has no container label=a and label=b=c"),
        (container("web", endpoints=[]), "No container web is running: web is exited. Start it"),
    ):
        failed, skipped = scene.tell(entry, {**entry, "on_missing": "skip"})
        assert (failed.outcome, skipped.outcome) == ("failed", "ran")
        assert why in failed.message
        assert why in skipped.message
        assert skipped.told == (WWW,)


def test_one_is_found_by_its_id(scene: Scene) -> None:
    scene.nginx("web")
    whole = scene.engine.request("GET", "/containers/web/json")["Id"]
    for some in (whole, whole[:12]):
        outcome = scene.tell(container(some))[0]
        assert (outcome.outcome, outcome.message) == ("ran", "web: restarted")


def test_a_container_that_does_not_stop_costs_its_time_out(scene: Scene) -> None:
    """Its own time to stop is half a minute. The next one is told."""
    scene.nginx("stubborn", StopSignal="SIGWINCH", StopTimeout=30)
    scene.nginx("web")
    scene.live.put(WWW)
    began = time.monotonic()
    stubborn, web = scene.tell(container("stubborn", timeout=1, endpoints=[]), container("web"))
    assert time.monotonic() - began < BOUND / 2
    assert (stubborn.outcome, web.outcome) == ("failed", "ran")
    assert "nothing within 1 seconds" in stubborn.message or "nothing within 0.9" in stubborn.message


def test_one_that_dies_is_told_with_its_log_and_the_others_are_restarted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "_EARLY_END", 5.0)  # a busy machine starts it later
    for name in ("aa", "bb", "cc"):
        server = scene.nginx(name, labels={"tls": "yes"})
        if name == "bb":
            server.config.write_text("nonsense;")
    outcome = scene.tell(container(filters={"label": "tls=yes"}))[0]
    assert outcome.outcome == "failed"
    assert "bb: it is" in outcome.message
    assert 'unknown directive "nonsense"' in outcome.message
    for name in ("aa", "cc"):
        assert f"{name}: restarted" in outcome.message


def test_one_that_dies_of_the_new_certificate_is_wrong(scene: Scene) -> None:
    server = scene.nginx("web")
    scene.live.put(WWW)
    server.config.write_text("nonsense;")
    outcome = scene.tell(container("web", prove_within=1))[0]
    assert (outcome.outcome, outcome.wrong) == ("failed", (WWW,))
    assert "answered before" in outcome.message


@pytest.fixture
def proxy(engine: DockerEngineHost) -> t.Iterator[DockerProxy]:
    proxy = DockerProxy(engine)
    yield proxy
    proxy.stop()


def test_over_tcp_through_a_proxy_that_allows_no_more_than_it_needs(scene: Scene, proxy: DockerProxy) -> None:
    scene.nginx("web")
    outcome = scene.tell(container("web", docker_host=proxy.address))[0]
    assert (outcome.outcome, outcome.message) == ("ran", "web: restarted")
    assert all(seen.startswith(("GET /containers/", "POST /containers/")) for seen in proxy.seen), proxy.seen
    proxy.denied.append(("POST", "/restart"))
    outcome = scene.tell(container("web", docker_host=proxy.address))[0]
    assert outcome.outcome == "failed"
    assert "web: Docker answered 403" in outcome.message
    assert "Is it a proxy? It must allow these requests." in outcome.message


def test_where_no_docker_is(scene: Scene, tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addresses = {
            f"unix://{tmp_path}/absent": "no such file. Start Docker",
            f"tcp://127.0.0.1:{silent.getsockname()[1]}": "nothing within",
        }
        for address, why in addresses.items():
            for entry in (container("web", endpoints=[]), service("web")):
                outcome = scene.tell({**entry, "docker_host": address, "timeout": 1})[0]
                assert (outcome.outcome, outcome.wrong) == ("failed", ())
                assert f"No answer from Docker at {address}: {why}" in outcome.message


@pytest.mark.parametrize(
    "body",
    [
        b"<html>hello</html>",
        b"{}",
        b"[1]",
        b"[" * 100_000,
        b'[{"Id": 1, "State": "running", "Names": 1}]',
        b'[{"ID": 1, "Spec": {"Name": "web"}}]',
        b'{"Spec": 1, "Version": []}',
    ],
)
def test_what_answers_and_is_no_docker(scene: Scene, body: bytes) -> None:
    """Whatever it says, it is that service's failure, and no other's."""
    with answering(body) as address:
        entries = [container("web", endpoints=[]), service("web"), service(filters={"label": "a"})]
        for outcome in scene.tell(*({**entry, "docker_host": address, "timeout": 5} for entry in entries)):
            assert (outcome.outcome, outcome.wrong) == ("failed", ())
            assert "Unexpected" not in outcome.message
            assert outcome.message


@contextlib.contextmanager
def answering(body: bytes) -> t.Iterator[str]:
    """An HTTP server that says this to everybody; its address for docker_host."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815  # the names of http.server

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_docker_that_is_no_manager_has_no_services(scene: Scene) -> None:
    outcome = scene.tell(service("web"))[0]
    assert outcome.outcome == "failed"
    assert "Docker answered 503: This node is not a swarm manager" in outcome.message
    assert "at a manager of the swarm" in outcome.message


# Services of a swarm


def test_a_swarm_service_is_updated_by_its_whole_name(swarm_scene: Scene) -> None:
    for name in ("web", "web2"):
        swarm_scene.service(name)
    before = {name: swarm_scene.tasks(name) for name in ("web", "web2")}
    swarm_scene.live.put(WWW)
    outcome = swarm_scene.tell(service("web"))[0]
    assert (outcome.outcome, outcome.proven, outcome.message) == ("ran", (WWW,), "web: updated"), outcome.message
    assert swarm_scene.tasks("web").isdisjoint(before["web"]), "the update was awaited"
    assert swarm_scene.tasks("web2") == before["web2"]
    absent, skipped = swarm_scene.tell(service("we"), service("we", on_missing="skip"))
    assert (absent.outcome, skipped.outcome) == ("failed", "ran")
    assert "has no swarm service we" in absent.message


def test_swarm_services_by_filters_and_all_their_tasks(swarm_scene: Scene) -> None:
    swarm_scene.service("two", replicas=2, labels={"tls": "yes"})
    swarm_scene.service("none", replicas=0, labels={"tls": "yes"})
    before = swarm_scene.tasks("two")
    outcome = swarm_scene.tell(service(filters={"label": "tls=yes"}))[0]
    assert outcome.outcome == "ran", outcome.message
    assert outcome.message.splitlines() == ["none: updated, without a task", "two: updated"]
    after = swarm_scene.tasks("two")
    assert (len(after), after & before) == (2, set())


def test_an_update_whose_tasks_fail_is_told(swarm_scene: Scene) -> None:
    server = swarm_scene.service("web")
    swarm_scene.live.put(WWW)
    server.config.write_text("nonsense;")
    outcome = swarm_scene.tell(service("web", prove_within=1))[0]
    assert (outcome.outcome, outcome.wrong) == ("failed", (WWW,))
    assert "web: its update failed: update paused due to failure" in outcome.message


def test_an_update_that_takes_too_long_costs_its_time_out(swarm_scene: Scene) -> None:
    swarm_scene.service("web")
    began = time.monotonic()
    slow, next_one = swarm_scene.tell(
        service("web", timeout=0.5, endpoints=[]), {"type": "script", "name": "/bin/true", "docker_host": None}
    )
    assert time.monotonic() - began < BOUND
    assert (slow.outcome, next_one.outcome) == ("failed", "ran")
    assert "was not complete after 0.5 seconds" in slow.message


def test_others_may_update_it_at_the_same_time(swarm_scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the service and its update somebody else has made another version of it."""
    from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.docker import DockerEngine

    swarm_scene.service("web")
    request, counter = DockerEngine.request, itertools.count()

    def meddling(self: DockerEngine, method: str, path: str, **options: t.Any) -> t.Any:
        if method == "POST" and next(counter) == 0:
            found = swarm_scene.engine.request("GET", "/services/web")
            spec = {**found["Spec"], "Labels": {"changed": "meanwhile"}}
            swarm_scene.engine.request("POST", f"/services/web/update?version={found['Version']['Index']}", spec)
        return request(self, method, path, **options)

    monkeypatch.setattr(DockerEngine, "request", meddling)
    outcome = swarm_scene.tell(service("web"))[0]
    assert (outcome.outcome, next(counter)) == ("ran", 2), outcome.message
    assert swarm_scene.engine.request("GET", "/services/web")["Spec"]["Labels"] == {"changed": "meanwhile"}
