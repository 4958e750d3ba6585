# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies on disk, whatever the source says of it: what time has done to it, and whether anybody still renews it."""

from __future__ import annotations

import os
import typing as t
from datetime import datetime, timedelta

from ..._core.pipeline.causes import cause_of
from ..._core.pipeline.manifest import Entry, Manifest
from ..._core.pipeline.plan import date_problems
from ..._core.pipeline.source import Selection
from ..._core.pipeline.sync_report import SyncReport
from ..._core.x509.problems import Problem
from ..._errors import RotationError, StoreError
from ..._ports.store.directory import CertificateDirectory

NOT_SELECTED = "Nothing is selected: give names, name_prefix or tags. No certificate was looked for."
#: Why there is no newer one, for date_problems.
UNFOUND = "and its secret was not found, so nothing renews it. Select it again, or remove it"
UNASKED = "and a newer one could not be looked for"
REFUSED = "and the newer one of its secret was not taken over. Mend that"
_SHOWN = 5  # names in one message


def is_in_use(directory: CertificateDirectory, manifest: Manifest, damage: str | None) -> bool:
    """Whether certificates from secrets lie there, for which finding nothing means that nobody renews them.

    damage: the warning about a manifest that cannot be read; files that it does not know count as well.
    """
    return any(entry.arn for entry in manifest.entries.values()) or bool(damage or directory.orphans(manifest))


def nothing_found(
    selection: Selection | None, where: str, entries: t.Iterable[Entry], directory: str, in_use: bool
) -> Problem:
    """What was looked for and where, and what is known of where the deployed ones came from.

    selection: None when nothing was selected; where: region and endpoint, "" when they are not known.
    """
    place = f" in {where}" if where else ""
    lines = [NOT_SELECTED if selection is None else f"No secret was found by {selection_text(selection)}{place}."]
    came = sorted((entry.name, entry.arn) for entry in entries if entry.arn)
    if came:
        places = sorted({_place(arn) for _name, arn in came})
        more = f" and {len(came) - _SHOWN} more" if len(came) > _SHOWN else ""
        names = ", ".join(name for name, _arn in came[:_SHOWN])
        lines.append(f"{directory} holds {names}{more}, from {' and '.join(places)}. Nobody renews what is not found.")
    elif in_use:
        lines.append(f"{directory} holds certificates, though the manifest does not know which.")
    if selection is not None:
        lines.append("Names, prefixes and tags are compared exactly. Correct the selection or the region.")
    return Problem("nothing_found", "error", " ".join(lines))


def selection_text(selection: Selection) -> str:
    """For people: what was looked for."""
    parts = []
    if selection.tags:
        parts.append("tags " + ", ".join(f"{key}={value}" for key, value in sorted(selection.tags.items())))
    elif selection.names:
        more = f" and {len(selection.names) - _SHOWN} more" if len(selection.names) > _SHOWN else ""
        parts.append(f"names {', '.join(selection.names[:_SHOWN])}{more}")
    if selection.name_prefix is not None:
        parts.append(f"name_prefix {selection.name_prefix!r}")
    return " and ".join(parts)


def deployed_failures(
    directory: CertificateDirectory, *, now: datetime, min_remaining: timedelta, why: str
) -> tuple[Manifest, str | None, list[str]]:
    """For a run that did not get as far as comparing: the manifest, the warning about it, and a line for each deployed
    certificate that has expired or soon will. Raises StoreError."""
    manifest, damage = directory.load()
    lines = [
        f"{name}: {problem.message} [{problem.code}]"
        for name, entry in sorted(manifest.entries.items())
        for problem in date_problems(entry.current.summary, now=now, min_remaining=min_remaining, why=why)
    ]
    return manifest, damage, lines


def nothing_selected(
    directory: CertificateDirectory, *, now: datetime, min_remaining: timedelta, policy: str
) -> SyncReport:
    """What is deployed is judged all the same, and that nobody asks for it is a failure. policy: on_nothing_found."""
    report = SyncReport()
    manifest, damage, lines = deployed_failures(directory, now=now, min_remaining=min_remaining, why=UNFOUND)
    in_use = is_in_use(directory, manifest, damage)
    problem = nothing_found(None, "", manifest.entries.values(), directory.path, in_use)
    line = f"{problem.message} [{problem.code}]"
    if in_use and policy == "fail":
        report.fail(line, cause_of([problem.code]))
    elif policy != "ignore":
        report.warnings.append(line)
    for text in lines:
        report.fail(text, "content")
    return report


def also_deployed(
    error: RotationError, directory: CertificateDirectory, *, now: datetime, min_remaining: timedelta
) -> None:
    """Adds to it what is about to expire there, though the run has failed: that may be the more urgent news."""
    try:
        lines = deployed_failures(directory, now=now, min_remaining=min_remaining, why=UNASKED)[2]
    except StoreError as unreadable:
        lines = [f"What is deployed is not known: {unreadable.message}"]
    error.message = "\n".join([error.message, *lines])


def unselected(entry: Entry, directory: str, problems: t.Iterable[Problem]) -> dict[str, t.Any]:
    """For the result."""
    return {
        "name": entry.name,
        "arn": entry.arn,
        "path": os.path.join(directory, entry.main_path),
        "not_after": entry.current.summary.get("not_after"),
        "problems": [problem.as_dict() for problem in problems],
    }


def _place(arn: str) -> str:
    """arn:aws:secretsmanager:REGION:ACCOUNT:secret:..."""
    _arn, _partition, _service, region, account, *_rest = [*arn.split(":"), *[""] * 5]
    return f"region {region} of account {account}"
