# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The crt-lists in a running HAProxy: files and directories, and the lines by which certificates are used in them.

Commands: management guide, section 9.3 (show/add/del ssl crt-list). Names are always those that HAProxy lists.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._core.haproxy.crt_list_line import PLAIN, UNUSABLE, CrtListLine, read_line
from ..._core.haproxy.parsing import CrtListEntry, parse_crt_list, parse_crt_lists
from ..._core.haproxy.refusals import reason
from ..._core.text import lines_of
from ..._errors import HaproxyError, InvalidOption
from .errors import CertificateInUse, CertificateRefused, CrtListRequired, ReloadRequired
from .transaction import SUCCESS, Transaction

_SHOWN = 20  # crt-lists in a message


class CrtListMemory:
    """transaction: of certificates, whose lock these commands need, too."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._crt_lists: dict[str, list[CrtListEntry]] | None = None
        self._showable: set[tuple[str, str]] = set()

    def crt_lists(self) -> dict[str, list[CrtListEntry]]:
        """crt-list file or directory -> its entries. Read once, then kept up to date by the changes made here."""
        if self._crt_lists is None:
            names = parse_crt_lists(self._ask("show ssl crt-list"))
            self._crt_lists = {name: self._entries(name) for name in names}
        return self._crt_lists

    def find_crt_lists(self, name: str, crt_list: str | None = None) -> list[str]:
        """The crt-lists, as HAProxy calls them, that a certificate of this name goes to: it may have one by two paths.

        crt_list: file or directory, which comes first; all that are the certificate's own directory follow. Raises
        CrtListRequired when crt_list is not known to HAProxy, or nothing is found.
        """
        known = list(self.crt_lists())
        wanted = _same_path(crt_list, known) if crt_list else []
        if wanted or not crt_list:
            # Those by the directory's own path first, as the certificate's name begins with it.
            directory = os.path.dirname(name)
            found = [*wanted, *sorted(_same_path(directory, known), key=lambda one: one != directory)]
            if found:
                return list(dict.fromkeys(found))
        shown = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
        loaded = f"It has {shown}." if known else "It has none."
        if crt_list:
            raise CrtListRequired(f"HAProxy has no crt-list '{crt_list}' for the certificate {name}. {loaded}")
        raise CrtListRequired(
            f"HAProxy does not know the new certificate {name}, and its directory is no certificate directory of"
            f" HAProxy. {loaded} Give one of them as crt_list, or add the certificate to the configuration and"
            " reload."
        )

    def named_lists(self, crt_list: str, name: str) -> list[str]:
        """Those that are this file or directory, as HAProxy calls them. name: of the certificate, for the message.

        Raises CrtListRequired when there is none.
        """
        found = _same_path(crt_list, self.crt_lists())
        return found or self.find_crt_lists(name, crt_list)

    def is_listed(self, name: str, crt_list: str) -> bool:
        """Has this crt-list (named as HAProxy does) an entry for the certificate?"""
        return any(entry.name == name for entry in self.crt_lists()[crt_list])

    def link(self, name: str, crt_list: str, line: CrtListLine = PLAIN) -> None:
        """Use a loaded certificate in crt_list (named as HAProxy does), by one more line there."""
        if line == PLAIN:
            answer = self._ask("add ssl crt-list", crt_list, name)
        else:
            answer = self._transaction.ask_with("add ssl crt-list", crt_list, _written(name, line))
        if SUCCESS not in lines_of(answer) and "already exists in this directory" not in answer:
            which = f"the line '{line.text}'" if line != PLAIN else "it"
            raise CertificateRefused(f"HAProxy does not use {name} in {crt_list} by {which}: {reason(answer)}")
        entries = self.crt_lists()[crt_list]
        entries.append(CrtListEntry(name, max((entry.line for entry in entries), default=0) + 1, line.text))

    def is_showable(self, entry: CrtListEntry) -> bool:
        """Was this line known before any key was sent? What HAProxy says afterwards may quote one."""
        return (entry.name, entry.rest) in self._showable

    def all_entries(self, crt_list: str) -> list[CrtListEntry]:
        """The lines of a crt-list (named as HAProxy does), asked for anew: by their numbers they are removed."""
        entries = self.crt_lists()[crt_list] = self._entries(crt_list)
        return list(entries)

    def room_for_line(self) -> int | None:
        """Bytes of the longest line that HAProxy lists; None when that is not known."""
        return self._transaction.payload_limit()

    def entries_of(self, names: t.Collection[str], crt_list: str) -> list[CrtListEntry]:
        """Those of these certificates, as all_entries."""
        return [entry for entry in self.all_entries(crt_list) if entry.name in names]

    def lists_with(self, name: str) -> list[str]:
        """The crt-lists that have entries for the certificate."""
        return [crt_list for crt_list in self.crt_lists() if self.is_listed(name, crt_list)]

    def unlink(self, name: str, crt_list: str) -> list[CrtListEntry]:
        """Take the certificate out of this crt-list; its entries, for relink.

        Raises CertificateInUse, ReloadRequired.
        """
        _check_removable(name)
        return self._unlink(crt_list, self.entries_of([name], crt_list))

    def unlink_line(self, name: str, crt_list: str, line: CrtListLine, number: int | None = None) -> None:
        """Take one line of the certificate out: one that says this, that with this number where there are several.

        Raises CertificateInUse, ReloadRequired.
        """
        _check_removable(name)
        found = [entry for entry in self.entries_of([name], crt_list) if read_line(entry.rest) == line]
        numbered = [entry for entry in found if entry.line == number]
        if found:
            self._unlink(crt_list, (numbered or found)[-1:])

    def _unlink(self, crt_list: str, entries: t.Sequence[CrtListEntry]) -> list[CrtListEntry]:
        """entries: as asked for just now. All of them or none."""
        removed: list[CrtListEntry] = []
        try:
            for entry in entries:
                which = f"{entry.name}:{entry.line}" if entry.line else entry.name  # those of a directory have none
                answer = self._ask("del ssl crt-list", crt_list, which)
                if not answer.startswith("Entry '"):
                    raise CertificateInUse(f"HAProxy keeps {entry.name} in {crt_list}: {reason(answer)}")
                removed.append(entry)
        except BaseException:
            self.relink(crt_list, removed)
            raise
        self.crt_lists()[crt_list] = [entry for entry in self.crt_lists()[crt_list] if entry not in removed]
        return removed

    def relink(self, crt_list: str, entries: t.Iterable[CrtListEntry]) -> None:
        """Undo of unlink, as well as it can be done."""
        for entry in entries:
            with contextlib.suppress(HaproxyError, InvalidOption):
                self._restore(crt_list, entry)
                self.crt_lists()[crt_list].append(entry)

    def _restore(self, crt_list: str, entry: CrtListEntry) -> None:
        line = read_line(entry.rest)
        if line != PLAIN:
            self._transaction.ask_with("add ssl crt-list", crt_list, _written(entry.name, line))
        else:
            self._ask("add ssl crt-list", crt_list, entry.name)

    def _entries(self, crt_list: str) -> list[CrtListEntry]:
        entries = parse_crt_list(self._ask("show ssl crt-list -n", crt_list))
        if not self._transaction.has_sent:
            self._showable |= {(entry.name, entry.rest) for entry in entries}
        return entries

    def _ask(self, command: str, *arguments: str) -> str:
        return self._transaction.ask(command, *arguments)


def _check_removable(name: str) -> None:
    if ":" in name:
        raise ReloadRequired(
            f"{name} has a colon in its name, behind which HAProxy's command 'del ssl crt-list' expects the number"
            " of a line, so it cannot be taken out at run time: reload HAProxy."
        )


def _written(name: str, line: CrtListLine) -> str:
    """A line of a crt-list. Raises InvalidOption for a name that none can hold."""
    if UNUSABLE.search(name):
        raise InvalidOption(
            f"A line of a crt-list cannot hold the name {name!r}: use one without white space, control characters and"
            " '['."
        )
    return f"{name} {line.text}"


def _same_path(path: str, known: t.Iterable[str]) -> list[str]:
    """Those that are this path, or lead to the same place on this host."""
    place = os.path.realpath(path)
    return [one for one in known if one == path or os.path.realpath(one) == place]
