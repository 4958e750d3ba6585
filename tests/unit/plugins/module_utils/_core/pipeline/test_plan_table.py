# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a rotation, as check mode shows it."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.plan_table import plan_table

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


def item(name: str, action: str, end: str | None, *codes: str, proven: bool = True) -> dict[str, t.Any]:
    problems = [{"code": code} for code in codes]
    return {"name": name, "action": action, "not_after": end, "problems": problems, "proven": proven}


def test_the_soonest_to_expire_comes_first_and_before_it_what_has_no_end() -> None:
    items = [
        item("web/late", "created", "2027-02-24T11:59:59Z", proven=False),
        item("web/soon", "unchanged", "2026-11-28T12:00:00Z"),
        item("web/over", "unchanged", "2026-11-26T11:00:00Z", "expired", "weak_key"),
        item("web/new", "unchanged", "2026-12-01T00:00:00Z", proven=False),
        item("web/bad", "refused", None, "private_key_mismatch"),
    ]
    left = [{"name": "web/old", "not_after": "2026-12-24T00:00:00Z"}, {"name": "web/odd", "not_after": None}]
    assert plan_table(items, left, NOW) == [
        "action     expires                 days  certificate",
        "refused                                  web/bad: private_key_mismatch",
        "unchanged  2026-11-26T11:00:00Z      -1  web/over: expired, weak_key",
        "unchanged  2026-11-28T12:00:00Z       2  web/soon",
        "unchanged  2026-12-01T00:00:00Z       4  web/new: not seen served yet",
        "created    2027-02-24T11:59:59Z      89  web/late",
        "left       2026-12-24T00:00:00Z      27  web/old: deployed, and not among what was found",
        "left                                     web/odd: deployed, and not among what was found",
    ]


def test_nothing_was_found() -> None:
    assert plan_table([], [], NOW)[1:] == ["no certificate was found"]
