# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The totals of all runs and the directory, to a textfile that node_exporter reads."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t
from datetime import datetime

from .._core.record.metrics import Run, Totals, certificate_numbers
from .._core.unexpected import only_rotation_errors
from .._errors import InvalidOption, RotationError
from .._ports.host.libraries import require_library
from .._ports.store.atomic import FileAttributes, is_unfit, store_errors
from .._ports.store.directory import STATE_DIRECTORY, CertificateDirectory
from .._ports.store.foreseen import require_writable
from .._ports.store.places import Place, open_file_place
from .._ports.store.trust import UnsafeDirectory

TOTALS_FILE = "metrics.json"
N = t.TypeVar("N")


class MetricsReport(t.NamedTuple):
    """changed: whether textfile or totals are others now; before, text: of the textfile; warnings: for people."""

    changed: bool
    certificates: int
    before: bytes
    text: bytes
    warnings: list[str]


def write_metrics(
    path: str,
    textfile: str,
    *,
    names: str,
    run: Run | None,
    layers: t.Mapping[str, t.Mapping[str, str]],
    lock_timeout: float,
    now: datetime,
    check_mode: bool = False,
) -> MetricsReport:
    """path: the certificate directory; run: to be counted, ending now; layers: certificate -> layer -> verdict.

    Raises InvalidOption for a textfile that nobody would read, RotationError without prometheus_client, and StoreError.
    """
    require_textfile(textfile)
    from .._core.record.textfile import render

    warnings = []
    directory = CertificateDirectory(path)
    # A run that failed before there was a directory is told, too, but there is nowhere to count it.
    exists = os.path.isdir(os.path.join(directory.path, STATE_DIRECTORY))
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(directory.locked(lock_timeout, create=exists and not check_mode))
        except UnsafeDirectory as error:
            # That the run failed is to be seen in the metrics, but not counted where others may write.
            warnings.append(error.message)
            exists = False
        totals, warning = _totals_in(directory)
        warnings += [warning] if warning else []
        if run is not None:
            totals.add(run, now)
        # The certificates' own warning is told by the sync, which reads them again.
        manifest, _warning = directory.load()
        known = totals.layers
        totals.see(manifest, layers)
        keep = run is not None or totals.layers != known
        certificates = certificate_numbers(
            manifest,
            lambda file: os.path.join(directory.path, file),
            lambda name: {**totals.drift(name), "disk": not directory.intact(manifest.entries[name])},
            totals.unproven,
        )
        text = render(directory.path, certificates, totals, names=names, now=now)
        before = read_textfile(textfile)
        changed = text != before or keep
        if changed:
            if keep and exists:
                directory.write_own_file(TOTALS_FILE, totals.to_json(), check_mode=check_mode)
            write_textfile(textfile, text, alone=exists, check_mode=check_mode)
    return MetricsReport(changed, len(certificates), before, text, warnings)


def count_failure(path: str, textfile: str, names: str, now: datetime) -> str:
    """A run that broke off at once, by its options. Returns what went wrong with that; "" when nothing did."""
    run = Run(succeeded=False, duration=0.0, problems={"host": 1})
    try:
        with only_rotation_errors():
            write_metrics(path, textfile, names=names, run=run, layers={}, lock_timeout=60, now=now)
    except RotationError as error:
        return f"The metrics were not written: {error.message}"
    return ""


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


def require_textfile(path: str) -> None:
    """Raises InvalidOption for one that nobody would read, and RotationError without prometheus_client."""
    if not os.path.isabs(path) or not path.endswith(".prom"):
        raise InvalidOption(
            f"textfile: {path} must be an absolute path that ends in .prom; node_exporter reads no other."
        )
    require_library("prometheus_client")


def read_textfile(path: str) -> bytes:
    """What this user wrote there before. Anything else is never shown: it may be another file's name."""
    with store_errors(f"read {path}"):
        try:
            place, name = _place_of(path)
            with place:
                place.require_replaceable(name)
                return place.read(name, own=True) or b""
        except OSError as error:
            if error.errno == errno.ENOENT or is_unfit(error):
                return b""
            raise


def read_numbers(textfile: str, read: t.Callable[[str], N], empty: t.Callable[[], N]) -> tuple[bytes, N, list[str]]:
    """What the file holds, the numbers in it, and warnings. read: raises ValueError for a text that is damaged; empty:
    makes what counts then. Raises StoreError."""
    data = read_textfile(textfile)
    try:
        return data, read(data.decode()), []
    except ValueError:
        return data, empty(), [f"{textfile} is damaged: all counters of the metrics start again at zero."]


def write_textfile(path: str, data: bytes, *, alone: bool = False, check_mode: bool = False) -> None:
    """In place of a regular file or of nothing, in one step. Raises StoreError, and in check mode does nothing else.

    alone: a lock is held that keeps others from writing it now, so that what a killed run left can go at once.
    """
    with store_errors(f"write {path}"):
        place, name = _place_of(path)
        with place:
            if check_mode:
                require_writable(place, name)
                return
            if alone:
                place.remove_temporaries_of(name)
            else:
                place.remove_abandoned_of(name)
            # The temporary file must not end in .prom: node_exporter would read it.
            place.write(name, data, FileAttributes(0o644), temporary_suffix=".tmp")
            place.sync()


def _place_of(path: str) -> tuple[Place, str]:
    """The directory of the textfile, which often belongs to node_exporter: what is in it is public. A link of ours
    stays one."""
    return open_file_place(path, private=False)
