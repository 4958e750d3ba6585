# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: rotation_progress
short_description: Where a rotation stands, judged by module results
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Made for the role P(certops.rotation.haproxy_certificates#role), and useful for a playbook that calls the modules by
    itself.
  - Tells from the results of the modules that have run so far what is activated, what is proven, what must be reloaded
    or rolled back, and why.
positional: _input
options:
  _input:
    description: Result of M(certops.rotation.certificate_sync).
    type: dict
    required: true
  update:
    description: Result of M(certops.rotation.haproxy_certificate) with RV(_value.update_items).
    type: dict
    default: {}
  reload:
    description: Result of M(certops.rotation.haproxy_reload) in a loop over methods.
    type: dict
    default: {}
  proof:
    description: Result of M(certops.rotation.certificate_proof_info) with C(on_failure=report).
    type: dict
    default: {}
  rollback:
    description: Result of M(certops.rotation.certificate_rollback) with RV(_value.unproven).
    type: dict
    default: {}
  taken_back:
    description: Result of M(certops.rotation.certificate_rollback) with RV(_value.refused).
    type: dict
    default: {}
  rollback_proof:
    description: Result of M(certops.rotation.certificate_proof_info) with RV(_value.restored).
    type: dict
    default: {}
  rollback_error:
    description: What failed while going back.
    type: str
    default: ""
  allow_unreferenced:
    description: As the option of M(certops.rotation.certificate_proof_info).
    type: bool
    default: false
  on_unproven:
    description: As the option of M(certops.rotation.certificate_proof_info).
    type: str
    choices: [fail, warn]
    default: fail
seealso:
  - module: certops.rotation.certificate_sync
"""

EXAMPLES = r"""
- name: Bring the certificates to the host
  certops.rotation.certificate_sync:
    name_prefix: web/
    path: /etc/haproxy/certs
  register: synced

- name: Load what has not been seen served yet
  certops.rotation.haproxy_certificate:
    socket: /run/haproxy/admin.sock
    certificates: "{{ (synced | certops.rotation.rotation_progress).update_items }}"
  register: updated

- name: What came of it
  ansible.builtin.debug:
    msg: "{{ synced | certops.rotation.rotation_progress(update=updated) }}"
"""

RETURN = r"""
_value:
  description: Where the rotation stands. All names are those of secrets.
  type: dict
  contains:
    update_items:
      description:
        - What to load and what to remove, for the option O(certops.rotation.haproxy_certificate#module:certificates).
      type: list
      elements: dict
    has_work:
      description: Whether there is anything to load, to remove or to prove.
      type: bool
    refused:
      description: Certificates that HAProxy looked at and does not take.
      type: list
      elements: str
    retired:
      description: For the option O(certops.rotation.rotation_record#module:retired).
      type: list
      elements: str
    needs_reload:
      description: Whether a reload may bring what the update did not.
      type: bool
    activation:
      description: How HAProxy was made to use the files, V(none), V(hot_update) or V(reload).
      type: str
    activated:
      description: Certificates that HAProxy uses now.
      type: list
      elements: str
    proof_items:
      description:
        - What HAProxy holds by now, for the option O(certops.rotation.certificate_proof_info#module:certificates).
      type: list
      elements: dict
    proven:
      description: Activated certificates that the proof did not object to.
      type: list
      elements: str
    not_proven:
      description:
        - Activated certificates that could not be asked for, each with the reason, for the option
          O(certops.rotation.rotation_record#module:not_proven). Nothing is rolled back for it.
      type: dict
    loaded:
      description: For the option O(certops.rotation.rotation_record#module:loaded).
      type: list
      elements: str
    unproven:
      description: Certificates to roll back, because a handshake got another one.
      type: list
      elements: str
    restore_items:
      description: As RV(_value.update_items), to go back.
      type: list
      elements: dict
    restored:
      description:
        - The previous certificates, for the option O(certops.rotation.certificate_proof_info#module:certificates).
      type: list
      elements: dict
    counts:
      description: For the options of M(certops.rotation.rotation_metrics) that have the same names.
      type: dict
    layers:
      description: What is known of the layers, for the option O(certops.rotation.rotation_metrics#module:layers).
      type: list
      elements: dict
    outcome:
      description: For the option O(certops.rotation.rotation_record#module:outcome).
      type: str
    error:
      description: All that went wrong after the files were written. Empty when nothing did.
      type: str
    failures:
      description: The same and the problems that C(certificate_sync) found.
      type: list
      elements: str
    message:
      description: The same as one text that fits a screen.
      type: str
    own_failure:
      description:
        - Whether something is wrong with the host itself, and not only with the content of certificates, which is the
          same on every host. It should stop a rollout.
      type: bool
"""

_FIELDS = (
    "update_items",
    "has_work",
    "refused",
    "needs_reload",
    "retired",
    "activation",
    "activated",
    "proof_items",
    "proven",
    "not_proven",
    "loaded",
    "unproven",
    "restore_items",
    "restored",
    "counts",
    "layers",
    "outcome",
    "error",
    "failures",
    "message",
    "own_failure",
)


def rotation_progress(sync: dict[str, t.Any], **results: t.Any) -> dict[str, t.Any]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.progress import Progress

    try:
        progress = Progress(sync, **results)
        return {name: getattr(progress, name) for name in _FIELDS}
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(
            f"rotation_progress was given something else than module results: {error!r}"
        ) from error


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rotation_progress": rotation_progress}
