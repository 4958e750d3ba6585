# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_status_info: all watched endpoints as one verdict."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from .._core.instants import parse_duration
from .._core.push.given_targets import checked_number
from .._core.watch.registry import EndpointSelection
from .._errors import InvalidOption
from .._flows.watch.status import look_at_endpoints
from .boundary import module_boundary
from .options import duration_option, tag_texts
from .registry_options import DATABASE_OPTIONS, opened_registry

if t.TYPE_CHECKING:
    from .guarded import GuardedModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **DATABASE_OPTIONS,
    "names": {"type": "list", "elements": "str", "default": []},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "default": {}},
    "receivers": {"type": "list", "elements": "str", "default": []},
    "expiring_within": {"type": "list", "elements": "str", "default": []},
    "unreachable_after": {"type": "int", "default": 2},
    "max_age": {"type": "str"},
}


def run(module: GuardedModule) -> None:
    """module: a GuardedModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        found = look_at_endpoints(
            opened_registry(module, read_only=True),
            EndpointSelection(
                tuple(params["names"]), tuple(params["hosts"]), tuple(sorted(tag_texts(params["tags"]).items())), True
            ),
            receivers=params["receivers"],
            expiring_within=max(_thresholds(params["expiring_within"]), default=None),
            max_age=duration_option(params, "max_age") if params["max_age"] else None,
            unreachable_after=checked_number("unreachable_after", params["unreachable_after"], 1000, 1),
            now=datetime.now(timezone.utc),
        )
        module.exit_json(changed=False, **found.as_result())


def _thresholds(texts: t.Iterable[str]) -> list[timedelta]:
    """Raises InvalidOption."""
    try:
        return [parse_duration(text) for text in texts]
    except InvalidOption as error:
        raise InvalidOption(f"expiring_within: {error.message}") from None
