# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content that would take hours to read is refused before any of them is spent."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.effort import (
    MAX_ROUNDS,
    require_bounded_effort,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.keys import load_private_key
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import PemBlock
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl import opener
from ansible_collections.certops.rotation.tests.support import costly, pki
from ansible_collections.certops.rotation.tests.support.content import parsed, secret_verifier
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

KEY = pki.shared_key("ec")
PKCS8 = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
SECRET = b"passphrase"
OPENER = opener.ProcessOpener(SECRET)
YEARS = 2**31 - 1
SOON = 20  # seconds; each takes milliseconds


def code_of(work: t.Callable[[], t.Any]) -> str:
    started = time.monotonic()
    with pytest.raises(MaterialError) as refusal:
        work()
    assert time.monotonic() - started < SOON
    return refusal.value.problem.code


KEYS: dict[str, bytes] = {
    "PBKDF2": costly.encrypted_key(PKCS8, SECRET, said=YEARS),
    "PBKDF2, just too many": costly.encrypted_key(PKCS8, SECRET, said=MAX_ROUNDS + 1),
    "PBKDF2, more than fit into a number": costly.encrypted_key(PKCS8, SECRET, said=2**70),
    "PBKDF2, negative": costly.encrypted_key(PKCS8, SECRET, said=-YEARS),
    "PKCS#12 key derivation": costly.encrypted_key(PKCS8, SECRET, says=costly.old_encryption, said=YEARS),
    "scrypt, N": costly.encrypted_key(PKCS8, SECRET, says=lambda n: costly.scrypt(n, 8, 1), said=2**30),
    "scrypt, r": costly.encrypted_key(PKCS8, SECRET, says=lambda r: costly.scrypt(2, r, 1), said=2**25),
    "scrypt, p": costly.encrypted_key(PKCS8, SECRET, says=lambda p: costly.scrypt(2**14, 1, p), said=2**14),
}


@pytest.mark.parametrize("what", KEYS)
def test_keys(what: str) -> None:
    block = PemBlock("ENCRYPTED PRIVATE KEY", KEYS[what])
    assert code_of(lambda: load_private_key([block], OPENER)) == "content_too_costly"


CONTAINERS: dict[str, bytes] = {
    "key": costly.container(PKCS8, SECRET, key_rounds=YEARS),
    "part": costly.container(PKCS8, SECRET, hidden=True, outer_rounds=YEARS),
    "MAC": costly.container(PKCS8, SECRET, mac_rounds=YEARS),
    "together": costly.container(PKCS8, SECRET, key_rounds=MAX_ROUNDS - 10, mac_rounds=20),
    "key in pieces": costly.piecewise(costly.container(PKCS8, SECRET, key_rounds=YEARS)),
    "MAC in pieces": costly.piecewise(costly.container(PKCS8, SECRET, mac_rounds=YEARS)),
}


@pytest.mark.parametrize("what", CONTAINERS)
def test_containers(what: str) -> None:
    assert code_of(lambda: parsed(CONTAINERS[what], passphrase=SECRET)) == "content_too_costly"


HIDDEN: dict[str, bytes] = {
    "PBKDF2": costly.container(PKCS8, SECRET, hidden=True, key_rounds=YEARS),
    "without a passphrase": costly.container(PKCS8, b"", hidden=True, key_rounds=YEARS),
}


@pytest.mark.parametrize("what", HIDDEN)
def test_rounds_that_an_encrypted_part_hides(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """They cannot be counted before; whoever opens them is ended, and the next one is opened by another."""
    monkeypatch.setattr(opener, "LIMIT", 1.0)
    passphrase = SECRET if what == "PBKDF2" else b""
    assert code_of(lambda: parsed(HIDDEN[what], passphrase=passphrase)) == "content_too_costly"
    monkeypatch.setattr(opener, "LIMIT", 15.0)
    good = costly.container(PKCS8, SECRET, hidden=True)
    assert code_of(lambda: parsed(good, passphrase=SECRET)) == "certificate_missing"


def test_what_people_make_is_opened() -> None:
    """OpenSSL's own, with its rounds and a million; also as BER."""
    issued = pki.CertificateAuthority("Root").issue("a.example.com")
    verifier = secret_verifier(passphrase=SECRET)
    key = load_pem_private_key(issued.private_key_pem.encode(), None)
    for rounds in (2048, 1_000_000):
        encryption = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds).hmac_hash(hashes.SHA256())
        content = pkcs12.serialize_key_and_certificates(
            b"a", t.cast("t.Any", key), issued.certificate, None, encryption.build(SECRET)
        )
        bundle, problems = verifier.verify(content, at=pki.now())
        assert bundle is not None, problems
    for hidden in (False, True):
        content = costly.container(PKCS8, SECRET, hidden=hidden)
        for form in (content, costly.piecewise(content)):
            assert code_of(lambda form=form: parsed(form, passphrase=SECRET)) == "certificate_missing"
    block = PemBlock("ENCRYPTED PRIVATE KEY", costly.encrypted_key(PKCS8, SECRET, rounds=600_000))
    assert load_private_key([block], OPENER)[0].public_key() == KEY.public_key()


def test_numbers_of_any_length() -> None:
    """The public half of a DSA key is computed when it is read: with a number of 130,000 digits for minutes."""
    long = costly.integer((1 << 130_000) + 1)
    parameters = costly.der(costly.SEQUENCE, long, costly.integer(1 << 129_000), costly.integer(3))
    kind = costly.der(costly.SEQUENCE, bytes.fromhex("06072a8648ce380401"), parameters)
    secret = costly.der(costly.OCTETS, costly.integer((1 << 129_999) - 1))
    content = costly.der(costly.SEQUENCE, costly.integer(0), kind, secret)
    assert code_of(lambda: load_private_key([PemBlock("PRIVATE KEY", content)])) == "content_too_costly"


@pytest.mark.parametrize("depth", [100, 10_000])
def test_nesting_of_any_depth(depth: int) -> None:
    content = b""
    for _level in range(depth):
        content = costly.der(costly.SEQUENCE, content)
    assert code_of(lambda: require_bounded_effort(content)) == "content_too_costly"
    assert code_of(lambda: require_bounded_effort(b"\x30\x80" * depth)) == "content_too_costly"


@pytest.mark.parametrize(
    "content", [b"", b"\x30", b"\x30\x80", b"\x30\x81", b"\x30\x05\x02", b"\x1f\xff", b"\x30\x84\xff"]
)
def test_what_is_not_ber(content: bytes) -> None:
    with pytest.raises(ValueError, match="node"):
        require_bounded_effort(content)


DOCUMENTS: dict[str, str] = {
    "nested lists": '{"certificate": ' + "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "number of a million digits": '{"certificate": ' + "9" * 1_000_000 + "}",
    "a million keys": "{" + ",".join(f'"{number}": 1' for number in range(200_000)) + "}",
    "a name of colons": json.dumps({"certificate": "x", "private_key": "x", "domain_name": "a" + ":" * 50_000}),
    "dashes": "-----BEGIN " + "-" * 1_000_000,
    "beginnings": "-----BEGIN CERTIFICATE-----" * 20_000,
    "white space": "-----BEGIN CERTIFICATE-----" + "\n " * 500_000 + "-----END CERTIFICATE-----",
    "headers": "-----BEGIN PRIVATE KEY-----" + "a: b\n" * 100_000 + "-----END PRIVATE KEY-----",
    "backslashes": "-----BEGIN CERTIFICATE-----" + "\\r" * 500_000,
    "base64 of nothing": "A" * 1_000_000,
    "base64 of a container": "MIIB" + "A" * 1_000_000,
}


@pytest.mark.parametrize("what", DOCUMENTS)
def test_documents(what: str) -> None:
    assert code_of(lambda: parsed(DOCUMENTS[what])) != "certificate_unreadable"


@pytest.mark.parametrize("length", [32, 64, 200, 100_000])
def test_a_domain_name_of_colons(length: int) -> None:
    issued = pki.CertificateAuthority("Root").issue("a.example.com")
    for name in (":" * length, "a" + ":" * length + "\n", "a." * (length // 2) + "!"):
        started = time.monotonic()
        _bundle, problems = secret_verifier().verify(json.dumps(issued.secret_document(domain_name=name)), at=pki.now())
        assert time.monotonic() - started < SOON
        assert [problem.code for problem in problems] == ["domain_not_covered"]


def test_hundreds_of_certificates() -> None:
    """Each of one name: any of them may have issued any other."""
    many = [pki.CertificateAuthority("Same") for _number in range(60)]
    issued = many[0].issue("a.example.com")
    content = issued.combined_pem + "".join(each.certificate_pem for each in many)
    assert code_of(lambda: parsed(content)) == "content_too_costly"
    once = issued.combined_pem + issued.certificate_pem * 200
    bundle, problems = secret_verifier().verify(once, at=pki.now())
    assert bundle is not None, problems
