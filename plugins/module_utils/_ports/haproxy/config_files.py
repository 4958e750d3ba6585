# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of HAProxy's configuration, and what lies where it points. All raise HaproxyError."""

from __future__ import annotations

import os

from ..._core.text import lines_of
from ..._errors import HaproxyError
from ..store.atomic import read_regular_file


class ConfigurationClosed(HaproxyError):
    """This user may not read it, which says nothing of what is in it."""


def config_files(path: str) -> list[str]:
    """The files that HAProxy's option -f reads for this path."""
    if not os.path.isdir(path):
        return [path]
    names = directory_names(path)
    return [os.path.join(path, name) for name in names if name.endswith(".cfg") and not name.startswith(".")]


def directory_names(directory: str) -> list[str]:
    """In the order in which HAProxy takes them."""
    try:
        return sorted(os.listdir(directory))
    except OSError as error:
        raise _failure(error)(
            f"Cannot list {directory}, which HAProxy's configuration names: {error.strerror}"
        ) from None


def config_lines(path: str) -> list[str]:
    """Of a configuration file, or of a crt-list."""
    try:
        return lines_of(read_regular_file(path).decode("utf-8", "surrogateescape"))
    except OSError as error:
        raise _failure(error)(f"Cannot read {path}, a part of HAProxy's configuration: {error.strerror}") from None


def _failure(error: OSError) -> type[HaproxyError]:
    return ConfigurationClosed if isinstance(error, PermissionError) else HaproxyError
