# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the files on a host hold of a shared authority. Pure: files are given by name."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

from ..ca.judge import is_issued_by, refusal
from ..ca.trial import PeerVerdict
from ..ca.trust import PeerTrust
from ..instants import isoformat_utc
from ..x509.certificate import Certificate, load_certificate
from ..x509.paths import Purpose
from ..x509.pem import CERTIFICATE, parse_pem
from ..x509.problems import MaterialError
from .file_names import CA, CLIENT_CERT, CRL, SERVER_CERT, SERVER_KEY, client_key
from .material import read_identity


@dataclass(frozen=True)
class Held:
    """trusted: the authorities in the trust bundle; clients: by name; problems: of files that cannot be read.

    crl: revocation lists; keys: of those certificates whose key is there.
    """

    trusted: tuple[Certificate, ...]
    server: Certificate | None
    clients: t.Mapping[str, Certificate]
    problems: tuple[str, ...]
    crl: str | None = None
    keys: t.Mapping[Certificate, t.Any] = field(default_factory=dict, repr=False)

    def issuer_of(self, leaf: Certificate) -> Certificate | None:
        """Among those that are trusted here."""
        return next((authority for authority in self.trusted if is_issued_by(leaf, authority)), None)

    def facts(
        self, leaf: Certificate, purpose: Purpose, at: datetime.datetime, verdict: PeerVerdict
    ) -> dict[str, t.Any]:
        issuer = self.issuer_of(leaf)
        trust = PeerTrust(self.trusted, self.crl)
        return {
            "fingerprint_sha256": leaf.fingerprint_sha256,
            "issuer_fingerprint_sha256": issuer.fingerprint_sha256 if issuer else None,
            "refused": refusal(leaf, self.keys.get(leaf), purpose, trust, at, verdict) if issuer else None,
            "not_after": isoformat_utc(leaf.not_after),
            "subject": leaf.subject,
        }


def held(files: t.Mapping[str, bytes]) -> Held:
    """files: content by name; private keys where they can be read."""
    problems: list[str] = []

    def certificates(name: str) -> list[Certificate]:
        try:
            found = [load_certificate(block.der) for block in parse_pem(files[name]) if block.label == CERTIFICATE]
        except MaterialError as error:
            problems.append(f"{name}: {error.message}")
            return []
        problems.extend(f"{name}: '{each.name}': {each.malformed}." for each in found if each.malformed)
        return found

    keys: dict[Certificate, t.Any] = {}

    def find_key(leaf: Certificate, name: str) -> None:
        identity = read_identity(leaf.pem.decode() + files.get(name, b"").decode("utf-8", "replace"))
        if identity and identity.key.public_key() == leaf.public_key:
            keys[leaf] = identity.key

    trusted = certificates(CA) if CA in files else []
    server = certificates(SERVER_CERT)[:1] if SERVER_CERT in files else []
    clients = {}
    for name in sorted(files):
        match = CLIENT_CERT.fullmatch(name)
        leaves = certificates(name) if match else []
        if match and leaves:
            clients[match["name"]] = leaves[0]
            find_key(leaves[0], client_key(match["name"]))
    for leaf in server:
        find_key(leaf, SERVER_KEY)
    crl = files[CRL].decode("utf-8", "replace") if CRL in files else None
    return Held(tuple(dict.fromkeys(trusted)), server[0] if server else None, clients, tuple(problems), crl, keys)
