# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rotate_ca on real servers that want client certificates, and a client that connects all the time."""

from __future__ import annotations

import ssl
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.odd_authorities import odd_authority, odd_leaf
from ansible_collections.certops.rotation.tests.support.shared_authority import SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_fleet import CLIENT, SharedFleet, Visitor, shared_fleet


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    return SharedAuthority(modules, faults, aws)


@pytest.fixture
def fleet(shared: SharedAuthority) -> t.Iterator[SharedFleet]:
    with shared_fleet(shared) as made:
        yield made


@pytest.fixture
def small_fleet(shared: SharedAuthority) -> t.Iterator[SharedFleet]:
    """One server and a client."""
    with shared_fleet(shared, ["web1"]) as made:
        yield made


def test_a_complete_rotation_refuses_nobody(fleet: SharedFleet) -> None:
    old, before = fleet.issuer(), fleet.context()
    predicted = fleet.rotate(check=True)
    assert predicted.returncode == 0, predicted.output
    assert fleet.shared.info()["stage"] == "settled"

    with Visitor(fleet) as visitor:
        run = fleet.rotate()
    assert run.returncode == 0, run.output
    assert visitor.failures == []
    assert visitor.made > 100

    assert fleet.issuers() == {fleet.issuer()} != {old}
    assert (fleet.shared.info()["stage"], fleet.authorities()) == ("settled", [1, 1, 1])
    assert fleet.accepts(fleet.context()) == [True, True]
    assert fleet.accepts(before) == [False, False], "the authority before is still trusted"
    fleet.shared.assert_whole("-ci")


def test_stopped_and_resumed_and_aborted(small_fleet: SharedFleet) -> None:
    fleet = small_fleet
    old = fleet.issuer()

    def run(**extra: t.Any) -> str:
        done = fleet.rotate(**extra)
        assert done.returncode == 0, done.output
        return str(fleet.shared.info()["stage"])

    with Visitor(fleet) as visitor:
        assert run(until="published") == "published"
        assert fleet.authorities() == [1, 1]
        assert run(until="trusted") == "published"
        assert (fleet.authorities(), fleet.issuers()) == ([2, 2], {old})
        assert run(until="reissued") == "published"
        assert (fleet.issuer(), old in fleet.issuers()) == (old, False)

        fleet.down.append(CLIENT)
        refused = fleet.rotate()
        assert refused.returncode != 0
        assert f"{CLIENT} cannot be reached" in refused.error
        assert fleet.shared.info()["stage"] == "published"
        fleet.down.clear()

        assert run(abort=True) == "settled"
        assert (fleet.authorities(), fleet.issuer(), fleet.issuers()) == ([1, 1], old, {old})

        assert run(until="promoted") == "promoted"
        new = fleet.issuer()
        assert (fleet.authorities(), fleet.issuers()) == ([2, 2], {new})
        assert new != old
        assert run(abort=True) == "settled"
        assert (fleet.authorities(), fleet.issuer(), fleet.issuers()) == ([1, 1], old, {old})
    assert visitor.failures == []
    fleet.shared.assert_whole("-ci")


def test_who_is_refused_and_a_client_that_is_revoked(fleet: SharedFleet) -> None:
    fleet.members[CLIENT].good(server_names=[], clients=["admin", "ci"])
    stranger = pki.CertificateAuthority("Joblet-CA").issue("stranger", usages=())
    path = fleet.file(CLIENT, "stranger.pem")
    path.write_text(stranger.combined_pem)
    of_another = fleet.context("")
    of_another.load_cert_chain(path)

    stolen = fleet.context("ci")

    def accepted() -> dict[str, list[bool]]:
        who: dict[str, ssl.SSLContext] = {"admin": fleet.context(), "ci": stolen}
        who.update({"stranger": of_another, "nobody": fleet.context("")})
        return {name: fleet.accepts(context) for name, context in who.items()}

    nobody, both = [False, False], [True, True]
    assert accepted() == {"admin": both, "ci": both, "stranger": nobody, "nobody": nobody}
    workers = [made.worker_pid() for made in fleet.haproxy.values()]
    run = fleet.rotate(revoke=["ci"])
    assert run.returncode == 0, run.output
    assert accepted() == {"admin": both, "ci": nobody, "stranger": nobody, "nobody": nobody}
    assert [made.worker_pid() for made in fleet.haproxy.values()] == workers, "no reload was needed"
    assert not fleet.file(CLIENT, "client-ci-key.pem").exists(), "nobody accepts it any more"


def test_an_imported_authority_without_key_identifier_is_replaced_and_refuses_nobody(shared: SharedAuthority) -> None:
    """Hosts that are only clients trust its successor beside it, which TLS could not tell from it by name."""
    old = odd_authority(at=pki.now(), key_identifier=None)
    given = {"certificate": old.certificate.pem.decode(), "private_key": pki.private_key_pem(old.key)}
    with shared_fleet(shared, ["web1"], import_from=given) as fleet:
        assert fleet.accepts(fleet.context()) == [True]
        leaf, key = odd_leaf(old, "client", at=pki.now())
        path = fleet.file(CLIENT, "outsider.pem")
        path.write_text(leaf.pem.decode() + pki.private_key_pem(key))

        def accepts_outsider() -> list[bool]:
            context = fleet.context("")
            context.load_cert_chain(path)
            return fleet.accepts(context)

        with Visitor(fleet) as visitor:
            run = fleet.rotate(until="promoted")
        assert run.returncode == 0, run.output
        assert (fleet.shared.info()["stage"], visitor.failures) == ("promoted", [])
        assert (fleet.accepts(fleet.context()), accepts_outsider()) == ([True], [True])
        assert fleet.issuers() == {fleet.issuer()}


def test_force_replaces_all_at_once(small_fleet: SharedFleet) -> None:
    fleet = small_fleet
    old, before = fleet.issuer(), fleet.context()
    run = fleet.rotate(force=True)
    assert run.returncode == 0, run.output
    assert "WARNING: The authority and all client certificates are replaced at once" in run.output
    assert fleet.issuers() == {fleet.issuer()} != {old}
    assert (fleet.accepts(before), fleet.accepts(fleet.context())) == ([False], [True])


def test_what_an_earlier_version_has_promoted_is_brought_to_its_end(small_fleet: SharedFleet) -> None:
    """It put the authority that issues first, on hosts that are only clients, too."""
    fleet = small_fleet
    fleet.unknown = ["shared_ca_member_clients"]  # only a play of its own has listed them
    run = fleet.rotate(until="promoted")
    assert run.returncode == 0, run.output
    for host in fleet.members:
        blocks = fleet.file(host, "ca.pem").read_text().split("-----BEGIN CERTIFICATE-----\n")[1:]
        fleet.file(host, "ca.pem").write_text("".join(f"-----BEGIN CERTIFICATE-----\n{each}" for each in blocks[::-1]))
    with Visitor(fleet) as visitor:
        run = fleet.rotate()
    assert run.returncode == 0, run.output
    assert (fleet.shared.info()["stage"], fleet.authorities(), visitor.failures) == ("settled", [1, 1], [])
