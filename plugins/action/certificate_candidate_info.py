# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_candidate_info import ARGUMENT_SPEC
from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import HostAction


class ActionModule(HostAction):
    """Controller's side of certops.rotation.certificate_candidate_info."""

    argument_spec = ARGUMENT_SPEC
