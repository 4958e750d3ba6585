# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_certificate and the OCSP responses beside the certificates' files, with a real HAProxy."""

from __future__ import annotations

import datetime
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import actions, deploy, served
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response
from cryptography.hazmat.primitives import hashes

pytestmark = pytest.mark.usefixtures("haproxy_version")

NOT_USED = "Content will be ignored"


class Stapled(t.NamedTuple):
    """HAProxy serves first, with its response beside it; issuer is in the chain."""

    haproxy: HaproxyInstance
    issuer: pki.CertificateAuthority
    first: pki.IssuedCertificate

    @property
    def response(self) -> pathlib.Path:
        return self.haproxy.certs_dir / "a.pem.ocsp"

    def renew(self) -> tuple[pki.IssuedCertificate, dict[str, str]]:
        renewed = self.issuer.issue("a.example.com")
        return renewed, {"src": self.haproxy.write_certificate("a.pem", renewed.combined_pem)}

    def staples(self) -> bool:
        return "Serial Number" in self.haproxy.execute("show ssl ocsp-response")


@pytest.fixture
def stapled() -> t.Iterator[Stapled]:
    issuer = pki.CertificateAuthority("Issuing CA", parent=pki.CertificateAuthority())
    first = issuer.issue("a.example.com")
    files = {"a.pem": first.combined_pem, "a.pem.ocsp": ocsp_response(issuer, first)}
    with HaproxyInstance(files) as haproxy:
        made = Stapled(haproxy, issuer, first)
        assert made.staples()
        yield made


def test_stale_response_check_run_check_run(stapled: Stapled) -> None:
    renewed, item = stapled.renew()
    path = str(stapled.response)
    check = deploy(stapled.haproxy, item, check=True, diff=True)
    assert check.result["certificates"][0]["removed_ocsp"] == path
    assert stapled.response.exists()
    run = deploy(stapled.haproxy, item, diff=True)
    assert (actions(run), run.result["certificates"][0]["removed_ocsp"]) == (["updated"], path)
    assert run.result["diff"] == check.result["diff"]
    serial = f"{stapled.first.certificate.serial_number:x}"
    assert [number.lstrip("0") for number in run.result["diff"]["before"][path]["serial_numbers"]] == [serial]
    assert not stapled.response.exists()
    for again in (deploy(stapled.haproxy, item, check=True), deploy(stapled.haproxy, item)):
        assert not again.result["changed"]
        assert again.result["certificates"][0]["removed_ocsp"] is None
    # The reload finds nothing to complain about.
    assert stapled.haproxy.reload()
    assert NOT_USED not in stapled.haproxy.log
    assert served(stapled.haproxy, "a.example.com") == renewed.fingerprint_sha256


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()], ids=lambda one: one.name)
def test_response_for_the_new_certificate_stays(stapled: Stapled, algorithm: hashes.HashAlgorithm) -> None:
    renewed, item = stapled.renew()
    stapled.response.write_bytes(ocsp_response(stapled.issuer, renewed, algorithm=algorithm))
    run = deploy(stapled.haproxy, item)
    assert (actions(run), run.result["certificates"][0]["removed_ocsp"]) == (["updated"], None)
    assert stapled.response.exists()
    if algorithm.name == "sha1":  # the only one that HAProxy knows
        assert stapled.haproxy.reload()
        assert stapled.staples()


def test_stale_response_is_removed_even_when_memory_is_right(stapled: Stapled) -> None:
    """A run that was killed in between converges."""
    renewed, item = stapled.renew()
    assert actions(deploy(stapled.haproxy, {"name": item["src"], "content": renewed.combined_pem})) == ["updated"]
    assert stapled.response.exists()
    run = deploy(stapled.haproxy, item)
    assert (actions(run), run.result["changed"]) == (["unchanged"], True)
    assert not stapled.response.exists()


def test_files_that_are_not_stale(stapled: Stapled) -> None:
    renewed, item = stapled.renew()
    yesterday = pki.now() - datetime.timedelta(minutes=1)
    for content in (b"", b"garbage", ocsp_response(stapled.issuer, renewed, next_update=yesterday)):
        stapled.response.write_bytes(content)
        run = deploy(stapled.haproxy, item)
        assert not run.failed, run.output
        assert stapled.response.read_bytes() == content
    # The same serial number from another authority is another certificate.
    other = pki.CertificateAuthority("Other CA")
    same_number = other.issue("a.example.com", serial_number=renewed.certificate.serial_number)
    stapled.response.write_bytes(ocsp_response(other, same_number))
    assert deploy(stapled.haproxy, item).result["changed"]
    assert not stapled.response.exists()


@pytest.mark.installed_haproxy
def test_stale_response_may_stay(stapled: Stapled) -> None:
    _renewed, item = stapled.renew()
    run = deploy(stapled.haproxy, item, remove_stale_ocsp=False)
    assert (actions(run), run.result["certificates"][0]["removed_ocsp"]) == (["updated"], None)
    assert stapled.response.exists()


def test_without_ocsp_nothing_is_said(stapled: Stapled) -> None:
    """No OCSP URI in the certificate and no response: that is how most are today."""
    stapled.response.unlink()
    _renewed, item = stapled.renew()
    run = deploy(stapled.haproxy, item)
    assert actions(run) == ["updated"]
    assert not run.result.get("warnings")
    assert run.result["certificates"][0]["message"] is None
