# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings a shared authority to what is wanted, one write at a time, together with any number of others who do the same.

There is no lock. Every step is planned from what is stored, makes one write that only one of all racers can win, and is
followed by another look. Before the first one all of them are taken in memory: where TLS peers would refuse what comes
out, nothing is begun. The key is stored before the certificate that is made for it, so that whatever certificate
wins, it matches the stored key; and a process that is killed at any point leaves what the next one completes.
"""

from __future__ import annotations

import datetime
import time
import typing as t
import uuid
from dataclasses import dataclass

from ..._core.ca.crl import StoredCrl, build_crl, in_order_of_lists
from ..._core.ca.imported import is_newer_form, refuse_lists, way_to_root_missing
from ..._core.ca.issue import SigningAuthority, issue_authority, issue_client
from ..._core.ca.judge import is_ending, is_issued_by, refusal
from ..._core.ca.keys import KeyMaker, generate_key, key_pem, profile_of, quick_key
from ..._core.ca.profiles import Profile
from ..._core.ca.trust import PeerTrust, successor_subject
from ..._core.secrets.plan import CURRENT
from ..._core.secrets.shared import PENDING, SecretStore
from ..._core.shared_ca.refusals import refusals, worse
from ..._core.shared_ca.state import Client, Names, Pair, State, issued_in, key_labelled, key_of, observe
from ..._core.x509.certificate import Certificate
from ..._core.x509.problems import MaterialError
from ..._errors import RotationError, SecretsManagerError
from ..._ports.openssl.peers import why_not_believed
from .overlay import Overlay

Write = t.Callable[[], None]
Planner = t.Callable[[State], t.Iterator[Write]]
WriteOutcome = t.Literal["generated", "renewed", "retrieved"]

_TOKENS = uuid.UUID("6f1d6f5e-4a0c-5b8e-9d0e-0c2f3c1b7a55")
_MOST_STEPS = 1000  # more than any fleet's clients need; others who keep changing the labels must not hold us for ever
_SECOND_LOOKS = 3


@dataclass(frozen=True)
class ClientWish:
    """profile: of what is issued, None to copy what there is; revoked: it must not get in any more.

    renew_before: how long before its end it is renewed, at most half of its lifetime; None for the renewal policy.
    """

    name: str
    profile: Profile | None = None
    revoked: bool = False
    renew_before: datetime.timedelta | None = None


class Steward:
    """store, names: where the authority is; at: now.

    make_key: of certificates to be issued; pause: waits some seconds. outcomes: what became of the secrets that this
    run has written, by name.
    """

    def __init__(
        self,
        store: SecretStore,
        names: Names,
        at: datetime.datetime,
        make_key: KeyMaker = generate_key,
        pause: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.outcomes: dict[str, WriteOutcome] = {}
        self.changed = False
        self._lost = False
        self.names = names
        self.at = at
        self._store = store
        self._make_key = make_key
        self._pause = pause
        self._reasons: dict[tuple[Certificate, PeerTrust], str | None] = {}

    # -- leading ------------------------------------------------------------------------------------------------

    def look(self, clients: t.Collection[str], *, authority_keys: bool = True) -> State:
        """What is stored. What seems torn is looked at again: AWS shows writes late, and others are at work."""
        state = observe(self._store, self.names, clients, authority_keys=authority_keys)
        for _attempt in range(_SECOND_LOOKS):
            if not state.torn():
                break
            self._pause(0.5)
            state = observe(self._store, self.names, clients, authority_keys=authority_keys)
        return state

    def settle(
        self, clients: t.Sequence[str], plan: Planner, seen: State | None = None, *, rehearsed: bool = True
    ) -> State:
        """Make the first step of the plan, look, plan again, until there is none. Raises RotationError.

        seen: what look() has just found for these clients; rehearsed: False where peers may refuse each other.
        """
        state = seen or self.look(clients)
        if next(plan(state), None) is None:
            return state
        if rehearsed:
            self._rehearse(clients, plan, state)
        return self._lead(clients, plan, state)

    def _rehearse(self, clients: t.Sequence[str], plan: Planner, before: State) -> None:
        """Lead it in memory. Raises RotationError when peers would refuse what they do not refuse already."""
        kept = dict(self.__dict__)
        self._store, self._make_key, self.outcomes = Overlay(self._store, before.secrets), quick_key, {}
        try:
            after = self._lead(clients, plan, before)
        finally:
            self.__dict__.update(kept)
        found = refusals(after, self.at, why_not_believed)
        said = worse(found, refusals(before, self.at, why_not_believed)) if found else []
        if said:
            pairs = filter(None, (after.current, after.successor, after.retiring))
            said += [sentence for pair in pairs if pair.path for sentence in way_to_root_missing(pair.path)]
            raise RotationError(
                f"Nothing below {self.names.prefix} is changed, for TLS peers that trust what would be stored would not"
                f" believe all of it. {' '.join(said)} Use another authority: have it generated, or import one that"
                " may issue certificates for TLS servers and clients."
            )

    def _lead(self, clients: t.Sequence[str], plan: Planner, state: State) -> State:
        losses = 0
        for _attempt in range(_MOST_STEPS):
            step = next(plan(state), None)
            if step is None:
                return state
            self._lost = False
            step()
            state = self.look(clients)
            losses = losses + 1 if self._lost else 0
            if losses > 1:  # losing once is the rule of the race; twice, and AWS does not show yet what it has
                self._pause(min(0.1 * 2**losses, 2.0))
            if losses > 10:
                break
        raise RotationError(
            f"The secrets below {self.names.prefix} do not settle: others keep changing them, or AWS shows writes late."
            " Run again."
        )

    def token(self, *parts: str) -> str:
        """The id of a version that succeeds others: the same for all who would write it."""
        return str(uuid.uuid5(_TOKENS, "/".join(parts)))

    # -- single writes ------------------------------------------------------------------------------------------

    def create(self, name: str, make: t.Callable[[], str]) -> None:
        self._lost = not self._store.create(name, make())
        self._written(name, "generated")

    def put(self, name: str, make: t.Callable[[], str], *, token: str, label: str) -> None:
        """A successor. Where another one was quicker, see to it that the winner's has a label at all."""
        self._lost = not self._store.succeed(name, make(), token=token, label=label)
        if self._lost:
            secret = self._store.fetch(name)
            if secret and token not in secret.labels.values():
                self._store.move(name, label, token, secret.labels.get(label))
                self._lost = False
        self._written(name, "renewed")

    def move(self, name: str, label: str, version_id: str | None, labels: t.Mapping[str, str]) -> None:
        """Give the label to another version, or to none. labels: of the secret, as seen."""
        self._store.move(name, label, version_id, labels.get(label))
        self.changed = True

    def _written(self, name: str, outcome: WriteOutcome) -> None:
        if not self._lost:
            self.changed = True
            self.outcomes.setdefault(name, outcome)

    # -- the authority ------------------------------------------------------------------------------------------

    def new_key(self, profile: Profile) -> str:
        return key_pem(self._make_key(profile.key))

    def authority_steps(self, state: State, profile: Profile, imported: SigningAuthority | None) -> t.Iterator[Write]:
        """Where there is no authority yet: its key, then its certificate. imported: to be used instead of a new one.

        One that is there gets its newer certificate, and those above it that are imported along.
        """
        names = self.names
        if state.current is None and state.keys is None:
            pem = (lambda: key_pem(imported.key)) if imported else (lambda: self.new_key(profile))
            yield lambda: self.create(names.ca_key, pem)
        elif state.current is None and state.keys is not None:
            key = key_labelled(CURRENT, state.keys)
            if imported and imported.key.public_key() != key.public_key():
                raise RotationError(
                    f"{names.ca_key} holds another key than the one to import, and no certificate of it is stored:"
                    " somebody is creating another authority, or was interrupted. Run again, and see what is there; if"
                    f" it is still the same, delete {names.ca_key}, or use another prefix."
                )
            yield lambda: self.create(names.ca_cert, self.authority_for(key, profile, imported))
        elif imported and state.current and state.current.path and is_newer_form(imported, state.current.path):
            token = self.token(state.current.version_id, *(each.fingerprint_sha256 for each in imported.path))
            certificates = self.authority_for(imported.key, profile, imported)
            yield lambda: self.put(names.ca_cert, certificates, token=token, label=CURRENT)

    def authority_for(
        self, key: t.Any, profile: Profile, imported: SigningAuthority | None, before: Certificate | None = None
    ) -> t.Callable[[], str]:
        """Makes the certificate, as PEM, with those above it. before: the authority that it follows."""

        def make() -> str:
            if imported:
                return "".join(each.pem.decode() for each in imported.path)
            subject = successor_subject(profile.subject, key.public_key(), before)
            return issue_authority(key, subject, profile.validity, self.at).pem.decode()

        return make

    # -- clients ------------------------------------------------------------------------------------------------

    def client_steps(self, state: State, wish: ClientWish) -> t.Iterator[Write]:
        """Issue what is missing, revoked, refused, nears its end, or is of an authority that issues no more.

        What is not valid yet, a clock that was fast has issued: that is renewed, too.
        """
        client, current = state.clients[wish.name], state.current
        issuer = current.issuer if current else None
        if current is None or issuer is None:
            return
        pair = client.pair
        if wish.revoked:
            return
        if pair is None:
            yield from self._first_steps(client, wish, issuer)
            return
        certificate = pair.certificate
        if wish.profile is None and not self._is_in_use(state, certificate):
            return  # what follows an authority only because it is there must not come back to life
        if (
            certificate is None
            or pair.key is None
            or not is_issued_by(certificate, issuer.certificate)
            or state.is_revoked(certificate)
            or self._is_refused_for_itself(state.trust, certificate, pair.key, self._profile(wish, pair), issuer)
        ):
            yield from self._reissue_steps(client, pair, wish, current, issuer)
            return
        profile, name = self._profile(wish, pair), self.names.client_cert(client.name)
        # Longer than half of it, and each run of a short-lived one would renew it.
        renew_before = None if wish.renew_before is None else min(wish.renew_before, profile.validity / 2)
        is_to_come = certificate.not_before > self.at
        if is_to_come or is_ending(
            certificate, issuer.certificate, self.at, profile.validity, renew_before, issuer.above
        ):
            renewed = self._client_certificate(pair.key, profile, issuer)
            yield lambda: self.put(name, renewed, token=self.token(pair.version_id, "renewed"), label=CURRENT)

    def tidy_client_steps(self, client: Client) -> t.Iterator[Write]:
        """The labels of its keys follow its certificate."""
        if client.pair is None or client.keys is None or client.pair.key_version_id is None:
            return
        name, labels, version_id = self.names.client_key(client.name), client.keys.labels, client.pair.key_version_id
        if labels.get(CURRENT) != version_id:
            yield lambda: self.move(name, CURRENT, version_id, labels)
        if labels.get(PENDING) == version_id:
            yield lambda: self.move(name, PENDING, None, labels)

    def _first_steps(self, client: Client, wish: ClientWish, issuer: SigningAuthority) -> t.Iterator[Write]:
        profile = wish.profile
        if profile is None:
            return
        if client.keys is None:
            yield lambda: self.create(self.names.client_key(client.name), lambda: self.new_key(profile))
        else:
            key = key_labelled(CURRENT, client.keys)
            certificate = self._client_certificate(key, profile, issuer)
            yield lambda: self.create(self.names.client_cert(client.name), certificate)

    def _reissue_steps(
        self, client: Client, pair: Pair, wish: ClientWish, current: Pair, issuer: SigningAuthority
    ) -> t.Iterator[Write]:
        """A new key beside the old one, then its certificate: until that is there, the old pair is whole."""
        yield from self.tidy_client_steps(client)
        key_name, profile = self.names.client_key(client.name), self._profile(wish, pair)
        token = self.token(pair.version_id, current.version_id, "key")
        text = client.keys.version(token) if client.keys else None
        if client.keys is None:
            yield lambda: self.create(key_name, lambda: self.new_key(profile))
        elif text is None:
            yield lambda: self.put(key_name, lambda: self.new_key(profile), token=token, label=PENDING)
        else:
            certificate = self._client_certificate(key_of(text, key_name), profile, issuer)
            own = self.token(pair.version_id, current.version_id, "certificate")
            yield lambda: self.put(self.names.client_cert(client.name), certificate, token=own, label=CURRENT)

    def _client_certificate(self, key: t.Any, profile: Profile, issuer: SigningAuthority) -> t.Callable[[], str]:
        def make() -> str:
            return issue_client(issuer, key.public_key(), profile.subject, profile.validity, self.at).pem.decode()

        return make

    def _is_refused_for_itself(
        self, trust: PeerTrust, leaf: Certificate, key: t.Any, profile: Profile, issuer: SigningAuthority
    ) -> bool:
        """Whether servers refuse it, and would not refuse another one: else each run would make one."""
        if self._why_not_believed(trust, leaf, key) is None:
            return False
        other_key = quick_key(profile.key)
        other = issue_client(issuer, other_key.public_key(), profile.subject, profile.validity, self.at)
        return self._why_not_believed(trust, other, other_key) is None

    def _why_not_believed(self, trust: PeerTrust, leaf: Certificate, key: t.Any) -> str | None:
        """Each is asked about once, however many steps there are."""
        if (leaf, trust) not in self._reasons:
            self._reasons[(leaf, trust)] = refusal(leaf, key, "client", trust, self.at, why_not_believed)
        return self._reasons[(leaf, trust)]

    def _profile(self, wish: ClientWish, pair: Pair) -> Profile:
        return wish.profile or profile_of(pair.certificate, self.names.client_cert(wish.name))

    def _is_in_use(self, state: State, certificate: Certificate | None) -> bool:
        return (
            certificate is not None
            and any(is_issued_by(certificate, authority) for authority in state.trusted)
            and not state.is_revoked(certificate)
        )

    # -- revocation ---------------------------------------------------------------------------------------------

    def crl_steps(self, state: State, revoked_clients: t.Collection[str], *, refresh: bool) -> t.Iterator[Write]:
        """Revoke all certificates of these clients, and sign lists anew that servers would refuse now or soon.

        refresh: have a list for exactly the authorities trusted now. Raises RotationError for lists that cannot be
        read, unless there are clients to be revoked: then these are all that the next ones name.
        """
        try:
            lists, readable = state.revocations, True
        except RotationError:
            if not revoked_clients:
                raise
            lists, readable = [], False
        issuers = {issuer.certificate: issuer for issuer in state.issuers()}
        known = {authority: state.revoked(authority) if readable else {} for authority in issuers}
        to_revoke = [certificate for name in revoked_clients for certificate in state.clients[name].issued]
        new = any(
            is_issued_by(leaf, authority) and leaf.x509.serial_number not in revoked
            for leaf in to_revoke
            for authority, revoked in known.items()
        )
        if not new and not self._is_crl_stale(state, issuers, refresh=refresh):
            return
        if new:
            refuse_lists(list(issuers.values()))
        # Higher than any before, also where nobody can read which that was.
        number = max((each.number() for each in lists), default=0 if readable else int(self.at.timestamp())) + 1

        def make() -> str:
            leaves = [leaf for name in revoked_clients for leaf in self._every_issued(name)]
            made = {
                authority: build_crl(issuer, {**self._revoked(leaves, authority), **known[authority]}, self.at, number)
                for authority, issuer in issuers.items()
            }
            # Where an authority's key is lost, its list stays.
            kept = {each: lists[0].pem_of(each) for each in state.trusted if lists}
            return "".join({**kept, **made}.get(each, "") for each in in_order_of_lists(state.trusted))

        if state.crl is None:
            yield lambda: self.create(self.names.crl, make)
        else:
            token = self.token(state.crl.version_id, "crl")
            yield lambda: self.put(self.names.crl, make, token=token, label=CURRENT)

    def _is_crl_stale(self, state: State, issuers: t.Collection[Certificate], *, refresh: bool) -> bool:
        """Whether what is stored is not what servers need, and another one would be."""
        if state.crl is None:
            return False
        try:
            stored = StoredCrl(state.crl.text)
        except MaterialError:
            return True
        signed = [each for each in state.trusted if each in issuers or stored.of(each)]
        return (refresh and not stored.is_for(signed)) or any(stored.is_due(each, self.at) for each in issuers)

    def _revoked(self, leaves: t.Iterable[Certificate], authority: Certificate) -> dict[int, datetime.datetime]:
        return {leaf.x509.serial_number: self.at for leaf in leaves if is_issued_by(leaf, authority)}

    def _every_issued(self, client: str) -> list[Certificate]:
        """Also those that have lost their label: they are valid for as long as their dates say.

        Raises RotationError.
        """
        secret = self.names.client_cert(client)
        try:
            texts = self._store.every_text(secret)
        except SecretsManagerError as error:
            raise RotationError(
                f"Nothing is revoked: all certificates of the client {client} have to be known. {error.message}"
                " Mend that and run again. Where old versions cannot be read any more, replace the authority (playbook"
                " rotate_ca).",
                **error.details,
            ) from None
        return issued_in(texts, secret)
