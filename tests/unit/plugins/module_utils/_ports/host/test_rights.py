# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is root is never advised to become root: by the sentence itself, and by nobody who writes his own."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import RuntimeApi
from ansible_collections.certops.rotation.plugins.module_utils._ports.host import rights
from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.docker import DockerEngine

_PACKAGE = pathlib.Path(rights.__file__).parents[2]


def test_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert rights.run_as_root() == "Run as root (become: true)."
    assert rights.run_as_root(", or do not") == "Run as root (become: true), or do not."
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "become" not in rights.run_as_root(", or do not")


@pytest.mark.parametrize(("uid", "is_told"), [(1000, True), (0, False)])
def test_sockets(monkeypatch: pytest.MonkeyPatch, uid: int, is_told: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    for said in (
        RuntimeApi("/run/x.sock")._unavailable(PermissionError(13, "Permission denied")).message,
        DockerEngine("unix:///run/x.sock", 1)._reason(PermissionError(13, "Permission denied"), 1),
    ):
        assert ("become: true" in said) is is_told
        assert ("SELinux" in said) is not is_told


def test_nobody_writes_it_himself() -> None:
    """What is said of one whose user is known here is for the places of _core, which are told whether it is root."""
    own = {
        str(path.relative_to(_PACKAGE))
        for path in _PACKAGE.rglob("*.py")
        if "become: true" in path.read_text() and "is_root" not in path.read_text()
    }
    assert own == {"_ports/registry/advice.py"}, "the user that keeps a database need not be root"
