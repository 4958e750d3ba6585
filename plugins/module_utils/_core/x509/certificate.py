# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One X.509 certificate as facts that can be asked for without fear: a malformed part is a fact, not an exception."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import typing as t

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
except ImportError:  # the module boundary says so
    pass

from ..instants import isoformat_utc
from ..unexpected import is_failure
from .pem import CERTIFICATE, encode_pem
from .problems import MaterialError

Link = t.Literal["signed", "forged", "unknown"]

# Signature algorithms by OID, for certificates whose hash cryptography refuses to name (RFC 3279, RFC 8017).
_WEAK_SIGNATURE_OIDS: t.Final = {
    "1.2.840.113549.1.1.2": "MD2",
    "1.2.840.113549.1.1.3": "MD4",
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.3.14.3.2.29": "SHA-1",
    "1.2.840.10040.4.3": "SHA-1",
    "1.2.840.10045.4.1": "SHA-1",
}
_WEAK_HASHES: t.Final = {"md5": "MD5", "sha1": "SHA-1"}
_EXPLICIT_CURVE: t.Final = bytes.fromhex("06072a8648ce3d020130")  # id-ecPublicKey, then parameters that are no OID
_RSASSA_PSS: t.Final = "1.2.840.113549.1.1.10"
_CURVE_NAMES: t.Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


# Of the DNS 253. HAProxy, which serves common names as well, does not start with one of its buffer's size.
_LONGEST_NAME: t.Final = 1024

_Fact = t.TypeVar("_Fact")
_Otherwise = t.TypeVar("_Otherwise")


def _fact(read: t.Callable[[], _Fact], otherwise: _Otherwise) -> _Fact | _Otherwise:
    """What cryptography says, or that. Of odd content it raises what it likes, panics of its Rust parts included."""
    try:
        return read()
    except BaseException as error:
        if not is_failure(error) or isinstance(error, MemoryError):
            raise
        return otherwise


class Certificate:
    """Facts of one certificate, each computed at most once. None of them raises: see malformed."""

    def __init__(self, parsed: x509.Certificate, der: bytes) -> None:
        self.x509 = parsed
        self.der = der

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"<Certificate {self.name}>"

    @functools.cached_property
    def name(self) -> str:
        """How messages call it: the first SAN, else the subject, else the fingerprint."""
        names = self.subject_alternative_names
        return names[0] if names and not self.is_ca else (self.subject or self.fingerprint_sha256)

    @functools.cached_property
    def pem(self) -> bytes:
        return encode_pem(CERTIFICATE, self.der)

    @functools.cached_property
    def fingerprint_sha256(self) -> str:
        """Lower-case hex, no colons."""
        return self.x509.fingerprint(hashes.SHA256()).hex()

    @functools.cached_property
    def not_before(self) -> datetime.datetime:
        return self.x509.not_valid_before_utc

    @functools.cached_property
    def not_after(self) -> datetime.datetime:
        return self.x509.not_valid_after_utc

    @functools.cached_property
    def serial_number(self) -> str:
        """Lower-case hex, no separators, whole bytes."""
        number = self.x509.serial_number
        digits = f"{abs(number):x}"
        return ("-" if number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)

    @functools.cached_property
    def subject_name(self) -> x509.Name | None:
        return _fact(lambda: self.x509.subject, None)

    @functools.cached_property
    def issuer_name(self) -> x509.Name | None:
        return _fact(lambda: self.x509.issuer, None)

    @functools.cached_property
    def _subject_text(self) -> str | None:
        return _fact(lambda: _rfc4514(self.x509.subject), None)

    @functools.cached_property
    def _issuer_text(self) -> str | None:
        return _fact(lambda: _rfc4514(self.x509.issuer), None)

    @property
    def subject(self) -> str:
        """RFC 4514, "" when empty or malformed."""
        return self._subject_text or ""

    @property
    def issuer(self) -> str:
        """RFC 4514, "" when empty or malformed."""
        return self._issuer_text or ""

    @functools.cached_property
    def self_issued(self) -> bool:
        """Subject and issuer are the same name (RFC 5280)."""
        return self.subject_name is not None and self.subject_name == self.issuer_name

    @functools.cached_property
    def self_signed(self) -> bool:
        """Its own key signed it: a root, or a leaf without an authority."""
        return self.self_issued and _signature_by(self, self) != "forged"

    @functools.cached_property
    def _extensions(self) -> x509.Extensions | None:
        return _fact(lambda: self.x509.extensions, None)

    @functools.cached_property
    def malformed(self) -> str | None:
        """Why some part cannot be read (then that part's facts are empty), or None."""
        if self._subject_text is None or self._issuer_text is None:
            return "its subject or issuer is malformed"
        if self._extensions is None:
            return "one of its extensions is malformed"
        if not all(map(_is_usable, self._alternative_names)):
            return "its subjectAltName holds a network or a name with control characters"
        if any(len(name) > _LONGEST_NAME for name in (*self.dns_names, *self.common_names)):
            return f"one of its names has more than {_LONGEST_NAME} characters"
        return None

    @property
    def common_names(self) -> list[str]:
        found = self.subject_name.get_attributes_for_oid(x509.NameOID.COMMON_NAME) if self.subject_name else []
        return [str(attribute.value) for attribute in found]

    @functools.cached_property
    def _alternative_names(self) -> tuple[x509.GeneralName, ...]:
        return tuple(self._extension(x509.SubjectAlternativeName) or ())

    @functools.cached_property
    def _server_names(self) -> tuple[x509.DNSName | x509.IPAddress, ...]:
        return tuple(
            name
            for name in self._alternative_names
            if isinstance(name, (x509.DNSName, x509.IPAddress)) and _is_usable(name) and name.value
        )

    @functools.cached_property
    def subject_alternative_names(self) -> tuple[str, ...]:
        """DNS names and IP addresses in their order; other kinds are left out."""
        return tuple(str(name.value) for name in self._server_names)

    @property
    def dns_names(self) -> tuple[str, ...]:
        return tuple(name.value for name in self._server_names if isinstance(name, x509.DNSName))

    @property
    def ip_addresses(self) -> tuple[str, ...]:
        return tuple(str(name.value) for name in self._server_names if isinstance(name, x509.IPAddress))

    @functools.cached_property
    def alternative_name_kinds(self) -> frozenset[str]:
        """Which kinds of names the subjectAltName holds, as cryptography calls them: "DNSName", "RFC822Name"."""
        return frozenset(type(name).__name__ for name in self._alternative_names)

    @functools.cached_property
    def extended_key_usage(self) -> tuple[str, ...] | None:
        """Dotted OIDs in their order; None when the certificate does not limit its usage."""
        usages = self._extension(x509.ExtendedKeyUsage)
        return None if usages is None else tuple(usage.dotted_string for usage in usages)

    @functools.cached_property
    def key_usage(self) -> x509.KeyUsage | None:
        return self._extension(x509.KeyUsage)

    @functools.cached_property
    def is_ca(self) -> bool:
        constraints = self._extension(x509.BasicConstraints)
        return constraints is not None and constraints.ca

    @functools.cached_property
    def path_length(self) -> int | None:
        """How many authorities may follow below this one (RFC 5280, 4.2.1.9); None: any number."""
        constraints = self._extension(x509.BasicConstraints)
        return None if constraints is None or not constraints.ca else constraints.path_length

    @functools.cached_property
    def may_sign_certificates(self) -> bool:
        """As far as its key usage tells (RFC 5280, 4.2.1.3)."""
        return self.key_usage is None or self.key_usage.key_cert_sign

    @functools.cached_property
    def authority_key_identifier(self) -> bytes | None:
        """Of the issuer's key."""
        extension = self._extension(x509.AuthorityKeyIdentifier)
        return None if extension is None else extension.key_identifier

    @functools.cached_property
    def authority_serial_number(self) -> int | None:
        """Of the issuer's certificate."""
        extension = self._extension(x509.AuthorityKeyIdentifier)
        return None if extension is None else extension.authority_cert_serial_number

    @functools.cached_property
    def subject_key_identifier(self) -> bytes | None:
        """Of its own key."""
        extension = self._extension(x509.SubjectKeyIdentifier)
        return None if extension is None else extension.digest

    @property
    def issuer_common_names(self) -> list[str]:
        found = self.issuer_name.get_attributes_for_oid(x509.NameOID.COMMON_NAME) if self.issuer_name else []
        return [str(attribute.value) for attribute in found]

    @property
    def constrains_policies(self) -> bool:
        """Whether it demands or forbids certificate policies below it (RFC 5280, 4.2.1.11 and 4.2.1.14)."""
        return any(self._extension(kind) is not None for kind in (x509.PolicyConstraints, x509.InhibitAnyPolicy))

    def _extension(self, kind: type[_Extension]) -> _Extension | None:
        if self._extensions is None:
            return None
        try:
            return self._extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    @functools.cached_property
    def public_key(self) -> t.Any:
        """The public key, or None when its kind is unknown or it is malformed."""
        return _fact(self.x509.public_key, None)

    @property
    def has_explicit_curve(self) -> bool:
        """The curve of its key is spelled out instead of named, which RFC 5480 forbids and clients refuse."""
        return _EXPLICIT_CURVE in self.der

    @property
    def has_rsassa_pss_key(self) -> bool:
        """Its RSA key is for RSASSA-PSS alone (RFC 4055). cryptography tells that since 43."""
        oid = _fact(lambda: self.x509.public_key_algorithm_oid.dotted_string, "")
        return bool(oid == _RSASSA_PSS)

    @functools.cached_property
    def key(self) -> str:
        """For people: "RSA 2048", "EC P-256", "Ed25519"."""
        key = self.public_key
        if isinstance(key, rsa.RSAPublicKey):
            return f"RSA {key.key_size}"
        if isinstance(key, ec.EllipticCurvePublicKey):
            return f"EC {_CURVE_NAMES.get(key.curve.name, key.curve.name)}"
        if isinstance(key, dsa.DSAPublicKey):
            return f"DSA {key.key_size}"
        if isinstance(key, ed25519.Ed25519PublicKey):
            return "Ed25519"
        if isinstance(key, ed448.Ed448PublicKey):
            return "Ed448"
        return "unknown"

    @functools.cached_property
    def weak_signature_algorithm(self) -> str | None:
        """The name of the signature's hash or algorithm when clients refuse it, else None."""
        oid: str = _fact(lambda: self.x509.signature_algorithm_oid.dotted_string, "unknown")
        if oid in _WEAK_SIGNATURE_OIDS:
            return _WEAK_SIGNATURE_OIDS[oid]
        # cryptography resolves the parameters of RSASSA-PSS, and has None for algorithms without a hash.
        found = _fact(lambda: (self.x509.signature_hash_algorithm,), None)
        if found is None:
            return f"an unknown algorithm (OID {oid})"
        return _WEAK_HASHES.get(found[0].name) if found[0] else None

    def signature_by(self, issuer: Certificate) -> Link:
        """Whether the issuer's key made this certificate's signature; "unknown": the algorithm cannot be checked."""
        # Signatures of authorities come again with every leaf of theirs; a leaf's own does not.
        return _signature_by_cached(self, issuer) if self.is_ca else _signature_by(self, issuer)

    def summary(self) -> dict[str, t.Any]:
        """The facts that results show."""
        return {
            "fingerprint_sha256": self.fingerprint_sha256,
            "not_before": isoformat_utc(self.not_before),
            "not_after": isoformat_utc(self.not_after),
            "subject_alternative_names": list(self.subject_alternative_names),
            "issuer": self.issuer,
            "serial_number": self.serial_number,
            "key": self.key,
            "extended_key_usage": None if self.extended_key_usage is None else list(self.extended_key_usage),
        }


_Extension = t.TypeVar("_Extension", bound="x509.ExtensionType")


@functools.lru_cache(maxsize=256)
def load_certificate(der: bytes) -> Certificate:
    """Parse DER. The last few stay parsed, because thousands of leaves share a handful of intermediates.

    Raises MaterialError (certificate_invalid).
    """
    certificate = _fact(lambda: _parse(der), None)
    if certificate is None:
        raise MaterialError(
            "certificate_invalid", "A PEM block says that it is a certificate but is not valid X.509: store it again."
        )
    return certificate


def _parse(der: bytes) -> Certificate:
    """Raises whatever cryptography does."""
    certificate = Certificate(x509.load_der_x509_certificate(der), der)
    # There is nothing to say of one without these.
    certificate.fingerprint_sha256, certificate.serial_number  # noqa: B018
    isoformat_utc(certificate.not_before), isoformat_utc(certificate.not_after)
    return certificate


def _signature_by(certificate: Certificate, issuer: Certificate) -> Link:
    return _fact(lambda: _checked_signature(certificate, issuer), "unknown")


def _checked_signature(certificate: Certificate, issuer: Certificate) -> Link:
    try:
        certificate.x509.verify_directly_issued_by(issuer.x509)
    except InvalidSignature:
        return "forged"
    except (ValueError, TypeError):
        if _is_of_another_kind(certificate.x509.signature_algorithm_oid.dotted_string, issuer.public_key):
            return "forged"
        raise
    return "signed"


def _is_of_another_kind(signature_oid: str, key: t.Any) -> bool:
    """Whether no key of this kind makes such signatures: an authority may be called as the one that has issued it."""
    kinds = {
        "1.2.840.113549.1.1.": rsa.RSAPublicKey,
        "1.2.840.10045.4.": ec.EllipticCurvePublicKey,
        "1.2.840.10040.4.": dsa.DSAPublicKey,
        "1.3.101.112": ed25519.Ed25519PublicKey,
        "1.3.101.113": ed448.Ed448PublicKey,
    }
    return any(signature_oid.startswith(start) and not isinstance(key, kind) for start, kind in kinds.items())


_signature_by_cached = functools.lru_cache(maxsize=256)(_signature_by)


def _is_usable(name: x509.GeneralName) -> bool:
    """cryptography reads addresses of 8 and 32 bytes as networks, as they are in name constraints (RFC 5280, 4.2.1.10).

    Control characters in a name, NUL above all, mean one thing to one reader and another to the next.
    """
    if isinstance(name, x509.IPAddress):
        return isinstance(name.value, (ipaddress.IPv4Address, ipaddress.IPv6Address))
    return not isinstance(name, x509.DNSName) or name.value.isprintable()


def _rfc4514(name: x509.Name) -> str:
    """What cannot be printed is shown in hexadecimal, as RFC 4514, 2.4 allows for any character."""
    text = name.rfc4514_string()
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _hexadecimal(char) for char in text)


def _hexadecimal(char: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
