# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a certificate is to be issued or renewed, and why: what the CA suggests (RFC 9773), else its lifetime."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import ipaddress
import typing as t
from datetime import datetime, timedelta

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption
from ..instants import format_duration, isoformat_utc, parse_duration
from ..renewal import renewal_notice
from ..x509.names import a_labels
from .csr import key_type_of

if t.TYPE_CHECKING:
    from ..x509.bundle import CertificateBundle
    from ..x509.certificate import Certificate
    from .authority import RenewalWindow
    from .wanted import HeldCertificate, Issuer, WantedCertificate

#: absent, unusable: nothing that could be served; forced: by the user; issuer, names, key_type, profile: another one is
#: wanted now; window: the CA's; threshold: the user's days; lifetime: what the lifetime asks for; emergency: the floor.
DueCode = t.Literal[
    "absent", "unusable", "expired", "forced", "issuer", "names", "key_type", "profile", "emergency", "window",
    "threshold", "lifetime",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Due:
    """at: the instant from which it is to be ordered, maybe in the future; text: why, for people; urgent: holds and
    limits do not count any more; warning: what the user should know of their policy, None for nothing."""

    code: DueCode
    text: str
    at: datetime
    urgent: bool = False
    warning: str | None = None

    def is_due(self, now: datetime) -> bool:
        return self.at <= now

    @property
    def is_reissue(self) -> bool:
        """Whether something else is wanted than what is held, or nothing is: time has no part in it."""
        return self.code not in ("expired", "emergency", "window", "threshold", "lifetime")


@dataclasses.dataclass(frozen=True)
class EmergencyFloor:
    """When less than this remains, everything else gives way. share: of the lifetime; duration: whatever it is."""

    share: float = 0.1
    duration: timedelta | None = None

    def of(self, not_before: datetime, not_after: datetime) -> timedelta:
        """At most two thirds of the notice that the lifetime asks for: below it there is time to renew in peace, and a
        floor of 30 days does not make each certificate of six an emergency."""
        wanted = self.duration if self.duration is not None else (not_after - not_before) * self.share
        return max(timedelta(0), min(wanted, renewal_notice(not_before, not_after) * 2 / 3))


DEFAULT_FLOOR: t.Final = EmergencyFloor()


def parse_floor(text: str) -> EmergencyFloor:
    """A duration such as ``3d``, or a share of the lifetime such as ``10%``. Raises InvalidOption."""
    compact = text.strip()
    if not compact.endswith("%"):
        return EmergencyFloor(duration=parse_duration(compact))
    number = compact[:-1].strip()
    if not number.isascii() or not number.isdecimal() or not 0 <= int(number[:4]) <= 33:
        raise InvalidOption("emergency_floor is a duration such as '3d', or a share of the lifetime from 0% to 33%.")
    return EmergencyFloor(share=int(number) / 100)


@dataclasses.dataclass(frozen=True)
class RenewalPolicy:
    """renew_before: the user's threshold, None for the CA's word or the lifetime; renewal_info: whether the CA's word
    counts; next_run: when somebody will look again, None when nobody knows."""

    renew_before: timedelta | None = None
    renewal_info: bool = True
    floor: EmergencyFloor = DEFAULT_FLOOR
    next_run: datetime | None = None


def certificate_id(certificate: Certificate) -> str | None:
    """RFC 9773 section 4.1; None without an authority key identifier, which no certificate of a CA with ARI lacks."""
    try:
        extension = certificate.x509.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return None
    number = certificate.x509.serial_number
    if extension.value.key_identifier is None or number < 0:
        return None
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")  # as DER has it: a leading zero keeps it positive
    return ".".join(
        base64.urlsafe_b64encode(part).decode("ascii").rstrip("=") for part in (extension.value.key_identifier, serial)
    )


def due(
    wanted: WantedCertificate,
    held: HeldCertificate | None,
    *,
    now: datetime,
    issuers: t.Sequence[Issuer],
    policy: RenewalPolicy,
    window: RenewalWindow | None = None,
    force: bool = False,
) -> Due:
    """held: None when the truth has nothing of this name; issuers: those that are configured, any of which may have
    issued it; window: what the CA suggests for the certificate that is held."""
    if held is None:
        return Due("absent", "There is none yet.", now)
    bundle = held.bundle
    if bundle is None:
        return Due("unusable", f"What is stored cannot be served: {held.why or 'it cannot be read'}", now, urgent=True)
    remaining, floor = bundle.not_after - now, policy.floor.of(bundle.not_before, bundle.not_after)
    urgent = remaining <= floor
    if remaining <= timedelta(0):
        return Due("expired", f"It expired at {isoformat_utc(bundle.not_after)}.", now, urgent=True)
    if force:
        return Due("forced", "A new one is asked for (force).", now, urgent)
    reason = reissue_reason(wanted, held, issuers)
    if reason is not None:
        return Due(reason[0], reason[1], now, urgent)
    if urgent:
        text = f"It ends at {isoformat_utc(bundle.not_after)}, in {format_duration(floor)} or less."
        return Due("emergency", text, now, True)
    return _by_time(wanted, bundle, policy, window, now)


def reissue_reason(
    wanted: WantedCertificate, held: HeldCertificate, issuers: t.Sequence[Issuer]
) -> tuple[DueCode, str] | None:
    """Why what is held is not what is wanted, whatever time it is. None when it is, or when nothing usable is held.

    What came from any of the configured issuers stays until its renewal, which asks the first one again. Where the
    document does not say who issued it (it came from elsewhere), issuer and profile are not compared.
    """
    bundle = held.bundle
    if bundle is None:
        return None
    if held.directory is not None:
        by = [issuer for issuer in issuers if same_directory(issuer.directory, held.directory)]
        if issuers and not by:
            return "issuer", f"It is of another issuer, {held.directory}, than the configured {issuers[0].directory}."
        profiles = {wanted.profile or issuer.profile for issuer in by} or {wanted.profile}
        if held.profile not in profiles:
            told = ", ".join(sorted(profile or "none" for profile in profiles))
            return "profile", f"It was ordered with profile {held.profile or 'none'}, and {told} is wanted."
    has, wants = names_of(bundle), frozenset(wanted.identifiers)
    if has != wants:
        return "names", f"It has other names than wanted: {_difference(has, wants)}."
    if key_type_of(bundle.key) != wanted.key_type:
        return "key_type", f"It has a key of type {bundle.key}, and {wanted.key_type} is wanted."
    return None


def names_of(bundle: CertificateBundle) -> frozenset[str]:
    """The leaf's DNS names and IP addresses, written as those of a WantedCertificate are."""
    leaf = bundle.leaf
    addresses = (str(ipaddress.ip_address(address)) for address in leaf.ip_addresses)
    return frozenset((*(a_labels(name) or name for name in leaf.dns_names), *addresses))


def same_directory(one: str, other: str) -> bool:
    """Scheme and host have no case (RFC 3986), and a slash at the end means nothing."""
    return _comparable(one) == _comparable(other)


def instant_in(window: RenewalWindow, identity: str) -> datetime:
    """One instant in the window for a certificate, the same on every controller, spread evenly over certificates.

    identity: the certificate's, such as its fingerprint or its id of RFC 9773.
    """
    number = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big")
    return window.start + (window.end - window.start) * (number / 2**64)


def _by_time(
    wanted: WantedCertificate,
    bundle: CertificateBundle,
    policy: RenewalPolicy,
    window: RenewalWindow | None,
    now: datetime,
) -> Due:
    end = bundle.not_after
    days = timedelta(days=wanted.renew_before) if wanted.renew_before is not None else policy.renew_before
    found: list[Due] = []
    if window is not None and policy.renewal_info and window.start < window.end and window.start < end:
        found.append(_by_window(window, bundle, policy, now))
    if days is not None:
        found.append(_by_threshold(days, end - bundle.not_before, end))
    if not found:
        notice = renewal_notice(bundle.not_before, end)
        text = f"It ends at {isoformat_utc(end)}, and is renewed {format_duration(notice)} before."
        found.append(Due("lifetime", text, end - notice))
    earliest = min(found, key=lambda each: each.at)
    # A warning about the threshold is one, whoever comes first; below the floor nobody is asked.
    warning = next((each.warning for each in found if each.warning), None)
    floor = end - policy.floor.of(bundle.not_before, end)
    return dataclasses.replace(earliest, at=min(earliest.at, floor), warning=_clock_warning(bundle, now) or warning)


def _by_window(window: RenewalWindow, bundle: CertificateBundle, policy: RenewalPolicy, now: datetime) -> Due:
    at = instant_in(window, certificate_id(bundle.leaf) or bundle.fingerprint_sha256)
    text = f"Its issuer suggests a renewal between {isoformat_utc(window.start)} and {isoformat_utc(window.end)}"
    if window.explanation_url:
        text += f" (see {window.explanation_url})"
    if now < at <= (policy.next_run or now):  # RFC 9773 section 4.2: nobody will be there at that instant
        return Due("window", f"{text}, before the next run at {isoformat_utc(policy.next_run or now)}.", now)
    return Due("window", f"{text}; for this one at {isoformat_utc(at)}.", at)


def _by_threshold(days: timedelta, lifetime: timedelta, end: datetime) -> Due:
    """Due when exactly so much remains, or less."""
    notice, warning = days, None
    if days > lifetime / 2:
        notice = lifetime / 2
        warning = (
            f"renew_before_days is {days.days}, but it lives for {format_duration(lifetime)} only: it is renewed"
            f" {format_duration(notice)} before its end, half of that. Otherwise each run would renew it."
        )
    text = f"It ends at {isoformat_utc(end)}, and is renewed when {format_duration(notice)} or less remain."
    return Due("threshold", text, end - notice, warning=warning)


def _clock_warning(bundle: CertificateBundle, now: datetime) -> str | None:
    if bundle.not_before <= now:
        return None
    return (
        f"It is not valid before {isoformat_utc(bundle.not_before)}, and this host's clock says {isoformat_utc(now)}:"
        " check the clock."
    )


def _difference(has: frozenset[str], wants: frozenset[str]) -> str:
    parts = (("without", sorted(wants - has)), ("with", sorted(has - wants)))
    return " and ".join(f"{word} {_some(names)}" for word, names in parts if names)


def _some(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _comparable(url: str) -> tuple[str, str, str]:
    scheme, _colon, rest = url.strip().partition("://")
    host, _slash, path = rest.partition("/")
    return scheme.lower(), host.lower(), path.rstrip("/")
