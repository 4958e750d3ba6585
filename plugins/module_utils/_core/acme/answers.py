# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an ACME server's answers say (RFC 8555 section 7.1, RFC 9773 section 4.2), read without fear. Pure.

Not with the classes of the library acme: they refuse an authorization that is "expired", identifiers of kinds that they
do not know, and instants that Go writes; and they take values of any type where they expect text.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from .account_secret import AccountFacts
from .authority import (
    Authorization,
    AuthorizationStatus,
    Challenge,
    DirectoryFacts,
    Order,
    OrderStatus,
    RenewalWindow,
)
from .problems import bounded_text, parse_problem
from .urls import TrustedPlaces, UnsafeUrl

_MOST_IDENTIFIERS: t.Final = 1000
_MOST_CHALLENGES: t.Final = 50
_MOST_PROFILES: t.Final = 50
_LONGEST_TEXT: t.Final = 500
_ACCOUNT_STATUSES: t.Final = ("valid", "deactivated", "revoked")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,512}")
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


class UnreadableAnswer(ValueError):
    """A server said what has no meaning here. Its text tells what, bounded and harmless, as the end of "The CA ..."."""


@dataclass(frozen=True)
class AcmeDirectory:
    """RFC 8555 section 7.1.1. Addresses are None where the CA does not offer what is asked for there."""

    new_nonce: str
    new_account: str
    new_order: str
    revoke_certificate: str | None
    key_change: str | None
    renewal_info: str | None
    facts: DirectoryFacts
    places: TrustedPlaces


def parse_directory(document: t.Any, url: str) -> AcmeDirectory:
    """url: where it was found. Raises UnreadableAnswer."""
    fields = _fields(document, "the directory")
    own = TrustedPlaces.of_directory(url)
    found: dict[str, str | None] = {}
    for name in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"):
        value = fields.get(name)
        if value is None and name not in ("newNonce", "newAccount", "newOrder"):
            found[name] = None
            continue
        if not isinstance(value, str):
            raise UnreadableAnswer(f"has no {name} in its directory: see that the URL is that of an ACME directory")
        try:
            found[name] = own.endpoint(value)
        except UnsafeUrl as error:
            raise UnreadableAnswer(f"has for {name} in its directory {error}") from None
    endpoints = [each for each in found.values() if each]
    return AcmeDirectory(
        new_nonce=str(found["newNonce"]),
        new_account=str(found["newAccount"]),
        new_order=str(found["newOrder"]),
        revoke_certificate=found["revokeCert"],
        key_change=found["keyChange"],
        renewal_info=found["renewalInfo"],
        facts=_facts(fields.get("meta"), renewal_info=found["renewalInfo"] is not None),
        places=own.with_endpoints(endpoints),
    )


def _facts(meta: t.Any, *, renewal_info: bool) -> DirectoryFacts:
    fields = meta if isinstance(meta, dict) else {}
    profiles = fields.get("profiles")
    named = None
    if isinstance(profiles, dict):
        named = {
            name: bounded_text(text, _LONGEST_TEXT)
            for name, text in list(profiles.items())[:_MOST_PROFILES]
            if name and name == bounded_text(name, 100)
        }
    identities = (bounded_text(name, 253) for name in _texts(fields.get("caaIdentities"))[:50])
    return DirectoryFacts(
        caa_identities=tuple(name.lower() for name in identities if name),
        profiles=named,
        terms_of_service=bounded_text(fields.get("termsOfService"), 2048) or None,
        eab_required=fields.get("externalAccountRequired") is True,
        renewal_info=renewal_info,
    )


def parse_order(document: t.Any, url: str, places: TrustedPlaces, retry_after: float | None = None) -> Order:
    """url: of the order itself. Raises UnreadableAnswer."""
    fields = _fields(document, "an order")
    certificate = fields.get("certificate")
    return Order(
        url=url,
        status=t.cast(OrderStatus, _status(fields, "an order", t.get_args(OrderStatus))),
        identifiers=_identifiers(fields.get("identifiers")),
        authorizations=_urls(fields.get("authorizations"), "authorization", places),
        finalize_url=_url(fields.get("finalize"), "finalize", places),
        certificate_url=None if certificate is None else _url(certificate, "certificate", places),
        expires=parse_instant(fields.get("expires")),
        problem=parse_problem(fields.get("error")),
        retry_after=retry_after,
    )


def _identifiers(value: t.Any) -> tuple[str, ...]:
    found: list[str] = []
    for item in value if isinstance(value, list) else []:
        if len(found) == _MOST_IDENTIFIERS:
            raise UnreadableAnswer("answers with an order that has too many names")
        found.append(_identifier(item, "an order"))
    if not found:
        raise UnreadableAnswer("answers with an order that has no names")
    return tuple(found)


def _identifier(value: t.Any, of_what: str) -> str:
    """DNS names in lower case, IP addresses as ipaddress writes them."""
    name = value.get("value") if isinstance(value, dict) else None
    if not isinstance(name, str) or not name or name != bounded_text(name, 253):
        raise UnreadableAnswer(f"answers with {of_what} that has a name of no kind")
    if isinstance(value, dict) and value.get("type") == "ip":
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            raise UnreadableAnswer(f"answers with {of_what} that has an address of no kind") from None
    return name.lower()


def parse_authorization(
    document: t.Any, url: str, places: TrustedPlaces, retry_after: float | None = None
) -> Authorization:
    """Challenges of kinds unknown here are among its own; those that nobody could answer, because their URL or token
    is none, are left out. Raises UnreadableAnswer."""
    fields = _fields(document, "an authorization")
    given = fields.get("challenges")
    challenges = [_challenge(item, places) for item in given[:_MOST_CHALLENGES]] if isinstance(given, list) else []
    return Authorization(
        url=url,
        status=t.cast(AuthorizationStatus, _status(fields, "an authorization", t.get_args(AuthorizationStatus))),
        identifier=_identifier(fields.get("identifier"), "an authorization").removeprefix("*."),
        wildcard=fields.get("wildcard") is True,
        challenges=tuple(challenge for challenge in challenges if challenge is not None),
        retry_after=retry_after,
    )


def _challenge(item: t.Any, places: TrustedPlaces) -> Challenge | None:
    if not isinstance(item, dict):
        return None
    kind, token = item.get("type"), item.get("token", "")
    if not isinstance(kind, str) or not kind or kind != bounded_text(kind, 100):
        return None
    if not isinstance(token, str) or (token and not _TOKEN.fullmatch(token)):
        return None  # it would be part of a URL's path, and of what is signed
    try:
        url = places.checked(item.get("url"))
    except UnsafeUrl:
        return None
    return Challenge(
        type=kind,
        url=url,
        token=token,
        status=bounded_text(item.get("status"), 50) or "pending",
        problem=parse_problem(item.get("error")),
        issuer_domain_names=tuple(
            name.lower() for name in _texts(item.get("issuer-domain-names"))[:50] if name == bounded_text(name, 253)
        ),
    )


def parse_account(document: t.Any, url: str) -> AccountFacts:
    """url: of the account. Raises UnreadableAnswer."""
    fields = _fields(document, "an account")
    # Some CAs leave out the status of one that they have just made.
    status = _status({"status": "valid", **fields}, "an account", _ACCOUNT_STATUSES)
    contacts = (bounded_text(contact, _LONGEST_TEXT) for contact in _texts(fields.get("contact"))[:50])
    return AccountFacts(url, status, tuple(contact for contact in contacts if contact))


def parse_renewal_window(document: t.Any, now: datetime.datetime, retry_after: float | None) -> RenewalWindow:
    """Raises UnreadableAnswer, also for a window that ends before it begins (RFC 9773 section 4.2)."""
    window = _fields(document, "the renewal information").get("suggestedWindow")
    fields = _fields(window, "the renewal information's window")
    start, end = parse_instant(fields.get("start")), parse_instant(fields.get("end"))
    if start is None or end is None or end <= start:
        raise UnreadableAnswer("suggests a window for the renewal that is none")
    # RFC 9773 section 4.3: six hours where nothing is said, and bounds of a minute and a day.
    wait = 6 * 3600.0 if retry_after is None else min(max(retry_after, 60.0), 86400.0)
    explanation = document.get("explanationURL")
    return RenewalWindow(
        start=start,
        end=end,
        ask_again=now + datetime.timedelta(seconds=wait),
        explanation_url=bounded_text(explanation, 2048) or None,
    )


def parse_instant(value: t.Any) -> datetime.datetime | None:
    """RFC 3339, with as many digits of a second as Go writes; None for what is none."""
    parts = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if not parts:
        return None
    numbers = [int(parts[group]) for group in range(1, 7)]
    numbers[5] = min(numbers[5], 59)  # a leap second
    try:
        instant = datetime.datetime(*numbers, tzinfo=datetime.timezone.utc)  # type: ignore[arg-type, misc]
        if parts[7]:
            offset = datetime.timedelta(hours=int(parts[8]), minutes=int(parts[9]))
            instant = instant - offset if parts[7] == "+" else instant + offset
    except (ValueError, OverflowError):
        return None
    return instant


def _fields(document: t.Any, what: str) -> dict[str, t.Any]:
    if not isinstance(document, dict):
        raise UnreadableAnswer(f"answers with something else where {what} is due")
    return document


def _status(fields: dict[str, t.Any], what: str, known: tuple[str, ...]) -> str:
    status = fields.get("status")
    if not isinstance(status, str) or status not in known:
        told = f"the unknown status {bounded_text(status, 50)!r}" if isinstance(status, str) else "no status"
        raise UnreadableAnswer(f"answers with {what} that has {told}")
    return status


def _urls(value: t.Any, what: str, places: TrustedPlaces) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_IDENTIFIERS:
        raise UnreadableAnswer(f"answers with an order that has no list of {what}s")
    return tuple(dict.fromkeys(_url(item, what, places) for item in value))


def _url(value: t.Any, what: str, places: TrustedPlaces) -> str:
    try:
        return places.checked(value)
    except UnsafeUrl as error:
        raise UnreadableAnswer(f"answers with an order that has for its {what} {error}") from None


def _texts(value: t.Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
