# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_registry_info: what is known of watched endpoints."""

from __future__ import annotations

import itertools
import typing as t
from datetime import datetime, timezone

from .._core.text import listed
from .._core.watch.delivery import event_document
from .._core.watch.endpoint_results import endpoint_result
from .._core.watch.registry import EndpointSelection
from .._core.watch.selecting import not_found
from .._errors import InvalidOption, RegistryError
from .boundary import module_boundary
from .options import tag_texts
from .registry_options import DATABASE_OPTIONS, opened_registry

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **DATABASE_OPTIONS,
    "names": {"type": "list", "elements": "str", "default": []},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict", "default": {}},
    "enabled": {"type": "bool"},
    "history": {"type": "bool", "default": False},
    "limit": {"type": "int", "default": 100},
}
_MOST: t.Final = 100_000


def run(module: t.Any) -> None:
    """module: a GuardedModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params, now = module.params, datetime.now(timezone.utc)
        limit = params["limit"]
        if not 0 < limit <= _MOST:
            raise InvalidOption(f"limit is a number from 1 to {_MOST}, not {limit}.")
        selection = EndpointSelection(
            tuple(params["names"]), tuple(params["hosts"]), tuple(tag_texts(params["tags"]).items()), params["enabled"]
        )
        registry = opened_registry(module, read_only=True)
        exists = registry.exists()
        missing = not_found(selection, registry.endpoints(EndpointSelection()))
        if missing:
            where = "" if exists else ", which does not exist yet"
            raise RegistryError(f"Not in the registry {registry.place}{where}: {listed(missing)}.", missing=missing)
        if not exists:
            module.warn(f"There is no registry in {registry.place} yet: certops.rotation.endpoint_registry makes it.")
        views = itertools.islice(registry.views(selection, history=params["history"]), limit)
        module.exit_json(
            changed=False,
            endpoints=[endpoint_result(view, now, history=params["history"]) for view in views],
            events=[event_document(event) for event in registry.events(selection, None, limit)],
            total=len(registry.endpoints(selection)),
        )
