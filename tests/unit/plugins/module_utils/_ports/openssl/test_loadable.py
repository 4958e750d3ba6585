# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenSSL is asked on hosts that have less than others, too."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl import loadable
from ansible_collections.certops.rotation.tests.support import odd, pki
from ansible_collections.certops.rotation.tests.support.content import secret_verifier

pytestmark = pytest.mark.filterwarnings("ignore")  # of cryptography, about just these


@pytest.mark.parametrize("proc", [True, False])
def test_without_memory_files_a_pipe_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any, *, proc: bool) -> None:
    """As on other systems than Linux, or where /proc is not there. Nothing stays, and nothing holds a key meanwhile."""
    monkeypatch.setattr(loadable.tempfile, "tempdir", str(tmp_path))
    if proc:
        monkeypatch.delattr(loadable.os, "memfd_create")
    else:
        exists = loadable.os.path.exists
        monkeypatch.setattr(
            loadable.os.path, "exists", lambda path: not str(path).startswith("/proc/") and exists(path)
        )
    made: list[int] = []
    mkfifo = loadable.os.mkfifo
    monkeypatch.setattr(loadable.os, "mkfifo", lambda path, mode: (made.append(mode), mkfifo(path, mode)))
    issued = pki.CertificateAuthority("Root").issue("a.example.com")
    for value, good in ((issued.secret_string(), True), (odd.secret("time as a name"), False)):
        bundle, _problems = secret_verifier().verify(value, at=pki.now())
        assert (bundle is not None) == good
    assert made == [0o600] * 4
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_cannot_ask_openssl_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor is left, for instance: that is not the certificate's fault."""

    def none_left(_name: str) -> t.NoReturn:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(loadable.os, "memfd_create", none_left)
    with pytest.raises(OSError, match="Too many open files"):
        secret_verifier().verify(pki.CertificateAuthority("Root").issue("a.example.com").secret_string(), at=pki.now())
