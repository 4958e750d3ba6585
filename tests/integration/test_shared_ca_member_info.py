# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member_info on files of a host."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.odd_authorities import odd_authority, odd_leaf
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
        assert run.result["server"]["refused"] is None, "nobody is asked"
    empty = module.run_module("shared_ca_member_info", {"path": str(tmp_path / "none")}).result
    assert (empty["trusted_fingerprints"], empty["server"], empty["clients"]) == ([], None, {})


def test_what_peers_with_these_files_refuse(tmp_path: pathlib.Path) -> None:
    """The successor is trusted, and OpenSSL takes the one before for the issuer of whatever it has issued."""
    old, new = odd_authority(at=pki.now(), key_identifier=None), pki.CertificateAuthority("Joblet-CA")
    server, client = new.issue("joblet"), odd_leaf(old, "client", at=pki.now(), identifying="key")
    (tmp_path / "server-cert.pem").write_text(server.certificate_pem)
    (tmp_path / "client-admin-cert.pem").write_bytes(client[0].pem)
    (tmp_path / "client-admin-key.pem").write_text(pki.private_key_pem(client[1]))
    bundle = [old.certificate.pem.decode(), new.certificate_pem]
    for has_key in (False, True):
        if has_key:
            (tmp_path / "server-key.pem").write_text(server.private_key_pem)
        for order, refused in ((bundle, "certificate signature failure"), (bundle[::-1], None)):
            (tmp_path / "ca.pem").write_text("".join(order))
            told = module.run_module("shared_ca_member_info", {"path": str(tmp_path)}).result
            assert told["server"]["issuer_fingerprint_sha256"] == new.certificate.fingerprint(hashes.SHA256()).hex()
            assert told["server"]["refused"] == (refused if has_key else None)
            assert told["clients"]["admin"]["refused"] is None
