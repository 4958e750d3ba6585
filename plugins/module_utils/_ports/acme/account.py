# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts at an ACME CA (RFC 8555 section 7.3): found, registered, changed, given another key, given up."""

from __future__ import annotations

import binascii
import typing as t

from ..._core.acme.account import HMAC_ALGORITHMS, AccountStanding, AcmeAccount, ExternalAccount
from ..._core.acme.answers import UnreadableAnswer, parse_account
from ..._core.acme.breaker import ONCE
from ..._core.acme.urls import UnsafeUrl
from ..._errors import AcmeError, InvalidOption
from .client import AcmeClient, signing_key
from .network import AcmeLimits, Payload, algorithm_of

try:
    import josepy
    from acme import jws, messages
except ImportError:  # require_library says so, in the runner
    pass

if t.TYPE_CHECKING:
    from ..._core.acme.wanted import Issuer
    from .network import HttpAnswer


def find_account(issuer: Issuer, key_pem: str, *, limits: AcmeLimits | None = None) -> AcmeAccount | None:
    """The account that the key has at the CA, None when it has none. Nothing is made.

    Raises AcmeError (account for one that is deactivated), InvalidOption.
    """
    with _client(issuer, key_pem, None, limits) as client:
        return _find(client, key_pem)


def register_account(
    issuer: Issuer,
    key_pem: str,
    *,
    contacts: t.Sequence[str] = (),
    terms_agreed: bool = False,
    external_account: ExternalAccount | None = None,
    limits: AcmeLimits | None = None,
) -> AcmeAccount:
    """The account that the key has already, else a new one. contacts: URLs, or mail addresses; external_account: used
    for a new one only, for CAs take each once; terms_agreed: that the user has agreed to the CA's terms.

    Raises AcmeError (account where the terms or the external account are missing), InvalidOption.
    """
    urls = contact_urls(contacts)
    with _client(issuer, key_pem, None, limits) as client:
        found = _find(client, key_pem)
        if found is not None:
            return found
        directory = client.directory_document()
        facts = directory.facts
        if facts.terms_of_service and not terms_agreed:
            raise AcmeError(
                f"The CA at {client.url} wants its terms agreed to: read {facts.terms_of_service}, then set"
                " terms_agreed.",
                "account",
                problem_type="userActionRequired",
                url=facts.terms_of_service,
            )
        if facts.eab_required and external_account is None:
            raise AcmeError(
                f"The CA at {client.url} registers its customers' accounts only: let eab_secret name the key id and"
                " HMAC key that it has made for you.",
                "account",
                problem_type="externalAccountRequired",
            )
        payload = Payload()
        if terms_agreed:
            payload["termsOfServiceAgreed"] = True
        if urls:
            payload["contact"] = list(urls)
        if external_account is not None:
            payload["externalAccountBinding"] = _binding(client.key, external_account, directory.new_account)
        answer = client.post(directory.new_account, payload, "to register the account")
        return _account_of(client, answer, key_pem)


def account_standing(issuer: Issuer, account: AcmeAccount, *, limits: AcmeLimits | None = None) -> AccountStanding:
    """What the CA says of it. Raises AcmeError: of many, one that is deactivated is refused an answer."""
    with _client(issuer, account.key_pem, account.url, limits) as client:
        answer = client.post(account.url, None, f"to show the account {account.url}")
        return client.read(answer, parse_account)


def update_contacts(
    issuer: Issuer, account: AcmeAccount, contacts: t.Sequence[str], *, limits: AcmeLimits | None = None
) -> AcmeAccount:
    """contacts: as register_account's, instead of those that it has. Returns the account as it is then."""
    payload = Payload(contact=list(contact_urls(contacts)))
    with _client(issuer, account.key_pem, account.url, limits) as client:
        answer = client.post(account.url, payload, "the contacts of the account")
        standing = client.read(answer, parse_account)
    return AcmeAccount(account.directory, account.url, account.key_pem, standing.contacts)


def roll_over(
    issuer: Issuer, account: AcmeAccount, new_key_pem: str, *, limits: AcmeLimits | None = None
) -> AcmeAccount:
    """Give the account another key (RFC 8555 section 7.3.5). Keep the new key before this is called: when it ends,
    however it ends, one of both is the account's, and find_account tells which.

    No answer is no failure where the CA has done it.
    """
    new_key = signing_key(new_key_pem)
    with _client(issuer, account.key_pem, account.url, limits) as client:
        url = client.directory_document().key_change
        if url is None:
            raise AcmeError(f"The CA at {client.url} does not change keys of accounts: register another.", "request")
        if new_key.thumbprint() == client.key.thumbprint():
            raise InvalidOption("The account has this key already: give it another.")
        inner = Payload(account=account.url, oldKey=client.key.public_key().to_json())
        # Signed by the new key, without a nonce, for the outer request's URL.
        signed = jws.JWS.sign(inner.json_dumps().encode(), key=new_key, alg=algorithm_of(new_key), nonce=None, url=url)
        try:
            client.post(url, Payload(signed.to_json()), "to change the account's key", repeating=ONCE)
        except AcmeError as error:
            if error.fault != "authority":
                raise
            try:
                found = find_account(issuer, new_key_pem, limits=limits)
            except AcmeError:
                raise error from None
            if found is None or found.url != account.url:
                raise
    return AcmeAccount(account.directory, account.url, new_key_pem, account.contacts)


def deactivate_account(issuer: Issuer, account: AcmeAccount, *, limits: AcmeLimits | None = None) -> None:
    """For good (RFC 8555 section 7.3.6)."""
    with _client(issuer, account.key_pem, account.url, limits) as client:
        client.post(account.url, Payload(status="deactivated"), "to deactivate the account")


def contact_urls(contacts: t.Sequence[str]) -> tuple[str, ...]:
    """mailto: is put before mail addresses. Raises InvalidOption."""
    urls = []
    for contact in (contact.strip() for contact in contacts):
        url = contact if ":" in contact else f"mailto:{contact}"
        if not contact or not url.isprintable() or " " in url or (url.startswith("mailto:") and "@" not in url):
            raise InvalidOption(
                f"The contact {contact[:100]!r} is neither a mail address nor a URL such as mailto:a@b.example."
            )
        urls.append(url)
    return tuple(dict.fromkeys(urls))


def _client(issuer: Issuer, key_pem: str, account_url: str | None, limits: AcmeLimits | None) -> AcmeClient:
    return AcmeClient(issuer.directory, signing_key(key_pem), account_url, ca_bundle=issuer.ca_bundle, limits=limits)


def _find(client: AcmeClient, key_pem: str) -> AcmeAccount | None:
    url = client.directory_document().new_account
    try:
        answer = client.post(url, Payload(onlyReturnExisting=True), "to find the account of the key")
    except AcmeError as error:
        if error.problem_type == "accountDoesNotExist":
            return None
        raise
    return _account_of(client, answer, key_pem)


def _account_of(client: AcmeClient, answer: HttpAnswer, key_pem: str) -> AcmeAccount:
    try:
        url = client.directory_document().places.checked(answer.headers.get("Location"))
    except UnsafeUrl as error:
        raise client.nonsense(UnreadableAnswer(f"answers with an account that has for its URL {error}")) from None
    standing = client.read(answer, parse_account)
    if standing.status != "valid":
        raise AcmeError(
            f"The account {url} at the CA at {client.url} is {standing.status}: register one with another key.",
            "account",
        )
    return AcmeAccount(client.url, url, key_pem, standing.contacts)


def _binding(key: t.Any, external: ExternalAccount, url: str) -> dict[str, t.Any]:
    """Raises InvalidOption, which does not quote the HMAC key."""
    if external.algorithm not in HMAC_ALGORITHMS:
        raise InvalidOption(f"The algorithm of an external account is one of {', '.join(HMAC_ALGORITHMS)}.")
    try:
        if not josepy.b64decode(external.hmac_key.strip().rstrip("=")):
            raise ValueError
        return messages.ExternalAccountBinding.from_data(
            key.public_key(),
            external.key_id,
            external.hmac_key.strip().rstrip("="),
            messages.Directory({"newAccount": url}),
            external.algorithm,
        )
    except (ValueError, binascii.Error, josepy.errors.Error):
        raise InvalidOption("The external account's HMAC key is not base64url: store it as the CA gave it.") from None
