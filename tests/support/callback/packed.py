# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback plugin that lets Ansible pack modules compiled, next to their source, and once for all runs.

A module's process takes half of its time to compile what was packed for it, again in each task. The code is the same,
and a Python of another version takes the source. To pack it takes as long as most modules do. What is packed depends on
the code alone, and is kept below the directory that the environment variable PACKED_MODULES names, for as long as the
code of this collection stays as it is.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import marshal
import os
import pathlib
import shutil
import sys
import tempfile
import types
import zipfile

import ansible.release
from ansible import constants
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase
from ansible.utils.collection_loader import AnsibleCollectionConfig

DOCUMENTATION = """
name: packed
type: notification
short_description: Modules are packed compiled, and kept
description: What Ansible packs of a module for a host holds its compiled code, too.
"""
# PEP 552: checked by hash, which nobody asks for.
_HEADER = importlib.util.MAGIC_NUMBER + b"\x01\0\0\0" + bytes(8)
# Ansible looks a thousand times a second whether a task has ended, which takes a tenth of a processor from the task.
_PAUSE = 0.01
# Others may be of a test's own, under a name that another test has, too.
_OF_ALL = ("ansible.modules.", "ansible_collections.")


class _CompiledZip(zipfile.ZipFile):
    def writestr(self, zinfo_or_arcname, data, *args, **kwargs):
        super().writestr(zinfo_or_arcname, data, *args, **kwargs)
        written = self.infolist()[-1]
        if written.filename.endswith(".py"):
            compiled = zipfile.ZipInfo(f"{written.filename}c", written.date_time)
            compiled.compress_type = written.compress_type
            code = compile(data, written.filename, "exec", dont_inherit=True)
            super().writestr(compiled, _HEADER + marshal.dumps(code))


@functools.cache
def _code():
    """What changes with the code that modules are packed from, as far as it may change between two runs of tests."""
    core = str(pathlib.Path(ansible.release.__file__).resolve())
    found = hashlib.sha256(repr((sys.version, ansible.release.__version__, core)).encode())
    for place in AnsibleCollectionConfig.collection_paths:
        plugins = pathlib.Path(place, "ansible_collections/certops/rotation/plugins").resolve()
        for directory, _subdirectories, names in (*os.walk(f"{plugins}/modules"), *os.walk(f"{plugins}/module_utils")):
            for name in sorted(names):
                if name.endswith(".py"):
                    status = pathlib.Path(directory, name).stat()
                    found.update(repr((directory, name, status.st_mtime_ns, status.st_size)).encode())
    return found.hexdigest()[:32]


def _link(kept, own):
    """What was packed before is found where Ansible looks for what this run has packed."""
    own.mkdir(mode=0o700, parents=True)
    for path in kept.glob("*"):
        (own / path.name).symlink_to(path)


def _store(own, kept):
    """What this run has packed, and no run before. It is the owner's of the place, also when root has packed it."""
    for path in own.iterdir():
        if path.name.startswith(_OF_ALL) and not path.name.endswith((".lock", "-part")) and not path.is_symlink():
            kept.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
                copy = shutil.copyfile(path, pathlib.Path(directory, path.name))
                owner = kept.parent.stat()
                for made, mode in ((kept, 0o755), (copy, 0o644)):
                    os.chown(made, owner.st_uid, owner.st_gid)
                    made.chmod(mode)
                copy.replace(kept / path.name)


def _find(*args, **kwargs):
    own = pathlib.Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
    kept = pathlib.Path(os.environ["PACKED_MODULES"]).resolve() / _code()
    with contextlib.suppress(FileExistsError):  # another process of this run is doing that, or has done it
        _link(kept, own)
    found = _find_and_pack(*args, **kwargs)
    with contextlib.suppress(OSError):  # they may be read-only here
        _store(own, kept)
    return found


# As soon as this file is read, enabled or not.
constants.DEFAULT_INTERNAL_POLL_INTERVAL = _PAUSE
module_common.zipfile = types.SimpleNamespace(**{**vars(zipfile), "ZipFile": _CompiledZip})
_find_and_pack = module_common._find_module_utils
if "PACKED_MODULES" in os.environ:
    module_common._find_module_utils = _find


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "packed"

    def v2_playbook_on_start(self, playbook):
        """Looked up once, for all tasks: each has a process of its own."""
        _code()
