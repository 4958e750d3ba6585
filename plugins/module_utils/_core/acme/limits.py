# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much a CA lets an account order, counted as Boulder, Let's Encrypt's software, counts it.

A limit is a bucket that refills evenly (the generic cell rate algorithm): 300 orders in three hours are 300 at once,
and one more every 36 seconds. Of each bucket one instant is remembered, when it will be full again, in seconds since
1970.
Source: https://letsencrypt.org/docs/rate-limits/ and .../docs/staging-environment/. Of other CAs no limit is known
beforehand: what they answer counts.
"""

from __future__ import annotations

import hashlib
import math
import re
import typing as t
from dataclasses import dataclass

from .names import is_address

if t.TYPE_CHECKING:
    from ..._errors import AcmeError

_HOUR: t.Final = 3600
_DAY: t.Final = 86400


@dataclass(frozen=True)
class RateLimit:
    """count: in a period of so many seconds."""

    count: int
    period: int

    @property
    def refill(self) -> float:
        """Seconds until there is one more."""
        return self.period / self.count


@dataclass(frozen=True)
class RateLimits:
    """None: not known. orders: of an account; certificates: of a registered domain; same_names: of one set of names."""

    orders: RateLimit | None = None
    certificates: RateLimit | None = None
    same_names: RateLimit | None = None


LETS_ENCRYPT: t.Final = RateLimits(RateLimit(300, 3 * _HOUR), RateLimit(50, 7 * _DAY), RateLimit(5, 7 * _DAY))
LETS_ENCRYPT_STAGING: t.Final = RateLimits(orders=RateLimit(1500, 3 * _HOUR))


def limits_of(directory: str) -> RateLimits:
    """directory: URL. Without a limit for CAs that are not known."""
    host = directory.partition("://")[2].partition("/")[0].partition(":")[0].lower()
    if not host.endswith((".letsencrypt.org", ".lencr.org")):
        return RateLimits()
    return LETS_ENCRYPT_STAGING if "staging" in host else LETS_ENCRYPT


def spent(full_at: float, limit: RateLimit, now: float, count: int = 1) -> float:
    """When the bucket is full again after so many more."""
    return _full_at(full_at, limit, now) + limit.refill * count


def left(full_at: float, limit: RateLimit, now: float) -> int:
    """How many may be had at once."""
    return max(0, math.floor((now + limit.period - _full_at(full_at, limit, now)) / limit.refill + 1e-6))


def available_at(full_at: float, limit: RateLimit, now: float, count: int = 1) -> float:
    """When the last of so many may be had, when each is taken as soon as it can be; now when all can be at once."""
    return max(now, spent(full_at, limit, now, count) - limit.period)


def _full_at(full_at: float, limit: RateLimit, now: float) -> float:
    """Not before now. What is further ahead than an empty bucket needs, and as much again for what was ordered all the
    same, was written by a clock that is wrong."""
    return max(full_at, now) if full_at <= now + 2 * limit.period else now


def names_digest(identifiers: t.Iterable[str]) -> str:
    """Of an exact set of names, in any order."""
    return hashlib.sha256(" ".join(sorted(identifiers)).encode()).hexdigest()[:16]


# Second levels under which country domains are registered. The Public Suffix List has thousands more, and changes.
_SECOND_LEVELS: t.Final = frozenset({"ac", "co", "com", "edu", "gob", "go", "gov", "ne", "net", "nom", "or", "org"})


def likely_registered_domain(identifier: str) -> str:
    """For estimates only: what the CA counts by is in the Public Suffix List. An address is its own."""
    if is_address(identifier):
        return identifier
    labels = identifier.removeprefix("*.").split(".")
    under_second_level = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return ".".join(labels[-3 if under_second_level else -2 :])


#: What a refusal is about: all orders of the account, a domain and what is below it, or one certificate.
HoldScope = t.Literal["account", "domain", "certificate"]

_DOMAIN_LIMIT = re.compile(r'already issued for "([a-z0-9.-]{1,253})"', re.IGNORECASE)
_OF_ONE_CERTIFICATE: t.Final = (
    "exact set",
    "exact-set",
    "failed authorization",
    "authorization-failures",
    "temporarily prevented",
    "unpause",
)


def refused_scope(error: AcmeError) -> tuple[HoldScope, str]:
    """Of an AcmeError with the fault ``rate_limited``: whom it holds up, and the domain ("" for the other scopes).

    Told by Boulder's texts, which link to the limit: RFC 8555 has no field for it. What is not known holds up all.
    """
    text = f"{error.message} {error.url or ''}".lower()
    domain = _DOMAIN_LIMIT.search(text)
    if domain and "exact" not in text:
        return "domain", domain[1]
    if error.identifiers or any(words in text for words in _OF_ONE_CERTIFICATE):
        return "certificate", ""
    return "account", ""


def is_below(identifier: str, domain: str) -> bool:
    """Whether it is the domain itself, its wildcard, or a name below it."""
    name = identifier.removeprefix("*.")
    return name == domain or name.endswith(f".{domain}")
