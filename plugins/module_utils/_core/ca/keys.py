# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys of an authority and of those it issues for: made, written, read, matched, and followed by others."""

from __future__ import annotations

import datetime
import typing as t

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
except ImportError:  # the module boundary says so
    pass

from ..._errors import RotationError
from ..x509.certificate import Certificate
from ..x509.keys import load_private_key
from ..x509.pem import parse_pem
from .profiles import KeySpec, Profile

#: Makes private keys. A port: generating RSA keys takes seconds, and a prediction needs none of them.
KeyMaker = t.Callable[[KeySpec], t.Any]


def generate_key(spec: KeySpec) -> t.Any:
    if spec.kind == "rsa":
        return rsa.generate_private_key(65537, spec.size)
    if spec.kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if spec.kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    curves: dict[int, t.Any] = {256: ec.SECP256R1, 384: ec.SECP384R1, 521: ec.SECP521R1}
    return ec.generate_private_key(curves[spec.size]())


def quick_key(_spec: KeySpec) -> t.Any:
    """A KeyMaker for what is never stored."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: t.Any) -> str:
    """PKCS #8, unencrypted."""
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def read_key(pem: str) -> t.Any:
    """The one key in the text, in clear. Raises MaterialError."""
    return load_private_key(parse_pem(pem))[0]


def spec_of(public_key: t.Any) -> KeySpec:
    """What to make a successor like. Raises RotationError for kinds of keys that are not made here."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return KeySpec("rsa", min((2048, 3072, 4096), key=lambda size: abs(size - public_key.key_size)))
    if isinstance(public_key, ec.EllipticCurvePublicKey) and public_key.curve.key_size in (256, 384, 521):
        return KeySpec("ec", public_key.curve.key_size)
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return KeySpec("ed25519", 256)
    if isinstance(public_key, ed448.Ed448PublicKey):
        return KeySpec("ed448", 448)
    raise RotationError("The stored certificate has a key of a kind that is not made here: say key_type and key_size.")


def profile_of(certificate: Certificate | None, secret: str, key: KeySpec | None = None) -> Profile:
    """To make a successor like this certificate. key: None for one like its own. Raises RotationError."""
    if certificate is None or certificate.subject_name is None:
        raise RotationError(f"{secret} holds no certificate that a new one could be made like: delete the secret.")
    lifetime = certificate.not_after - certificate.not_before
    if lifetime > datetime.timedelta(days=1):  # it began somewhat early, and its successor does, too
        lifetime = datetime.timedelta(days=lifetime.days)
    return Profile(certificate.subject_name, key or spec_of(certificate.public_key), lifetime)
