# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files stand behind what a configuration names, on disk and in memory."""

from __future__ import annotations

import os
import pathlib

from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.certificate_paths import (
    CertificatePaths,
    NamedFile,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.listeners import CertificateReference
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.loaded import Loaded
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.served_files import (
    FileFinder,
    ServedFiles,
)


def found_paths(served: ServedFiles) -> list[str]:
    return [reference.path for reference in served.references]


def test_a_directory_has_its_files_and_not_those_below(tmp_path: pathlib.Path) -> None:
    for name in (
        "b.pem",
        "Z.pem",
        "\u00e4.pem",
        "a.pem.key",
        "a.pem.ocsp",
        "a.pem.issuer",
        "a.pem.sctl",
        ".hidden.pem",
    ):
        (tmp_path / name).touch()
    (tmp_path / "below.pem").mkdir()
    (tmp_path / "below.pem" / "c.pem").touch()
    (tmp_path / "link.pem").symlink_to("b.pem")
    served = FileFinder(CertificatePaths()).of_options([("crt", str(tmp_path))])
    real = os.path.realpath(tmp_path)
    assert found_paths(served) == [f"{real}/{name}" for name in ("Z.pem", "b.pem", "b.pem", "\u00e4.pem")]


def test_a_bundle_in_its_order(tmp_path: pathlib.Path) -> None:
    for suffix in ("rsa", "dsa", "ecdsa"):
        (tmp_path / f"www.{suffix}").touch()
    served = FileFinder(CertificatePaths()).of_certificate(NamedFile("www", str(tmp_path / "www")))
    assert found_paths(served) == [f"{os.path.realpath(tmp_path)}/www.{suffix}" for suffix in ("dsa", "ecdsa", "rsa")]


def test_a_name_is_the_file_that_it_was_at_first(tmp_path: pathlib.Path) -> None:
    """HAProxy looks for its name among those it has, before it looks at the disk."""
    finder = FileFinder(CertificatePaths())
    first, second = (tmp_path / name / "www.pem" for name in ("a", "b"))
    for path in (first, second):
        path.parent.mkdir()
        path.touch()
        served = finder.of_certificate(NamedFile("www.pem", str(path)))
        assert found_paths(served) == [os.path.realpath(first)]


def test_what_is_loaded_is_found_by_its_name_where_the_path_is_not_known() -> None:
    loaded = Loaded(
        ["/c/a.pem", "rel.pem"], {"list": [("/c/a.pem", "[alpn h2 ] x.example !y.example"), ("rel.pem", "")]}
    )
    paths = CertificatePaths()
    finder = FileFinder(paths, loaded)
    served = finder.of_options([("crt-list", "list")])
    assert served.references == [
        CertificateReference("/c/a.pem", ("x.example", "!y.example"), filtered=True),
        CertificateReference("/rel.pem"),
    ]
    doubtful = NamedFile("certs/", doubt="has a path that nobody knows")
    assert finder.in_memory(doubtful) is None
    assert finder.of_certificate(doubtful) == ServedFiles(doubt="has a path that nobody knows")


def test_a_file_that_is_not_loaded_is_served_by_nobody(tmp_path: pathlib.Path) -> None:
    (tmp_path / "new.pem").touch()
    finder = FileFinder(CertificatePaths(), Loaded(["/other.pem"], {}))
    assert finder.of_options([("crt", str(tmp_path / "new.pem"))]) == ServedFiles()
