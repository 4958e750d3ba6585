# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watched endpoints without a network: certificates that are facts only, and a life told scan by scan."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.watch.changes import Judgement, judge
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.events import WatchEvent
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import (
    AddressState,
    SeenCertificate,
    Sighting,
)

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
ADDRESS = "192.0.2.1"
WWW = WatchedEndpoint("www", "www.example.com")


def seen(name: str, begins: float, ends: float, **fields: t.Any) -> SeenCertificate:
    """A certificate that is valid from START + begins days to START + ends days; all else follows from its name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    certificate = SeenCertificate(
        fingerprint_sha256=digest,
        fingerprint_sha1=digest[:40],
        fingerprint_md5=digest[:32],
        der=name.encode(),
        key_sha256=digest[::-1],
        not_before=START + begins * DAY,
        not_after=START + ends * DAY,
        subject="CN=www.example.com",
        issuer="CN=Example CA",
        serial_number=digest[:8],
        subject_alternative_names=("www.example.com",),
        key_type="rsa 2048",
    )
    return dataclasses.replace(certificate, **fields)


@dataclasses.dataclass
class Life:
    """What a registry would keep of one endpoint whose addresses are seen scan by scan."""

    endpoint: WatchedEndpoint = WWW
    policy: WatchPolicy = dataclasses.field(default_factory=WatchPolicy)
    states: dict[str | None, AddressState] = dataclasses.field(default_factory=dict)
    intervals: list[tuple[str | None, datetime]] = dataclasses.field(default_factory=list)
    events: list[WatchEvent] = dataclasses.field(default_factory=list)
    certificates: dict[str, SeenCertificate] = dataclasses.field(default_factory=dict)

    def see(
        self,
        day: float,
        *chain: SeenCertificate,
        address: str | None = ADDRESS,
        error: str | None = None,
        trusted: bool | None = True,
        needed_until: datetime | None = None,
        **fields: t.Any,
    ) -> list[str]:
        """The kinds of events that follow from one sighting. No chain: unreachable."""
        if not chain:
            error, trusted = error or "connection refused", None
        sighting = Sighting(
            self.endpoint.key,
            address,
            START + day * DAY,
            chain,
            error=error,
            trusted=trusted,
            trust_error="unable to get local issuer certificate" if trusted is False else None,
            needed_until=needed_until or (chain[0].not_after if trusted else None),
            **fields,
        )
        return [event.kind for event in self.judge(sighting).events]

    def judge(self, sighting: Sighting) -> Judgement:
        before = self.states.get(sighting.address)
        former = self.certificates.get(before.fingerprint_sha256 or "") if before else None
        others = [state for address, state in self.states.items() if address != sighting.address]
        judgement = judge(before, sighting, self.endpoint, former, self.policy, others)
        self.states[sighting.address] = judgement.after
        for state in judgement.departs:
            del self.states[state.address]
        if judgement.opens:
            self.intervals.append((sighting.address, judgement.after.since))
        self.certificates.update({each.fingerprint_sha256: each for each in sighting.chain})
        self.events += judgement.events
        return judgement

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]
