# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME certificate authority with one account (RFC 8555, RFC 9773)."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import typing as t
from urllib.parse import urljoin

from ..._core.acme.answers import UnreadableAnswer, parse_authorization, parse_order, parse_renewal_window
from ..._core.acme.breaker import ONCE, ORDERING
from ..._core.acme.chains import chain_text, leads_to, parse_chain
from ..._core.acme.urls import UnsafeUrl
from ..._core.acme.when import same_directory
from ..._errors import AcmeError, AcmeFault, InvalidOption
from .client import AcmeClient, signing_key
from .network import AcmeClock, AcmeLimits, Payload

try:
    import josepy
    from requests.utils import parse_header_links
except ImportError:  # require_library says so, in the runner
    pass

if t.TYPE_CHECKING:
    from ..._core.acme.account import AcmeAccount
    from ..._core.acme.authority import Authorization, Challenge, DirectoryFacts, Order, RenewalWindow
    from ..._core.acme.wanted import Issuer
    from ..._core.x509.certificate import Certificate
    from .network import HttpAnswer

_CHAIN: t.Final = "application/pem-certificate-chain"
_MOST_ALTERNATES: t.Final = 10
#: Refusals that may be about "replaces" alone: the certificate was replaced already, is another account's or shares no
#: name, or the CA does not find it. It is a courtesy, and no reason to let a certificate expire.
_ABOUT_REPLACES: t.Final = ("alreadyReplaced", "malformed", "unauthorized", "conflict", "serverInternal", "")


class AcmeAuthority:
    """A CertificateAuthority (see there). Close it, or use it as a context."""

    def __init__(self, client: AcmeClient, account: AcmeAccount) -> None:
        self._client = client
        self._account = account
        self._thumbprint = josepy.b64encode(client.key.thumbprint()).decode()

    @classmethod
    def open(
        cls,
        issuer: Issuer,
        account: AcmeAccount,
        *,
        limits: AcmeLimits | None = None,
        clock: AcmeClock | None = None,
    ) -> AcmeAuthority:
        """Asks for nothing yet. Raises InvalidOption for a directory, key or ca_bundle that is none."""
        if not same_directory(account.directory, issuer.directory):
            raise InvalidOption(
                f"The account in {issuer.account_secret} is one at {account.directory}, not at {issuer.directory}:"
                " name another account_secret for this issuer."
            )
        key = signing_key(account.key_pem)
        client = AcmeClient(issuer.directory, key, account.url, ca_bundle=issuer.ca_bundle, limits=limits, clock=clock)
        return cls(client, account)

    def __enter__(self) -> AcmeAuthority:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """The connections."""
        self._client.close()

    @property
    def directory(self) -> str:
        return self._client.url

    @property
    def account_url(self) -> str:
        return self._account.url

    @property
    def account_thumbprint(self) -> str:
        return self._thumbprint

    @property
    def requests(self) -> int:
        return self._client.requests

    def facts(self) -> DirectoryFacts:
        return self._client.directory_document().facts

    # -- orders --------------------------------------------------------------------------------------------------

    def new_order(self, identifiers: t.Sequence[str], *, profile: str | None, replaces: str | None) -> Order:
        directory = self._client.directory_document()
        payload = Payload(
            identifiers=[{"type": "ip" if _is_address(name) else "dns", "value": name} for name in identifiers]
        )
        if profile is not None:
            self._check_profile(profile)
            payload["profile"] = profile
        if replaces is not None and directory.renewal_info is not None:
            try:
                return self._order_anew(Payload(payload, replaces=replaces), identifiers)
            except AcmeError as error:
                is_down = error.fault == "authority" and error.problem_type != "serverInternal"
                if is_down or error.fault == "rate_limited" or error.problem_type not in _ABOUT_REPLACES:
                    raise
        return self._order_anew(payload, identifiers)

    def _check_profile(self, profile: str) -> None:
        """A CA without profiles would ignore it, and issue something else than was wanted."""
        profiles = self.facts().profiles
        if profiles is None or profile not in profiles:
            offered = f"its profiles are {', '.join(sorted(profiles))}" if profiles else "it has no profiles"
            raise AcmeError(
                f"The CA at {self.directory} does not know the profile {profile!r}: {offered}.",
                "request",
                problem_type="invalidProfile",
            )

    def _order_anew(self, payload: Payload, identifiers: t.Sequence[str]) -> Order:
        directory = self._client.directory_document()
        names = _some(identifiers)
        answer = self._client.post(directory.new_order, payload, f"an order for {names}", repeating=ORDERING)
        try:
            url = directory.places.checked(answer.headers.get("Location"))
        except UnsafeUrl as error:
            raise self._nonsense(f"answers with an order that has for its URL {error}") from None
        order = self._order_of(answer, url)
        if set(order.identifiers) != set(identifiers):
            raise self._nonsense(f"answers with an order for other names than {names}")
        return order

    def _nonsense(self, text: str) -> AcmeError:
        return self._client.nonsense(UnreadableAnswer(text))

    def _order_of(self, answer: HttpAnswer, url: str) -> Order:
        places = self._client.directory_document().places
        return self._client.read(answer, lambda found: parse_order(found, url, places, answer.retry_after))

    def order(self, url: str) -> Order:
        return self._order_of(self._show(url, "the order"), url)

    def authorization(self, url: str) -> Authorization:
        answer = self._show(url, "the authorization")
        places = self._client.directory_document().places
        return self._client.read(answer, lambda found: parse_authorization(found, url, places, answer.retry_after))

    def _show(self, url: str, what: str, accept: str | None = None) -> HttpAnswer:
        """POST-as-GET of what belongs to the account."""
        try:
            return self._client.post(url, None, f"to show {what} {url}", accept=accept)
        except AcmeError as error:
            if error.problem_type != "unauthorized":
                raise
            self._check_account()
            raise _with_fault(error, "gone") from None

    def _check_account(self) -> None:
        """What is another account's is refused as "unauthorized", and everything where this account is not valid any
        more: only asking for the account tells which. Raises AcmeError when it is not."""
        self._client.post(self.account_url, None, f"to show the account {self.account_url}")

    # -- challenges ----------------------------------------------------------------------------------------------

    def key_authorization(self, token: str) -> str:
        return f"{token}.{self._thumbprint}"

    def txt_value(self, token: str) -> str:
        digest = hashlib.sha256(self.key_authorization(token).encode("ascii")).digest()
        return _base64url(digest)

    def answer(self, challenge: Challenge) -> None:
        """One that is being validated, or was, needs no answer."""
        if challenge.status == "pending":
            self._client.post(challenge.url, Payload(), f"the answer to the challenge {challenge.type}")

    # -- certificates --------------------------------------------------------------------------------------------

    def finalize(self, order: Order, csr_der: bytes) -> Order:
        """Also where an earlier try has arrived already, or no answer came: then the order as it stands."""
        try:
            return self._finalize(order, csr_der)
        except AcmeError as error:
            standing = self._standing_after(error, order)
            if standing.status != "ready":
                return standing
        return self._finalize(order, csr_der)

    def _finalize(self, order: Order, csr_der: bytes) -> Order:
        names = _some(order.identifiers)
        answer = self._client.post(
            order.finalize_url,
            Payload(csr=_base64url(csr_der)),
            f"to issue the certificate for {names}",
            repeating=ONCE,
        )
        return self._order_of(answer, order.url)

    def _standing_after(self, error: AcmeError, order: Order) -> Order:
        """The order, where finalize has done something, or may do so yet. Raises the error where not."""
        if error.fault == "rate_limited":
            raise error
        try:
            standing = self.order(order.url)
        except AcmeError as other:
            raise (other if error.problem_type == "unauthorized" else error) from None
        if standing.status in ("processing", "valid"):
            return standing
        if error.fault == "authority" and (standing.status == "ready" or standing.problem is not None):
            return standing
        # The order is this account's, so it is not the account that is unauthorized.
        raise _with_fault(error, "identifier") if error.problem_type == "unauthorized" else error

    def certificate(self, order: Order, preferred_chain: str | None) -> str:
        if order.certificate_url is None:
            raise self._nonsense("answers with an order that has no certificate")
        answer = self._show(order.certificate_url, "the certificate", _CHAIN)
        chain = self._chain_of(answer, order)
        if preferred_chain and not leads_to(chain, preferred_chain):
            for url in self._alternates(answer, order.certificate_url):
                other = self._chain_of(self._show(url, "the certificate", _CHAIN), order)
                if leads_to(other, preferred_chain):
                    return chain_text(other)
        return chain_text(chain)

    def _chain_of(self, answer: HttpAnswer, order: Order) -> tuple[Certificate, ...]:
        try:
            chain = parse_chain(answer.body)
        except UnreadableAnswer as error:
            raise self._nonsense(str(error)) from None
        missing = set(order.identifiers) - {name.lower() for name in chain[0].subject_alternative_names}
        if missing:
            raise self._nonsense(f"answers with a certificate that is not for {_some(sorted(missing))}")
        return chain

    def _alternates(self, answer: HttpAnswer, url: str) -> list[str]:
        """URLs of the other chains (RFC 8555 section 7.4.2); requests' own response.links keeps one of them only."""
        places = self._client.directory_document().places
        found = []
        for link in parse_header_links(answer.headers.get("Link", ""))[:50]:
            if link.get("rel", "").lower() == "alternate":
                try:
                    found.append(places.checked(urljoin(url, link["url"])))
                except (UnsafeUrl, ValueError):
                    continue
        return found[:_MOST_ALTERNATES]

    def renewal_window(self, certificate_id: str) -> RenewalWindow | None:
        renewal_info = self._client.directory_document().renewal_info
        if renewal_info is None:
            return None
        answer = self._client.look(f"{renewal_info.rstrip('/')}/{certificate_id}", "to say when to renew")
        now = self._client.now()
        return self._client.read(answer, lambda found: parse_renewal_window(found, now, answer.retry_after))

    def revoke(self, certificate_der: bytes, reason: int) -> None:
        """reason: of RFC 5280 section 5.3.1, such as 1 (keyCompromise), 4 (superseded). One that is revoked already is
        no error."""
        url = self._client.directory_document().revoke_certificate
        if url is None:
            raise AcmeError(f"The CA at {self.directory} does not revoke certificates by ACME: ask it.", "request")
        payload = Payload(certificate=_base64url(certificate_der), reason=reason)
        try:
            self._client.post(url, payload, "to revoke the certificate")
        except AcmeError as error:
            if error.problem_type != "alreadyRevoked":
                raise


def _some(names: t.Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _with_fault(error: AcmeError, fault: AcmeFault) -> AcmeError:
    return AcmeError(
        error.message,
        fault,
        problem_type=error.problem_type,
        retry_after=error.retry_after,
        url=error.url,
        identifiers=error.identifiers,
    )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
