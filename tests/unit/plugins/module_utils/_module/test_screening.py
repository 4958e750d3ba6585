# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of arguments before Ansible sees them, and what may be shown of them."""

from __future__ import annotations

import base64
import json
import textwrap

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._module.screening import (
    HIDDEN,
    holds_private_key,
    holds_secret,
    key_lines_in,
    screen,
    shown,
)
from ansible_collections.certops.rotation.tests.support import pki
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CERTIFICATE = pki.CertificateAuthority("Root").issue("a.example.com")
KEY = CERTIFICATE.private_key_pem
SPEC = {
    "certificate": {"type": "str", "no_log": True},
    "private_key": {"type": "str", "no_log": True, "aliases": ["key"]},
    "headers": {"type": "dict", "no_log": True},
    "name": {"type": "str"},
    "count": {"type": "int"},
    "files": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str"}, "content": {"type": "str", "no_log": True}},
    },
    "source": {"type": "dict", "options": {"private_key": {"type": "str", "no_log": True}, "path": {"type": "path"}}},
    "clients": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}}},
}


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"a": KEY}, "a mapping"), ([KEY], "a list"), (12, "a number"), (1.5, "a number"), (True, "a boolean")],
)
@pytest.mark.parametrize(
    ("path", "wrapped"),
    [
        ("private_key", lambda value: {"private_key": value}),
        ("key", lambda value: {"key": value}),
        ("files[1].content", lambda value: {"files": [{"content": "x"}, {"name": "a", "content": value}]}),
        ("source.private_key", lambda value: {"source": {"private_key": value, "path": "/x"}}),
        ("source.private_key", lambda value: {"source": json.dumps({"private_key": value})}),
    ],
)
def test_what_is_no_text_is_refused_by_name_and_kind(value, kind, path, wrapped) -> None:
    screened = screen(SPEC, wrapped(value))
    (refusal,) = screened.refusals
    assert f"The option {path} must be text, and {kind} was given." in refusal
    assert not holds_private_key([screened.params, refusal])
    assert str(value) not in refusal


def test_a_document_is_the_json_that_it_came_from() -> None:
    document = {"certificate": CERTIFICATE.certificate_pem, "private_key": KEY, "more": [1, None, {"a": True}]}
    screened = screen(SPEC, {"certificate": document}, documents=["certificate"])
    assert (json.loads(screened.params["certificate"]), screened.refusals) == (document, [])
    assert screen(SPEC, {"certificate": document}).refusals
    assert screen(SPEC, {"certificate": [document]}, documents=["certificate"]).refusals


def test_what_is_right_stays_as_it_is() -> None:
    params = {
        "private_key": KEY,
        "certificate": None,
        "headers": {"X-Token": "t", "X-Count": 1},
        "name": "a",
        "count": "3",
        "files": [{"name": "a", "content": KEY}],
        "source": {"path": "/etc/ssl/private/KEY-----/a.pem"},
        "clients": [{"name": "admin"}],
        "_ansible_check_mode": True,
    }
    assert screen(SPEC, params)[:2] == (params, [])


def test_an_option_that_does_not_exist_keeps_only_its_name() -> None:
    screened = screen(SPEC, {"privat_key": KEY, KEY: 1, "files": [{"contnt": KEY}], "name": "a"})
    assert screened.params == {"privat_key": HIDDEN, HIDDEN: HIDDEN, "files": [{"contnt": HIDDEN}], "name": "a"}


@pytest.mark.parametrize("option", ["name", "count"])
@pytest.mark.parametrize("value", [KEY, KEY.splitlines(), {KEY: 1}, {"a": [KEY]}], ids=["text", "lines", "name", "in"])
def test_a_key_in_an_option_that_is_no_secret(option, value) -> None:
    screened = screen(SPEC, {option: value})
    assert screened.params == {option: HIDDEN}
    assert f"The option {option} holds a private key." in screened.refusals[0]


@pytest.mark.parametrize(
    "value", [KEY, [KEY], [[{"content": KEY}]], {"content": KEY}, 3, f"content={KEY}"], ids=range(6)
)
def test_suboptions_in_another_shape(value) -> None:
    screened = screen(SPEC, {"files": value})
    assert screened.refusals
    assert not holds_private_key([screened.params, screened.refusals])


@pytest.mark.parametrize("path", ["private_key", "name", "files"])
def test_surrogates_are_no_text(path) -> None:
    value = [{"name": "\udcff"}] if path == "files" else "\udcff"
    assert f"The option {path} holds characters that no text has" in screen(SPEC, {path: value}).refusals[0]


@pytest.mark.parametrize("headers", [{"Authorization": {"Bearer": "t"}}, {"A": ["t"]}, ["t"], 3], ids=str)
def test_names_with_texts(headers) -> None:
    screened = screen(SPEC, {"headers": headers})
    assert screened.params == {"headers": HIDDEN}
    assert "The option headers must" in screened.refusals[0]


def test_what_is_shown() -> None:
    params = {
        "private_key": KEY,
        "key": KEY,
        "certificate": None,
        "headers": {},
        "files": [{"name": "a", "content": KEY}],
        "source": KEY,
        "clients": [{"name": "admin"}],
        "privat_key": KEY,
        "_ansible_debug": True,
    }
    assert shown(SPEC, params) == {
        "private_key": HIDDEN,
        "key": HIDDEN,
        "certificate": None,
        "headers": {},
        "files": [{"name": "a", "content": HIDDEN}],
        "source": HIDDEN,
        "clients": [{"name": "admin"}],
        "privat_key": HIDDEN,
    }


@pytest.mark.parametrize("kind", ["rsa2048", "ec"])
@pytest.mark.parametrize("format_", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["pkcs8", "older"])
def test_every_form_of_a_private_key(kind, format_) -> None:
    key = pki.new_key(kind)
    pem = key.private_bytes(Encoding.PEM, format_, NoEncryption()).decode()
    der = base64.b64encode(key.private_bytes(Encoding.DER, format_, NoEncryption())).decode()
    wrapped = pem.replace("PRIVATE KEY", "PRIVATE\nKEY")
    for form in (
        pem,
        pem.replace("\n", "\\n"),
        wrapped,
        der,
        base64.b64encode(pem.encode()).decode(),
        base64.encodebytes(pem.encode()).decode(),
    ):
        assert holds_private_key(form)
        assert holds_private_key([{"a": form}])
        assert holds_private_key(form.splitlines())
        assert holds_private_key(textwrap.wrap(form, 18))
    assert holds_private_key(base64.b64encode(CERTIFICATE.pkcs12()).decode())


@pytest.mark.parametrize(
    "value",
    [
        CERTIFICATE.certificate_pem,
        base64.b64encode(CERTIFICATE.certificate_pem.encode()).decode(),
        "/etc/ssl/private/averylongnamewithoutanythingelsein/it",
        "Mainproductioncertificateforthewebsiteof",
        "0" * 64,
        "M" * 3,
        "",
        None,
        {"PRIVATE KEY": 1},
    ],
)
def test_what_is_no_private_key(value) -> None:
    assert not holds_private_key(value)


def test_tasks_with_and_without_secrets() -> None:
    assert holds_secret(SPEC, {"private_key": KEY})
    assert holds_secret(SPEC, {"key": KEY})
    assert holds_secret(SPEC, {"files": [{"content": "x"}]})
    assert holds_secret(SPEC, {"privat_key": KEY})
    assert not holds_secret(SPEC, {"name": "a", "private_key": None, "headers": {}, "source": {}, "unknown": "x"})
    assert not holds_secret(SPEC, {"files": [{"name": "a"}], "source": {"path": "/x"}})


def test_a_line_of_a_key_is_found_wherever_it_is_quoted() -> None:
    lines = screen(SPEC, {"certificate": json.dumps({"private_key": KEY})}).key_lines
    expected = {line for line in KEY.splitlines() if len(line) >= 16 and "-" not in line}
    assert expected <= set(lines)
    for line in expected:
        assert key_lines_in({"msg": [f"HAProxy said: unknown command '{line}'"]}, lines) == {line}
    assert not key_lines_in({"msg": CERTIFICATE.certificate_pem}, lines)
    with_header = KEY.replace("KEY-----\n", "KEY-----\nDEK-Info: AES-256-CBC,0123\n\n", 1)
    assert expected <= screen(SPEC, {"certificate": with_header}).key_lines


def test_keys_in_der_are_found_wherever_they_are() -> None:
    key = CERTIFICATE.private_key
    certificate = CERTIFICATE.certificate.public_bytes(Encoding.DER)
    ed25519 = pki.new_key("ed25519")
    pki.private_key_pem(ed25519)  # registers it
    for each in (key, ed25519):
        der = each.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            assert holds_private_key(encode(der).decode())
            assert holds_private_key(encode(certificate + der).decode())
    assert not holds_private_key(base64.b64encode(certificate * 2).decode())


def test_lines_of_keys_that_are_given_in_base64() -> None:
    der = CERTIFICATE.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    expected = set(KEY.splitlines()[1:-1])
    for given in (base64.b64encode(der).decode(), base64.b64encode(KEY.encode()).decode()):
        assert expected <= screen(SPEC, {"private_key": given}).key_lines
    damaged = base64.b64encode(KEY[:100].encode()).decode()
    assert screen(SPEC, {"private_key": damaged}).key_lines == {damaged}


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_keys_within_documents_in_any_encoding(layers) -> None:
    """The forms in which secrets are read."""
    der = CERTIFICATE.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for key in (base64.b64encode(der).decode(), base64.b64encode(KEY.encode()).decode()):
        inner = json.dumps({"data": {"tls.crt": CERTIFICATE.certificate_pem, "tls.key": key}})
        for _layer in range(layers):
            inner = json.dumps({"value": base64.b64encode(inner.encode()).decode()})
        for text in (inner, f"tls.key: {inner}", f"KEY={inner}", json.dumps(inner), json.dumps([1, inner])):
            assert holds_private_key(text)
            assert holds_private_key({"Note": [text]})
            assert set(KEY.splitlines()[1:-1]) <= screen(SPEC, {"certificate": text}).key_lines
    public = base64.b64encode(CERTIFICATE.certificate.public_bytes(Encoding.DER)).decode()
    document = json.dumps(
        {"tls.crt": public, "ca.crt": "\n".join(textwrap.wrap(public, 64)), "chain": CERTIFICATE.chain_pem}
    )
    assert not holds_private_key(document)
    assert not holds_private_key(base64.b64encode(document.encode()).decode())
