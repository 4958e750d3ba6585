# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME account and its secret, brought to what is wanted, together with any number of others who do the same.

There is no lock. Each step is planned from what is stored and what the CA says, and is followed by another look. A key
is stored before the CA hears of it, so that a process that is killed at any point loses no account: an external account
binding works once only. Of all successors of one version, exactly one is stored (a comparison and a write in one).
"""

from __future__ import annotations

import time
import typing as t
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._core.acme.account_secret import AccountAuthority, AccountDocument, AccountFacts, read_account
from ..._core.acme.account_terms import ExternalBinding, read_binding
from ..._core.acme.csr import key_spec
from ..._core.ca.keys import KeyMaker, generate_key, key_pem
from ..._core.secrets.plan import CURRENT
from ..._core.secrets.shared import PENDING, SecretStore, SharedSecret
from ..._errors import AcmeError, InvalidOption, RotationError, SecretsManagerError

if t.TYPE_CHECKING:
    from ..._core.acme.wanted import KeyType

AccountAction = t.Literal["registered", "found", "contacts_changed", "key_changed", "deactivated", "unchanged"]
_TOKENS: t.Final = uuid.UUID("0c6c1b3e-6a51-5c0e-9f1e-7b8f5d1e2a90")
_MOST_STEPS: t.Final = 20  # five are needed; others who keep changing the secret must not hold us for ever
_GENERATIONS: t.Final = 5
#: What CAs answer who asks for an account that is none, when they want more than that to make one.
_NO_ACCOUNT: t.Final = ("accountDoesNotExist", "externalAccountRequired", "userActionRequired")


@dataclass(frozen=True)
class AccountWish:
    """directory: its URL; secret, eab_secret: names; contacts: URLs, None to leave them as they are; terms_agreed: to
    the terms of service, which a registration needs; key_type: of new keys; key_lifetime: after which the key is
    exchanged, None for never."""

    directory: str
    secret: str
    eab_secret: str | None = None
    contacts: tuple[str, ...] | None = None
    terms_agreed: bool = False
    key_type: KeyType = "ec256"
    key_lifetime: timedelta | None = None


@dataclass(frozen=True)
class AccountReport:
    """document: None when there is no account, also where check mode predicts one; status: as the CA says it;
    before: the document as it was found."""

    document: AccountDocument | None
    status: str | None
    action: AccountAction
    warnings: tuple[str, ...] = ()
    before: AccountDocument | None = None

    @property
    def changed(self) -> bool:
        return self.action != "unchanged"


@dataclass(frozen=True)
class _StoredAccount:
    """The secret as it is stored. pending: the key of a rollover that has not ended."""

    secret: SharedSecret
    version_id: str
    document: AccountDocument
    pending_id: str | None
    pending: AccountDocument | None


class _Planned(t.NamedTuple):
    """The next step."""

    action: AccountAction
    step: t.Callable[[], None]


class AccountKeeper:
    """store: where the secrets are; at: now; dry: change nothing, neither there nor with the CA."""

    def __init__(
        self,
        store: SecretStore,
        authority: AccountAuthority,
        wish: AccountWish,
        at: datetime,
        *,
        dry: bool = False,
        make_key: KeyMaker = generate_key,
        pause: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._authority = authority
        self._wish = wish
        self._at = at
        self._dry = dry
        self._make_key = make_key
        self._pause = pause
        self._known: dict[str, AccountFacts | None] = {}
        self._action: AccountAction = "unchanged"
        self._rolled_over = False
        self._before: AccountDocument | None = None
        self._warnings: list[str] = []

    def present(self, *, manage: bool = True) -> AccountReport:
        """Find the account, or register it. manage: end a rollover that was interrupted, and begin one that is due.

        Raises RotationError, AcmeError and SecretsManagerError.
        """
        return self._settle(lambda held: self._towards_present(held, manage))

    def absent(self) -> AccountReport:
        """Deactivate it, for good. Raises as present does."""
        return self._settle(self._towards_absent)

    # -- leading ------------------------------------------------------------------------------------------------

    def _settle(self, plan: t.Callable[[_StoredAccount | None], _Planned | None]) -> AccountReport:
        for attempt in range(_MOST_STEPS):
            held = self._look()
            if attempt == 0:
                self._before = held.document if held else None
            planned = plan(held)
            if planned is None:
                return self._report(held)
            if held is not None:
                held.secret.require_changeable()
            if self._action == "unchanged":
                self._action = planned.action
            if self._dry:
                return self._report(held)
            planned.step()
            if attempt > 5:  # others are at work, or AWS shows writes late
                self._pause(0.5)
        raise RotationError(
            f"Secret {self._wish.secret} does not settle: others keep changing it, or AWS shows writes late. Run again."
        )

    def _report(self, held: _StoredAccount | None) -> AccountReport:
        told = (self._action, tuple(self._warnings), self._before)
        if held is None or (self._dry and self._action == "registered"):
            return AccountReport(None, None, *told)
        document = held.document
        facts = self._known.get(document.key_pem)
        status = "deactivated" if document.deactivated else facts.status if facts else None
        if facts and not document.url:
            document = document.registered(facts.url)
        return AccountReport(document, status, *told)

    def _look(self) -> _StoredAccount | None:
        name, directory = self._wish.secret, self._wish.directory
        secret = self._store.fetch(name)
        if secret is None:
            return None
        current, pending = secret.labelled(CURRENT), secret.labelled(PENDING)
        if current is None:
            raise RotationError(
                f"Secret {name} has no current version, so there is no account key in it. Delete the secret, or name"
                " another one in account_secret."
            )
        document = read_account(current.text, name, directory)
        successor = None
        if pending is not None and pending.version_id != current.version_id:
            successor = read_account(pending.text, name, directory)
        return _StoredAccount(secret, current.version_id, document, pending.version_id if pending else None, successor)

    # -- plans --------------------------------------------------------------------------------------------------

    def _towards_present(self, held: _StoredAccount | None, manage: bool) -> _Planned | None:
        wish = self._wish
        if held is None:
            self._require_leave_to_register()
            return _Planned("registered", self._create)
        document = held.document
        if document.deactivated:
            raise RotationError(self._is_deactivated())
        facts = self._find(document)
        if facts is None and held.pending and self._find(held.pending):
            return _Planned("key_changed", lambda: self._promote(held))
        if facts is None:
            self._require_leave_to_register()
            return _Planned("registered", lambda: self._register(held))
        if facts.status != "valid":
            raise RotationError(self._is_deactivated(facts.status))
        if held.pending is not None:
            pending = held.pending
            return _Planned("key_changed", lambda: self._change_key(held, pending)) if manage else None
        if held.pending_id is not None and manage:
            # The label of a rollover that was interrupted at its very end.
            return _Planned("key_changed", lambda: self._move(PENDING, None, held.pending_id))
        if document.url != facts.url:
            return _Planned("found", lambda: self._write(held, document.registered(facts.url), CURRENT))
        if wish.contacts is not None and set(wish.contacts) != set(document.contacts or ()):
            if document.contacts is None and set(wish.contacts) == set(facts.contacts):
                told = document.registered(facts.url, contacts=wish.contacts)
                return _Planned("found", lambda: self._write(held, told, CURRENT))
            return _Planned("contacts_changed", lambda: self._set_contacts(held, facts))
        if manage and self._rollover_due(document):
            return _Planned("key_changed", lambda: self._prepare_key(held))
        return None

    def _towards_absent(self, held: _StoredAccount | None) -> _Planned | None:
        if held is None or held.document.deactivated:
            return None
        document, facts = held.document, self._find(held.document)
        if facts is None and held.pending and self._find(held.pending):
            return _Planned("deactivated", lambda: self._promote(held))
        if facts is None:
            return None
        if held.pending_id is not None:
            return _Planned("deactivated", lambda: self._move(PENDING, None, held.pending_id))
        if facts.status == "valid":
            return _Planned("deactivated", lambda: self._deactivate(document, facts))
        return _Planned(
            "deactivated", lambda: self._write(held, document.registered(facts.url, deactivated=self._at), CURRENT)
        )

    def _rollover_due(self, document: AccountDocument) -> bool:
        lifetime = self._wish.key_lifetime
        if lifetime is None or self._rolled_over:
            return False
        return document.key_created is None or self._at - document.key_created >= lifetime

    # -- steps --------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        """The key, before the CA hears of it. Whose key it is that is there in the end does not matter."""
        wish = self._wish
        document = AccountDocument(wish.directory, self._new_key(), created=self._at, key_created=self._at)
        if not self._store.create(wish.secret, document.text):
            self._pause(0.2)

    def _register(self, held: _StoredAccount) -> None:
        wish, document = self._wish, held.document
        if document.url:
            self._warnings.append(
                f"The CA {wish.directory} does not know the account {document.url} of secret {wish.secret} any more; it"
                " was registered again, with the same key."
            )
        binding = self._binding()
        contacts = wish.contacts if wish.contacts is not None else document.contacts or ()
        try:
            facts = self._authority.register(
                document.key_pem, contacts=contacts, terms_agreed=wish.terms_agreed, binding=binding
            )
        except AcmeError:
            # Another process may have registered this very key meanwhile, and used the binding, which works once.
            found = self._done_all_the_same(document.key_pem)
            if found is None:
                raise
            facts = found
        self._known[document.key_pem] = facts
        if held.pending_id is None:
            key_id = binding.key_id if binding else document.eab_key_id
            told = document.registered(facts.url, contacts=tuple(contacts), eab_key_id=key_id)
            self._write(held, told, CURRENT)

    def _set_contacts(self, held: _StoredAccount, facts: AccountFacts) -> None:
        contacts = self._wish.contacts or ()
        self._known[held.document.key_pem] = self._authority.set_contacts(held.document.key_pem, facts.url, contacts)
        self._write(held, held.document.registered(facts.url, contacts=contacts), CURRENT)

    def _prepare_key(self, held: _StoredAccount) -> None:
        self._write(held, held.document.with_key(self._new_key(), self._at), PENDING)

    def _change_key(self, held: _StoredAccount, pending: AccountDocument) -> None:
        facts = self._known.pop(held.document.key_pem)
        self._known.pop(pending.key_pem, None)
        url = facts.url if facts else held.document.url or ""
        try:
            self._authority.change_key(held.document.key_pem, url, pending.key_pem)
        except AcmeError:
            # By another process perhaps, or with an answer that never came.
            if self._done_all_the_same(pending.key_pem) is None:
                raise
        self._promote(held)

    def _promote(self, held: _StoredAccount) -> None:
        self._rolled_over = True
        self._move(CURRENT, held.pending_id, held.version_id)
        self._move(PENDING, None, held.pending_id)

    def _deactivate(self, document: AccountDocument, facts: AccountFacts) -> None:
        self._authority.deactivate(document.key_pem, facts.url)
        self._known[document.key_pem] = AccountFacts(facts.url, "deactivated", facts.contacts)

    def _write(self, held: _StoredAccount, document: AccountDocument, label: str) -> None:
        """The one successor of a version. Where another process has written it, that one's counts.

        A successor that has lost its labels (somebody went back to the version before) does not stand in the way: a key
        is taken from there, for the CA may know it already.
        """
        name = self._wish.secret
        for generation in range(_GENERATIONS):
            token = str(uuid.uuid5(_TOKENS, f"{held.secret.arn}/{held.version_id}/{generation}"))
            self._store.succeed(name, document.text, token=token, label=label)
            labels = (self._store.fetch(name) or held.secret).labels
            if token in (labels.get(CURRENT), labels.get(PENDING)) or labels.get(CURRENT) != held.version_id:
                return
            if label == PENDING:
                self._move(PENDING, token, labels.get(PENDING))
                return

    def _move(self, label: str, version_id: str | None, holder: str | None) -> None:
        """As wanted, by whomever it was moved."""
        try:
            self._store.move(self._wish.secret, label, version_id, holder)
        except SecretsManagerError:
            secret = self._store.fetch(self._wish.secret)
            if secret is None or secret.labels.get(label) != version_id:
                raise

    # -- what is asked ------------------------------------------------------------------------------------------

    def _find(self, document: AccountDocument) -> AccountFacts | None:
        pem = document.key_pem
        if pem not in self._known:
            self._known[pem] = self._ask(document)
        return self._known[pem]

    def _ask(self, document: AccountDocument) -> AccountFacts | None:
        try:
            return self._authority.find(document.key_pem)
        except AcmeError as error:
            if error.fault != "account":
                raise
            if error.problem_type in _NO_ACCOUNT:
                return None
            return AccountFacts(document.url or "", "deactivated")

    def _done_all_the_same(self, pem: str) -> AccountFacts | None:
        """What the CA knows of a key, after a failure that is to be told if nothing is known."""
        try:
            return self._authority.find(pem)
        except AcmeError:
            return None

    def _require_leave_to_register(self) -> None:
        """Before any key is made."""
        wish, facts = self._wish, self._authority.facts()
        if facts.terms_of_service and not wish.terms_agreed:
            raise InvalidOption(
                f"The CA {wish.directory} wants its terms of service to be agreed to before it registers an account."
                f" Read {facts.terms_of_service}, and set terms_agreed: true."
            )
        if facts.eab_required and not wish.eab_secret:
            raise InvalidOption(
                f"The CA {wish.directory} registers accounts with an external account binding only. Store the key id"
                " and the HMAC key that it gave you in a secret, and name that in eab_secret."
            )

    def _binding(self) -> ExternalBinding | None:
        name = self._wish.eab_secret
        if not name:
            return None
        secret = self._store.fetch(name)
        current = secret.labelled(CURRENT) if secret else None
        if current is None:
            raise RotationError(
                f"Secret {name}, which eab_secret names, does not exist or has no current version. Store the key id and"
                " the HMAC key of the external account binding there as JSON."
            )
        return read_binding(current.text, name)

    def _new_key(self) -> str:
        return key_pem(self._make_key(key_spec(self._wish.key_type)))

    def _is_deactivated(self, status: str = "deactivated") -> str:
        return (
            f"The account of secret {self._wish.secret} with {self._wish.directory} is {status}, for good: no CA takes"
            " its key again. Name another secret in account_secret, or delete this one."
        )


def find_or_register(
    store: SecretStore, authority: AccountAuthority, wish: AccountWish, at: datetime, *, dry: bool = False
) -> AccountReport:
    """The account to order with. dry: register nothing; the report's document is None then where there is none yet.

    Raises RotationError, AcmeError and SecretsManagerError.
    """
    return AccountKeeper(store, authority, wish, at, dry=dry).present(manage=False)
