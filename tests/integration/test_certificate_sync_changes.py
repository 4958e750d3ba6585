# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A renewal that takes something away is not deployed unless that is allowed."""

from __future__ import annotations

import datetime
import pathlib

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, problem_codes
from cryptography.x509.oid import ExtendedKeyUsageOID

DAY = datetime.timedelta(days=1)
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
NAMES = ("a.example.com", "www.a.example.com")


def renewals(authority: CertificateAuthority) -> dict[str, IssuedCertificate]:
    other = CertificateAuthority("Other Intermediate", parent=authority.parent)
    return {
        "san_dropped": authority.issue(NAMES[:1], usages=BOTH),
        "issuer_changed": other.issue(NAMES, usages=BOTH),
        "key_type_changed": authority.issue(NAMES, usages=BOTH, key_type="rsa2048"),
        "eku_lost": authority.issue(NAMES),
        "chain_dropped": authority.issue(NAMES, usages=BOTH).replace(chain_pem=""),
        "expires_earlier": authority.issue(NAMES, usages=BOTH, not_after=pki.now() + 30 * DAY),
    }


def served(target: SyncTarget) -> list[str]:
    return list(target.fingerprints().values())


@pytest.fixture
def deployed(aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority) -> IssuedCertificate:
    issued = intermediate.issue(NAMES, usages=BOTH)
    aws.put_secret("a", issued.secret_document())
    assert actions(target.sync(names=["a"])) == {"a": "created"}
    return issued


def test_each_change_is_refused_until_it_is_allowed(aws, target, intermediate, deployed):
    for code, renewed in renewals(intermediate).items():
        aws.put_secret("a", renewed.secret_document())
        before = target.snapshot()
        runs = [target.sync(names=["a"], check=check) for check in (True, False, True, False)]
        for run in runs:
            assert run.failed
            assert problem_codes(run) == {"a": [code]}
            (item,) = run.result["certificates"]
            assert (item["action"], item["deployed_fingerprint_sha256"]) == ("refused", deployed.fingerprint_sha256)
        assert target.snapshot() == before
    # The last one, now allowed.
    target.sync_four_times(names=["a"], allow_changes=["san_dropped", "expires_earlier"])
    assert served(target) == [renewed.fingerprint_sha256]


def test_everything_may_be_allowed(aws, target, intermediate, deployed):
    other = CertificateAuthority("Other", key_type="rsa2048").issue("b.example.com", key_type="rsa2048", usages=())
    aws.put_secret("a", other.secret_document())
    assert problem_codes(target.sync(names=["a"])) == {
        "a": ["san_dropped", "issuer_changed", "key_type_changed", "chain_dropped"]
    }
    target.sync_four_times(names=["a"], allow_changes=["all"])
    assert served(target) == [other.fingerprint_sha256]


def test_a_refused_change_may_only_warn(aws, target, intermediate, deployed):
    aws.put_secret("a", intermediate.issue(NAMES[:1], usages=BOTH).secret_document())
    run = target.sync(names=["a"], on_invalid="skip")
    assert not run.failed
    assert not run.result["changed"]
    assert problem_codes(run) == {"a": ["san_dropped"]}
    assert served(target) == [deployed.fingerprint_sha256]


def test_a_kept_version_comes_back(aws, target, intermediate, deployed):
    renewed = intermediate.issue((*NAMES, "b.example.com"), usages=BOTH, not_after=pki.now() + 200 * DAY)
    for version in (renewed, deployed):
        aws.put_secret("a", version.secret_document())
        target.sync_four_times(names=["a"])
    assert served(target) == [deployed.fingerprint_sha256]


def test_a_file_that_is_gone_is_replaced(aws, target, intermediate, deployed):
    (path,) = [target.path / name for name in target.live_files()]
    pathlib.Path(path).unlink()
    renewed = intermediate.issue(NAMES[:1])
    aws.put_secret("a", renewed.secret_document())
    target.sync_four_times(names=["a"])
    assert served(target) == [renewed.fingerprint_sha256]
