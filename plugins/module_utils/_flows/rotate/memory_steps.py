# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps in HAProxy's memory that belong together: when one fails, those before it are undone."""

from __future__ import annotations

import copy
import os
import typing as t

from ..._core.haproxy.content import CertificateContent, check_key, parse_content
from ..._core.haproxy.crt_list_line import PLAIN, CrtListLine, read_line
from ..._core.haproxy.parsing import CrtListEntry, StoredCertificate
from ..._core.haproxy.stapling import Staple
from ..._core.x509.problems import MaterialError
from ..._errors import HaproxyError, RotationError
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.crt_list_file import CrtListFile
from ..._ports.haproxy.errors import UnsupportedCommand
from ..._ports.openssl.loadable import why_not_loaded
from ..._ports.store.live import STATE_DIRECTORY

_LARGEST = 1 << 20  # bytes of a kept version


class Step(t.NamedTuple):
    """name: whose step it is; do, undo: raise RotationError."""

    name: str
    do: t.Callable[[], object]
    undo: t.Callable[[], object]


def carry_out(steps: t.Sequence[Step], names: t.Sequence[str]) -> None:
    """All of them or none. names: those of one file, for the message.

    Raises the RotationError of the step that failed. Its text says which name that was, and what could not be undone.
    """
    done: list[Step] = []
    for step in steps:
        try:
            step.do()
        except RotationError as error:
            stuck = [earlier.name for earlier in reversed(done) if not _undo(earlier)]
            raise _explained(error, step.name, stuck, names) from None
        done.append(step)


def update_step(
    memory: CertificateMemory,
    name: str,
    content: CertificateContent,
    back_to: tuple[str | None, StoredCertificate] | None,
    staple: Staple | None = None,
) -> Step:
    """back_to: the file, whose kept versions are looked through, and what HAProxy holds; None: there is no way back."""
    earlier: list[CertificateContent] = []

    def update() -> None:
        found = _earlier_content(memory, *back_to) if back_to is not None else None
        earlier.extend([found] if found is not None else [])
        memory.update(name, content, staple)

    def undo() -> None:
        if not earlier:
            raise HaproxyError(f"What HAProxy held as {name} is not known.")
        memory.update(name, earlier[0])

    return Step(name, update, undo)


def staple_step(memory: CertificateMemory, name: str, content: CertificateContent, staple: Staple) -> Step:
    """Nothing is undone: what HAProxy stapled before is not known, and this is for the certificate that stays."""
    return Step(name, lambda: memory.staple(name, content, staple), lambda: None)


def add_step(
    memory: CertificateMemory,
    name: str,
    content: CertificateContent,
    crt_list: str,
    line: CrtListLine = PLAIN,
    staple: Staple | None = None,
) -> Step:
    return Step(name, lambda: memory.add(name, content, crt_list, line, staple), lambda: memory.remove(name))


def link_step(memory: CertificateMemory, name: str, crt_list: str, line: CrtListLine = PLAIN) -> Step:
    return Step(name, lambda: memory.link(name, crt_list, line), lambda: memory.unlink_line(name, crt_list, line))


def unlink_step(memory: CertificateMemory, crt_list: str, entry: CrtListEntry) -> Step:
    """entry: one line of a certificate there. Undone, it comes last."""
    line = read_line(entry.rest)
    return Step(
        entry.name,
        lambda: memory.unlink_line(entry.name, crt_list, line, entry.line),
        lambda: memory.relink(crt_list, [entry]),
    )


def edit_step(file: CrtListFile, path: str, added: t.Sequence[CrtListLine], removed: t.Collection[int]) -> Step:
    before = file.read()
    return Step(file.path, lambda: file.edit(path, added, removed, before), lambda: file.write_back(before))


def line_step(file: CrtListFile, path: str) -> Step:
    before = file.read()
    return Step(file.path, lambda: file.add(path), lambda: file.write_back(before))


def _earlier_content(
    memory: CertificateMemory, file: str | None, stored: StoredCertificate
) -> CertificateContent | None:
    """What HAProxy holds, with its key, to go back to: from HAProxy itself (3.1) or from the versions kept on disk."""
    try:
        found = _usable(memory.dump(stored.name), stored)
    except UnsupportedCommand:
        found = None
    return found or (_kept_version(file, stored) if file is not None else None)


def _kept_version(file: str, stored: StoredCertificate) -> CertificateContent | None:
    directory, base = os.path.split(file)
    stem, suffix = os.path.splitext(base)
    versions = os.path.join(directory, STATE_DIRECTORY, "versions")
    try:
        kept = [name for name in os.listdir(versions) if name.startswith(f"{stem}~") and name.endswith(suffix)]
    except OSError:  # not a directory of ours
        return None
    for name in sorted(kept):
        try:
            descriptor = os.open(os.path.join(versions, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as opened:
                found = _usable(opened.read(_LARGEST), stored)
        except OSError:  # dropped meanwhile
            continue
        if found is not None:
            return found
    return None


def _usable(pem: str | bytes, stored: StoredCertificate) -> CertificateContent | None:
    try:
        content = parse_content(pem)
        check_key(content, why_not_loaded)
    except MaterialError:
        return None
    return content if content.matches(stored) else None


def _undo(step: Step) -> bool:
    try:
        step.undo()
    except RotationError:
        return False
    return True


def _explained(error: RotationError, name: str, stuck: t.Sequence[str], names: t.Sequence[str]) -> RotationError:
    if len(names) < 2:
        return error
    explained = copy.copy(error)
    others = ", ".join(other for other in names if other != name)
    explained.message = f"{name} failed, which is the same file as {others}: {error.message}"
    if stuck:
        explained.message += (
            f" {', '.join(dict.fromkeys(stuck))} could not be put back to what it was and has the new certificate. Run"
            " this again, or reload HAProxy."
        )
    else:
        explained.message += " The others are as they were."
    return explained
