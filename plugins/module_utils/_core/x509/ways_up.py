# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways from a leaf upwards through certificates of authorities, of which any may be there in several forms.

An authority (one name and one key) may have been certified by an old root and by a new one, again with the same key,
and by itself. Which of these certificates are sent decides who can verify the leaf, and until when.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import typing as t

from .certificate import Certificate

#: Of one search. Honest content needs a handful of each; fifty hostile certificates have more ways than can be walked.
MAX_STEPS: t.Final = 5000
MAX_SIGNATURES: t.Final = 800


class End(enum.IntEnum):
    """What is above the last certificate of a way; the higher the better."""

    CIRCLE = 0  # only authorities that are below it already
    OPEN = 1  # nothing that was given
    ROOT = 2  # a self-signed certificate that was given


@dataclasses.dataclass(frozen=True)
class WayUp:
    """sent: leaf first, each signed by the next. root: the self-signed certificate above them, if it was given.

    anchored: whether one of them is, or was issued by, a trust anchor.
    """

    sent: tuple[Certificate, ...]
    root: Certificate | None
    end: End
    anchored: bool = False

    @property
    def members(self) -> tuple[Certificate, ...]:
        return self.sent if self.root is None else (*self.sent, self.root)

    @functools.cached_property
    def until(self) -> datetime.datetime:
        return min(member.not_after for member in self.members)

    @functools.cached_property
    def rank(self) -> tuple[t.Any, ...]:
        """The best has the highest. It depends on the certificates alone, so that their order changes nothing."""
        members = self.members
        return (
            self.anchored,
            all(names_key_of(child, issuer) for child, issuer in zip(members, members[1:])),
            self.until,
            self.end,
            min((member.not_after for member in members[1:]), default=self.until),
            -len(self.sent),
            [member.fingerprint_sha256 for member in members],
        )

    def continues(self, other: WayUp) -> bool:
        """Whether it is as good for everybody for whom the other one is, and for others beside them."""
        size = len(other.sent)
        return (
            self.end != End.CIRCLE
            and len(self.sent) > size
            and self.sent[:size] == other.sent
            and self.until >= other.until
        )


def names_key_of(child: Certificate, issuer: Certificate) -> bool:
    """Whether its authority key identifier fits, if any: OpenSSL takes no other issuer (RFC 5280, 4.2.1.1)."""
    key, own_key = child.authority_key_identifier, issuer.subject_key_identifier
    serial_number = child.authority_serial_number
    return (key is None or own_key is None or key == own_key) and serial_number in (None, issuer.x509.serial_number)


def may_issue(issuer: Certificate) -> bool:
    """A self-signed certificate is trusted, or not, because somebody says so."""
    return issuer.self_signed or (issuer.is_ca and issuer.may_sign_certificates)


def is_too_high(issuer: Certificate, below: t.Sequence[Certificate]) -> bool:
    """Whether it does not allow as many authorities below it (RFC 5280, 4.2.1.9). below: the leaf, and them."""
    authorities = sum(not member.self_issued for member in below[1:])
    return issuer.path_length is not None and authorities > issuer.path_length


def same_authority(one: Certificate, other: Certificate) -> bool:
    return (
        one.public_key is not None
        and one.subject_name == other.subject_name
        and bool(one.public_key == other.public_key)
    )


class WaysUp:
    """certificates: without the leaf; is_fit: whether one may be sent at all; anchors: those that are trusted."""

    def __init__(
        self,
        leaf: Certificate,
        certificates: t.Iterable[Certificate],
        is_fit: t.Callable[[Certificate], bool],
        anchors: t.Sequence[Certificate],
    ) -> None:
        # In an order of its own, so that the limits cut off the same, whatever the order of the certificates was.
        order = sorted(certificates, key=lambda each: (each.not_after, each.fingerprint_sha256), reverse=True)
        self._certificates = order
        self._is_fit = functools.cache(is_fit)
        self._anchors = anchors
        self._steps, self._signatures = MAX_STEPS, MAX_SIGNATURES
        self._authority: dict[Certificate, int] = {}
        for position, each in enumerate(order):
            known = (self._authority[other] for other in order[:position] if same_authority(each, other))
            self._authority[each] = next(known, position)
        self._named: dict[Certificate, list[Certificate]] = {}
        self._signers: dict[Certificate, list[Certificate]] = {}
        #: The best one first.
        self.found = sorted(self._from((leaf,)), key=lambda way: way.rank, reverse=True)

    @property
    def gave_up(self) -> bool:
        """Whether there may be more."""
        return self._steps < 0 or self._signatures < 0

    def _from(self, way: tuple[Certificate, ...]) -> t.Iterator[WayUp]:
        self._steps -= 1
        if self._steps < 0:
            return
        last = way[-1]
        if last.self_signed:
            yield self._way(way, None, End.ROOT)
            return
        issuers = self._issuers(last)
        passed = {self._authority[member] for member in way[1:]}
        fresh = [issuer for issuer in issuers if self._authority[issuer] not in passed]
        if issuers and not fresh:
            yield self._way(way, None, End.CIRCLE)
            return
        if not any(other not in way for other in self._named_issuers(last)):
            yield self._way(way, None, End.OPEN)
            return
        if self._is_at_anchor(last):
            yield self._way(way, None, End.OPEN)
        if len(fresh) > 1:
            fresh.sort(key=lambda issuer: issuer not in self._leading_out)
        for issuer in fresh:
            if issuer.self_signed:
                yield self._way(way, issuer, End.ROOT)
            elif may_issue(issuer) and self._is_fit(issuer) and not is_too_high(issuer, way):
                yield from self._from((*way, issuer))

    @functools.cached_property
    def _leading_out(self) -> set[Certificate]:
        """Those from which an anchor can be reached, or where nothing is trusted some end: to be walked before others,
        of which there may be so many that the steps do not last."""
        rest = [each for each in self._certificates if each.self_signed or (may_issue(each) and self._is_fit(each))]
        found: set[Certificate] = set()
        while True:
            more = [each for each in rest if self._is_end(each) or not found.isdisjoint(self._issuers(each))]
            if not more:
                return found
            found.update(more)
            rest = [each for each in rest if each not in found]

    def _is_end(self, certificate: Certificate) -> bool:
        if self._anchors:
            return self._is_at_anchor(certificate)
        return certificate.self_signed or not self._named_issuers(certificate)

    def _way(self, sent: tuple[Certificate, ...], root: Certificate | None, end: End) -> WayUp:
        return WayUp(sent, root, end, any(map(self._is_at_anchor, sent)))

    def _named_issuers(self, child: Certificate) -> list[Certificate]:
        if child not in self._named:
            name = child.issuer_name
            self._named[child] = [each for each in self._certificates if each.subject_name == name and each != child]
        return self._named[child]

    def _issuers(self, child: Certificate) -> list[Certificate]:
        """All certificates of the authority that signed it. One signature is checked for each authority."""
        if child not in self._signers:
            named = self._named_issuers(child)
            likely = sorted(named, key=lambda each: not names_key_of(child, each))
            signer = None
            for authority in dict.fromkeys(self._authority[each] for each in likely):
                self._signatures -= 1
                if self._signatures < 0:
                    break
                if child.signature_by(next(each for each in named if self._authority[each] == authority)) == "signed":
                    signer = authority
                    break
            self._signers[child] = [each for each in named if self._authority[each] == signer]
        return self._signers[child]

    def _is_at_anchor(self, certificate: Certificate) -> bool:
        return any(
            anchor == certificate
            or (anchor.subject_name == certificate.issuer_name and certificate.signature_by(anchor) == "signed")
            for anchor in self._anchors
        )
