# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME certificate authority, as the flows see it (RFC 8555, RFC 9773, draft-ietf-acme-profiles)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime

OrderStatus = t.Literal["pending", "ready", "processing", "valid", "invalid"]
AuthorizationStatus = t.Literal["pending", "valid", "invalid", "deactivated", "expired", "revoked"]


@dataclass(frozen=True)
class AcmeProblem:
    """A problem document (RFC 7807, RFC 8555 section 6.7). type: without ``urn:ietf:params:acme:error:``; status: HTTP;
    instance: URL of a page for people, if the CA names one; subproblems: (identifier, problem) pairs."""

    type: str
    detail: str
    status: int | None = None
    instance: str | None = None
    subproblems: tuple[tuple[str, AcmeProblem], ...] = ()


@dataclass(frozen=True)
class Order:
    """identifiers: as WantedCertificate's; authorizations: URLs; expires: of the order; problem: why it is invalid;
    retry_after: seconds to wait before it is asked for again (of a header Retry-After), None when not said."""

    url: str
    status: OrderStatus
    identifiers: tuple[str, ...]
    authorizations: tuple[str, ...]
    finalize_url: str
    certificate_url: str | None = None
    expires: datetime | None = None
    problem: AcmeProblem | None = None
    retry_after: float | None = None


@dataclass(frozen=True)
class Challenge:
    """type: as the CA calls it, also of kinds unknown here; token: "" for kinds without; issuer_domain_names: what the
    record of dns-persist-01 may name."""

    type: str
    url: str
    token: str
    status: str
    problem: AcmeProblem | None = None
    issuer_domain_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Authorization:
    """identifier: DNS name without ``*.``, or IP address; wildcard: whether it is for ``*.identifier``."""

    url: str
    status: AuthorizationStatus
    identifier: str
    wildcard: bool
    challenges: tuple[Challenge, ...]
    retry_after: float | None = None

    @property
    def problem(self) -> AcmeProblem | None:
        """Of the challenge that failed."""
        return next((challenge.problem for challenge in self.challenges if challenge.problem), None)


@dataclass(frozen=True)
class RenewalWindow:
    """suggestedWindow of RFC 9773. explanation_url: for people; ask_again: not before this instant (Retry-After)."""

    start: datetime
    end: datetime
    ask_again: datetime
    explanation_url: str | None = None


@dataclass(frozen=True)
class DirectoryFacts:
    """Of the directory's ``meta``. caa_identities: names that CAA records may have; profiles: name -> description;
    renewal_info: whether it answers questions of RFC 9773."""

    caa_identities: tuple[str, ...] = ()
    profiles: t.Mapping[str, str] | None = None
    terms_of_service: str | None = None
    eab_required: bool = False
    renewal_info: bool = False


class CertificateAuthority(t.Protocol):
    """One directory with one account. All methods may be called from many threads at once, end in bounded time, and
    raise AcmeError (see its fields)."""

    @property
    def directory(self) -> str: ...

    @property
    def account_url(self) -> str: ...

    @property
    def account_thumbprint(self) -> str:
        """Of the account's key (RFC 7638), for http-01."""

    @property
    def requests(self) -> int:
        """HTTP requests sent to it so far, repeated ones included."""

    def facts(self) -> DirectoryFacts: ...

    def new_order(self, identifiers: t.Sequence[str], *, profile: str | None, replaces: str | None) -> Order:
        """replaces: id of the certificate that it renews (certificate_id); left out where the CA has no ARI, and
        ordered without where the CA says that it has been replaced already."""

    def order(self, url: str) -> Order: ...

    def authorization(self, url: str) -> Authorization: ...

    def key_authorization(self, token: str) -> str:
        """RFC 8555 section 8.1: what http-01 serves."""

    def txt_value(self, token: str) -> str:
        """RFC 8555 section 8.4: the value of the TXT record of dns-01."""

    def answer(self, challenge: Challenge) -> None:
        """Tell the CA to validate it."""

    def finalize(self, order: Order, csr_der: bytes) -> Order: ...

    def certificate(self, order: Order, preferred_chain: str | None) -> str:
        """The chain as PEM, leaf first, of a valid order; the one that leads to preferred_chain where it is offered."""

    def renewal_window(self, certificate_id: str) -> RenewalWindow | None:
        """None when the CA has no ARI."""
