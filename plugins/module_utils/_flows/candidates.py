# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Candidates of many secrets: what they are, and promoted or withdrawn, each secret on its own."""

from __future__ import annotations

import typing as t
from datetime import datetime

from .._core.instants import isoformat_utc
from .._core.pipeline.source import SecretFailure, Selection
from .._core.promotion import SecretCandidate, candidate_of, empty_candidate, outdated_candidate
from .._core.secrets.candidates import CandidateMove, MovePlan, plan_promotion, plan_withdrawal, versions_of
from .._core.unexpected import UnexpectedFailure, only_rotation_errors
from .._core.x509.problems import error
from .._errors import RotationError, SecretsManagerError
from .._ports.aws.secret_candidates import SecretCandidates
from .._ports.aws.secret_failures import secret_problem
from .stored_certificates import unaccepted_leaf

if t.TYPE_CHECKING:
    from .._core.pipeline.verify import SecretVerifier
    from .._core.secrets.plan import Request

#: So often is a secret looked at again after a request was refused.
_MOST_LOOKS: t.Final = 4


class FoundCandidates(t.NamedTuple):
    """items: one for each secret that was named, or that has the label, by name; warnings: for the user."""

    items: t.Sequence[dict[str, t.Any]]
    warnings: t.Sequence[str]


def look_at_candidates(
    source: SecretCandidates,
    selection: Selection,
    label: str,
    verifier: t.Callable[[], SecretVerifier],
    *,
    now: datetime,
) -> FoundCandidates:
    """verifier: made when there is a candidate. Raises SecretsManagerError when the selection cannot be listed."""
    names: list[str] = [] if selection.tags else list(dict.fromkeys(selection.names))
    warnings: t.Sequence[str] = ()
    if selection.tags or selection.name_prefix is not None:
        listed, warnings = source.labelled(selection._replace(names=()), label)
        names += listed
    items: dict[str, dict[str, t.Any]] = {}
    staged: list[tuple[dict[str, t.Any], SecretCandidate]] = []
    for name, described in zip(names, source.described(names)):
        if isinstance(described, SecretFailure):
            items[name] = {**_item(name, described.arn, label), "problems": [described.problem.as_dict()]}
            continue
        arn = described["ARN"]
        if arn in items:  # by its name and by its ARN it is one secret
            continue
        candidate = candidate_of(versions_of(described), label)
        items[arn] = {
            **_item(described["Name"], arn, label),
            "state": candidate.state,
            "version_id": candidate.version_id,
            "base_version_id": candidate.base_version_id,
            "current_version_id": candidate.current_version_id,
            # The latest that it can have been staged, until the version itself tells.
            "created_at": isoformat_utc(described["LastChangedDate"])
            if candidate.counts and described.get("LastChangedDate")
            else None,
        }
        if candidate.counts:
            staged.append((items[arn], candidate))

    def read(one: tuple[dict[str, t.Any], SecretCandidate]) -> None:
        item = one[0]
        try:
            with only_rotation_errors():
                _read(source, *one, label, verifier(), now)
        except UnexpectedFailure as failure:
            item["state"], item["problems"] = "unknown", [error("unexpected", failure.message).as_dict()]

    for _done in source.concurrently(read, staged):
        pass
    return FoundCandidates(sorted(items.values(), key=lambda item: str(item["name"])), warnings)


def _item(name: str, arn: str | None, label: str) -> dict[str, t.Any]:
    return {
        "name": name,
        "arn": arn,
        "label": label,
        "state": "unknown",
        "version_id": None,
        "base_version_id": None,
        "current_version_id": None,
        "created_at": None,
        "fingerprint_sha256": None,
        "not_before": None,
        "not_after": None,
        "subject_alternative_names": [],
        "issuer": None,
        "serial_number": None,
        "key": None,
        "problems": [],
    }


def _read(
    source: SecretCandidates,
    item: dict[str, t.Any],
    candidate: SecretCandidate,
    label: str,
    verifier: SecretVerifier,
    now: datetime,
) -> None:
    """What a staged one is, into its item."""
    name, arn, version = item["name"], item["arn"], str(candidate.version_id)
    try:
        read = source.version_value(name, arn, version)
        # Who has put it there without a base has perhaps left it there, long ago.
        current = candidate.base_version_id is None and candidate.current_version_id
        older = source.version_value(name, arn, current).created if current and read.value else None
    except SecretsManagerError as failure:
        item["state"], item["problems"] = "unknown", [secret_problem(name, failure.code, failure.message).as_dict()]
        return
    item["created_at"] = isoformat_utc(read.created) if read.created else item["created_at"]
    if read.value is None:
        item["state"], item["problems"] = "empty", [empty_candidate(name, label, version).as_dict()]
        return
    bundle, problems = verifier.verify(read.value, at=now)
    leaf = bundle.leaf if bundle else unaccepted_leaf(verifier, read.value)
    if leaf is not None:
        summary = leaf.summary()
        item.update({field: summary[field] for field in item if field in summary})
    item["problems"] = [problem.as_dict() for problem in problems]
    if older and read.created and read.created < older:
        item["state"] = "superseded"
        item["problems"].append(outdated_candidate(name, label, version).as_dict())
    elif bundle is None:
        is_expired = any(problem.code == "expired" and problem.severity == "error" for problem in problems)
        item["state"] = "expired" if is_expired else "invalid"


def move_candidates(
    source: SecretCandidates,
    moves: t.Sequence[CandidateMove],
    label: str,
    state: t.Literal["promoted", "withdrawn"],
    *,
    check_mode: bool,
) -> list[dict[str, t.Any]]:
    """One item for each, in order. Raises nothing: an item that failed says why."""

    def move(one: CandidateMove) -> dict[str, t.Any]:
        return _moved(source, one, label, state, check_mode=check_mode)

    return list(source.concurrently(move, moves))


def _moved(
    source: SecretCandidates, move: CandidateMove, label: str, state: str, *, check_mode: bool
) -> dict[str, t.Any]:
    item: dict[str, t.Any] = {
        "name": move.secret,
        "arn": move.secret if move.secret.startswith("arn:") else None,
        "version_id": move.version_id,
        "previous_version_id": None,
        "action": "unchanged",
        "changes": [],
        "message": "",
    }
    plan_of = plan_promotion if state == "promoted" else plan_withdrawal
    refused: tuple[list[Request], SecretsManagerError] | None = None
    try:
        for _look in range(_MOST_LOOKS):
            described = source.describe(move.secret)
            if described is not None:
                item.update(name=described["Name"], arn=described["ARN"])
            plan = plan_of(move._replace(secret=item["name"]), described, label)
            if refused and refused[0] == plan.requests:
                raise refused[1]
            refused = _carried_out(source, plan, item, state, check_mode=check_mode)
            if refused is None:
                return item
        if refused:
            raise refused[1]
    except RotationError as failure:
        item.update(action="failed", message=failure.message)
    return item


def _carried_out(
    source: SecretCandidates,
    plan: MovePlan,
    item: dict[str, t.Any],
    state: str,
    *,
    check_mode: bool,
) -> tuple[list[Request], SecretsManagerError] | None:
    """What was left to do when a request was refused, and why: somebody else moves labels at the same moment."""
    item["previous_version_id"] = item["previous_version_id"] or plan.current_version_id
    for done, request in enumerate(plan.requests):
        try:
            if not check_mode:
                source.apply([request], item["name"])
        except SecretsManagerError as failure:
            return plan.requests[done:], failure
        item["action"] = state
        item["changes"].append(f"{request.name} {request.parameters['VersionStage']}")
    return None
