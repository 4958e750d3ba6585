# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains in documents: several certificates in one text, what nobody can read, and fields that nobody knows."""

from __future__ import annotations

import functools
import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.fields import FieldMap
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import encode_pem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.content import parsed
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from .test_document_fields import (
    CERT,
    CHAIN,
    ISSUED,
    JOINED,
    KEY,
    LOWER,
    OTHER,
    PAIR,
    ROOT,
    STRANGER,
    UPPER,
    WHOLE,
    b64,
    der,
    read,
    refused,
)

# Several in one text


def lines(content: bytes, width: int = 64) -> str:
    text = b64(content)
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))


ENCODINGS: dict[str, t.Callable[[bytes], str]] = {
    "base64": b64,
    "unpadded": lambda content: b64(content).rstrip("="),
    "url-safe": lambda content: b64(content).rstrip("=").translate(str.maketrans("+/", "-_")),
    "wrapped": lines,
    "pem-in-base64": lambda content: b64(encode_pem("CERTIFICATE", content)),
}


@functools.cache
def padded(count: int) -> pki.CertificateAuthority:
    """Lower, whose certificate has so many digits of padding: its end moves the next one, where it is not seen."""
    while True:
        lower = pki.CertificateAuthority("Lower", key=LOWER.key, parent=UPPER)
        if len(der(lower)) * 2 % 3 == count:
            return lower


@pytest.mark.parametrize("between", [",", ", ", ";", " ", "\n", "\r\n\r\n", "|", "', '", '","', ",\n"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_several_in_one_text_are_read_whatever_is_between_them(encoding: str, between: str) -> None:
    encode = ENCODINGS[encoding]
    for lower in map(padded, range(3)):
        if encoding == "wrapped" and not (between.strip() or b64(der(lower)).endswith("=")):
            continue
        text = between.join((encode(der(lower)), encode(der(UPPER))))
        for field, value in (("x5c", text), ("chain", f"{text}\n"), ("ca_chain", f"['{text}']")):
            material = parsed(json.dumps({**PAIR, field: value}))
            assert [each.name for each in material.certificates] == WHOLE
        material = parsed(json.dumps({"certificate": between.join((encode(der(ISSUED)), text)), "private_key": KEY}))
        assert [each.name for each in material.certificates] == WHOLE


def test_several_without_padding_whose_lines_hide_where_they_end() -> None:
    """Either all is read, or the field is named."""
    for lower in map(padded, range(3)):
        text = "\n".join(lines(der(each)).rstrip("=") for each in (lower, UPPER))
        try:
            result = ", ".join(each.name for each in parsed(json.dumps({**PAIR, "x5c": text})).certificates)
        except MaterialError as exc:
            result = exc.problem.message
        assert result == ", ".join(WHOLE) or "The field 'x5c' holds something that is neither" in result


DER64 = b64(der(UPPER))


@pytest.mark.parametrize(
    "field", ["x5c", "ca.crt", "issuing_ca", "bundle", "chain", "certificate_chain", "cert", "pem"]
)
@pytest.mark.parametrize(
    "text",
    [
        f"{DER64[:300]},{DER64}",
        f"{DER64},{DER64[:300]}",
        f"{DER64}!{DER64}",
        f"x{DER64}!",
        f"{DER64[:200]}...",
        b64(der(UPPER) + b"and the rest"),
        f"{UPPER.certificate_pem}{DER64}",
        f"{DER64}\n{UPPER.certificate_pem}",
        UPPER.certificate_pem.replace("-----", "----"),
        der(UPPER).hex(),
        [CHAIN[1], f"{DER64}!"],
        [CHAIN[1], f"{lines(der(UPPER))}!"],
    ],
)
def test_what_a_known_field_has_and_nobody_can_read_is_an_error(field: str, text: t.Any) -> None:
    code, message = refused({**PAIR, field: text})
    assert (code, f"he field '{field}'" in message) == ("pem_invalid", True), (code, message)


def test_what_nobody_can_read_within_the_chain() -> None:
    code, message = refused({**PAIR, "chain": [{"text": f"{DER64}!"}]})
    assert (code, "The field 'chain[0].text' holds something" in message) == ("pem_invalid", True)
    assert read({**PAIR, "chain": [*CHAIN, ROOT.certificate_pem], "ca": f"{DER64}!"}) == (WHOLE, ["root_dropped"])


@pytest.mark.parametrize("field", ["issuer", "ca", "bundle", "cert", "root"])
@pytest.mark.parametrize(
    "text",
    [
        "C = US, ST = Arizona, O = Starfield Technologies, Inc., CN = Starfield Secure Certificate Authority - G2",
        "https://acme-v02.api.letsencrypt.org/directory/of/a/very/long/path/that/nobody/would/call/a/certificate",
        "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/12345678-1234-1234-1234-123456789012",
        "/etc/pki/ca-trust/extracted/pem/directory-hash/with-a-name/that-is-rather-long/tls-ca-bundle",
        "a" * 128,
        "MIT License",
    ],
)
def test_what_a_known_field_has_that_is_no_certificate(field: str, text: str) -> None:
    assert read({**PAIR, "chain": CHAIN, field: text}) == (WHOLE, [])
    assert read({**PAIR, "chain": CHAIN, "key": f"{DER64}!"}) == (WHOLE, [])


# What belongs to the chain and is somewhere else


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("zwischen", JOINED, "'zwischen'"),
        ("zwischen", b64(JOINED), "'zwischen'"),
        ("zwischen", JOINED.splitlines(), "'zwischen'"),
        ("zwischen", [{"der": b64(der(LOWER))}], "'zwischen[0].der'"),
        ("zwischen", {"a": {"b": JOINED}}, "'zwischen.a.b'"),
        ("zwischen", b64(pkcs7.serialize_certificates([LOWER.certificate], Encoding.DER)), "'zwischen'"),
        ("zwischen", CHAIN[0].replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "'zwischen'"),
        ("description", JOINED, "'description'"),
        ("domain", JOINED, "'domain'"),
        ("chain", [[CHAIN[0]]], "'chain[0]'"),
        (KEY, JOINED, "whose name is not shown"),
        ("-----BEGIN\x1b[2J", JOINED, "whose name is not shown"),
        ("x" * 41, JOINED, "whose name is not shown"),
        ("", JOINED, "whose name is not shown"),
    ],
)
def test_a_chain_in_a_field_that_nobody_knows(field: str, value: t.Any, shown: str) -> None:
    code, message = refused({**PAIR, field: value})
    assert code == "field_unknown"
    assert shown in message
    assert "BEGIN" not in message


def test_the_upper_part_of_a_chain_in_a_field_that_nobody_knows() -> None:
    assert refused({**PAIR, "chain": CHAIN[0], "more": CHAIN[1]})[0] == "field_unknown"
    assert refused({**PAIR, "issuing_ca": CHAIN[0], "more": CHAIN[1]})[0] == "field_unknown"


@pytest.mark.parametrize(
    "value",
    [
        ROOT.certificate_pem,
        OTHER.certificate_pem,
        OTHER.private_key_pem,
        STRANGER.certificate_pem,
        CERT,
        CHAIN[0],
        CHAIN[0][:300],
        "x" * 100,
        b64(b"x" * 100),
        [{"a": 1}, None, True, 1.5],
    ],
)
def test_what_does_not_belong_to_the_chain_may_lie_anywhere(value: t.Any) -> None:
    assert read({**PAIR, "certificate_chain": JOINED, "notes": value}) == (WHOLE, [])


def test_of_authorities_those_are_meant_that_belong_to_the_certificate() -> None:
    ca = STRANGER.certificate_pem + STRANGER.root_pem + JOINED + ROOT.certificate_pem
    assert read({**PAIR, "ca.crt": ca}) == (WHOLE, [])
    assert read({**PAIR, "certificate_chain": JOINED, "ca.crt": STRANGER.certificate_pem}) == (WHOLE, [])
    assert read({**PAIR, "certificate_chain": JOINED, "ca": "letsencrypt", "issuer": {"name": "x"}}) == (WHOLE, [])


BROKEN = encode_pem("CERTIFICATE", der(LOWER)[:-100]).decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ca_chain", [CHAIN[0][:300]]),
        ("ca_chain", [CHAIN[0], CHAIN[1][:300]]),
        ("issuing_ca", CHAIN[0].replace("M", "-", 1)),
        ("ca.crt", b64(BROKEN + CHAIN[1])),
        ("bundle", BROKEN.replace("CERTIFICATE", "TRUSTED CERTIFICATE")),
    ],
)
def test_what_is_damaged_may_be_the_chain(field: str, value: t.Any) -> None:
    code, message = refused({**PAIR, field: value})
    assert (code[-8:], f"The field '{field}': " in message) == ("_invalid", True), (code, message)
    whole = {**PAIR, "chain": [*CHAIN, ROOT.certificate_pem], field: value}
    assert read(whole) == (WHOLE, ["root_dropped"])


def test_a_damaged_authority_beside_the_chain_and_its_root() -> None:
    assert read({**PAIR, "ca.crt": BROKEN + JOINED + ROOT.certificate_pem}) == (WHOLE, [])


def test_an_expression_for_the_chain_decides_what_it_is() -> None:
    document = {**PAIR, "short": CHAIN[0], "long": CHAIN}
    assert read(document, fields=FieldMap({"certificate_chain": "short"}))[0] == WHOLE[:2]
    assert read(document, fields=FieldMap({"certificate_chain": "long"}))[0] == WHOLE
    code, message = refused({**PAIR, "chain": CHAIN}, fields=FieldMap({"certificate_chain": "nothing"}))
    assert (code, "'chain'" in message) == ("field_unknown", True)


def test_many_certificates_of_one_name_take_no_time() -> None:
    twins = "".join(pki.CertificateAuthority("Lower", parent=UPPER).certificate_pem for _number in range(60))
    assert read({**PAIR, "chain": CHAIN, "ca": twins * 30}) == (WHOLE, [])
