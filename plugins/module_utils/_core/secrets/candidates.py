# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests put a candidate beside what is current, make it current, or take it back. Pure: it makes none of them.

Every order of requests is such that whoever dies between two of them leaves what the next run puts right, and what no
host misunderstands: a candidate never loses its base before its label, and AWSCURRENT moves before any label goes.
"""

from __future__ import annotations

import itertools
import typing as t

from ..._errors import InvalidOption, RotationError
from ..promotion import CURRENT, base_labels, candidate_of
from .arn import not_found, why_replica_stays
from .plan import MAX_AGAIN, Request, WantedSecret, plan_properties, put_version, require_primary

_Described = t.Mapping[str, t.Any]


class CandidateMove(t.NamedTuple):
    """secret: name or ARN; version_id: of the candidate; current_version_id: that is to be left, None for its base."""

    secret: str
    version_id: str
    current_version_id: str | None = None


class MovePlan(t.NamedTuple):
    """requests: in order; current_version_id: the version that is current before them; guarded: whether the first one
    moves AWSCURRENT, for which AWS asks that it is where the request says."""

    requests: list[Request]
    current_version_id: str | None
    guarded: bool = False


def plan_candidate(described: _Described, wanted: WantedSecret, *, same_content: bool) -> list[Request]:
    """The value beside the current one. wanted: with its base; same_content: whether the candidate that counts, or what
    is current, holds this already.

    Labels that earlier candidates have left go, for AWS takes 20 labels of all versions of a secret.
    Raises as plan_present.
    """
    versions = versions_of(described)
    identifier = {"SecretId": described["ARN"]}
    requests = plan_properties(described, wanted)
    if not (same_content or _is_there(versions, wanted)):
        left = [version for version, labels in versions.items() if wanted.label not in labels]
        requests += _unlabel(identifier, versions, left, wanted.label)
        requests.append(put_version(identifier, wanted))
        before = {version: labels for version, labels in versions.items() if wanted.label in labels}
        before = {version: [each for each in labels if each not in wanted.labels] for version, labels in before.items()}
        requests += _unlabel(identifier, before, before, wanted.label)
    require_primary(wanted.name, described, requests)
    return requests


def fresh_version(described: _Described, wanted: WantedSecret) -> WantedSecret:
    """With a version id of its own, unless it is the candidate already: what has been current stays what it was, and
    what was withdrawn or superseded does not come back with its age."""
    versions = versions_of(described)
    ids = list(itertools.islice(_versions_of_content(wanted), MAX_AGAIN))
    there = next((each for each in ids if _is_there(versions, each)), None)
    return there or next((each for each in ids if each.token not in versions), ids[-1])


def is_unlabelling(request: Request) -> bool:
    """Whether nothing but a label of an earlier candidate goes by it."""
    return request.operation == "update_secret_version_stage" and "MoveToVersionId" not in request.parameters


def check_candidate_moves(moves: t.Iterable[CandidateMove]) -> list[CandidateMove]:
    """Each one once. Raises InvalidOption for a secret of which two versions are named."""
    wanted: dict[str, CandidateMove] = {}
    for move in moves:
        other = wanted.setdefault(move.secret, move)
        if other != move:
            raise InvalidOption(
                f"candidates: {move.secret} is named twice, with version {other.version_id} and with {move.version_id}."
                " A secret has one candidate: look which one it is (certificate_candidate_info)."
            )
    return list(wanted.values())


def plan_promotion(move: CandidateMove, described: _Described | None, label: str) -> MovePlan:
    """Make the candidate current, then take its labels away. Raises RotationError when it must not be."""
    described = _changeable(move, described)
    versions, identifier = versions_of(described), {"SecretId": described["ARN"]}
    candidate = candidate_of(versions, label)
    current = candidate.current_version_id
    if current == move.version_id:  # by a run that did not come to the labels
        return MovePlan(_labels_away(identifier, versions, move, label, described), current)
    if label not in versions.get(move.version_id, ()):
        raise RotationError(f"{move.secret}: {_not_the_candidate(move, versions, label)}")
    left = move.current_version_id or candidate.base_version_id or current
    if current is None or current != left or not candidate.counts or candidate.version_id != move.version_id:
        raise RotationError(
            f"{move.secret}: version {move.version_id} is superseded: {CURRENT} is at version {current or 'none'}, and"
            f" the candidate was staged to take the place of {left or 'none'}. Somebody has stored another certificate"
            " meanwhile. Stage it anew if it is still wanted."
        )
    request = {**identifier, "VersionStage": CURRENT, "MoveToVersionId": move.version_id}
    moving = Request("update_secret_version_stage", {**request, "RemoveFromVersionId": left})
    return MovePlan([moving, *_labels_away(identifier, versions, move, label, described)], current, True)


def plan_withdrawal(move: CandidateMove, described: _Described | None, label: str) -> MovePlan:
    """Take the labels of this version away, and of no other. Raises RotationError when it is current by now."""
    described = _changeable(move, described)
    versions, identifier = versions_of(described), {"SecretId": described["ARN"]}
    current = candidate_of(versions, label).current_version_id
    if current == move.version_id:
        raise RotationError(
            f"{move.secret}: version {move.version_id} is the current one: it has been promoted, and cannot be"
            " withdrawn any more. Roll back (playbook rollback), or promote it once more to have its labels removed."
        )
    return MovePlan(_labels_away(identifier, versions, move, label, described), current)


def versions_of(described: _Described) -> dict[str, list[str]]:
    """Version id -> labels. described: a reply of DescribeSecret."""
    return dict(described.get("VersionIdsToStages") or {})


def _versions_of_content(wanted: WantedSecret) -> t.Iterator[WantedSecret]:
    while True:
        yield wanted
        wanted = wanted.once_more


def _is_there(versions: t.Mapping[str, t.Sequence[str]], wanted: WantedSecret) -> bool:
    candidate = candidate_of(versions, wanted.label)
    return candidate.counts and candidate.version_id == wanted.token and candidate.base_version_id == wanted.base


def _changeable(move: CandidateMove, described: _Described | None) -> _Described:
    if described is None:
        raise RotationError(f"{move.secret}: there is no such secret. {not_found(move.secret)}")
    if described.get("DeletedDate"):
        raise RotationError(f"{move.secret}: the secret is marked for deletion. Restore it first (RestoreSecret).")
    return described


def _labels_away(
    identifier: t.Mapping[str, str],
    versions: t.Mapping[str, t.Sequence[str]],
    move: CandidateMove,
    label: str,
    described: _Described,
) -> list[Request]:
    requests = _unlabel(identifier, versions, [move.version_id], label)
    why = why_replica_stays(move.secret, described)
    if requests and why:
        raise RotationError(why)
    return requests


def _unlabel(
    identifier: t.Mapping[str, str],
    versions: t.Mapping[str, t.Sequence[str]],
    only: t.Iterable[str],
    label: str,
) -> list[Request]:
    """The label first: a candidate whose base is gone would count for whoever looks between the two requests."""
    return [
        Request("update_secret_version_stage", {**identifier, "VersionStage": each, "RemoveFromVersionId": version})
        for version in only
        for each in [
            *(each for each in versions.get(version, ()) if each == label),
            *base_labels(versions.get(version, ()), label),
        ]
    ]


def _not_the_candidate(move: CandidateMove, versions: t.Mapping[str, t.Sequence[str]], label: str) -> str:
    holder = candidate_of(versions, label).version_id
    now = f"version {holder} has the label now" if holder else "no version has the label any more"
    return f"version {move.version_id} is not the candidate with the label {label}: {now}. Nothing moves."
