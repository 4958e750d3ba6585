# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an issuance is told, and what it touches."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._core.acme.when import RenewalPolicy
from ..._core.ca.keys import KeyMaker, generate_key

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..._core.acme.caa import CaaSet
    from ..._core.acme.dns import TxtRecord, Zone
    from ..._core.acme.journal import JournalEntry
    from ..._core.acme.ledger import Ledger
    from ..._core.acme.reissue import Incident
    from ..._core.acme.staged import StagedSecret
    from ..._core.acme.wanted import ChallengeType, HeldCertificate, Issuer, WantedCertificate
    from ..._core.x509.bundle import CertificateBundle
    from ..._errors import DnsError
    from .authorities import Authorities
    from .dns import Located, PlacedRecords
    from .stores import CertificateStores
    from .truth import TruthVersion

CaaRule = t.Literal["warn", "refuse", "ignore"]


@dataclass(frozen=True)
class IssueSettings:
    """issuers: in order of failover; threads: requests at the same time; propagation: seconds for the DNS to show what
    was written; incident: what is to be replaced besides what is due; asks: whether CAs may be asked for windows of
    renewal, or what the ledger knows of them is enough; locates: whether check mode looks for zones of the names."""

    issuers: tuple[Issuer, ...]
    challenge: ChallengeType = "dns-01"
    caa: CaaRule = "warn"
    policy: RenewalPolicy = field(default_factory=RenewalPolicy)
    force: bool = False
    threads: int = 16
    propagation: float = 300.0
    incident: Incident | None = None
    asks: bool = True
    locates: bool = True


class Truth(t.Protocol):
    """Secrets Manager: see SecretsTruth."""

    label: str

    def look(self, names: t.Iterable[str], *, now: datetime) -> t.Mapping[str, HeldCertificate]: ...

    def why_not(self, name: str) -> str | None: ...

    def makes_candidate(self, name: str) -> bool: ...

    def staged(self, names: t.Iterable[str], *, now: datetime) -> t.Mapping[str, StagedSecret]: ...

    def promote(self, name: str, version_id: str) -> TruthVersion: ...

    def put(
        self, wanted: WantedCertificate, bundle: CertificateBundle, directory: str | None, profile: str | None
    ) -> TruthVersion: ...


class Journal(t.Protocol):
    """Of what has begun: see IssuanceJournal. Of two runs that write at once, one fails, and must not go on."""

    damaged: tuple[str, ...]

    def read(self) -> t.Sequence[JournalEntry]: ...

    def write(self, entries: t.Sequence[JournalEntry]) -> None: ...

    def clear(self) -> None: ...


class LedgerStore(t.Protocol):
    """See IssuanceLedger. Both return warnings."""

    def read(self) -> tuple[Ledger, str | None]: ...

    def write(self, ledger: Ledger, now: datetime) -> str | None: ...


class Publisher(t.Protocol):
    """Of TXT values: see DnsPublisher."""

    def zones(self) -> t.Sequence[t.Sequence[Zone]]: ...

    def locate(self, names: t.Iterable[str]) -> Located: ...

    def place(self, records: t.Sequence[TxtRecord]) -> PlacedRecords: ...

    def wait(self, placed: PlacedRecords, timeout: float) -> t.Mapping[str, DnsError]: ...

    def withdraw(self, records: t.Sequence[TxtRecord]) -> t.Mapping[str, DnsError]: ...


class Resolver(t.Protocol):
    """What the DNS says: see DnsResolver."""

    def caa(self, names: t.Iterable[str]) -> t.Mapping[str, CaaSet | DnsError | None]: ...

    def txt(self, names: t.Iterable[str]) -> t.Mapping[str, tuple[str, ...] | DnsError]: ...


@dataclass(frozen=True)
class IssuePorts:
    """truth_name: how results call the truth; kinds: of the stores, by name; publisher, resolver: made when they are
    needed; warn: for people."""

    truth: Truth
    stores: CertificateStores
    journal: Journal
    ledger: LedgerStore
    authorities: Authorities
    publisher: t.Callable[[], Publisher]
    resolver: t.Callable[[], Resolver]
    warn: t.Callable[[str], None]
    make_key: KeyMaker = generate_key
    truth_name: str = "secrets_manager"
    kinds: t.Mapping[str, str] = field(default_factory=dict)
