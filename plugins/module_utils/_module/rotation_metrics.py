# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_metrics: the totals and the directory to a textfile."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t
from datetime import datetime, timezone

from .._core.record.metrics import Run, Totals, certificate_numbers
from .._core.record.status import LAYERS, VERDICTS
from .._errors import InvalidOption
from .._ports.store.atomic import FileAttributes, is_unfit, store_errors
from .._ports.store.directory import STATE_DIRECTORY, CertificateDirectory
from .._ports.store.places import Place, open_place
from .._ports.store.trust import UnsafeDirectory
from .boundary import module_boundary
from .dependencies import require_library
from .options import duration_option

_COUNTS: dict[str, t.Any] = {"type": "dict", "default": {}}
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "textfile": {"type": "path", "required": True},
    "names": {"type": "str", "choices": ["all", "conforming", "compatible"], "default": "all"},
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
TOTALS_FILE = "metrics.json"


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        textfile = params["textfile"]
        if not os.path.isabs(textfile) or not textfile.endswith(".prom"):
            raise InvalidOption(
                f"textfile: {textfile} must be an absolute path that ends in .prom; node_exporter reads no other."
            )
        require_library("prometheus_client")
        from .._core.record.textfile import render

        now = datetime.now(timezone.utc)
        counted = _run(params, now)
        seen = _layers(params["layers"])
        directory = CertificateDirectory(params["path"])
        # A run that failed before there was a directory is told, too, but there is nowhere to count it.
        exists = os.path.isdir(os.path.join(directory.path, STATE_DIRECTORY))
        write = exists and not module.check_mode
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(
                    directory.locked(duration_option(params, "lock_timeout").total_seconds(), create=write)
                )
            except UnsafeDirectory as error:
                # That the run failed is to be seen in the metrics, but not counted where others may write.
                module.warn(error.message)
                exists = False
            totals, warning = _totals_in(directory)
            if warning:
                module.warn(warning)
            if counted is not None:
                totals.add(counted, now)
            # The certificates' own warning is told by certificate_sync, which reads them again.
            manifest, _warning = directory.load()
            known = totals.layers
            totals.see(manifest, seen)
            keep = counted is not None or totals.layers != known
            certificates = certificate_numbers(
                manifest,
                lambda path: os.path.join(directory.path, path),
                lambda name: {**totals.drift(name), "disk": not directory.intact(manifest.entries[name])},
                totals.unproven,
            )
            text = render(directory.path, certificates, totals, names=params["names"], now=now)
            before = _read(textfile)
            changed = text != before or keep
            if changed and not module.check_mode:
                if keep and exists:
                    directory.write_own_file(TOTALS_FILE, totals.to_json())
                _write(textfile, text)
        diff = {"before": before.decode("utf-8", "replace"), "after": text.decode()} if module._diff else None
        module.exit_json(
            changed=changed,
            certificates=len(certificates),
            **({"diff": {"before_header": textfile, "after_header": textfile, **diff}} if diff else {}),
        )


def load_totals(path: str) -> tuple[Totals, str | None]:
    """What was counted for a certificate directory, and a warning when that is lost. Raises StoreError."""
    return _totals_in(CertificateDirectory(path))


def _totals_in(directory: CertificateDirectory) -> tuple[Totals, str | None]:
    file = os.path.join(directory.path, STATE_DIRECTORY, TOTALS_FILE)
    try:
        data = directory.read_own_file(TOTALS_FILE)
        return (Totals.from_json(data) if data else Totals()), None
    except ValueError as error:
        return Totals(), f"{file} is damaged ({error}): all counters of the metrics start again at zero."


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


def _read(path: str) -> bytes:
    """What this user wrote there before. Anything else is replaced, and never shown: it may be another file's name."""
    with store_errors(f"read {path}"):
        try:
            with _place(path) as place:
                return place.read(os.path.basename(path), own=True) or b""
        except OSError as error:
            if error.errno == errno.ENOENT or is_unfit(error):
                return b""
            raise


def _write(path: str, data: bytes) -> None:
    with store_errors(f"write {path}"), _place(path) as place:
        # The temporary file must not end in .prom: node_exporter would read it.
        place.write(os.path.basename(path), data, FileAttributes(0o644), temporary_suffix=".tmp")
        place.sync()


def _place(path: str) -> Place:
    """The directory of the textfile, which often belongs to node_exporter: what is in it is public."""
    return open_place(os.path.dirname(path), private=False)
