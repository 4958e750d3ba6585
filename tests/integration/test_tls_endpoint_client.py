# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tls_endpoint_info with a client certificate, against a HAProxy that wants one."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.revocation import crl_pem

CA = pki.CertificateAuthority("Shared CA")
GOOD = CA.issue("good", usages=())
REVOKED = CA.issue("revoked", usages=())
STRANGER = pki.CertificateAuthority("Other CA").issue("stranger", usages=())


@pytest.fixture(scope="module", params=["ssl-min-ver TLSv1.3", "ssl-max-ver TLSv1.2"])
def haproxy(request: pytest.FixtureRequest) -> t.Iterator[HaproxyInstance]:
    bind = "crt {certs}/a.pem ca-file {dir}/ca.pem crl-file {dir}/crl.pem verify required " + request.param
    server = CA.issue(["joblet", "127.0.0.1"])
    made = HaproxyInstance({"a.pem": server.combined_pem}, tls=[bind, "crt {certs}/a.pem"])
    (made.directory / "ca.pem").write_text(CA.certificate_pem)
    (made.directory / "crl.pem").write_text(crl_pem(CA, REVOKED))
    with made:
        yield made


def ask(endpoint: str, **args: t.Any) -> module.ModuleRun:
    given = {"endpoints": [endpoint], "trust_anchors": CA.certificate_pem, **args}
    return module.run_module(
        "tls_endpoint_info", {name: str(value) if name != "endpoints" else value for name, value in given.items()}
    )


def write(tmp_path: pathlib.Path, issued: pki.IssuedCertificate) -> pathlib.Path:
    path = tmp_path / f"{issued.names[0]}.pem"
    path.write_text(issued.combined_pem)
    return path


def test_who_is_accepted(haproxy: HaproxyInstance, tmp_path: pathlib.Path) -> None:
    endpoint = f"127.0.0.1:{haproxy.port}"
    answers = {
        issued.names[0]: ask(endpoint, client_cert=write(tmp_path, issued)).result["endpoints"][0]
        for issued in (GOOD, REVOKED, STRANGER)
    }
    assert {name: answer["accepted"] for name, answer in answers.items()} == {
        "good": True,
        "revoked": False,
        "stranger": False,
    }
    assert all(answer["trusted"] for answer in answers.values()), answers
    assert answers["good"]["error"] is None
    assert "certificate_revoked" in answers["revoked"]["error"]
    assert "unknown_ca" in answers["stranger"]["error"]
    assert "accepted" not in ask(endpoint).result["endpoints"][0]


def test_servers_that_want_none_or_are_not_trusted(haproxy: HaproxyInstance, tmp_path: pathlib.Path) -> None:
    endpoint, good = f"127.0.0.1:{haproxy.ports[1]}", write(tmp_path, GOOD)
    assert ask(endpoint, client_cert=good).result["endpoints"][0]["accepted"]
    other = pki.CertificateAuthority("Other CA").certificate_pem
    answer = ask(f"127.0.0.1:{haproxy.port}", client_cert=good, trust_anchors=other).result["endpoints"][0]
    assert (answer["accepted"], answer["trusted"], answer["reachable"]) == (False, False, True)


def test_files_that_cannot_be_used(tmp_path: pathlib.Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text(GOOD.certificate_pem)
    key.write_text(REVOKED.private_key_pem)
    for args in ({"client_cert": cert, "client_key": key}, {"client_cert": tmp_path / "none"}):
        run = ask("127.0.0.1:1", **args)
        assert run.failed
        assert "belong together" in run.result["msg"]
    encrypted = CA.issue("locked", passphrase=b"secret")
    run = ask("127.0.0.1:1", client_cert=write(tmp_path, encrypted))
    assert run.failed
    assert "without client_cert" in ask("127.0.0.1:1", client_key=key).result["msg"]
