# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What the collection's modules say about themselves in their attributes."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
      - A diff shows fingerprints, names and dates of certificates; never PEM and never a private key.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
      - This assumes that the system controlled or queried by the module has not changed in a relevant way.
  platform:
    description: Target operating systems and families that the module can be used on.
    support: full
    platforms: posix
"""

    # Together with the standard fragment: modules that only look.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    support: full
    details:
      - This action does not modify state.
"""

    ACTIONGROUP_AWS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/certops.rotation.aws) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - certops.rotation.aws
      - certops.rotation.all
"""

    ACTIONGROUP_HAPROXY = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/certops.rotation.haproxy) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - certops.rotation.haproxy
      - certops.rotation.all
"""
