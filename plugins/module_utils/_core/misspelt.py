# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of variables that look like those of a role and are none. Ansible itself lets them pass."""

from __future__ import annotations

import difflib
import typing as t


def misspelt(names: t.Iterable[str], roles: t.Mapping[str, t.Collection[str]]) -> list[str]:
    """A sentence for each of the names that begins as the variables of a role do, or nearly so, and is none of them.

    names: of variables that somebody has set; roles: the variables of each role, which all begin with ROLE_.
    """
    known = frozenset().union(*roles.values())
    stems = tuple({role[: len(role) // 2] for role in roles})
    suspects = sorted({str(name) for name in names if name.startswith(stems)}.difference(known))
    return [sentence for sentence in (_sentence(name, roles) for name in suspects) if sentence]


def _sentence(name: str, roles: t.Mapping[str, t.Collection[str]]) -> str:
    """Empty for a name that is nobody's."""
    # shared_ca_rotation_x is none of the role shared_ca.
    owner = max((role for role in roles if name.startswith(f"{role}_")), key=len, default="")
    if owner:
        # What all of them begin with makes them all alike.
        end = len(owner) + 1
        nearest = _nearest(name[end:], [other[end:] for other in roles[owner]], 0.7)
        hint = f" Is {owner}_{nearest} meant?" if nearest else ""
        return f"{name} is no variable of the role {owner}.{hint}"
    nearest = _nearest(name, [other for known in roles.values() for other in known], 0.94)
    return f"{name} is no variable of a role. Is {nearest} meant?" if nearest else ""


def _nearest(name: str, others: t.Sequence[str], likeness: float) -> str:
    """Empty for none."""
    return next(iter(difflib.get_close_matches(name, others, n=1, cutoff=likeness)), "")
