# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses, quoting, and the crt-list file."""

from __future__ import annotations

import pathlib
import stat

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.crt_list_file import CrtListFile
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.load_paths import FileNames, LoadPaths
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import escape, parse_address

NAMES = FileNames(LoadPaths(crt_base="/base"))


def test_addresses() -> None:
    assert parse_address("/run/haproxy/admin.sock") == "/run/haproxy/admin.sock"
    assert parse_address("unix@relative.sock") == "relative.sock"
    assert parse_address("/run/odd@name:1.sock") == "/run/odd@name:1.sock"
    assert parse_address("127.0.0.1:9999") == ("127.0.0.1", 9999)
    assert parse_address("ipv4@127.0.0.1:9999") == ("127.0.0.1", 9999)
    assert parse_address("ipv6@::1:9999") == ("::1", 9999)
    assert parse_address("[::1]:9999") == ("::1", 9999)
    assert parse_address(":9999") == ("127.0.0.1", 9999)


@pytest.mark.parametrize("address", ["", "admin.sock", "host:", "host:http", "host:0", "host:70000"])
def test_no_addresses(address: str) -> None:
    with pytest.raises(InvalidOption, match="no socket address"):
        parse_address(address)


def test_escape() -> None:
    assert escape("/c/a b;c\\d.pem") == "/c/a\\ b\\;c\\\\d.pem"
    assert escape("@alias/*.pem") == "@alias/*.pem"
    for bad in ("a\nb", "a\rb", "a\0b"):
        with pytest.raises(InvalidOption):
            escape(bad)


def test_crt_list_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# comment\n\n/c/a.pem [alpn h2] a.example.com\nrelative.pem\n  /c/b.pem")
    path.chmod(0o644)
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    file = CrtListFile(str(link), NAMES)
    assert file.exists()
    before = file.read()
    assert [file.contains(name) for name in ("/c/a.pem", "/c/b.pem", "/base/relative.pem", "/c/x.pem", "/c/a")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not file.add("/c/a.pem")
    assert path.read_bytes() == before
    new = tmp_path / "new.pem"
    with pytest.raises(InvalidOption, match="is no file"):
        file.add(str(new))
    new.touch()
    assert file.add(str(new))
    assert path.read_bytes() == before + f"\n{new}\n".encode()
    assert file.remove("/c/a.pem")
    assert not file.remove("/c/a.pem")
    assert path.read_text() == f"# comment\n\nrelative.pem\n  /c/b.pem\n{new}\n"
    file.write_back(before)
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert link.is_symlink()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link.txt", "list.txt", "new.pem"]


@pytest.mark.parametrize("name", ["/c/a b.pem", "#a.pem", "/c/[a].pem"])
def test_names_that_a_crt_list_file_cannot_hold(tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text("")
    with pytest.raises(InvalidOption, match="cannot hold"):
        CrtListFile(str(path), NAMES).add(name)


def test_no_crt_list_file(tmp_path: pathlib.Path) -> None:
    assert not CrtListFile(str(tmp_path), NAMES).exists()
    with pytest.raises(StoreError):
        CrtListFile(str(tmp_path / "missing"), NAMES).read()
