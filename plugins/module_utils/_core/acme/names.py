# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates that a user wants, read from what users write, and judged as a CA would before it is asked.

Sources: RFC 8555 section 7.1.3, RFC 8738 (IP addresses), RFC 5891 (IDNA 2008), CA/Browser Forum Baseline Requirements
7.1.2.7.12 (names), and what Boulder, Let's Encrypt's software, refuses.
"""

from __future__ import annotations

import collections
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ..._errors import InvalidOption
from ..x509.names import MissingIdna, ascii_labels
from .wanted import CHALLENGES, KEY_TYPES, ChallengeType, KeyType, WantedCertificate

MAX_NAMES: t.Final = 100
#: Let's Encrypt's profiles without a common name, of which a certificate has few names.
NARROW_PROFILES: t.Final = frozenset({"tlsserver", "shortlived"})
MAX_NAMES_NARROW: t.Final = 25
#: Let's Encrypt's profiles under which it issues for no IP address.
_WITHOUT_ADDRESSES: t.Final = frozenset({"classic", "tlsserver"})
_OPTIONS: t.Final = frozenset({"name", "domains", "key_type", "profile", "stores", "renew_before_days"})
_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")  # API reference of Secrets Manager
_NOT_IN_SECRET_NAMES = re.compile(r"[^A-Za-z0-9/_+=.@-]")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LIKE_AN_ADDRESS = re.compile(r"[0-9.]+|[^:]*:(?s:.*)")
_LONGEST_NAME: t.Final = 253
_LONGEST_QUOTED: t.Final = 100


@dataclass(frozen=True)
class RefusedCertificate:
    """An entry that nothing can be ordered for. name: as far as one can be told; domains: as they were given."""

    name: str
    domains: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class WantedCertificates:
    """What a run is about, in the order given. warnings: for the user, about entries that are wanted all the same."""

    wanted: tuple[WantedCertificate, ...] = ()
    refused: tuple[RefusedCertificate, ...] = ()
    warnings: tuple[str, ...] = ()


def wanted_certificates(
    entries: t.Iterable[t.Any],
    *,
    challenge: ChallengeType = "dns-01",
    profile: str | None = None,
    stores: t.Collection[str] | None = None,
) -> WantedCertificates:
    """Each entry is a dictionary of the options of one certificate, or its domains alone (a list, or text with commas).

    challenge: how the names will be proven; profile: of the issuer, where an entry names none; stores: the names that
    entries may use, None for any. One bad entry stops no other.
    """
    read: list[WantedCertificate] = []
    refused: list[RefusedCertificate] = []
    for number, entry in enumerate(entries, start=1):
        options = entry if isinstance(entry, dict) else {"domains": entry}
        try:
            read.append(_Reading(challenge, profile, stores).certificate(options))
        except InvalidOption as error:
            domains = _loosely(options.get("domains"))
            name = _loose_name(options.get("name"), domains) or f"number {number}"
            refused.append(RefusedCertificate(name, domains, f"{name}: {error.message}"))
    wanted = []
    names = collections.Counter(certificate.name for certificate in read)
    for certificate in read:
        if names[certificate.name] == 1:
            wanted.append(certificate)
        else:
            why = (
                f"{certificate.name}: {names[certificate.name]} certificates have this name, which is that of one"
                " secret: give each a name of its own, or write their domains into one entry."
            )
            refused.append(RefusedCertificate(certificate.name, certificate.identifiers, why))
    return WantedCertificates(tuple(wanted), tuple(refused), tuple(_warnings(wanted)))


def default_name(identifier: str) -> str:
    """Of a certificate that has none: its first domain, ``wildcard.`` for ``*.``, without what secrets cannot have."""
    readable = f"wildcard.{identifier[2:]}" if identifier.startswith("*.") else identifier
    return _NOT_IN_SECRET_NAMES.sub("-", readable)


def canonical_identifier(text: str) -> str:
    """A DNS name in A-labels, lower case, without the root's dot, or an IP address as ipaddress writes it.

    Raises InvalidOption for what is neither, or for what no CA issues.
    """
    address = _address(text)
    if address is not None:
        return str(address)
    if _LIKE_AN_ADDRESS.fullmatch(text):
        raise InvalidOption(f"{_quoted(text)} looks like an IP address and is none: correct it.")
    bare = text.removeprefix("*.")
    if "*" in bare:
        raise InvalidOption(f"{_quoted(text)}: a wildcard is the whole left-most label, once, as in '*.example.com'.")
    name = _ascii(bare, text)
    labels = name.split(".")
    whole = text[:2] + name if bare != text else name
    if len(whole) > _LONGEST_NAME:
        raise InvalidOption(f"{_quoted(text)} has more than {_LONGEST_NAME} characters, which no DNS name has.")
    if "_" in name:
        raise InvalidOption(f"{_quoted(text)} has an underscore, and no CA issues for such names (CA/B BR 7.1.2.7.12).")
    if not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise InvalidOption(f"{_quoted(text)} is neither a host name nor an IP address: correct it.")
    if len(labels) == 1:
        raise InvalidOption(
            f"{_quoted(text)} has one label only, and CAs issue for full names: write it with its domain, or use the"
            " role shared_ca for names that are internal."
        )
    if any(label[2:4] == "--" and not label.startswith("xn--") for label in labels):
        raise InvalidOption(f"{_quoted(text)} has '--' at the third place of a label, which is reserved (RFC 5890).")
    return whole


def is_address(identifier: str) -> bool:
    """Whether an identifier of a WantedCertificate is an IP address."""
    return ":" in identifier or identifier.rpartition(".")[2].isdigit()


@dataclass(frozen=True)
class _Reading:
    """One entry's options into a WantedCertificate. Raises InvalidOption."""

    challenge: ChallengeType
    issuer_profile: str | None
    known_stores: t.Collection[str] | None

    def certificate(self, options: t.Mapping[t.Any, t.Any]) -> WantedCertificate:
        unknown = sorted(str(key) for key in options if key not in _OPTIONS)
        if unknown:
            raise InvalidOption(f"{_quoted(unknown[0])} is no option of a certificate: {', '.join(sorted(_OPTIONS))}.")
        profile = _text(options.get("profile"), "profile")
        identifiers = self._identifiers(options.get("domains"), profile or self.issuer_profile)
        name = _text(options.get("name"), "name") or default_name(identifiers[0])
        if not _SECRET_NAME.fullmatch(name):
            raise InvalidOption(
                "The name is that of a secret, which has up to 512 letters, digits and characters of '/_+=.@-'."
            )
        return WantedCertificate(
            name=name,
            identifiers=identifiers,
            key_type=_key_type(options.get("key_type")),
            profile=profile,
            stores=self._stores(options.get("stores")),
            renew_before=_days(options.get("renew_before_days")),
        )

    def _identifiers(self, domains: t.Any, profile: str | None) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(canonical_identifier(text) for text in _texts(domains, "domains")))
        if not found:
            raise InvalidOption("It has no domains: name at least one.")
        for identifier in found:
            self._check(identifier, profile)
            first, dot, rest = identifier.partition(".")
            if dot and first != "*" and f"*.{rest}" in found:
                raise InvalidOption(
                    f"'{identifier}' is covered by '*.{rest}' in the same certificate, and Let's Encrypt refuses both"
                    " together: remove one of them."
                )
        limit = MAX_NAMES_NARROW if profile in NARROW_PROFILES else MAX_NAMES
        if len(found) > limit:
            of = f" with profile {profile}" if profile in NARROW_PROFILES else ""
            raise InvalidOption(
                f"It has {len(found)} names, and a certificate{of} has at most {limit}: make several certificates."
            )
        return found

    def _check(self, identifier: str, profile: str | None) -> None:
        if is_address(identifier):
            if self.challenge != "http-01":
                raise InvalidOption(
                    f"An IP address such as {identifier} cannot be proven by {self.challenge} (RFC 8738): use http-01."
                )
            if profile in _WITHOUT_ADDRESSES:
                raise InvalidOption(
                    f"Let's Encrypt issues for IP addresses such as {identifier} with profile shortlived only, not"
                    f" with {profile}."
                )
        elif identifier.startswith("*.") and self.challenge == "http-01":
            raise InvalidOption(
                f"The wildcard '{identifier}' cannot be proven by http-01: use {CHALLENGES[0]} or {CHALLENGES[2]}."
            )

    def _stores(self, value: t.Any) -> tuple[str, ...] | None:
        if value is None:
            return None
        names = tuple(dict.fromkeys(_texts(value, "stores")))
        unknown = [name for name in names if self.known_stores is not None and name not in self.known_stores]
        if unknown:
            raise InvalidOption(
                f"There is no store {_quoted(unknown[0])}, but {', '.join(self.known_stores or ()) or 'none at all'}."
            )
        return names


def _warnings(wanted: t.Iterable[WantedCertificate]) -> t.Iterator[str]:
    """One set of names with two kinds of keys is usual; with one kind it is twice the same."""
    same = collections.defaultdict(list)
    for certificate in wanted:
        same[frozenset(certificate.identifiers), certificate.key_type].append(certificate.name)
    for (_identifiers, key_type), names in same.items():
        if len(names) > 1:
            yield (
                f"{', '.join(names)} have the same domains and key type ({key_type}): each is issued, and CAs limit how"
                " often they issue for one set of names (Let's Encrypt: five times in seven days)."
            )


def _texts(value: t.Any, option: str) -> list[str]:
    """Trimmed, of a list or of text with commas, or both; empty ones are left out."""
    items = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    for item in items:
        if not isinstance(item, str):
            raise InvalidOption(
                f"{option} holds {_quoted(item)}, which is not text: write names, in quotes if need be."
            )
    return [text for item in items for text in map(str.strip, item.split(",")) if text]


def _text(value: t.Any, option: str) -> str | None:
    """YAML makes a number of a name that looks like one."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise InvalidOption(f"{option} must be text, not {_quoted(value)}.")
    return value.strip() or None if value else None


def _days(value: t.Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value[:9])
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidOption(f"renew_before_days is a whole number of days from 1, not {_quoted(value)}.")
    return value


def _key_type(value: t.Any) -> KeyType:
    for key_type in KEY_TYPES:
        if value in (None, key_type):
            return key_type
    raise InvalidOption(f"key_type is one of {', '.join(KEY_TYPES)}, not {_quoted(value)}.")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise InvalidOption(f"The address {_quoted(text)} has a zone, which means something on one host only.")
    if address.is_unspecified or address.is_multicast:
        raise InvalidOption(f"{_quoted(text)} is no address of a host: correct it.")
    return address


def _ascii(name: str, given: str) -> str:
    """IDNA 2008: its A-labels of a name with ß are others than those of IDNA 2003, which Python's codec makes."""
    if len(name) > _LONGEST_NAME + 1:  # to convert very long ones would take minutes
        raise InvalidOption(f"{_quoted(given)} has more than {_LONGEST_NAME} characters, which no DNS name has.")
    if name.isascii():
        return name.removesuffix(".").lower()
    try:
        return ascii_labels(name).removesuffix(".")
    except MissingIdna:
        raise InvalidOption(
            f"{_quoted(given)}: install the Python package idna, or write the name in A-labels (xn--...)."
        ) from None
    except UnicodeError:
        raise InvalidOption(f"{_quoted(given)} is no internationalised name (IDNA 2008): correct it.") from None


def _quoted(value: t.Any) -> str:
    """No more than a name has: somebody may have given a private key."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST_QUOTED else f"A text of {len(value)} characters"
    return repr(value) if isinstance(value, (int, float)) else f"a {type(value).__name__}"


def _loosely(domains: t.Any) -> tuple[str, ...]:
    """Of an entry that is refused: what can be shown of them."""
    items = domains if isinstance(domains, (list, tuple)) else [domains]
    texts = [text.strip() for item in items if isinstance(item, str) for text in item.split(",")]
    return tuple(text for text in texts if text and len(text) <= _LONGEST_QUOTED)


def _loose_name(name: t.Any, domains: tuple[str, ...]) -> str:
    if isinstance(name, str) and _SECRET_NAME.fullmatch(name.strip()):
        return name.strip()
    return domains[0] if domains else ""
