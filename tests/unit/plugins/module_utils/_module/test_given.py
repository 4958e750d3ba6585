# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task brings along as a certificate, its key and its chain, in one or several options."""

from __future__ import annotations

import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._module.given import GIVEN_OPTIONS, given_content
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.content import parsed

AUTHORITY = pki.CertificateAuthority("Intermediate", parent=pki.CertificateAuthority("Root"))
OLD, NEW = AUTHORITY.issue("a.example.com"), AUTHORITY.issue("a.example.com")


def _content(**options: str) -> str | bytes:
    return given_content({**dict.fromkeys(GIVEN_OPTIONS), **options})


def test_a_document_alone_stays_as_it_is() -> None:
    assert _content(certificate=OLD.secret_string()) == OLD.secret_string()


def test_options_replace_the_fields_of_a_document() -> None:
    document = {**OLD.secret_document(), "certificate": NEW.certificate_pem, "domain_name": "a.example.com"}
    content = _content(certificate=json.dumps(document), private_key=NEW.private_key_pem)
    assert json.loads(content) == {**document, "private_key": NEW.private_key_pem}
    assert parsed(content).private_key_pem == NEW.private_key_pem.encode()


def test_a_document_without_a_certificate_is_told_so() -> None:
    with pytest.raises(MaterialError) as failure:
        parsed(_content(certificate='{"private_key": "x"}', private_key=NEW.private_key_pem))
    assert failure.value.problem.code == "field_missing"


@pytest.mark.parametrize("text", ['{"certificate": ', "{}" * 2, "[" * 100_000], ids=["cut", "two", "deep"])
def test_text_that_only_looks_like_a_document(text: str) -> None:
    with pytest.raises(MaterialError):
        parsed(_content(certificate=text, private_key=NEW.private_key_pem))
