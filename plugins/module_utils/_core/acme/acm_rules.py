# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of AWS Certificate Manager for imported certificates, most of which no emulator enforces.

Sources: AWS Certificate Manager user guide, "Prerequisites for importing" and "Reimport a certificate"; API reference,
ImportCertificate and ListCertificates.
"""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass
from datetime import datetime

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

from ..instants import isoformat_utc
from ..x509.names import a_labels
from .wanted import KeyType, WantedCertificate

if t.TYPE_CHECKING:
    from ..x509.bundle import CertificateBundle
    from ..x509.certificate import Certificate

#: All kinds of keys that ACM knows. ListCertificates leaves out all but RSA of up to 2048 bits unless it is asked.
KEY_ALGORITHMS: t.Final = (
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
KEY_ALGORITHM_OF: t.Final[t.Mapping[KeyType, str]] = {
    "ec256": "EC_prime256v1",
    "ec384": "EC_secp384r1",
    "rsa2048": "RSA_2048",
    "rsa3072": "RSA_3072",
    "rsa4096": "RSA_4096",
}
#: Tag of an entry in ACM: the secret that it is of.
OWNER_TAG: t.Final = "certops:secret"
#: Value of a pointer: import it as a new entry, whatever others there are for its names.
NEW_ENTRY: t.Final = "new"

_LONGEST_TAG: t.Final = 256
_LARGEST_KEY: t.Final = 5120  # bytes, as PEM
_LARGEST_CERTIFICATE: t.Final = 32768
_ALGORITHM_OF_KEY: t.Final = {
    "RSA 1024": "RSA_1024",
    "RSA 2048": "RSA_2048",
    "RSA 3072": "RSA_3072",
    "RSA 4096": "RSA_4096",
    "EC P-256": "EC_prime256v1",
    "EC P-384": "EC_secp384r1",
    "EC P-521": "EC_secp521r1",
}
_KEY_USAGES: t.Final = {
    "digital_signature": "DIGITAL_SIGNATURE",
    "content_commitment": "NON_REPUDIATION",
    "key_encipherment": "KEY_ENCIPHERMENT",
    "data_encipherment": "DATA_ENCIPHERMENT",
    "key_agreement": "KEY_AGREEMENT",
    "key_cert_sign": "CERTIFICATE_SIGNING",
    "crl_sign": "CRL_SIGNING",
}
_EXTENDED_KEY_USAGES: t.Final = {
    "1.3.6.1.5.5.7.3.1": "TLS_WEB_SERVER_AUTHENTICATION",
    "1.3.6.1.5.5.7.3.2": "TLS_WEB_CLIENT_AUTHENTICATION",
    "1.3.6.1.5.5.7.3.3": "CODE_SIGNING",
    "1.3.6.1.5.5.7.3.4": "EMAIL_PROTECTION",
    "1.3.6.1.5.5.7.3.8": "TIME_STAMPING",
    "1.3.6.1.5.5.7.3.9": "OCSP_SIGNING",
    "2.5.29.37.0": "ANY",
}
_CLIENT: t.Final = "TLS_WEB_CLIENT_AUTHENTICATION"
_KEY_ENCIPHERMENT: t.Final = "KEY_ENCIPHERMENT"
#: Profiles of Let's Encrypt and Pebble whose RSA certificates have no key usage but digitalSignature.
_WITHOUT_KEY_ENCIPHERMENT: t.Final = ("tlsserver", "shortlived")


@dataclass(frozen=True)
class AcmEntry:
    """A certificate in ACM. names: as a_labels writes them; imported: whether its type is IMPORTED; key_algorithm: of
    KEY_ALGORITHMS; key_usages, extended_key_usages: as ACM calls them, None where it does not say; is_whole: whether
    names are all of its names.
    """

    arn: str
    names: frozenset[str]
    imported: bool
    key_algorithm: str
    not_before: datetime | None = None
    not_after: datetime | None = None
    key_usages: frozenset[str] | None = None
    extended_key_usages: frozenset[str] | None = None
    serial: str | None = None
    is_whole: bool = True


def entry_of(told: t.Mapping[str, t.Any]) -> AcmEntry:
    """told: an item of ListCertificates, or what DescribeCertificate answers."""
    names = told.get("SubjectAlternativeNameSummaries") or told.get("SubjectAlternativeNames")
    serial = told.get("Serial")
    return AcmEntry(
        told["CertificateArn"],
        frozenset(map(_name, names or [told["DomainName"]])),
        told.get("Type") == "IMPORTED",
        str(told.get("KeyAlgorithm", "")).replace("-", "_"),  # older answers: RSA-2048
        told.get("NotBefore"),
        told.get("NotAfter"),
        _usages(told.get("KeyUsages")),
        _usages(told.get("ExtendedKeyUsages")),
        None if serial is None else str(serial).replace(":", "").lower(),
        bool(names) and not told.get("HasAdditionalSubjectAlternativeNames"),
    )


def pointer_tag(region: str) -> str:
    """Tag of a secret: its entry in ACM of that region, as an ARN, or NEW_ENTRY."""
    return f"certops:acm-arn:{region}"


def owner_of(secret: str) -> str:
    """Value of OWNER_TAG. secret: its name, which may be longer than a tag's value."""
    return secret if len(secret) <= _LONGEST_TAG else hashlib.sha256(secret.encode()).hexdigest()


def region_of(arn: str) -> str | None:
    """None when it is no ARN of a certificate in ACM."""
    parts = arn.split(":")
    return parts[3] if len(parts) >= 6 and parts[0] == "arn" and parts[2] == "acm" and parts[3] else None


def candidates(wanted: WantedCertificate, entries: t.Iterable[AcmEntry], taken: t.Container[str]) -> list[AcmEntry]:
    """Imported entries for exactly its names, whatever their keys, or perhaps for them when that is not told whole.

    taken: ARNs that are other certificates'.
    """
    names = names_of(wanted)
    return [
        entry
        for entry in entries
        if entry.imported
        and entry.arn not in taken
        and (entry.names == names if entry.is_whole else entry.names <= names)
    ]


def choose(
    wanted: WantedCertificate, found: t.Sequence[tuple[AcmEntry, str | None]], secret: str, region: str
) -> AcmEntry | str | None:
    """Which of the candidates is its entry: the one that says so, else the only one that nobody has said anything of.

    found: each with the value of its OWNER_TAG. Returns text when that cannot be told; None when there is none.
    """
    mine = [entry for entry, owner in found if owner == owner_of(secret)]
    possible = mine or [entry for entry, owner in found if owner is None]
    same_key = [entry for entry in possible if entry.key_algorithm == KEY_ALGORITHM_OF[wanted.key_type]]
    chosen = same_key or possible
    if len(chosen) > 1:
        return (
            f"ACM holds {len(chosen)} imported certificates for exactly its names"
            f" ({', '.join(sorted(entry.arn for entry in chosen))}). Say which one is to be renewed: set the tag"
            f" {pointer_tag(region)} of secret {secret} to its ARN, or to {NEW_ENTRY} for another one."
        )
    return chosen[0] if chosen else None


def names_of(wanted: WantedCertificate) -> frozenset[str]:
    return frozenset(map(_name, wanted.identifiers))


def holds(entry: AcmEntry, bundle: CertificateBundle) -> bool:
    """Whether it is the bundle's certificate: by its serial number, or where that is not told by all else."""
    leaf = bundle.leaf
    if entry.serial is not None:
        return _same_serial(entry.serial, leaf)
    return (
        entry.not_before == leaf.not_before
        and entry.not_after == leaf.not_after
        and entry.key_algorithm == _ALGORITHM_OF_KEY.get(leaf.key)
        and entry.names == _names(leaf)
    )


def why_not_renewed(
    entry: AcmEntry, wanted: WantedCertificate, profile: str | None, held: CertificateBundle | None
) -> str | None:
    """Why a certificate as it is wanted could not replace the one in the entry. Before it is issued.

    held: the certificate that is in the entry, if that is known.
    """
    algorithm = KEY_ALGORITHM_OF[wanted.key_type]
    if entry.key_algorithm != algorithm:
        return (
            f"ACM holds it as {entry.arn} with a key of the kind {entry.key_algorithm}, and that of an entry cannot"
            f" change to {algorithm}. {_otherwise('Keep the key type', entry)}"
        )
    if not entry.names & names_of(wanted):
        return (
            f"ACM holds {entry.arn} as its entry, which is for other names ({', '.join(sorted(entry.names))}). Correct"
            f" or remove the tag {_pointer_of(entry)} of its secret."
        )
    usages = _key_usages(held.leaf) if held else entry.key_usages
    if usages and _KEY_ENCIPHERMENT in usages and profile in _WITHOUT_KEY_ENCIPHERMENT and algorithm.startswith("RSA"):
        return (
            f"ACM holds it as {entry.arn} with the key usage keyEncipherment, which cannot vanish from an entry with an"
            f" RSA key, and certificates of profile {profile} do not have it."
            f" {_otherwise('Keep the profile', entry)}"
        )
    return None


def why_not_imported(bundle: CertificateBundle, before: AcmEntry | None, at: datetime) -> str | None:
    """Why ACM would refuse it, in place of what the entry before holds (None: as a new entry)."""
    leaf = bundle.leaf
    algorithm = _ALGORITHM_OF_KEY.get(leaf.key)
    if algorithm is None:
        return f"ACM does not take keys of the kind {leaf.key}."
    if len(bundle.private_key_pem) > _LARGEST_KEY:
        return f"Its private key has {len(bundle.private_key_pem)} bytes, and ACM takes {_LARGEST_KEY} at most."
    if len(leaf.pem) > _LARGEST_CERTIFICATE:
        return f"It has {len(leaf.pem)} bytes, and ACM takes {_LARGEST_CERTIFICATE} at most. Give it fewer names."
    if at < leaf.not_before:
        return (
            f"It is valid from {isoformat_utc(leaf.not_before)} on, and ACM takes none before. Set this host's clock"
            " right, or run again then."
        )
    return None if before is None else _why_not_in_place(leaf, algorithm, before)


def import_request(bundle: CertificateBundle, arn: str | None, tags: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Of ImportCertificate. arn: of the entry that is renewed, which takes no tags with it."""
    files = bundle.render("lineage")
    request: dict[str, t.Any] = {"Certificate": files["cert"], "PrivateKey": files["privkey"]}
    if files["chain"]:
        request["CertificateChain"] = files["chain"]
    return {**request, **({"CertificateArn": arn} if arn else {"Tags": tag_list(tags)})}


def tag_list(tags: t.Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _otherwise(keep: str, entry: AcmEntry) -> str:
    return (
        f"{keep}, or have a second entry, to which you move what uses the first one: set the tag {_pointer_of(entry)}"
        f" of its secret to {NEW_ENTRY}."
    )


def _pointer_of(entry: AcmEntry) -> str:
    return pointer_tag(region_of(entry.arn) or "")


def _why_not_in_place(leaf: Certificate, algorithm: str, before: AcmEntry) -> str | None:
    lost: set[str] = set()
    usages, extended = _key_usages(leaf), _extended_key_usages(leaf)
    if before.key_algorithm != algorithm:
        return (
            f"{before.arn} has a key of the kind {before.key_algorithm}, and that of an entry cannot change to"
            f" {algorithm}. {_otherwise('Keep the key type', before)}"
        )
    if not before.names & _names(leaf):
        return (
            f"{before.arn} is for other names ({', '.join(sorted(before.names))}), of which an entry must keep one."
            f" Correct or remove the tag {_pointer_of(before)} of its secret."
        )
    if before.key_usages:
        lost |= before.key_usages - usages - ({_KEY_ENCIPHERMENT} if algorithm.startswith("EC") else set())
    if before.extended_key_usages:
        lost |= before.extended_key_usages - extended - {_CLIENT, "NONE", "CUSTOM"}
    if lost:
        return (
            f"{before.arn} has the key usages {', '.join(sorted(lost))}, which cannot vanish from an entry, and this"
            f" certificate does not have them. {_otherwise('Have it issued with them', before)}"
        )
    return None


def _name(name: str) -> str:
    return a_labels(name) or name.lower()


def _names(leaf: Certificate) -> frozenset[str]:
    return frozenset(map(_name, leaf.subject_alternative_names))


def _usages(told: t.Any) -> frozenset[str] | None:
    """ListCertificates has texts, DescribeCertificate objects with a name. None told may mean not known."""
    names = [usage.get("Name", "") if isinstance(usage, dict) else str(usage) for usage in told or []]
    return frozenset(names) - {"CUSTOM"} if names else None


def _key_usages(leaf: Certificate) -> frozenset[str]:
    usage: x509.KeyUsage | None = leaf.key_usage
    return frozenset(told for name, told in _KEY_USAGES.items() if usage is not None and getattr(usage, name))


def _extended_key_usages(leaf: Certificate) -> frozenset[str]:
    return frozenset(_EXTENDED_KEY_USAGES.get(oid, "CUSTOM") for oid in leaf.extended_key_usage or ())


def _same_serial(told: str, leaf: Certificate) -> bool:
    """ACM tells it as hexadecimal bytes, an emulator as a decimal number."""
    number = leaf.x509.serial_number
    return told.lstrip("0") == f"{number:x}" or told == str(number)
