# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_certificate where the disk does not let it do what it wants."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.content import parse_content
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.parsing import StoredCertificate
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.activate import CertificateRun
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.memory_items import MemoryItem
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.certificates import CertificateMemory
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import RuntimeApi
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response


class UpToDateMemory(CertificateMemory):
    """Holds one certificate."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__(RuntimeApi("/nowhere"))
        self._path = path

    def list_names(self) -> tuple[str | None, list[str]]:
        return None, [str(self._path)]

    def describe(self, name: str) -> StoredCertificate:
        content = parse_content(self._path.read_text())
        dates = f"{content.leaf.not_before:%Y-%m-%dT%H:%M:%SZ}", content.not_after
        return StoredCertificate(name, "Used", content.leaf.serial_number, content.fingerprint_sha1, *dates)


def test_stale_response_that_cannot_be_removed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does no harm, so the certificate is not a failure."""
    authority = pki.CertificateAuthority()
    path = tmp_path / "a.pem"
    path.write_text(authority.issue("a.example.com").combined_pem)
    (tmp_path / "a.pem.ocsp").write_bytes(ocsp_response(authority, authority.issue("a.example.com")))

    def refuse(_path: str, **_directory: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", refuse)
    wanted = MemoryItem(str(path), "present", str(path), None, None, force=False)
    run = CertificateRun(UpToDateMemory(path), "2.6.12", remove_stale_ocsp=True, check_mode=False)
    (outcome,) = run.apply([wanted])
    assert (outcome.action, outcome.changed, outcome.removed_ocsp) == ("unchanged", False, None)
    assert outcome.warning is not None
    assert "Operation not permitted" in outcome.warning
