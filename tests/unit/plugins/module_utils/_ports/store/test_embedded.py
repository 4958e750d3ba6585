# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An authority of one host alone may be one that others have made, with those above it in the same file."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.material import Identity
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import (
    Certificate,
    load_certificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.embedded import EmbeddedAuthority
from ansible_collections.certops.rotation.tests.support import pki
from cryptography.hazmat.primitives.serialization import Encoding

ROOT = pki.CertificateAuthority("Root")
MIDDLE = pki.CertificateAuthority("Middle", parent=ROOT)


def facts(authority: pki.CertificateAuthority) -> Certificate:
    return load_certificate(authority.certificate.public_bytes(Encoding.DER))


def test_those_above_are_written_and_read(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o700)
    embedded = EmbeddedAuthority(str(tmp_path))
    embedded.write(Identity(facts(MIDDLE), MIDDLE.key, (facts(ROOT),)), {})
    file = tmp_path / "embedded" / "ca.pem"
    assert file.read_text() == MIDDLE.certificate_pem + ROOT.certificate_pem + pki.private_key_pem(MIDDLE.key)
    found = embedded.authority()
    assert found is not None
    assert found.path == (facts(MIDDLE), facts(ROOT))
    assert embedded.read([])[0] == found


@pytest.mark.parametrize("given", [[ROOT, MIDDLE], [MIDDLE, ROOT, pki.CertificateAuthority("Other")], []])
def test_another_order_and_strangers_are_told(tmp_path: pathlib.Path, given: list[pki.CertificateAuthority]) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "embedded").mkdir(mode=0o700)
    text = "".join(each.certificate_pem for each in given) + pki.private_key_pem(MIDDLE.key)
    (tmp_path / "embedded" / "ca.pem").write_text(text)
    embedded = EmbeddedAuthority(str(tmp_path))
    assert embedded.authority() is None
    with pytest.raises(RotationError, match="with those from it to its root, and its key"):
        embedded.read([])
