# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An authority to import: one certificate and its key."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.issue import issue_authority
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import key_pem, quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Subject
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.present import authority_to_import
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)


def authority(name):
    """Certificate and key, as PEM."""
    key = quick_key(KeySpec("ec", 256))
    certificate = issue_authority(key, Subject(name).name(), datetime.timedelta(days=1), AT)
    return certificate.pem.decode(), key_pem(key)


def test_one_authority_is_imported():
    certificate, key = authority("one")
    issuer = authority_to_import(certificate + key, ProcessOpener())
    assert (issuer.certificate.pem.decode(), key_pem(issuer.key)) == (certificate, key)


def test_more_than_one_authority_is_refused():
    (one, key), (two, _key) = authority("one"), authority("two")
    with pytest.raises(RotationError) as raised:
        authority_to_import(one + key + two, ProcessOpener())
    assert raised.value.message.startswith("import_from: 'CN=two,O=Joblet,L=Los Angeles,ST=CA,C=US' (")
    assert "Give one authority" in raised.value.message
