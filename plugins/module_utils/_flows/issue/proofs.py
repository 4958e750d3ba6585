# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the CA is shown that the names of a batch are ours: by TXT values, written and withdrawn, or by what is there."""

from __future__ import annotations

import functools
import typing as t

from ..._core.acme.journal import PlacedValue
from ..._core.acme.names import is_address
from ..._core.acme.persist import PersistAccount, persist_name, persist_standing
from ..._core.acme.txt import txt_records
from ..._core.acme.zones import challenge_name, zone_of
from ..._errors import DnsError, RotationError

if t.TYPE_CHECKING:
    from ..._core.acme.authority import CertificateAuthority
    from ..._core.acme.wanted import WantedCertificate
    from .orders import OrderAttempt
    from .run_time import RunTime
    from .settings import IssuePorts, IssueSettings, Publisher, Resolver


class DnsProofs:
    """dns-01. The values of a batch are written together, and waited for once.

    publisher: made when it is needed; propagation: seconds for the values to be seen.
    """

    def __init__(self, publisher: t.Callable[[], Publisher], run_time: RunTime, propagation: float) -> None:
        self._make = publisher
        self._time = run_time
        self._propagation = propagation
        self._records: dict[str, str] = {}

    @functools.cached_property
    def _publisher(self) -> Publisher:
        return self._make()

    def impossible(self, wanted: t.Sequence[WantedCertificate]) -> dict[str, RotationError]:
        """By name of the certificate, why one of its names cannot be shown, before anything is ordered."""
        places = {each.name: [challenge_name(identifier) for identifier in each.identifiers] for each in wanted}
        if not places:
            return {}
        try:
            located = self._publisher.locate(dict.fromkeys(place for some in places.values() for place in some))
        except RotationError as error:
            return dict.fromkeys(places, error)
        self._records.update(located.records)
        return {
            name: next(located.failures[place] for place in some if place in located.failures)
            for name, some in places.items()
            if any(place in located.failures for place in some)
        }

    def refused(
        self, _wanted: t.Sequence[WantedCertificate], _authority: CertificateAuthority
    ) -> dict[str, RotationError]:
        """By name of the certificate, what this CA would not accept, before it is asked for it."""
        return {}

    def values(self, attempt: OrderAttempt) -> tuple[PlacedValue, ...]:
        """That will be written for it. Raises DnsError where a name that the CA wants to see has no zone."""
        found = []
        for proof in attempt.proofs:
            place = challenge_name(proof.identifier)
            if place not in self._records:
                located = self._publisher.locate([place])
                if place in located.failures:
                    raise located.failures[place]
                self._records.update(located.records)
            record = self._records[place]
            zone = zone_of(record, self._publisher.zones())
            if zone is None:
                raise DnsError(f"{record} is in no zone any more.", [record])
            found.append(PlacedValue(record, zone.zone, zone.provider, proof.value))
        return tuple(dict.fromkeys(found))

    def show(self, values: t.Mapping[str, t.Sequence[PlacedValue]]) -> dict[str, RotationError]:
        """values: by name of the certificate. Returns those that cannot be seen, and why."""
        records = txt_records((value.record, value.value) for some in values.values() for value in some)
        if not records:
            return {}
        try:
            placed = self._publisher.place(records)
            failures = self._publisher.wait(placed, min(self._propagation, self._time.left))
        except RotationError as error:
            return {name: error for name, some in values.items() if some}
        return {
            name: next(failures[value.record] for value in some if value.record in failures)
            for name, some in values.items()
            if any(value.record in failures for value in some)
        }

    def withdraw(self, values: t.Sequence[PlacedValue]) -> dict[PlacedValue, RotationError]:
        """These values and nothing else. Returns those that may be there still, and why."""
        records = txt_records((value.record, value.value) for value in values)
        if not records:
            return {}
        try:
            failures: t.Mapping[str, RotationError] = self._publisher.withdraw(records)
        except RotationError as error:
            failures = dict.fromkeys((record.name for record in records), error)
        return {value: failures[value.record] for value in values if value.record in failures}


class NoProofs(DnsProofs):
    """http-01: what answers at the names has the account's thumbprint already. Values of earlier runs are withdrawn."""

    def impossible(self, _wanted: t.Sequence[WantedCertificate]) -> dict[str, RotationError]:
        return {}

    def values(self, _attempt: OrderAttempt) -> tuple[PlacedValue, ...]:
        return ()


class PersistProofs(NoProofs):
    """dns-persist-01: a TXT record of each name is there for good."""

    def __init__(
        self, publisher: t.Callable[[], Publisher], run_time: RunTime, propagation: float, resolver: Resolver
    ) -> None:
        super().__init__(publisher, run_time, propagation)
        self._resolver = resolver

    def refused(
        self, wanted: t.Sequence[WantedCertificate], authority: CertificateAuthority
    ) -> dict[str, RotationError]:
        issuers = authority.facts().caa_identities
        if not issuers:  # then the CA does not say by which name its records are known
            return {}
        account = PersistAccount(issuers, authority.account_url, authority.account_thumbprint)
        identifiers = {each: persist_name(each) for one in wanted for each in one.identifiers if not is_address(each)}
        found = self._resolver.txt(dict.fromkeys(identifiers.values()))
        failures: dict[str, RotationError] = {}
        for one in wanted:
            names = [each for each in one.identifiers if each in identifiers]
            problems = filter(None, (self._problem(each, found[identifiers[each]], account) for each in names))
            text = " ".join(problems)
            if text:
                failures[one.name] = RotationError(text)
        return failures

    def _problem(self, identifier: str, values: tuple[str, ...] | DnsError, account: PersistAccount) -> str | None:
        if isinstance(values, DnsError):
            return values.message
        return persist_standing(identifier, values, account, self._time.now()).problem


def proofs_for(settings: IssueSettings, ports: IssuePorts, run_time: RunTime) -> DnsProofs:
    if settings.challenge == "dns-persist-01":
        return PersistProofs(ports.publisher, run_time, settings.propagation, ports.resolver())
    kind = DnsProofs if settings.challenge == "dns-01" else NoProofs
    return kind(ports.publisher, run_time, settings.propagation)
