# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before certificates go back on many hosts: can all of them, and which secrets may follow? Pure.

What hosts say is data. The controller's rights in AWS are for what the operator has named, and for nothing else.
"""

from __future__ import annotations

import typing as t

from ..pipeline.source import name_in_arn

_Result = t.Mapping[str, t.Any]


def obstacles(plans: t.Mapping[str, t.Any]) -> list[str]:
    """A line for each host that cannot go back, with what certificate_rollback says. plans: host -> its result."""
    return [
        f"{host}: {_result(plan).get('msg') or 'nothing would go back.'}"
        for host, plan in plans.items()
        if not _result(plan).get("certificates")
    ]


def moves(plans: t.Iterable[t.Any]) -> list[t.Any]:
    """What certificate_secret_stage is to do for these results of certificate_rollback, each once."""
    found: list[t.Any] = []
    for plan in plans:
        wanted = _result(plan).get("stage_moves")
        wanted = wanted if isinstance(wanted, list) else []
        found += [move for move in wanted if isinstance(move, dict) and "name" in move and move not in found]
    return found


def expected(names: t.Sequence[str], versions: t.Mapping[str, str]) -> dict[str, str]:
    """Secret -> the version that it may get, "" for the one before; those that the operator has named."""
    return {**dict.fromkeys(names, ""), **versions}


def strangers(plan: t.Any, named: t.Collection[str]) -> list[str]:
    """Secrets that a host speaks of, and nobody has named."""
    spoken = (name_in_arn(str(move["name"])) for move in moves([plan]))
    return [name for name in dict.fromkeys(spoken) if name not in named]


def _result(plan: t.Any) -> _Result:
    return plan if isinstance(plan, dict) else {}
