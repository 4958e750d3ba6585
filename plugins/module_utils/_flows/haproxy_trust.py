# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring the CA files and CRL files in a running HAProxy to the wanted content, and tell what was done."""

from __future__ import annotations

import datetime
import os
import typing as t
from dataclasses import dataclass, field

from .._core.haproxy.trust_content import StoredTrust, TrustContent, facts, parse_authority_file, parse_crl_file
from .._core.unexpected import only_rotation_errors
from .._errors import InvalidOption, RotationError
from .._ports.haproxy.runtime import escape
from .._ports.haproxy.trust_files import TrustFiles, check_new_name
from .._ports.store.atomic import read_regular_file
from .haproxy_failures import HOPELESS, error_code

_LOADED_KINDS = (".pem", ".crt", ".cer", ".crl")


@dataclass(frozen=True, repr=False)
class WantedFile:
    """A file as it is to be. content: PEM, None when it is read from source. state: updated, present or absent."""

    name: str
    kind: str
    source: str | None
    content: str | None
    state: str = "updated"

    def read(self, at: datetime.datetime) -> TrustContent:
        """Raises MaterialError, InvalidOption."""
        parse = parse_crl_file if self.kind == "crl" else parse_authority_file
        if self.content is not None:
            return parse(self.content, at)
        source = self.source or ""
        try:
            if self.kind == "ca" and os.path.isdir(source):
                return parse(_read_directory(source), at)
            return parse(read_regular_file(source), at)
        except OSError as error:
            raise InvalidOption(f"Cannot read {self.source}: {error.strerror or error}.") from None


@dataclass
class FileOutcome:
    """What happened to one file. before, after: what HAProxy held and holds (in check mode: would hold)."""

    name: str
    kind: str
    names: t.Sequence[str] = ()
    action: str = "unchanged"
    before: t.Sequence[StoredTrust] = ()
    after: t.Sequence[StoredTrust] = ()
    warnings: t.Sequence[str] = field(default_factory=list)
    error: RotationError | None = None

    def as_result(self) -> dict[str, t.Any]:
        return {
            "name": self.name,
            "names": list(self.names),
            "kind": self.kind,
            "action": self.action,
            "authorities": sorted_facts(self.after) if self.kind == "ca" else [],
            "crls": sorted_facts(self.after) if self.kind == "crl" else [],
            "error_code": error_code(self.error) if self.error else None,
            "message": self.error.message if self.error else None,
        }


def apply_files(
    files: TrustFiles, wanted: t.Sequence[WantedFile], at: datetime.datetime, *, check_mode: bool
) -> list[FileOutcome]:
    """Outcomes in the order of wanted. One failure does not stop the others, unless it would be theirs too."""
    outcomes = [FileOutcome(item.name, item.kind) for item in wanted]
    hopeless: RotationError | None = None
    # A transaction left open by a killed run blocks all others of its kind: its file goes first.
    order = sorted(range(len(wanted)), key=lambda number: wanted[number].name != files.pending[wanted[number].kind])
    for number in order:
        outcome = outcomes[number]
        try:
            if hopeless is not None:
                raise hopeless
            with only_rotation_errors():
                _apply_one(files, wanted[number], outcome, at, check_mode)
        except RotationError as error:
            outcome.action, outcome.error = "failed", error
            hopeless = error if isinstance(error, HOPELESS) else None
    return outcomes


def _apply_one(
    files: TrustFiles, wanted: WantedFile, outcome: FileOutcome, at: datetime.datetime, check_mode: bool
) -> None:
    escape(wanted.name)  # refuses one that is no name, before it is looked for
    may_be_missing = wanted.state != "updated"
    outcome.names = (files.find_names if may_be_missing else files.known_names)(wanted.kind, wanted.name)
    outcome.name = outcome.names[0] if outcome.names else wanted.name
    held = {name: files.describe(wanted.kind, name) for name in outcome.names}
    outcome.before = outcome.after = held.get(outcome.name, ())
    if wanted.state == "absent":
        _remove(files, wanted, outcome, check_mode)
        return
    content = wanted.read(at)
    outcome.warnings = content.warnings
    if not held:
        check_new_name(wanted.name)
        if check_mode:
            files.check_fits(wanted.kind, wanted.name, content)
        else:
            files.add(wanted.kind, wanted.name, content)
        outcome.names, outcome.after, outcome.action = [wanted.name], content.members, "added"
        return
    stale = [name for name, members in held.items() if not content.is_held(members)]
    if not stale:
        return
    outcome.before = held[stale[0]]
    if check_mode:
        for name in stale:
            files.check_safe(wanted.kind, name)
            files.check_fits(wanted.kind, name, content)
    else:
        _update_all(files, wanted.kind, stale, content)
    outcome.after = content.members
    outcome.action = "updated"


def _remove(files: TrustFiles, wanted: WantedFile, outcome: FileOutcome, check_mode: bool) -> None:
    if not outcome.names:
        return
    files.check_removable(wanted.kind, outcome.names)
    if not check_mode:
        for name in outcome.names:
            files.remove(wanted.kind, name)
    outcome.after, outcome.action = (), "removed"


def _update_all(files: TrustFiles, kind: str, names: t.Sequence[str], content: TrustContent) -> None:
    """There is no way back: HAProxy does not tell the PEM that it holds. The next run goes on with those left."""
    for number, name in enumerate(names):
        try:
            files.update(kind, name, content)
        except RotationError as error:
            if number:
                done = ", ".join(names[:number])
                error.message = (
                    f"{name} failed, after {done}, which is the same file, had been updated: {error.message}"
                )
            raise


def _read_directory(path: str) -> bytes:
    """What HAProxy loads of a directory that is a ca-file: its files of these kinds, by their names.

    Source: configuration manual, ca-file. Raises OSError, StoreError.
    """
    names = sorted(name for name in os.listdir(path) if name.endswith(_LOADED_KINDS))
    return b"\n".join(read_regular_file(os.path.join(path, name)) for name in names)


def sorted_facts(members: t.Sequence[StoredTrust]) -> list[dict[str, t.Any]]:
    """In an order of their own, so that a diff shows only what differs."""
    return sorted(map(facts, members), key=str)
