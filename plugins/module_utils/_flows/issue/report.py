# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of each certificate of an issuance, for people and for programs."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._core.acme.faults import kept_message, new_message, staged_message, stored_message
from ..._core.instants import isoformat_utc

if t.TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ..._core.x509.bundle import CertificateBundle
    from .stores import StoreOutcome
    from .truth import TruthVersion

Action = t.Literal["issued", "renewed", "stored", "resumed", "staged", "held", "unchanged", "failed"]
#: Of what an incident concerns.
ReissueState = t.Literal["to do", "staged", "replaced"]
StoreState = t.Literal["stored", "staged", "current", "absent", "other", "unknown", "failed"]
_CHANGING: t.Final = ("issued", "renewed", "resumed", "stored", "staged")


class Candidacy(t.NamedTuple):
    """What waits for its promotion. bundle: None when it is not there yet."""

    label: str
    version_id: str | None = None
    bundle: CertificateBundle | None = None

    def as_result(self) -> dict[str, t.Any]:
        return {
            "label": self.label,
            "version_id": self.version_id,
            "fingerprint_sha256": self.bundle.fingerprint_sha256 if self.bundle else None,
            "not_after": isoformat_utc(self.bundle.not_after) if self.bundle else None,
        }


@dataclass
class Outcome:
    """Of one certificate.

    truth: name of the truth among the stores; candidate: what waits for its promotion; kinds: of the stores by name,
    such as acm; before, bundle: what the truth held, and holds now; is_done: it has made a new one current; due: from
    when on the next one is to be issued; reissue: as it was found; problems: sentences; threshold: the user's, where
    there is one.
    """

    name: str
    domains: tuple[str, ...]
    action: Action = "unchanged"
    reason: str = ""
    arn: str | None = None
    acm_arn: str | None = None
    version_id: str | None = None
    before: CertificateBundle | None = None
    bundle: CertificateBundle | None = None
    issuer: str | None = None
    stores: dict[str, StoreState] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    held_until: datetime | None = None
    due: datetime | None = None
    reissue: ReissueState | None = None
    problems: list[str] = field(default_factory=list)
    threshold: timedelta | None = None
    truth: str = "secrets_manager"
    is_done: bool = False
    candidate: Candidacy | None = None

    def stored(self, version: TruthVersion, bundle: CertificateBundle, directory: str | None) -> None:
        """The truth has it."""
        self.arn, self.version_id = version.arn, version.version_id
        self.bundle, self.issuer = bundle, directory
        self.stores[self.truth] = "stored" if version.written else "current"
        self.is_done = True

    def staged(self, version: TruthVersion, bundle: CertificateBundle) -> None:
        """The truth has it under a label, and serves what it served."""
        self.arn = version.arn
        self.candidate = Candidacy(version.label, version.version_id, bundle)
        self.stores[self.truth] = "staged"

    @property
    def is_settled(self) -> bool:
        """An order has ended well."""
        return self.is_done or self.stores.get(self.truth) == "staged"

    def beside(self, found: t.Mapping[str, StoreOutcome]) -> None:
        """What the other stores have, by name."""
        for store, outcome in found.items():
            self.stores[store] = outcome.state
            if outcome.address and outcome.address.startswith("arn:") and ":acm:" in outcome.address:
                self.acm_arn = self.acm_arn or outcome.address
            if outcome.state == "failed":
                self.fail(
                    f"It is in Secrets Manager, but not in the store {store}: {outcome.why} The next run puts it there,"
                    " without another order."
                )
            elif outcome.state == "unknown":
                self.fail(f"What the store {store} holds cannot be told: {outcome.why}")

    def fail(self, why: str) -> None:
        """It is not as it should be, whatever else was done."""
        self.action = "failed"
        self.problems.append(why)

    @property
    def is_changed(self) -> bool:
        return self.action in _CHANGING or "stored" in self.stores.values()

    @property
    def reissue_state(self) -> ReissueState | None:
        if self.reissue is None:
            return None
        return "replaced" if self.is_done else "staged" if self.candidate is not None else self.reissue

    @property
    def newest(self) -> CertificateBundle | None:
        """That there is, whether it is the current one or not."""
        return self.candidate.bundle if self.candidate else self.bundle

    @property
    def problem(self) -> str | None:
        return " ".join(self.problems) or None

    def as_result(self, now: datetime) -> dict[str, t.Any]:
        bundle = self.bundle
        return {
            "name": self.name,
            "domains": list(self.domains),
            "action": self.action,
            "reason": self.reason,
            "arn": self.arn,
            "acm_arn": self.acm_arn,
            "version_id": self.version_id,
            "fingerprint_sha256": bundle.fingerprint_sha256 if bundle else None,
            "not_before": isoformat_utc(bundle.not_before) if bundle else None,
            "not_after": isoformat_utc(bundle.not_after) if bundle else None,
            "issuer": self.issuer,
            "candidate": self.candidate.as_result() if self.candidate else None,
            "stores": dict(self.stores),
            "due": isoformat_utc(self.due) if self.due else None,
            "held_until": isoformat_utc(self.held_until) if self.held_until else None,
            "reissue": self.reissue_state,
            "problem": self.problem,
            "message": self._message(now),
            "status": "failed" if self.problems else "success",
        }

    def _message(self, now: datetime) -> str:
        domain = self.domains[0] if self.domains else self.name
        if self.problems:
            return f"{domain}: {self.problem}"
        if self.action == "held":
            return f"{domain}: {self.reason}"
        if self.action == "staged" and self.candidate is not None:
            return staged_message(domain, self.candidate.label)
        stored = [self.kinds.get(name, name) for name, state in self.stores.items() if state == "stored"]
        if self.action == "stored":
            return stored_message(domain, stored)
        if self.action in _CHANGING or self.bundle is None:
            return new_message(domain, stored)
        current = [self.kinds.get(name, name) for name, state in self.stores.items() if state in ("stored", "current")]
        return kept_message(domain, self.bundle.not_after - now, current, self.threshold)

    def facts(self, bundle: CertificateBundle | None) -> dict[str, t.Any]:
        """For the diff: never content."""
        if bundle is None:
            return {}
        return {
            "fingerprint_sha256": bundle.fingerprint_sha256,
            "not_before": isoformat_utc(bundle.not_before),
            "not_after": isoformat_utc(bundle.not_after),
            "subject_alternative_names": list(bundle.subject_alternative_names),
        }


@dataclass
class IssueReport:
    """outcomes: in the order given, then those of earlier runs; reissue: see Foresight, None without an incident;
    was_overtaken: another run has written the journal, so that this one did not go on."""

    outcomes: list[Outcome]
    now: datetime
    next_due: datetime | None = None
    acme_requests: int = 0
    reissue: dict[str, t.Any] | None = None
    warnings: list[str] = field(default_factory=list)
    was_overtaken: bool = False

    @property
    def changed(self) -> bool:
        return any(outcome.is_changed for outcome in self.outcomes)

    @property
    def failure(self) -> str:
        """What the run fails with; "" when it does not."""
        names: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            if outcome.problem:
                names.setdefault(outcome.problem, []).append(outcome.name)
        return "\n".join(f"{', '.join(those)}: {problem}" for problem, those in names.items())

    def as_result(self) -> dict[str, t.Any]:
        return {
            "changed": self.changed,
            "certificates": [outcome.as_result(self.now) for outcome in self.outcomes],
            "changes": [outcome.name for outcome in self.outcomes if outcome.is_changed],
            "next_due": isoformat_utc(self.next_due) if self.next_due else None,
            "acme_requests": self.acme_requests,
            "reissue": self.reissue,
        }

    def diff(self) -> dict[str, t.Any]:
        changed = [outcome for outcome in self.outcomes if outcome.is_changed]
        return {
            "before": {outcome.name: outcome.facts(outcome.before) for outcome in changed},
            "after": {outcome.name: {"action": outcome.action, **outcome.facts(outcome.newest)} for outcome in changed},
        }
