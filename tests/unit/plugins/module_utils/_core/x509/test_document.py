# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.fields import FieldMap
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.content import parsed
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import example, given, settings
from hypothesis import strategies as st

ROOT = pki.CertificateAuthority("Root")
INTERMEDIATE = pki.CertificateAuthority("Intermediate", parent=ROOT)
ISSUED = INTERMEDIATE.issue(["a.example.com"])
OTHER = INTERMEDIATE.issue(["b.example.com"])


def refused(value: str | bytes, **options: t.Any) -> tuple[str, str]:
    """The code and the message of the refusal."""
    with pytest.raises(MaterialError) as raised:
        parsed(value, **options)
    assert raised.value.problem.severity == "error"
    secrets_scan.assert_no_private_key(raised.value.message)
    return raised.value.problem.code, raised.value.message


def pems(value: str | bytes, **options: t.Any) -> list[str]:
    return [certificate.pem.decode() for certificate in parsed(value, **options).certificates]


# JSON


def test_the_document() -> None:
    material = parsed(ISSUED.secret_string(description="shop"))
    assert [certificate.pem.decode() for certificate in material.certificates] == [
        ISSUED.certificate_pem,
        INTERMEDIATE.certificate_pem,
    ]
    assert material.declared_leaf == 0
    assert material.private_key_pem.decode() == ISSUED.private_key_pem
    assert material.private_key.public_key() == ISSUED.private_key.public_key()
    assert (material.domain_name, material.description) == ("a.example.com", "shop")


def test_the_key_is_not_in_the_representation() -> None:
    material = parsed(ISSUED.secret_string())
    assert "private_key" not in repr(material)
    secrets_scan.assert_no_private_key(repr(material))


@pytest.mark.parametrize("absent", [None, "", " \n", []])
@pytest.mark.parametrize("field", ["certificate_chain", "domain_name", "description"])
def test_optional_fields_may_be_absent_or_empty(field: str, absent: t.Any) -> None:
    material = parsed(json.dumps({**ISSUED.secret_document(), field: absent}))
    assert material.certificates[0].pem.decode() == ISSUED.certificate_pem
    if field != "certificate_chain":
        assert getattr(material, field) is None


@pytest.mark.parametrize("wrapped", ["\ufeff{}", "\r\n {}", "{}\n"])
def test_documents_with_decoration(wrapped: str) -> None:
    assert len(pems(wrapped.replace("{}", ISSUED.secret_string()))) == 2
    assert len(pems(wrapped.replace("{}", ISSUED.secret_string()).encode())) == 2


def test_line_ends_inside_json_strings() -> None:
    assert len(pems(ISSUED.secret_string().replace("\\n", "\n"))) == 2


def test_newlines_escaped_twice() -> None:
    assert len(pems(ISSUED.secret_string().replace("\\n", "\\\\n"))) == 2


@pytest.mark.parametrize("field", ["certificate", "private_key"])
@pytest.mark.parametrize("absent", [None, "", "  "])
def test_needed_fields(field: str, absent: t.Any) -> None:
    code, message = refused(ISSUED.secret_string(**{field: absent}))
    assert code == "field_missing"
    assert f"'{field}'" in message


@pytest.mark.parametrize("value", [1, True, {"pem": "x"}, [1], [["x"]]])
@pytest.mark.parametrize("field", ["certificate", "private_key", "certificate_chain", "domain_name"])
def test_fields_that_are_not_text(field: str, value: t.Any) -> None:
    code, message = refused(ISSUED.secret_string(**{field: value}))
    assert code == "field_invalid"
    assert f"'{field}'" in message


def test_fields_may_be_lists_of_text() -> None:
    chain = [INTERMEDIATE.certificate_pem.strip(), ROOT.certificate_pem.strip()]
    assert len(pems(ISSUED.secret_string(certificate_chain=chain))) == 3


@pytest.mark.parametrize("field", ["certificate", "private_key", "certificate_chain"])
def test_a_damaged_field_is_named(field: str) -> None:
    code, message = refused(ISSUED.secret_string(**{field: getattr(ISSUED, _ATTRIBUTES[field])[:90]}))
    assert code == "pem_invalid"
    assert f"The field '{field}'" in message
    code, message = refused(ISSUED.secret_string(**{field: "to be filled in"}))
    assert code == "pem_invalid"
    assert f"'{field}'" in message


_ATTRIBUTES = {"certificate": "certificate_pem", "private_key": "private_key_pem", "certificate_chain": "chain_pem"}


def test_a_full_chain_in_the_certificate_field_declares_no_leaf() -> None:
    material = parsed(ISSUED.secret_string(certificate=ISSUED.chain_pem + ISSUED.certificate_pem))
    assert material.declared_leaf is None
    assert len(material.certificates) == 3


def test_certificate_and_key_exchanged() -> None:
    material = parsed(ISSUED.secret_string(certificate=ISSUED.private_key_pem, private_key=ISSUED.certificate_pem))
    assert material.private_key_pem.decode() == ISSUED.private_key_pem


@pytest.mark.parametrize("text", ['{"certificate": ', "{'certificate': 'x'}", "{}}", "{" * 100_000, '{"a": ' * 100_000])
def test_broken_json(text: str) -> None:
    code, message = refused(text)
    assert code == "document_invalid"
    assert "JSON" in message


def test_broken_json_does_not_show_the_content() -> None:
    code, _message = refused(ISSUED.secret_string()[:-2])
    assert code == "document_invalid"


# Field map


def test_nested_fields() -> None:
    document = {
        "tls": {"crt": ISSUED.certificate_pem, "keys": [{"use": "old"}, {"use": "new", "pem": ISSUED.private_key_pem}]},
        "chain": [{"pem": INTERMEDIATE.certificate_pem}],
        "domain_name": "a.example.com",
    }
    fields = FieldMap(
        {"certificate": "tls.crt", "private_key": "tls.keys[?use=='new'].pem | [0]", "certificate_chain": "chain[].pem"}
    )
    material = parsed(json.dumps(document), fields=fields)
    assert len(material.certificates) == 2
    assert material.domain_name == "a.example.com"
    assert material.private_key_pem.decode() == ISSUED.private_key_pem


def test_a_document_that_is_a_list() -> None:
    fields = FieldMap({"certificate": "[0]", "private_key": "[1]"})
    assert pems(json.dumps([ISSUED.certificate_pem, ISSUED.private_key_pem]), fields=fields) == [ISSUED.certificate_pem]
    assert refused(json.dumps(["x"]))[0] == "document_invalid"


def test_an_expression_that_finds_nothing() -> None:
    code, message = refused(ISSUED.secret_string(), fields=FieldMap({"certificate": "tls.crt"}))
    assert code == "field_missing"
    assert "JMESPath" in message


def test_an_expression_that_does_not_fit_the_document() -> None:
    code, message = refused(ISSUED.secret_string(), fields=FieldMap({"private_key": "abs(private_key)"}))
    assert code == "field_invalid"
    assert "'private_key'" in message


@pytest.mark.parametrize("expression", ["tls.", "[?", "", "a b", "nosuch(@"])
def test_bad_expressions_are_refused_with_their_field(expression: str) -> None:
    with pytest.raises(InvalidOption, match="'private_key'"):
        FieldMap({"private_key": expression})


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(InvalidOption, match="Unknown field 'key'"):
        FieldMap({"key": "a"})


def test_jmespath_is_needed_only_for_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jmespath", None)
    assert parsed(ISSUED.secret_string(), fields=FieldMap({}))
    with pytest.raises(InvalidOption, match="package jmespath"):
        FieldMap({"certificate": "a"})


# PEM


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_bundles_in_any_order(order: tuple[int, ...]) -> None:
    parts = (ISSUED.certificate_pem, ISSUED.chain_pem, ISSUED.private_key_pem)
    material = parsed("".join(parts[index] for index in order))
    assert {certificate.pem.decode() for certificate in material.certificates} == set(parts[:2])
    assert material.private_key_pem.decode() == ISSUED.private_key_pem
    assert (material.declared_leaf, material.domain_name, material.description) == (None, None, None)


def test_a_bundle_in_binary() -> None:
    assert len(pems(ISSUED.combined_pem.encode())) == 2
    assert len(pems(ISSUED.combined_pem.encode("utf-16"))) == 2


def test_other_blocks_are_ignored() -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert len(pems(parameters + ISSUED.combined_pem)) == 2


@pytest.mark.parametrize("label", ["TRUSTED CERTIFICATE", "PKCS7", "CMS", "OPENSSH PRIVATE KEY"])
def test_blocks_that_would_be_lost_are_refused(label: str) -> None:
    code, message = refused(f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n" + ISSUED.combined_pem)
    assert code == "pem_invalid"
    assert label in message


def test_what_is_missing() -> None:
    assert refused(ISSUED.certificate_pem)[0] == "private_key_missing"
    assert refused(ISSUED.private_key_pem)[0] == "certificate_missing"


def test_two_keys() -> None:
    assert refused(ISSUED.combined_pem + OTHER.private_key_pem)[0] == "multiple_private_keys"
    assert len(pems(ISSUED.combined_pem + ISSUED.private_key_pem)) == 2


def test_a_certificate_that_is_none() -> None:
    text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + ISSUED.private_key_pem
    assert refused(text)[0] == "certificate_invalid"


# Private keys


@pytest.mark.parametrize("key_type", ["ec", "ec384", "rsa2048"])
@pytest.mark.parametrize("key_format", ["pkcs8", "traditional"])
def test_keys_keep_their_form(key_type: pki.KeyType, key_format: pki.KeyFormat) -> None:
    issued = ROOT.issue("a.example.com", key=pki.shared_key(key_type), key_format=key_format)
    material = parsed(issued.combined_pem.replace("\n", "\r\n\r\n"))
    assert material.private_key_pem.decode() == issued.private_key_pem


@pytest.mark.parametrize("key_format", ["pkcs8", "traditional"])
@pytest.mark.parametrize("key_type", ["ec", "rsa2048"])
def test_encrypted_keys(key_type: pki.KeyType, key_format: pki.KeyFormat) -> None:
    key = pki.shared_key(key_type)
    issued = ROOT.issue("a.example.com", key=key, key_format=key_format, passphrase=b"open sesame")
    material = parsed(issued.secret_string(), passphrase=b"open sesame")
    assert material.private_key_pem.decode() == pki.private_key_pem(key)
    for passphrase, words in ((None, "give its passphrase"), (b"", "give its passphrase"), (b"x", "does not open")):
        code, message = refused(issued.secret_string(), passphrase=passphrase)
        assert code == "private_key_encrypted"
        assert words in message


def test_a_passphrase_that_is_not_needed_does_no_harm() -> None:
    assert len(pems(ISSUED.combined_pem, passphrase=b"x")) == 2


def test_damaged_keys() -> None:
    der = ISSUED.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for damaged in (der[:-20], b"\x30\x03\x02\x01\x00", b"x" * 100):
        key = "-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(damaged).decode() + "\n-----END PRIVATE KEY-----\n"
        assert refused(ISSUED.certificate_pem + key)[0] == "private_key_invalid"


# PKCS#12


@pytest.mark.parametrize("passphrase", [None, b"open sesame"])
def test_pkcs12(passphrase: bytes | None) -> None:
    data = ISSUED.pkcs12(passphrase)
    for value in (data, base64.b64encode(data), base64.encodebytes(data).decode()):
        material = parsed(value, passphrase=passphrase)
        assert {certificate.pem.decode() for certificate in material.certificates} == {
            ISSUED.certificate_pem,
            INTERMEDIATE.certificate_pem,
        }
        assert material.private_key_pem.decode() == ISSUED.private_key_pem
        assert material.declared_leaf == 0
        assert not material.ordered


def test_pkcs12_that_does_not_open() -> None:
    data = ISSUED.pkcs12(b"open sesame")
    code, message = refused(data)
    assert (code, "passphrase is missing" in message) == ("pkcs12_invalid", True)
    code, message = refused(data, passphrase=b"x")
    assert (code, "passphrase is wrong" in message) == ("pkcs12_invalid", True)
    assert refused(ISSUED.pkcs12()[:-10])[0] == "pkcs12_invalid"


def test_pkcs12_without_key_or_certificate() -> None:
    plain = serialization.NoEncryption()
    without_key = pkcs12.serialize_key_and_certificates(None, None, ISSUED.certificate, None, plain)
    assert refused(without_key)[0] == "private_key_missing"
    without_certificate = pkcs12.serialize_key_and_certificates(None, ISSUED.private_key, None, None, plain)
    assert refused(without_certificate)[0] == "certificate_missing"


# Neither


@pytest.mark.parametrize("value", ["", "  \n", b"", "hello", "null", "42", '"text"', "[]", "aGVsbG8=", b"\xff\x00\x01"])
def test_other_content(value: str | bytes) -> None:
    assert refused(value)[0] == "document_invalid"


@given(st.binary(max_size=400) | st.text(max_size=400))
@example(b"\x30\x80")
@example(b"\x30")
@example("{\ud800")
def test_any_content_is_read_or_refused(value: str | bytes) -> None:
    with contextlib.suppress(MaterialError):
        parsed(value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_any_field_is_read_or_refused(value: t.Any) -> None:
    for field in ("certificate", "private_key", "certificate_chain", "domain_name", "description"):
        with contextlib.suppress(MaterialError):
            parsed(ISSUED.secret_string(**{field: value}))


@settings(max_examples=200)
@given(st.data())
def test_mutated_content_is_read_or_refused(data: st.DataObject) -> None:
    content = data.draw(
        st.sampled_from([ISSUED.combined_pem.encode(), ISSUED.secret_string().encode(), ISSUED.pkcs12()])
    )
    position = data.draw(st.integers(0, len(content) - 1))
    replacement = data.draw(st.binary(max_size=4))
    try:
        parsed(content[:position] + replacement + content[position + len(replacement) :])
    except MaterialError as exc:
        secrets_scan.assert_no_private_key(exc.message)
