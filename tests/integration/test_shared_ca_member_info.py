# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member_info on files of a host."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.tests.support import module, pki
from cryptography.hazmat.primitives import hashes


def test_what_is_there_and_nothing(tmp_path: pathlib.Path) -> None:
    old, new = pki.CertificateAuthority("CA"), pki.CertificateAuthority("CA")
    server = new.issue("joblet")
    (tmp_path / "ca.pem").write_text(old.certificate_pem)
    (tmp_path / "server-cert.pem").write_text(server.certificate_pem)
    (tmp_path / "server-key.pem").write_text(server.private_key_pem)
    for check in (True, False):
        run = module.run_module("shared_ca_member_info", {"path": str(tmp_path)}, check=check)
        assert not run.failed, run.output
        assert not run.result["changed"]
        assert run.result["trusted_fingerprints"] == [old.certificate.fingerprint(hashes.SHA256()).hex()]
        assert run.result["server"]["fingerprint_sha256"] == server.fingerprint_sha256
        assert run.result["server"]["issuer_fingerprint_sha256"] is None, "of an authority that is not trusted here"
    empty = module.run_module("shared_ca_member_info", {"path": str(tmp_path / "none")}).result
    assert (empty["trusted_fingerprints"], empty["server"], empty["clients"]) == ([], None, {})
