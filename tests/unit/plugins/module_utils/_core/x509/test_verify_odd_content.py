# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Odd certificates have a verdict, their facts can be asked for, and what is accepted OpenSSL loads."""

from __future__ import annotations

import dataclasses
import datetime
import random
import ssl
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.content import check_key, parse_content
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.held import held
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.seen import NOT_X509, seen_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509 import certificate as certificate_module
from ansible_collections.certops.rotation.plugins.module_utils._core.x509 import verify
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle, describe_pem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import (
    Certificate,
    load_certificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import parse_pem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError, Problem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.reading import material_errors
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.loadable import why_not_loaded
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.peers import why_not_believed
from ansible_collections.certops.rotation.tests.support import odd, pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.content import judged, parsed, secret_verifier
from ansible_collections.certops.rotation.tests.support.signing import certificate_pem_of
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from .test_examine_mutations import damage

pytestmark = pytest.mark.filterwarnings("ignore")  # of cryptography, about just what is odd


def verified(value: str | bytes) -> tuple[CertificateBundle | None, list[Problem]]:
    return secret_verifier().verify(value, at=pki.now())


def loads(bundle: CertificateBundle, tmp_path: t.Any) -> None:
    """As HAProxy does: from a file, with a context that has seen nothing else."""
    path = tmp_path / "served.pem"
    path.write_bytes(bundle.render("haproxy")["pem"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(path)


def refusal_of(work: t.Callable[[], t.Any]) -> Problem:
    with pytest.raises(MaterialError) as refusal:
        work()
    return refusal.value.problem


@pytest.mark.parametrize("what", odd.ODD)
def test_an_odd_certificate_has_a_verdict(what: str, tmp_path: t.Any) -> None:
    pem, key = odd.ODD[what](), odd.private_key(what)
    for value in (odd.secret(what), f"{pem}{key}", f"{key}{pem}".encode()):
        bundle, problems = verified(value)
        assert (bundle is not None) == (what in odd.SERVABLE), problems
        assert bundle is not None or any(problem.severity == "error" for problem in problems)
        assert not {problem.code for problem in problems} & {"certificate_unreadable"}, "a kind that is not known yet"
        assert all(problem.message.endswith(".") and problem.message.isprintable() for problem in problems)
        if bundle is not None:
            loads(bundle, tmp_path)


@pytest.mark.parametrize("what", odd.ODD)
def test_the_facts_of_an_odd_certificate_can_be_asked_for(what: str) -> None:
    """Files that are deployed, files of a shared authority, and what peers send: whatever is odd, all can be told."""
    pem = odd.ODD[what]()
    (block,) = parse_pem(pem)
    seen = seen_certificate(block.der)
    assert repr(dataclasses.replace(seen, der=b"")).isprintable()
    assert len(seen.fingerprint_sha256) == 64
    found = held({"ca.pem": pem.encode(), "server-cert.pem": pem.encode()})
    if seen.odd == NOT_X509:
        assert refusal_of(lambda: describe_pem(pem.encode())).code == "certificate_invalid"
        assert found.server is None
        assert found.problems
        return
    described = describe_pem(pem.encode())
    assert found.server is not None
    facts = found.facts(found.server, "server", datetime.datetime.now(datetime.timezone.utc), why_not_believed)
    assert facts["fingerprint_sha256"] == seen.fingerprint_sha256
    assert str(facts["refused"]).isprintable()
    certificate = load_certificate(block.der)
    for fact in (name for name in dir(Certificate) if not name.startswith("__")):
        getattr(certificate, fact)
    assert described == certificate.summary()
    assert certificate.signature_by(certificate) in ("signed", "forged", "unknown")
    assert bool(seen.odd) == bool(certificate.malformed) == bool(found.problems)


@pytest.mark.parametrize("what", odd.ODD)
def test_haproxy_is_sent_what_it_can_load(what: str) -> None:
    pem = odd.ODD[what]() + odd.private_key(what)
    if what in odd.SERVABLE:
        check_key(parse_content(pem), why_not_loaded)
    elif what not in ("DSA", "empty name", "no name at all", "other name", "end before the start", "end of time"):
        assert refusal_of(lambda: check_key(parse_content(pem), why_not_loaded)).message.endswith(".")


def test_a_network_in_the_alternative_names_is_named() -> None:
    _bundle, problems = verified(odd.secret("address of 8 bytes"))
    assert [problem.as_dict() for problem in problems] == [
        {
            "code": "certificate_invalid",
            "severity": "error",
            "message": "'odd.example.com': its subjectAltName holds a network or a name with control characters. "
            "Have it issued again.",
        }
    ]


class PanicException(BaseException):
    """As cryptography's Rust parts raise it."""


@pytest.mark.parametrize(
    "failure", [ValueError("key"), RecursionError("key"), OverflowError("key"), KeyError("key"), PanicException("key")]
)
@pytest.mark.parametrize("seam", ["find_leaf", "arrange", "strength_problems", "CertificateBundle"])
def test_whatever_verification_raises_is_that_content_s_problem(
    monkeypatch: pytest.MonkeyPatch, seam: str, failure: BaseException
) -> None:
    def fail(*_arguments: t.Any, **_named: t.Any) -> t.NoReturn:
        raise failure

    monkeypatch.setattr(verify, seam, fail)
    bundle, problems = verified(pki.CertificateAuthority("Root").issue("a.example.com").secret_string())
    assert bundle is None
    assert [problem.code for problem in problems] == ["certificate_unreadable"]
    assert type(failure).__name__ in problems[0].message
    assert "test_verify_odd_content.py" in problems[0].message
    assert "'key'" not in problems[0].message
    assert "(key)" not in problems[0].message


@pytest.mark.parametrize("failure", [ValueError("key"), PanicException("key")])
@pytest.mark.parametrize(
    "part", ["subject", "issuer", "extensions", "public_key", "signature_algorithm_oid", "signature_hash_algorithm"]
)
def test_whatever_a_part_raises_is_a_fact(part: str, failure: BaseException) -> None:
    """Other versions of cryptography fail at other places."""
    issued = pki.CertificateAuthority("Root").issue("a.example.com").certificate

    def fail() -> t.NoReturn:
        raise failure

    class Odd:
        def __getattr__(self, name: str) -> t.Any:
            if name != part:
                return getattr(issued, name)
            return fail if part == "public_key" else fail()

    certificate = Certificate(t.cast("t.Any", Odd()), issued.public_bytes(Encoding.DER))
    certificate.summary()
    assert certificate.name
    assert certificate.signature_by(certificate) in ("forged", "unknown")
    assert bool(certificate.malformed) == (part in ("subject", "issuer", "extensions"))


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), OSError(24, "too many")])
def test_what_is_not_about_the_content_goes_on(failure: BaseException) -> None:
    with pytest.raises(type(failure)), material_errors():
        raise failure


def test_all_that_is_accepted_is_loaded_by_openssl(tmp_path: t.Any) -> None:
    """Thousands of damaged certificates and keys. Which of them cryptography reads, and OpenSSL does not, is by chance:
    the same ones in each run, for the same keys.
    """
    chance = random.Random("certops loads")
    accepted = 0
    for number in range(4000):
        leaf, key = LEAVES[number % 2]
        content = certificate_pem_of(damage(leaf, chance)) + key
        try:
            bundle, _problems = judged(parsed(content), at=pki.now())
        except MaterialError:
            continue
        if bundle is not None:
            accepted += 1
            loads(bundle, tmp_path)
    assert accepted > 200


AUTHORITY = pki.CertificateAuthority("Damaged", key_type="rsa2048")
LEAVES = [
    (issued.certificate.public_bytes(Encoding.DER), issued.private_key_pem)
    for issued in (AUTHORITY.issue("a.example.com", key_type="rsa2048"), AUTHORITY.issue("b.example.com"))
]


def test_what_openssl_does_not_load_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    """A name that is a time: cryptography reads it."""
    value = odd.secret("time as a name")
    bundle, problems = verified(value)
    assert bundle is None
    assert [problem.code for problem in problems] == ["certificate_not_loadable"]
    pem = odd.ODD["time as a name"]() + odd.private_key("")
    assert refusal_of(lambda: check_key(parse_content(pem), why_not_loaded)).code == "certificate_not_loadable"
    monkeypatch.setattr(verify, "loading_problems", lambda _bundle, _why_not_loaded: [])
    bundle, _problems = verified(value)
    assert bundle is not None
    with pytest.raises(ssl.SSLError):
        loads(bundle, tmp_path)


@pytest.mark.parametrize("key_format", ["pkcs8", "traditional"])
@pytest.mark.parametrize("key_type", ["rsa2048", "ec", "ed25519"])
def test_keys_are_written_anew(key_type: pki.KeyType, key_format: pki.KeyFormat) -> None:
    """Whatever stands in the block beside the numbers is left behind; the form stays, so that no file changes."""
    if key_type == "ed25519" and key_format == "traditional":
        key_format = "pkcs8"
    issued = pki.CertificateAuthority("Root").issue("a.example.com", key_type=key_type)
    key = load_pem_private_key(issued.private_key_pem.encode(), None)
    canonical = pki.private_key_pem(key, key_format=key_format)
    begin, rest = canonical.split("\n", 1)
    body, end = rest[: rest.index("-----END")], rest[rest.index("-----END") :]
    one_line = "".join(body.split())
    for text in (
        canonical,
        f"{begin}\nX-Note: by hand\n\n{body}{end}",
        f"{begin}\nProc-Type: 4,CLEAR\nComment: a b c\n\n{body}{end}",
        f"{begin}\n   {one_line}\n\n{end}",
        canonical.replace("\n", "\r\n"),
    ):
        bundle, problems = verified(issued.certificate_pem + text)
        assert bundle is not None, problems
        assert bundle.private_key_pem == canonical.encode()


def test_nothing_of_a_key_is_in_a_verdict() -> None:
    for what in odd.ODD:
        _bundle, problems = verified(odd.secret(what))
        for problem in problems:
            secrets_scan.assert_no_private_key(problem.message)


def test_the_name_of_a_certificate_can_be_printed() -> None:
    (block,) = parse_pem(odd.ODD["escape in the subject"]())
    certificate = certificate_module.load_certificate(block.der)
    assert certificate.subject == r"CN=odd\1B[31m"
