# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which file a name of HAProxy is, and whose line a line of a crt-list is."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.parsing import CrtListEntry
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.crt_list_file import (
    CrtListFile,
    crt_base_of,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.errors import CertificateInUse
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.load_paths import (
    NOTHING_KNOWN,
    FileNames,
    KnownNames,
    LoadPaths,
    read_load_paths,
)

CONFIG = """\
global
    crt-base "/etc/my certs"  # quoted
    default-path config
crt-store
    load crt plain.pem
crt-store web
    crt-base /srv/web
    load alias www crt www.pem key www.key
frontend f
    bind :443 ssl crt-list lists/a.txt crt-list /lists/b.txt alpn h2
    bind :444 ssl crt x.pem
"""


def configured(tmp_path: pathlib.Path, text: str) -> LoadPaths:
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    return read_load_paths([str(path)])


def test_configuration(tmp_path: pathlib.Path) -> None:
    paths = configured(tmp_path, CONFIG)
    assert paths.crt_base == "/etc/my certs"
    assert paths.directories == (str(tmp_path),)
    assert paths.crt_lists == {str(tmp_path / "lists/a.txt"), "/lists/b.txt"}
    assert paths.stores == {"/etc/my certs/plain.pem": "/etc/my certs/plain.pem", "@web/www": "/srv/web/www.pem"}
    (tmp_path / "other.cfg").write_text("global\n crt-base /other\n")
    (tmp_path / ".hidden.cfg").write_text("global\n crt-base /hidden\n")
    assert read_load_paths([str(tmp_path)]).crt_base is None  # two of them: which one was it?


@pytest.mark.parametrize(
    ("text", "crt_base"),
    [
        ("global\n", ""),
        ("global\n crt-base /a\n crt-base /a\n", "/a"),
        ("global\n crt-base $WHERE\n", "$WHERE"),
        ('global\n crt-base "$WHERE"\n', None),
        ("global\n.if defined(X)\n crt-base /a\n.endif\n", None),
        ("crt-store s\n crt-base /store\n", ""),
    ],
)
def test_what_crt_base_is(tmp_path: pathlib.Path, text: str, crt_base: str | None) -> None:
    assert configured(tmp_path, text).crt_base == crt_base


def test_a_line_ends_at_a_newline_only(tmp_path: pathlib.Path) -> None:
    assert configured(tmp_path, "global\n crt-base /a # old:\rcrt-base /b\u2028crt-base /c\n").crt_base == "/a"


def test_configuration_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    assert read_load_paths([]) == read_load_paths([str(tmp_path / "none.cfg")]) == NOTHING_KNOWN


def test_names_of_a_file(tmp_path: pathlib.Path) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    (certs / "www.pem").touch()
    (certs / "_default.pem").symlink_to("www.pem")
    (tmp_path / "linked").symlink_to("certs")
    names = [
        f"{certs}/b.pem",
        f"{certs}/www.pem",
        f"{certs}/_default.pem",
        f"{tmp_path}/linked/www.pem",
        f"{tmp_path}/x/../certs/www.pem",
        "certs/www.pem",
        "@web/www",
        "@web/unknown",
    ]
    paths = LoadPaths(stores={"@web/www": f"{certs}/www.pem"}, directories=(str(tmp_path),))
    known = KnownNames(FileNames(paths), names)
    same = set(names) - {f"{certs}/b.pem", "@web/unknown"}
    for name in (*same, f"{certs}//www.pem"):
        found = known.of(name)
        assert set(found) == same
        assert name not in same or found[0] == name
    assert known.of("@web/unknown") == ["@web/unknown"]
    assert known.of(f"{certs}/new.pem") == known.of("@web/none") == []
    assert not known.is_complete(f"{certs}/b.pem")  # the other paths of its directory lack it
    for directory in (f"{tmp_path}/linked", f"{tmp_path}/x/../certs", "certs"):
        known.add(f"{directory}/b.pem")
    assert known.is_complete(f"{certs}/b.pem")
    known.discard("@web/www")
    assert "@web/www" not in known.of(f"{certs}/www.pem")
    # Where nothing is known a name is what it says.
    assert KnownNames(FileNames(NOTHING_KNOWN), names).of("@web/www") == ["@web/www"]


def entry(name: str, line: int) -> CrtListEntry:
    return CrtListEntry(name, line, "")


@pytest.mark.parametrize(
    ("written", "loaded", "crt_base"),
    [
        ({1: "www.pem"}, [entry("/c/www.pem", 1)], "/c"),
        ({1: "t/www.pem", 2: "/x/a.pem"}, [entry("/c/t/www.pem", 1), entry("/x/a.pem", 2)], "/c"),
        ({1: "www.pem"}, [entry("www.pem", 1)], ""),
        ({1: "www.pem"}, [entry("/www.pem", 1)], "/"),
        ({1: "www.pem"}, [entry("/c/www.pem.rsa", 1), entry("/c/www.pem.ecdsa", 1)], "/c"),
        ({1: "@s/www"}, [entry("@s/www", 1)], None),
        ({1: "/c/www.pem"}, [entry("/c/www.pem", 1)], None),
        ({1: "www.pem"}, [entry("/c/xwww.pem", 1)], None),
        ({1: "www.pem", 2: "a.pem"}, [entry("/c/www.pem", 1), entry("/d/a.pem", 2)], None),
        ({1: "www.pem", 2: "a.pem"}, [entry("/c/www.pem", 1), entry("/c/changed.pem", 2)], None),
        ({1: "www.pem"}, [], None),
    ],
)
def test_crt_base_by_what_is_loaded(written: dict[int, str], loaded: list[CrtListEntry], crt_base: str | None) -> None:
    assert crt_base_of(written, loaded) == crt_base


def crt_list(tmp_path: pathlib.Path, text: str, paths: LoadPaths = NOTHING_KNOWN, *loaded: CrtListEntry) -> CrtListFile:
    path = tmp_path / "list.txt"
    path.write_text(text)
    return CrtListFile(str(path), FileNames(paths), loaded)


@pytest.mark.parametrize(
    ("line", "has_it"),
    [
        ("/c/www.pem", True),
        ("  /c/www.pem\tx.com\r", True),
        ("/c/www.pem[alpn h2]", True),
        ("/c//./www.pem [alpn h2] x.com !y.com # z", True),
        ("/c/tenant/../www.pem", True),
        ("www.pem", True),
        ("./www.pem", True),
        ("tenant/www.pem", False),
        ("/c/tenant/www.pem", False),
        ("#/c/www.pem", False),
        (" #/c/www.pem", False),
        ('"/c/www.pem"', False),
        ("/c/www.pem.old", False),
        ("@s/www.pem", False),
        ("@s/alias", True),
    ],
)
def test_whose_line(tmp_path: pathlib.Path, line: str, has_it: bool) -> None:
    paths = LoadPaths(crt_base="/c", stores={"@s/alias": "/c/www.pem"})
    file = crt_list(tmp_path, f"# x\n/c/a.pem\n{line}\n\n", paths)
    assert file.contains("/c/www.pem") == file.contains("/x/../c/www.pem") == has_it
    assert file.remove("/c/www.pem") == has_it
    assert file.read().decode() == "# x\n/c/a.pem\n" + ("\n" if has_it else f"{line}\n\n")


def test_relative_lines_are_not_guessed(tmp_path: pathlib.Path) -> None:
    file = crt_list(tmp_path, "/c/a.pem\nwww.pem\n")
    for change in (file.contains, file.add, file.remove):
        with pytest.raises(StoreError, match="crt-base is not known"):
            change("/c/www.pem")
    assert crt_list(tmp_path, "www.pem\n", NOTHING_KNOWN, entry("/c/www.pem", 1)).contains("/c/www.pem")
    with pytest.raises(StoreError, match="differ about"):
        crt_list(tmp_path, "www.pem\n", LoadPaths(crt_base="/d"), entry("/c/www.pem", 1)).contains("/c/www.pem")


def test_bundle_goes_with_its_last_file(tmp_path: pathlib.Path) -> None:
    rsa, ecdsa = tmp_path / "www.pem.rsa", tmp_path / "www.pem.ecdsa"
    rsa.touch()
    ecdsa.touch()
    file = crt_list(tmp_path, f"/c/a.pem\n{tmp_path}/www.pem\n")
    assert not file.remove(str(rsa))
    rsa.unlink()
    assert file.remove(str(ecdsa))


def test_last_entry_stays_unless_haproxy_lets_it_go(tmp_path: pathlib.Path) -> None:
    text = "# x\n\n/c/www.pem [alpn h2] a\n/c/www.pem b\n"
    with pytest.raises(CertificateInUse, match="only entry"):
        crt_list(tmp_path, text).check_removable("/c/www.pem", [])
    with pytest.raises(CertificateInUse):
        crt_list(tmp_path, text, NOTHING_KNOWN, entry("/c/x.pem", 1)).check_removable("/c/www.pem", ["/c/www.pem"])
    crt_list(tmp_path, text, NOTHING_KNOWN, entry("/c/www.pem", 3)).check_removable("/c/www.pem", ["/c/www.pem"])
    crt_list(tmp_path, f"{text}/c/a.pem\n").check_removable("/c/www.pem", [])
