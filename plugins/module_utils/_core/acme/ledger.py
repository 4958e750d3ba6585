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
from datetime import datetime, timedelta

from .authority import RenewalWindow
from .holds import CLOCKS_DIFFER, GIVE_UP_AFTER, LONGEST_HOLD, failure_hold, near_hold, said_hold, withdrawn_hold
from .ledger_document import LATEST, accounts_of, empty_account, incidents_of, instant_of, staged_of, windows_of
from .limits import HoldScope, RateLimits, left, likely_registered_domain, names_digest, spent

if t.TYPE_CHECKING:
    from .holds import Hold
    from .wanted import WantedCertificate

FORMAT: t.Final = 1
MAX_BYTES: t.Final = 65536  # of a secret's value
_FORGET_FAILURES: t.Final = 90 * 86400
_FORGET_WINDOWS: t.Final = 14 * 86400
_LONGEST_PATIENCE: t.Final = timedelta(days=1, seconds=CLOCKS_DIFFER)
_LONGEST_TEXT: t.Final = 300
_INCIDENTS: t.Final = 5  # so many are remembered


class AccountKey(t.NamedTuple):
    """Whose limits they are. account_url: "" while it is not known."""

    directory: str
    account_url: str = ""


class PastIncident(t.NamedTuple):
    """From the run that began to replace what it concerned to the one that found all replaced."""

    began: datetime
    ended: datetime
    certificates: int


class Ledger:
    """changes: noted in this run, for replay(); foreign: it stands for something that must not be overwritten.

    Instants are aware datetimes; in the document they are seconds.
    """

    def __init__(self, document: dict[str, t.Any] | None = None, *, foreign: bool = False) -> None:
        self.foreign = foreign
        self._run = ""
        self._accounts: dict[str, dict[str, t.Any]] = (document or {}).get("accounts", {})
        self._windows: dict[str, dict[str, t.Any]] = (document or {}).get("windows", {})
        #: By name: what was staged last, and has not been seen to be promoted.
        self._staged: dict[str, dict[str, t.Any]] = (document or {}).get("staged", {})
        #: By key and begin: how long replacements took.
        self._incidents: dict[str, dict[str, t.Any]] = (document or {}).get("incidents", {})
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
        parts = {"accounts": accounts_of, "windows": windows_of, "staged": staged_of, "incidents": incidents_of}
        usable = {name: usable_of(document.get(name)) for name, usable_of in parts.items()}
        damaged = any(usable[name] != document.get(name, {}) for name in parts)
        ledger = cls(usable)
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
        self._staged, self._incidents = {}, {}
        text = self._text()
        return text if len(text) <= max_bytes else Ledger()._text()

    def _text(self) -> str:
        document = {"format": FORMAT, "accounts": self._accounts, "windows": self._windows}
        more = {"staged": self._staged, "incidents": self._incidents}
        document.update({name: part for name, part in more.items() if part})
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

    def note_staged(self, wanted: WantedCertificate, version_id: str, now: datetime) -> None:
        """It waits in this version of its secret for a promotion."""
        self._change("staged", wanted.name, wanted.identifiers, version_id, now)

    def note_withdrawn(self, name: str, version_id: str, now: datetime) -> None:
        """The version that was staged has lost its label, and never was the current one. Counted once."""
        self._change("withdrawn", name, version_id, now)

    def note_promoted(self, name: str) -> None:
        """What was staged is over, in another way than by a withdrawal."""
        self._change("promoted", name)

    def note_incident(self, key: str, certificates: int, left: int, now: datetime) -> None:
        """How far the replacement of what an incident concerns is: of so many certificates so many are left. None are
        where they were named by what is not there any more. key: of the incident."""
        self._change("incident", key, certificates, left, now)

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
            instant_of(held["start"]), instant_of(held["end"]), instant_of(held["ask_again"]), held.get("url")
        )

    def staged(self, name: str) -> str | None:
        """The version that was staged last, and of which nothing else is known."""
        return self._staged[name]["version"] if name in self._staged else None

    def incidents(self) -> list[PastIncident]:
        """Those that are over, the latest first."""
        over = [each for each in self._incidents.values() if each["ended"] >= each["began"]]
        return [
            PastIncident(instant_of(each["began"]), instant_of(each["ended"]), int(each["count"]))
            for each in sorted(over, key=lambda each: -float(each["began"]))
        ]

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

        What a CA has said counts until it is urgent. force takes back what was concluded here: failures in a row,
        withdrawals, and limits that are near. exempt: a renewal in the CA's window, to which limits of certificates do
        not apply. What is urgent is tried again after each failure, but once a day at most: nobody tries for ever.
        foreseen: for an estimate, with the limits of registered domains, which are guessed: otherwise the CA itself
        tells of those.
        """
        at, known = _seconds(now), self._of(account)
        failed = failure_hold(known["failures"].get(wanted.name), wanted, at, urgent)
        withdrawn = withdrawn_hold(self._staged.get(wanted.name), wanted, at, urgent)
        if (failed or withdrawn) and not force:
            return failed or withdrawn
        if urgent:
            return None
        return (
            said_hold(known["held"], wanted, at, exempt)
            or (None if force or exempt else near_hold(known, wanted, limits, at, foreseen))
        )  # fmt: skip

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
        seconds = min(max(3600.0 if retry_after is None else retry_after, 0.0), LONGEST_HOLD)
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

    def _on_staged(self, name: str, identifiers: tuple[str, ...], version_id: str, now: datetime) -> None:
        before, digest = self._staged.get(name), names_digest(identifiers)
        count = int(before["count"]) if before is not None and before["names"] == digest else 0
        at = round(_seconds(now))
        self._staged[name] = {"version": version_id, "at": at, "names": digest, "count": count, "withdrawn": 0}

    def _on_withdrawn(self, name: str, version_id: str, now: datetime) -> None:
        staged = self._staged.get(name)
        if staged is not None and staged["version"] == version_id and not staged["withdrawn"]:
            self._staged[name] = {**staged, "count": staged["count"] + 1, "withdrawn": round(_seconds(now))}

    def _on_promoted(self, name: str) -> None:
        self._staged.pop(name, None)

    def _on_incident(self, key: str, certificates: int, left: int, now: datetime) -> None:
        at = int(_seconds(now))
        begun = [name for name, each in self._incidents.items() if each["key"] == key and not each["ended"]]
        if begun:
            known = self._incidents[begun[-1]]
            self._incidents[begun[-1]] = {**known, "count": certificates or known["count"], "ended": 0 if left else at}
        elif left:
            self._incidents[f"{at} {key}"] = {"key": key, "began": at, "ended": 0, "count": max(certificates, 1)}

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
        self._staged = {name: staged for name, staged in self._staged.items() if staged["at"] > at - _FORGET_FAILURES}
        recent = sorted(self._incidents, key=lambda name: float(self._incidents[name]["began"]))[-_INCIDENTS:]
        # Noted a moment after the instant that a run counts by, or by a clock that is ahead, it is still one.
        latest = at + CLOCKS_DIFFER
        self._incidents = {name: self._incidents[name] for name in recent if self._incidents[name]["began"] <= latest}
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
