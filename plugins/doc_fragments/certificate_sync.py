# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What to bring to a host and how: mirrors SYNC_OPTIONS in module_utils/_module/sync_options.py, but for path."""

    DOCUMENTATION = r"""
options:
  source:
    description:
      - Who asks AWS. With V(host) it is the host itself, with its own rights. That is the pull model.
      - With V(controller) it is the controller, with its rights, and the hosts need none. That is the push model. The
        secrets are listed once for all hosts of the task, and each value that a host lacks is read once, for all of
        them. All hosts get the same versions.
      - With V(controller) the private keys go through the memory of the controller and through the module's arguments
        to the hosts. With pipelining they never touch another disk.
      - With V(controller) the options about AWS hold for the controller and are not sent to the hosts, and C(async) is
        refused.
    type: str
    choices: [host, controller]
    default: host
  provided:
    description:
      - What the controller brings to the host with O(source=controller). Ansible fills it in; do not set it.
    type: str
  layout:
    description:
      - V(haproxy) writes one file C(NAME.pem) with leaf, intermediates and private key.
      - V(lineage) writes C(NAME/cert.pem), C(NAME/chain.pem), C(NAME/fullchain.pem) and C(NAME/privkey.pem), where
        C(NAME) is a symbolic link, so that the four are always of one version.
      - V(split) writes C(NAME.pem) with leaf and intermediates and C(NAME.key) with the private key. HAProxy does not
        load such a pair.
      - C(NAME) is the secret's name with C(/) and C(:) replaced by C(_) and C(*) by C(wildcard), made safe as a file
        name.
    type: str
    choices: [haproxy, lineage, split]
    default: haproxy
  on_invalid:
    description:
      - Whether a certificate that is refused fails the task or only warns. It is never written.
      - A deployed certificate that has expired, or is valid for less than O(min_remaining), fails the task in any case,
        also when its secret was refused, is gone, or is not selected any more.
    type: str
    choices: [fail, skip]
    default: fail
  on_missing:
    description: Whether a named secret that does not exist fails the task or only warns.
    type: str
    choices: [fail, skip]
    default: fail
  on_deleted:
    description: Whether a named secret that is marked for deletion fails the task or only warns.
    type: str
    choices: [fail, skip]
    default: fail
  on_discovery_error:
    description: Whether a failing discovery by O(tags) fails the task, or falls back to O(names) with a warning.
    type: str
    choices: [fail, fallback]
    default: fail
  on_nothing_found:
    description:
      - What to do when no secret is found at all, or nothing is selected, while certificates are deployed in O(path).
        Nobody would renew them. A wrong region, prefix or tag is the usual reason, so the message says what was looked
        for and where.
      - V(fail) fails the task, V(warn) warns and V(ignore) says nothing. In a directory without certificates V(fail)
        warns, too.
    type: str
    choices: [fail, warn, ignore]
    default: fail
  prune:
    description:
      - Remove the files of certificates whose secrets are gone. Only files that this module wrote are ever removed, and
        none when discovery failed or found nothing.
      - A named secret that is missing counts as gone only with O(on_missing=skip), one marked for deletion only with
        O(on_deleted=skip).
      - A file that someone else has put in the place of one that this module wrote stays, with a warning.
      - All certificates of one directory must then come from one selection.
    type: bool
    default: false
"""
