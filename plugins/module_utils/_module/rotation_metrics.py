# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_metrics: the totals and the directory to a textfile."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._core.record.metrics import Run
from .._core.record.status import LAYERS, VERDICTS
from .._errors import InvalidOption
from .._flows.metrics import write_metrics
from .boundary import module_boundary
from .options import METRIC_NAMES_OPTION, duration_option

_COUNTS: dict[str, t.Any] = {"type": "dict", "default": {}}
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "textfile": {"type": "path", "required": True},
    "names": METRIC_NAMES_OPTION,
    "succeeded": {"type": "bool"},
    "started_at": {"type": "float"},
    "requests": dict(_COUNTS),
    "request_errors": dict(_COUNTS),
    "reloads": dict(_COUNTS),
    "hot_updates": dict(_COUNTS),
    "changes": dict(_COUNTS),
    "problems": dict(_COUNTS),
    "layers": {"type": "list", "elements": "dict", "default": []},
    "lock_timeout": {"type": "str", "default": "60s"},
}


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params, now = module.params, datetime.now(timezone.utc)
        textfile = params["textfile"]
        report = write_metrics(
            params["path"],
            textfile,
            names=params["names"],
            run=_run(params, now),
            layers=_layers(params["layers"]),
            lock_timeout=duration_option(params, "lock_timeout").total_seconds(),
            now=now,
            check_mode=module.check_mode,
        )
        for warning in report.warnings:
            module.warn(warning)
        diff = {"before": report.before.decode("utf-8", "replace"), "after": report.text.decode()}
        module.exit_json(
            changed=report.changed,
            certificates=report.certificates,
            **({"diff": {"before_header": textfile, "after_header": textfile, **diff}} if module._diff else {}),
        )


def _run(params: t.Mapping[str, t.Any], now: datetime) -> Run | None:
    if params["succeeded"] is None:
        return None
    duration = None if params["started_at"] is None else now.timestamp() - params["started_at"]
    counts = ("requests", "request_errors", "reloads", "hot_updates", "changes", "problems")
    return Run(params["succeeded"], duration, **{name: _numbers(name, params[name]) for name in counts})


def _layers(items: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, dict[str, str]]:
    """Certificate -> layer -> verdict."""
    seen: dict[str, dict[str, str]] = {}
    for item in items:
        layers = item.get("layers")
        pairs = layers.items() if isinstance(layers, dict) else [("", "")]
        if "name" not in item or not all(layer in LAYERS and verdict in VERDICTS for layer, verdict in pairs):
            raise InvalidOption(
                f"layers: each needs a name, and layers: of {', '.join(LAYERS)} one of {', '.join(VERDICTS)}."
            )
        seen[str(item["name"])] = dict(pairs)
    return seen


def _numbers(option: str, counts: t.Mapping[str, t.Any]) -> dict[str, int]:
    try:
        numbers = {str(key): int(value) for key, value in counts.items()}
    except (TypeError, ValueError):
        numbers = {"": -1}
    if any(number < 0 for number in numbers.values()):
        raise InvalidOption(f"{option}: each value must be a number of events, 0 or more.")
    return numbers
