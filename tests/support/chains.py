# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains of certificates of any form, good and bad, for verdicts as public corpora of test certificates ask them."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import time
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.x509.examine import Examination, examine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOT_BEFORE = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
NOT_AFTER = datetime.datetime(2040, 1, 1, tzinfo=datetime.timezone.utc)
NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY_USAGE, EMAIL_USAGE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.EMAIL_PROTECTION
EXAMPLE = x509.DNSName("example.com")
PRIVATE_OID = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
OTHER_NAME = x509.OtherName(PRIVATE_OID, b"\x05\x00")


def new_key() -> t.Any:
    return ec.generate_private_key(ec.SECP256R1())


RSA_1024 = rsa.generate_private_key(65537, 1024)
RSA_2052 = rsa.generate_private_key(65537, 2052)
RSA_2048 = rsa.generate_private_key(65537, 2048)
P192 = ec.generate_private_key(ec.SECP192R1())
DSA = dsa.generate_private_key(2048)


@dataclasses.dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: t.Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


@dataclasses.dataclass(frozen=True)
class Chain:
    leaf: Made | str
    anchor: Made
    pool: tuple[Made, ...] = ()
    names: tuple[str, ...] = ("example.com",)
    asked: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    def problems(self, **more: t.Any) -> set[str]:
        asked = {"server_names": self.names, "at": NOW, **self.asked, **more}
        leaf = self.leaf if isinstance(self.leaf, str) else self.leaf.pem
        chain = "".join(member.pem for member in self.pool)
        started = time.monotonic()
        found = examine(Examination(leaf, trust_anchors=self.anchor.pem, certificate_chain=chain, **asked))
        assert time.monotonic() - started < 10
        return {problem.code for problem in found if problem.severity == "error"}


def usages(*names: str) -> x509.KeyUsage:
    known = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in names for name in known.split()})


def subject_key(key: t.Any) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def authority_key(key: t.Any) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def make(
    subject: x509.Name,
    issuer: x509.Name,
    key: t.Any,
    signing_key: t.Any,
    defaults: dict[str, tuple[x509.ExtensionType | None, bool]],
    extensions: dict[str, t.Any],
    extra: t.Sequence[tuple[x509.ExtensionType, bool]] = (),
    *,
    serial: int | None = None,
    not_before: datetime.datetime = NOT_BEFORE,
    not_after: datetime.datetime = NOT_AFTER,
) -> Made:
    """extensions: instead of the defaults, with the default's criticality or as a pair; None leaves one out."""
    serial = x509.random_serial_number() if serial is None else serial
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), serial, not_before, not_after)
    for kind, default in defaults.items():
        wanted = extensions.pop(kind, default)
        value, critical = wanted if isinstance(wanted, tuple) else (wanted, default[1])
        if value is not None:
            builder = builder.add_extension(value, critical)
    assert not extensions, extensions
    for value, critical in extra:
        builder = builder.add_extension(value, critical)
    return Made(builder.sign(signing_key, hashes.SHA256()), key)


def authority(
    parent: Made | None = None,
    *,
    cn: str | None = None,
    key: t.Any = None,
    path_length: int | None = None,
    extra: t.Sequence[tuple[x509.ExtensionType, bool]] = (),
    not_before: datetime.datetime = NOT_BEFORE,
    not_after: datetime.datetime = NOT_AFTER,
    serial: int | None = None,
    **extensions: t.Any,
) -> Made:
    key = key or new_key()
    subject = name(cn if cn is not None else ("Root" if parent is None else f"CA {x509.random_serial_number()}"))
    issuer = subject if parent is None else parent.certificate.subject
    defaults: dict[str, tuple[x509.ExtensionType | None, bool]] = {
        "constraints": (x509.BasicConstraints(True, path_length), True),
        "usage": (usages("key_cert_sign"), True),
        "own_id": (subject_key(key), False),
        "issuer_id": (authority_key(parent.key) if parent else None, False),
        "limits": (None, True),
        "san": (None, False),
        "eku": (None, False),
    }
    signing_key = parent.key if parent else key
    more = {"serial": serial, "not_before": not_before, "not_after": not_after}
    return make(subject, issuer, key, signing_key, defaults, extensions, extra, **more)


def leaf(
    parent: Made,
    *,
    subject: x509.Name | None = None,
    key: t.Any = None,
    extra: t.Sequence[tuple[x509.ExtensionType, bool]] = (),
    serial: int | None = None,
    issuer: x509.Name | None = None,
    not_before: datetime.datetime = NOT_BEFORE,
    not_after: datetime.datetime = NOT_AFTER,
    **extensions: t.Any,
) -> Made:
    key = key or new_key()
    if isinstance(extensions.get("san"), list):
        extensions["san"] = x509.SubjectAlternativeName(extensions["san"])
    defaults: dict[str, tuple[x509.ExtensionType | None, bool]] = {
        "own_id": (subject_key(key), False),
        "issuer_id": (authority_key(parent.key), False),
        "usage": (usages("digital_signature"), True),
        "constraints": (None, True),
        "limits": (None, True),
        "eku": (x509.ExtendedKeyUsage([SERVER]), False),
        "san": (x509.SubjectAlternativeName([EXAMPLE]), False),
    }
    subject = name("example.com") if subject is None else subject
    more = {"serial": serial, "not_before": not_before, "not_after": not_after}
    issuer = parent.certificate.subject if issuer is None else issuer
    return make(subject, issuer, key, parent.key, defaults, extensions, extra, **more)


ROOT = authority()
ISSUER = authority(ROOT)


def of_leaf(names: tuple[str, ...] = ("example.com",), asked: dict[str, t.Any] | None = None, **made: t.Any) -> Chain:
    return Chain(leaf(ISSUER, **made), ROOT, (ISSUER,), names, asked or {})


def of_issuer(asked: dict[str, t.Any] | None = None, **made: t.Any) -> Chain:
    issuer = authority(ROOT, **made)
    return Chain(leaf(issuer), ROOT, (issuer,), asked=asked or {})


def of_root(**made: t.Any) -> Chain:
    root = authority(**made)
    return Chain(leaf(root), root)


def named(in_certificate: str | list[x509.GeneralName], asked: str) -> Chain:
    names = [x509.DNSName(in_certificate)] if isinstance(in_certificate, str) else in_certificate
    return of_leaf((asked,), san=names)


def dns(*names: str) -> list[x509.DNSName]:
    return [x509.DNSName(each) for each in names]


def ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))


def limited(
    permitted: t.Sequence[t.Any] | None,
    excluded: t.Sequence[t.Any] | None,
    san: list[t.Any],
    *asked: str,
    critical: bool = True,
    subject: x509.Name | None = None,
    client: bool = False,
) -> Chain:
    """An authority with name constraints above the leaf."""
    constraints = x509.NameConstraints(permitted, excluded)
    issuer = authority(ROOT, limits=(constraints, critical))
    eku = x509.ExtendedKeyUsage([CLIENT if client else SERVER])
    made = leaf(issuer, san=san, subject=subject, eku=eku)
    return Chain(made, ROOT, (issuer,), asked, {"purpose": "client"} if client else {})


def unchecked(value: t.Any, **fields: t.Any) -> t.Any:
    """Content that cryptography refuses to make by its constructor."""
    for field, content in fields.items():
        setattr(value, f"_{field}", content)
    return value


def malformed(oid: x509.ObjectIdentifier, content: bytes) -> tuple[x509.ExtensionType, bool]:
    return x509.UnrecognizedExtension(oid, content), False


def cross_signed(*, connected: bool) -> Chain:
    """Authorities that sign each other in a circle; CVE-2024-0567 when one of them is a trusted root, too."""
    root = authority(cn="A" if connected else "Root")
    keys = {"A": root.key if connected else new_key(), "B": new_key(), "C": new_key()}
    ring = [
        authority(Made(authority(cn=by, key=keys[by]).certificate, keys[by]), cn=of, key=keys[of])
        for of in keys
        for by in keys
        if of != by
    ]
    below = authority(Made(ring[0].certificate, keys["A"]))
    return Chain(leaf(below), root, (below, *ring))


def swapped() -> Chain:
    return Chain(leaf(ISSUER), ISSUER, (ROOT,))


def nested(*lengths: int | None) -> Chain:
    pool = [ROOT]
    for length in lengths:
        pool.append(authority(pool[-1], path_length=length))
    return Chain(leaf(pool[-1]), ROOT, tuple(pool[1:]))


def expired(which: str) -> Chain:
    until = {which: datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)}
    root = authority(not_after=until.get("root", NOT_AFTER))
    issuer = authority(root, not_after=until.get("issuer", NOT_AFTER))
    return Chain(leaf(issuer, not_after=until.get("leaf", NOT_AFTER)), root, (issuer,))


def old_cross_signature() -> Chain:
    """The new root is trusted itself; that its cross-signature by an older one has expired does no harm."""
    older = authority(cn="Older")
    cross = authority(
        older, cn="Root", key=ROOT.key, not_after=datetime.datetime(2021, 1, 1, tzinfo=datetime.timezone.utc)
    )
    return Chain(leaf(ROOT), ROOT, (cross,))


def another_way() -> Chain:
    """One authority in two forms: the path over one of them breaks a name constraint, the other leads to the root."""
    excluding = authority(ROOT, limits=x509.NameConstraints(None, dns("bad.example.com")))
    key = new_key()
    bad_name = x509.SubjectAlternativeName(dns("bad.example.com"))
    forms = [authority(excluding, cn="Twin", key=key, san=bad_name), authority(ROOT, cn="Twin", key=key)]
    return Chain(leaf(forms[0]), ROOT, (excluding, *forms))
