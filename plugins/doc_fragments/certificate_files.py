# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How certificate files are written: mirrors FILE_OPTIONS in module_utils/_module/options.py."""

    DOCUMENTATION = r"""
options:
  owner:
    description:
      - User that owns the certificate files, as a name or a number.
      - Directories belong to the user that runs the module, for their owner could put anything in place of the files.
        The group of them, O(group) or else the first group of this user, may do what O(directory_mode) lets an owner
        do, except writing; every user may where it is not in that group.
      - Directories that earlier versions gave to this user are taken back by the next run.
    type: str
  group:
    description: Group of the certificate files and the directories made here, as a name or a number.
    type: str
  mode:
    description:
      - Permissions of the certificate files, as a quoted octal number.
      - A mode that lets others read the private keys is refused.
    type: raw
    default: "0600"
  directory_mode:
    description:
      - Permissions of directories made here, as a quoted octal number. An existing O(path) keeps its own.
      - A mode that lets others write is refused, and so is an existing O(path) or a directory above it in which others
        than root and the user that runs the module may write. Sticky directories of root, such as C(/tmp), may be above
        it.
    type: raw
    default: "0700"
  keep_previous:
    description:
      - How many previous versions of each certificate are kept for a rollback, V(0) for none.
      - They are the newest ones, and whatever was served last.
    type: int
    default: 1
  lock_timeout:
    description: How long to wait for another run on the same directory, for example V(60s).
    type: str
    default: 60s
"""
