# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a document is like: it is read whole or refused, and nothing of a key is told."""

from __future__ import annotations

import base64
import json
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.content import judged, parsed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from hypothesis import event, given, settings
from hypothesis import strategies as st

NOW = pki.now()
ROOT = pki.CertificateAuthority("Root")
UPPER = pki.CertificateAuthority("Upper", parent=ROOT)
LOWER = pki.CertificateAuthority("Lower", parent=UPPER)
ISSUED = LOWER.issue(["a.example.com"])
OTHER = LOWER.issue(["b.example.com"])
CHAIN = (LOWER, UPPER)

_KNOWN = """certificate cert crt tls.crt Certificate private_key key tls.key PrivateKey privkey certificate_chain chain
ca_chain issuing_ca ca.crt CertificateChain fullchain fullchain.pem CA-BUNDLE data secret description domain_name x
tls_certificate_pem key.b64 pem"""
NAMES = st.sampled_from(_KNOWN.split()) | st.text(max_size=20) | st.just(ISSUED.private_key_pem)
CERTIFICATES = st.sampled_from((ISSUED, OTHER, LOWER, UPPER, ROOT)).map(lambda each: [each.certificate])
CHAINS = st.permutations((ISSUED, LOWER, UPPER, ROOT)).map(lambda all_of: [each.certificate for each in all_of])
LEAF_AND_CHAIN = st.sampled_from(([ISSUED, LOWER, UPPER], [LOWER, UPPER], [UPPER, LOWER])).map(
    lambda all_of: [each.certificate for each in all_of]
)
KEY_FORMS = st.sampled_from((PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL))
NOISE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60) | st.just("a.example.com")


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@st.composite
def encoded_certificates(draw: st.DrawFn) -> t.Any:
    certificates = draw(CERTIFICATES | CHAINS | LEAF_AND_CHAIN)
    pems = [each.public_bytes(Encoding.PEM).decode() for each in certificates]
    ders = [each.public_bytes(Encoding.DER) for each in certificates]
    return draw(
        st.sampled_from(
            [
                "".join(pems),
                "\r\n".join(pems).replace("\n", "\\n"),
                pems,
                "".join(pems).splitlines(),
                b64("".join(pems).encode()),
                [b64(pem.encode()) for pem in pems],
                b64(b"".join(ders)),
                [b64(each) for each in ders],
                json.dumps(pems),
                pkcs7.serialize_certificates(certificates, Encoding.PEM).decode(),
                b64(pkcs7.serialize_certificates(certificates, Encoding.DER)),
            ]
        )
    )


@st.composite
def encoded_keys(draw: st.DrawFn) -> t.Any:
    key, form = draw(st.sampled_from((ISSUED, ISSUED, ISSUED, OTHER))).private_key, draw(KEY_FORMS)
    pem = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    der = key.private_bytes(Encoding.DER, form, NoEncryption())
    return draw(st.sampled_from([pem, pem.splitlines(), b64(pem.encode()), b64(der), [b64(der)], pem[:-40]]))


CONTENT = encoded_certificates() | encoded_keys() | NOISE
DOCUMENTS = st.recursive(
    CONTENT,
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=6)
        | st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=4).map(json.dumps)
    ),
    max_leaves=10,
)
#: So that many of them are good enough to be read.
PAIRS = st.fixed_dictionaries(
    {},
    optional={
        "certificate": encoded_certificates(),
        "private_key": encoded_keys(),
        "tls.crt": encoded_certificates(),
        "key": encoded_keys(),
        "ca_chain": encoded_certificates(),
        "chain": encoded_certificates(),
        "more": DOCUMENTS,
        "data": DOCUMENTS,
        "description": DOCUMENTS,
    },
)
GOOD = st.fixed_dictionaries(
    {"cert": st.just(ISSUED.certificate_pem), "private_key": st.just(ISSUED.private_key_pem)},
    optional=dict.fromkeys(("certificate_chain", "ca_chain", "x", "data", "issuer", "description"), DOCUMENTS),
)


def content_of(node: t.Any) -> bytes:
    """All that a document may hold in DER: found by a reader that looks at nothing but bytes."""
    if isinstance(node, dict):
        return b"".join(map(content_of, node.values()))
    if isinstance(node, list):
        lines = content_of("\n".join(node)) if node and all(isinstance(each, str) for each in node) else b""
        return lines + b"".join(map(content_of, node))
    if not isinstance(node, str):
        return b""
    try:
        inner = json.loads(node)
    except ValueError:
        inner = None
    if isinstance(inner, (dict, list)):
        return content_of(inner)
    bodies = [
        start.split("-----")[1] for start in node.replace("\\n", "\n").split("-----BEGIN ")[1:] if "-----" in start
    ]
    found = b"".join(map(decoded, bodies or [node]))
    return found + content_of(found.decode("latin-1")) if found.startswith(b"-----BEGIN ") else found


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return b""


@settings(max_examples=400)
@given(DOCUMENTS | PAIRS | GOOD)
def test_any_document_is_read_whole_or_refused(document: t.Any) -> None:
    try:
        material = parsed(json.dumps(document))
    except MaterialError as refusal:
        secrets_scan.assert_no_private_key(refusal.message)
        return
    bundle, problems = judged(material, at=NOW)
    for problem in problems:
        secrets_scan.assert_no_private_key(problem.message)
    if bundle is None:
        return
    event("read")
    held = content_of(document)
    needed = []
    for authority in CHAIN:
        der = authority.certificate.public_bytes(Encoding.DER)
        if der not in held:
            break
        needed.append(der)
    assert [each.der for each in bundle.intermediates] == needed
