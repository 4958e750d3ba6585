# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another certificate in the place of the one that a document holds, and nothing else is touched."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.content import NewContent
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.merging import (
    MergedContent,
    further_fields,
    is_commented,
    left_behind,
    merged,
    stored_domain_name,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import parse_secret
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.fields import FieldMap
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.keys import canonical_key
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import parse_pem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.verify import VerificationPolicy, build_bundle
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate, now
from cryptography.hazmat.primitives import serialization

ROOT = CertificateAuthority("Test Root")
INTERMEDIATE = CertificateAuthority("Test Intermediate", parent=ROOT)
OTHER = CertificateAuthority("Other Intermediate", parent=CertificateAuthority("Other", parent=ROOT))
OLD = INTERMEDIATE.issue("www.example.com")
NEW = OTHER.issue("www.example.com")  # with two intermediates
BARE = ROOT.issue("www.example.com")  # with none
TRUST = CertificateAuthority("Clients").certificate_pem


def full(issued: IssuedCertificate) -> str:
    return issued.certificate_pem + issued.chain_pem


Value = t.Union[str, bytes]


def bundle_of(value: Value, fields: FieldMap | None = None) -> CertificateBundle:
    material = parse_secret(value, ProcessOpener(None), fields=fields)
    bundle, problems = build_bundle(material, VerificationPolicy(), at=now(), why_not_loaded=None)
    assert bundle, problems
    return bundle


def put(issued: IssuedCertificate, value: Value, fields: FieldMap | None = None, **more: t.Any) -> Value:
    """And it is read again as what was put, and put once more it changes nothing."""
    content = NewContent(bundle_of(issued.secret_string()))
    result = merged(value, MergedContent(content, **more), fields)
    assert result is not None
    assert type(result) is type(value)
    read = bundle_of(result, fields)
    assert (read.leaf, read.intermediates) == (content_of(issued).leaf, content_of(issued).intermediates)
    assert merged(result, MergedContent(content, **more), fields) == result
    return result


def content_of(issued: IssuedCertificate) -> CertificateBundle:
    return bundle_of(issued.secret_string())


def put_document(issued: IssuedCertificate, document: t.Any, **more: t.Any) -> t.Any:
    return json.loads(put(issued, json.dumps(document), **more))


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def der(pem: str) -> bytes:
    return b"".join(block.der for block in parse_pem(pem))


OWN = {
    "certificate": OLD.certificate_pem,
    "certificate_chain": OLD.chain_pem,
    "private_key": OLD.private_key_pem,
    "domain_name": "www.example.com",
}


def test_what_others_have_added_stays() -> None:
    more = {"description": 5, "owner": {"team": ["web"], "on call": None}, "trust": TRUST, "n": 1.5}
    assert put_document(NEW, {**OWN, **more}) == {
        **OWN,
        **more,
        "certificate": NEW.certificate_pem,
        "certificate_chain": NEW.chain_pem,
        "private_key": NEW.private_key_pem,
    }


def test_the_same_text_comes_back() -> None:
    """So that an earlier certificate is an earlier version."""
    first = json.dumps({**OWN, "owner": "x"}, sort_keys=True)
    assert put(OLD, put(NEW, first)) == first
    assert put(OLD, put(BARE, first)) == first


@pytest.mark.parametrize("between", [",", "; ", " ", "\n"])
def test_several_in_one_text_stay_one_text_each(between: str) -> None:
    def document(issued: IssuedCertificate) -> dict[str, str]:
        texts = [b64(block.der) for block in parse_pem(full(issued))]
        return {"cert": texts[0], "x5c": between.join(texts), "key": issued.private_key_pem}

    result = put_document(NEW, document(OLD))
    assert {**result, "x5c": result["x5c"].split(between.strip() or None)} == {
        **document(NEW),
        "x5c": document(NEW)["x5c"].split(between),
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (  # Kubernetes, with the full chain in one field and a trust anchor for others
            {"tls.crt": b64(full(OLD)), "tls.key": b64(OLD.private_key_pem), "ca.crt": b64(ROOT.certificate_pem)},
            {"tls.crt": b64(full(NEW)), "tls.key": b64(NEW.private_key_pem), "ca.crt": b64(ROOT.certificate_pem)},
        ),
        (  # the same as a manifest
            {"kind": "Secret", "data": {"tls.crt": b64(full(OLD)), "tls.key": b64(OLD.private_key_pem)}},
            {"kind": "Secret", "data": {"tls.crt": b64(full(NEW)), "tls.key": b64(NEW.private_key_pem)}},
        ),
        (  # Vault
            {
                "data": {
                    "certificate": OLD.certificate_pem,
                    "issuing_ca": INTERMEDIATE.certificate_pem,
                    "ca_chain": [INTERMEDIATE.certificate_pem, ROOT.certificate_pem],
                    "private_key": OLD.private_key_pem,
                },
                "lease_id": "",
            },
            {
                "data": {
                    "certificate": NEW.certificate_pem,
                    "issuing_ca": OTHER.certificate_pem,
                    "ca_chain": [
                        OTHER.certificate_pem,
                        OTHER.parent.certificate_pem if OTHER.parent else "",
                        ROOT.certificate_pem,
                    ],
                    "private_key": NEW.private_key_pem,
                },
                "lease_id": "",
            },
        ),
        (  # ACM
            {"Certificate": OLD.certificate_pem, "CertificateChain": OLD.chain_pem, "PrivateKey": OLD.private_key_pem},
            {"Certificate": NEW.certificate_pem, "CertificateChain": NEW.chain_pem, "PrivateKey": NEW.private_key_pem},
        ),
        (  # the same thing twice
            {
                "cert": OLD.certificate_pem,
                "chain": OLD.chain_pem,
                "fullchain": full(OLD),
                "privkey": OLD.private_key_pem,
            },
            {
                "cert": NEW.certificate_pem,
                "chain": NEW.chain_pem,
                "fullchain": full(NEW),
                "privkey": NEW.private_key_pem,
            },
        ),
        (  # DER
            {
                "certificate": b64(der(OLD.certificate_pem)),
                "certificate_chain": [b64(der(OLD.chain_pem))],
                "private_key": b64(der(OLD.private_key_pem)),
            },
            {
                "certificate": b64(der(NEW.certificate_pem)),
                "certificate_chain": [b64(block.der) for block in parse_pem(NEW.chain_pem)],
                "private_key": b64(der(NEW.private_key_pem)),
            },
        ),
        (  # all in one field
            {"certificate": OLD.combined_pem, "note": "x"},
            {"certificate": NEW.combined_pem, "note": "x"},
        ),
    ],
)
def test_schemas_and_encodings_of_others(old: dict[str, t.Any], new: dict[str, t.Any]) -> None:
    assert put_document(NEW, old) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"certificate": BARE.certificate_pem, "private_key": BARE.private_key_pem},
            {
                "certificate": NEW.certificate_pem,
                "certificate_chain": NEW.chain_pem,
                "private_key": NEW.private_key_pem,
            },
        ),
        (
            {"certificate": BARE.certificate_pem, "private_key": BARE.private_key_pem, "certificate_chain": []},
            {
                "certificate": NEW.certificate_pem,
                "certificate_chain": [block.encode().decode() for block in parse_pem(NEW.chain_pem)],
                "private_key": NEW.private_key_pem,
            },
        ),
        (
            {"tls.crt": b64(BARE.certificate_pem), "tls.key": b64(BARE.private_key_pem)},
            {"tls.crt": b64(full(NEW)), "tls.key": b64(NEW.private_key_pem)},
        ),
        (
            {"username": "admin"},
            {
                "username": "admin",
                "certificate": NEW.certificate_pem,
                "certificate_chain": NEW.chain_pem,
                "private_key": NEW.private_key_pem,
            },
        ),
        (
            {"cert": "", "key": None, "chain": ""},
            {"cert": NEW.certificate_pem, "chain": NEW.chain_pem, "key": NEW.private_key_pem},
        ),
    ],
)
def test_a_chain_where_there_was_none(old: dict[str, t.Any], new: dict[str, t.Any]) -> None:
    assert put_document(NEW, old) == new


def test_no_chain_where_there_was_one() -> None:
    assert put_document(BARE, OWN)["certificate_chain"] == ""
    assert put_document(BARE, {**OWN, "certificate_chain": [INTERMEDIATE.certificate_pem]})["certificate_chain"] == []


def test_documents_inside_of_texts() -> None:
    inner = json.dumps(OWN)
    text = json.dumps({"note": '{"a": 1}', "value": inner})
    result = json.loads(put(NEW, text))
    assert result["note"] == '{"a": 1}', "what has not changed keeps its text"
    assert json.loads(result["value"])["certificate"] == NEW.certificate_pem
    assert json.loads(json.loads(put(NEW, json.dumps(inner))))["certificate"] == NEW.certificate_pem
    assert json.loads(base64.b64decode(put(NEW, b64(inner))))["certificate"] == NEW.certificate_pem
    assert json.loads(put(NEW, inner.encode()))["certificate"] == NEW.certificate_pem


def test_bundles_stay_bundles() -> None:
    dh = "-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n"
    assert put(NEW, dh + OLD.private_key_pem + full(OLD)) == NEW.combined_pem + dh
    assert put(NEW, OLD.combined_pem.encode()) == NEW.combined_pem.encode()
    assert put(NEW, b64(OLD.combined_pem)) == b64(NEW.combined_pem)
    assert put(NEW, der(OLD.combined_pem)) == der(NEW.combined_pem)


def test_copies_in_fields_of_others() -> None:
    """Such as cert-manager's tls-combined.pem."""
    data = {"tls.crt": b64(full(OLD)), "tls.key": b64(OLD.private_key_pem)}
    copies = {"tls-combined.pem": b64(OLD.private_key_pem + full(OLD)), "leaf only": [OLD.certificate_pem]}
    assert put_document(NEW, {**data, **copies, "mine": {"secret": der_b64(OLD.private_key_pem)}}) == {
        "tls.crt": b64(full(NEW)),
        "tls.key": b64(NEW.private_key_pem),
        "tls-combined.pem": b64(NEW.private_key_pem + full(NEW)),
        "leaf only": [NEW.certificate_pem],
        "mine": {"secret": der_b64(NEW.private_key_pem)},
    }


def test_a_chain_in_a_copy_alone_is_not_the_chain() -> None:
    document = {"tls.crt": OLD.certificate_pem, "tls.key": OLD.private_key_pem, "copy": OLD.combined_pem}
    assert put_document(NEW, document) == {
        "tls.crt": full(NEW),
        "tls.key": NEW.private_key_pem,
        "copy": NEW.combined_pem,
    }


def test_a_container_in_a_field_is_told_of() -> None:
    document = {**OWN, "pfx": b64(OLD.pkcs12()), "n": 1}
    assert left_behind(json.dumps(document)) == ["the field 'pfx'"]
    assert put_document(NEW, document)["pfx"] == document["pfx"]
    assert left_behind(json.dumps(OWN)) == left_behind(OLD.combined_pem) == left_behind(OLD.pkcs12()) == []


def der_b64(pem: str) -> str:
    return b64(der(pem))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{**OWN, "owner": "x"}]),
        json.dumps([full(OLD), OLD.private_key_pem]),
        "owner: x\ntls.crt: |\n  " + OLD.combined_pem.replace("\n", "\n  "),
        'OWNER=x\nCERT="' + OLD.combined_pem.replace("\n", "\\n") + '"',
        json.dumps({**OWN, "owner": "x"})[:-1],
    ],
)
def test_pem_in_texts_that_others_have_made_is_not_torn_out(text: str) -> None:
    for value in (text, text.encode()):
        with pytest.raises(MaterialError, match="part of something else"):
            merged(value, MergedContent(NewContent(content_of(NEW))))
        assert merged(value, MergedContent(None)) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OLD.combined_pem, False),
        ("\ufeff" + OLD.combined_pem.replace("\n", "\r\n"), False),
        (OLD.combined_pem.replace("\n", "\\n"), False),
        (OLD.combined_pem.replace("\n", " "), False),
        ("  " + OLD.combined_pem.replace("\n", "\n  "), False),
        (OLD.combined_pem.replace("-----\n-----", "----------"), False),
        (b64("# of the shop\n" + OLD.combined_pem), False),
        ("# of the shop\n" + OLD.combined_pem, True),
        ("Bag Attributes\n    localKeyID: 54\r" + OLD.combined_pem + "end", True),
        (json.dumps({**OWN, "owner": "x"}), False),
    ],
)
def test_text_around_a_bundle_is_not_kept_and_said(text: str, said: bool) -> None:
    assert is_commented(text) == is_commented(text.encode()) == said
    put(NEW, text)


@pytest.mark.parametrize("value", ["", b"", "hunter2", b"\xff\x00", OLD.pkcs12(), "{", "[1]", '"x"'])
def test_what_cannot_hold_it(value: Value) -> None:
    assert merged(value, MergedContent(NewContent(content_of(NEW)))) is None
    assert merged(OLD.combined_pem, MergedContent(NewContent(content_of(NEW)), domain_name="www.example.com")) is None


@pytest.mark.parametrize(
    ("document", "changed"),
    [
        (OWN, {"domain_name": "b"}),
        ({**OWN, "domain_name": ""}, {"domain_name": "b"}),
        ({"Domain-Name": "a", **{key: OWN[key] for key in OWN if key != "domain_name"}}, {"Domain-Name": "b"}),
        ({"tls.crt": full(OLD), "tls.key": OLD.private_key_pem}, {"domain_name": "b"}),
    ],
)
def test_a_domain_name_that_is_given(document: dict[str, t.Any], changed: dict[str, t.Any]) -> None:
    result = merged(json.dumps(document), MergedContent(None, domain_name="b"))
    assert json.loads(t.cast("str", result)) == {**document, **changed}


def test_a_domain_name_by_default_is_for_own_documents_alone() -> None:
    without = {key: value for key, value in OWN.items() if key != "domain_name"}
    assert put_document(NEW, without, default_domain="www.example.com")["domain_name"] == "www.example.com"
    assert put_document(NEW, OWN, default_domain="other")["domain_name"] == "www.example.com"
    foreign = {"tls.crt": full(OLD), "tls.key": OLD.private_key_pem}
    assert "domain_name" not in put_document(NEW, foreign, default_domain="d")
    assert stored_domain_name(json.dumps(OWN)) == "www.example.com"
    assert stored_domain_name(OLD.combined_pem) is None


def test_fields_by_expressions() -> None:
    fields = FieldMap(
        {"certificate": "a.b", "private_key": "a.c || x", "certificate_chain": "d[].pem", "domain_name": "h[0]"}
    )
    document = {
        "a": {"b": OLD.certificate_pem, "c": OLD.private_key_pem},
        "d": [{"pem": INTERMEDIATE.certificate_pem}],
        "h": ["www.example.com"],
    }
    other = INTERMEDIATE.issue("www.example.com")
    result = json.loads(put(other, json.dumps(document), fields))
    assert result == {**document, "a": {"b": other.certificate_pem, "c": other.private_key_pem}}
    scattered = {**document, "d": [{"pem": INTERMEDIATE.certificate_pem}, {"pem": ROOT.certificate_pem}]}
    with pytest.raises(MaterialError, match="cannot be changed in place"):
        merged(json.dumps(scattered), MergedContent(NewContent(content_of(NEW))), fields)
    with pytest.raises(MaterialError, match="cannot be changed in place"):
        merged(json.dumps(document), MergedContent(None, domain_name="b"), fields)
    assert merged(json.dumps(document), MergedContent(None, domain_name="www.example.com"), fields) == json.dumps(
        document
    )


def test_keys_keep_their_form() -> None:
    key = serialization.load_pem_private_key(OLD.private_key_pem.encode(), None)
    stored = {**OWN, "private_key": canonical_key(key, traditional=True).decode()}
    assert put_document(NEW, stored)["private_key"].startswith("-----BEGIN EC PRIVATE KEY-----")
    assert put_document(NEW, OWN)["private_key"] == NEW.private_key_pem


def test_fields_of_a_given_document() -> None:
    assert further_fields(json.dumps({**OWN, "owner": "x", "description": "d", "copy": OLD.certificate_pem})) == {
        "owner": "x",
        "description": "d",
    }
    assert further_fields(OLD.combined_pem) == {}
    assert further_fields('{"data": {"certificate": "x"}, "lease_id": "y"}') == {}


@pytest.mark.parametrize("number", ["NaN", "1e999"])
def test_numbers_that_are_none(number: str) -> None:
    text = json.dumps({**OWN, "n": 0}).replace('"n": 0', f'"n": {number}')
    with pytest.raises(MaterialError, match="a number that JSON does not know"):
        merged(text, MergedContent(NewContent(content_of(NEW))))


def test_the_limit_of_aws() -> None:
    with pytest.raises(RotationError, match="65536 at most"):
        merged(json.dumps({**OWN, "n": "x" * 64000}), MergedContent(NewContent(content_of(NEW))))
