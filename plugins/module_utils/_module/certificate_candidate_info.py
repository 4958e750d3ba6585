# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_candidate_info: parameters to which secrets, what their candidates are to the result."""

from __future__ import annotations

import functools
import typing as t
from datetime import datetime, timezone

from .._core.promotion import CANDIDATE, check_label
from .._flows.candidates import look_at_candidates
from .._ports.aws.secret_candidates import SecretCandidates
from .boundary import module_boundary
from .selection import CONTENT_OPTIONS, SELECTION_OPTIONS, secret_selection, secret_verifier

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **SELECTION_OPTIONS,
    "label": {"type": "str", "default": CANDIDATE},
    **CONTENT_OPTIONS,
}
REQUIRED_ONE_OF = [["names", "name_prefix", "tags"]]


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        label = check_label(params["label"], "label")
        selection = secret_selection(params, empty_prefix_is_all=True)
        if selection is None:
            module.exit_json(changed=False, candidates=[], api_calls={})
            return
        source = SecretCandidates(module.client("secretsmanager"), module.retry)
        verifier = functools.lru_cache(maxsize=1)(lambda: secret_verifier(params))
        found = look_at_candidates(source, selection, label, verifier, now=datetime.now(timezone.utc))
        for warning in found.warnings:
            module.warn(warning)
        module.exit_json(changed=False, candidates=found.items, api_calls=dict(source.api_calls))
