# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy as a service: live lineages become its combined files, hot updates or reloads, proven at its listeners."""

from __future__ import annotations

import hashlib
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import ServiceOutcome
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.live_directory import LiveDirectory, tell
from ansible_collections.certops.rotation.tests.support.receiver import Receiver

WWW, SHOP = "www.example.com", "shop.example.com"


class Scene:
    def __init__(self, live: LiveDirectory, haproxy: HaproxyInstance) -> None:
        self.live = live
        self.haproxy = haproxy

    @property
    def settings(self) -> dict[str, t.Any]:
        """The option haproxy."""
        return {
            "path": str(self.haproxy.certs_dir),
            "socket": self.haproxy.socket,
            "crt_list": str(self.haproxy.certs_dir),
            "master_socket": self.haproxy.master_socket,
            "reload_methods": ["master"],
            "config": [str(self.haproxy.config_path)],
            "binary": self.haproxy.binary,
            "timeout": 5,
        }

    def tell(self, *names: str, check_mode: bool = False, **options: t.Any) -> ServiceOutcome:
        """That these lineages, or all, have become live. options: of haproxy."""
        entry = {"type": "haproxy", "haproxy": {**self.settings, **options}}
        return tell(self.live, [entry], *names, check_mode=check_mode)[0]

    def served(self, name: str) -> str:
        return hashlib.sha256(self.haproxy.served_leaf(name)).hexdigest()

    def disk(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.haproxy.certs_dir.glob("*.pem")}


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> t.Iterator[Scene]:
    live = LiveDirectory(tmp_path / "live")
    first = pki.self_signed("fallback.example.com")
    with HaproxyInstance({"0-fallback.pem": first.combined_pem}) as haproxy:
        yield Scene(live, haproxy)


def test_lineages_become_combined_files_and_are_proven(scene: Scene) -> None:
    issued = {name: scene.live.put(name) for name in (WWW, SHOP)}
    assert scene.tell(check_mode=True).outcome == "ran"
    assert sorted(scene.disk()) == ["0-fallback.pem"], "check mode changes nothing"
    outcome = scene.tell()
    assert (outcome.outcome, outcome.proven, outcome.wrong) == ("ran", (SHOP, WWW), ()), outcome.message
    assert {name: scene.served(name) for name in issued} == {
        name: each.fingerprint_sha256 for name, each in issued.items()
    }
    combined = scene.disk()[f"{WWW}.pem"]
    for part in (issued[WWW].certificate_pem, issued[WWW].chain_pem, issued[WWW].private_key_pem):
        assert part.strip() in combined


def test_a_renewal_is_a_hot_update_of_that_one(scene: Scene) -> None:
    for name in (WWW, SHOP):
        scene.live.put(name)
    scene.tell()
    worker, before = scene.haproxy.worker_pid(), scene.disk()
    issued = scene.live.put(WWW)
    outcome = scene.tell(WWW)
    assert (outcome.outcome, outcome.proven) == ("ran", (WWW,))
    assert scene.served(WWW) == issued.fingerprint_sha256
    assert scene.haproxy.worker_pid() == worker
    assert {name for name, text in scene.disk().items() if text != before[name]} == {f"{WWW}.pem"}
    # And told again of what it has, it has nothing to do.
    assert scene.tell().outcome == "ran"
    assert scene.haproxy.worker_pid() == worker


def test_without_a_stats_socket_it_is_reloaded(scene: Scene) -> None:
    issued = scene.live.put(WWW)
    worker = scene.haproxy.worker_pid()
    outcome = scene.tell(socket="")
    assert (outcome.outcome, outcome.proven) == ("ran", (WWW,)), outcome.message
    assert scene.served(WWW) == issued.fingerprint_sha256
    assert scene.haproxy.worker_pid() != worker


def test_what_its_listener_does_not_show_has_gone_back_and_is_wrong(scene: Scene) -> None:
    """Somebody else serves the name at the listener that is named."""
    old = scene.live.put(WWW)
    assert scene.tell().proven == (WWW,)
    scene.live.put(WWW)
    stranger = pki.self_signed(WWW)
    with HaproxyInstance({"a.pem": stranger.combined_pem}) as other:
        elsewhere = [f"127.0.0.1:{other.port}"]
        outcome = scene.tell(WWW, binds=elsewhere)
    assert (outcome.outcome, outcome.wrong, outcome.proven) == ("failed", (WWW,), ())
    assert f"serves {stranger.fingerprint_sha256} instead of" in outcome.message
    assert scene.served(WWW) == old.fingerprint_sha256
    # Its owner takes the lineage back, and tells again: all is as it was.
    scene.live.take_back(WWW)
    again = scene.tell(WWW)
    assert (again.outcome, again.proven, again.wrong) == ("ran", (WWW,), ()), again.message
    assert scene.served(WWW) == old.fingerprint_sha256


def test_a_new_one_that_another_file_hides_stays_and_fails_until_that_is_gone(tmp_path: pathlib.Path) -> None:
    """Nothing is wrong with it, and nothing would be better without it."""
    live = LiveDirectory(tmp_path / "live")
    live.put(WWW)
    hiding = pki.self_signed(WWW)
    with HaproxyInstance({"0-hiding.pem": hiding.combined_pem}) as haproxy:
        scene = Scene(live, haproxy)
        outcome = scene.tell()
        assert (outcome.outcome, outcome.wrong, outcome.proven, outcome.unasked) == ("failed", (), (), (WWW,))
        assert "0-hiding.pem (valid until" in outcome.message
        assert sorted(scene.disk()) == ["0-hiding.pem", f"{WWW}.pem"]
        (haproxy.certs_dir / "0-hiding.pem").unlink()
        assert haproxy.reload()
        assert scene.tell().proven == (WWW,)


def test_a_reload_that_is_refused_has_gone_back_and_is_wrong(scene: Scene) -> None:
    old = scene.live.put(WWW)
    assert scene.tell().proven == (WWW,)
    scene.haproxy.write_config("frontend broken\n    bind nonsense:\n")
    scene.live.put(WWW)
    outcome = scene.tell(WWW, socket="")
    assert (outcome.outcome, outcome.wrong) == ("failed", (WWW,)), outcome.message
    assert "[ALERT]" in outcome.message
    assert "Reload by" in outcome.complaint
    assert "[ALERT]" not in outcome.complaint
    assert old.certificate_pem.strip() in scene.disk()[f"{WWW}.pem"]


def test_a_haproxy_that_does_not_run_is_told_next_time(scene: Scene) -> None:
    """Nothing goes back: the lineage is good, and nobody has looked at it."""
    scene.live.put(WWW)
    scene.haproxy.stop()
    outcome = scene.tell()
    assert (outcome.outcome, outcome.wrong, outcome.told) == ("failed", (), ())
    assert "does not exist" in outcome.message or "not" in outcome.message
    scene.haproxy.start()
    assert scene.tell().proven == (WWW,)


def test_only_lineages_that_concern_it_become_its_files(scene: Scene) -> None:
    for name in (WWW, SHOP):
        scene.live.put(name)
    outcome = tell(scene.live, [{"type": "haproxy", "lineages": [SHOP], "haproxy": scene.settings}])[0]
    assert (outcome.outcome, outcome.proven) == ("ran", (SHOP,)), outcome.message
    assert sorted(scene.disk()) == ["0-fallback.pem", f"{SHOP}.pem"]


def test_its_directory_may_be_somebody_elses(scene: Scene) -> None:
    """A file that is not ours is left alone, and said."""
    scene.live.put(WWW)
    foreign = scene.haproxy.certs_dir / f"{WWW}.pem"
    foreign.mkdir()
    outcome = scene.tell()
    assert (outcome.outcome, outcome.wrong) == ("failed", ())
    assert "path_not_ours" in outcome.message


def test_a_socket_that_hangs_costs_its_time(scene: Scene) -> None:
    scene.live.put(WWW)
    silent = scene.haproxy.directory / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(silent))
        listener.listen()
        outcome = scene.tell(socket=str(silent), reload_methods=[], timeout=1)
    assert (outcome.outcome, outcome.wrong) == ("failed", ())


def test_a_deployment_brings_it_to_haproxy_and_back(modules: ModuleServer, tmp_path: pathlib.Path) -> None:
    """The module, from staging to the handshake. What HAProxy does not serve is live nowhere, and the pusher learns."""
    receiver = Receiver(modules, tmp_path / "receiver", settle="0")
    fallback = pki.self_signed("fallback.example.com")
    with HaproxyInstance({"0-fallback.pem": fallback.combined_pem}) as haproxy:
        scene = Scene(LiveDirectory(tmp_path / "live"), haproxy)
        services = [{"type": "haproxy", "haproxy": scene.settings}]
        first, second, third = (scene.live.authority.issue(WWW) for _number in range(3))
        for issued in (first, second):
            receiver.stage(issued)
            result = receiver.deployed(services=services)
            assert result["services"][0]["proven"] == [WWW]
            assert (scene.served(WWW), receiver.receipt(WWW)["state"]) == (issued.fingerprint_sha256, "proven")
        assert not receiver.deployed(services=services)["changed"]
        receiver.stage(third)
        with HaproxyInstance({"a.pem": pki.self_signed(WWW).combined_pem}) as other:
            elsewhere = {**scene.settings, "binds": [f"127.0.0.1:{other.port}"]}
            run = receiver.deploy(services=[{"type": "haproxy", "haproxy": elsewhere}])
        assert run.failed, run.result
        assert run.result["rolled_back"] == [WWW]
        assert receiver.fingerprint(WWW) == second.fingerprint_sha256
        assert scene.served(WWW) == second.fingerprint_sha256
        assert receiver.receipt(WWW)["state"] == "taken_back"
        assert second.certificate_pem.strip() in scene.disk()[f"{WWW}.pem"]
