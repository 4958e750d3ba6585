# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How messages call one of several certificates, so that those of one name can be told apart."""

from __future__ import annotations

import typing as t

from ..instants import isoformat_utc
from .certificate import Certificate

_MOST: t.Final = 5
_FINGERPRINT: t.Final = 16


def called(certificate: Certificate, among: t.Iterable[Certificate]) -> str:
    """Its name in quotes; with the beginning of its fingerprint and its dates where another one has the same name."""
    if not any(other.name == certificate.name for other in among if other != certificate):
        return f"'{certificate.name}'"
    dates = " to ".join(isoformat_utc(instant)[:10] for instant in (certificate.not_before, certificate.not_after))
    return f"'{certificate.name}' (SHA-256 {certificate.fingerprint_sha256[:_FINGERPRINT]}..., {dates})"


def name_list(certificates: t.Sequence[Certificate], among: t.Iterable[Certificate]) -> str:
    """A handful at most."""
    names = [called(certificate, among) for certificate in certificates[:_MOST]]
    return ", ".join(names) + (f" and {len(certificates) - _MOST} more" if len(certificates) > _MOST else "")
