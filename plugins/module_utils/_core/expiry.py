# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a certificate ends, from whatever a playbook holds of it. Pure: now is an argument."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from .._errors import InvalidOption
from .instants import parse_isoformat_utc


def not_after(certificate: t.Any) -> datetime:
    """Of a result with ``not_after``, an instant such as 2027-01-30T00:00:00Z, or PEM text (its first certificate).

    Raises InvalidOption, or MaterialError when PEM cannot be read.
    """
    if isinstance(certificate, dict):
        if certificate.get("not_after"):
            return not_after(certificate["not_after"])
        if certificate.get("certificate"):
            return not_after(certificate["certificate"])
    if isinstance(certificate, datetime):
        return certificate if certificate.tzinfo else certificate.replace(tzinfo=timezone.utc)
    if isinstance(certificate, str):
        if "-----BEGIN " in certificate:
            from .x509.bundle import describe_pem

            return not_after(describe_pem(certificate.encode())["not_after"])
        if len(certificate) < 40:  # a longer text is not quoted: it may be a key
            return parse_isoformat_utc(certificate)
    raise InvalidOption(
        "This tells no end of a certificate: give a dictionary with not_after, an instant such as"
        " '2027-01-30T00:00:00Z', or a certificate as PEM."
    )


def expires_within(certificate: t.Any, duration: timedelta, *, now: datetime) -> bool:
    """Whether less than duration remains; also when it has expired already."""
    return not_after(certificate) - now < duration


def has_expired(certificate: t.Any, *, now: datetime) -> bool:
    return not_after(certificate) <= now
