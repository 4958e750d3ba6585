# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever the content, there is a verdict, and damaged certificates are never found valid."""

from __future__ import annotations

import base64
import datetime
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.x509.examine import Examination, examine
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.signing import signed_pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = pki.CertificateAuthority("Root")
ISSUER = pki.CertificateAuthority("Issuer", parent=ROOT)
LEAF = ISSUER.issue(["a.example.com", "*.b.example.com", "192.0.2.1"], key_type="rsa2048")
DER = LEAF.certificate.public_bytes(Encoding.DER)
FUZZ = settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))

pieces = st.sampled_from(
    [
        LEAF.certificate_pem,
        LEAF.chain_pem,
        LEAF.private_key_pem,
        LEAF.private_key_pem.replace("A", "B"),
        pki.private_key_pem(pki.new_key("rsa2048"), passphrase=b"secret", key_format="traditional"),
        pki.private_key_pem(pki.shared_key("dsa2048")),
        pki.private_key_pem(pki.shared_key("ed448")),
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n",
        LEAF.certificate_pem[:300],
        "\0\ufeff\ud800 garbage\n",
    ]
)
texts = st.one_of(st.text(max_size=200), st.lists(pieces, max_size=5).map("".join))
instants = st.datetimes(timezones=st.just(datetime.timezone.utc))


def valid(**asked: t.Any) -> bool:
    problems = examine(Examination(**{"trust_anchors": ROOT.certificate_pem, "at": pki.now(), **asked}))
    for problem in problems:
        secrets_scan.assert_no_private_key(problem.message)
    return not any(problem.severity == "error" for problem in problems)


def pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


@FUZZ
@given(texts, texts, st.one_of(st.none(), texts), texts, st.lists(st.text(max_size=20), max_size=3), instants)
def test_any_text(certificate, chain, private_key, anchors, names, at):
    for purpose in ("server", "client"):
        valid(
            certificate=certificate,
            certificate_chain=chain,
            private_key=private_key,
            trust_anchors=anchors,
            server_names=tuple(names),
            at=at,
            purpose=purpose,
        )


@FUZZ
@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_any_damage_of_the_leaf(position, difference):
    damaged = DER[:position] + bytes([DER[position] ^ difference]) + DER[position + 1 :]
    assert not valid(certificate=pem(damaged), certificate_chain=LEAF.chain_pem)


@FUZZ
@given(st.data())
def test_any_damage_that_the_authority_signed(data):
    """Malformed content under a good signature, which is what an authority's own mistakes look like."""
    content = LEAF.certificate.tbs_certificate_bytes
    position = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:position] + bytes([data.draw(st.integers(0, 255))]) + content[position + 1 :]
    signed = signed_pem(damaged, ISSUER.key)
    for profile in ("web", "private"):
        valid(certificate=signed, certificate_chain=LEAF.chain_pem, profile=profile, server_names=("a.example.com",))
    valid(certificate=LEAF.certificate_pem, certificate_chain=signed + LEAF.chain_pem)
    valid(certificate=LEAF.certificate_pem, certificate_chain=LEAF.chain_pem, trust_anchors=signed)


def test_keys_of_every_kind() -> None:
    keys = [pki.shared_key(kind) for kind in ("ec384", "ed25519", "ed448", "dsa2048", "rsa3072")]
    keys += [
        x25519.X25519PrivateKey.generate(),
        x448.X448PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
    ]
    for key in keys:
        private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        secrets_scan.register_private_key(private_key.encode())
        assert not valid(certificate=LEAF.certificate_pem, certificate_chain=LEAF.chain_pem, private_key=private_key)


def test_probabilistic_signatures() -> None:
    issuer = pki.CertificateAuthority("PSS", key_type="rsa2048")
    issued = issuer.issue("a.example.com")
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    builder = x509.CertificateBuilder(
        issued.certificate.issuer,
        issued.certificate.subject,
        issued.certificate.public_key(),
        issued.certificate.serial_number,
        issued.certificate.not_valid_before_utc,
        issued.certificate.not_valid_after_utc,
        list(issued.certificate.extensions),
    )
    signed = builder.sign(issuer.key, hashes.SHA256(), rsa_padding=pss)
    assert valid(certificate=pki.certificate_pem(signed), trust_anchors=issuer.certificate_pem)
