# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys of certificates that are ordered, in a form of few bytes, and the requests that are signed with them."""

from __future__ import annotations

import base64
import ipaddress
import typing as t

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
except ImportError:  # the module boundary says so
    pass

from ..._errors import RotationError
from ..ca.profiles import KeySpec
from .names import NARROW_PROFILES, is_address

if t.TYPE_CHECKING:
    from .wanted import KeyType, WantedCertificate

_SPECS: t.Final[t.Mapping[str, tuple[t.Literal["rsa", "ec"], int]]] = {
    "ec256": ("ec", 256),
    "ec384": ("ec", 384),
    "rsa2048": ("rsa", 2048),
    "rsa3072": ("rsa", 3072),
    "rsa4096": ("rsa", 4096),
}
_KEY_TYPES: t.Final = {
    "EC P-256": "ec256",
    "EC P-384": "ec384",
    "RSA 2048": "rsa2048",
    "RSA 3072": "rsa3072",
    "RSA 4096": "rsa4096",
}
_LONGEST_COMMON_NAME: t.Final = 64  # RFC 5280, ub-common-name


def key_spec(key_type: KeyType) -> KeySpec:
    """What a KeyMaker (_core/ca/keys.py) is given."""
    return KeySpec(*_SPECS[key_type])


def key_type_of(key: str) -> KeyType | None:
    """key: as Certificate.key tells it; None for kinds that are not ordered here."""
    return t.cast("KeyType | None", _KEY_TYPES.get(key))


def csr_der(key: t.Any, wanted: WantedCertificate, profile: str | None) -> bytes:
    """The request (RFC 2986) for all its names, signed with key. profile: that was asked for, None for the CA's own.

    The common name is the first DNS name that fits; there is none where Let's Encrypt's profile has none.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(wanted, profile))
    names: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(identifier)) if is_address(identifier) else x509.DNSName(identifier)
        for identifier in wanted.identifiers
    ]
    request = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    der: bytes = request.public_bytes(serialization.Encoding.DER)
    return der


def compact_key(key: t.Any) -> str:
    """PKCS #8 in DER, as base64 on one line: a third less than PEM in JSON."""
    der: bytes = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return base64.b64encode(der).decode("ascii")


def expand_key(text: str) -> t.Any:
    """The inverse of compact_key. Raises RotationError, whose text has nothing of the key.

    Whether its numbers are prime is not looked at: for a hundred RSA keys that takes a minute, and each is compared
    with its certificate before anything is served.
    """
    try:
        der = base64.b64decode(text, validate=True)
        return serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError):
        raise RotationError("A private key in the journal cannot be read: it is damaged.") from None


def _subject(wanted: WantedCertificate, profile: str | None) -> x509.Name:
    names = [name for name in wanted.identifiers if not is_address(name) and len(name) <= _LONGEST_COMMON_NAME]
    if not names or profile in NARROW_PROFILES:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
