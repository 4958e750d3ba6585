# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record stage: which versions have been seen served, and how the last run ended. time is an argument."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ..._core.haproxy.update_cost import Measured, keep_costs
from ..._core.instants import from_timestamp, is_ahead, isoformat_utc, parse_isoformat_utc
from ..._core.pipeline.manifest import Manifest
from ..._errors import InvalidOption, StoreError
from ..._ports.store import last_success
from ..._ports.store.directory import STATE_DIRECTORY, CertificateDirectory

STATE_FILE = "state.json"
RECENT_ERRORS = 5


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended. result: proven, rolled_back, unproven or failed; activation: how HAProxy was made to use them.

    names: certificates seen served, None for all that are deployed; retired: absolute paths of removed certificates
    that are no longer in memory; message: for a run that did not end well; not_proven: certificates that could not be
    asked for, and why; loaded: those that the next run need not load again, None to keep what is known; costs: way to
    update HAProxy -> what that took.
    """

    result: str
    activation: str
    names: t.Sequence[str] | None = None
    retired: t.Collection[str] = ()
    message: str = ""
    failures: t.Sequence[str] = field(default_factory=tuple)
    not_proven: t.Mapping[str, str] = field(default_factory=dict)
    loaded: t.Collection[str] | None = None
    costs: t.Mapping[str, Measured] = field(default_factory=dict)


def read_state(directory: str) -> dict[str, t.Any]:
    """The state of the last recorded run; {} when there is none or it is damaged (it is only ever informative)."""
    return state_of(CertificateDirectory(directory))


def state_of(directory: CertificateDirectory) -> dict[str, t.Any]:
    """As read_state."""
    try:
        state = json.loads(directory.read_own_file(STATE_FILE) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def record(
    directory: CertificateDirectory, outcome: RunOutcome, *, now: datetime, lock_timeout: float, check_mode: bool
) -> tuple[bool, dict[str, t.Any]]:
    """Mark versions as proven and write the state file. Returns whether anything was news, and the state.

    A run that proves what was proven already, after one that ended the same way, is no news: nothing is written, but
    that it ended well is remembered.
    Raises InvalidOption for unknown names and StoreError when files cannot be read or written.
    """
    if not os.path.isdir(os.path.join(directory.path, STATE_DIRECTORY)):
        raise InvalidOption(f"{directory.path} is no directory that certificate_sync has written to.")
    with directory.locked(lock_timeout, create=not check_mode):
        manifest, _warning = directory.load()
        old = state_of(directory)
        names = sorted(manifest.entries) if outcome.names is None else list(outcome.names)
        unknown = sorted(set(names) - set(manifest.entries))
        if unknown:
            raise InvalidOption(f"No certificate was deployed to {directory.path} from: {', '.join(unknown)}.")
        newly_proven = []
        if outcome.result == "proven":
            newly_proven = [
                name for name in names if manifest.entries[name].proven != manifest.entries[name].current.digest
            ]
        gone = {path for path in manifest.retired if os.path.join(directory.path, path) in outcome.retired}
        same_end = (old.get("outcome"), old.get("failures", []), old.get("not_proven", {})) == (
            outcome.result,
            list(outcome.failures),
            dict(outcome.not_proven),
        )
        loading = _mark_loaded(manifest, outcome.loaded)
        if same_end and not newly_proven and not gone and not loading and outcome.result == "proven":
            if not outcome.failures and not check_mode:
                last_success.touch(directory, now.timestamp())
            return False, old
        manifest.retired -= gone
        for name in newly_proven:
            manifest.entries[name].proven = manifest.entries[name].current.digest
            manifest.entries[name].proven_at = isoformat_utc(now)
        state = _state({**old, "last_success_at": _last_success_at(directory, old, now)}, outcome, newly_proven, now)
        state["certificates"] = {
            name: {
                "version_id": entry.current.version_id,
                "fingerprint_sha256": entry.current.summary.get("fingerprint_sha256"),
                "not_after": entry.current.summary.get("not_after"),
                "proven": entry.proven == entry.current.digest,
            }
            for name, entry in sorted(manifest.entries.items())
        }
        # The manifest last: a run that was killed in between is then repeated by the next one.
        text = json.dumps(state, indent=1, sort_keys=True) + "\n"
        directory.write_own_file(STATE_FILE, text.encode(), check_mode=check_mode)
        if not check_mode:
            # The state knows of all before it: where there is a stamp, it is of a later run, though of the same second.
            last_success.forget(directory)
            if newly_proven or gone or loading:
                directory.save(manifest)
        return True, state


def _mark_loaded(manifest: Manifest, names: t.Collection[str] | None) -> bool:
    """Whether that is news."""
    before = {name: entry.loaded for name, entry in manifest.entries.items()}
    if names is not None:
        for name, entry in manifest.entries.items():
            entry.loaded = entry.current.digest if name in names else None
    return before != {name: entry.loaded for name, entry in manifest.entries.items()}


def remember_success(directory: CertificateDirectory, now: datetime) -> list[str]:
    """That a run ended well which has nothing to tell. Returns why it could not be: the run has ended well even so."""
    try:
        last_success.touch(directory, now.timestamp())
    except StoreError as error:
        return [f"That this run ended well is not remembered, so the status may miss it: {error.message}"]
    return []


def _last_success_at(directory: CertificateDirectory, old: t.Mapping[str, t.Any], now: datetime) -> str | None:
    """Of the state or of the stamp, whichever is later. What a clock that was wrong has noted does not count."""
    touched = last_success.touched(directory)
    found = [] if touched is None else [from_timestamp(touched)]
    with contextlib.suppress(InvalidOption):
        found.append(parse_isoformat_utc(str(old.get("last_success_at"))))
    known = [instant for instant in found if not is_ahead(instant, now)]
    return isoformat_utc(max(known)) if known else None


def _state(old: t.Mapping[str, t.Any], outcome: RunOutcome, proven: list[str], now: datetime) -> dict[str, t.Any]:
    finished_at = isoformat_utc(now)
    errors = old["recent_errors"] if isinstance(old.get("recent_errors"), list) else []
    if outcome.result != "proven" or outcome.failures:
        message = outcome.message or "; ".join(outcome.failures)
        errors = [*errors, {"at": finished_at, "message": message}][-RECENT_ERRORS:]
    succeeded = outcome.result == "proven" and not outcome.failures
    costs = keep_costs(old.get("update_costs"), outcome.costs)
    return {
        "format": 1,
        "outcome": outcome.result,
        "activation": outcome.activation,
        "finished_at": finished_at,
        "last_success_at": finished_at if succeeded else old["last_success_at"],
        "newly_proven": proven,
        "failures": list(outcome.failures),
        "not_proven": dict(outcome.not_proven),
        "recent_errors": errors,
        **({"update_costs": costs} if costs else {}),
    }
