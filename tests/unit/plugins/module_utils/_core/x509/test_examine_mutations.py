# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thousands of damaged certificates and keys: there is a verdict for each, soon, and none of them raises.

The places of the damage are the same in each run. Content damaged under a good signature is what an authority's own
mistakes look like, and it gets furthest.
"""

from __future__ import annotations

import base64
import json
import random
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.examine import Examination, examine
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.chains import (
    EXAMPLE,
    NOW,
    OTHER_NAME,
    PRIVATE_OID,
    ROOT,
    authority,
    dns,
    ip,
    leaf,
    name,
)
from ansible_collections.certops.rotation.tests.support.content import judged, parsed
from ansible_collections.certops.rotation.tests.support.signing import signed_pem
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

URI = x509.UniformResourceIdentifier("http://example.com/")
KINDS = [EXAMPLE, *dns("*.example.com"), ip("10.0.0.1"), x509.RFC822Name("a@example.com"), URI]
KINDS += [x509.DirectoryName(name("a")), OTHER_NAME, x509.RegisteredID(PRIVATE_OID)]
ISSUER = authority(
    ROOT,
    limits=(x509.NameConstraints([EXAMPLE, ip("10.0.0.0/8"), x509.DirectoryName(name("example.com"))], None), False),
    extra=[
        (x509.CertificatePolicies([x509.PolicyInformation(PRIVATE_OID, ["http://example.com"])]), False),
        (x509.CRLDistributionPoints([x509.DistributionPoint([URI], None, None, None)]), False),
    ],
)
SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COMMON_NAME, "example.com"),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.com"),
        x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
    ]
)
LEAF = leaf(
    ISSUER,
    subject=SUBJECT,
    san=KINDS,
    extra=[
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
        (
            x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, URI)]),
            False,
        ),
    ],
)
KEYS = [pki.private_key_pem(LEAF.key), pki.private_key_pem(pki.shared_key("rsa2048"))]
TAGS = bytes.fromhex("00ff807f3002030405060c131617181ea0a38286")


def damage(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _dummy in range(chance.choice((1, 1, 1, 2, 4))):
        at, other, size = chance.randrange(len(data)), chance.randrange(len(data)), chance.randrange(1, 20)
        kind = chance.randrange(6)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            data[at] = chance.choice(TAGS)
        elif kind == 3:
            del data[at : min(at + size, len(data) - 1)]
        elif kind == 4:
            data[at:at] = chance.randbytes(size)
        else:
            data[at : at + size] = data[other : other + size]
    return bytes(data)


def pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def signed(certificate: x509.Certificate, key: t.Any, chance: random.Random) -> str:
    return signed_pem(damage(certificate.tbs_certificate_bytes, chance), key)


def damaged(kind: str, chance: random.Random) -> dict[str, str]:
    parts = {"leaf": LEAF.pem, "chain": ISSUER.pem, "anchors": ROOT.pem, "key": KEYS[0]}
    if kind == "unsigned":
        parts["leaf"] = pem(damage(LEAF.certificate.public_bytes(Encoding.DER), chance))
    elif kind == "leaf":
        parts["leaf"] = signed(LEAF.certificate, ISSUER.key, chance)
    elif kind == "issuer":
        parts["chain"] = signed(ISSUER.certificate, ROOT.key, chance)
    elif kind == "root":
        parts["anchors"] = signed(ROOT.certificate, ROOT.key, chance)
    elif kind == "key":
        der = base64.b64decode("".join(chance.choice(KEYS).splitlines()[1:-1]))
        label = chance.choice(("", "RSA ", "EC ", "DSA ", "ENCRYPTED ", "OPENSSH "))
        parts["key"] = pem(damage(der, chance)).replace("CERTIFICATE", f"{label}PRIVATE KEY")
    else:
        parts = {part: damage(text.encode(), chance).decode("latin-1") for part, text in parts.items()}
    return parts


@pytest.mark.parametrize("kind", ["unsigned", "leaf", "issuer", "root", "key", "text"])
def test_damaged_content_has_a_verdict(kind: str) -> None:
    chance = random.Random(f"certops {kind}")
    for _dummy in range(600):
        parts = damaged(kind, chance)
        started = time.monotonic()
        examination = Examination(
            parts["leaf"],
            trust_anchors=parts["anchors"],
            certificate_chain=parts["chain"],
            private_key=parts["key"],
            server_names=chance.choice(((), ("example.com",), ("10.0.0.1",))),
            purpose=chance.choice(("server", "client")),
            profile=chance.choice(("web", "private")),
            at=NOW,
        )
        problems = examine(examination)
        assert all(problem.message.endswith(".") for problem in problems)
        if kind == "unsigned" and parts["leaf"] != LEAF.pem:
            assert any(problem.severity == "error" for problem in problems)
        deploy(parts)
        assert time.monotonic() - started < 10


def deploy(parts: dict[str, str]) -> None:
    """As certificate_sync does: either it says that the content is unreadable, or it judges."""
    policy = {"trust_anchors": (ROOT.certificate,)}
    document = {"certificate": parts["leaf"], "certificate_chain": parts["chain"], "private_key": parts["key"]}
    try:
        judged(parsed(json.dumps(document)), at=NOW, **policy)
    except MaterialError:
        pass


def test_parts_that_cryptography_fails_to_read() -> None:
    """A TLS feature of an unknown number, and a bit string as a name: KeyError and TypeError instead of ValueError."""
    content = LEAF.certificate.tbs_certificate_bytes
    feature = bytes.fromhex("3003020105")
    country = b"\x13\x02FR"
    for old, new in ((feature, feature[:-1] + b"\x63"), (country, b"\x03\x02\x00R")):
        assert content.count(old) == 1
        certificate = signed_pem(content.replace(old, new), ISSUER.key)
        problems = examine(Examination(certificate, ROOT.pem, NOW, ISSUER.pem))
        assert [problem.code for problem in problems] == ["certificate_invalid"]
        document = {"certificate": certificate, "certificate_chain": ISSUER.pem, "private_key": KEYS[0]}
        bundle, problems = judged(parsed(json.dumps(document)), at=NOW)
        assert bundle is None
        assert [problem.code for problem in problems] == ["certificate_invalid"]
