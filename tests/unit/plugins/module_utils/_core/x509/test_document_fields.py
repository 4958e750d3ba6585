# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents as others write them: their names, their encodings, and what must not be lost in them."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import document_parts
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.fields import FieldMap, replaced
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.content import judged, parsed
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)

ROOT = pki.CertificateAuthority("Root")
UPPER = pki.CertificateAuthority("Upper", parent=ROOT)
LOWER = pki.CertificateAuthority("Lower", parent=UPPER)
ISSUED = LOWER.issue(["a.example.com"])
OTHER = LOWER.issue(["b.example.com"])
STRANGER = pki.CertificateAuthority("Stranger", parent=pki.CertificateAuthority("Stranger's Root"))

CERT, KEY = ISSUED.certificate_pem, ISSUED.private_key_pem
CHAIN = [LOWER.certificate_pem, UPPER.certificate_pem]
JOINED = "".join(CHAIN)
PAIR = {"certificate": CERT, "private_key": KEY}
WHOLE = ["a.example.com", "CN=Lower", "CN=Upper"]


def der(issued: pki.IssuedCertificate | pki.CertificateAuthority) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


def key_der(key_format: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return bytes(ISSUED.private_key.private_bytes(Encoding.DER, key_format, NoEncryption()))


def b64(content: str | bytes) -> str:
    return base64.b64encode(content if isinstance(content, bytes) else content.encode()).decode()


def read(document: t.Any, **options: t.Any) -> tuple[list[str], list[str]]:
    """The names in the bundle, and the codes of what was said of it."""
    value = document if isinstance(document, (str, bytes)) else json.dumps(document)
    bundle, problems = judged(parsed(value, **options), at=pki.now())
    assert bundle is not None, problems
    assert bundle.private_key_pem.decode() == KEY
    return [each.name for each in (bundle.leaf, *bundle.intermediates)], [problem.code for problem in problems]


def refused(document: t.Any, **options: t.Any) -> tuple[str, str]:
    with pytest.raises(MaterialError) as raised:
        parsed(document if isinstance(document, (str, bytes)) else json.dumps(document), **options)
    secrets_scan.assert_no_private_key(raised.value.message)
    return raised.value.problem.code, raised.value.message


VAULT = {"certificate": CERT, "issuing_ca": CHAIN[0], "ca_chain": CHAIN, "private_key": KEY, "private_key_type": "ec"}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(VAULT, id="vault"),
        pytest.param({**VAULT, "ca_chain": [*CHAIN, ROOT.certificate_pem]}, id="vault-with-root"),
        pytest.param({"request_id": "1", "lease_duration": 0, "data": VAULT, "warnings": None}, id="vault-answer"),
        pytest.param({"data": {"data": VAULT, "metadata": {"version": 1}}}, id="vault-kv"),
        pytest.param({"Certificate": CERT, "CertificateChain": JOINED, "PrivateKey": KEY}, id="acm"),
        pytest.param({"CertificateBody": CERT, "CertificateChain": JOINED, "PrivateKey": KEY}, id="iam"),
        pytest.param({"cert": CERT, "chain": JOINED, "fullchain": CERT + JOINED, "privkey": KEY}, id="certbot"),
        pytest.param({"fullchain.pem": CERT + JOINED, "privkey.pem": KEY}, id="certbot-files"),
        pytest.param({"tls.crt": CERT + JOINED, "tls.key": KEY, "ca.crt": ROOT.certificate_pem}, id="kubernetes"),
        pytest.param({"tls.crt": CERT, "tls.key": KEY, "ca.crt": JOINED + ROOT.certificate_pem}, id="kubernetes-ca"),
        pytest.param(
            {"kind": "Secret", "data": {"tls.crt": b64(CERT + JOINED), "tls.key": b64(KEY)}}, id="kubernetes-base64"
        ),
        pytest.param({"cer": CERT, "key": KEY, "ca.cer": JOINED}, id="acme.sh"),
        pytest.param({"cer": CERT, "key": KEY, "ca.cer": JOINED, "fullchain.cer": CERT + JOINED}, id="acme.sh-all"),
        pytest.param({"fullchain.cer": CERT + JOINED, "private.key": KEY}, id="acme.sh-fullchain"),
        pytest.param({"certificate.crt": CERT, "private.key": KEY, "ca_bundle.crt": JOINED}, id="zerossl"),
        pytest.param({"client.crt": CERT, "client.key": KEY, "ca.crt": JOINED}, id="client"),
        pytest.param({"client-cert.pem": CERT, "client-key.pem": KEY, "ca.pem": JOINED}, id="client-pem"),
        pytest.param({"domain.crt": CERT, "domain.key": KEY, "intermediate.crt": JOINED}, id="domain"),
        pytest.param({"peer.crt": CERT, "peer.key": KEY, "rootCA.crt": JOINED}, id="peer"),
        pytest.param({"cert": CERT, "domain.key": KEY, "chain.crt": JOINED}, id="mixed"),
        pytest.param(
            {
                "client-certificate-data": b64(CERT),
                "client-key-data": b64(KEY),
                "certificate-authority-data": b64(JOINED),
            },
            id="kubeconfig",
        ),
        pytest.param({"certificate_pem": CERT, "private_key_pem": KEY, "issuer_pem": JOINED}, id="terraform"),
        pytest.param({"SSL_CERTIFICATE": CERT, "SSL_CERTIFICATE_KEY": KEY, "SSL-CA-BUNDLE": JOINED}, id="environment"),
        pytest.param({"cert_b64": b64(CERT), "key_b64": b64(KEY), "intermediates": CHAIN}, id="base64-names"),
        pytest.param({**PAIR, "chain": CHAIN[:1], "certificate_chain": CHAIN[0], "ca": JOINED}, id="several-chains"),
        pytest.param({"ca_chain": CHAIN, "pair": {"crt": CERT, "key": KEY}}, id="chain-above"),
        pytest.param({"private_key": KEY, "issued": {"certificate": CERT, "ca_chain": CHAIN}}, id="key-above"),
        pytest.param({"pem": CERT + JOINED + KEY}, id="all-in-one"),
        pytest.param({"a": {"pem": b64(CERT + JOINED + KEY)}}, id="all-in-one-base64"),
        pytest.param({"certificate": CERT + KEY, "certificate_chain": JOINED}, id="key-beside-certificate"),
        pytest.param({"certificate": CERT, "certificate_chain": JOINED + KEY}, id="key-beside-chain"),
        pytest.param({**PAIR, "certificate_chain": [b64(CHAIN[0]), b64(CHAIN[1])]}, id="list-of-base64"),
        pytest.param({**PAIR, "certificate_chain": JOINED.splitlines()}, id="list-of-lines"),
        pytest.param(
            {"cert": b64(der(ISSUED)), "key": b64(key_der()), "x5c": [b64(der(LOWER)), b64(der(UPPER))]}, id="der"
        ),
        pytest.param({"secret": json.dumps({**PAIR, "chain": json.dumps(CHAIN)})}, id="json-in-json"),
        pytest.param(json.dumps(json.dumps({**PAIR, "chain": CHAIN})), id="json-as-text"),
        pytest.param({"data": b64(json.dumps({**PAIR, "chain": CHAIN}))}, id="base64-of-json-in-json"),
        pytest.param(b64(json.dumps({**PAIR, "chain": CHAIN})), id="base64-of-json"),
        pytest.param(b64(CERT + JOINED + KEY), id="base64-of-pem"),
        pytest.param(b64(b64(CERT + JOINED + KEY)), id="base64-of-base64"),
        pytest.param(der(ISSUED) + key_der() + der(LOWER) + der(UPPER), id="binary-der"),
        pytest.param(b64(der(ISSUED) + key_der() + der(LOWER) + der(UPPER)), id="base64-of-der"),
    ],
)
def test_forms_that_are_read_without_being_configured(document: t.Any) -> None:
    assert read(document) == (WHOLE, [])


@pytest.mark.parametrize("key_format", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_der_becomes_pkcs8(key_format: PrivateFormat) -> None:
    assert read({"certificate": b64(der(ISSUED)), "private_key": b64(key_der(key_format)), "chain": CHAIN}) == (
        WHOLE,
        [],
    )


@pytest.mark.parametrize("key_type", ["ec", "rsa2048", "ed25519", "ed448"])
def test_binary_der_of_each_kind(key_type: pki.KeyType) -> None:
    issued = LOWER.issue("c.example.com", key=pki.shared_key(key_type))
    key = issued.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for value in (der(issued) + key, key + der(issued), key + der(issued) + b"\n"):
        assert parsed(value).private_key_pem.decode() == issued.private_key_pem


def test_binary_der_without_its_other_half() -> None:
    assert refused(der(ISSUED))[0] == "private_key_missing"
    assert refused(key_der())[0] == "certificate_missing"
    assert refused(der(ISSUED)[:-9])[0] == "certificate_invalid"


def test_an_encrypted_key_as_der() -> None:
    encrypted = ISSUED.private_key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
    )
    document = {"cert": CERT, "key": b64(encrypted), "chain": CHAIN}
    assert read(document, passphrase=b"open sesame") == (WHOLE, [])
    assert refused(document)[0] == "private_key_encrypted"


# One key, or two


@pytest.mark.parametrize("key_format", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_copy_beside_the_plain_key_is_not_needed(key_format: PrivateFormat) -> None:
    encrypted, others = (
        issued.private_key.private_bytes(Encoding.PEM, key_format, BestAvailableEncryption(b"open sesame")).decode()
        for issued in (ISSUED, OTHER)
    )
    base = {"cert": CERT, "chain": CHAIN}
    for document in (
        {**base, "private_key": encrypted, "key": KEY},
        {**base, "private_key": KEY, "key": encrypted},
        {**base, "key": encrypted + KEY},
        CERT + JOINED + encrypted + KEY,
    ):
        for passphrase in (None, b"open sesame", b"wrong"):
            assert read(document, passphrase=passphrase) == (WHOLE, [])
    assert read({**base, "private_key": others, "key": KEY}) == (WHOLE, [])
    code, _message = refused({**base, "private_key": others, "key": KEY}, passphrase=b"open sesame")
    assert code == "multiple_private_keys"
    assert refused({**base, "private_key": encrypted})[0] == "private_key_encrypted"
    mine = json.dumps({**base, "private_key": encrypted, "key": OTHER.private_key_pem})
    _bundle, problems = judged(parsed(mine), at=pki.now())
    assert [problem.code for problem in problems] == ["private_key_mismatch"]
    secrets_scan.assert_no_private_key(problems[0].message)


def test_one_key_in_two_encodings_is_one_key() -> None:
    traditional = ISSUED.private_key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    for first, second in (
        (KEY, traditional),
        (traditional, KEY),
        (KEY, parameters + traditional),
        (KEY, b64(key_der())),
    ):
        assert read({"cert": CERT, "chain": CHAIN, "key": first, "private_key": second}) == (WHOLE, [])
    assert read(CERT + JOINED + traditional + KEY) == (WHOLE, [])


def test_two_keys_are_named_by_their_fields() -> None:
    code, message = refused({**PAIR, "key": OTHER.private_key_pem, "chain": CHAIN})
    assert code == "multiple_private_keys"
    assert "'private_key' and the field 'key'" in message
    assert read({**PAIR, "chain": CHAIN, "key": "hunter2", "cert": "arn:aws:acm:x"}) == (WHOLE, [])
    # As the message says, an expression decides.
    fields = FieldMap({"private_key": "private_key"})
    assert read({**PAIR, "key": OTHER.private_key_pem, "chain": CHAIN}, fields=fields) == (WHOLE, [])


def test_two_leaves_are_named_by_their_fields() -> None:
    document = {**PAIR, "cert": OTHER.certificate_pem, "chain": CHAIN}
    code, message = refused(document)
    assert code == "multiple_leaves"
    assert "'certificate' and the field 'cert'" in message
    assert read(document, fields=FieldMap({"certificate": "certificate"})) == (WHOLE, [])


def test_two_pairs() -> None:
    document = {"old": {"crt": OTHER.certificate_pem, "key": OTHER.private_key_pem}, "new": {**PAIR, "chain": CHAIN}}
    code, message = refused(document)
    assert code == "document_invalid"
    assert "'old' and the field 'new'" in message
    fields = FieldMap(
        {"certificate": "new.certificate", "private_key": "new.private_key", "certificate_chain": "new.chain"}
    )
    assert read(document, fields=fields) == (WHOLE, [])
    assert read({**PAIR, "chain": CHAIN, "previous": document["old"]}) == (WHOLE, [])


def test_the_same_pair_twice_is_no_contradiction() -> None:
    """kubectl keeps in an annotation what it has applied."""
    data = {"tls.crt": b64(CERT + JOINED), "tls.key": b64(KEY)}
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"kind": "Secret", "data": data})}
    assert read({"kind": "Secret", "data": data, "metadata": {"annotations": applied}}) == (WHOLE, [])
    plain = {"tls.crt": CERT + JOINED, "tls.key": KEY}
    assert read({"data": data, "stringData": plain}) == (WHOLE, [])
    assert refused({"a": plain, "b": {**plain, "tls.crt": CERT}})[0] == "document_invalid"
    assert refused({"a": plain, "b": {**plain, "domain_name": "b.example.com"}})[0] == "document_invalid"


def test_documents_in_a_list() -> None:
    document = {**PAIR, "chain": CHAIN, "domain_name": "a.example.com"}
    assert read([document]) == (WHOLE, [])
    assert parsed(json.dumps([document])).domain_name == "a.example.com"
    assert refused([{**PAIR, "zwischen": JOINED}])[0] == "field_unknown"
    assert read([CERT + JOINED, KEY]) == (WHOLE, [])
    assert read(f"[notes]\n{CERT}{JOINED}{KEY}") == (WHOLE, [])


def doubled(name: str, first: t.Any, second: t.Any) -> str:
    """Of two Python takes the last one."""
    return (
        f'{{"{name}": {json.dumps(first)}, "{name}": {json.dumps(second)}, {json.dumps({**PAIR, "chain": CHAIN})[1:]}'
    )


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("cert", OTHER.certificate_pem, CERT),
        ("key", OTHER.private_key_pem, KEY),
        ("certificate_chain", CHAIN, CHAIN[0]),
        ("ca_chain", CHAIN, []),
        ("domain_name", "b.example.com", "a.example.com"),
        ("odd", JOINED, 1),
        ("odd", {"a": 1}, {"a": 2}),
    ],
)
def test_a_field_that_is_there_twice(name: str, first: t.Any, second: t.Any) -> None:
    code, message = refused(doubled(name, first, second))
    assert (code, f"The field '{name}' is twice" in message) == ("document_invalid", True)
    assert read(doubled(name, second, second)) == (WHOLE, [])


def test_a_note_that_is_there_twice() -> None:
    assert read(doubled("note", "one", "two")) == (WHOLE, [])
    assert read(doubled("note", 1, None)) == (WHOLE, [])
    assert read(doubled("description", "one", 2)) == (WHOLE, [])


# Of others


CLIENT = {"client.crt": OTHER.certificate_pem + JOINED, "client.key": OTHER.private_key_pem, "client_chain": JOINED}


@pytest.mark.parametrize(
    "document",
    [
        {**PAIR, "chain": CHAIN, **CLIENT},
        {"server.crt": CERT, "server.key": KEY, "ca.crt": JOINED, **CLIENT},
        {"certificate": CERT + KEY, "chain": CHAIN, **CLIENT},
        {"data": {**PAIR, "chain": CHAIN}, **CLIENT},
        {"data": {**PAIR, "chain": CHAIN, **CLIENT}},
        {**PAIR, "chain": CHAIN, "client": {"cer": OTHER.certificate_pem, "key": OTHER.private_key_pem}},
    ],
)
def test_a_client_beside_the_server_is_not_meant(document: t.Any) -> None:
    assert read(document) == (WHOLE, [])


def test_a_client_and_a_peer_contradict_each_other() -> None:
    code, message = refused({"peer.crt": CERT, "peer.key": KEY, "chain": CHAIN, **CLIENT})
    assert code == "multiple_private_keys"
    assert "'client.key' and the field 'peer.key'" in message


def test_what_others_are_called_is_replaced_as_well() -> None:
    document = {"client.crt": CERT, "client.key": KEY, "ca.cer": JOINED, "note": 1}
    parts = {"certificate": "new", "private_key": "key", "certificate_chain": "chain"}
    assert replaced(document, parts) == {"note": 1, **parts}
    assert replaced({**PAIR, **CLIENT}, parts) == {**CLIENT, **parts}


# Other fields


@pytest.mark.parametrize("description", [1, 1.5, True, None, [], [1], ["a", "b"], {"a": 1}, "", '{"a": 1}', '"'])
def test_a_description_of_any_kind_refuses_nothing(description: t.Any) -> None:
    assert read({**PAIR, "chain": CHAIN, "description": description}) == (WHOLE, [])


@pytest.mark.parametrize("name", [1, True, False, {"a": 1}, ["a.example.com", "b.example.com"], [1], [["x"]]])
def test_a_domain_name_that_is_no_text_is_said(name: t.Any) -> None:
    code, message = refused({**PAIR, "chain": CHAIN, "domain_name": name})
    assert (code, "'domain_name' must be one name, as text" in message) == ("field_invalid", True)


@pytest.mark.parametrize("spelling", ["domain_name", "DomainName", "domain-name", "domainName"])
def test_the_domain_name_in_other_spellings_and_places_is_enforced(spelling: str) -> None:
    for document in (
        {**PAIR, "chain": CHAIN, spelling: "b.example.com"},
        {spelling: ["b.example.com"], "data": {**PAIR, "chain": CHAIN}},
    ):
        _bundle, problems = judged(parsed(json.dumps(document)), at=pki.now())
        assert [problem.code for problem in problems] == ["domain_not_covered"]


def test_two_domain_names() -> None:
    code, _message = refused({**PAIR, "domain_name": "a.example.com", "DomainName": "b.example.com"})
    assert code == "field_invalid"


def test_what_is_missing_is_told_with_the_field_that_may_be_meant() -> None:
    code, message = refused({"certificate": CERT, "schluessel": b64(KEY)})
    assert (code, "'schluessel' holds one" in message) == ("field_missing", True)
    code, message = refused({"certificate": {"pem": CERT}, "key": {"pem": KEY}})
    assert (code, "'key.pem' holds one" in message) == ("field_missing", True)
    code, message = refused({"zertifikat": CERT, "private_key": KEY})
    assert (code, "'zertifikat' holds one" in message) == ("field_missing", True)


def test_containers_in_fields() -> None:
    code, message = refused({"certificate": b64(ISSUED.pkcs12()), "chain": JOINED})
    assert (code, "The field 'certificate': A 'PKCS12' cannot be used" in message) == ("pem_invalid", True)
    chain = pkcs7.serialize_certificates([LOWER.certificate, UPPER.certificate], Encoding.PEM).decode()
    code, message = refused({**PAIR, "chain": chain})
    assert (code, "The field 'chain': A 'PKCS7' cannot be used" in message) == ("pem_invalid", True)


def test_a_document_that_is_too_large() -> None:
    assert refused({**PAIR, "more": [[]] * 100_001})[0] == "content_too_costly"
    deep: t.Any = []
    for _level in range(60):
        deep = [deep]
    assert refused({**PAIR, "more": deep})[0] == "document_invalid"


def test_the_parts_of_a_document() -> None:
    assert document_parts({"data": VAULT}) == {"certificate": CERT, "private_key": KEY, "certificate_chain": JOINED}
    assert document_parts({"certificate": CERT, "ca_chain": CHAIN}) == {
        "certificate": CERT,
        "certificate_chain": JOINED,
    }
    with pytest.raises(MaterialError):
        document_parts({"private_key": KEY})
