# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from a failure, and what users are told about each certificate in the end."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ..._errors import AcmeError
from .limits import refused_scope

if t.TYPE_CHECKING:
    from .ledger import AccountKey, Ledger
    from .wanted import WantedCertificate

#: failover: the next issuer may do; hold: the CA wants to be left alone; failure: of this certificate; account: nothing
#: can be ordered from this CA until a person has put the account right.
Consequence = t.Literal["failover", "hold", "failure", "account"]

_CONSEQUENCES: t.Final[t.Mapping[str, Consequence]] = {
    "authority": "failover",
    "rate_limited": "hold",
    "account": "account",
    "identifier": "failure",
    "request": "failure",
    "gone": "failure",
}


def consequence(error: Exception) -> Consequence:
    """Only the CA's own fault lets another CA try: what is wrong with a name or a zone is wrong there, too."""
    if not isinstance(error, AcmeError):
        return "failure"
    return "failure" if is_paused(error) else _CONSEQUENCES[error.fault]


def is_paused(error: AcmeError) -> bool:
    """The CA refuses the account and name until a person unpauses them on its page (Boulder, after many failures)."""
    text = f"{error.message} {error.url or ''}".lower()
    return error.fault == "rate_limited" and ("unpause" in text or "temporarily prevented" in text)


def note_error(ledger: Ledger, account: AccountKey, wanted: WantedCertificate, error: Exception, now: datetime) -> None:
    """Remember what counts at the next run. A CA's own fault does not, nor what is gone: they may be over by then."""
    what = consequence(error)
    message = str(getattr(error, "message", "") or type(error).__name__)
    url = error.url if isinstance(error, AcmeError) else None
    if what == "hold" and isinstance(error, AcmeError):
        scope, domain = refused_scope(error)
        key = {"account": "", "domain": domain, "certificate": wanted.name}[scope]
        ledger.note_hold(account, scope, key, message, now, retry_after=error.retry_after, url=url)
    elif what == "failure" and not (isinstance(error, AcmeError) and error.fault == "gone"):
        paused = isinstance(error, AcmeError) and is_paused(error)
        ledger.note_failure(account, wanted, message, now, url=url, for_good=paused)


def new_message(domain: str, stores: t.Sequence[str]) -> str:
    """For a certificate that has been issued. stores: kinds of those that have it beside Secrets Manager."""
    return f"A new certificate has been provisioned and uploaded to {_places(stores)} for: {domain}"


def stored_message(domain: str, stores: t.Sequence[str]) -> str:
    """For one that was there, and that stores lacked. stores: kinds of those that got it now."""
    return f"The certificate that exists already has been uploaded to {_places(stores, with_truth=False)} for: {domain}"


def staged_message(domain: str, label: str) -> str:
    """For one that has been issued, and waits for its promotion."""
    return f"A new certificate has been provisioned and staged as {label} for: {domain}"


def kept_message(domain: str, remaining: timedelta, stores: t.Sequence[str], threshold: timedelta | None = None) -> str:
    """For one that stays. threshold: the user's, which is told where more than that remains."""
    least = threshold if threshold is not None and threshold <= remaining else remaining
    places = _places(stores)
    return f"A certificate with at least {_whole(least)} until expiration already exists in {places} for: {domain}"


def _places(stores: t.Sequence[str], *, with_truth: bool = True) -> str:
    """Where S3 and ACM are configured, in the words of the Letsencrypt Cert Manager, whose users search for them."""
    kinds = set(stores)
    if {"s3", "acm"} <= kinds:
        return "both S3 and ACM"
    words = ["Secrets Manager"] if with_truth else []
    words += [word for kind, word in (("s3", "S3"), ("acm", "ACM")) if kind in kinds]
    return " and ".join(words) or "Secrets Manager"


def _whole(duration: timedelta) -> str:
    """Rounded down: it says at least."""
    number, unit = (duration.days, "day") if duration.days > 0 else (max(0, duration.seconds // 3600), "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"
