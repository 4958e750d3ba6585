# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task brings along as a certificate, its key and its chain, in one or several options."""

from __future__ import annotations

import base64
import json
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._module.given import (
    GIVEN_OPTIONS,
    given_content,
    is_certificate_alone,
)
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.content import parsed
from cryptography.hazmat.primitives import serialization

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


def test_options_replace_the_fields_of_a_document_wherever_they_are() -> None:
    vault = {"certificate": NEW.certificate_pem, "ca_chain": [NEW.chain_pem], "serial_number": "1"}
    material = parsed(_content(certificate=json.dumps({"data": vault}), private_key=NEW.private_key_pem))
    assert material.private_key_pem == NEW.private_key_pem.encode()
    assert len(material.certificates) == 2
    document = {"crt": NEW.certificate_pem, "key": OLD.private_key_pem, "privkey": OLD.private_key_pem, "chain": "x"}
    content = _content(
        certificate=json.dumps(document), private_key=NEW.private_key_pem, certificate_chain=NEW.chain_pem
    )
    material = parsed(content)
    assert material.private_key_pem == NEW.private_key_pem.encode()
    assert len(material.certificates) == 2


DER = serialization.Encoding.DER
DER_KEY = NEW.private_key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
DER_CERTIFICATE, DER_CHAIN = NEW.certificate.public_bytes(DER), AUTHORITY.certificate.public_bytes(DER)


def _assert_whole(content: str | bytes) -> None:
    material = parsed(content)
    assert [each.der for each in material.certificates] == [DER_CERTIFICATE, DER_CHAIN]
    assert material.private_key_pem == NEW.private_key_pem.encode()


def test_files_in_der(tmp_path: pathlib.Path) -> None:
    for name, content in {"cert": DER_CERTIFICATE, "key": DER_KEY, "chain": DER_CHAIN}.items():
        (tmp_path / name).write_bytes(content)
    cert, key, chain = (str(tmp_path / name) for name in ("cert", "key", "chain"))
    _assert_whole(_content(certificate_src=cert, private_key_src=key, certificate_chain_src=chain))
    _assert_whole(_content(certificate_src=cert, private_key=NEW.private_key_pem, certificate_chain=NEW.chain_pem))
    _assert_whole(_content(certificate=NEW.certificate_pem + NEW.private_key_pem, certificate_chain_src=chain))
    (tmp_path / "all").write_bytes(DER_CERTIFICATE + DER_CHAIN + DER_KEY)
    _assert_whole(_content(certificate_src=str(tmp_path / "all")))


def test_base64_of_der_in_options() -> None:
    cert, key, chain = (base64.b64encode(each).decode() for each in (DER_CERTIFICATE, DER_KEY, DER_CHAIN))
    _assert_whole(_content(certificate=cert, private_key=key, certificate_chain=chain))
    _assert_whole(_content(certificate=NEW.certificate_pem + NEW.private_key_pem, certificate_chain=chain))


def test_pkcs12_beside_other_parts_is_refused(tmp_path: pathlib.Path) -> None:
    container = NEW.pkcs12()
    (tmp_path / "p12").write_bytes(container)
    for given in (
        {"certificate_src": str(tmp_path / "p12")},
        {"certificate": base64.b64encode(container).decode()},
    ):
        with pytest.raises(InvalidOption, match="and nothing else"):
            _content(**given, certificate_chain=NEW.chain_pem)
    assert _content(certificate_src=str(tmp_path / "p12")) == container


@pytest.mark.parametrize("between", ["", "\n", "\r\n "])
def test_what_is_certificates_and_nothing_else(between: str) -> None:
    assert is_certificate_alone(between.join([NEW.certificate_pem, NEW.chain_pem]))
    key = base64.b64encode(DER_KEY).decode()
    for more in (NEW.private_key_pem, key, base64.b64encode(NEW.private_key_pem.encode()).decode(), "x"):
        assert not is_certificate_alone(between.join([NEW.certificate_pem, more]))
    for other in ("", key, NEW.secret_string(), NEW.certificate_pem[:-30], base64.b64encode(DER_CERTIFICATE).decode()):
        assert not is_certificate_alone(other)
