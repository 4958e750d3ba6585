# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files HAProxy's configuration names one by one: without such a file HAProxy does not start."""

from __future__ import annotations

import os
import typing as t

from ..._core.haproxy.certificate_paths import BUNDLE_SUFFIXES
from ..._core.haproxy.config_words import split_words
from ..._core.haproxy.variables import Environment, UnknownVariable
from ..._errors import HaproxyError
from .config_files import config_files, config_lines, files_in
from .load_paths import read_load_paths


def named_files(config_paths: t.Sequence[str], *, crt_lists: bool) -> frozenset[str]:
    """Paths, with links resolved, of all files that the configuration names, or that links lead to which it loads.

    Any word of any line may be a name, for it does no harm to find too many. config_paths: as HAProxy's -f takes them.
    crt_lists: whether the lines of crt-list files count. What cannot be read names nothing.
    """
    paths = read_load_paths(config_paths)
    words = _words(config_paths, paths.crt_lists if crt_lists else ())
    bases = {"", paths.crt_base or ""}
    places = {os.path.join(directory, base) for directory in paths.directories for base in bases}
    named = {os.path.join(place, word) for place in places for word in words}
    return frozenset(file for path in named.union(paths.stores.values()) for file in _files(path))


def _words(config_paths: t.Sequence[str], crt_lists: t.Iterable[str]) -> set[str]:
    words: set[str] = set()
    try:
        for path in config_paths:
            for file in config_files(path):
                for line in config_lines(file):
                    words.update(_split(line))
        for path in crt_lists:
            for line in config_lines(path):
                words.update(line.partition("#")[0].split()[:1])
    except HaproxyError:
        pass  # the configuration is read by others, who complain
    return words


def _split(line: str) -> list[str]:
    try:
        return split_words(line, Environment(os.environ))
    except UnknownVariable:
        return []


def _files(path: str) -> t.Iterator[str]:
    """What there is of it: the file itself, the parts of a bundle; of a directory what the links in it lead to."""
    if os.path.isdir(path):
        try:
            names = files_in(path)
        except HaproxyError:
            return
        entries = (os.path.join(path, name) for name in names if not name.startswith("."))
        places = [entry for entry in entries if os.path.islink(entry)]
    else:
        places = [path, *(path + suffix for suffix in BUNDLE_SUFFIXES)]
    yield from (os.path.realpath(place) for place in places if os.path.isfile(place))
