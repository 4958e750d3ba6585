# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accounts of one ACME CA (RFC 8555 section 7.3): found, registered, changed, given another key, given up."""

from __future__ import annotations

import threading
import typing as t

from ..._core.acme.account_secret import AccountFacts
from ..._core.acme.answers import UnreadableAnswer, parse_account
from ..._core.acme.breaker import ONCE
from ..._core.acme.urls import TrustedPlaces, UnsafeUrl
from ..._errors import AcmeError, InvalidOption
from .bounded import trusted_certificates
from .client import AcmeClient, signing_key
from .network import AcmeClock, AcmeLimits, Payload, algorithm_of

try:
    import josepy
    from acme import jws, messages
except ImportError:  # require_library says so, in the runner
    pass

if t.TYPE_CHECKING:
    from ..._core.acme.account_terms import ExternalBinding
    from ..._core.acme.authority import DirectoryFacts
    from .network import HttpAnswer


class AcmeAccounts:
    """An AccountAuthority (see there). Close it, or use it as a context.

    directory: its URL; ca_bundle: path of PEM trust anchors, None for the system's. Raises InvalidOption for those that
    are none.
    """

    def __init__(
        self,
        directory: str,
        *,
        ca_bundle: str | None = None,
        limits: AcmeLimits | None = None,
        clock: AcmeClock | None = None,
    ) -> None:
        TrustedPlaces.of_directory(directory)
        trusted_certificates(ca_bundle)
        self._url = directory
        self._ca_bundle = ca_bundle
        self._limits = limits
        self._clock = clock
        # Keys and addresses of accounts are part of what is signed with, so each has a client of its own.
        self._clients: dict[tuple[str, str | None], AcmeClient] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> AcmeAccounts:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """The connections."""
        for client in self._opened():
            client.close()

    @property
    def directory(self) -> str:
        return self._url

    @property
    def requests(self) -> int:
        return sum(client.requests for client in self._opened())

    def _opened(self) -> list[AcmeClient]:
        with self._lock:
            return list(self._clients.values())

    def facts(self) -> DirectoryFacts:
        return self._any_client().directory_document().facts

    def find(self, key_pem: str) -> AccountFacts | None:
        client = self._client(key_pem)
        payload = Payload(onlyReturnExisting=True)
        try:
            answer = client.post(client.directory_document().new_account, payload, "to find the account of the key")
        except AcmeError as error:
            if error.problem_type == "accountDoesNotExist":
                return None
            raise
        return _facts(client, answer)

    def register(
        self, key_pem: str, *, contacts: t.Sequence[str], terms_agreed: bool, binding: ExternalBinding | None
    ) -> AccountFacts:
        client = self._client(key_pem)
        url = client.directory_document().new_account
        payload = Payload()
        if terms_agreed:
            payload["termsOfServiceAgreed"] = True
        if contacts:
            payload["contact"] = list(contacts)
        if binding is not None:
            payload["externalAccountBinding"] = _bound(client.key, binding, url)
        return _facts(client, client.post(url, payload, "to register the account"))

    def set_contacts(self, key_pem: str, url: str, contacts: t.Sequence[str]) -> AccountFacts:
        return self._change(key_pem, url, Payload(contact=list(contacts)), "the contacts of the account")

    def deactivate(self, key_pem: str, url: str) -> None:
        self._change(key_pem, url, Payload(status="deactivated"), "to deactivate the account")

    def _change(self, key_pem: str, url: str, payload: Payload, what: str) -> AccountFacts:
        client = self._client(key_pem, url)
        _checked(client, url)
        return client.read(client.post(url, payload, what), lambda document: parse_account(document, url))

    def change_key(self, key_pem: str, url: str, new_key_pem: str) -> None:
        """Looked at afterwards: no answer is no failure where it was done, and Pebble says that it has given an account
        the key of another one, and does not.
        """
        client = self._client(key_pem, url)
        change_url = client.directory_document().key_change
        if change_url is None:
            raise AcmeError(f"The CA at {self._url} does not change keys of accounts: register another one.", "request")
        new_key = signing_key(new_key_pem)
        old = client.key.public_key().to_json()
        if new_key.public_key().to_json() == old:
            raise InvalidOption("The account has this key already: give it another one.")
        # Signed with the new key, without a nonce, for the outer request's URL.
        inner = jws.JWS.sign(
            Payload(account=url, oldKey=old).json_dumps().encode(),
            key=new_key,
            alg=algorithm_of(new_key),
            nonce=None,
            url=change_url,
        )
        failure = None
        try:
            client.post(change_url, Payload(inner.to_json()), "to change the account's key", repeating=ONCE)
        except AcmeError as error:
            if error.fault != "authority":
                raise
            failure = error
        if not self._has_key(url, new_key_pem, failure):
            raise failure or AcmeError(
                f"The CA at {self._url} says that it has changed the key of the account {url}, and has not: the new key"
                " is perhaps another account's.",
                "request",
            )

    def _has_key(self, url: str, key_pem: str, failure: AcmeError | None) -> bool:
        """Raises the failure, if there was one, where the CA does not even answer this."""
        try:
            found = self.find(key_pem)
        except AcmeError:
            if failure is not None:
                raise failure from None
            raise
        return found is not None and found.url == url

    def _client(self, key_pem: str, account_url: str | None = None) -> AcmeClient:
        key = signing_key(key_pem)
        name = josepy.b64encode(key.thumbprint()).decode()
        with self._lock:
            client = self._clients.get((name, account_url))
            if client is None:
                client = AcmeClient(
                    self._url, key, account_url, ca_bundle=self._ca_bundle, limits=self._limits, clock=self._clock
                )
                for other in self._clients.values():
                    client.share_directory(other)
                self._clients[name, account_url] = client
        return client

    def _any_client(self) -> AcmeClient:
        with self._lock:
            known = next(iter(self._clients.values()), None)
            if known is None:
                known = AcmeClient(
                    self._url, None, None, ca_bundle=self._ca_bundle, limits=self._limits, clock=self._clock
                )
                self._clients["", None] = known
        return known


def _facts(client: AcmeClient, answer: HttpAnswer) -> AccountFacts:
    url = _checked(client, answer.headers.get("Location"))
    facts = client.read(answer, lambda document: parse_account(document, url))
    if facts.status != "valid":
        raise AcmeError(
            f"The account {url} at the CA at {client.url} is {facts.status}: register one with another key.", "account"
        )
    return facts


def _checked(client: AcmeClient, url: str | None) -> str:
    try:
        return client.directory_document().places.checked(url)
    except UnsafeUrl as error:
        raise client.nonsense(UnreadableAnswer(f"answers with an account that has for its URL {error}")) from None


def _bound(key: t.Any, binding: ExternalBinding, url: str) -> dict[str, t.Any]:
    """RFC 8555 section 7.3.4. Raises InvalidOption, which quotes no value."""
    try:
        return messages.ExternalAccountBinding.from_data(
            key.public_key(),
            binding.key_id,
            josepy.b64encode(binding.mac_key).decode(),
            messages.Directory({"newAccount": url}),
            binding.algorithm,
        )
    except ValueError:
        raise InvalidOption("The external account binding has an algorithm other than HS256, HS384, HS512.") from None
