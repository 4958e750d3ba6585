# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""May a label move to another version of a secret that is there already? Pure: it asks and moves nothing."""

from __future__ import annotations

import typing as t

from ..._errors import InvalidOption, RotationError
from .arn import not_found, why_replica_stays
from .plan import Request, version_with

_PREVIOUS = "AWSPREVIOUS"


class LabelMove(t.NamedTuple):
    """secret: name or ARN; version_id: that is to have the label; from_version_id: that must have it, None for any."""

    secret: str
    version_id: str
    from_version_id: str | None = None


def check_moves(moves: t.Iterable[LabelMove]) -> list[LabelMove]:
    """Each one once. Raises InvalidOption for a secret that is to have two versions, and for one without any."""
    wanted: dict[str, LabelMove] = {}
    for move in moves:
        if not move.version_id:
            raise InvalidOption(
                f"{move.secret}: no earlier version of the secret is known: the file before was not made from it."
                " Store the certificate that is to be served as a new version instead."
            )
        other = wanted.setdefault(move.secret, move)
        if other != move:
            raise InvalidOption(
                f"{move.secret}: one host is to go from version {other.from_version_id} to {other.version_id}, another"
                f" one from {move.from_version_id} to {move.version_id}. A secret has one current version: roll these"
                " hosts back one after the other, and move it for one of them only."
            )
    return list(wanted.values())


def check_expected(name: str, moves: t.Mapping[str, str] | None) -> None:
    """moves: see plan_move. Raises RotationError for the name of a secret that none of them is about."""
    if moves is not None and name not in moves:
        raise RotationError(
            f"{name}: nobody expects this secret to get another version, so none gets one. Expected are: "
            f"{', '.join(sorted(moves)) or 'none'}. Who suggests it, a host perhaps, is not to be trusted with it."
        )


def plan_move(
    move: LabelMove,
    described: t.Mapping[str, t.Any] | None,
    label: str,
    version_ids: t.Callable[[], t.Collection[str]],
    expected: t.Mapping[str, str] | None = None,
) -> Request | None:
    """The request, None when the version has the label. described: the reply of DescribeSecret, None without a secret;
    version_ids: all versions, also those without any label; expected: name of each secret that may get another version
    -> which one, "" for the one before the current one. None: any. Raises RotationError when it must not move.
    """
    if described is None:
        raise RotationError(f"{move.secret}: there is no such secret. {not_found(move.secret)}")
    if described.get("DeletedDate"):
        raise RotationError(f"{move.secret}: the secret is marked for deletion. Restore it first (RestoreSecret).")
    if expected is not None:
        check_expected(described["Name"], expected)
    holder = version_with(described, label)
    if holder == move.version_id:
        return None
    if expected is not None:
        previous = version_with(described, _PREVIOUS)
        wanted = expected[described["Name"]] or previous
        if move.version_id != wanted:
            raise RotationError(
                f"{described['Name']}: version {move.version_id} is to be the current one, but"
                f" {wanted or 'no version'} is expected ({_PREVIOUS} is at {previous}). When it is the right one, name"
                f' it in option expected: {{"{described["Name"]}": "{move.version_id}"}}.'
            )
    if move.from_version_id and holder != move.from_version_id:
        raise RotationError(
            f"{move.secret}: {label} is at version {holder}, and not at {move.from_version_id} that is to be left."
            " Somebody has stored another version meanwhile: look at that one first, and rotate."
        )
    why = why_replica_stays(move.secret, described)
    if why:
        raise RotationError(why)
    if move.version_id not in (described.get("VersionIdsToStages") or {}) and move.version_id not in version_ids():
        raise RotationError(
            f"{move.secret}: version {move.version_id} does not exist any more, AWS removes versions without a label in"
            " time. Store the certificate that is to be served as a new version instead."
        )
    request = {"SecretId": described["ARN"], "VersionStage": label, "MoveToVersionId": move.version_id}
    return Request("update_secret_version_stage", {**request, **({"RemoveFromVersionId": holder} if holder else {})})
