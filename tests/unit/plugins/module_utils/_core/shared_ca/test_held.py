# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host's files hold of a shared authority."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.held import held
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.peers import why_not_believed
from ansible_collections.certops.rotation.tests.support import pki

OLD, NEW = pki.CertificateAuthority("CA"), pki.CertificateAuthority("CA")
SERVER, CLIENT = NEW.issue("joblet"), OLD.issue("admin-client", usages=())


def fingerprint(authority):
    return OLD.issue("x").replace(certificate_pem=authority.certificate_pem).fingerprint_sha256


def test_issuers_of_one_name_are_told_apart_by_their_signature():
    found = held(
        {
            "ca.pem": (OLD.certificate_pem + NEW.certificate_pem + OLD.certificate_pem).encode(),
            "server-cert.pem": SERVER.certificate_pem.encode(),
            "client-a-b-cert.pem": CLIENT.certificate_pem.encode(),
            "client-bad-cert.pem": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        }
    )
    assert [authority.fingerprint_sha256 for authority in found.trusted] == [fingerprint(OLD), fingerprint(NEW)]
    server = found.facts(found.server, "server", pki.now(), why_not_believed)
    assert server["issuer_fingerprint_sha256"] == fingerprint(NEW)
    clients = {name: found.facts(leaf, "client", pki.now(), why_not_believed) for name, leaf in found.clients.items()}
    assert {name: told["issuer_fingerprint_sha256"] for name, told in clients.items()} == {"a-b": fingerprint(OLD)}
    assert [problem.partition(":")[0] for problem in found.problems] == ["client-bad-cert.pem"]
