# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of any shape: what hosts can read before, they read afterwards as the new certificate, and nothing else
has changed."""

from __future__ import annotations

import base64
import json
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.content import NewContent
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.merging import MergedContent, merged
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import parse_secret
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import parse_pem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.verify import VerificationPolicy, build_bundle
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate, now
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = CertificateAuthority("Test Root")
ONE = CertificateAuthority("One", parent=ROOT)
TWO = CertificateAuthority("Two", parent=CertificateAuthority("Above Two", parent=ROOT))
NOW = now()
OLD = [ROOT.issue("www.example.com"), ONE.issue("www.example.com"), TWO.issue("www.example.com")]
NEW = [ROOT.issue("www.example.com"), ONE.issue("www.example.com"), TWO.issue("www.example.com")]


def bundle_of(value: str | bytes) -> CertificateBundle | None:
    try:
        material = parse_secret(value, ProcessOpener(None))
    except MaterialError:
        return None
    return build_bundle(material, VerificationPolicy(), at=NOW, why_not_loaded=None)[0]


BUNDLES = [t.cast("CertificateBundle", bundle_of(issued.secret_string())) for issued in NEW]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


ENCODINGS: dict[str, t.Callable[[str], t.Any]] = {
    "pem": lambda pem: pem,
    "crlf": lambda pem: pem.replace("\n", "\r\n"),
    "escaped": lambda pem: pem.replace("\n", "\\n"),
    "base64": lambda pem: _b64(pem.encode()),
    "twice": lambda pem: _b64(_b64(pem.encode()).encode()),
    "der": lambda pem: _b64(b"".join(block.der for block in parse_pem(pem))),
    "list": lambda pem: [block.encode().decode() for block in parse_pem(pem)],
    "ders": lambda pem: [_b64(block.der) for block in parse_pem(pem)],
}
SCHEMAS = [
    ("certificate", "certificate_chain", "private_key"),
    ("Certificate", "CertificateChain", "PrivateKey"),
    ("cert", "chain", "privkey"),
    ("tls.crt", "ca-chain", "tls.key"),
    ("CERT_PEM", "issuing_ca", "KEY_PEM"),
    ("crt", "ca_bundle", "key"),
]
FORMS = ["apart", "fullchain", "combined", "both"]
FURTHER = st.dictionaries(
    st.text(max_size=8).map(lambda name: f"x {name}"),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[IssuedCertificate, dict[str, t.Any], str | bytes]:
    """A certificate, what else is in the document, and the value of a secret that holds both."""
    issued = draw(st.sampled_from(OLD))
    encode = ENCODINGS[draw(st.sampled_from(sorted(ENCODINGS)))]
    certificate, chain, key = draw(st.sampled_from(SCHEMAS))
    form = draw(st.sampled_from(FORMS))
    fields: dict[str, t.Any] = {}
    if form == "apart":
        fields = {certificate: issued.certificate_pem, key: issued.private_key_pem}
        fields.update({chain: issued.chain_pem} if issued.chain_pem else {})
    elif form == "combined":
        fields = {certificate: issued.combined_pem}
    else:
        fields = {certificate: issued.certificate_pem + issued.chain_pem, key: issued.private_key_pem}
        fields.update({chain: issued.chain_pem} if form == "both" and issued.chain_pem else {})
    fields = {name: encode(text) for name, text in fields.items()}
    further = draw(FURTHER)
    document = dict(draw(st.permutations([*fields.items(), *further.items()])))
    wrap = draw(st.sampled_from(["none", "data", "vault", "text", "base64", "bytes"]))
    if wrap == "data":
        document = {"data": document}
    elif wrap == "vault":
        document = {"lease_id": "", "data": {"data": document}}
    text = json.dumps(document)
    if wrap == "text":
        text = json.dumps({"inner": text, "n": 1})
    return issued, further, text.encode() if wrap == "bytes" else _b64(text.encode()) if wrap == "base64" else text


def _holder(value: t.Any) -> dict[str, t.Any]:
    """The document inside of what documents() wraps it in."""
    while True:
        if isinstance(value, bytes):
            value = value.decode()
        if isinstance(value, str):
            value = json.loads(value if value.startswith("{") else base64.b64decode(value))
        if "inner" in value:
            value = value["inner"]
        elif "data" in value:
            value = value["data"]
        else:
            return t.cast("dict[str, t.Any]", value)


@settings(max_examples=150)
@given(documents(), st.integers(0, len(NEW) - 1))
def test_any_document_gets_the_new_certificate(
    made: tuple[IssuedCertificate, dict[str, t.Any], str | bytes], number: int
) -> None:
    issued, further, value = made
    before = bundle_of(value)
    if before is None or before.leaf.pem.decode() != issued.certificate_pem:
        return  # hosts do not read it, and what becomes of it is looked at by whoever stores it
    content = NewContent(BUNDLES[number])
    after = merged(value, MergedContent(content))
    assert after is not None
    assert type(after) is type(value)
    read = bundle_of(after)
    assert read is not None
    assert (read.leaf, read.intermediates) == (BUNDLES[number].leaf, BUNDLES[number].intermediates)
    assert {name: _holder(after)[name] for name in further} == further
    assert merged(after, MergedContent(content)) == after
    # Back again it is what it was, as far as a chain had a place of its own.
    restored = merged(after, MergedContent(NewContent(before)))
    assert restored is not None
    again = bundle_of(restored)
    assert again is not None
    assert (again.leaf, again.intermediates) == (before.leaf, before.intermediates)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([OLD[1].certificate_pem, OLD[1].chain_pem, OLD[1].private_key_pem, OLD[1].certificate_pem[:-40]]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["certificate", "private_key", "certificate_chain", "tls.crt", "ca", "data", "x", "domain_name"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(JSON.map(json.dumps) | st.text(max_size=40) | st.binary(max_size=40), st.booleans())
def test_any_value_at_all_is_merged_or_told_of(value: str | bytes, has_domain: bool) -> None:
    wanted = MergedContent(
        NewContent(BUNDLES[1]), "www.example.com" if has_domain else None, "www.example.com", {"a": 1}
    )
    try:
        merged(value, wanted)
    except RotationError as error:
        assert "PRIVATE KEY-----" not in error.message  # noqa: PT017 - most raise nothing
