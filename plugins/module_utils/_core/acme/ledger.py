# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a CA between runs: how much was ordered, what failed, until when it wants to be left alone, and
when it suggests renewals. Nothing in it is secret, and nothing of it is needed: a lost ledger costs requests, no more.

A ledger notes its own changes, so that what two runs write at once is merged: whoever comes second replays its changes
on what the first one wrote.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .authority import RenewalWindow
from .ledger_document import LATEST, accounts_of, empty_account, windows_of
from .limits import (
    HoldScope,
    RateLimits,
    available_at,
    is_below,
    left,
    likely_registered_domain,
    names_digest,
    spent,
)

if t.TYPE_CHECKING:
    from .wanted import WantedCertificate

FORMAT: t.Final = 1
MAX_BYTES: t.Final = 65536  # of a secret's value
#: Seconds to wait after the first, second ... failure in a row.
BACK_OFF: t.Final = (0, 300, 3600, 6 * 3600, 86400)
#: So many failures in a row, and nobody tries any more until the names change or the user forces it.
GIVE_UP_AFTER: t.Final = 10
_FORGET_FAILURES: t.Final = 90 * 86400
_FORGET_WINDOWS: t.Final = 14 * 86400
_LONGEST_HOLD: t.Final = 31 * 86400  # a CA that says next century is not believed
#: Instants further ahead than they can be were written by a clock that is wrong, and do not count.
_CLOCKS_DIFFER: t.Final = 3600
_LONGEST_PATIENCE: t.Final = timedelta(days=1, seconds=_CLOCKS_DIFFER)
_LONGEST_TEXT: t.Final = 300


class AccountKey(t.NamedTuple):
    """Whose limits they are. account_url: "" while it is not known."""

    directory: str
    account_url: str = ""


@dataclass(frozen=True)
class Hold:
    """Why a certificate is not ordered now. until: None for ever; by_ca: whether the CA said so itself; url: the CA's
    page for people."""

    until: datetime | None
    why: str
    by_ca: bool = False
    url: str | None = None
    failures: int = 0


class Ledger:
    """changes: noted in this run, for replay(); foreign: it stands for something that must not be overwritten.

    Instants are aware datetimes; in the document they are seconds.
    """

    def __init__(self, document: dict[str, t.Any] | None = None, *, foreign: bool = False) -> None:
        self.foreign = foreign
        self._run = ""
        self._accounts: dict[str, dict[str, t.Any]] = (document or {}).get("accounts", {})
        self._windows: dict[str, dict[str, t.Any]] = (document or {}).get("windows", {})
        self.changes: list[tuple[str, tuple[t.Any, ...]]] = []

    # -- as a document ------------------------------------------------------------------------------------------

    @classmethod
    def from_json(cls, text: str | bytes) -> tuple[Ledger, str | None]:
        """A ledger, and a warning when the text is none: then it begins anew, for nothing may keep a renewal back."""
        try:
            document = json.loads(text)
            is_ledger = isinstance(document, dict) and {"accounts", "format", "windows"} <= document.keys()
        except (ValueError, RecursionError):
            document, is_ledger = None, False
        if not is_ledger:
            # A cut or garbled ledger begins as one, and is replaced. Anything else is somebody's.
            ours = (text if isinstance(text, str) else text.decode("utf-8", "replace")).strip()
            if not ours or ours.startswith('{"accounts":'):
                return cls(), "It is damaged, and begun anew." if ours else None
            return cls(foreign=True), "It holds something else than a ledger, which is left as it is."
        if document["format"] != FORMAT:
            return cls(foreign=True), f"Its format is {document['format']!r}, and this version knows {FORMAT}."
        accounts, windows = accounts_of(document.get("accounts")), windows_of(document.get("windows"))
        damaged = accounts != document.get("accounts", {}) or windows != document.get("windows", {})
        ledger = cls({"accounts": accounts, "windows": windows})
        return ledger, "Parts of it are damaged, and forgotten." if damaged else None

    def to_json(self, now: datetime, max_bytes: int = MAX_BYTES, run: str = "") -> str:
        """Without what time has made meaningless; where that is too long, without the CA's suggestions (oldest first),
        which are asked for again, and then without what was counted. run: makes it another text than other runs'."""
        self._run = run
        self._prune(_seconds(now))
        text = self._text()
        surplus = len(text) - max_bytes
        for key in sorted(self._windows, key=lambda key: float(self._windows[key]["ask_again"])):
            if surplus <= 0:
                break
            surplus -= len(_compact({key: self._windows.pop(key)})) - 1  # its braces, and a comma
            text = ""
        text = text or self._text()
        for part in ("domains", "names", "failures", "held"):
            if len(text) <= max_bytes:
                return text
            for account in self._accounts.values():
                account[part] = {}
            text = self._text()
        return text if len(text) <= max_bytes else Ledger()._text()

    def _text(self) -> str:
        document = {"format": FORMAT, "accounts": self._accounts, "windows": self._windows}
        return _compact({**document, **({"run": self._run} if self._run else {})})

    # -- what happened ------------------------------------------------------------------------------------------

    def note_order(self, account: AccountKey, limits: RateLimits, now: datetime, *, exempt: bool = False) -> None:
        """exempt: it replaces a certificate in the CA's own window (RFC 9773)."""
        self._change("order", account, limits, now, exempt)

    def note_certificate(
        self, account: AccountKey, wanted: WantedCertificate, limits: RateLimits, now: datetime, *, exempt: bool = False
    ) -> None:
        """It has been issued: earlier failures are forgotten."""
        self._change("certificate", account, wanted.name, wanted.identifiers, limits, now, exempt)

    def note_failure(
        self,
        account: AccountKey,
        wanted: WantedCertificate,
        why: str,
        now: datetime,
        *,
        url: str | None = None,
        for_good: bool = False,
    ) -> None:
        """Of a name (its validation, CAA, policy) or of the request, not of the CA.

        for_good: the CA itself says that a person has to do something first.
        """
        self._change("failure", account, wanted.name, wanted.identifiers, why, now, url, for_good)

    def note_hold(
        self,
        account: AccountKey,
        scope: HoldScope,
        key: str,
        why: str,
        now: datetime,
        *,
        retry_after: float | None,
        url: str | None = None,
    ) -> None:
        """key: "" for the account, the domain, or the certificate's name. retry_after: seconds; None: an hour."""
        self._change("hold", account, scope, key, why, now, retry_after, url)

    def note_window(self, certificate_id: str, window: RenewalWindow, now: datetime) -> None:
        """What the CA suggests for a certificate. It is asked again after a minute to a day (RFC 9773 section 4.3)."""
        self._change("window", certificate_id, window, now)

    def replay(self, other: Ledger) -> None:
        """Make another ledger's changes here, too."""
        for name, arguments in other.changes:
            self._change(name, *arguments)

    # -- what follows -------------------------------------------------------------------------------------------

    def window(self, certificate_id: str) -> RenewalWindow | None:
        held = self._windows.get(certificate_id)
        if held is None:
            return None
        return RenewalWindow(
            _instant(held["start"]), _instant(held["end"]), _instant(held["ask_again"]), held.get("url")
        )

    def must_ask(self, certificate_id: str, now: datetime) -> bool:
        """Whether the CA is to be asked for its suggestion: not before the instant that it named (Retry-After)."""
        held = self.window(certificate_id)
        return held is None or not now < held.ask_again <= now + _LONGEST_PATIENCE

    def orders_left(self, account: AccountKey, limits: RateLimits, now: datetime) -> int | None:
        """None when the limit is not known."""
        at = float(self._of(account)["orders"])
        return None if limits.orders is None else left(at, limits.orders, _seconds(now))

    def hold(
        self,
        account: AccountKey,
        wanted: WantedCertificate,
        limits: RateLimits,
        now: datetime,
        *,
        urgent: bool = False,
        force: bool = False,
        exempt: bool = False,
        foreseen: bool = False,
    ) -> Hold | None:
        """Why it is not to be ordered now, None when it may be.

        What a CA has said counts until it is urgent. force takes back what was concluded here: failures in a row, and
        limits that are near. exempt: a renewal in the CA's window, to which limits of certificates do not apply. What
        is urgent is tried again after each failure, but once a day at most: nobody tries for ever. foreseen: for an
        estimate, with the limits of registered domains, which are guessed: otherwise the CA itself tells of those.
        """
        at, known = _seconds(now), self._of(account)
        failed = self._failure_hold(known["failures"].get(wanted.name), wanted, at, urgent)
        if failed and not force:
            return failed
        if urgent:
            return None
        return (
            self._said(known["held"], wanted, at, exempt)
            or (None if force or exempt else self._near(known, wanted, limits, at, foreseen))
        )  # fmt: skip

    @staticmethod
    def _failure_hold(
        failure: dict[str, t.Any] | None, wanted: WantedCertificate, at: float, urgent: bool
    ) -> Hold | None:
        if failure is None or failure["names"] != names_digest(wanted.identifiers):
            return None
        count, why, url = int(failure["count"]), failure["why"], failure.get("url")
        given_up = count >= GIVE_UP_AFTER
        wait = BACK_OFF[min(count, len(BACK_OFF)) - 1]
        until = float(failure["at"]) + wait
        if given_up and not urgent:
            text = (
                f"It has failed {count} times in a row, and is not tried again until its domains change or force: {why}"
            )
            return Hold(None, text, url=url, failures=count)
        if not at < until <= at + wait + _CLOCKS_DIFFER:
            return None
        return Hold(_instant(until), f"It has failed {count} times in a row: {why}", url=url, failures=count)

    @staticmethod
    def _said(held: t.Mapping[str, t.Any], wanted: WantedCertificate, at: float, exempt: bool) -> Hold | None:
        """By the CA. The hold that lasts longest counts."""
        found = []
        for key, hold in held.items():
            scope, _colon, name = key.partition(":")
            concerns = (
                scope == "account"
                or (scope == "certificate" and name == wanted.name)
                or (scope == "domain" and not exempt and any(is_below(each, name) for each in wanted.identifiers))
            )
            if concerns and at < float(hold["until"]) <= at + _LONGEST_HOLD + _CLOCKS_DIFFER:
                found.append(Hold(_instant(hold["until"]), hold["why"], by_ca=True, url=hold.get("url")))
        return max(found, key=lambda hold: hold.until or datetime.max.replace(tzinfo=timezone.utc), default=None)

    @staticmethod
    def _near(
        known: t.Mapping[str, t.Any], wanted: WantedCertificate, limits: RateLimits, at: float, foreseen: bool
    ) -> Hold | None:
        same_names = known["names"].get(names_digest(wanted.identifiers), 0)
        buckets = [
            (known["orders"], limits.orders, "orders of this account"),
            (same_names, limits.same_names, "certificates for exactly these names"),
        ]
        for domain in sorted(set(map(likely_registered_domain, wanted.identifiers))) if foreseen else ():
            buckets.append((known["domains"].get(domain, 0), limits.certificates, f"certificates for {domain}"))
        for full_at, limit, what in buckets:
            if limit is not None and left(float(full_at), limit, at) < 1:
                period = str(timedelta(seconds=limit.period)).removesuffix(", 0:00:00").removesuffix(":00")
                text = f"The CA allows {limit.count} {what} in {period}, and so many have been ordered."
                return Hold(_instant(available_at(float(full_at), limit, at)), text)
        return None

    # -- changes ------------------------------------------------------------------------------------------------

    def _change(self, name: str, *arguments: t.Any) -> None:
        self.changes.append((name, arguments))
        getattr(self, f"_on_{name}")(*arguments)

    def _on_order(self, account: AccountKey, limits: RateLimits, now: datetime, exempt: bool) -> None:
        known = self._of(account)
        if limits.orders is not None and not exempt:
            known["orders"] = round(spent(float(known["orders"]), limits.orders, _seconds(now)))

    def _on_certificate(
        self,
        account: AccountKey,
        name: str,
        identifiers: tuple[str, ...],
        limits: RateLimits,
        now: datetime,
        exempt: bool,
    ) -> None:
        known, at = self._of(account), _seconds(now)
        known["failures"].pop(name, None)
        known["held"].pop(f"certificate:{name}", None)
        if exempt:
            return
        if limits.same_names is not None:
            digest = names_digest(identifiers)
            known["names"][digest] = round(spent(float(known["names"].get(digest, 0)), limits.same_names, at))
        if limits.certificates is not None:
            for domain in {likely_registered_domain(identifier) for identifier in identifiers}:
                full_at = float(known["domains"].get(domain, 0))
                known["domains"][domain] = round(spent(full_at, limits.certificates, at))

    def _on_failure(
        self,
        account: AccountKey,
        name: str,
        identifiers: tuple[str, ...],
        why: str,
        now: datetime,
        url: str | None,
        for_good: bool,
    ) -> None:
        failures, digest = self._of(account)["failures"], names_digest(identifiers)
        before = failures.get(name)
        count = int(before["count"]) if before is not None and before["names"] == digest else 0
        count = max(count + 1, GIVE_UP_AFTER if for_good else 0)
        failures[name] = {"count": count, "at": round(_seconds(now)), "names": digest, "why": why[:_LONGEST_TEXT]}
        if url:
            failures[name]["url"] = url[:_LONGEST_TEXT]

    def _on_hold(
        self,
        account: AccountKey,
        scope: HoldScope,
        key: str,
        why: str,
        now: datetime,
        retry_after: float | None,
        url: str | None,
    ) -> None:
        seconds = min(max(3600.0 if retry_after is None else retry_after, 0.0), _LONGEST_HOLD)
        hold: dict[str, t.Any] = {"until": round(_seconds(now) + seconds), "why": why[:_LONGEST_TEXT]}
        if url:
            hold["url"] = url[:_LONGEST_TEXT]
        self._of(account)["held"][f"{scope}:{key}"] = hold

    def _on_window(self, certificate_id: str, window: RenewalWindow, now: datetime) -> None:
        soonest, latest = now + timedelta(minutes=1), now + timedelta(days=1)
        held: dict[str, t.Any] = {
            "start": _bounded(window.start),
            "end": _bounded(window.end),
            "ask_again": _bounded(min(max(window.ask_again, soonest), latest)),
        }
        if window.explanation_url:
            held["url"] = window.explanation_url[:_LONGEST_TEXT]
        self._windows[certificate_id] = held

    # -- parts --------------------------------------------------------------------------------------------------

    def _of(self, account: AccountKey) -> dict[str, t.Any]:
        return self._accounts.setdefault(f"{account.directory} {account.account_url}", empty_account())

    def _prune(self, at: float) -> None:
        for key, account in list(self._accounts.items()):
            for part in ("names", "domains"):
                account[part] = {name: full_at for name, full_at in account[part].items() if full_at > at}
            account["held"] = {name: hold for name, hold in account["held"].items() if hold["until"] > at}
            account["failures"] = {
                name: failure for name, failure in account["failures"].items() if failure["at"] > at - _FORGET_FAILURES
            }
            account["orders"] = account["orders"] if account["orders"] > at else 0
            if account == empty_account():
                del self._accounts[key]
        # Of certificates that were replaced nobody asks again; of the others each run does.
        self._windows = {
            key: window for key, window in self._windows.items() if window["ask_again"] > at - _FORGET_WINDOWS
        }


def _compact(value: t.Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _bounded(instant: datetime) -> int:
    """A CA may name any year."""
    return round(min(max(_seconds(instant), 0), LATEST))


def _seconds(instant: datetime) -> float:
    return instant.timestamp()


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
