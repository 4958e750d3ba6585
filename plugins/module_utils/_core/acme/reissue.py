# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates an incident concerns, and how long it takes to have them issued again. Pure; time is an argument.

An incident is a CA that is distrusted or revokes, a key that got out, a kind of key that is weak. What was issued after
its instant is not concerned any more, so that any number of runs may be needed, and the last one does nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption
from ..instants import isoformat_utc, parse_duration, parse_isoformat_utc
from .csr import key_type_of
from .ledger import Ledger
from .when import same_directory

if t.TYPE_CHECKING:
    from ..x509.certificate import Certificate
    from .holds import Hold
    from .ledger import AccountKey
    from .limits import RateLimits
    from .wanted import HeldCertificate, WantedCertificate
    from .when import Due

_LONGEST_ESTIMATE: t.Final = timedelta(days=366)
_HEX: t.Final = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Incident:
    """issuer: URL of a directory, or the common name or organization in the certificates' issuer; serial_numbers: as
    integers; fingerprints: SHA-256 in lower-case hex, of certificates or of their public keys (SPKI); key_types: as
    WantedCertificate's; before: what was issued later is not concerned, None when nothing but what is named by serial
    number or fingerprint is; key: the same in each run that is told the same. What is named is concerned without more;
    of the rest, issuer and key_types must both apply."""

    issuer: str | None = None
    serial_numbers: frozenset[int] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    key_types: frozenset[str] = frozenset()
    before: datetime | None = None
    key: str = ""

    def concerns(self, held: HeldCertificate | None) -> str | None:
        """Why what is held has to be issued again, for people; None when it has not. What cannot be read, or is absent,
        is due anyway."""
        if held is None or held.bundle is None:
            return None
        leaf = held.bundle.leaf
        if leaf.x509.serial_number in self.serial_numbers:
            return f"its serial number {leaf.serial_number} is among those to replace"
        found = self.fingerprints & {leaf.fingerprint_sha256, public_key_fingerprint(leaf) or ""}
        if found:
            return f"the fingerprint {next(iter(found))} is among those to replace"
        if self.before is None or not self._applies(held) or issued_at(leaf) >= self.before:
            return None
        return f"it was issued at {isoformat_utc(issued_at(leaf))}, before {isoformat_utc(self.before)}{self._by()}"

    def was_replaced(self, held: HeldCertificate | None) -> bool:
        """Whether it would be concerned, had it not been issued after the incident's instant."""
        if held is None or held.bundle is None or self.before is None or self.concerns(held) is not None:
            return False
        return issued_at(held.bundle.leaf) >= self.before

    def _applies(self, held: HeldCertificate) -> bool:
        if held.bundle is None:
            return False
        if self.key_types and key_type_of(held.bundle.key) not in self.key_types:
            return False
        if self.issuer is None:
            return True
        if held.directory is not None and same_directory(held.directory, self.issuer):
            return True
        return self.issuer.strip().casefold() in _names_of_issuer(held.bundle.leaf)

    def _by(self) -> str:
        by = [f"by {self.issuer}"] if self.issuer else []
        by += [f"with a key of type {' or '.join(sorted(self.key_types))}"] if self.key_types else []
        return "".join(f", {each}" for each in by)


def read_incident(options: t.Mapping[str, t.Any] | None, now: datetime) -> Incident | None:
    """From the options issuer, serial_numbers, fingerprints, key_types, issued_before (an instant), older_than (a
    duration) and all. None when there is nothing to replace.

    Raises InvalidOption, also where each run would find the same certificates again.
    """
    options = {name: value for name, value in (options or {}).items() if value not in (None, "", [], False)}
    if not options:
        return None
    before = []
    if "issued_before" in options:
        before.append(_instant(str(options["issued_before"])))
        if before[0] > now:
            raise InvalidOption(
                f"issued_before: {isoformat_utc(before[0])} is still to come, now it is {isoformat_utc(now)}."
                " Each run until then would replace what the last one has issued."
            )
    if "older_than" in options:
        try:
            before.append(now - parse_duration(str(options["older_than"])))
        except InvalidOption as error:
            raise InvalidOption(f"older_than: {error.message}") from None
    serial_numbers = frozenset(map(_serial_number, options.get("serial_numbers", ())))
    fingerprints = frozenset(map(_fingerprint, options.get("fingerprints", ())))
    wide = [name for name in ("issuer", "key_types", "all") if name in options]
    if wide and not before:
        raise InvalidOption(
            f"reissue: {wide[0]} needs the instant of the incident as well, or each run would replace what the last one"
            f" has issued: add issued_before, such as {isoformat_utc(now)} for all that there is now, and keep it until"
            " nothing is left to do."
        )
    if before and not (wide or "older_than" in options or serial_numbers or fingerprints):
        raise InvalidOption(
            "reissue: issued_before alone does not say which certificates are meant: add all: true, or the issuer, the"
            " key_types, serial_numbers or fingerprints."
        )
    # Beside a list of certificates, an instant widens nothing.
    is_wide = bool(wide) or "older_than" in options
    return Incident(
        issuer=str(options["issuer"]).strip() if "issuer" in options else None,
        serial_numbers=serial_numbers,
        fingerprints=fingerprints,
        key_types=frozenset(map(str, options.get("key_types", ()))),
        before=min(before) if before and is_wide else None,
        key=hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()[:16],
    )


def due_again(due: Due, why: str, now: datetime) -> Due:
    """Of a certificate that an incident concerns. What is due already stays as it is: where that is by the CA's own
    window, its limits do not count. why: see Incident.concerns."""
    if due.is_due(now):
        return due
    return dataclasses.replace(due, code="forced", text=f"It is to be replaced: {why}.", at=now)


def issued_at(certificate: Certificate) -> datetime:
    """When it was issued. CAs set its begin back by up to an hour, for clocks that are slow; its signed certificate
    timestamps (RFC 6962), where it has any, are of the very moment."""
    try:
        extension = certificate.x509.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
        stamps = [stamp.timestamp.replace(tzinfo=timezone.utc) for stamp in extension.value]
    except (x509.ExtensionNotFound, ValueError):
        stamps = []
    latest: datetime = max([*stamps, certificate.not_before])
    return latest


def public_key_fingerprint(certificate: Certificate) -> str | None:
    """SHA-256 of the SubjectPublicKeyInfo, in lower-case hex. None for a key of an unknown kind."""
    key = certificate.public_key
    if key is None:
        return None
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


class Replacement(t.NamedTuple):
    """One certificate to be issued again. exempt: a renewal in the CA's own window, which no limit of orders counts."""

    wanted: WantedCertificate
    exempt: bool = False


@dataclass(frozen=True)
class ReissueEstimate:
    """orders: that are needed; at_once: those that the CA allows now; last_at: when the last one may be ordered, None
    when nobody can tell; batches: instants of runs, and how many each of them may order."""

    orders: int
    at_once: int
    last_at: datetime | None
    batches: tuple[tuple[datetime, int], ...] = ()

    def hours(self, now: datetime) -> float | None:
        """Until the last one may be ordered, to a tenth, rounded up."""
        return None if self.last_at is None else math.ceil((self.last_at - now) / timedelta(minutes=6)) / 10


def estimate_reissue(
    replacements: t.Sequence[Replacement],
    ledger: Ledger,
    account: AccountKey,
    limits: RateLimits,
    now: datetime,
    *,
    every: timedelta = timedelta(hours=1),
) -> ReissueEstimate:
    """By the same rules as the plan of each run, were there one every so often. replacements: in the order of urgency.

    What a CA does not tell of its limits cannot be foreseen.
    """
    counted = Ledger.from_json(ledger.to_json(now, max_bytes=1 << 30))[0]
    at, left = now, list(replacements)
    batches: list[tuple[datetime, int]] = []
    while left:
        ordered: list[Replacement] = []
        later: list[Replacement] = []
        soonest: list[datetime] = []
        full: Hold | None = None
        for each in left:
            hold = None if each.exempt else full
            hold = hold or counted.hold(account, each.wanted, limits, at, exempt=each.exempt, foreseen=True)
            if hold is not None and not each.exempt and counted.orders_left(account, limits, at) == 0:
                full = hold  # and so it is for all that come after
            if hold is None:
                counted.note_order(account, limits, at, exempt=each.exempt)
                counted.note_certificate(account, each.wanted, limits, at, exempt=each.exempt)
                ordered.append(each)
            elif hold.until is not None:
                later.append(each)
                soonest.append(hold.until)
            else:
                return ReissueEstimate(len(replacements), _first(batches, now), None, tuple(batches))
        if ordered:
            batches.append((at, len(ordered)))
        if later:
            runs = max(1, math.ceil((min(soonest) - at) / every))
            at += every * runs
            if at - now > _LONGEST_ESTIMATE:
                return ReissueEstimate(len(replacements), _first(batches, now), None, tuple(batches))
        left = later
    return ReissueEstimate(len(replacements), _first(batches, now), batches[-1][0] if batches else now, tuple(batches))


def _first(batches: t.Sequence[tuple[datetime, int]], now: datetime) -> int:
    return next((count for at, count in batches if at == now), 0)


def _names_of_issuer(leaf: Certificate) -> set[str]:
    name = leaf.issuer_name
    if name is None:
        return set()
    found = (
        attribute.value
        for oid in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME)
        for attribute in name.get_attributes_for_oid(oid)
    )
    return {str(value).strip().casefold() for value in found} | {leaf.issuer.casefold()}


def _instant(text: str) -> datetime:
    try:
        return parse_isoformat_utc(text)
    except InvalidOption as error:
        raise InvalidOption(f"issued_before: {error.message}") from None


def _serial_number(value: t.Any) -> int:
    """Hexadecimal, as results and CAs have it: in any case, with or without colons or 0x."""
    text = str(value).strip().lower().removeprefix("0x").replace(":", "").replace(" ", "")
    if not text or len(text) > 64 or not set(text) <= _HEX:
        raise InvalidOption(
            "serial_numbers: each is hexadecimal, in quotes, such as '03a1f2' or '03:A1:F2': YAML changes numbers."
        )
    return int(text, 16)


def _fingerprint(value: t.Any) -> str:
    text = str(value).strip().lower().replace(":", "")
    if len(text) != 64 or not set(text) <= _HEX:
        raise InvalidOption("fingerprints: each is a SHA-256, 64 hexadecimal digits with or without colons, in quotes.")
    return text
