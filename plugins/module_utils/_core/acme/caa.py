# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether CAA records let a CA issue for a name (RFC 8659), to this account and by this challenge (RFC 8657). Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..text import shown

_CRITICAL = 128  # a flag: who does not know the property must not issue
_KNOWN = frozenset({"issue", "issuewild", "issuemail", "iodef", "contactemail", "contactphone"})
_LABEL = r"[a-z0-9](?:-*[a-z0-9])*"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_TAG = re.compile(_LABEL, re.IGNORECASE)
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e]*")


@dataclass(frozen=True)
class CaaRecord:
    """tag: as it was written; flags: the whole byte."""

    flags: int
    tag: str
    value: str


@dataclass(frozen=True)
class CaaSet:
    """name: at which the records are: the name asked for, or the nearest one above that has any."""

    name: str
    records: tuple[CaaRecord, ...]


def caa_problem(
    identifier: str,
    found: CaaSet | None,
    *,
    identities: t.Sequence[str],
    account_url: str | None,
    challenge: str,
) -> str | None:
    """Why the CA will refuse to issue, and what to do, for people; None where it may, or where nothing says who it is.

    identifier: with ``*.`` for a wildcard; identities: of the CA, ``caaIdentities`` of its directory; account_url: None
    when there is no account yet, then no record is refused for it; challenge: its type.
    """
    if found is None or not identities:
        return None
    unknown = [record.tag for record in found.records if record.flags & _CRITICAL and record.tag.lower() not in _KNOWN]
    if unknown:
        return (
            f"{identifier}: a CAA record at {found.name} has the property {shown(unknown[0])!r} and is marked critical,"
            " so a CA that does not know it must refuse. Remove the record, or its flag."
        )
    deciding = _deciding(found.records, wildcard=identifier.startswith("*."))
    if not deciding:
        return None
    wanted = [name.lower() for name in identities]
    reasons = []
    for value in deciding:
        domain, parameters = parse_issue_value(value)
        if domain in wanted:
            reason = _unmet(parameters, account_url, challenge)
            if reason is None:
                return None
            reasons.append(reason)
    tag = "issuewild" if identifier.startswith("*.") and _values(found.records, "issuewild") else "issue"
    if reasons:
        return f"{identifier}: a CAA record at {found.name} lets {wanted[0]} issue only {reasons[0]}. Change it."
    others = dict.fromkeys(filter(None, (parse_issue_value(value)[0] for value in deciding)))
    return (
        f"{identifier}: the CAA records at {found.name} let {', '.join(others) or 'nobody'} issue, and not"
        f" {' or '.join(wanted)}."
        f' Add the record: {found.name}. CAA 0 {tag} "{wanted[0]}"'
    )


def _deciding(records: t.Sequence[CaaRecord], *, wildcard: bool) -> list[str]:
    """RFC 8659 section 4.3: for a wildcard, issuewild takes the place of issue where there is one."""
    return (_values(records, "issuewild") if wildcard else []) or _values(records, "issue")


def _values(records: t.Sequence[CaaRecord], tag: str) -> list[str]:
    return [record.value for record in records if record.tag.lower() == tag]


def parse_issue_value(value: str) -> tuple[str, tuple[tuple[str, str], ...] | None]:
    """An issue-value of RFC 8659 section 4.2: the issuer's domain in lower case, "" for none; and the parameters, names
    in lower case, in order. What is malformed authorises nobody: parameters are None where they are, the domain is ""
    where it is."""
    domain, *parts = (part.strip(" \t") for part in value.split(";"))
    if not _DOMAIN.fullmatch(domain):
        return "", None
    if parts == [""]:
        parts = []
    parameters = []
    for part in parts:
        tag, equals, text = (piece.strip(" \t") for piece in part.partition("="))
        if not equals or not _TAG.fullmatch(tag) or not _VALUE.fullmatch(text):
            return domain.lower(), None
        parameters.append((tag.lower(), text))
    return domain.lower(), tuple(parameters)


def _unmet(parameters: tuple[tuple[str, str], ...] | None, account_url: str | None, challenge: str) -> str | None:
    """Which condition of an issue-value is not met, as it goes behind "issue only"; None when all are."""
    if parameters is None:
        return "under conditions that are malformed, which no CA can meet"
    accounts = [text for tag, text in parameters if tag == "accounturi"]
    if len(accounts) > 1:
        return "to several accounts at once (accounturi), which none can be"
    if accounts and account_url is not None and accounts[0] != account_url:
        return f"to the account {accounts[0]}, and this one is {account_url} (accounturi)"
    methods = [text for tag, text in parameters if tag == "validationmethods"]
    if len(methods) > 1:
        return "by several lists of challenges at once (validationmethods), which none can be in"
    if methods and challenge not in [method.strip() for method in methods[0].split(",")]:
        return f"by the challenges {methods[0] or '(none)'}, and this one is {challenge} (validationmethods)"
    return None
