# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an authority will be asked for, tried out in memory before anything of it is stored.

A client and a server with keys that nobody keeps, and an empty revocation list: peers have to believe them.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

from ..._errors import RotationError
from ..x509.certificate import Certificate
from ..x509.name_constraints import allowed_name
from ..x509.paths import Purpose
from .crl import build_crl
from .issue import SigningAuthority, issue_client, issue_server
from .keys import key_pem, quick_key
from .profiles import KeySpec

_VALIDITY: t.Final = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class PeerQuestion:
    """What a peer trusts, and what it is shown.

    purpose: what the one that is judged wants to be; trusted: PEM of authorities and revocation lists; shown: PEM of
    its certificate, of those to be sent along, and of its key; crls: "all" to ask for a list of each authority, as
    HAProxy does with ``crl-file``, "issuer" for one of the leaf's own, "" for none; strict: by all that RFC 5280 asks
    of extensions, as Python does from 3.13 on.
    """

    purpose: Purpose
    trusted: str
    shown: bytes = field(repr=False)
    crls: t.Literal["all", "issuer", ""] = ""
    strict: bool = False


#: Asks a TLS library: why a peer refuses what it is shown, whatever the time is, or None. A port.
PeerVerdict = t.Callable[[PeerQuestion], t.Optional[str]]


def require_belief(
    issuer: SigningAuthority,
    clients: t.Mapping[str, x509.Name],
    subject: x509.Name,
    at: datetime.datetime,
    verdict: PeerVerdict,
) -> None:
    """Raises RotationError where a peer would refuse what this authority issues.

    clients: their subjects, by name; without any, no client and no revocation list is tried. subject: what the
    server's has in common with it is all but the common name.
    """
    key = quick_key(KeySpec("ec", 256))
    trusted = "".join(each.pem.decode() for each in issuer.path)
    # The lists of those above are made with keys that are elsewhere.
    crls: t.Literal["all", "issuer", ""] = ("issuer" if issuer.above else "all") if clients else ""
    if crls:
        trusted += build_crl(issuer, {}, at, 1)

    def ask(who: str, leaf: Certificate, purpose: Purpose) -> None:
        why = verdict(PeerQuestion(purpose, trusted, leaf.pem + key_pem(key).encode(), crls))
        if why is not None:
            raise RotationError(
                f"The authority '{issuer.certificate.name}' cannot be used: peers refuse {who} that it issues. OpenSSL"
                f" says: {why}. Use another authority, or have this one issued again."
            )

    for name, own_subject in clients.items():
        ask(f"the client {name}", issue_client(issuer, key.public_key(), own_subject, _VALIDITY, at), "client")
    ask("a server", _server(issuer, key, subject, at), "server")


def strict_refusal(
    issuer: SigningAuthority, subject: x509.Name, at: datetime.datetime, verdict: PeerVerdict
) -> str | None:
    """Why peers that ask for all of RFC 5280 refuse a server, where others believe it. subject: see require_belief."""
    key = quick_key(KeySpec("ec", 256))
    leaf = _server(issuer, key, subject, at)
    trusted = "".join(each.pem.decode() for each in issuer.path)
    return verdict(PeerQuestion("server", trusted, leaf.pem + key_pem(key).encode(), strict=True))


def _server(issuer: SigningAuthority, key: t.Any, subject: x509.Name, at: datetime.datetime) -> Certificate:
    """Raises RotationError."""
    common_name = x509.NameOID.COMMON_NAME
    others = [attribute for attribute in subject if attribute.oid != common_name]
    server = x509.Name([*others, x509.NameAttribute(common_name, "trial")])
    own = allowed_name([each.x509 for each in issuer.path])
    if own is None:
        raise RotationError(
            f"The authority '{issuer.certificate.name}' may not issue for any server (name constraints): use another"
            " one."
        )
    return issue_server(issuer, key.public_key(), server, _VALIDITY, at, [own])
