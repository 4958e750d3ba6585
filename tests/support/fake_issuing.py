# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that an issuance touches, in memory: for what the real parts cannot be made to do at a chosen moment."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord, Zone
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.journal import JournalEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.ledger import Ledger
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.names import WantedCertificates
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.staged import StagedSecret
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.stores import StoreStanding
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import (
    HeldCertificate,
    Issuer,
    WantedCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.when import RenewalPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.zones import ZoneOfName
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError, RotationError, RunOvertaken
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.authorities import Authorities
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.dns import Located, PlacedRecords
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.issuance import Issuance
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.report import IssueReport
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.run_time import RunTime
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.settings import IssuePorts, IssueSettings
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.stores import CertificateStores
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.truth import TruthVersion

from .fake_authority import FakeAuthority, FakeClock


class Killed(BaseException):
    """The process ends there and then."""


@dataclass
class FakeTruth:
    held: dict[str, HeldCertificate] = field(default_factory=dict)
    broken: str | None = None
    before: t.Callable[[str], None] = lambda step: None
    label: str = "AWSCURRENT"
    #: What waits for its promotion, by name; other versions with labels, by name.
    candidates: dict[str, HeldCertificate] = field(default_factory=dict)
    others: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    unknown: str | None = None
    now: t.Callable[[], datetime] = lambda: datetime.min.replace(tzinfo=timezone.utc)

    def promote(self, name: str, version_id: str = "") -> TruthVersion:
        assert version_id in ("", self.candidates[name].version_id)
        self.others[name] = {self.held[name].version_id or "": ["AWSPREVIOUS"]}
        self.held[name] = self.candidates.pop(name)
        return TruthVersion(f"arn:{name}", self.held[name].version_id or "", True)

    def makes_candidate(self, name: str) -> bool:
        held = self.held.get(name)
        ends = held.bundle.not_after if held and held.bundle else None
        is_served = held is not None and not held.has_ended and (ends is None or ends > self.now())
        return self.label != "AWSCURRENT" and is_served

    def staged(self, names: t.Iterable[str], *, now: datetime) -> dict[str, StagedSecret]:
        return {name: self._staged(name) for name in names if self.label != "AWSCURRENT"}

    def _staged(self, name: str) -> StagedSecret:
        if self.unknown:
            return StagedSecret(self.label, why=self.unknown)
        versions = {**self.others.get(name, {}), self.held[name].version_id or "": ["AWSCURRENT"]}
        candidate = self.candidates.get(name)
        if candidate is not None:
            base = f"{self.label}-ON-{self.held[name].version_id}"
            versions[candidate.version_id or ""] = [self.label, base]
        return StagedSecret(self.label, versions, candidate)

    def look(self, names: t.Iterable[str], *, now: datetime) -> dict[str, HeldCertificate]:
        return {name: self.held[name] for name in names if name in self.held}

    def why_not(self, name: str) -> str | None:
        return None

    def put(
        self, wanted: WantedCertificate, bundle: CertificateBundle, directory: str | None, profile: str | None
    ) -> TruthVersion:
        self.before("store")
        if self.broken:
            raise RotationError(self.broken)
        version = bundle.fingerprint_sha256
        if self.makes_candidate(wanted.name):
            made = HeldCertificate(bundle, directory, profile, version, f"arn:{wanted.name}")
            self.candidates[wanted.name] = made
            return TruthVersion(f"arn:{wanted.name}", version, True, self.label)
        same = wanted.name in self.held and self.held[wanted.name].version_id == version
        self.held[wanted.name] = HeldCertificate(bundle, directory, profile, version, f"arn:{wanted.name}")
        return TruthVersion(f"arn:{wanted.name}", version, not same)


@dataclass
class FakeStore:
    name: str = "acm"
    entries: dict[str, CertificateBundle] = field(default_factory=dict)
    broken: str | None = None
    refuses: str | None = None

    def look(
        self, wanted: t.Mapping[str, tuple[WantedCertificate, CertificateBundle | None]]
    ) -> dict[str, StoreStanding]:
        return {name: self._standing(name, bundle) for name, (_wanted, bundle) in wanted.items()}

    def _standing(self, name: str, bundle: CertificateBundle | None) -> StoreStanding:
        if name not in self.entries:
            return StoreStanding("absent")
        return StoreStanding("current" if self.entries[name] == bundle else "other", self._arn(name))

    def why_not(self, wanted: WantedCertificate, standing: StoreStanding, profile: str | None) -> str | None:
        return self.refuses

    def put(self, wanted: WantedCertificate, bundle: CertificateBundle, standing: StoreStanding) -> str:
        if self.broken:
            raise RotationError(self.broken)
        self.entries[wanted.name] = bundle
        return self._arn(wanted.name)

    def _arn(self, name: str) -> str:
        return f"arn:aws:acm:eu-central-1:1:certificate/{name}"


@dataclass
class FakeJournalSecret:
    """What all runs share. writes: the entries of each write."""

    entries: tuple[JournalEntry, ...] = ()
    version: int = 0
    writes: list[tuple[JournalEntry, ...]] = field(default_factory=list)


class FakeJournal:
    damaged: tuple[str, ...] = ()

    def __init__(self, secret: FakeJournalSecret, before: t.Callable[[str], None]) -> None:
        self._secret = secret
        self._before = before
        self._version = -1

    def read(self) -> tuple[JournalEntry, ...]:
        self._version = self._secret.version
        return self._secret.entries

    def write(self, entries: t.Sequence[JournalEntry]) -> None:
        self._before("journal")
        if self._version != self._secret.version:
            raise RunOvertaken("Another run has written the journal.")
        self._secret.entries = tuple(entries)
        self._secret.version += 1
        self._version = self._secret.version
        self._secret.writes.append(tuple(entries))

    def clear(self) -> None:
        if self._secret.entries:
            self.write(())


@dataclass
class FakeLedger:
    text: str | None = None

    def read(self) -> tuple[Ledger, str | None]:
        return (Ledger.from_json(self.text)[0] if self.text else Ledger()), None

    def write(self, ledger: Ledger, now: datetime) -> str | None:
        self.text = ledger.to_json(now)
        return None


@dataclass
class FakeDns:
    """A zone example.com and its TXT values. places: requests to change it."""

    values: dict[str, set[str]] = field(default_factory=dict)
    places: int = 0
    withdrawals: int = 0
    failing: t.Mapping[str, str] = field(default_factory=dict)
    stuck: bool = False
    before: t.Callable[[str], None] = lambda step: None
    zone: t.ClassVar[Zone] = Zone("example.com", "Z1")

    def zones(self) -> tuple[tuple[Zone, ...], ...]:
        return ((self.zone,),)

    def locate(self, names: t.Iterable[str]) -> Located:
        names = list(names)
        bad = {name: DnsError(f"{name} is in no zone.", [name]) for name in names if not name.endswith("example.com")}
        return Located({name: name for name in names if name not in bad}, bad)

    def place(self, records: t.Sequence[TxtRecord]) -> PlacedRecords:
        self.before("dns")
        self.places += 1
        failures = {each.name: DnsError(self.failing[each.name]) for each in records if each.name in self.failing}
        for record in records:
            if record.name not in failures:
                self.values.setdefault(record.name, set()).update(record.values)
        return PlacedRecords({ZoneOfName(0, self.zone): list(records)}, failures)

    def wait(self, placed: PlacedRecords, timeout: float) -> dict[str, DnsError]:
        return dict(placed.failures)

    def withdraw(self, records: t.Sequence[TxtRecord]) -> dict[str, DnsError]:
        self.before("withdraw")
        self.withdrawals += 1
        if self.stuck:
            return {record.name: DnsError("Throttled.") for record in records}
        for record in records:
            self.values.get(record.name, set()).difference_update(record.values)
        self.values = {name: values for name, values in self.values.items() if values}
        return {}


@dataclass
class World:
    """Outlives runs. die_before: number of the step at which a run is killed, from 0; steps: names, of all runs."""

    clock: FakeClock
    authorities: list[FakeAuthority]
    truth: FakeTruth = field(default_factory=FakeTruth)
    stores: list[FakeStore] = field(default_factory=list)
    journal: FakeJournalSecret = field(default_factory=FakeJournalSecret)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    dns: FakeDns = field(default_factory=FakeDns)
    die_before: int | None = None
    steps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    opening: dict[str, RotationError] = field(default_factory=dict)
    #: What the account's secret leads to, while the CA has not been asked; None for the same.
    believed: FakeAuthority | None = None

    def step(self, name: str) -> None:
        if self.die_before == 0:
            self.die_before = None
            raise Killed
        if self.die_before is not None:
            self.die_before -= 1
        self.steps.append(name)

    def run(
        self,
        *wanted: WantedCertificate,
        check_mode: bool = False,
        limit: int = 1800,
        policy: RenewalPolicy | None = None,
        begun: t.Callable[[RunTime], None] = lambda run_time: None,
        **settings: t.Any,
    ) -> IssueReport:
        run_time = RunTime(
            timedelta(seconds=limit), now=self.clock.now, monotonic=self.clock.monotonic, sleep=self.clock.sleep
        )
        begun(run_time)
        issuers = tuple(Issuer(each.directory, f"account-{each.directory}") for each in self.authorities)
        self.truth.before = self.dns.before = self.step
        self.truth.now = self.clock.now

        def opened(issuer: Issuer, register: bool) -> FakeAuthority:
            if issuer.directory in self.opening:
                raise self.opening[issuer.directory]
            if self.believed is not None and not register:
                return self.believed
            return next(each for each in self.authorities if each.directory == issuer.directory)

        ports = IssuePorts(
            truth=self.truth,
            stores=CertificateStores(self.stores),
            journal=FakeJournal(self.journal, self.step),
            ledger=self.ledger,
            authorities=Authorities(issuers, opened),
            publisher=lambda: self.dns,
            resolver=lambda: t.cast(t.Any, None),
            warn=self.warnings.append,
            make_key=quick_key,
            kinds={"acm": "acm"},
        )
        options = {"caa": "ignore", **settings}
        made = IssueSettings(issuers, policy=policy or RenewalPolicy(), **options)
        return Issuance(WantedCertificates(wanted), made, ports, run_time, check_mode=check_mode).run()

    def issued(self) -> int:
        """Certificates that the CAs have issued."""
        return sum(len(each.certificates) for each in self.authorities)
