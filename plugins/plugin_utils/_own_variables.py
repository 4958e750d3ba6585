# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that the controller's user has set: what a host has sent is none of them."""

from __future__ import annotations

import typing as t

from ansible.inventory.helpers import get_group_vars, sort_groups
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path


def own_variables(manager: t.Any, play: t.Any, host: t.Any) -> dict[str, t.Any]:
    """Of the inventory, the play and the command line, for this host; without facts and what tasks have registered.

    manager: Ansible's VariableManager, whose own get_vars() lets facts win over the inventory.
    """
    loader, inventory = play.get_loader(), manager._inventory
    groups = sort_groups(host.get_groups())
    beside = loader.get_basedir()
    variables: dict[str, t.Any] = dict(get_group_vars(groups))
    for entities, inherent in ((groups, {}), ([host], host.get_vars())):
        variables |= inherent
        variables |= get_vars_from_inventory_sources(loader, inventory._sources, entities, "task")
        variables |= get_vars_from_path(loader, beside, entities, "task")
    return {**variables, **manager.get_vars(play=play, include_hostvars=False)}
