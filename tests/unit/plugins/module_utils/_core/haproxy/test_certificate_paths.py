# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and paths of certificates, as HAProxy 3.0 and 3.2 were seen to make them."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.certificate_paths import (
    KEYWORDS,
    CertificatePaths,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.conditions import KnownHaproxy
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.configuration import ConfigReader
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.variables import Environment


def paths_of(text: str, file: str = "/etc/haproxy/h.cfg", start: str = "/") -> CertificatePaths:
    paths = CertificatePaths(start)
    for line in ConfigReader(KEYWORDS, Environment({}), KnownHaproxy()).read(file, text.splitlines()):
        paths.take(line)
    return paths


@pytest.mark.parametrize(
    ("text", "value", "name", "path"),
    [
        ("", "a.pem", "a.pem", "/a.pem"),
        ("", "/x/a.pem", "/x/a.pem", "/x/a.pem"),
        ("global\ncrt-base /c", "a.pem", "/c/a.pem", "/c/a.pem"),
        ("global\ncrt-base /c/", "a.pem", "/c//a.pem", "/c//a.pem"),
        ("global\ncrt-base /c", "/x/a.pem", "/x/a.pem", "/x/a.pem"),
        ("global\ncrt-base c\ndefault-path config", "a.pem", "c/a.pem", "/etc/haproxy/c/a.pem"),
        ("global\ndefault-path config", "a.pem", "a.pem", "/etc/haproxy/a.pem"),
        ("global\ndefault-path parent", "a.pem", "a.pem", "/etc/haproxy/../a.pem"),
        ("global\ndefault-path origin /o", "a.pem", "a.pem", "/o/a.pem"),
        ("global\ndefault-path config\ndefault-path current", "a.pem", "a.pem", "/a.pem"),
        ("crt-store\nload crt a.pem", "a.pem", "a.pem", "/a.pem"),
        ("crt-store\ncrt-base /s\nload crt a.pem", "a.pem", "a.pem", "/s/a.pem"),
        ("global\ncrt-base /c\ncrt-store\ncrt-base /s\nload crt a.pem", "a.pem", "/c/a.pem", "/s/a.pem"),
        ("global\ncrt-base /c\ncrt-store\nload crt a.pem key k alias b", "@/b", "@/b", "/c/a.pem"),
        ("global\ncrt-base /c\ncrt-store w\nload crt a.pem", "@w/a.pem", "@w/a.pem", "/c/a.pem"),
        ("crt-store w\nload crt /x/a.pem", "@w/x/a.pem", "@w/x/a.pem", "/x/a.pem"),
        ("crt-store w\ncrt-base /s\nload alias d/e crt a.pem", "@w/d/e", "@w/d/e", "/s/a.pem"),
        # Another section's crt-base is not the store's.
        ("crt-store w\ncrt-base /s\nfrontend f\n", "a.pem", "a.pem", "/a.pem"),
    ],
)
def test_names_and_paths(text: str, value: str, name: str, path: str) -> None:
    file = paths_of(text).certificate(value)
    assert (file.name, file.path, file.doubt) == (name, path, None)


@pytest.mark.parametrize(
    ("text", "value", "doubt"),
    [
        ('global\ncrt-base "$X"', "a.pem", "depends on crt-base, which needs the environment variable X"),
        ("global\ncrt-base /a\ncrt-base /b", "a.pem", "depends on crt-base, which is given twice"),
        (".if defined(X)\nglobal\ndefault-path config\n.endif", "a.pem", "depends on default-path, which is in a cond"),
        ('crt-store w\ncrt-base "$X"\nload crt a.pem', "@w/a.pem", "needs the environment variable X"),
        ("crt-store w\n.if defined(X)\nload crt a.pem\n.endif", "@w/a.pem", "is in a conditional block"),
        ("", "@w/a.pem", "in no crt-store that is known here"),
    ],
)
def test_what_is_not_known(text: str, value: str, doubt: str) -> None:
    file = paths_of(text).certificate(value)
    assert (file.path, doubt in (file.doubt or "")) == ("", True), file
    assert paths_of(text).certificate("/x/a.pem").path == "/x/a.pem"


def test_each_file_has_its_directory() -> None:
    paths = CertificatePaths("/run")
    reader = ConfigReader(KEYWORDS, Environment({}), KnownHaproxy())
    for file, expected in (("/a/1.cfg", "/a/x.pem"), ("/b/2.cfg", "/b/x.pem"), ("c/3.cfg", "/run/c/x.pem")):
        for line in reader.read(file, ["global", "default-path config"] if file == "/a/1.cfg" else ["frontend f"]):
            paths.take(line)
        assert paths.certificate("x.pem").path == expected
    assert list(paths.directories) == ["/a", "/b", "/run/c"]


def test_what_signs_has_another_base() -> None:
    paths = paths_of("global\ncrt-base /c\nca-base /ca")
    assert paths.authority("sign.pem").path == "/ca/sign.pem"
    assert paths.other("list").path == "/list"
