# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """A certificate that a task brings along: mirrors GIVEN_OPTIONS in module_utils/_module/given.py."""

    DOCUMENTATION = r"""
options:
  certificate:
    description:
      - The leaf as PEM, or as DER in base64. Its chain and, when no private key is given apart, its key may be in the
        same text.
      - Also a document as in a secret, as JSON text or as the mapping that templating makes of it.
        O(private_key) and O(certificate_chain) replace its fields.
      - Either this or O(certificate_src) is needed. Never logged or returned, as it may hold the key.
    type: str
  certificate_src:
    description:
      - A file of it on the host that runs the module, PEM or DER. It may be PKCS#12, which holds chain and key, too.
    type: path
  private_key:
    description:
      - The private key of the leaf as PEM, or as DER in base64.
      - Never logged or returned, and refused unseen when it is no text.
    type: str
  private_key_src:
    description: A file of it on the host that runs the module.
    type: path
  certificate_chain:
    description: The intermediates as PEM, or as DER in base64, in any order.
    type: str
  certificate_chain_src:
    description: A file of them on the host that runs the module.
    type: path
  passphrase:
    description: Opens an encrypted private key or PKCS#12.
    type: str
"""
