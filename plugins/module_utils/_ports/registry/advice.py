# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What databases and their drivers say is wrong, and what to do about it."""

from __future__ import annotations

import typing as t

from ..._core.file_advice import Circumstances
from ..._core.file_advice import advice as file_advice

_WITHOUT_RIGHTS: t.Final = ("readonly", "unable to open", "permission denied")
_UNDONE: t.Final = "What was being written has been undone."
#: Words in what a driver says, in lower case, and what to do. The first that holds counts.
_OF_A_FILE: t.Final = (
    (("disk is full", "no space left"), f"Free space there. {_UNDONE}"),
    (("disk i/o",), f"Is that file system full, damaged, or not a local one? {_UNDONE}"),
    (("not a database", "malformed"), "Move the file away, or restore it from a backup."),
    (_WITHOUT_RIGHTS, "Run as the user that keeps it (become: true)."),
    (("locked",), "Another run writes to it for too long: look what it does."),
)
_OF_A_SERVER: t.Final = (
    (("lock timeout", "lock wait timeout"), "Another run writes to it for too long: look what it does."),
    (
        ("password authentication", "access denied for user", "no password"),
        "Correct user and password in database_url.",
    ),
    (("permission denied", "command denied"), "Give the user the right to make and change tables in this database."),
    (("does not exist", "unknown database"), "Create the database. Its tables are made by the first run that writes."),
    (("disk is full", "no space left", "disk full"), f"Free space on the server. {_UNDONE}"),
    (
        ("refused", "can't connect", "timeout", "timed out", "resolve", "not known", "lost connection", "closed"),
        "Is the database server running and reachable?",
    ),
)


def problem_of(error: BaseException) -> str:
    """In one line. PyMySQL's errors are a number and a text; PostgreSQL's have hints in further lines."""
    numbered = len(error.args) == 2 and isinstance(error.args[0], int)
    return str(error.args[1] if numbered else error).strip().partition("\n")[0].rstrip(".")


def advice(problem: str, *, in_file: bool, read_only: bool = False) -> str:
    """ "" where nobody knows. in_file: SQLite said it; read_only: of a file on what is mounted so."""
    lower = problem.lower()
    if read_only and any(word in lower for word in _WITHOUT_RIGHTS):
        return file_advice(Circumstances("EROFS"))
    known = _OF_A_FILE if in_file else _OF_A_SERVER
    return next((what_to_do for words, what_to_do in known if any(word in lower for word in words)), "")
