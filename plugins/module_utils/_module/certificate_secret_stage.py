# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret_stage: all secrets are looked at before the label of any of them moves."""

from __future__ import annotations

import typing as t

from .._core.secrets.labels import LabelMove, check_moves
from .._core.secrets.plan import CURRENT, Request, version_with
from .._errors import RotationError, SecretsManagerError
from .._ports.aws.secret_labels import SecretLabels
from .boundary import module_boundary

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "secrets": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "no_log": False,  # their names
        "options": {
            "name": {"type": "str", "required": True},
            "version_id": {"type": "str", "required": True},
            "from_version_id": {"type": "str"},
        },
    },
    "expected": {"type": "dict"},
    "stage": {"type": "str", "default": CURRENT},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        stage = module.params["stage"]
        moves = check_moves(
            LabelMove(secret["name"], secret["version_id"], secret["from_version_id"] or None)
            for secret in module.params["secrets"]
        )
        given = module.params["expected"]
        expected = None if given is None else {str(name): str(version or "") for name, version in given.items()}
        if not moves:
            module.exit_json(changed=False, secrets=[])
        source = SecretLabels(module.client("secretsmanager"), module.retry)
        planned: list[tuple[LabelMove, dict[str, t.Any], Request | None]] = []
        refusals: list[str] = []
        seen: dict[str, LabelMove] = {}
        for move in moves:
            try:
                described, request = source.plan(move, stage, expected)
                # By its name and by its ARN it is one secret, and has one move.
                other = seen.setdefault(described["ARN"], move)
                if other is not move:
                    check_moves([other, move._replace(secret=other.secret)])
                    continue
            except SecretsManagerError:
                raise
            except RotationError as error:
                refusals.append(error.message)
            else:
                planned.append((move, _item(move, described, stage, moved=request is not None), request))
        if refusals:
            raise RotationError("\n".join(refusals), changed=False)
        done: list[dict[str, t.Any]] = []
        for move, item, request in planned:
            if request is not None and not module.check_mode:
                try:
                    item["action"] = "moved" if source.move(move, stage, request) else "unchanged"
                except RotationError as error:
                    raise RotationError(
                        error.message, **{**error.details, "changed": _changed(done), "secrets": done}
                    ) from None
            done.append(item)
        before = {item["name"]: item["previous_version_id"] for item in done if item["action"] == "moved"}
        after = {item["name"]: item["version_id"] for item in done if item["action"] == "moved"}
        diff = {"diff": {"before": before, "after": after}} if module._diff else {}
        module.exit_json(changed=_changed(done), secrets=done, **diff)


def _item(move: LabelMove, described: t.Mapping[str, t.Any], stage: str, *, moved: bool) -> dict[str, t.Any]:
    return {
        "name": described["Name"],
        "arn": described["ARN"],
        "version_id": move.version_id,
        "previous_version_id": version_with(described, stage),
        "action": "moved" if moved else "unchanged",
    }


def _changed(items: t.Iterable[t.Mapping[str, t.Any]]) -> bool:
    return any(item["action"] == "moved" for item in items)
