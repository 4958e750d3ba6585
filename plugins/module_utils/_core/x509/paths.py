# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths from a leaf to a trust anchor: cryptography builds them (RFC 5280), here are the policies it is given."""

from __future__ import annotations

import collections
import contextlib
import datetime
import functools
import ipaddress
import typing as t

try:
    from cryptography import x509
    from cryptography.x509 import verification
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # the module boundary says so
    pass

from .certificate import Certificate
from .names import a_labels

Purpose = t.Literal["server", "client"]
PathProfile = t.Literal["web", "private"]

#: How many authorities are tried for one verdict. Honest chains need a handful; hostile ones make it explode.
MAX_CANDIDATES: t.Final = 1500
#: For cryptography < 45, which cannot be stopped: with more intermediates of one name than this nothing is tried.
MAX_NAMESAKES_UNSTOPPABLE: t.Final = 3


class PathError(Exception):
    """There is no path. too_complex: the search was given up; no_name: the verifier does not take the name."""

    def __init__(self, reason: str, *, too_complex: bool = False, no_name: bool = False) -> None:
        super().__init__(reason)
        self.too_complex = too_complex
        self.no_name = no_name


class _Budget:
    """Ends a search: once it is used up every further authority is refused, so that the search falls together."""

    left = 0

    def spend(self, *_candidate: t.Any) -> None:
        """The form of a validator of extensions; it is asked once for each authority that is tried."""
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many authorities were tried")


class _Anchors:
    """As a key of the cache: to hash a hundred roots would take longer than to verify a chain."""

    def __init__(self, certificates: tuple[x509.Certificate, ...]) -> None:
        self.certificates = certificates

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Anchors) and self.certificates == other.certificates

    def __hash__(self) -> int:
        return hash((len(self.certificates), self.certificates[:1]))


class PathFinder:
    """Asks for paths to anchors at an instant (aware).

    profile: "web" holds all certificates to the Web PKI's profile, as public authorities and RFC 5280 do; "private"
    does not ask for what private authorities often leave out (key identifiers, key usages), and judges all that their
    certificates do say about names, path lengths, usages and authority all the same.
    """

    def __init__(
        self,
        anchors: tuple[x509.Certificate, ...],
        at: datetime.datetime,
        *,
        purpose: Purpose = "server",
        profile: PathProfile = "web",
    ) -> None:
        self._anchors = _Anchors(anchors)
        self._at = at.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        self._purpose = purpose
        self._profile = profile

    def find(
        self, leaf: Certificate, intermediates: t.Iterable[Certificate], name: str | None = None
    ) -> list[x509.Certificate]:
        """The path, leaf first. name: what a server's leaf must be for; None: any of its own names.

        Raises PathError.
        """
        if not self._anchors.certificates:
            raise PathError("there are no trust anchors")
        members = list(intermediates)
        pool = [member.x509 for member in members]
        anonymous = self._purpose == "client" and not leaf.alternative_name_kinds
        builder, budget = _policy(self._anchors, self._purpose, self._profile, anonymous)
        if not hasattr(verification, "ExtensionPolicy"):
            namesakes = collections.Counter(member.subject for member in members)
            if max(namesakes.values(), default=0) > MAX_NAMESAKES_UNSTOPPABLE:
                raise PathError("cryptography before 45 cannot be given many authorities of one name", too_complex=True)
        budget.left = MAX_CANDIDATES
        try:
            builder = builder.time(self._at)
            if self._purpose == "client":
                if not hasattr(builder, "build_client_verifier"):
                    raise PathError("cryptography before 43 cannot verify clients")
                return builder.build_client_verifier().verify(leaf.x509, pool).chain
            return _server_verifier(builder, leaf, name).verify(leaf.x509, pool)
        except (verification.VerificationError, ValueError, TypeError, OverflowError) as exc:
            # Newer versions of cryptography end hostile searches themselves.
            too_complex = budget.left < 0 or "Exceeded maximum" in str(exc)
            raise PathError(str(exc), too_complex=too_complex) from None


@functools.lru_cache(maxsize=4)
def _policy(
    anchors: _Anchors, purpose: Purpose, profile: PathProfile, anonymous: bool
) -> tuple[verification.PolicyBuilder, _Budget]:
    """anonymous: a client's leaf without any alternative name, which is known by its subject."""
    builder = verification.PolicyBuilder().store(verification.Store(list(anchors.certificates)))
    budget = _Budget()
    if not hasattr(verification, "ExtensionPolicy"):  # cryptography < 45: always the Web PKI's profile
        return builder, budget
    agnostic = verification.Criticality.AGNOSTIC
    if profile == "web":
        leaves = verification.ExtensionPolicy.webpki_defaults_ee()
        authorities = verification.ExtensionPolicy.webpki_defaults_ca()
        non_critical = verification.Criticality.NON_CRITICAL
        trusted = frozenset(anchors.certificates)
        allows_signing = functools.partial(_allows_signing_by_web, trusted)
        authorities = authorities.may_be_present(x509.KeyUsage, agnostic, allows_signing)
        for kind, required in (
            (x509.AuthorityKeyIdentifier, _names_issuing_key),
            (x509.SubjectKeyIdentifier, _names_own_key),
        ):
            authorities = authorities.may_be_present(kind, non_critical, functools.partial(required, trusted))
    else:
        leaves = verification.ExtensionPolicy.permit_all()
        leaves = leaves.may_be_present(x509.ExtendedKeyUsage, agnostic, functools.partial(_allows, purpose))
        authorities = verification.ExtensionPolicy.permit_all()
        authorities = authorities.require_present(x509.BasicConstraints, agnostic, None)
        authorities = authorities.may_be_present(x509.KeyUsage, agnostic, _allows_signing)
        authorities = authorities.may_be_present(x509.ExtendedKeyUsage, agnostic, functools.partial(_allows, purpose))
    if anonymous:
        leaves = leaves.may_be_present(x509.SubjectAlternativeName, agnostic, None)
    elif profile == "private":
        leaves = leaves.require_present(x509.SubjectAlternativeName, agnostic, None)
    non_critical = verification.Criticality.NON_CRITICAL if profile == "web" else agnostic
    authorities = authorities.may_be_present(x509.AuthorityInformationAccess, non_critical, budget.spend)
    return builder.extension_policies(ca_policy=authorities, ee_policy=leaves), budget


def _allows(
    purpose: Purpose,
    _policy: verification.Policy,
    _certificate: x509.Certificate,
    usages: x509.ExtendedKeyUsage | None,
) -> None:
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if purpose == "server" else ExtendedKeyUsageOID.CLIENT_AUTH
    if usages is not None and not any(
        usage in (wanted, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE) for usage in usages
    ):
        raise ValueError(f"its extended key usage does not allow it to be a {purpose}'s")


def _allows_signing(_policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an authority's key usage does not allow it to sign certificates")


# What is trusted is so because somebody says it, root or not: it need not have all that the Web PKI asks
# of intermediates. Public roots lack key identifiers (RFC 5280, 4.2.1.1 and 4.2.1.2), too.


def _allows_signing_by_web(
    trusted: t.Collection[x509.Certificate],
    policy: verification.Policy,
    certificate: x509.Certificate,
    usage: x509.KeyUsage | None,
) -> None:
    if usage is None and certificate not in trusted:
        raise ValueError("an authority has no key usage")
    _allows_signing(policy, certificate, usage)


def _names_issuing_key(
    trusted: t.Collection[x509.Certificate],
    _policy: verification.Policy,
    certificate: x509.Certificate,
    found: x509.AuthorityKeyIdentifier | None,
) -> None:
    if found is None:
        if certificate.subject != certificate.issuer and certificate not in trusted:
            raise ValueError("an intermediate has no authority key identifier")
    elif found.key_identifier is None:
        raise ValueError("an authority key identifier holds no key identifier")


def _names_own_key(
    trusted: t.Collection[x509.Certificate],
    _policy: verification.Policy,
    certificate: x509.Certificate,
    found: x509.SubjectKeyIdentifier | None,
) -> None:
    if found is None and certificate.subject != certificate.issuer and certificate not in trusted:
        raise ValueError("an intermediate has no subject key identifier")


def _server_verifier(
    builder: verification.PolicyBuilder, leaf: Certificate, name: str | None
) -> verification.ServerVerifier:
    if name is not None:
        try:
            return builder.build_server_verifier(_subject(name))
        except ValueError:
            raise PathError(f"'{name}' is not a name that a client can ask for", no_name=True) from None
    # The first of the leaf's names that can be asked for: of a wildcard, a made-up name that it covers.
    for own in (*leaf.dns_names, *leaf.ip_addresses):
        with contextlib.suppress(ValueError):  # not a host name: an underscore, for instance
            return builder.build_server_verifier(_subject(f"any{own[1:]}" if own.startswith("*.") else own))
    raise ValueError("it has no name that clients could ask for")


def _subject(name: str) -> verification.Subject:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(a_labels(name))
