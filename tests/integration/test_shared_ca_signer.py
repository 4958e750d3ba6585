# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts whose policy has no right to the authority's key: a signer issues for them, and they serve what it issues."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.iam import Policy
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.shared_authority import SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_fleet import CLIENT, Visitor, shared_fleet
from ansible_collections.certops.rotation.tests.support.shared_member import NAMES, Member
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

MEMBER, SIGNER = "AKIAMEMBER", "AKIASIGNER"
WAITING = "server-next-key.pem"


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    shared = SharedAuthority(modules, faults, aws)
    shared.good()
    faults.allow_only(MEMBER, Policy("shared-ca-member-signed.json").allows)
    faults.allow_only(SIGNER, Policy("shared-ca-signer.json").allows)
    return shared


class Host(Member):
    """A member by the policy, and what its signer makes for it."""

    def __init__(self, shared: SharedAuthority, directory: pathlib.Path) -> None:
        super().__init__(shared, directory)
        self.env["AWS_ACCESS_KEY_ID"] = MEMBER

    def ask(self, *, check: bool = False, **args: t.Any) -> ModuleRun:
        return self.run(check=check, signed_elsewhere=True, clients=["admin"], **args)

    def sign(self, request: str, *, check: bool = False, access_key: str = SIGNER, **args: t.Any) -> ModuleRun:
        args = {"prefix": self.shared.prefix, "request": request, "names": NAMES, **args}
        env = {**self.shared.faults.env, "AWS_ACCESS_KEY_ID": access_key}
        return self.shared.modules.run("shared_ca_issue", args, check=check, env=env)

    def served(self, *, validity_days: int = 365, **args: t.Any) -> dict[str, t.Any]:
        """All three calls, or the first one alone where nothing is due. Returns the last one's result."""
        asked = self.ask(**args)
        assert not asked.failed, asked.result
        if asked.result["request"] is None:
            return asked.result
        signed = self.sign(asked.result["request"], validity_days=validity_days)
        assert not signed.failed, signed.result
        run = self.ask(signed_certificate=signed.result["certificate"], **args)
        assert not run.failed, run.result
        return run.result

    def secrets_of(self, access_key: str) -> set[str]:
        """Those that it has asked for, without the prefix."""
        asked = [each for each in self.shared.faults.requests if each.access_key == access_key]
        names = [str(each.body["SecretId"]).partition("joblet/")[2] for each in asked]
        return {re.sub(r"-[A-Za-z]{6}$", "", name) for name in names}


@pytest.fixture
def host(shared: SharedAuthority, tmp_path: pathlib.Path) -> Host:
    return Host(shared, tmp_path / "joblet")


def test_a_certificate_without_any_right_to_the_key(host: Host, shared: SharedAuthority) -> None:
    shared.faults.requests.clear()
    predicted = host.ask(check=True).result
    assert (predicted["changed"], predicted["server"]["action"]) == (True, "issued")
    assert not host.path.exists()
    checked = host.sign(predicted["request"], check=True).result
    assert (checked["changed"], checked["certificate"]) == (True, None)
    first = host.ask().result
    assert (first["changed"], first["server"]["action"], first["server"]["reason"]) == (False, "requested", "missing")
    assert host.files() == {WAITING: "0600"}
    again = host.ask().result  # as after a run that was killed: the key that waits is the same
    result = host.served()
    assert (result["changed_files"], result["problems"]) == (predicted["changed_files"], [])
    assert WAITING not in host.files()
    host.assert_whole()
    before = host.snapshot()
    assert host.served()["changed"] is False
    assert host.ask(check=True).result["changed"] is False
    assert host.snapshot() == before
    assert host.secrets_of(MEMBER) == {"ca-cert", "client-cert", "client-key", "crl"}
    assert host.secrets_of(SIGNER) == {"ca-cert", "ca-key", "crl"}
    # The request is signed with the key that is served now.
    for request in (first["request"], again["request"]):
        csr = x509.load_pem_x509_csr(request.encode())
        assert csr.public_key() == host.key().public_key()
    # And the host's own rights do not reach the key.
    own = host.sign(first["request"], access_key=MEMBER)
    assert (own.failed, own.result["reason"]) == (True, "denied")
    assert host.run(server_names=["other"]).result["reason"] == "denied"


def test_a_host_gets_no_names_but_its_own(host: Host) -> None:
    request = host.ask(server_names=["joblet", "10.1.2.3", "a.eu.internal", "*.eu.internal"]).result["request"]
    run = host.sign(request, names=["joblet"])
    assert run.failed
    assert "may not have the names 10.1.2.3, a.eu.internal, *.eu.internal" in run.result["msg"]
    covered = ["10.0.0.0/8", "*.internal"]
    run = host.sign(request, names=["joblet"], allowed_names=covered, check=True)
    assert "may not have the names *.eu.internal" in run.result["msg"]
    run = host.sign(request, names=["joblet", "*.eu.internal"], allowed_names=covered)
    assert run.result["subject_alternative_names"] == ["joblet", "10.1.2.3", "a.eu.internal", "*.eu.internal"]
    assert host.sign("nothing").result["msg"].startswith("request: give one certificate request")


def test_what_a_signer_gives_is_verified(host: Host, shared: SharedAuthority, tmp_path: pathlib.Path) -> None:
    host.served()
    before = host.snapshot()
    other = Host(shared, tmp_path / "other")
    of_another = other.sign(other.ask().result["request"]).result["certificate"]
    fewer = host.sign(host.ask(server_names=["joblet"]).result["request"]).result["certificate"]
    stranger = pki.CertificateAuthority("Joblet-CA").issue("joblet").combined_pem.partition("-----BEGIN PRIVATE")[0]
    for certificate, why in (
        (of_another, "private key"),
        (fewer, "other names"),
        (stranger, "not signed by"),
        ("nothing", "0 certificates"),
        (fewer + of_another, "2 certificates"),
    ):
        host.ask(server_names=["joblet", "two"])  # whose key then waits
        run = host.ask(server_names=["joblet", "two"], signed_certificate=certificate, on_unavailable="fail")
        assert (run.failed, run.result["reason"], why in run.result["msg"]) == (True, "signer", True), run.result
        run = host.ask(server_names=["joblet", "two"], signed_certificate=certificate)
        assert (run.failed, run.result["changed"]) == (False, False), run.result
        assert why in str(run.result["warnings"]), run.result["warnings"]
        assert {name: file for name, file in host.snapshot().items() if name != WAITING} == before
    request = host.ask(server_names=["joblet", "two"]).result["request"]
    signed = host.sign(request, names=["joblet", "two"]).result["certificate"]
    assert host.ask(server_names=["joblet", "two"], signed_certificate=signed).result["changed"]
    host.assert_whole()


def test_without_the_signer(host: Host, shared: SharedAuthority) -> None:
    run = host.ask(signer_failure="it is down.")
    assert (run.failed, run.result["reason"]) == (True, "signer")
    assert run.result["msg"].endswith("it is down. And this host cannot go on: This host has no server certificate.")
    host.served(validity_days=20)
    before = host.text("server.pem")
    # What is due can wait; what is new in the store cannot.
    shared.good(clients=[{"name": "old"}])
    shared.good(clients=[{"name": "old", "state": "revoked"}])
    for renew in ({"renew_before": "30d"}, {"server_names": ["joblet", "two"]}):
        assert host.ask(**renew).result["server"]["action"] == "requested"
        run = host.ask(signer_failure="it is down.", **renew)
        assert not run.failed, run.result
        assert run.result["server"]["action"] == "unchanged"
        assert "it is down." in str(run.result["warnings"])
        assert host.ask(signer_failure="it is down.", on_unavailable="fail", **renew).failed
        assert host.text("crl.pem") == shared.text("crl")
    # Nor has a signer that gives what nobody can use a say in it.
    shared.good(clients=[{"name": "older"}])
    shared.good(clients=[{"name": "older", "state": "revoked"}])
    run = host.ask(signed_certificate="nothing", renew_before="30d")
    assert not run.failed, run.result
    assert host.text("crl.pem") == shared.text("crl")
    assert host.text("server.pem") == before


def test_a_key_that_waits_is_of_the_kind_that_is_asked_for_now(host: Host) -> None:
    host.ask()
    request = x509.load_pem_x509_csr(host.ask(key_type="ec").result["request"].encode())
    assert isinstance(request.public_key(), ec.EllipticCurvePublicKey)
    assert host.served(key_type="ec")["changed"]
    assert host.key().public_key() == request.public_key()


def test_the_options_belong_together(host: Host) -> None:
    run = host.run(signer_failure="it is down.")
    assert (run.failed, "signed_elsewhere" in run.result["msg"]) == (True, True)


def test_a_rotation_and_a_revocation_with_a_signer(shared: SharedAuthority) -> None:
    """Real HAProxy, and a client that connects all the time."""
    with shared_fleet(shared, ["web1"]) as fleet:
        old = fleet.issuer()
        options = {"secret_key": "emulated-secret-key"}
        fleet.variables = {
            "shared_ca_aws": {**options, "access_key": MEMBER},
            "shared_ca_signer": "localhost",
            "shared_ca_signer_aws": {**options, "access_key": SIGNER},
            "shared_ca_rotation_aws": {},
        }
        fleet.members[CLIENT].good(server_names=[], clients=["admin", "ci"])
        shared.faults.requests.clear()
        with Visitor(fleet) as visitor:
            run = fleet.rotate()
        assert run.returncode == 0, run.output[-3000:]
        assert visitor.failures == []
        assert visitor.made > 0
        assert (fleet.authorities(), fleet.issuers()) == ([1, 1], {fleet.issuer()})
        assert fleet.issuer() != old
        admin = fleet.context("admin")
        run = fleet.rotate(revoke=["admin"])
        assert run.returncode == 0, run.output[-3000:]
        assert fleet.accepts(admin) == [False]
        keys = {
            request.access_key
            for request in shared.faults.requests
            if "ca-key" in str(request.body) and request.access_key == MEMBER
        }
        assert keys == set()


def test_the_role_when_the_signer_is_down_and_back(host: Host, shared: SharedAuthority, tmp_path: pathlib.Path) -> None:
    down = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}
    inventory = tmp_path / "signer.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"signer": down}}}))
    variables = {
        "shared_ca_aws": {"access_key": MEMBER, "secret_key": "emulated-secret-key"},
        "shared_ca_signer_aws": {"access_key": SIGNER, "secret_key": "emulated-secret-key"},
        "shared_ca_bootstrap": "none",
        "shared_ca_use_secrets_manager": True,
        "shared_ca_key_type": "ec",
        "shared_ca_path": str(host.path),
        "shared_ca_server_address": "",
        "shared_ca_metadata_names": False,
        "shared_ca_server_names": NAMES,
    }

    def run(signer: str, *, check: bool = False, **more: t.Any) -> tuple[int, str]:
        run = run_playbook(
            {**variables, "shared_ca_signer": signer, **more},
            playbook=[{"import_playbook": "certops.rotation.bootstrap_ca", "vars": {"rotation_hosts": "haproxy"}}],
            hosts=["one"],
            inventory=inventory,
            env=shared.faults.env,
            check=check,
            verbosity=1,
        )
        return run.returncode, run.output

    code, output = run("signer")
    assert code != 0
    assert "This host has no server certificate" in output
    code, output = run("localhost", check=True)
    assert code == 0, output[-3000:]
    assert not (host.path / "server.pem").exists()
    code, output = run("localhost")
    assert code == 0, output[-3000:]
    host.assert_whole()
    before = host.snapshot()
    code, output = run("signer", shared_ca_additional_names=["two"])
    assert code == 0, output[-3000:]
    assert "The signer gave no certificate" in output
    assert host.snapshot() == before
