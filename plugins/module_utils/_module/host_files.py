# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host_files: parameters to wanted files, the report to the result."""

from __future__ import annotations

import typing as t

from .._errors import InvalidOption
from .._flows.host_files import HostDirectory, HostFile, keep_host_files
from .._ports.store.atomic import FileAttributes
from .boundary import module_boundary
from .options import octal_mode, user_and_group

_MODE: t.Final = {"type": "raw", "default": "0644"}
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"path": {"type": "path", "required": True}, "mode": {"type": "raw", "default": "0755"}},
    },
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str"},
            "src": {"type": "str"},
            "mode": _MODE,
        },
    },
    "secret_files": {
        "type": "list",
        "no_log": False,  # its content is
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "no_log": True},
            "src": {"type": "str"},
            "mode": {"type": "raw", "default": "0600"},
        },
    },
    "absent": {"type": "list", "elements": "path", "default": []},
    "owner": {"type": "str"},
    "group": {"type": "str"},
}


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC, whose src have become content on the controller."""
    with module_boundary(module):
        params = module.params
        owner, group = user_and_group(params)

        def attributes(entry: t.Mapping[str, t.Any]) -> FileAttributes:
            return FileAttributes(octal_mode(entry["path"], entry["mode"]), owner, group)

        files = [
            HostFile(_absolute(entry), _content(entry), attributes(entry), secret=option == "secret_files")
            for option in ("files", "secret_files")
            for entry in params[option]
        ]
        directories = [HostDirectory(_absolute(entry), attributes(entry)) for entry in params["directories"]]
        absent = [_absolute({"path": path}) for path in params["absent"]]
        _check_once([each.path for each in files] + [each.path for each in directories] + absent)
        for file in files:
            if file.secret and file.attributes.mode & 0o077:
                raise InvalidOption(f"{file.path}: mode {file.attributes.mode:04o} lets others read a secret file.")
        report = keep_host_files(directories, files, absent, check=module.check_mode)
        module.exit_json(
            changed=report.changed,
            directories=report.directories,
            written=report.written,
            removed=report.removed,
            diff=report.diffs,
        )


def _absolute(entry: t.Mapping[str, t.Any]) -> str:
    path = str(entry["path"])
    if not path.startswith("/") or path.endswith("/") or "/../" in f"{path}/":
        raise InvalidOption(f"{path!r} is not the absolute path of a file or directory.")
    return path


def _content(entry: t.Mapping[str, t.Any]) -> bytes:
    if entry["src"] is not None:
        raise InvalidOption(f"{entry['path']}: give src or content, not both.")
    if entry["content"] is None:
        raise InvalidOption(f"{entry['path']}: content or src is missing.")
    return str(entry["content"]).encode()


def _check_once(paths: t.Sequence[str]) -> None:
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise InvalidOption(f"{twice[0]} is given more than once.")
