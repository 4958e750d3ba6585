# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: pem_bundle
short_description: Certificate, chain and key as one PEM text
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Puts the parts of a certificate into one text as HAProxy loads it, leaf, intermediates from the leaf upwards,
    private key, with the same bytes that M(certops.rotation.certificate_sync) writes for the same content.
  - Content is read and put in order, but not verified. Where an authority has several certificates, one that is valid
    now is chosen. Use M(certops.rotation.pem_bundle) to verify it and to write it to a file without showing it.
positional: _input
options:
  _input:
    description:
      - A dictionary with C(certificate), C(private_key) and C(certificate_chain), such as an item of the lookup
        P(certops.rotation.certificate_secret#lookup), the same as JSON, or a PEM text in any order.
    type: raw
    required: true
  private_key:
    description: Whether the private key is part of the result. If not, it need not be given.
    type: bool
    default: true
requirements:
  - cryptography >= 42.0
notes:
  - The result holds a private key, unless O(private_key=false). Give it only to options that are hidden, or to tasks
    with C(no_log).
seealso:
  - module: certops.rotation.pem_bundle
"""

EXAMPLES = r"""
- name: The chain that is public, leaf first
  ansible.builtin.copy:
    content: "{{ certificate | certops.rotation.pem_bundle(private_key=false) }}"
    dest: /srv/www/fullchain.pem
    mode: "0644"
  vars:
    certificate: "{{ lookup('certops.rotation.certificate_secret', 'web/www.example.com') }}"
"""

RETURN = r"""
_value:
  description: PEM with 64 columns and LF.
  type: str
"""


def pem_bundle(value: t.Any, private_key: bool = True) -> str:
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
    from ansible_collections.certops.rotation.plugins.module_utils._ports.host.libraries import require_library

    try:
        require_library("cryptography")
        from ansible_collections.certops.rotation.plugins.module_utils._core.x509.arranged import arranged_pem
        from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import document_parts
        from ansible_collections.certops.rotation.plugins.module_utils._core.x509.json_document import load_document
        from ansible_collections.certops.rotation.plugins.module_utils._module.given import given_document
        from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener

        if isinstance(value, dict):
            content = json.dumps(value, default=str)
            document = load_document(content)
        elif isinstance(value, str):
            content = str(value)
            document = given_document(content)
        else:
            raise AnsibleFilterError("pem_bundle needs a dictionary with certificate and private_key, or a PEM text.")
        if document is not None and not private_key:
            parts = document_parts(document)
            content = parts["certificate"] + parts["certificate_chain"]
        now = datetime.datetime.now(datetime.timezone.utc)
        return arranged_pem(content, ProcessOpener(), private_key=private_key, at=now).decode()
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"pem_bundle": pem_bundle}
