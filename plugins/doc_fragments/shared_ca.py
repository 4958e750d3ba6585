# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """All modules of a shared authority; in SERVER those that have server certificates made, in WARNING those that tell
    of ends. It mirrors PREFIX_OPTION, SERVER_SUBJECT_OPTION and WARN_OPTION in _module/shared_ca_common.py."""

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

    SERVER = r"""
options:
  validity_days:
    description: Lifetime of the server certificate, which ends with the authority at the latest.
    type: int
    default: 365
  subject:
    description: Subject of the server certificate. An empty text leaves a part out.
    type: dict
    suboptions:
      country:
        description: Country (C), two letters.
        type: str
        default: US
      state:
        description: State or province (ST).
        type: str
        default: CA
      locality:
        description: Locality (L).
        type: str
        default: Los Angeles
      organization:
        description: Organization (O).
        type: str
        default: Joblet
      organizational_unit:
        description: Organizational unit (OU).
        type: str
        default: Server
      common_name:
        description: Common name (CN).
        type: str
        default: joblet-server
"""
