# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of an issued certificate, and which secrets are not to be replaced by one."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.document import (
    document_fields,
    issued_by,
    issued_documents,
    why_not_replaced,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import parse_secret
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.verify import VerificationPolicy, build_bundle
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener
from ansible_collections.certops.rotation.tests.support.pki import (
    CertificateAuthority,
    new_key,
    now,
    private_key_pem,
    self_signed,
)

DIRECTORY = "https://acme.example.com/directory"
AUTHORITY = CertificateAuthority("Test Intermediate", parent=CertificateAuthority("Test Root"))
ISSUED = AUTHORITY.issue(["www.example.com", "*.example.com"])


def read(value: str | bytes) -> t.Any:
    try:
        return parse_secret(value, ProcessOpener(None))
    except MaterialError as error:
        return error


def bundle() -> CertificateBundle:
    found, problems = build_bundle(read(ISSUED.secret_string()), VerificationPolicy(), at=now(), why_not_loaded=None)
    assert found, problems
    return found


def document(before: dict[str, t.Any], **changes: t.Any) -> dict[str, t.Any]:
    arguments = {"directory": DIRECTORY, "profile": "tlsserver", "first_domain": "www.example.com", **changes}
    return dict(json.loads(next(issued_documents(json.dumps(before) if before else "", bundle(), **arguments))))


def test_the_document_is_this_collections_own_with_its_origin() -> None:
    assert document({}) == {
        "certificate": ISSUED.certificate_pem,
        "certificate_chain": ISSUED.chain_pem,
        "private_key": ISSUED.private_key_pem,
        "domain_name": "www.example.com",
        "acme": {"directory": DIRECTORY, "profile": "tlsserver"},
    }
    assert issued_by(document({})) == (DIRECTORY, "tlsserver")
    assert issued_by(document({}, profile=None)) == (DIRECTORY, None)


def test_the_same_content_is_the_same_text() -> None:
    (text, *_less) = issued_documents("", bundle(), "www.example.com", DIRECTORY, None)
    assert text == next(issued_documents(text, bundle(), "www.example.com", DIRECTORY, None))


def test_schemas_of_others_stay() -> None:
    """An ingress finds the issued certificate where it found the one before."""
    before = {"tls.crt": ISSUED.certificate_pem + ISSUED.chain_pem, "tls.key": ISSUED.private_key_pem, "team": "web"}
    assert document(before) == {**before, **{name: document(before)[name] for name in ("acme", "domain_name")}}
    assert document(before)["domain_name"] == "www.example.com"
    nested = document({"data": before})
    assert nested == {"data": before, **{name: document(before)[name] for name in ("acme", "domain_name")}}
    assert issued_by(nested) == (DIRECTORY, "tlsserver")


def test_what_is_issued_is_stored_whatever_was_there() -> None:
    """First as it was, then in own fields, then alone: whoever stores takes the first that is read again."""
    odd = '{"certificate": 5, "n": NaN}'
    (alone,) = issued_documents(odd, bundle(), "www.example.com", DIRECTORY, None)
    assert json.loads(alone)["certificate"] == ISSUED.certificate_pem
    odd = '{"certificate": 5, "n": 1}'
    own, alone = map(json.loads, issued_documents(odd, bundle(), "www.example.com", DIRECTORY, None))
    assert own == {**alone, "n": 1}


def test_fields_of_the_user_stay() -> None:
    before = {"team": "web", "acme": {"note": 1}, "certificate": "old", "description": "shop", "domain_name": "x.org"}
    after = document(before)
    assert after["team"] == "web"
    assert after["description"] == "shop"
    assert after["acme"] == {"note": 1, "directory": DIRECTORY, "profile": "tlsserver"}
    assert after["certificate"] == ISSUED.certificate_pem
    assert after["domain_name"] == "www.example.com", "one that the certificate does not cover cannot stay"


@pytest.mark.parametrize("name", ["api.example.com", "*.example.com", "www.example.com"])
def test_a_domain_name_that_is_covered_stays(name: str) -> None:
    assert document({"domain_name": name})["domain_name"] == name


@pytest.mark.parametrize("acme", [None, 5, "x", [], {"directory": 5, "profile": {}}, {"directory": "", "profile": ""}])
def test_an_origin_of_another_type_is_none(acme: t.Any) -> None:
    assert issued_by({"acme": acme}) == (None, None)
    assert document({"acme": acme})["acme"]["directory"] == DIRECTORY


def test_a_document_that_grows_too_large_is_refused() -> None:
    with pytest.raises(RotationError, match="a secret holds 65536 at most"):
        document({"notes": "x" * 65536})


@pytest.mark.parametrize(
    "value", ["[1]", "no json", b"\xff\xfe\x00", "5", '{"a":' * 9999, "", '{"n": ' + "9" * 5000 + "}"]
)
def test_what_is_no_object_has_no_fields(value: str | bytes) -> None:
    assert document_fields(value) == {}


def test_fields_of_an_object() -> None:
    assert document_fields('\ufeff{"a": "line\nend"}') == {"a": "line\nend"}
    assert document_fields(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


KEY = private_key_pem(new_key())


@pytest.mark.parametrize(
    "value",
    [
        ISSUED.secret_string(),
        ISSUED.secret_string(private_key=None),
        ISSUED.secret_string(certificate="damaged"),
        ISSUED.combined_pem,
        ISSUED.combined_pem.encode(),
        ISSUED.certificate_pem,
        ISSUED.pkcs12(),
        json.dumps({"tls": {"crt": ISSUED.certificate_pem, "key": ISSUED.private_key_pem}}),
        self_signed("www.example.com").secret_string(),
        self_signed("www.example.com", is_ca=True).secret_string(),
        "",
        " \n",
        b"",
        "{}",
        '{"description": "to be filled"}',
        '{"certificate": "", "private_key": "", "domain_name": "www.example.com"}',
    ],
)
def test_what_holds_a_certificate_or_nothing_may_be_replaced(value: str | bytes) -> None:
    assert why_not_replaced(value, read(value)) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('{"username": "admin", "password": "hunter2"}', "a document without a certificate"),
        ('{"certificate": "", "password": "hunter2"}', "a document without a certificate"),
        (json.dumps({"private_key": KEY}), "a document without a certificate"),
        ('{"accounts": [], "certificates": []}', "a document without a certificate"),
        ("hunter2", "is no certificate"),
        ('["hunter2"]', "is no certificate"),
        (KEY, "is no certificate"),
        (b"\x00\x01\x02", "is no certificate"),
        (b"\x30\x82\x01\x02binary", "is no certificate"),
        ("c3NoLWtleQ==", "is no certificate"),
    ],
)
def test_what_holds_something_else_stays(value: str | bytes, why: str) -> None:
    told = why_not_replaced(value, read(value))
    assert told
    assert why in told
    assert "hunter2" not in told


def test_an_authority_stays() -> None:
    root = AUTHORITY.parent
    assert root
    for authority in (root, AUTHORITY):
        value = authority.certificate_pem + private_key_pem(authority.key)
        assert why_not_replaced(value, read(value)) == "it holds a certificate authority with its key"
