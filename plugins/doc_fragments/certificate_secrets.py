# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which secrets, and what is in them: mirrors module_utils/_module/selection.py."""

    # CONTENT_OPTIONS
    DOCUMENTATION = r"""
options:
  fields:
    description:
      - For JSON secrets of another schema, a JMESPath expression for each field that is found elsewhere.
      - Fields of Vault, ACM, Kubernetes and certbot are known by their names, and need none.
      - Needs the Python library C(jmespath).
    type: dict
    suboptions:
      certificate:
        description: Where the leaf certificate is. It may be followed by its chain.
        type: str
      private_key:
        description: Where the private key is.
        type: str
      certificate_chain:
        description: Where the intermediates are, as one text or a list of texts.
        type: str
      domain_name:
        description: Where the name is that the certificate must cover.
        type: str
      description:
        description: Where the description is.
        type: str
  passphrase:
    description: Opens encrypted private keys and PKCS#12.
    type: str
"""

    # SELECTION_OPTIONS
    SELECTION = r"""
options:
  names:
    description:
      - Names or ARNs of secrets. Secrets of another account are named by their full ARN.
      - Not used when O(tags) is given.
      - Texts, and whole numbers as their digits. A boolean or a decimal number is refused; quote it.
    type: list
    elements: raw
    aliases: [name]
  name_prefix:
    description:
      - All secrets whose name starts with this, compared exactly.
      - Together with O(tags), narrows what the tags select; together with O(names), adds to them.
    type: str
  tags:
    description:
      - All secrets that carry every one of these tags, key and value compared exactly.
      - A value that YAML reads as a boolean, a decimal number or nothing is refused. Quote it as AWS has it.
      - Takes precedence over O(names).
    type: dict
"""

    # LABELS_OPTION
    LABELS = r"""
options:
  labels:
    description:
      - By which labels the versions of the secrets are read. The first one that counts is taken, V(AWSCURRENT) comes
        last.
      - A host with V(CANDIDATE) before it is a canary. It deploys the candidates that
        O(certops.rotation.certificate_secret#module:stage) has stored, until they are promoted or withdrawn.
      - A candidate counts while it is not current, has not been so before, and the version that was current when it was
        staged is so still. One without a value, or older than what is current, is passed over with a warning.
      - A candidate costs one C(GetSecretValue), when it is new. What is listed is the same.
    type: list
    elements: str
    default: [AWSCURRENT]
"""
