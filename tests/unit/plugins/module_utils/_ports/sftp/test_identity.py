# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With which key ssh logs in: read from the file's beginning; and what is handed to ssh in memory."""

from __future__ import annotations

import pathlib
import stat
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.identity import (
    MemoryFile,
    Passphrase,
    key_options,
)
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.ssh_hosts import make_key

NO_AGENT = "-oIdentityAgent=none"


@pytest.fixture(autouse=True)
def agent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def key_of(tmp_path: pathlib.Path, kind: str) -> pathlib.Path:
    path = tmp_path / "key"
    passphrase = "secret" if "locked" in kind else ""
    if "openssh" in kind:
        make_key(path, passphrase=passphrase)
    else:
        pem_format: t.Any = "traditional" if "traditional" in kind else "pkcs8"
        path.write_text(
            pki.private_key_pem(pki.new_key(), key_format=pem_format, passphrase=passphrase.encode() or None)
        )
        path.chmod(0o600)
    return path


@pytest.mark.parametrize("kind", ["openssh", "pkcs8", "traditional"])
def test_a_key_without_a_passphrase_needs_no_agent(tmp_path: pathlib.Path, kind: str) -> None:
    path = key_of(tmp_path, kind)
    identity = f'-oIdentityFile="{path}"'
    assert key_options(str(path), has_passphrase=False) == [
        "-oBatchMode=yes",
        "-oIdentitiesOnly=yes",
        NO_AGENT,
        identity,
    ]


@pytest.mark.parametrize("kind", ["locked openssh", "locked pkcs8", "locked traditional"])
def test_a_key_with_one_needs_that_or_an_agent(
    tmp_path: pathlib.Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(key_of(tmp_path, kind))
    with pytest.raises(
        PushError, match="protected by a passphrase: give it by the option passphrase, or put"
    ) as refused:
        key_options(path, has_passphrase=False)
    assert refused.value.fault == "local"
    options = key_options(path, has_passphrase=True)
    assert NO_AGENT in options
    assert "-oBatchMode=no" in options
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    options = key_options(path, has_passphrase=False)
    assert NO_AGENT not in options
    assert "-oBatchMode=yes" in options


def test_no_key_is_any_that_ssh_finds() -> None:
    assert key_options(None, has_passphrase=False) == ["-oBatchMode=yes"]
    assert key_options(None, has_passphrase=True) == ["-oBatchMode=no", "-oNumberOfPasswordPrompts=1"]


def test_odd_paths(tmp_path: pathlib.Path) -> None:
    """ssh would take %h for the host."""
    path = tmp_path / "it's 100%h"
    make_key(path)
    assert key_options(str(path), has_passphrase=False)[-1] == f'-oIdentityFile="{tmp_path}/it\'s 100%%h"'
    for bad in ('/a"b', "/a\\b"):
        with pytest.raises(PushError, match="no quotation mark or backslash"):
            key_options(bad, has_passphrase=False)
    with pytest.raises(PushError, match="Cannot read the private key"):
        key_options("/a\0b", has_passphrase=False)


def test_what_is_handed_over_is_this_users_alone_and_goes() -> None:
    file = MemoryFile(b"pinned keys\n")
    assert stat.S_IMODE(pathlib.Path(file.path).stat().st_mode) == 0o400
    for _reader in range(2):  # each from the beginning
        assert subprocess.run(["cat", file.path], capture_output=True, check=True).stdout == b"pinned keys\n"
    file.close()
    assert not pathlib.Path(file.path).exists()


@pytest.mark.parametrize("text", ["simple", " 'a' \"b\" $(id) `id` \\ % é "])
def test_a_passphrase_is_printed_as_it_is_and_stands_in_no_variable(text: str) -> None:
    passphrase = Passphrase(text)
    try:
        program = passphrase.environment["SSH_ASKPASS"]
        assert subprocess.run([program, "Enter it:"], capture_output=True, check=True).stdout.decode() == f"{text}\n"
        assert text.strip() not in " ".join(passphrase.environment.values())
        assert stat.S_IMODE(pathlib.Path(program).stat().st_mode) == 0o500
    finally:
        passphrase.close()
    assert not pathlib.Path(program).exists()
