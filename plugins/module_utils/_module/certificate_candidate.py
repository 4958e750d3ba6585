# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_candidate: parameters to what is promoted or withdrawn, what came of each to the result."""

from __future__ import annotations

import typing as t

from .._core.promotion import CANDIDATE, check_label
from .._core.secrets.candidates import CandidateMove, check_candidate_moves
from .._errors import InvalidOption, RotationError
from .._flows.candidates import move_candidates
from .._ports.aws.secret_candidates import SecretCandidates
from .boundary import module_boundary
from .options import exact_text

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    # As certificate_candidate_info returns them, which is more than is needed.
    "candidates": {"type": "list", "elements": "dict", "required": True},
    "label": {"type": "str", "default": CANDIDATE},
    "state": {"type": "str", "choices": ["promoted", "withdrawn"], "required": True},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        label = check_label(params["label"], "label")
        moves = check_candidate_moves(map(_move, params["candidates"]))
        if not moves:
            module.exit_json(changed=False, candidates=[])
        source = SecretCandidates(module.client("secretsmanager"), module.retry)
        items = move_candidates(source, moves, label, params["state"], check_mode=module.check_mode)
        moved = [item for item in items if item["changes"]]
        result: dict[str, t.Any] = {"changed": bool(moved), "candidates": items}
        if module._diff:
            result["diff"] = _diff(moved, params["state"], label)
        failed = [item["message"] for item in items if item["action"] == "failed"]
        if failed:
            more = f"{len(failed)} of {len(items)} candidates failed, the others are done:\n" if len(items) > 1 else ""
            raise RotationError(more + "\n".join(failed), **result)
        module.exit_json(**result)


def _move(given: t.Mapping[str, t.Any]) -> CandidateMove:
    """Raises InvalidOption."""
    texts = {}
    for key in ("name", "version_id", "current_version_id"):
        value = given.get(key)
        texts[key] = "" if value is None else exact_text(f"candidates: {key}", value).strip()
        if not texts[key] and key != "current_version_id":
            raise InvalidOption(
                f"candidates: {texts['name'] or 'an item'} has no {key}. Each needs name and version_id, as"
                " certificate_candidate_info returns them of what is staged."
            )
    return CandidateMove(texts["name"], texts["version_id"], texts["current_version_id"] or None)


def _diff(moved: t.Sequence[t.Mapping[str, t.Any]], state: str, label: str) -> dict[str, t.Any]:
    if state == "withdrawn":
        return {"before": {item["name"]: {label: item["version_id"]} for item in moved}, "after": {}}
    return {
        "before": {item["name"]: {"AWSCURRENT": item["previous_version_id"]} for item in moved},
        "after": {item["name"]: {"AWSCURRENT": item["version_id"]} for item in moved},
    }
