# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what lies in a staging directory is worth a run: names and times alone, so that it costs next to nothing."""

from __future__ import annotations

import typing as t

from .staging import parse_staged_name

#: ``ready``: a run takes it or refuses it; ``settling``: somebody may still be uploading it; ``nothing``: no lineage,
#: or an upload that is renamed when it is complete.
Readiness = t.Literal["ready", "settling", "nothing"]

#: Seconds in which nothing changes where all files are there, but nobody says that they are complete.
QUIET: t.Final = 2.0
_NEEDED: t.Final = ({"privkey.pem"}, {"fullchain.pem", "cert.pem"})
#: What a run that was killed had moved aside, and has not yet put back.
_LEFT: t.Final = ".taken-"


def readiness(name: str, files: t.Collection[str], idle: float, settle: float) -> Readiness:
    """Of one directory. files: names in it; idle: seconds since something changed there; settle: the option.

    Whoever uploads sets times, and clocks are set: a change in the future is none that is waited for.
    """
    if name.startswith(_LEFT):
        return "ready"
    staged = parse_staged_name(name)
    if staged is None:
        return "nothing"
    is_whole = staged.fingerprint_sha256 is not None
    is_quiet = not 0 <= idle < (QUIET if all(each & set(files) for each in _NEEDED) else settle)
    return "ready" if is_whole or is_quiet else "settling"
