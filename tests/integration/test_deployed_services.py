# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services that are told of new lineages: their order, their time, and the proof that a real nginx serves them."""

from __future__ import annotations

import os
import pathlib
import shlex
import socket
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import ServiceOutcome
from ansible_collections.certops.rotation.plugins.module_utils._core.services.pending import (
    PendingLineage,
    pending_document,
    read_pending,
    still_pending,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.deploy.services import run_services
from ansible_collections.certops.rotation.tests.support.live_directory import LiveDirectory, definitions, tell
from ansible_collections.certops.rotation.tests.support.nginx_server import NginxServer
from ansible_collections.certops.rotation.tests.support.ports import free_port

WWW, SHOP = "www.example.com", "shop.example.com"
Entry = dict[str, t.Any]


class Scene:
    """Two lineages, and an nginx that serves both. Scripts of the test write their names into a file."""

    def __init__(self, directory: pathlib.Path, live: LiveDirectory, nginx: NginxServer) -> None:
        self.directory = directory
        self.live = live
        self.nginx = nginx
        self._ran = directory / "ran"

    def script(self, name: str, body: str = "", **options: t.Any) -> Entry:
        path = self.directory / f"{name}.sh"
        path.write_text(f"#!/bin/sh\necho {name} >>{self._ran}\n{body}\n")
        path.chmod(0o755)
        return {"type": "script", "name": str(path), **options}

    def nginx_by(self, body: str, *names: str, **options: t.Any) -> Entry:
        """A script that tells nginx, with the endpoint of each of these servers, of both by default."""
        endpoints = [
            {"host": "127.0.0.1", "port": self.nginx.port, "server_name": name} for name in names or (WWW, SHOP)
        ]
        return self.script("nginx", body, **{"endpoints": endpoints, "prove_within": 2, **options})

    @property
    def reload(self) -> str:
        return f"{self.nginx.command} -s reload"

    @property
    def kill(self) -> str:
        """At once, and not started again."""
        return f"kill -9 -$(cat {self.nginx.directory}/nginx.pid) || kill -9 $(cat {self.nginx.directory}/nginx.pid)"

    def ran(self) -> list[str]:
        """Since it was asked last."""
        names = self._ran.read_text().split() if self._ran.exists() else []
        self._ran.unlink(missing_ok=True)
        return names


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> t.Iterator[Scene]:
    live = LiveDirectory(tmp_path / "live")
    for name in (WWW, SHOP):
        live.put(name)
    with NginxServer(tmp_path / "nginx", {name: live.path / name for name in (WWW, SHOP)}) as nginx:
        yield Scene(tmp_path, live, nginx)


def outcomes_of(outcomes: t.Iterable[ServiceOutcome]) -> list[str]:
    return [outcome.outcome for outcome in outcomes]


# Order, time, and what does not stop the others


def test_in_order_and_one_that_fails_does_not_stop_the_others(scene: Scene) -> None:
    entries = [
        scene.script("third"),
        scene.script("first", "echo it broke; exit 3"),
        {"type": "script", "name": "/no/such/script"},
        scene.script("second"),
    ]
    outcomes = tell(scene.live, entries)
    assert scene.ran() == ["third", "first", "second"]
    assert outcomes_of(outcomes) == ["ran", "failed", "failed", "ran"]
    assert outcomes[1].message == f"{entries[1]['name']} failed with exit code 3.\nit broke"
    assert "There is no /no/such/script" in outcomes[2].message


def test_what_has_not_changed_is_told_to_nobody(scene: Scene) -> None:
    entries = [scene.script("all"), scene.script("shop", lineages=[SHOP]), scene.script("other", lineages=["b"])]
    assert outcomes_of(tell(scene.live, entries, WWW)) == ["ran", "unchanged", "unchanged"]
    assert scene.ran() == ["all"]
    nothing = run_services(definitions(*entries), [], scene.live.live)
    assert outcomes_of(nothing) == ["unchanged"] * 3
    assert scene.ran() == []


def test_a_script_is_told_which_lineages(scene: Scene) -> None:
    outcome = tell(scene.live, [scene.script("x", 'echo "$CERTOPS_LINEAGES"; echo "$CERTOPS_LINEAGE_PATHS"')])[0]
    assert outcome.message.splitlines() == [f"{SHOP} {WWW}", f"{scene.live.path / WWW}:{scene.live.path / SHOP}"]


def test_until_its_delay_is_over_nobody_is_told(scene: Scene) -> None:
    entries = [scene.script("a"), scene.script("b", lineages=["other"])]
    outcomes = tell(scene.live, entries, due=False)
    assert (outcomes_of(outcomes), scene.ran()) == (["pending", "unchanged"], [])
    assert outcomes[0].lineages == (SHOP, WWW)
    pending = scene.live.pending()
    assert still_pending(definitions(*entries), pending, outcomes) == tuple(pending)


def test_check_mode_tells_what_would_be_told(scene: Scene) -> None:
    outcomes = tell(scene.live, [scene.nginx_by(scene.reload), scene.script("b", lineages=["other"])], check_mode=True)
    assert (outcomes_of(outcomes), scene.ran()) == (["ran", "unchanged"], [])
    assert outcomes_of(tell(scene.live, [scene.script("a")], check_mode=True, due=False)) == ["pending"]


def test_each_costs_its_own_time_out(scene: Scene) -> None:
    """One that ignores SIGTERM, one that leaves a child behind, one that floods, one that reads."""
    entries = [
        scene.script("stubborn", "trap '' TERM; while :; do sleep 1; done", timeout=1),
        scene.script("forking", "(sleep 600) & sleep 600", timeout=1),
        scene.script("flood", "yes", timeout=1),
        scene.script("reading", "cat"),
        scene.script("last"),
    ]
    began = time.monotonic()
    outcomes = tell(scene.live, entries)
    assert outcomes_of(outcomes) == ["failed", "failed", "failed", "ran", "ran"]
    assert time.monotonic() - began < 30
    for outcome in outcomes[:3]:
        assert "took more than 1 seconds and was ended" in outcome.message
        assert len(outcome.message) < 2300


def test_who_failed_is_told_again_and_who_was_told_is_not(scene: Scene) -> None:
    fails = scene.script("fails", "exit 1")
    services = definitions(scene.script("good"), fails)
    pending = scene.live.pending()
    left = still_pending(services, pending, run_services(services, pending, scene.live.live))
    assert scene.ran() == ["good", "fails"]
    scene.script("fails")  # has been mended
    outcomes = run_services(services, left, scene.live.live)
    assert (scene.ran(), outcomes_of(outcomes)) == (["fails"], ["unchanged", "ran"])
    assert still_pending(services, left, outcomes) == ()


def test_what_is_missing_may_be_passed_over(scene: Scene) -> None:
    absent = {"type": "script", "name": "/no/such/script", "endpoints": [f"127.0.0.1:{free_port()}"]}
    outcome = tell(scene.live, [{**absent, "on_missing": "skip"}])[0]
    assert (outcome.outcome, outcome.wrong, outcome.unasked) == ("ran", (), ())
    assert "There is no /no/such/script" in outcome.message


def test_no_key_is_told_however_it_is_printed(scene: Scene) -> None:
    key = shlex.quote(str(scene.live.path / WWW / "privkey.pem"))
    prints = [f"cat {key}", f"sed 1d {key}", f"tr -d '\\n' <{key}", f"base64 -w0 {key}", f"tail -n 2 {key}"]
    for body in [*prints, *(f"{each}; exit 1" for each in prints), f"cat {key}; yes"]:
        outcome = tell(scene.live, [scene.script("x", body, timeout=1)])[0]  # tell looks for keys
        assert "(withheld)" in outcome.message or "y" in outcome.message


# Proof


def test_a_reload_is_proven_at_each_server(scene: Scene) -> None:
    scene.live.put(WWW)
    scene.live.put(SHOP)
    outcome = tell(scene.live, [scene.nginx_by(scene.reload)])[0]
    assert (outcome.outcome, outcome.proven, outcome.wrong, outcome.unasked) == ("ran", (SHOP, WWW), (), ())


def test_a_reload_that_silently_keeps_the_old_one_is_wrong_until_the_old_one_is_back(scene: Scene) -> None:
    scene.live.put(WWW)
    lazy = [scene.nginx_by("true")]
    outcome = tell(scene.live, lazy, WWW)[0]
    assert (outcome.outcome, outcome.wrong, outcome.proven) == ("failed", (WWW,), ())
    assert f"127.0.0.1:{scene.nginx.port} ({WWW}) shows another certificate" in outcome.message
    scene.live.take_back(WWW)
    outcome = tell(scene.live, lazy, WWW)[0]
    assert (outcome.outcome, outcome.wrong, outcome.proven) == ("ran", (), (WWW,))


def test_only_the_lineage_that_is_not_served_is_wrong(scene: Scene) -> None:
    """The configuration of the shop names other files than those that are live."""
    scene.live.put(WWW)
    text = scene.nginx.config.read_text()
    frozen = os.path.realpath(scene.live.path / SHOP)
    scene.nginx.config.write_text(text.replace(str(scene.live.path / SHOP), frozen))
    scene.live.put(SHOP)
    outcome = tell(scene.live, [scene.nginx_by(scene.reload)])[0]
    assert (outcome.outcome, outcome.wrong, outcome.proven) == ("failed", (SHOP,), (WWW,))


def test_who_answered_before_and_is_dead_now_is_wrong(scene: Scene) -> None:
    scene.live.put(WWW)
    outcome = tell(scene.live, [scene.nginx_by(scene.kill, WWW)], WWW)[0]
    assert (outcome.outcome, outcome.wrong) == ("failed", (WWW,))
    assert "answered before, and does not since the service was told" in outcome.message
    assert "connection refused" in outcome.message
    # The version before is live again, and so is the service.
    scene.live.take_back(WWW)
    outcome = tell(scene.live, [scene.nginx_by(scene.nginx.command, WWW)], WWW)[0]
    assert (outcome.outcome, outcome.proven) == ("ran", (WWW,))


def test_who_fails_and_is_dead_now_is_wrong_too(scene: Scene) -> None:
    scene.live.put(WWW)
    outcome = tell(scene.live, [scene.nginx_by(f"{scene.kill}; echo no; exit 1", WWW)], WWW)[0]
    assert (outcome.outcome, outcome.wrong, outcome.told) == ("failed", (WWW,), ())
    assert "failed with exit code 1.\nno\n" in outcome.message


def test_one_service_may_be_the_end_of_another(scene: Scene) -> None:
    """Whether an endpoint answered is asked before anybody is told."""
    scene.live.put(WWW)
    outcomes = tell(scene.live, [scene.script("first", scene.kill), scene.nginx_by("true", WWW)], WWW)
    assert outcomes_of(outcomes) == ["ran", "failed"]
    assert outcomes[1].wrong == (WWW,)


def test_what_a_killed_run_has_been_the_end_of_is_wrong(scene: Scene) -> None:
    """It was killed after it had told the service. The next one finds nobody who answers."""
    scene.live.put(WWW)
    kept: list[tuple[PendingLineage, ...]] = []
    services = definitions(scene.nginx_by(scene.kill, WWW))

    def remember(pending: tuple[PendingLineage, ...]) -> None:
        assert scene.ran() == [], "it is remembered before anybody is told"
        kept.append(read_pending(pending_document(pending)))

    run_services(services, scene.live.pending(WWW), scene.live.live, remember=remember)
    assert scene.ran() == ["nginx"]
    (pending,) = kept
    (outcome,) = run_services(definitions(scene.nginx_by("true", WWW)), pending, scene.live.live)
    assert (outcome.outcome, outcome.wrong) == ("failed", (WWW,))
    assert "answered before" in outcome.message


def test_who_did_not_answer_before_proves_nothing(scene: Scene) -> None:
    scene.nginx.__exit__()
    scene.live.put(WWW)
    outcome = tell(scene.live, [scene.nginx_by("true", WWW)], WWW)[0]
    assert (outcome.outcome, outcome.wrong, outcome.proven, outcome.unasked) == ("ran", (), (), (WWW,))
    assert "could not be asked for www.example.com, neither before nor now: connection refused" in outcome.message


def test_a_service_that_comes_up_slowly_is_asked_again(scene: Scene) -> None:
    scene.live.put(WWW)
    slow = f"{scene.kill}; (sleep 2; exec {scene.nginx.command}) >/dev/null 2>&1 &"
    outcome = tell(scene.live, [scene.nginx_by(slow, WWW, prove_within=30)], WWW)[0]
    assert (outcome.outcome, outcome.proven) == ("ran", (WWW,))


def test_an_endpoint_that_hangs_costs_the_time_of_its_proof(scene: Scene) -> None:
    scene.live.put(WWW)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        began = time.monotonic()
        entry = scene.script("x", endpoints=[{"host": "127.0.0.1", "port": port, "server_name": WWW}], prove_within=1)
        outcome = tell(scene.live, [entry, scene.script("y")], WWW)[0]
        assert time.monotonic() - began < 20
    assert (outcome.outcome, outcome.unasked) == ("ran", (WWW,))


def test_two_lineages_of_one_name_are_both_right(scene: Scene) -> None:
    """example.com-0001: nginx serves one of the two."""
    scene.live.put(f"{WWW}-0001", None, WWW)
    scene.live.put(WWW)
    outcome = tell(scene.live, [scene.nginx_by(scene.reload, WWW)])[0]
    assert (outcome.outcome, outcome.proven, outcome.wrong) == ("ran", (WWW,), ())


def test_an_entry_says_which_lineage_its_endpoint_shows(scene: Scene) -> None:
    """Asked without a name, and by one that no lineage covers, nginx shows its first server's."""
    scene.live.put(WWW)
    for endpoint in (f"127.0.0.1:{scene.nginx.port}", {"host": "localhost", "port": scene.nginx.port}):
        entry = scene.script("x", scene.reload, endpoints=[endpoint], prove_within=5)
        unknown = tell(scene.live, [entry])[0]
        assert (unknown.outcome, unknown.unasked) == ("ran", (SHOP, WWW))
        assert "nobody knows what it should show" in unknown.message
        named = tell(scene.live, [{**entry, "lineages": [WWW]}])[0]
        assert (named.outcome, named.proven) == ("ran", (WWW,))


def test_odd_names_are_the_same_names(scene: Scene) -> None:
    scene.live.put(WWW, None, "WWW.Example.COM", "*.example.net")
    text = scene.nginx.config.read_text().replace(f"server_name {WWW}", f"server_name {WWW} a.example.net")
    scene.nginx.config.write_text(text)
    endpoints = [
        {"host": "127.0.0.1", "port": scene.nginx.port, "server_name": name}
        for name in ("www.example.com.", "A.example.net")
    ]
    entry = scene.script("x", scene.reload, endpoints=endpoints, prove_within=5)
    outcome = tell(scene.live, [entry], WWW)[0]
    assert (outcome.outcome, outcome.proven) == ("ran", (WWW,)), outcome.message
