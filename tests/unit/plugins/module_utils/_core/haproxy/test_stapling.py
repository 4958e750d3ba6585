# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which OCSP responses HAProxy is given, and which of them it has."""

from __future__ import annotations

import base64
import dataclasses
import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.content import parse_content
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.parsing import (
    HeldResponse,
    parse_held_response,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.stapling import Staple, parse_staple
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

NOW = pki.now()
HOUR = datetime.timedelta(hours=1)
ISSUER = pki.CertificateAuthority("Issuer", parent=pki.CertificateAuthority("Root"))
# Of the same name, and not the issuer.
STRANGER = pki.CertificateAuthority("Issuer", parent=pki.CertificateAuthority("Root"))
LEAF, OTHER = ISSUER.issue("a.example.com"), ISSUER.issue("b.example.com")
RESPONSE = ocsp_response(ISSUER, LEAF)


TRY_LATER = bytes.fromhex("30030a0103")  # a response that says only this


def parsed(response: bytes = RESPONSE, *, content: str = LEAF.combined_pem, issuer: str | None = None) -> Staple:
    given = issuer.encode() if issuer is not None else None
    return parse_staple(response, parse_content(content), given, NOW, is_given=True)


def test_what_is_sent() -> None:
    staple = parsed()
    assert [end for end, _payload in staple.parts] == [".ocsp"]
    assert base64.b64decode(staple.payload) == RESPONSE
    assert all(0 < len(line) <= 64 for line in staple.payload.split("\n"))
    assert staple.signature == ocsp.load_der_ocsp_response(RESPONSE).signature
    assert (staple.is_revoked, parsed(ocsp_response(ISSUER, LEAF, status=ocsp.OCSPCertStatus.REVOKED)).is_revoked) == (
        False,
        True,
    )


@pytest.mark.parametrize("form", ["base64", "lines", "pem"])
def test_forms(form: str) -> None:
    text = base64.b64encode(RESPONSE)
    if form != "base64":
        text = base64.encodebytes(RESPONSE)
    if form == "pem":
        text = b"-----BEGIN OCSP RESPONSE-----\n" + text + b"-----END OCSP RESPONSE-----\n"
    assert parsed(text) == parsed()


def test_issuer_that_the_chain_lacks() -> None:
    alone = LEAF.certificate_pem + LEAF.private_key_pem
    pem = pki.certificate_pem(ISSUER.certificate)
    staple = parsed(content=alone, issuer=pki.certificate_pem(STRANGER.certificate) + pem)
    assert staple.parts[0] == (".issuer", pem.strip())
    assert parsed(issuer=pem).issuer == ""  # HAProxy finds it in the chain
    with pytest.raises(InvalidOption, match="neither in its chain nor given"):
        parsed(content=alone)
    for issuer in (pki.certificate_pem(STRANGER.certificate), ""):
        with pytest.raises(InvalidOption, match="has not signed"):
            parsed(content=alone, issuer=issuer)
    with pytest.raises(MaterialError):
        parsed(content=alone, issuer="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (ocsp_response(ISSUER, OTHER), "another certificate"),
        (ocsp_response(STRANGER, LEAF), "another certificate"),
        (ocsp_response(ISSUER, LEAF, signer=STRANGER), "nobody who may"),
        (ocsp_response(ISSUER, LEAF, next_update=NOW - datetime.timedelta(seconds=1)), "out of date"),
        (ocsp_response(ISSUER, LEAF, this_update=NOW + HOUR), "of the future"),
        (ocsp_response(ISSUER, LEAF, status=ocsp.OCSPCertStatus.UNKNOWN), "does not know"),
        (ocsp_response(ISSUER, LEAF, algorithm=hashes.SHA256()), "SHA-1"),
        (TRY_LATER, "cannot be read"),
        (b"", "cannot be read"),
        (b"\x30\x80garbage", "cannot be read"),
        (b"not base64 !", "cannot be read"),
    ],
)
def test_what_is_not_sent(response: bytes, said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        parsed(response)


def test_what_haproxy_has() -> None:
    """A given response is the one to serve. One that was found beside the file is, if it is newer."""
    staple = parsed()
    found = dataclasses.replace(staple, is_given=False)
    same = HeldResponse(staple.signature, staple.this_update)
    newer = HeldResponse(b"another", "2999-01-01T00:00:00Z")
    older = HeldResponse(b"another", "2001-01-01T00:00:00Z")
    assert [staple.differs_from(held) for held in (None, same, newer, older)] == [True, False, True, True]
    assert [found.differs_from(held) for held in (None, same, newer, older)] == [True, False, False, True]


SHOWN = """OCSP Response Data:
    OCSP Response Status: successful (0x0)
    Responder Id: 6907F683273EAF9E56D731261E8673D59DBCB5F3
    Produced At: Nov 26 22:35:41 2026 GMT
    Responses:
    Certificate ID:
      Serial Number: 4E16ECD1E50EC9E82D7D2703F0128F8955F6B53C
    Cert Status: good
    This Update: Nov 26 21:35:41 2026 GMT
    Next Update: Dec  3 22:35:41 2026 GMT

    Signature Algorithm: ecdsa-with-SHA256
    Signature Value:
        30:45:02:20:71:06:
        db:dc
Certificate:
    Data:
    Signature Algorithm: ecdsa-with-SHA256
         00:11:22
"""


def test_how_haproxy_shows_it() -> None:
    held = HeldResponse(bytes.fromhex("304502207106dbdc"), "2026-11-26T21:35:41Z")
    assert parse_held_response(SHOWN) == held
    # OpenSSL before 3.0 has no line of its own before the octets.
    assert parse_held_response(SHOWN.replace("    Signature Value:\n", "")) == held
    assert parse_held_response("") is None
    assert parse_held_response("Can't display the certificate: Not found or the certificate is a bundle!") is None
    assert parse_held_response("Signature Value:\n  30:4\n") is None
