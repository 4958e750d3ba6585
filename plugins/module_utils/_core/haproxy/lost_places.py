# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy's issue 3165: certificates that a change of a CA or CRL file takes out of HAProxy's own bookkeeping. Pure.

In releases that are not mended, such a change loads each certificate anew wherever it is used with that file, and
forgets to note that down with the certificate. From then on an update of the certificate misses these places, which
serve what they have; and after one, the next change of the file reads memory that is gone, and HAProxy crashes.

A certificate that has lost all its places is shown as unused. One that has lost only some is shown as used, like one
that has lost none; that there is such a one is known by the number of places, which `commit` tells by a dot for each.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass, field

from .parsing import StoredCertificate

# Of the branches before 3.3 only those are named whose fix has been seen at work.
_MENDED_SINCE = {(2, 8): 25, (3, 2): 26}
_ALWAYS_MENDED = (3, 3)
# An empty, unused CA file in HAProxy's memory: gone with the process, like the changes that it stands for.
PREFIX = "@changed-at-run-time"
_MARK = re.compile(
    r"@changed-at-run-time/(?P<reach>all|unused)/(?P<digest>[0-9a-f]{32})(?P<places>(?:/[0-9a-f]{16}=[0-9]{1,9})*)"
)
_UNUSED = "Unused"


@dataclass(frozen=True)
class Mark:
    """What is remembered of the changes of CA and CRL files in this process.

    reach: which certificates may have lost places, "unused": those that HAProxy shows as unused and no other, or "all".
    digest: of these certificates, when the last file had changed. places: of each changed file, by a digest of its kind
    and name, how many places of certificates it has.
    """

    reach: str
    digest: str
    places: t.Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        counts = "".join(f"/{file}={count}" for file, count in sorted(self.places.items()))
        return f"{PREFIX}/{self.reach}/{self.digest}{counts}"


def is_mended(version: str) -> bool:
    """version: as `show info` tells it. One that cannot be read is not known to be mended."""
    numbers = [int(number) for number in re.findall(r"\d+", version)[:3]]
    branch = (*numbers[:2], 0, 0)[:2]
    return branch >= _ALWAYS_MENDED or numbers[2:] >= [_MENDED_SINCE.get(t.cast("tuple[int, int]", branch), 1 << 30)]


def is_mark(name: str) -> bool:
    """Whether this name of a CA file is a mark, whoever set it."""
    return name.startswith(PREFIX)


def find_mark(names: t.Iterable[str]) -> Mark | None:
    """The mark among the names of HAProxy's CA files. Of several, or of one that cannot be read, all is suspected."""
    marks = {name for name in names if is_mark(name)}
    if not marks:
        return None
    found = _MARK.fullmatch(marks.pop())
    if marks or not found:
        return Mark("all", "")
    counts = (item.partition("=") for item in found["places"].split("/")[1:])
    return Mark(found["reach"], found["digest"], {file: int(count) for file, _equals, count in counts})


def before_change(certificates: t.Sequence[StoredCertificate]) -> Mark:
    """The mark of a change that is about to be made, for the case that nobody lives to see its end."""
    return Mark("all", _digest("all", certificates))


def after_change(
    file: str,
    rebuilt: int | None,
    before: t.Sequence[StoredCertificate],
    after: t.Sequence[StoredCertificate],
    previous: Mark | None,
) -> Mark:
    """file: its kind and name; rebuilt: places that HAProxy has loaded anew, None when it did not say."""
    was_used = {stored.name for stored in before if stored.status != _UNUSED}
    lost = sum(stored.name in was_used and stored.status == _UNUSED for stored in after)
    key = hashlib.sha256(file.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    known = dict(previous.places) if previous else {}
    is_clear = previous is None or previous.reach == "unused"
    # Places that have been lost are loaded anew with each further change of the file.
    reach = "unused" if is_clear and rebuilt == known.get(key, 0) + lost else "all"
    if rebuilt is not None:
        known[key] = rebuilt
    return Mark(reach, _digest(reach, after), known)


def has_changed_since(mark: Mark, certificates: t.Sequence[StoredCertificate]) -> bool:
    """Whether one of the certificates that may have lost places was changed since then."""
    return _digest(mark.reach, certificates) != mark.digest


def may_be_lost(mark: Mark, status: str) -> bool:
    """Whether an update of a certificate of this status may miss places where it is served."""
    return mark.reach == "all" or status == _UNUSED


def _digest(reach: str, certificates: t.Sequence[StoredCertificate]) -> str:
    about = [one for one in certificates if reach == "all" or one.status == _UNUSED]
    text = "\n".join(sorted(f"{one.name} {one.serial_number} {one.fingerprint_sha1}" for one in about))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
