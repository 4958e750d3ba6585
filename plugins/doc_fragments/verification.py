# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which certificates are accepted: mirrors VERIFY_OPTIONS in module_utils/_module/options.py."""

    DOCUMENTATION = r"""
options:
  min_remaining:
    description:
      - Certificates that are valid for less than this are refused, and those on disk are reported as an error.
      - A duration such as V(12h), V(7d) or V(1w2d).
    type: str
    default: "0"
  clock_skew:
    description: How far the start of a certificate's validity may lie ahead of this host's clock.
    type: str
    default: 5m
  min_rsa_bits:
    description: RSA keys shorter than this are refused.
    type: int
    default: 2048
  trust_anchors:
    description:
      - PEM content of root certificates. When given, a certificate without a valid path to one of them is refused.
      - When neither this nor O(system_trust) is given, the chain's links are checked but not where it ends.
      - A private key in it is refused.
    type: str
  system_trust:
    description: Accept paths to the trust anchors of the host's CA bundle, in addition to O(trust_anchors).
    type: bool
    default: false
"""
