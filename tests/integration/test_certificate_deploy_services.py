# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_deploy and the services: told of what changed, when it is due, until they have been; and the way back."""

from __future__ import annotations

import datetime
import json
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.receiver import LoadingService, Receiver, put

A, B = "a.example.com", "b.example.com"


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority("Test Intermediate", parent=CertificateAuthority())


@pytest.fixture
def receiver(modules: ModuleServer, tmp_path: pathlib.Path) -> Receiver:
    return Receiver(modules, tmp_path / "host")


@pytest.fixture
def service(receiver: Receiver, tmp_path: pathlib.Path) -> LoadingService:
    return LoadingService(tmp_path / "one", receiver.live / A)


def outcomes(result: dict[str, t.Any]) -> list[str]:
    return [each["outcome"] for each in result["services"]]


# When they are told


def test_only_of_what_has_changed(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    other = LoadingService(tmp_path / "other", receiver.live / B)
    services = [service.definition(), other.definition(lineages=[B])]
    issued = [authority.issue(name) for name in (A, B)]
    for each in issued:
        receiver.stage(each)
    assert outcomes(receiver.deployed(check=True, services=services)) == ["ran", "ran"]
    assert (service.told, other.told) == ([], [])
    result = receiver.deployed(services=services)
    assert outcomes(result) == ["ran", "ran"]
    assert (service.told, other.told) == ([f"{A} {B}"], [B])
    for each in issued:  # the same again
        receiver.stage(each)
    again = receiver.deployed(services=services)
    assert (outcomes(again), again["changed"]) == (["unchanged", "unchanged"], False)
    receiver.stage(authority.issue(A))
    assert outcomes(receiver.deployed(services=services)) == ["ran", "unchanged"]
    assert (service.told, other.told) == ([f"{A} {B}", A], [B])
    assert service.loaded == receiver.fingerprint(A)


def test_another_mode_is_no_news_for_them(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    issued = authority.issue(A)
    for mode in ("0600", "0400"):
        receiver.stage(issued)
        receiver.deployed(services=[service.definition()], mode=mode)
    assert service.told == [A]


def test_each_push_restarts_the_delay(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    given: dict[str, t.Any] = {"services": [service.definition()], "update_delay": "1h"}
    receiver.stage(authority.issue(A))
    first = receiver.deployed(**given)
    assert outcomes(first) == ["pending"]
    assert first["services_due"] > pki.now().isoformat()
    receipt = receiver.receipt(A)
    assert (receipt["state"], receipt["due"]) == ("pending", first["services_due"])
    assert receiver.staged() == []
    _make_older(receiver, minutes=50)
    waiting = receiver.deployed(**given)
    assert (waiting["changed"], outcomes(waiting)) == (False, ["pending"])
    assert waiting["services_due"] < first["services_due"]
    receiver.stage(authority.issue(B))
    second = receiver.deployed(**given)
    assert second["services_due"] >= first["services_due"]
    assert service.told == []
    _make_older(receiver, minutes=61)
    due = receiver.deployed(**given)
    assert (due["changed"], outcomes(due), due["services_due"]) == (True, ["ran"], None)
    assert service.told == [f"{A} {B}"]
    assert {receiver.receipt(name)["state"] for name in (A, B)} == {"deployed"}
    assert receiver.deployed(**given)["changed"] is False
    assert service.told == [f"{A} {B}"]


def _make_older(receiver: Receiver, *, minutes: int) -> None:
    """All that was pushed, as if so much time had gone by."""
    file = receiver.live / ".certops" / "deployment.json"
    document = json.loads(file.read_text())
    for each in document["pending"].values():
        at = pki.now() - datetime.timedelta(minutes=minutes)
        each["pushed_at"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    put(file, json.dumps(document))


def test_what_waits_is_told_on_request(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    given: dict[str, t.Any] = {"services": [service.definition()], "update_delay": "1w2d3h4m5s"}
    receiver.stage(authority.issue(A))
    receiver.deployed(**given)
    assert outcomes(receiver.deployed(**given, run_pending=True)) == ["ran"]
    assert receiver.receipt(A)["state"] == "deployed"


def test_nobody_waits_for_what_concerns_no_service(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    receiver.stage(authority.issue(B))
    result = receiver.deployed(services=[service.definition(lineages=[A])], update_delay="1h")
    assert (outcomes(result), result["services_due"]) == (["unchanged"], None)
    assert receiver.receipt(B)["state"] == "deployed"


@pytest.mark.parametrize("delay", [None, "", "0", "0s", 0])
def test_no_delay(receiver: Receiver, service: LoadingService, authority: CertificateAuthority, delay: t.Any) -> None:
    receiver.stage(authority.issue(A))
    assert outcomes(receiver.deployed(services=[service.definition()], update_delay=delay)) == ["ran"]


@pytest.mark.parametrize("delay", ["soon", "1", "-1h", "1h1w"])
def test_delays_without_meaning(receiver: Receiver, delay: str) -> None:
    run = receiver.deploy(update_delay=delay)
    assert run.failed
    assert "update_delay" in run.result["msg"]


# Until they have been


def test_one_that_fails_is_told_again_and_no_other(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    failing = LoadingService(tmp_path / "failing", receiver.live / A)
    failing.broken.touch()
    services = [failing.definition(), service.definition()]
    receiver.stage(authority.issue(A))
    run = receiver.deploy(services=services)
    assert run.failed
    assert outcomes(run.result) == ["failed", "ran"]
    assert receiver.fingerprint(A) == service.loaded
    receipt = receiver.receipt(A)
    assert receipt["state"] == "pending"
    assert "failed with exit code 1" in receipt["message"]
    assert receiver.staged() == []
    assert receiver.deploy(services=services).failed
    failing.broken.unlink()
    assert outcomes(receiver.deployed(services=services)) == ["ran", "unchanged"]
    assert (failing.told, service.told) == ([A, A, A], [A])
    assert receiver.receipt(A)["state"] == "deployed"
    assert receiver.unfinished()["pending"] == {}


def test_what_a_service_prints_is_in_the_result_without_keys_and_in_no_receipt(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    put(service.program, f"#!/bin/sh\ncat {receiver.live / A}/*.pem >&2; echo nonsense >&2; exit 3\n")
    service.program.chmod(0o700)
    receiver.stage(authority.issue(A))
    run = receiver.deploy(services=[service.definition()])
    assert run.failed
    (told,) = run.result["services"]
    assert "nonsense" in told["message"]
    secrets_scan.assert_no_private_key(told["message"])
    assert receiver.receipt(A)["message"] == f"script {service.program}: {service.program} failed with exit code 3."
    secrets_scan.assert_no_private_key((receiver.live / ".certops" / "deployment.json").read_text())


def test_a_damaged_memory_tells_all_of_everything(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    for name in (A, B):
        receiver.stage(authority.issue(name))
    receiver.deployed()
    put(receiver.live / ".certops" / "deployment.json", "{")
    result = receiver.deployed(services=[service.definition()])
    assert "is damaged" in str(result["warnings"])
    assert service.told == [f"{A} {B}"]
    assert receiver.deployed(services=[service.definition()])["changed"] is False


# What they show


def test_a_handshake_proves_it(receiver: Receiver, service: LoadingService, authority: CertificateAuthority) -> None:
    service.load(pki.self_signed("old.example.com"))
    with service.serving() as port:
        receiver.stage(authority.issue(A))
        result = receiver.deployed(services=[service.definition(port)])
    assert result["services"][0]["proven"] == [A]
    assert receiver.receipt(A)["state"] == "proven"
    manifest = json.loads((receiver.live / ".certops" / "manifest.json").read_text())
    assert manifest["certificates"][0]["proven"] == manifest["certificates"][0]["current"]["digest"]


def test_a_wrong_answer_takes_it_back(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    """On disk and in the service; the other lineage stays, and the pusher learns why."""
    old, new, other = authority.issue(A), authority.issue(A), authority.issue(B)
    service.load(old)
    with service.serving() as port:
        services = [service.definition(port)]
        receiver.stage(old)
        receiver.deployed(services=services)
        service.stuck.touch()
        receiver.stage(new)
        receiver.stage(other)
        run = receiver.deploy(services=services)
        assert run.failed
        assert run.result["rolled_back"] == [A]
        assert "shows another certificate" in run.result["msg"]
        assert receiver.fingerprints() == {A: old.fingerprint_sha256, B: other.fingerprint_sha256}
        assert service.told == [A, f"{A} {B}", A]
        receipt = receiver.receipt(A)
        assert (receipt["state"], receipt["fingerprint_sha256"]) == ("taken_back", new.fingerprint_sha256)
        assert "shows another certificate" in receipt["message"]
        assert receiver.receipt(B)["state"] in ("deployed", "proven")
        assert receiver.staged() == []
        assert receiver.left_over() == []
        assert receiver.deployed(services=services)["changed"] is False
        assert receiver.receipt(A)["state"] == "taken_back"
        service.stuck.unlink()
        receiver.stage(new)
        receiver.deployed(services=services)
    assert receiver.fingerprint(A) == service.loaded == new.fingerprint_sha256
    assert receiver.receipt(A)["state"] == "proven"


def test_pushes_while_services_wait_leave_the_way_back(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    """One version before is kept: the one that is served, and none that nobody has ever got."""
    served = authority.issue(A)
    service.load(served)
    with service.serving() as port:
        given: dict[str, t.Any] = {"services": [service.definition(port)], "update_delay": "1h"}
        receiver.stage(served)
        receiver.deployed(**given, run_pending=True)
        assert receiver.receipt(A)["state"] == "proven"
        for _push in range(2):
            receiver.stage(authority.issue(A))
            receiver.deployed(**given)
        service.stuck.touch()
        run = receiver.deploy(**given, run_pending=True)
    assert run.result["rolled_back"] == [A]
    assert receiver.fingerprint(A) == service.loaded == served.fingerprint_sha256
    assert receiver.left_over() == []


def test_a_killed_run_is_no_excuse_for_a_service_that_died_of_it(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    """Whether it answered before anybody told it is known to the next run."""
    old = authority.issue(A)
    service.load(old)
    program, mortal = tmp_path / "restart", tmp_path / "mortal"
    put(program, f"#!/bin/sh\n[ ! -e {mortal} ] || kill -9 $PPID\n")
    program.chmod(0o700)
    with service.serving() as port:
        services = [service.definition(port, name=str(program))]
        receiver.stage(old)
        receiver.deployed(services=services)
        mortal.touch()
        receiver.stage(authority.issue(A))
        receiver.kill_deployment(services=services)
    mortal.unlink()
    run = receiver.deploy(services=services)
    assert run.failed
    assert run.result["rolled_back"] == [A]
    assert receiver.fingerprint(A) == old.fingerprint_sha256


def test_a_way_back_waits_for_no_delay(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    """A service that could not be told of it has what is not to be served: the next run tells it at once."""
    old, new = authority.issue(A), authority.issue(A)
    service.load(old)
    with service.serving() as port:
        given: dict[str, t.Any] = {"services": [service.definition(port)], "update_delay": "1h"}
        receiver.stage(old)
        receiver.deployed(**given, run_pending=True)
        once, twice = tmp_path / "once", tmp_path / "twice"
        put(service.program, f"#!/bin/sh\n[ ! -e {once} ] || exit 1\ntouch {once}\n")
        service.program.chmod(0o700)
        receiver.stage(new)
        run = receiver.deploy(**given, run_pending=True)
        assert run.result["rolled_back"] == [A]
        assert receiver.receipt(A)["state"] == "taken_back"
        put(service.program, f"#!/bin/sh\ntouch {twice}\n")
        service.program.chmod(0o700)
        receiver.deployed(**given)
        assert twice.exists()
    assert receiver.fingerprint(A) == old.fingerprint_sha256
    assert receiver.unfinished()["pending"] == {}


def test_what_is_not_whole_is_nothing_to_go_back_to(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    old, new = authority.issue(A), authority.issue(A)
    service.load(old)
    with service.serving() as port:
        services = [service.definition(port)]
        receiver.stage(old)
        receiver.deployed(services=services)
        loses = f"cd {receiver.live}/.certops/versions; for v in *; do [ $v -ef {receiver.live / A} ] || rm -r $v; done"
        put(service.program, f"#!/bin/sh\n{loses}\n")
        service.program.chmod(0o700)
        receiver.stage(new)
        run = receiver.deploy(services=services)
    assert run.result["rolled_back"] == []
    assert receiver.fingerprint(A) == new.fingerprint_sha256
    receipt = receiver.receipt(A)
    assert receipt["state"] == "pending"
    assert "no version before that is whole" in receipt["message"]


def test_the_old_one_pushed_again_after_the_way_back(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    """Whoever pushes what is live learns that it is."""
    old, new = authority.issue(A), authority.issue(A)
    service.load(old)
    with service.serving() as port:
        services = [service.definition(port)]
        receiver.stage(old)
        receiver.deployed(services=services)
        service.stuck.touch()
        receiver.stage(new)
        assert receiver.deploy(services=services).failed
        receiver.stage(old)
        receiver.deployed(services=services)
    receipt = receiver.receipt(A)
    assert (receipt["state"], receipt["fingerprint_sha256"]) == ("proven", old.fingerprint_sha256)


def test_the_first_one_stays_and_is_asked_for_again(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    """A service whose configuration names files that are gone does not start any more."""
    service.load(pki.self_signed(A))
    service.stuck.touch()
    issued = authority.issue(A)
    with service.serving() as port:
        services = [service.definition(port)]
        receiver.stage(issued)
        run = receiver.deploy(services=services)
        assert run.failed
        assert run.result["rolled_back"] == []
        assert receiver.fingerprint(A) == issued.fingerprint_sha256
        receipt = receiver.receipt(A)
        assert receipt["state"] == "pending"
        assert "no version before that is whole" in receipt["message"]
        assert receiver.deploy(services=services).failed
        assert service.told == [A]
        service.load(issued)
        receiver.deployed(services=services)
        assert service.told == [A]
    assert receiver.receipt(A)["state"] == "proven"
    assert receiver.deployed(services=services)["changed"] is False


def test_what_cannot_be_asked_is_not_held_against_it(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    with service.serving() as port:
        pass
    for _turn in range(2):
        receiver.stage(authority.issue(A))
        result = receiver.deployed(services=[service.definition(port)])
        assert result["services"][0]["unasked"] == [A]
    assert receiver.receipt(A)["state"] == "deployed"
    assert "could not be asked" in receiver.receipt(A)["message"]


# Several pushers


def test_each_pusher_gets_its_own_receipts(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    """Two staging directories, one destination: whoever tells the services of what the other has pushed tells him."""
    other = Receiver(receiver.modules, receiver.root / "other", path=str(receiver.live))
    given: dict[str, t.Any] = {"services": [service.definition()], "update_delay": "1h"}
    issued = authority.issue(B)
    other.stage(issued)
    other.deployed(**given)
    receiver.stage(authority.issue(A))
    receiver.deployed(**given)
    assert other.receipt(B)["due"] == receiver.receipt(A)["due"]
    receiver.deployed(**given, run_pending=True)
    assert other.receipt(B)["state"] == receiver.receipt(A)["state"] == "deployed"
    assert [path.name for path in receiver.receipts.iterdir()] == [f"{A}.json"]
    assert [path.name for path in other.receipts.iterdir()] == [f"{B}.json"]
    assert receiver.unfinished()["origins"] == {}


def test_a_pusher_that_is_gone_is_told_nothing(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    """Removed, or moved, while services were still to be told of what it had pushed: no run fails for that."""
    other = Receiver(receiver.modules, receiver.root / "other", path=str(receiver.live))
    given: dict[str, t.Any] = {"services": [service.definition()], "update_delay": "1h"}
    other.stage(authority.issue(A))
    other.deployed(**given)
    shutil.rmtree(other.root)
    receiver.deployed(**given, run_pending=True)
    assert service.told == [A]
    assert (receiver.unfinished()["receipts"], receiver.unfinished()["origins"]) == ([], {})
    assert not receiver.receipts.exists()


# What others do


def test_who_goes_back_by_hand_has_the_services_told_by_the_next_run(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    first, second = authority.issue(A), authority.issue(A)
    service.load(first)
    with service.serving() as port:
        services = [service.definition(port)]
        for issued in (first, second):
            receiver.stage(issued)
            receiver.deployed(services=services)
        assert not receiver.rollback(names=[A]).failed
        assert service.loaded == second.fingerprint_sha256
        assert outcomes(receiver.deployed(services=services, check=True)) == ["ran"]
        assert outcomes(receiver.deployed(services=services)) == ["ran"]
        assert service.loaded == first.fingerprint_sha256
        assert receiver.deployed(services=services)["changed"] is False
    assert service.told == [A, A, A]


def test_the_playbook_rollback_on_a_receiving_host(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    """It knows lineages, and leaves the services to the next deployment."""
    first, second = authority.issue(A), authority.issue(A)
    services = [service.definition()]
    for issued in (first, second):
        receiver.stage(issued)
        receiver.deployed(services=services)
    variables = {
        "rollback_names": [A],
        "haproxy_certificates_path": str(receiver.live),
        "haproxy_certificates_layout": "lineage",
        "haproxy_certificates_activate": False,
    }
    run = run_playbook(variables, playbook="certops.rotation.rollback")
    assert run.returncode == 0, run.output
    assert receiver.fingerprint(A) == first.fingerprint_sha256
    receiver.deployed(services=services)
    assert service.loaded == first.fingerprint_sha256


def test_what_another_module_has_written_there(
    receiver: Receiver, service: LoadingService, authority: CertificateAuthority
) -> None:
    issued = authority.issue(A)
    content = {"certificate": issued.certificate_pem + issued.chain_pem, "private_key": issued.private_key_pem}
    receiver.live.mkdir()
    receiver.modules.run("pem_bundle", {"path": str(receiver.live / A), "layout": "lineage", **content})
    receiver.modules.run("pem_bundle", {"path": str(receiver.live / "c.pem"), "layout": "haproxy", **content})
    receiver.deployed(services=[service.definition()])
    assert service.told == [A]
    assert service.loaded == issued.fingerprint_sha256
    assert receiver.deployed(services=[service.definition()])["changed"] is False
