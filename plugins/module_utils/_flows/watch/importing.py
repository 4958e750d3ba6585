# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The endpoints of some files, in whatever form they are."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from ..._core.watch.imports import IMPORT_FORMATS, ImportedEndpoints, ImportFormat, merge_imports, read_import
from ..._core.watch.reading import read_tags
from ..._errors import InvalidOption
from ..._ports.import_file import text_chunks
from ..._ports.tls.starttls import PROTOCOLS


@dataclasses.dataclass(frozen=True)
class ImportFile:
    """One file to import. tags: for all endpoints in it."""

    path: str
    format: ImportFormat = "auto"
    tags: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


def import_files(files: t.Sequence[ImportFile], now: datetime) -> ImportedEndpoints:
    """Of a host and port that several name, the first one counts. Raises InvalidOption for a file that is not there."""
    return merge_imports(
        (file.path, read_import(text_chunks(file.path), file.format, PROTOCOLS, now, file.tags)) for file in files
    )


def given_import_file(entry: t.Any) -> ImportFile:
    """A path, or a dictionary with path, format and tags. Raises InvalidOption."""
    given: t.Mapping[str, t.Any] = {"path": entry} if isinstance(entry, str) else entry
    if not isinstance(given, t.Mapping) or not isinstance(given.get("path"), str) or not given["path"]:
        raise InvalidOption("import_files: each is a path, or a dictionary with path, format and tags.")
    unknown = sorted(str(key) for key in given if key not in ("path", "format", "tags"))
    if unknown:
        raise InvalidOption(f"import_files: {unknown[0]!r} is none of path, format and tags.")
    file_format: t.Any = given.get("format") or "auto"
    if file_format not in IMPORT_FORMATS:
        raise InvalidOption(f"import_files: format is one of {', '.join(IMPORT_FORMATS)}, not {file_format!r}.")
    return ImportFile(given["path"], file_format, read_tags(given.get("tags")))
