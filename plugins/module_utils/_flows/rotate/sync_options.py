# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sync of one directory is asked for."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ..._core.pipeline.source import Selection
from ..._core.x509.changes import GUARDED_CHANGES

if t.TYPE_CHECKING:
    from ..._core.pipeline.verify import SecretVerifier
    from ..._core.x509.layouts import Layout


class SyncOptions(t.NamedTuple):
    """What to sync and how. selection: None where nothing is selected.

    rules: digest of all that decides about a file's content, so that a changed option makes every secret be read
    again; verifier: made when there is something to verify, for cryptography is slow to load; allow_changes: those of
    GUARDED_CHANGES that a renewal may bring; on_*: "fail" or "skip"; on_nothing_found: "fail", "warn" or "ignore";
    judge_all: whether what is deployed beside the selection fails the run when it expires; lock_timeout: seconds.
    """

    selection: Selection | None
    layout: Layout
    rules: str
    verifier: t.Callable[[], SecretVerifier]
    min_remaining: timedelta = timedelta(0)
    allow_changes: t.Collection[str] = GUARDED_CHANGES
    prune: bool = False
    on_invalid: str = "fail"
    on_missing: str = "fail"
    on_deleted: str = "fail"
    on_discovery_error: str = "fail"
    on_nothing_found: str = "ignore"
    judge_all: bool = False
    lock_timeout: float = 60
