# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What TLS peers that have just what is stored would refuse."""

from __future__ import annotations

import datetime
import typing as t

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

from ..._errors import RotationError
from ..ca.issue import SigningAuthority, issue_client, issue_server
from ..ca.judge import is_issued_by, refusal
from ..ca.keys import quick_key
from ..ca.profiles import KeySpec
from ..ca.trial import PeerVerdict
from ..ca.trust import PeerTrust
from ..x509.name_constraints import allowed_name
from ..x509.paths import Purpose
from .state import State

_VALIDITY: t.Final = datetime.timedelta(minutes=5)
_PURPOSES: t.Final[tuple[Purpose, ...]] = ("server", "client")


class RefusedByPeers(t.NamedTuple):
    """what: an authority's fingerprint with a purpose, or a client; role: of the authority, or "client"."""

    what: tuple[str, str]
    role: str
    sentence: str


def refusals(state: State, at: datetime.datetime, verdict: PeerVerdict) -> list[RefusedByPeers]:
    """Of what each trusted authority would issue now, and of the clients that they have issued and nobody has revoked.

    Raises RotationError for a CRL that cannot be read.
    """
    found = []
    for role, pair in (("current", state.current), ("successor", state.successor), ("retiring", state.retiring)):
        issuer = pair.issuer if pair else None
        if issuer is None or not all(each.not_before <= at < each.not_after for each in issuer.path):
            continue
        fingerprint = issuer.certificate.fingerprint_sha256
        said = f"What the authority '{issuer.certificate.name}' ({fingerprint[:12]}) issues for a"
        # Where there are no clients, it need not issue for any.
        for purpose in _PURPOSES if state.clients else _PURPOSES[:1]:
            reason = _trial(issuer, purpose, state.trust, at, verdict)
            if reason is not None:
                found.append(RefusedByPeers((fingerprint, purpose), role, f"{said} {purpose} is refused: {reason}."))
    for client in state.clients.values():
        leaf, key = (client.pair.certificate, client.pair.key) if client.pair else (None, None)
        if leaf is None or state.is_revoked(leaf) or not any(is_issued_by(leaf, each) for each in state.trusted):
            continue
        reason = refusal(leaf, key, "client", state.trust, at, verdict)
        if reason is not None:
            said = f"The certificate of the client {client.name}"
            found.append(RefusedByPeers((client.name, "client"), "client", f"{said} is refused: {reason}."))
    return found


def worse(after: t.Iterable[RefusedByPeers], before: t.Iterable[RefusedByPeers]) -> list[str]:
    """Sentences about what is refused after something, and was not before; an authority may retire refused."""
    known = {(role, refused.what) for refused in before for role in (refused.role, "retiring")}
    return [refused.sentence for refused in after if (refused.role, refused.what) not in known]


def _trial(
    issuer: SigningAuthority, purpose: Purpose, trust: PeerTrust, at: datetime.datetime, verdict: PeerVerdict
) -> str | None:
    """Why peers refuse what it issues for somebody."""
    key = quick_key(KeySpec("ec", 256))
    subject = x509.Name([])  # so that no constraint on directory names forbids it, whichever they are
    try:
        if purpose == "client":
            leaf = issue_client(issuer, key.public_key(), subject, _VALIDITY, at)
        else:
            name = allowed_name([each.x509 for each in issuer.path]) or x509.DNSName("trial.invalid")
            leaf = issue_server(issuer, key.public_key(), subject, _VALIDITY, at, [name])
    except RotationError as error:
        return error.message.rstrip(".")
    return refusal(leaf, key, purpose, trust, at, verdict)
