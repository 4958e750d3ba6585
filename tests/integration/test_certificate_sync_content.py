# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What certificate_sync reads, in every form that a secret can have, and what it refuses."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import parse_pem
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, problem_codes, warnings

Value = str | bytes | dict[str, t.Any]


@pytest.fixture(scope="module")
def good(intermediate: CertificateAuthority) -> IssuedCertificate:
    return intermediate.issue(["www.example.com", "example.com"])


def _mangled(text: str) -> str:
    """Blank lines, trailing and leading spaces, no final newline."""
    lines = [f"  {line} \t" for line in text.splitlines()]
    return "\n\n" + "\n".join([lines[0], "", *lines[1:]]) + "\n \n"


def _decorated(pem: str) -> str:
    command = ["openssl", "x509", "-text"]
    return subprocess.run(command, input=pem, capture_output=True, text=True, check=True).stdout


FORMS: dict[str, t.Callable[[IssuedCertificate], Value]] = {
    "document": lambda good: good.secret_document(),
    "document-indented": lambda good: json.dumps(good.secret_document(), indent=2),
    "document-chain-in-certificate": lambda good: good.secret_document(
        certificate=good.certificate_pem + good.chain_pem, certificate_chain=None
    ),
    "document-binary-with-bom": lambda good: b"\xef\xbb\xbf" + good.secret_string().encode(),
    "bundle": lambda good: good.combined_pem,
    "bundle-key-first": lambda good: good.private_key_pem + good.certificate_pem + good.chain_pem,
    "bundle-crlf": lambda good: good.combined_pem.replace("\n", "\r\n"),
    "bundle-bom": lambda good: "\ufeff" + good.combined_pem,
    "bundle-blank-lines-spaces-no-newline": lambda good: _mangled(good.combined_pem),
    "bundle-no-final-newline": lambda good: good.combined_pem.rstrip("\n"),
    "bundle-openssl-text": lambda good: _decorated(good.certificate_pem) + good.chain_pem + good.private_key_pem,
    "document-crlf-and-text": lambda good: good.secret_document(
        certificate=_decorated(good.certificate_pem).replace("\n", "\r\n"), private_key=_mangled(good.private_key_pem)
    ),
    "document-escaped-newlines": lambda good: good.secret_document(
        certificate=good.certificate_pem.replace("\n", "\\n")
    ),
    "pkcs12": lambda good: good.pkcs12(),
    "pkcs12-base64": lambda good: base64.b64encode(good.pkcs12()).decode(),
    "vault": lambda good: {"data": {**_pair(good), "issuing_ca": good.chain_pem, "ca_chain": [good.chain_pem]}},
    "kubernetes": lambda good: {
        "kind": "Secret",
        "data": {"tls.crt": _base64(good.certificate_pem + good.chain_pem), "tls.key": _base64(good.private_key_pem)},
    },
    "acm": lambda good: {
        "Certificate": good.certificate_pem,
        "CertificateChain": good.chain_pem,
        "PrivateKey": good.private_key_pem,
    },
    "json-in-json": lambda good: {"secret": json.dumps({**_pair(good), "chain": good.chain_pem})},
    "der": lambda good: b"".join(block.der for block in parse_pem(good.combined_pem)),
}


def _pair(issued: IssuedCertificate) -> dict[str, t.Any]:
    return {"certificate": issued.certificate_pem, "private_key": issued.private_key_pem}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_all_forms_give_the_same_bytes(aws: MotoServer, target: SyncTarget, good: IssuedCertificate) -> None:
    for form, make in FORMS.items():
        aws.put_secret(form, make(good))
    run = target.sync_four_times(names=list(FORMS))[1]
    assert actions(run) == dict.fromkeys(FORMS, "created")
    assert problem_codes(run) == {}
    assert target.live_files() == {f"{form}.pem": good.combined_pem.encode() for form in FORMS}
    aws.put_secret("pkcs12", good.secret_document())
    again = target.sync(names=list(FORMS))
    assert again.result["changed"] is False, "another form of the same content is no change"
    assert target.sync(names=list(FORMS)).result["api_calls"] == {"ListSecrets": 1}


@pytest.mark.parametrize("form", ["pkcs12", "key"])
def test_passphrase(aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority, form: str) -> None:
    certificate = intermediate.issue(["a.example.com"])
    locked = pki.private_key_pem(certificate.private_key, passphrase=b"correct horse")
    value: Value = certificate.secret_document(private_key=locked)
    aws.put_secret("a", certificate.pkcs12(b"correct horse") if form == "pkcs12" else value)
    code = {"pkcs12": "pkcs12_invalid", "key": "private_key_encrypted"}[form]
    for arguments in ({}, {"passphrase": "wrong"}):
        run = target.sync(names=["a"], **arguments)
        assert run.failed
        assert problem_codes(run) == {"a": [code]}
    target.sync_four_times(names=["a"], passphrase="correct horse")
    assert target.live_files() == {"a.pem": certificate.combined_pem.encode()}


def test_fields_of_other_schemas(aws: MotoServer, target: SyncTarget, good: IssuedCertificate) -> None:
    document = {
        "tls": {"crt": good.certificate_pem, "private": {"pem": good.private_key_pem}},
        "issuers": [{"pem": good.chain_pem}, {"pem": None}],
        "hosts": ["www.example.com"],
    }
    aws.put_secret("nested", document)
    fields = {
        "certificate": "tls.crt",
        "private_key": "tls.private.pem",
        "certificate_chain": "issuers[].pem",
        "domain_name": "hosts[0]",
    }
    target.sync_four_times(names=["nested"], fields=fields)
    assert target.live_files() == {"nested.pem": good.combined_pem.encode()}
    wrong = target.sync(names=["nested"], fields={**fields, "domain_name": "tls.private"})
    assert problem_codes(wrong) == {"nested": ["field_invalid"]}
    missing = target.sync(names=["nested"], fields={**fields, "private_key": "tls.nothing"})
    assert problem_codes(missing) == {"nested": ["field_missing"]}
    mistyped = target.sync(names=["nested"], fields={**fields, "certificate": "length(hosts[0]"})
    assert "bad JMESPath expression" in mistyped.result["msg"]
    unfit = target.sync(names=["nested"], fields={**fields, "certificate": "length(`1`)"})
    assert unfit.failed


def test_old_fields_are_read_again_when_the_mapping_changes(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority
) -> None:
    one, two = intermediate.issue(["one.example.com"]), intermediate.issue(["two.example.com"])
    aws.put_secret("pair", {"one": one.secret_document(), "two": two.secret_document()})

    def fields(which: str) -> dict[str, str]:
        return {field: f"{which}.{field}" for field in ("certificate", "private_key", "certificate_chain")}

    target.sync_four_times(names=["pair"], fields=fields("one"))
    target.sync_four_times(names=["pair"], fields=fields("two"))
    assert list(target.fingerprints().values()) == [two.fingerprint_sha256]


# -- refused ---------------------------------------------------------------------------------------------------


def _bad_values(authority: CertificateAuthority) -> dict[str, tuple[str, Value]]:
    """Problem code -> name of a secret and a value for it that is bad in that way."""
    day = pki.datetime.timedelta(days=1)
    good = authority.issue(["bad.example.com"])
    other = authority.issue(["other.example.com"])
    truncated = good.private_key_pem[: len(good.private_key_pem) // 2]
    typing_error = good.secret_string().replace('", "private_key', '" "private_key')
    return {
        "private_key_mismatch": ("mismatch", good.replace(private_key_pem=other.private_key_pem).secret_document()),
        "expired": ("expired", authority.issue(["b.example.com"], not_after=pki.now() - day / 2).secret_document()),
        "not_yet_valid": ("early", authority.issue(["b.example.com"], not_before=pki.now() + day).secret_document()),
        "domain_not_covered": ("domain", good.secret_document(domain_name="elsewhere.example.com")),
        "weak_key": ("weak", authority.issue(["b.example.com"], key_type="rsa1024").secret_document()),
        "chain_signature_invalid": (
            "forged",
            authority.issue(["b.example.com"], signing_key=pki.new_key()).secret_document(),
        ),
        "pem_invalid": ("truncated", good.secret_document(private_key=truncated)),
        "field_unknown": ("elsewhere", {**_pair(good), "zwischenzertifikat": good.chain_pem}),
        "multiple_leaves": ("two", {**good.secret_document(), "tls.crt": other.certificate_pem}),
        "document_invalid": ("json", typing_error),
        "field_missing": ("keyless", good.secret_document(private_key=None)),
        "san_missing": ("nameless", authority.issue(["b.example.com"], alternative_names=False).secret_document()),
    }


@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_bad_ones_are_named_and_the_others_written(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority, policy: str
) -> None:
    bad = _bad_values(intermediate)
    names = {name: code for code, (name, _value) in bad.items()}
    old = {name: intermediate.issue([f"{name}.example.com"]) for name in [*names, "good-1", "good-2"]}
    for name, certificate in old.items():
        aws.put_secret(name, certificate.secret_document())
    target.sync(names=list(old))
    for name, value in bad.values():
        aws.put_secret(name, value)
    renewed = {name: intermediate.issue([f"{name}.example.com"]) for name in ("good-1", "good-2")}
    for name, certificate in renewed.items():
        aws.put_secret(name, certificate.secret_document())
    expected = {f"{name}.pem": certificate.fingerprint_sha256 for name, certificate in {**old, **renewed}.items()}
    run = target.sync(names=list(old), on_invalid=policy)
    assert run.failed is (policy == "fail")
    assert actions(run) == {**dict.fromkeys(names, "refused"), "good-1": "updated", "good-2": "updated"}
    assert problem_codes(run) == {name: [code] for name, code in names.items()}
    assert target.fingerprints() == expected, "something bad was written, or something good was not"
    told = run.result["msg"] if policy == "fail" else warnings(run)
    for name, code in names.items():
        assert f"{name}: " in told
        assert f"[{code}]" in told
    deployed = {item["name"]: item.get("deployed_fingerprint_sha256") for item in run.result["certificates"]}
    assert {name: deployed[name] for name in names} == {name: old[name].fingerprint_sha256 for name in names}
    assert len(run.result["failures"]) == (len(names) if policy == "fail" else 0)
    again = target.sync(names=list(old), on_invalid=policy)
    assert (again.failed, again.result["changed"]) == (policy == "fail", False)
    assert again.result["api_calls"] == {"ListSecrets": 1, "BatchGetSecretValue": 1}, "one read for all refused ones"


def test_expiry_on_disk_is_told_without_a_read(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority
) -> None:
    soon = pki.now() + pki.datetime.timedelta(seconds=3)
    aws.put_secret("a", intermediate.issue(["a.example.com"], not_after=soon).secret_document())
    assert target.sync(names=["a"]).result["changed"] is True
    too_soon = target.sync(names=["a"], min_remaining="1h")
    assert problem_codes(too_soon) == {"a": ["expires_too_soon"]}
    while pki.now() <= soon:
        time.sleep(0.2)
    run = target.sync(names=["a"])
    assert run.failed
    assert (actions(run), problem_codes(run)) == ({"a": "unchanged"}, {"a": ["expired"]})
    assert run.result["api_calls"] == {"ListSecrets": 1}
    assert target.sync(names=["a"], on_invalid="skip").failed, "nobody wants to pass over what is served and expired"


def test_warnings_do_not_refuse(aws: MotoServer, target: SyncTarget) -> None:
    aws.put_secret("own", pki.self_signed(["own.example.com"]).secret_document())
    for run in target.sync_four_times(names=["own"]):
        assert problem_codes(run) == {"own": ["self_signed"]}
        assert "[self_signed]" in warnings(run)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "0644"}, "would let every user"),
        ({"mode": 600}, "quoted octal"),
        ({"mode": "rw"}, "no octal mode"),
        ({"mode": "0200"}, "its owner reads"),
        ({"directory_mode": 700}, "lock its owner out"),
        ({"owner": "no-such-user"}, "owner: there is no no-such-user"),
        ({"keep_previous": -1}, "keep_previous must be 0 or more"),
        ({"min_remaining": "soon"}, "min_remaining: "),
        ({"clock_skew": "-"}, "clock_skew: "),
        ({"lock_timeout": "x"}, "lock_timeout: "),
        ({"min_rsa_bits": 512}, "min_rsa_bits"),
    ],
    ids=str,
)
def test_options_without_meaning(
    aws: MotoServer, target: SyncTarget, good: IssuedCertificate, arguments: dict[str, t.Any], message: str
) -> None:
    aws.put_secret("a", good.secret_document())
    run = target.sync(names=["a"], **arguments)
    assert run.failed
    assert message in run.result["msg"]
    assert target.live_files() == {}


def test_bad_trust_anchors(aws: MotoServer, target: SyncTarget, good: IssuedCertificate) -> None:
    aws.put_secret("a", good.secret_document())
    run = target.sync(names=["a"], trust_anchors="no PEM")
    assert "trust anchors hold no certificate" in run.result["msg"]
