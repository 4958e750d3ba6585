# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process that opens encrypted content: who it belongs to, and what it takes from where."""

from __future__ import annotations

import os
import pathlib
import signal
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl import opener
from ansible_collections.certops.rotation.tests.support import costly, pki
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PKCS8 = pki.shared_key("ec").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
SECRET = b"passphrase"
OPENER = opener.ProcessOpener(SECRET)


def pid_of_opener() -> int:
    process = opener._PROCESS._process
    assert process is not None
    return process.pid


def test_after_a_fork_each_process_has_its_own_opener() -> None:
    """Ansible's workers are forks: one must never get the other's key."""
    keys = [pki.new_key() for _number in range(2)]
    ders = [key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for key in keys]
    containers = [costly.container(der, SECRET, hidden=True) for der in ders]
    assert OPENER.open("pkcs12", containers[0])[0] == ders[0]
    mine = pid_of_opener()
    child = os.fork()
    if child == 0:
        answers = [OPENER.open("pkcs12", containers[1])[0] for _number in range(200)]
        right = answers == [ders[1]] * 200 and pid_of_opener() != mine
        os.kill(pid_of_opener(), signal.SIGKILL)
        os._exit(0 if right else 1)
    assert all(OPENER.open("pkcs12", containers[0])[0] == ders[0] for _number in range(200))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pid_of_opener() == mine


def test_the_opener_takes_no_module_from_where_it_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    for name in ("cryptography", "warnings", "sys"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opener, "_PROCESS", opener._OpeningProcess())
    content = costly.container(PKCS8, SECRET, hidden=True)
    assert OPENER.open("pkcs12", content)[0] == PKCS8
    process = t.cast("t.Any", opener._PROCESS._process)
    process.kill()
    process.wait()
    # One that has been killed meanwhile is no content's fault.
    assert OPENER.open("pkcs12", content)[0] == PKCS8
    opener._end(t.cast("t.Any", opener._PROCESS._process))


def test_an_opener_that_cannot_start_is_no_content_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "_PROCESS", opener._OpeningProcess())
    monkeypatch.setattr(opener.sys, "path", [])
    with pytest.raises(OSError, match="cannot be loaded"):
        OPENER.open("pkcs12", costly.container(PKCS8, SECRET))


def test_the_opener_has_a_session_of_its_own() -> None:
    """A terminal asks all processes of its session to end."""
    OPENER.open("pkcs12", costly.container(PKCS8, SECRET, hidden=True))
    assert os.getsid(pid_of_opener()) == pid_of_opener()
