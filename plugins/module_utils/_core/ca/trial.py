# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an authority issues, tried before it is asked for: a client and a server, made in memory and never stored."""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

from ..x509.paths import Purpose
from .issue import SigningAuthority, issue_client, issue_server
from .judge import refusal
from .keys import quick_key
from .profiles import KeySpec
from .trust import Trust, WhyRefused

_VALIDITY: t.Final = datetime.timedelta(days=1)
_NAME: t.Final = "trial.invalid"  # RFC 6761, 6.4: nobody's
PURPOSES: t.Final[tuple[Purpose, ...]] = ("server", "client")


def trial_refusal(
    issuer: SigningAuthority, purpose: Purpose, trust: Trust, at: datetime.datetime, why_refused: WhyRefused
) -> str | None:
    """Why peers with this trust refuse a leaf that it issues now. Raises RotationError when it cannot issue."""
    key = quick_key(KeySpec("ec", 256))
    subject = x509.Name([*_subject(issuer).rdns, x509.RelativeDistinguishedName([_common_name()])])
    if purpose == "client":
        leaf = issue_client(issuer, key.public_key(), subject, _VALIDITY, at)
    else:
        leaf = issue_server(issuer, key.public_key(), subject, _VALIDITY, at, [_permitted_name(issuer)])
    return refusal(leaf, key, purpose, trust, at, why_refused)


def _subject(issuer: SigningAuthority) -> x509.Name:
    """Below the authority's own, so that no constraint on directory names forbids it."""
    return issuer.certificate.subject_name or x509.Name([])


def _common_name() -> x509.NameAttribute[str]:
    return x509.NameAttribute(x509.NameOID.COMMON_NAME, "trial")


def _permitted_name(issuer: SigningAuthority) -> x509.GeneralName:
    """One that its name constraints allow, where they do at all (RFC 5280, 4.2.1.10)."""
    constraints = issuer.certificate.name_constraints
    permitted = constraints.permitted_subtrees if constraints else None
    hosts = [name.value for name in permitted or () if isinstance(name, x509.DNSName)]
    networks = [name.value for name in permitted or () if isinstance(name, x509.IPAddress)]
    if hosts:
        return x509.DNSName(f"trial.{hosts[0].lstrip('.')}".rstrip("."))
    if networks and not isinstance(networks[0], (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return x509.IPAddress(networks[0].network_address)
    return x509.DNSName(_NAME)
