# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lasting TXT record of dns-persist-01: what to set, and whether what is there does (draft-ietf-acme-dns-persist).

Up to version 01 of the draft the record names the account by its URL; from version 02 on by a hash, where the CA's
directory has an ``accountHashPrefix``.
"""

from __future__ import annotations

import base64
import hashlib
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ..text import shown
from .caa import parse_issue_value
from .zones import plain_name

PERSIST_LABEL: t.Final = "_validation-persist"
_LONGEST_STRING = 255  # of a TXT record's strings, in bytes
_ANY_DOMAIN = "*"
_LAST_SECOND = 253402300799  # of the year 9999, the last that datetime has


@dataclass(frozen=True)
class PersistAccount:
    """Who is to be authorised. issuers: names of the CA, the first one is written; account_url: of the account;
    thumbprint: of its key (RFC 7638); hash_prefix: ``accountHashPrefix`` of the directory, None where it has none."""

    issuers: tuple[str, ...]
    account_url: str
    thumbprint: str = ""
    hash_prefix: str | None = None

    def uri(self, domain: str) -> str:
        """What accounturi has to be for a domain."""
        if self.hash_prefix is None:
            return self.account_url
        digest = hashlib.sha256(
            bytes([len(domain)]) + f"{domain}{self.thumbprint}{self.account_url}".encode("ascii")
        ).digest()
        return f"{self.hash_prefix}sha-256/{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@dataclass(frozen=True)
class PersistRecord:
    """name: as TxtRecord's; value: of all strings together."""

    name: str
    value: str

    @property
    def line(self) -> str:
        """As a zone file has it (RFC 1035 section 5.1)."""
        parts = [self.value[start : start + _LONGEST_STRING] for start in range(0, len(self.value), _LONGEST_STRING)]
        return f"{self.name}. IN TXT " + " ".join(f'"{part}"' for part in parts)


@dataclass(frozen=True)
class PersistStanding:
    """problem: why the CA will not accept what is there, and what to set, for people; None when it will. ends: of what
    is accepted, None for never."""

    problem: str | None
    ends: datetime | None = None


def persist_name(identifier: str) -> str:
    """Where the CA looks, for a name with or without a leading ``*.``. Raises DnsError."""
    return f"{PERSIST_LABEL}.{plain_name(identifier.removeprefix('*.'))}"


def persist_records(
    identifiers: t.Iterable[str], account: PersistAccount, until: datetime | None = None
) -> tuple[PersistRecord, ...]:
    """What to set once so that these names need no DNS any more: one record for a name and its wildcard.

    until: after which the CA is not to accept it any more.
    """
    wildcards: dict[str, bool] = {}
    for identifier in identifiers:
        base = plain_name(identifier.removeprefix("*."))
        wildcards[base] = wildcards.get(base, False) or identifier.startswith("*.")
    return tuple(
        PersistRecord(persist_name(base), _value(base, account, wildcard, until))
        for base, wildcard in wildcards.items()
    )


def _value(base: str, account: PersistAccount, wildcard: bool, until: datetime | None) -> str:
    parts = [account.issuers[0], f"accounturi={account.uri(base)}"]
    parts += ["policy=wildcard"] if wildcard else []
    parts += [f"persistUntil={int(until.timestamp())}"] if until else []
    return "; ".join(parts)


def persist_standing(
    identifier: str, values: t.Iterable[str], account: PersistAccount, now: datetime
) -> PersistStanding:
    """Whether one of the values lets this account have certificates for the name.

    identifier: with ``*.`` for a wildcard; values: of the TXT records at persist_name, the strings of each joined.
    """
    base = plain_name(identifier.removeprefix("*."))
    reasons = []
    for value in values:
        issuer, parameters = parse_issue_value(value)
        if issuer not in account.issuers:  # another CA's, or nothing of this kind
            continue
        ends = _end(parameters)
        reason = _unmet(parameters, ends, base, account, identifier.startswith("*."), now)
        if reason is None:
            return PersistStanding(None, ends)
        reasons.append(reason)
    record = persist_records([identifier], account)[0]
    because = (
        f"the TXT record there {shown(reasons[0])}" if reasons else f"no TXT record there is for {account.issuers[0]}"
    )
    return PersistStanding(
        f"{identifier}: the CA looks at {record.name}, and {because}. Set this record, once, and run this again:"
        f" {record.line}"
    )


def _unmet(
    parameters: tuple[tuple[str, str], ...] | None,
    ends: datetime | None,
    base: str,
    account: PersistAccount,
    wildcard: bool,
    now: datetime,
) -> str | None:
    """Why the CA does not accept a record of its own, as it goes behind "the record"; None when it does."""
    if parameters is None:
        return "is malformed"
    known = [tag for tag, _text in parameters if tag in ("accounturi", "policy", "persistuntil")]
    if len(set(known)) < len(known):
        return "has a parameter twice"
    given = dict(parameters)
    accepted = [account.uri(base), *([account.uri(_ANY_DOMAIN)] if account.hash_prefix is not None else [])]
    if given.get("accounturi") not in accepted:
        return f"is for the account {given.get('accounturi') or '(none)'}"
    if "persistuntil" in given and ends is None:
        return f"ends at {given['persistuntil']} (persistUntil), which is no time"
    if ends is not None and ends < now:
        return f"has ended at {ends:%Y-%m-%d %H:%M} UTC (persistUntil)"
    if wildcard and given.get("policy", "").lower() != "wildcard":
        return "is not for wildcards (policy=wildcard is missing)"
    return None


def _end(parameters: tuple[tuple[str, str], ...] | None) -> datetime | None:
    text = dict(parameters or ()).get("persistuntil", "")
    if not (text.isascii() and text.isdigit()):
        return None
    seconds = int(text) if len(text) <= len(str(_LAST_SECOND)) else _LAST_SECOND
    return datetime.fromtimestamp(min(seconds, _LAST_SECOND), timezone.utc)
