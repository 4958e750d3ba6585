# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_verify as Ansible runs it. The rules themselves are tested in tests/unit."""

from __future__ import annotations

import datetime
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer

ROOT = pki.CertificateAuthority("Test Root")
INTERMEDIATE = pki.CertificateAuthority("Test Intermediate", parent=ROOT)
LEAF = INTERMEDIATE.issue(["a.example.com", "*.b.example.com"])
GOOD = {"certificate": LEAF.certificate_pem, "certificate_chain": LEAF.chain_pem, "trust_anchors": ROOT.root_pem}


@pytest.fixture
def verdict(modules: ModuleServer) -> t.Callable[..., module.ModuleRun]:
    """Runs the module in check mode, too, which must make no difference."""

    def run(**args: t.Any) -> module.ModuleRun:
        runs = [modules.run("certificate_verify", {**GOOD, **args}, check=check) for check in (True, False)]
        assert runs[0].result == runs[1].result
        assert not runs[1].result.get("changed")
        return runs[1]

    return run


def codes(run: module.ModuleRun) -> list[str]:
    return [problem["code"] for problem in run.result["problems"]]


def test_a_good_certificate(verdict):
    names = ["a.example.com", "x.b.example.com"]
    run = verdict(private_key=LEAF.private_key_pem, server_names=names, fail_on_invalid=True)
    assert not run.failed
    assert run.result["valid"] is True
    assert run.result["problems"] == []


def test_a_bad_certificate_is_a_result(verdict):
    other_key = pki.private_key_pem(pki.new_key())
    run = verdict(private_key=other_key, server_names=["c.example.com"], purpose="client")
    assert not run.failed
    assert run.result["valid"] is False
    assert codes(run) == ["private_key_mismatch", "purpose_not_allowed", "domain_not_covered", "untrusted"]
    assert {problem["severity"] for problem in run.result["problems"]} == {"error"}
    assert all(problem["message"].endswith(".") for problem in run.result["problems"])


def test_a_bad_certificate_fails_the_task_when_told(verdict):
    run = verdict(server_names=["c.example.com"], fail_on_invalid=True)
    assert run.failed
    assert run.result["valid"] is False
    assert codes(run) == ["domain_not_covered"]
    assert "not for 'c.example.com'" in run.result["msg"]


def test_the_instant(verdict):
    end = LEAF.certificate.not_valid_after_utc
    assert verdict(at=f"{end:%Y-%m-%dT%H:%M:%SZ}").result["valid"]
    assert verdict(at=f"{end:%Y-%m-%dT%H:%M:%S}.25+00:00").result["valid"]
    later = end + datetime.timedelta(hours=1)
    assert codes(verdict(at=f"{later:%Y-%m-%dT%H:%M:%S}"))[0] == "expired"
    assert verdict(at=f"{later:%Y-%m-%dT%H:%M:%S}+02:00").result["valid"]
    run = verdict(at="tomorrow")
    assert run.failed
    assert "ISO 8601" in run.result["msg"]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2027-02-30"])
def test_instants_that_there_are_not(verdict, at):
    assert "at must be an instant" in verdict(at=at).result["msg"]


def test_the_anchors_of_the_system(verdict, modules, tmp_path: pathlib.Path):
    assert codes(verdict(trust_anchors=None)) == ["untrusted"]
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(ROOT.root_pem)
    run = modules.run("certificate_verify", {**GOOD, "trust_anchors": None}, env={"SSL_CERT_FILE": str(bundle)})
    assert run.result["valid"], run.result


def test_a_key_in_the_wrong_place_is_not_printed(verdict):
    """The search for keys is the module server's; here they are in arguments that Ansible prints."""
    combined = LEAF.certificate_pem + LEAF.private_key_pem
    run = verdict(certificate=combined, certificate_chain=combined + LEAF.chain_pem, trust_anchors=ROOT.root_pem)
    assert run.result["valid"]
    assert "invocation" in run.result
    assert "BEGIN CERTIFICATE" not in str(run.result["invocation"]["module_args"]["certificate"])


def test_text_that_is_no_certificate(verdict):
    assert codes(verdict(certificate="nonsense")) == ["certificate_missing"]
    assert codes(verdict(trust_anchors="")) == ["trust_anchors_invalid"]
