# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_push against real SSH servers. The receiving side is played where it has to say something else than the
real one, and is the real one otherwise."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import isoformat_utc
from ansible_collections.certops.rotation.tests.support import tls_server
from ansible_collections.certops.rotation.tests.support.module import run_module
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.push_scene import (
    PushScene,
    ScriptedReceiver,
    lineages_of,
    outcomes_of,
)
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost, make_key, ssh_hosts

NAME = "www.example.com"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[list[SshHost]]:
    with ssh_hosts(tmp_path_factory.mktemp("hosts"), 3) as hosts:
        yield hosts


@pytest.fixture
def scene(tmp_path: pathlib.Path, hosts: list[SshHost]) -> t.Iterator[PushScene]:
    scene = PushScene(tmp_path, hosts)
    scene.renew(NAME)
    yield scene
    for host in hosts:
        if not host.sessions() and not answers(host):
            host.restart()
    scene.clean()


@pytest.fixture
def receivers(scene: PushScene) -> t.Iterator[list[ScriptedReceiver]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(ScriptedReceiver(host)) for host in scene.hosts]


def answers(host: SshHost) -> bool:
    return host._answers()


def test_check_run_check_run(scene, receivers) -> None:
    issued = scene.renew(NAME)
    before = scene.push(check=True)
    assert outcomes_of(before) == dict.fromkeys(("host1", "host2", "host3"), "owed")
    assert before.result["changed"]
    assert not before.failed
    assert not any(receiver.taken for receiver in receivers)
    assert not pathlib.Path(scene.queue.path).exists()
    run = scene.push()
    assert not run.failed, run.output
    assert run.result["changed"]
    assert run.result["counts"] == {"confirmed": 3, "owed": 0, "dead": 0, "unchanged": 0}
    for receiver in receivers:
        assert receiver.taken[NAME] == {
            "fullchain.pem": (issued.certificate_pem + issued.chain_pem).encode(),
            "privkey.pem": issued.private_key_pem.encode(),
        }
        found = lineages_of(run, receiver.host.name)[NAME]
        assert (found["evidence"], found["uploaded"], found["attempts"]) == ("receipt", True, 0)
        assert found["fingerprint_sha256"] == issued.fingerprint_sha256
    assert run.result["diff"]["after"]["host1"] == {NAME: issued.fingerprint_sha256}
    for check in (True, False):
        logs = [host.log.read_text() for host in scene.hosts]
        run = scene.push(check=check)
        assert not run.result["changed"]
        assert outcomes_of(run) == dict.fromkeys(("host1", "host2", "host3"), "unchanged")
        assert [host.log.read_text() for host in scene.hosts] == logs, "nobody is connected to"


def test_one_host_is_down_and_gets_it_when_it_is_back(scene, receivers) -> None:
    down = scene.hosts[1]
    down.stop()
    run = scene.push()
    assert run.failed
    assert run.returncode != 0
    assert outcomes_of(run) == {"host1": "confirmed", "host2": "owed", "host3": "confirmed"}
    assert "host2 (www.example.com): " in run.result["msg"]
    assert "host1" not in run.result["msg"]
    assert lineages_of(run, "host2")[NAME]["fault"] == "unreachable"
    down.start()
    run = scene.push()
    assert not run.failed
    assert outcomes_of(run) == {"host1": "unchanged", "host2": "confirmed", "host3": "unchanged"}
    assert scene.content.owed == ()


def test_all_hosts_refuse(scene) -> None:
    """certdeploy: exit code 0, and an empty queue."""
    for host in scene.hosts:
        host.stop()
    run = scene.push(mode="parallel")
    assert run.failed
    assert set(outcomes_of(run).values()) == {"owed"}
    assert len(scene.content.owed) == 3


def test_a_host_that_hangs_costs_its_own_time_and_nobody_elses_turn(scene, receivers) -> None:
    scene.targets[0]["timeout"] = 4
    scene.hosts[0].hang()
    try:
        for mode in ("parallel", "serial"):
            scene.renew(NAME)
            begin = time.monotonic()
            run = scene.push(mode=mode, concurrency=2)
            assert outcomes_of(run) == {"host1": "owed", "host2": "confirmed", "host3": "confirmed"}, mode
            assert lineages_of(run, "host1")[NAME]["fault"] == "unreachable"
            assert time.monotonic() - begin >= 1.9
    finally:
        scene.hosts[0].resume()
    assert outcomes_of(scene.push())["host1"] == "confirmed"


def test_a_host_with_another_key_gets_nothing(scene, receivers) -> None:
    scene.hosts[0].change_host_key()
    run = scene.push()
    assert outcomes_of(run) == {"host1": "owed", "host2": "confirmed", "host3": "confirmed"}
    assert lineages_of(run, "host1")[NAME]["fault"] == "host_key"
    assert receivers[0].taken == {}
    scene.targets[0]["host_key"] = list(scene.hosts[0].host_keys)
    assert outcomes_of(scene.push())["host1"] == "confirmed"


def test_a_key_that_is_not_let_in(scene, receivers) -> None:
    stranger = scene.directory / "stranger"
    make_key(stranger)
    scene.targets[1]["private_key_file"] = str(stranger)
    run = scene.push()
    assert outcomes_of(run) == {"host1": "confirmed", "host2": "owed", "host3": "confirmed"}
    assert lineages_of(run, "host2")[NAME]["fault"] == "denied"
    scene.targets[1]["private_key_file"] = str(scene.directory / "absent")
    assert lineages_of(scene.push(), "host2")[NAME]["fault"] == "local"


def test_a_key_with_a_passphrase(scene, receivers) -> None:
    """And the passphrase is nowhere to be seen."""
    key, passphrase = scene.directory / "locked", "a passphrase of several words"
    make_key(key, passphrase=passphrase)
    public = key.with_suffix(".pub").read_text()
    for host in scene.hosts:
        host.authorize(public)
    try:
        run = scene.push(private_key_file=str(key), passphrase="wrong passphrase")
        assert set(outcomes_of(run).values()) == {"owed"}
        assert "wrong passphrase" not in run.output
        run = scene.push(private_key_file=str(key), passphrase=passphrase)
        assert not run.failed, run.output
        assert passphrase not in run.output
    finally:
        for host in scene.hosts:
            host.authorize(host.private_key_file.with_suffix(".pub").read_text())


def test_hosts_get_the_files_they_are_to_get(scene, receivers) -> None:
    scene.targets[0]["files"] = ["fullchain", "privkey", "chain", "cert"]
    scene.targets[1]["files"] = ["chain"]
    assert not scene.push().failed
    assert sorted(receivers[0].taken[NAME]) == ["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"]
    assert sorted(receivers[1].taken[NAME]) == ["chain.pem"]


def test_refused_taken_back_and_pending(scene, receivers) -> None:
    receivers[0].state, receivers[1].state, receivers[2].state = "refused", "taken_back", "pending"
    receivers[2].more["due"] = isoformat_utc(datetime.now(timezone.utc) + timedelta(days=7))
    run = scene.push()
    assert run.failed
    faults = {name: lineages_of(run, name)[NAME]["fault"] for name in ("host1", "host2", "host3")}
    assert faults == {"host1": "refused", "host2": "taken_back", "host3": "pending"}
    assert "host3" not in run.result["msg"]
    receivers[0].state = receivers[1].state = "deployed"
    receivers[2].say(NAME, "proven")
    run = scene.push()
    assert outcomes_of(run) == {"host1": "confirmed", "host2": "owed", "host3": "confirmed"}
    assert "It is tried again at" in run.result["msg"]
    run = scene.push(hosts=["host2"])
    assert not run.failed, run.output
    assert outcomes_of(run) == {"host2": "confirmed"}
    assert [len(receiver.fingerprints[NAME]) for receiver in receivers] == [2, 2, 1]


def test_no_receipt_is_a_failure_that_says_so(scene, receivers) -> None:
    receivers[0].state = None
    scene.targets[0]["receipt_timeout"] = 1
    run = scene.push()
    assert outcomes_of(run) == {"host1": "owed", "host2": "confirmed", "host3": "confirmed"}
    assert "gave no receipt within 1 s" in run.result["msg"]
    receivers[0].say(NAME, "deployed")
    assert outcomes_of(scene.push())["host1"] == "confirmed"


def test_without_waiting_nothing_is_waited_for(scene) -> None:
    run = scene.push(wait=False)
    assert not run.failed
    assert set(outcomes_of(run).values()) == {"owed"}
    with contextlib.ExitStack() as stack:
        for host in scene.hosts:
            stack.enter_context(ScriptedReceiver(host)).take()
        assert set(outcomes_of(scene.push()).values()) == {"confirmed"}


def test_the_upload_confirms_where_nobody_writes_receipts(scene) -> None:
    """Protocol directory: a plain SFTP server."""
    issued = scene.renew(NAME)
    scene.targets = [scene.target(scene.hosts[0], protocol="directory", path="/staging")]
    run = scene.push()
    assert not run.failed, run.output
    assert lineages_of(run, "host1")[NAME]["evidence"] == "upload"
    assert (scene.hosts[0].staging / NAME / "privkey.pem").read_text() == issued.private_key_pem


def test_endpoints_have_to_show_it(scene, receivers, tmp_path: pathlib.Path) -> None:
    old, new = scene.renew(NAME), scene.renew(NAME)
    with tls_server.server(tls_server.tls(tmp_path, old)) as port:
        endpoint = {"host": "127.0.0.1", "port": port, "server_name": NAME}
        scene.targets = [scene.target(scene.hosts[0], endpoints=[endpoint], receipt_timeout=5)]
        run = scene.push()
        assert run.failed
        assert lineages_of(run, "host1")[NAME]["fault"] == "endpoint"
        assert old.fingerprint_sha256[:16] in run.result["msg"]
    with tls_server.server(tls_server.tls(tmp_path, new)) as port:
        scene.targets[0]["endpoints"][0]["port"] = port
        run = scene.push()
        assert not run.failed, run.output
        assert lineages_of(run, "host1")[NAME]["evidence"] == "handshake"
        assert len(receivers[0].fingerprints[NAME]) == 1, "nothing is uploaded again"


def test_an_endpoint_that_cannot_be_asked_confirms_nothing(scene, receivers) -> None:
    endpoint = {"host": "127.0.0.1", "port": free_port(), "server_name": NAME}
    scene.targets = [scene.target(scene.hosts[0], endpoints=[endpoint], receipt_timeout=5)]
    run = scene.push()
    assert "cannot be asked: connection refused" in run.result["msg"]
    assert [entry.host for entry in scene.content.owed] == ["host1"]


def test_a_service_that_needs_a_moment_is_waited_for(scene, receivers, tmp_path: pathlib.Path) -> None:
    old, new = scene.renew(NAME), scene.renew(NAME)
    talks = {"now": tls_server.tls(tmp_path, old)}

    def talk(connection: socket.socket) -> None:
        talks["now"](connection)

    with tls_server.server(talk) as port:
        endpoint = {"host": "127.0.0.1", "port": port, "server_name": NAME}
        scene.targets = [scene.target(scene.hosts[0], endpoints=[endpoint])]
        threading.Timer(1.5, talks.__setitem__, ["now", tls_server.tls(tmp_path, new)]).start()
        run = scene.push()
    assert not run.failed, run.output
    assert lineages_of(run, "host1")[NAME]["evidence"] == "handshake"


def test_a_canary_first(scene, receivers) -> None:
    scene.targets[2]["canary"] = True
    receivers[2].state = "refused"
    run = scene.push()
    assert outcomes_of(run) == dict.fromkeys(("host1", "host2", "host3"), "owed")
    assert receivers[0].taken == receivers[1].taken == {}
    receivers[2].state = "proven"
    assert set(outcomes_of(scene.push()).values()) == {"confirmed"}


@pytest.mark.parametrize("mode", ["serial", "parallel"])
def test_the_interval_is_between_hosts_in_both_modes(scene, receivers, mode) -> None:
    begin = time.monotonic()
    assert not scene.push(mode=mode, interval=1.0).failed
    assert time.monotonic() - begin >= 2


def test_fail_fast(scene, receivers) -> None:
    scene.hosts[0].stop()
    run = scene.push(mode="serial", fail_fast=True)
    assert outcomes_of(run) == dict.fromkeys(("host1", "host2", "host3"), "owed")
    assert not any(receiver.taken for receiver in receivers)
    assert "max_fail_percentage" in run.result["msg"]


def test_retries_go_on_while_a_host_boots(scene, receivers) -> None:
    scene.targets[0].update(retries=20, retry_interval=0.5)
    scene.hosts[0].stop()
    threading.Timer(1.0, scene.hosts[0].start).start()
    run = scene.push(mode="serial")
    assert not run.failed, run.output
    assert set(outcomes_of(run).values()) == {"confirmed"}
    assert lineages_of(run, "host1")[NAME]["attempts"] >= 1


def test_two_lineages_one_of_which_is_broken(scene, receivers) -> None:
    scene.renew("other.example")
    (scene.certbot.live / NAME / "privkey.pem").unlink()
    run = scene.push()
    assert run.failed
    assert NAME in run.result["msg"]
    assert [list(receiver.taken) for receiver in receivers] == [["other.example"]] * 3


@pytest.mark.parametrize("name", ["example.com-0001", "EXAMPLE.com", "a" * 100 + ".example", "_x.example", "with+plus"])
def test_odd_but_legal_names_of_lineages(scene, receivers, name: str) -> None:
    scene.renew(name, "odd.example")
    run = scene.push()
    assert not run.failed, run.output
    assert name in receivers[0].taken


@pytest.mark.parametrize("name", ["web 1", "[2001:db8::1]", "../etc", ".hidden", "WEB1.", "h" * 250, "web1~x", "é"])
def test_odd_but_legal_names_of_hosts(scene, receivers, name: str) -> None:
    scene.targets = [scene.target(scene.hosts[0], name=name)]
    assert outcomes_of(scene.push()) == {name: "confirmed"}
    assert outcomes_of(scene.push()) == {name: "unchanged"}


def test_numbers_as_text(scene, receivers) -> None:
    """As -e has them."""
    scene.targets = [
        scene.target(scene.hosts[0], port=str(scene.hosts[0].port), retries="0", timeout="20", wildcards="no")
    ]
    run = scene.push(concurrency="2", interval="0", max_fail_percentage="50", time_limit="60", wait="yes")
    assert not run.failed, run.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency is a number from 1"),
        ({"interval": -1}, "interval is a number from 0"),
        ({"max_fail_percentage": 101}, "max_fail_percentage is a number from 0 to 100"),
        ({"time_limit": 0}, "time_limit is a number from 1"),
        ({"give_up_after": "30"}, "give_up_after"),
        ({"hosts": ["nobody"]}, "there is no target nobody"),
        ({"mode": "both"}, "mode"),
        ({"lineages": "/nonexistent"}, "/nonexistent"),
        ({"queue": "/proc/nonexistent/queue"}, "/proc/nonexistent"),
        ({"metrics_textfile": "/tmp/push.txt"}, "must be an absolute path that ends in .prom"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_options_without_meaning_are_named(scene, receivers, options, message) -> None:
    run = scene.push(**options)
    assert run.failed
    assert message in run.result["msg"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"domains": []}, "host1: domains is empty"),
        ({"host_key": ["nonsense"]}, "host1: host_key"),
        ({"files": ["bundle"]}, "files"),
        ({"port": 99999}, "host1: port is a number from 1 to 65535"),
        ({"endpoints": [{"host": "x", "porto": 1}]}, "host1: endpoints[0]"),
        ({"domian": ["x"]}, "domian"),
        ({"name": ""}, "targets[0]: name"),
    ],
)
def test_targets_without_meaning_are_named(scene, target, message) -> None:
    scene.targets = [scene.target(scene.hosts[0], **target)]
    run = scene.push()
    assert run.failed
    assert message in run.result["msg"]
    assert not pathlib.Path(scene.queue.path).exists()


def test_two_hosts_of_one_name(scene) -> None:
    scene.targets.append(dict(scene.targets[0]))
    assert "two of the name host1" in scene.push().result["msg"]


def test_no_targets(scene) -> None:
    scene.hosts[0].stop()
    scene.push(hosts=["host1"])
    run = scene.push(targets=[])
    assert run.failed
    assert "It is owed to a host that is no target" in run.result["msg"]
    assert run.result["counts"]["owed"] == 3


def test_metrics_count_every_run(scene, receivers, tmp_path: pathlib.Path) -> None:
    textfile = tmp_path / "push.prom"
    scene.hosts[0].stop()
    assert scene.push(metrics_textfile=str(textfile)).failed
    text = textfile.read_text()
    queue = f'queue="{scene.queue.path}"'
    assert f'certops_push_runs_total{{{queue},status="error"}} 1.0' in text
    assert f'certops_push_failures_total{{fault="unreachable",{queue}}} 1.0' in text
    assert f'certops_push_owed{{host="host1",{queue}}} 1.0' in text
    scene.hosts[0].start()
    before = textfile.read_text()
    scene.push(metrics_textfile=str(textfile), check=True)
    assert textfile.read_text() == before
    assert not scene.push(metrics_textfile=str(textfile)).failed
    text = textfile.read_text()
    assert f'certops_push_runs_total{{{queue},status="success"}} 1.0' in text
    assert f'certops_push_lineages_total{{outcome="confirmed",{queue}}} 3.0' in text
    assert scene.push(metrics_textfile=str(textfile), lineages="/nonexistent").failed
    assert f'certops_push_runs_total{{{queue},status="error"}} 2.0' in textfile.read_text()


def test_what_a_hook_has_dropped_is_done_with(scene, receivers) -> None:
    """Whatever wakes a run is told that it was heard, also when the push fails."""
    wake = pathlib.Path(scene.queue.path) / "wake"
    wake.mkdir(parents=True, mode=0o700)
    wake.parent.chmod(0o700)
    (wake / "1").touch()
    assert scene.push(check=True).result["changed"]
    assert [path.name for path in wake.iterdir()] == ["1"]
    scene.hosts[0].stop()
    assert scene.push().failed
    assert list(wake.iterdir()) == []


def test_what_was_pushed_is_deployed(scene, tmp_path: pathlib.Path) -> None:
    """With the real receiving side: the receipt is its own."""
    host, live = scene.hosts[0], tmp_path / "live"
    scene.targets = [scene.target(host)]
    options = {
        "source": str(host.staging),
        "receipts": str(host.receipts),
        "path": str(live),
        "trust_anchors": scene.certbot.authority.root_pem,
    }
    for _renewal in range(2):
        issued = scene.renew(NAME)
        assert not scene.push(wait=False).failed
        deployed = run_module("certificate_deploy", options)
        assert not deployed.failed, deployed.output
        run = scene.push()
        assert outcomes_of(run) == {"host1": "confirmed"}, run.output
        assert lineages_of(run, "host1")[NAME]["evidence"] == "receipt"
        assert (live / NAME / "cert.pem").read_text() == issued.certificate_pem


def test_what_the_real_receiving_side_refuses_is_told_and_goes_when_that_is_mended(scene, tmp_path) -> None:
    """The receipt of the first refusal is not taken for an answer to the second upload."""
    host, live = scene.hosts[0], tmp_path / "live"
    scene.targets = [scene.target(host, receipt_timeout=15)]
    options = {"source": str(host.staging), "receipts": str(host.receipts), "path": str(live)}
    scene.push(wait=False)
    assert run_module("certificate_deploy", {**options, "min_remaining": "5000d"}).failed
    run = scene.push()
    assert lineages_of(run, "host1")[NAME]["fault"] == "refused"
    thread = threading.Thread(target=lambda: deploy_when_there(host, {**options, "min_remaining": "1d"}))
    thread.start()
    run = scene.push()
    thread.join()
    assert not run.failed, run.output


def test_what_the_real_receiving_side_takes_back_is_told(scene, tmp_path) -> None:
    """The service there goes on with the old one: its endpoint says so, and the host goes back."""
    host, live = scene.hosts[0], tmp_path / "live"
    scene.targets = [scene.target(host)]
    old = scene.renew(NAME)
    with tls_server.server(tls_server.tls(tmp_path, old)) as port:
        endpoint = {"host": "127.0.0.1", "port": port, "server_name": NAME}
        options = {
            "source": str(host.staging),
            "receipts": str(host.receipts),
            "path": str(live),
            "services": [{"type": "script", "name": "true", "prove_within": 1, "endpoints": [endpoint]}],
        }
        scene.push(wait=False)
        assert not run_module("certificate_deploy", options).failed
        run = scene.push()
        assert outcomes_of(run) == {"host1": "confirmed"}, run.output
        scene.renew(NAME)
        scene.push(wait=False)
        assert run_module("certificate_deploy", options).failed
        run = scene.push()
    assert lineages_of(run, "host1")[NAME]["fault"] == "taken_back"
    assert "host1" in run.result["msg"]
    assert (live / NAME / "cert.pem").read_text() == old.certificate_pem


def deploy_when_there(host: SshHost, options: t.Mapping[str, t.Any]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and not any("@" in path.name for path in host.staging.iterdir()):
        time.sleep(0.05)
    time.sleep(1)  # the old receipt is there to be read meanwhile
    run_module("certificate_deploy", options)


def test_nothing_of_a_key_is_in_the_queue(scene, receivers) -> None:
    scene.hosts[0].stop()
    scene.push()
    texts = [path.read_text() for path in pathlib.Path(scene.queue.path).rglob("*.json")]
    assert texts
    for text in texts:
        assert "PRIVATE" not in text
        assert set(json.loads(text)) <= {
            *("host", "lineage", "fingerprint_sha256", "queued_at", "attempts", "last_error", "next_attempt"),
            *("uploaded", "forced", "uploaded_at", "earlier_receipt", "at", "evidence"),
        }
