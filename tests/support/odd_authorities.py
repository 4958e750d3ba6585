# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Authorities as other programs make them, what they have issued, and what the program openssl says of it."""

from __future__ import annotations

import datetime
import pathlib
import subprocess
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.ca.issue import SigningAuthority
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import (
    Certificate,
    load_certificate,
)
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import pki
from .signing import sign

#: How an authority key identifier tells the issuer: by its key's identifier, by its name and number, or not at all.
Identifying = t.Literal["key", "serial", ""]


def name(common_name: str = "Joblet-CA") -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def odd_authority(
    subject: x509.Name | None = None,
    *,
    at: datetime.datetime,
    key: t.Any = None,
    key_identifier: bytes | None = b"",
    extensions: t.Sequence[tuple[x509.ExtensionType, bool]] = (),
    usage: bool = True,
    parent: SigningAuthority | None = None,
    age: datetime.timedelta = datetime.timedelta(days=300),
    end: datetime.datetime | None = None,
) -> SigningAuthority:
    """key_identifier: b"" for the usual one, None for none; usage: whether it says what its key may be used for.

    end: in 1000 days by default.
    """
    key, subject = key or pki.new_key(), subject or name()
    pki.private_key_pem(key)  # registers it
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.certificate.x509.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - age)
        .not_valid_after(end or at + datetime.timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if key_identifier is not None:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(x509.SubjectKeyIdentifier(key_identifier or own.digest), critical=False)
    if usage:
        bits = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        usages = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, decipher_only=False, **bits)
        builder = builder.add_extension(usages, critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    made = sign(builder, parent.key if parent else key, None)
    above = (parent.certificate, *parent.above) if parent else ()
    return SigningAuthority(load_certificate(made.public_bytes(serialization.Encoding.DER)), key, above)


def odd_leaf(
    issuer: SigningAuthority,
    purpose: str,
    *,
    at: datetime.datetime,
    identifying: Identifying = "",
    key: t.Any = None,
) -> tuple[Certificate, t.Any]:
    """As another program may have issued it, with its key. purpose: "server" or "client"."""
    key, authority = key or pki.new_key(), issuer.certificate.x509
    pki.private_key_pem(key)
    usage = ExtendedKeyUsageOID.SERVER_AUTH if purpose == "server" else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(f"odd-{purpose}"))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - datetime.timedelta(days=1))
        .not_valid_after(at + datetime.timedelta(days=300))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("joblet")]), critical=False)
    )
    if identifying == "key":
        found = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        builder = builder.add_extension(found, critical=False)
    elif identifying == "serial":
        told = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(authority.issuer)], authority.serial_number)
        builder = builder.add_extension(told, critical=False)
    return load_certificate(sign(builder, issuer.key, None).public_bytes(serialization.Encoding.DER)), key


def openssl_verifies(
    leaf: Certificate,
    purpose: str,
    bundle: str,
    directory: pathlib.Path,
    at: datetime.datetime,
    crl: str | None = None,
    *options: str,
) -> str:
    """What ``openssl verify`` has against it, "" when it has nothing. bundle: all that is trusted."""
    (directory / "leaf.pem").write_bytes(leaf.pem)
    (directory / "bundle.pem").write_text(bundle)
    command = ["openssl", "verify", "-CAfile", "bundle.pem", "-no-CApath", "-no-CAstore", "-purpose", f"ssl{purpose}"]
    command += ["-attime", str(int(at.timestamp())), *options]
    if crl is not None:
        (directory / "crl.pem").write_text(bundle + crl)
        command[3] = "crl.pem"
        command += ["-crl_check_all"]
    done = subprocess.run([*command, "leaf.pem"], cwd=directory, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
