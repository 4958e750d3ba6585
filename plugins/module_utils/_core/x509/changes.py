# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a renewal would take away from those who use the certificate that is deployed now."""

from __future__ import annotations

import ipaddress
import typing as t
from datetime import datetime

from ..instants import isoformat_utc
from .names import uncovered
from .problems import Problem, error

#: The changes that are refused unless they are allowed, by their problem codes.
GUARDED_CHANGES: t.Final = (
    "san_dropped",
    "issuer_changed",
    "key_type_changed",
    "eku_lost",
    "expires_earlier",
    "chain_dropped",
)
_ANY_EXTENDED_KEY_USAGE: t.Final = "2.5.29.37.0"

Facts = t.Mapping[str, t.Any]


def change_problems(deployed: Facts, renewed: Facts, *, now: datetime, allowed: t.Collection[str]) -> list[Problem]:
    """Why the renewed certificate may not replace the deployed one, from the facts of their bundles.

    allowed: codes of GUARDED_CHANGES. Nothing is held against the successor of an expired certificate, nor are facts
    compared that are not known of both.
    """
    if not deployed.get("not_after") or deployed["not_after"] <= isoformat_utc(now):
        return []
    problems = [
        *_dropped_names(deployed, renewed),
        *_changed(deployed, renewed, "issuer", "issuer_changed", "issued by", authority),
        # "RSA 2048" and "RSA 3072" are of one type
        *_changed(deployed, renewed, "key", "key_type_changed", "made for a key of type", lambda key: key.split()[0]),
        *_lost_usages(deployed, renewed),
        *_earlier_end(deployed, renewed),
        *_dropped_chain(deployed, renewed),
    ]
    return [problem for problem in problems if problem.code not in allowed]


def _refused(code: str, what: str) -> Problem:
    return error(code, f"The renewed certificate {what}. Have it issued again, or allow {code} with allow_changes.")


def _dropped_names(deployed: Facts, renewed: Facts) -> t.Iterator[Problem]:
    """A name that a wildcard covers from now on is not dropped."""
    names = renewed.get("subject_alternative_names") or ()
    addresses = [name for name in names if _is_address(name)]
    dropped = uncovered(set(names).difference(addresses), addresses, deployed.get("subject_alternative_names") or ())
    if dropped:
        more = f" and {len(dropped) - 5} more" if len(dropped) > 5 else ""
        yield _refused("san_dropped", f"lacks names that the deployed one has: {', '.join(dropped[:5])}{more}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _changed(
    deployed: Facts, renewed: Facts, fact: str, code: str, words: str, essence: t.Callable[[str], str]
) -> t.Iterator[Problem]:
    old, new = deployed.get(fact), renewed.get(fact)
    if old and new and essence(old) != essence(new):
        yield _refused(code, f"is {words} '{essence(new)}', the deployed one '{essence(old)}'")


def authority(issuer: str) -> str:
    """The organization of an issuer, else its whole name: public authorities alternate between their intermediates."""
    from cryptography import x509  # not above: an unchanged run loads this file, and cryptography is slow to load

    try:
        name = x509.Name.from_rfc4514_string(issuer)
    except ValueError:
        return issuer
    organizations = name.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    return f"O={organizations[0].value!s}" if organizations else issuer


def _lost_usages(deployed: Facts, renewed: Facts) -> t.Iterator[Problem]:
    """None stands for no limit at all."""
    old, new = deployed.get("extended_key_usage"), renewed.get("extended_key_usage")
    if not old or new is None or _ANY_EXTENDED_KEY_USAGE in new:
        return
    lost = sorted(set(old).difference(new))
    if lost:
        yield _refused("eku_lost", f"lacks extended key usages that the deployed one has: {', '.join(lost)}")


def _earlier_end(deployed: Facts, renewed: Facts) -> t.Iterator[Problem]:
    old, new = deployed["not_after"], renewed.get("not_after")
    if new and new < old:  # ISO 8601 in UTC sorts as the instants do
        yield _refused("expires_earlier", f"expires at {new}, before the deployed one at {old}")


def _dropped_chain(deployed: Facts, renewed: Facts) -> t.Iterator[Problem]:
    """Clients that do not know the intermediates themselves would trust it no more."""
    if deployed.get("chain_not_after") and not renewed.get("chain_not_after"):
        yield _refused("chain_dropped", "comes without a chain, and the deployed one has one")
