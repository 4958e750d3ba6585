# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_scan import ARGUMENT_SPEC
from ansible_collections.certops.rotation.plugins.plugin_utils._misspelt import NamesMisspelt


class ActionModule(NamesMisspelt):
    """Controller's side of certops.rotation.endpoint_scan."""

    argument_spec = ARGUMENT_SPEC
