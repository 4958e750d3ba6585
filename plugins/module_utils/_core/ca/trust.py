# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is trusted, and in which order: the bundle and the lists as TLS libraries get them.

OpenSSL takes the first authority in the bundle whose name is that of the issuer, and whose subject key identifier does
not contradict the leaf's authority key identifier; an authority without one contradicts nothing, nor does a leaf. It
looks at the signature afterwards, and tries no other one (X509_STORE_CTX_get1_issuer, X509_check_issued).
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

from ..x509.certificate import Certificate
from ..x509.paths import Purpose
from .trial import PeerQuestion


@dataclass(frozen=True)
class PeerTrust:
    """What a peer has: authorities, in the order of its file, and revocation lists (PEM)."""

    authorities: tuple[Certificate, ...]
    crl: str | None = None

    def question(self, purpose: Purpose, shown: bytes, at: datetime.datetime) -> PeerQuestion:
        """Of a certificate and its key (PEM). With revocation lists, as HAProxy asks for one of each authority."""
        return PeerQuestion(purpose, self._seen(at) + (self.crl or ""), shown, "all" if self.crl else "")

    def _seen(self, at: datetime.datetime) -> str:
        """What OpenSSL sees at that instant: of several of one name it passes over those that are out of date."""
        in_date = {each.subject for each in self.authorities if _is_in_date(each, at)}
        seen = [each for each in self.authorities if _is_in_date(each, at) or each.subject not in in_date]
        return "".join(each.pem.decode() for each in seen)


def arranged(authorities: t.Iterable[Certificate]) -> tuple[Certificate, ...]:
    """In the order in which each leaf finds its issuer, whoever issues now.

    Those without a subject key identifier are last, or they would be taken for the issuer of all leaves. The others are
    there from the oldest on: what an older one has issued may lack an authority key identifier, which is written here.
    """
    return tuple(sorted(dict.fromkeys(authorities), key=_place))


def successor_subject(subject: x509.Name, public_key: t.Any, before: Certificate | None) -> x509.Name:
    """Of an authority with this key that follows another one; as it is wanted, if both can be told apart then.

    One without a subject key identifier is taken for the issuer of whatever names it: its successor gets a name of its
    own, by a dnQualifier (X.520, 5.2.9), which leaves the common name as it is.
    """
    if before is None or before.subject_key_identifier is not None or before.subject_name is None:
        return subject
    if _folded(subject) != _folded(before.subject_name):
        return subject
    qualifier = x509.SubjectKeyIdentifier.from_public_key(public_key).digest.hex()[:8]
    own = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.DN_QUALIFIER, qualifier)])
    return x509.Name([*subject.rdns, own])


def _folded(name: x509.Name) -> list[tuple[str, str]]:
    """About as OpenSSL compares names (RFC 5280, 7.1)."""
    return [(each.oid.dotted_string, " ".join(str(each.value).casefold().split())) for each in name]


def _place(authority: Certificate) -> tuple[bool, datetime.datetime, str]:
    return authority.subject_key_identifier is None, authority.not_before, authority.fingerprint_sha256


def _is_in_date(certificate: Certificate, at: datetime.datetime) -> bool:
    return certificate.not_before <= at <= certificate.not_after
