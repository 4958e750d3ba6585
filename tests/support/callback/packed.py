# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback plugin that lets Ansible pack modules compiled, next to their source.

A module's process takes half of its time to compile what was packed for it, again in each task. The code is the same,
and a Python of another version takes the source.
"""

from __future__ import annotations

import importlib.util
import marshal
import types
import zipfile

from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: packed
type: notification
short_description: Modules are packed compiled
description: What Ansible packs of a module for a host holds its compiled code, too.
"""
# PEP 552: checked by hash, which nobody asks for.
_HEADER = importlib.util.MAGIC_NUMBER + b"\x01\0\0\0" + bytes(8)


class _CompiledZip(zipfile.ZipFile):
    def writestr(self, zinfo_or_arcname, data, *args, **kwargs):
        super().writestr(zinfo_or_arcname, data, *args, **kwargs)
        written = self.infolist()[-1]
        if written.filename.endswith(".py"):
            compiled = zipfile.ZipInfo(f"{written.filename}c", written.date_time)
            compiled.compress_type = written.compress_type
            code = compile(data, written.filename, "exec", dont_inherit=True)
            super().writestr(compiled, _HEADER + marshal.dumps(code))


# As soon as this file is read, enabled or not.
module_common.zipfile = types.SimpleNamespace(**{**vars(zipfile), "ZipFile": _CompiledZip})


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "packed"
