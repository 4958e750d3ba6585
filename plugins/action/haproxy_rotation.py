# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_rotation import ARGUMENT_SPEC
from ansible_collections.certops.rotation.plugins.plugin_utils._misspelt import NamesMisspelt
from ansible_collections.certops.rotation.plugins.plugin_utils._remembered_call import RemembersCall
from ansible_collections.certops.rotation.plugins.plugin_utils._source_action import SourceAction


class ActionModule(RemembersCall, NamesMisspelt, SourceAction):
    """Controller's side of certops.rotation.haproxy_rotation."""

    argument_spec = ARGUMENT_SPEC
