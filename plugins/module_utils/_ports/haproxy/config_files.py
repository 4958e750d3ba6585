# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of HAProxy's configuration, and what lies where it points. All raise HaproxyError."""

from __future__ import annotations

import os
import typing as t

from ..._core.haproxy.configuration import ConfigLine, ConfigReader
from ..._core.text import lines_of
from ..._errors import HaproxyError
from ..store.atomic import read_regular_file


class ConfigurationClosed(HaproxyError):
    """This user may not read it, which says nothing of what is in it."""


def config_files(path: str) -> list[str]:
    """The files that HAProxy's option -f reads for this path."""
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(path, name) for name in files_in(path) if name.endswith(".cfg") and not name.startswith(".")]


def files_in(directory: str) -> list[str]:
    """The names of the files there, in the order in which HAProxy takes them; it skips directories and the like."""
    try:
        with os.scandir(directory) as entries:
            return sorted((entry.name for entry in entries if _is_file(entry)), key=os.fsencode)
    except OSError as error:
        raise _failure(error)(
            f"Cannot list {directory}, which HAProxy's configuration names: {error.strerror}"
        ) from None


def config_lines(path: str) -> list[str]:
    """Of a configuration file, or of a crt-list."""
    try:
        content = read_regular_file(path)
    except OSError as error:
        raise _failure(error)(f"Cannot read {path}, a part of HAProxy's configuration: {error.strerror}") from None
    if b"\0" in content:
        raise HaproxyError(f"Cannot read {path}, a part of HAProxy's configuration: it is no text, for it holds a NUL.")
    return lines_of(content.decode("utf-8", "surrogateescape"))


def all_lines(config_paths: t.Iterable[str]) -> t.Iterator[str]:
    """Of all files, whether they count or not."""
    for path in config_paths:
        for file in config_files(path):
            yield from config_lines(file)


def read_configuration(config_paths: t.Iterable[str], reader: ConfigReader) -> t.Iterator[ConfigLine]:
    """config_paths: as HAProxy's -f takes them: files, or directories of which all *.cfg are read."""
    for path in config_paths:
        for file in config_files(path):
            yield from reader.read(file, config_lines(file))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # links in a circle
        return False


def _failure(error: OSError) -> type[HaproxyError]:
    return ConfigurationClosed if isinstance(error, PermissionError) else HaproxyError
