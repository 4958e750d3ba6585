# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """All modules of a shared authority, and in WARNING those that tell of ends: PREFIX_OPTION and WARN_OPTION in
    module_utils/_module/shared_ca_common.py."""

    DOCUMENTATION = r"""
options:
  prefix:
    description: What the names of the secrets begin with, before a slash. It may hold slashes itself.
    type: str
    default: joblet
"""

    WARNING = r"""
options:
  warn_days:
    description: Tell about a certificate that ends within so many days.
    type: int
    default: 30
"""
