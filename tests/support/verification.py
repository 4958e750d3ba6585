# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and judgements for the tests of verification."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import (
    PROBLEM_CODES,
    Problem,
)
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.content import judged, parsed

NOW = pki.now()
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)
SECOND = datetime.timedelta(seconds=1)
ROOT = pki.CertificateAuthority("Root")
UPPER = pki.CertificateAuthority("Upper", parent=ROOT)
LOWER = pki.CertificateAuthority("Lower", parent=UPPER)
OTHER_ROOT = pki.CertificateAuthority("Other Root")
ISSUED = LOWER.issue(["a.example.com", "*.b.example.com", "192.0.2.1"])


def verify(
    content: str | bytes | pki.IssuedCertificate, *, at: datetime.datetime = NOW, **policy: t.Any
) -> tuple[CertificateBundle | None, list[Problem]]:
    if isinstance(content, pki.IssuedCertificate):
        content = content.secret_string()
    bundle, problems = judged(parsed(content), at=at, **policy)
    for problem in problems:
        assert problem.code in PROBLEM_CODES
        assert problem.message.endswith(".")
        secrets_scan.assert_no_private_key(problem.message)
    assert (bundle is None) == any(problem.severity == "error" for problem in problems)
    return bundle, problems


def found(content: str | bytes | pki.IssuedCertificate, **options: t.Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.severity) for problem in verify(content, **options)[1]]


def accepted(content: str | bytes | pki.IssuedCertificate, **options: t.Any) -> CertificateBundle:
    bundle, problems = verify(content, **options)
    assert bundle is not None, problems
    return bundle


def chain_of(bundle: CertificateBundle) -> list[str]:
    return [certificate.pem.decode() for certificate in bundle.intermediates]
