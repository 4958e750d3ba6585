# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What a renewal may change: mirrors CHANGE_OPTIONS in module_utils/_module/options.py."""

    DOCUMENTATION = r"""
options:
  allow_changes:
    description:
      - What a renewed certificate may change, compared with the one that is deployed in its place now. Other changes of
        these kinds are refused, and the deployed certificate stays.
      - V(san_dropped), a name is no longer covered. V(issuer_changed), another organization has issued the certificate
        (or another issuer, where issuers name no organization). V(key_type_changed), for instance EC instead of RSA.
        V(eku_lost), an extended key usage is gone. V(expires_earlier), the certificate ends before the deployed one.
        V(chain_dropped), it comes without intermediates, and the deployed one has them. V(all), anything.
      - Nothing is refused when the deployed certificate has expired, when its file is gone, when a kept previous
        version comes back (O(keep_previous)), or when a fact is not known of the deployed certificate.
    type: list
    elements: str
    choices: [san_dropped, issuer_changed, key_type_changed, eku_lost, expires_earlier, chain_dropped, all]
    default: []
"""
