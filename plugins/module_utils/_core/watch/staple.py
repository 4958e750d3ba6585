# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an OCSP response says that a server sent with its certificate (RFC 6960, RFC 6066). Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from ..unexpected import is_failure
from ..x509.certificate import Certificate, load_certificate
from ..x509.ocsp_response import ResponseState, response_state
from ..x509.problems import MaterialError
from .sightings import REVOKED, SeenCertificate, Sighting

#: ``none``: none was sent.
StapleState = t.Union[ResponseState, t.Literal["none"]]


def with_revocation(sighting: Sighting) -> Sighting:
    """A certificate that its own server says is revoked is refused by clients, whatever else speaks for it."""
    if sighting.staple != "revoked" or sighting.trusted is False:
        return sighting
    return dataclasses.replace(sighting, trusted=False, trust_error=REVOKED)


def staple_state(response: bytes, chain: t.Sequence[SeenCertificate], at: datetime) -> StapleState:
    """response: DER, b"" when none was sent. chain: as sent; without the leaf's issuer the signature is not checked."""
    if not response:
        return "none"
    try:
        return response_state(response, load_certificate(chain[0].der), _load(chain[1:]), at)
    except BaseException as error:
        if not is_failure(error) or isinstance(error, MemoryError):
            raise
        return "invalid"  # cryptography raises what it likes of odd content


def _load(sent: t.Iterable[SeenCertificate]) -> t.Iterator[Certificate]:
    for each in sent:
        try:
            yield load_certificate(each.der)
        except MaterialError:
            continue
