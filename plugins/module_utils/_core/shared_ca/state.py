# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is stored of a shared authority: its certificates with the keys that belong to them, by their labels.

A certificate's key is found by its public key among the labelled versions of the key's secret, not by its label: so a
process that is killed between two moves of labels leaves no torn pair.

The labels of the authority's certificate say how far a rotation is: AWSCURRENT issues; AWSPENDING is its successor,
which is trusted already; RETIRING is trusted still, but issues no more; ABORTED is a successor that was given up.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import typing as t
from dataclasses import dataclass, field

from ..._errors import RotationError
from ..ca.crl import StoredCrl, crl_problems
from ..ca.imported import path_to_root
from ..ca.issue import SigningAuthority
from ..ca.keys import read_key
from ..ca.trust import PeerTrust, arranged
from ..secrets.plan import CURRENT
from ..secrets.shared import PENDING, SecretStore, SecretText, SharedSecret
from ..x509.certificate import Certificate, load_certificate
from ..x509.pem import CERTIFICATE, parse_pem
from ..x509.problems import MaterialError, Problem, error

RETIRING = "RETIRING"
ABORTED = "ABORTED"
PREVIOUS = "AWSPREVIOUS"
#: Of the versions that matter.
LABELS: t.Final = (CURRENT, PENDING, RETIRING, PREVIOUS)
#: The client whose secrets have no suffix.
FIRST_CLIENT: t.Final = "admin"

#: What to do about revocation lists that nothing is known of.
REVOKE_AGAIN: t.Final = (
    "Hosts keep the lists that they have. Run certops.rotation.shared_ca with state: revoked for each client that must"
    " not get in, or for a name that no client has: it stores lists anew."
)

StoredPhase = t.Literal["absent", "settled", "published", "promoted"]


class Names:
    """The names of the secrets below a prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.rstrip("/")
        self.ca_key = f"{self.prefix}/ca-key"
        self.ca_cert = f"{self.prefix}/ca-cert"
        self.crl = f"{self.prefix}/crl"

    def client_key(self, client: str) -> str:
        return f"{self.prefix}/client-key{_suffix(client)}"

    def client_cert(self, client: str) -> str:
        return f"{self.prefix}/client-cert{_suffix(client)}"

    def clients(self, names: t.Iterable[str]) -> list[str]:
        """The clients that these secrets, of this prefix, belong to."""
        first = self.client_cert(FIRST_CLIENT)
        found = [FIRST_CLIENT] if first in names else []
        return found + sorted(name[len(first) + 1 :] for name in names if name.startswith(f"{first}-"))

    def secrets(self, clients: t.Iterable[str]) -> list[str]:
        """All secrets of an authority with these clients, in the reverse order of their making."""
        pairs = [name for client in clients for name in (self.client_cert(client), self.client_key(client))]
        return [self.crl, *pairs, self.ca_cert, self.ca_key]

    def item(self, secret: str) -> str:
        """What results call a secret: its name without the prefix."""
        return secret[len(self.prefix) + 1 :]


@dataclass(frozen=True)
class Pair:
    """One stored certificate. key: of it, None where none matches; problems: why something is None.

    above: of an authority that is no root, those that lead up to its root.
    """

    version_id: str
    certificate: Certificate | None
    key: t.Any = field(repr=False, compare=False)
    key_version_id: str | None
    problems: tuple[Problem, ...] = ()
    above: tuple[Certificate, ...] = ()

    @property
    def issuer(self) -> SigningAuthority | None:
        if self.certificate is None or self.key is None:
            return None
        return SigningAuthority(self.certificate, self.key, self.above)

    @property
    def path(self) -> tuple[Certificate, ...]:
        """The certificate and those above it; () where it cannot be read."""
        return (self.certificate, *self.above) if self.certificate else ()


@dataclass(frozen=True)
class Client:
    """pair: of its current certificate; keys: of its key's secret; issued: its certificates that have a label."""

    name: str
    pair: Pair | None
    keys: SharedSecret | None
    issued: tuple[Certificate, ...]


@dataclass(frozen=True)
class State:
    """All of it at about one moment.

    labels: labels of the authority's certificate; keys: of the authority; clients: those that were asked for;
    crl: as it is stored; crl_before: the version before, for where this one cannot be read.
    arn: of the secret with the authority's certificate, "" without AWS.
    secrets: all that were looked at, by name; None for one that is not there.
    """

    names: Names
    current: Pair | None
    successor: Pair | None
    retiring: Pair | None
    labels: t.Mapping[str, str]
    keys: SharedSecret | None
    clients: t.Mapping[str, Client]
    crl: SecretText | None
    crl_before: SecretText | None = None
    arn: str = ""
    secrets: t.Mapping[str, SharedSecret | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def phase(self) -> StoredPhase:
        if self.current is None:
            return "absent"
        if self.successor:
            return "published"
        return "promoted" if self.retiring else "settled"

    @property
    def trusted(self) -> list[Certificate]:
        """The authorities that are trusted now, with those that lead to a root, as TLS libraries are to get them."""
        pairs = (self.current, self.successor, self.retiring)
        return list(arranged(certificate for pair in pairs if pair for certificate in pair.path))

    @property
    def trust(self) -> PeerTrust:
        """What peers have; where the lists cannot be read, as if those before were there (see crl_problems)."""
        try:
            lists = self.revocations[0].pem if self.revocations else None
        except RotationError:
            lists = None
        return PeerTrust(tuple(self.trusted), lists)

    @property
    def trust_bundle(self) -> str:
        return "".join(certificate.pem.decode() for certificate in self.trusted)

    @functools.cached_property
    def revocations(self) -> list[StoredCrl]:
        """The lists, and after them those before. Raises RotationError where neither can be read."""
        found: list[StoredCrl] = []
        unreadable: MaterialError | None = None
        for version in (self.crl, self.crl_before) if self.crl else ():
            try:
                found += [StoredCrl(version.text)] if version else []
            except MaterialError as problem:
                unreadable = unreadable or problem
        if unreadable and not found:
            raise RotationError(f"{self.names.crl}: {unreadable.message} {REVOKE_AGAIN}")
        return found

    def revoked(self, authority: Certificate) -> dict[int, datetime.datetime]:
        """What the latest list of this authority revokes. Raises RotationError."""
        lists = (stored for stored in self.revocations if stored.of(authority))
        stored = next(lists, None)
        return stored.revoked(authority) if stored else {}

    def is_revoked(self, certificate: Certificate) -> bool:
        """Raises RotationError."""
        serial = certificate.x509.serial_number
        return self.crl is not None and any(serial in self.revoked(authority) for authority in self.trusted)

    def crl_problems(self, at: datetime.datetime, warn_before: datetime.timedelta) -> list[Problem]:
        """Why servers would refuse clients with the stored lists. A successor has no clients yet."""
        if self.crl is None:
            return []
        pairs = (self.current, self.retiring)
        authorities = [pair.certificate for pair in pairs if pair and pair.certificate]
        return crl_problems(self.crl.text, dict.fromkeys(authorities), at, warn_before)

    def issuers(self) -> list[SigningAuthority]:
        """The trusted authorities whose key is there, in the same order."""
        found = [pair.issuer for pair in (self.current, self.successor, self.retiring) if pair and pair.issuer]
        by_certificate = {issuer.certificate: issuer for issuer in found}
        return [by_certificate[each] for each in self.trusted if each in by_certificate]

    def torn(self) -> list[str]:
        """Sentences about certificates that cannot be used for want of their key."""
        pairs = [(self.names.ca_cert, self.current)] if self.current else []
        pairs += [(self.names.client_cert(client.name), client.pair) for client in self.clients.values() if client.pair]
        return [f"{name}: {problem.message}" for name, pair in pairs for problem in pair.problems]


def observe(store: SecretStore, names: Names, clients: t.Iterable[str], *, authority_keys: bool = True) -> State:
    """Read all of it. Raises SecretsManagerError, and RotationError for a secret that has no current version.

    In the reverse order of its making: whatever a certificate needs was there before it.
    authority_keys: False for who issues nothing: keys of authorities are neither read nor missed.
    """
    found: dict[str, SharedSecret | None] = {}

    def read(name: str) -> SharedSecret | None:
        found[name] = _read(store, name)
        return found[name]

    crl = read(names.crl)
    seen = {client: (read(names.client_cert(client)), read(names.client_key(client))) for client in clients}
    certificates, keys = read(names.ca_cert), read(names.ca_key) if authority_keys else None
    labels = certificates.labels if certificates else {}
    current_id, pending_id, retiring_id = (labels.get(label) for label in (CURRENT, PENDING, RETIRING))
    has_successor = pending_id not in (None, current_id, labels.get(ABORTED))
    return State(
        names=names,
        current=_pair(certificates, keys, CURRENT, authority_keys),
        successor=_pair(certificates, keys, PENDING, authority_keys) if has_successor else None,
        retiring=_pair(certificates, keys, RETIRING, authority_keys) if retiring_id != current_id else None,
        labels=labels,
        keys=keys,
        clients={client: _client(client, *pair) for client, pair in seen.items()},
        crl=crl.labelled(CURRENT) if crl else None,
        crl_before=crl.labelled(PREVIOUS) if crl else None,
        arn=certificates.arn if certificates else "",
        secrets=found,
    )


def _read(store: SecretStore, name: str) -> SharedSecret | None:
    secret = store.fetch(name)
    if secret is not None and secret.labelled(CURRENT) is None:
        raise RotationError(
            f"Secret {name} has no version labelled AWSCURRENT. Give one the label, or delete the secret."
        )
    return secret


def load_stored(text: str, secret: str) -> Certificate:
    """The one certificate in a text. Raises MaterialError."""
    blocks = [block for block in parse_pem(text) if block.label == CERTIFICATE]
    if len(blocks) != 1:
        raise MaterialError("certificate_invalid", f"{secret} holds {len(blocks)} certificates instead of one.")
    return load_certificate(blocks[0].der)


def issued_in(texts: t.Iterable[str], secret: str) -> list[Certificate]:
    """The certificates in those texts of a secret that can be read."""
    found = []
    for text in texts:
        with contextlib.suppress(MaterialError):
            found.append(load_stored(text, secret))
    return found


def load_stored_authority(text: str, secret: str) -> tuple[Certificate, ...]:
    """An authority and those above it, the root last. Raises MaterialError."""
    found = tuple(load_certificate(block.der) for block in parse_pem(text) if block.label == CERTIFICATE)
    for each in found:
        if each.malformed:  # nothing can be issued with it
            raise MaterialError("certificate_invalid", f"{secret} holds '{each.name}': {each.malformed}.")
    if len(found) < 2:
        return (load_stored(text, secret),)
    if found[1:] != path_to_root(found[0], found[1:]):
        raise MaterialError(
            "chain_broken", f"{secret} holds certificates that are not the way from the first one to its root."
        )
    return found


def key_labelled(label: str, keys: SharedSecret) -> t.Any:
    """Raises RotationError."""
    text = keys.labelled(label)
    if text is None:
        raise RotationError(f"{keys.name} has no version labelled {label}.")
    return key_of(text, keys.name)


def key_of(text: SecretText, secret: str) -> t.Any:
    """Raises RotationError."""
    try:
        return read_key(text.text)
    except MaterialError as problem:
        raise RotationError(f"{secret}: {problem.message}") from None


def _load_client(text: str, secret: str) -> tuple[Certificate, ...]:
    """Raises MaterialError."""
    return (load_stored(text, secret),)


def _client(name: str, certificates: SharedSecret | None, keys: SharedSecret | None) -> Client:
    texts = [version.text for version in certificates.versions] if certificates else []
    issued = tuple(issued_in(texts, name))
    return Client(name, _pair(certificates, keys, CURRENT, load=_load_client), keys, issued)


def _pair(
    certificates: SharedSecret | None,
    keys: SharedSecret | None,
    label: str,
    with_key: bool = True,
    load: t.Callable[[str, str], tuple[Certificate, ...]] = load_stored_authority,
) -> Pair | None:
    version = certificates.labelled(label) if certificates else None
    if certificates is None or version is None:
        return None
    try:
        certificate, *others = load(version.text, certificates.name)
    except MaterialError as unreadable:
        return Pair(version.version_id, None, None, None, (unreadable.problem,))
    above = tuple(others)
    if not with_key:
        return Pair(version.version_id, certificate, None, None, (), above)
    if keys is None:
        problem = error("private_key_missing", "Its private key is not stored: somebody has deleted it.")
        return Pair(version.version_id, certificate, None, None, (problem,), above)
    for candidate in keys.versions:
        try:
            key = read_key(candidate.text)
        except MaterialError:
            continue
        if key.public_key() == certificate.public_key:
            return Pair(version.version_id, certificate, key, candidate.version_id, (), above)
    problem = error("private_key_mismatch", f"No version of {keys.name} is its private key.")
    return Pair(version.version_id, certificate, None, None, (problem,), above)


def _suffix(client: str) -> str:
    return "" if client == FIRST_CLIENT else f"-{client}"
