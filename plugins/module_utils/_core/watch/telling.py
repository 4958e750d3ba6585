# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events in words: what each kind says, how bad it is, and the id by which a receiver knows it again. Pure."""

from __future__ import annotations

import hashlib
import typing as t
from datetime import datetime, timedelta

from ..instants import isoformat_utc, spoken_duration
from ..text import shown
from ..x509.changes import authority
from .endpoints import WatchedEndpoint
from .events import WatchEvent, WatchEventKind, WatchSeverity
from .sightings import SeenCertificate

_MOST_NAMES: t.Final = 5  # in a sentence
_MOST_DETAILS: t.Final = 100  # names in details: a certificate may have thousands
_LONGEST_DETAIL: t.Final = 2000  # characters of one of its texts in details
_LONGEST: t.Final = 200  # of one text of a peer in a sentence, which chooses what it says


class Teller:
    """Makes the events of one address of one endpoint at one instant."""

    def __init__(self, endpoint: WatchedEndpoint, address: str | None, at: datetime) -> None:
        self._endpoint = endpoint
        self._address = address
        self._at = at

    def tell(
        self, kind: WatchEventKind, severity: WatchSeverity, about: str, what: str, **details: t.Any
    ) -> WatchEvent:
        """about: the fingerprint or instant that sets it apart. what: follows the endpoint in the sentence."""
        endpoint = self._endpoint
        identity = [kind, endpoint.host, str(endpoint.port), self._address or "", isoformat_utc(self._at), about]
        # the sentence is no part of it: other words must not make another event
        return WatchEvent(
            id=hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32],
            kind=kind,
            severity=severity,
            at=self._at,
            name=endpoint.name,
            host=endpoint.host,
            port=endpoint.port,
            address=self._address,
            message=f"{self._who()} {what}",
            details=details,
        )

    def _who(self) -> str:
        """``www (www.example.com:443, 192.0.2.1)``, without what repeats."""
        endpoint = self._endpoint
        address = self._address if self._address != endpoint.host else None
        if endpoint.name in (str(endpoint), endpoint.host):
            return f"{endpoint} ({address})" if address else str(endpoint)
        return f"{endpoint.name} ({endpoint}, {address})" if address else f"{endpoint.name} ({endpoint})"

    def first_seen(self, leaf: SeenCertificate) -> WatchEvent:
        what = f"serves a certificate of '{_brief(leaf.subject or 'no readable subject')}'{_until(leaf)}."
        return self.tell("new", "info", leaf.fingerprint_sha256, what, after=facts(leaf))

    def replaced(
        self, former: SeenCertificate | None, former_print: str, leaf: SeenCertificate, early: bool
    ) -> WatchEvent:
        details = {"before": facts(former) if former else {"fingerprint_sha256": former_print}, "after": facts(leaf)}
        if early and former and former.not_after:
            left = spoken_duration(former.not_after - self._at)
            what = f"serves another certificate{_until(leaf)}, although the former one had {left} left."
            return self.tell("replaced_early", "warning", leaf.fingerprint_sha256, what, **details)
        if former and former.not_after and leaf.not_after and leaf.not_after < former.not_after:
            what = (
                f"serves another certificate{_until(leaf)}, before the former one ({isoformat_utc(former.not_after)})."
            )
            return self.tell("replaced_early", "warning", leaf.fingerprint_sha256, what, **details)
        what = f"serves a new certificate{_until(leaf)}."
        return self.tell("renewed", "info", leaf.fingerprint_sha256, what, **details)

    def stays(self, kind: WatchEventKind, leaf: SeenCertificate) -> WatchEvent:
        """Of a change that was not told when it happened, as it had come and gone before."""
        what = f"serves a certificate{_until(leaf)}, after it had changed to and fro."
        return self.tell(kind, "warning", leaf.fingerprint_sha256, what, after=facts(leaf))

    def differences(self, former: SeenCertificate, leaf: SeenCertificate) -> list[WatchEvent]:
        """Of two certificates that followed each other, as far as both tell."""
        events = []
        about = leaf.fingerprint_sha256
        severity: WatchSeverity
        if former.issuer and leaf.issuer and authority(former.issuer) != authority(leaf.issuer):
            what = f"has its certificate from '{_brief(leaf.issuer)}' now, before from '{_brief(former.issuer)}'."
            issuers = {"before": _cut(former.issuer), "after": _cut(leaf.issuer)}
            events.append(self.tell("issuer_changed", "warning", about, what, **issuers))
        before = {name.lower(): name for name in former.subject_alternative_names}
        after = {name.lower(): name for name in leaf.subject_alternative_names}
        lost = sorted(name for key, name in before.items() if key not in after)
        won = sorted(name for key, name in after.items() if key not in before)
        if lost or won:
            parts = [part for part in (_names("no longer has", lost), _names("now has", won)) if part]
            what = f"serves a certificate that {' and '.join(parts)}."
            severity = "warning" if lost else "info"
            names = {"lost": _some(lost), "won": _some(won)}
            counts = {"lost_count": len(lost), "won_count": len(won)}
            events.append(self.tell("names_changed", severity, about, what, **names, **counts))
        if former.key_sha256 and leaf.key_sha256 and former.key_sha256 != leaf.key_sha256:
            what, severity = "has a new key", "info"
            if former.key_type != leaf.key_type:
                what = f"has a key of another type ({leaf.key_type}, before {former.key_type})"
                severity = "warning"
            key_types = {"key_type_before": former.key_type, "key_type_after": leaf.key_type}
            changed = {"before": former.key_sha256, "after": leaf.key_sha256, **key_types}
            events.append(self.tell("key_changed", severity, about, f"{what}.", **changed))
        return events

    def expired(self, leaf: SeenCertificate, end: datetime) -> WatchEvent:
        what = f"serves a certificate that expired at {isoformat_utc(end)}. Renew it and have the service load it."
        return self.tell("expired", "critical", leaf.fingerprint_sha256, what, **_ending(leaf, end, self._at))

    def expiring(self, leaf: SeenCertificate, end: datetime, threshold: timedelta, last: bool) -> WatchEvent:
        whose = "its certificate" if end == leaf.not_after else "an intermediate certificate that it needs"
        what = f"has {spoken_duration(end - self._at)} left until {whose} ends at {isoformat_utc(end)}. Renew it."
        details = {**_ending(leaf, end, self._at), "threshold_seconds": round(threshold.total_seconds())}
        severity: WatchSeverity = "critical" if last else "warning"
        return self.tell("expiring", severity, leaf.fingerprint_sha256, what, **details)

    def chain_expiring(self, ending: t.Sequence[SeenCertificate]) -> WatchEvent:
        named = [f"'{_brief(each.subject or '')}' ({_instant(each.not_after)})" for each in ending]
        about = " ".join(each.fingerprint_sha256 for each in ending)
        what = f"sends certificates that it does not need and that end or have ended: {_few(named)}. Leave them out."
        details = [facts(each) for each in ending[:_MOST_NAMES]]
        return self.tell("chain_expiring", "info", about, what, certificates=details)

    def untrusted(self, leaf: SeenCertificate, why: str | None) -> WatchEvent:
        reason = _brief(why or "no reason was given")
        what = f"serves a certificate that clients do not trust: {reason}."
        return self.tell("untrusted", "critical", leaf.fingerprint_sha256, what, after=facts(leaf), trust_error=reason)

    def trusted_again(self, leaf: SeenCertificate) -> WatchEvent:
        about = leaf.fingerprint_sha256
        return self.tell("trusted_again", "info", about, "is trusted again.", after=facts(leaf))

    def unreachable(self, error: str | None, failures: int, since: datetime) -> WatchEvent:
        scans = "" if failures == 1 else f" in {failures} scans in a row, since {isoformat_utc(since)}"
        what = f"gave no certificate{scans}: {_brief(error or 'no reason is known')}."
        details = {"error": _cut(error), "failures": failures, "since": isoformat_utc(since)}
        return self.tell("unreachable", "warning", isoformat_utc(since), what, **details)

    def unread(self, leaf: SeenCertificate) -> str:
        """A sentence, for no event tells that it cannot be known when something ends."""
        return f"{self._who()} serves a certificate whose end cannot be read: {leaf.odd or 'it has no dates'}."

    def recovered(self, leaf: SeenCertificate | None) -> WatchEvent:
        if leaf is None:
            return self.tell("recovered", "info", "", "resolves again.")
        what = f"serves a certificate{_until(leaf)} again."
        return self.tell("recovered", "info", leaf.fingerprint_sha256, what, after=facts(leaf))

    def retired(self, last_seen: datetime | None = None, key_type: str = "any") -> WatchEvent:
        """last_seen: of an address, or of a certificate of that type of key, that is not found there any more; None
        when the whole endpoint is retired."""
        if last_seen is None:
            return self.tell("retired", "info", "", "is not watched any more.")
        seen = isoformat_utc(last_seen)
        what = f"is not found at this address any more: the last scan that asked it was at {seen}."
        if key_type != "any":
            what = f"is not found with a certificate of the key type {key_type} any more: it was last seen at {seen}."
        return self.tell("retired", "info", seen, what, last_seen=seen)


def facts(certificate: SeenCertificate) -> dict[str, t.Any]:
    """What receivers want to know of a certificate. JSON values only."""
    return {
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "subject": _cut(certificate.subject),
        "issuer": _cut(certificate.issuer),
        "serial_number": _cut(certificate.serial_number),
        "not_before": _instant(certificate.not_before),
        "not_after": _instant(certificate.not_after),
        "subject_alternative_names": _some(certificate.subject_alternative_names),
        "names_count": len(certificate.subject_alternative_names),
        "key_type": certificate.key_type,
        "key_sha256": certificate.key_sha256,
    }


def _ending(leaf: SeenCertificate, end: datetime, at: datetime) -> dict[str, t.Any]:
    days_left = (end - at).total_seconds() / 86400
    return {"after": facts(leaf), "end": isoformat_utc(end), "days_left": round(days_left, 2)}


def _some(names: t.Sequence[str]) -> list[str | None]:
    return [_cut(name) for name in names[:_MOST_DETAILS]]


def _cut(text: str | None) -> str | None:
    return text[:_LONGEST_DETAIL] if text else text


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else isoformat_utc(instant)


def _until(leaf: SeenCertificate) -> str:
    return f" that ends at {isoformat_utc(leaf.not_after)}" if leaf.not_after else " whose end cannot be read"


def _names(verb: str, names: t.Sequence[str]) -> str:
    if not names:
        return ""
    return f"{verb} {_few([_brief(name) for name in names])}"


def _few(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _brief(text: str) -> str:
    """In one line, without what a terminal or a chat would obey."""
    line = shown(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
