# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: certificate_file_name
short_description: The file name of a secret's certificate
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - The name that M(certops.rotation.certificate_sync) gives to the file of a secret with this name.
  - V(/) and V(:) become V(_) and V(*) becomes V(wildcard). What else is not safe in a file name is replaced, and then a
    digest of the whole name is appended.
positional: _input
options:
  _input:
    description: Name of a secret, or any other text.
    type: str
    required: true
  extension:
    description: What follows the name after a dot. An empty one leaves the dot away, too.
    type: str
    default: pem
seealso:
  - module: certops.rotation.certificate_sync
"""

EXAMPLES = r"""
- name: Where is the certificate of this secret?
  ansible.builtin.debug:
    msg: "/etc/haproxy/certs/{{ 'web/*.example.com' | certops.rotation.certificate_file_name }}"
  # /etc/haproxy/certs/web_wildcard.example.com.pem
"""

RETURN = r"""
_value:
  description: The file name.
  type: str
  sample: web_wildcard.example.com.pem
"""


def certificate_file_name(name: str, extension: str = "pem") -> str:
    from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.naming import certificate_file_stem

    if not isinstance(name, str) or not name:
        raise AnsibleFilterError("certificate_file_name needs the name of a secret, a text that is not empty.")
    stem = certificate_file_stem(str(name))
    return f"{stem}.{extension}" if extension else stem


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"certificate_file_name": certificate_file_name}
